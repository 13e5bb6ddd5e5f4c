//! Faults of refreshes: for anybody, with any token, again and again, into several sessions.

use super::super::accepts;
use super::{List, claims, identity, shift};
use crate::bend::{Bend, Way};
use crate::world::Seen;
use countersign::jwt::Jwt;
use countersign_spec::{RefreshTakes, Scheme, Step};
use serde_json::json;

pub(super) fn add(scheme: &Scheme, list: &mut List) {
    let Some(operation) = scheme.step(Step::Refresh) else { return };
    let id = scheme.id.as_str();
    let name = &operation.name;
    list.push(
        "refreshes answer whoever asks",
        "a refresh does not look for a token",
        &[
            ("refresh", "a refresh without a token is refused"),
            ("refresh", "a refresh with a token that was never issued is refused"),
        ],
        Box::new(accepts(id, name, |_| true)),
    );
    list.push(
        "refreshed tokens belong to somebody else",
        "the identity claims of refreshed tokens are not those of the login",
        &[("refresh", "a refreshed token belongs to the same account")],
        identity(scheme, |step| step == Step::Refresh),
    );
    list.push(
        "refreshed tokens end early",
        "refreshed tokens live ten minutes less",
        &[("refresh", "a refreshed token lives a full lifetime")],
        claims(scheme, |seen, claims| {
            if seen.step() == Some(Step::Refresh) {
                shift(claims, &["exp", "access_expired_at"], -600);
            }
        }),
    );
    if scheme.refresh.as_ref().is_none_or(|refresh| refresh.takes != RefreshTakes::Refresh) {
        return;
    }
    list.push(
        "access tokens refresh",
        "a refresh takes any token of the session",
        &[("refresh", "an access token does not refresh")],
        Box::new(accepts(id, name, |seen| {
            let token = seen.token().unwrap_or_default();
            seen.memory().issued.get(&token).is_some_and(|issued| !issued.refresh)
        })),
    );
    list.believe(
        "refresh tokens authorise",
        "a refresh token is good wherever an access token is",
        &[("refresh", "a refresh token does not authorise")],
        |seen, token, _| {
            let used = seen.step() != Some(Step::Refresh);
            used && seen.memory().issued.get(token).is_some_and(|issued| issued.refresh)
        },
    );
    list.push(
        "refresh tokens are used again and again",
        "a refresh token that was exchanged is exchanged again",
        &[("refresh", "a refresh token exchanged before is refused")],
        Box::new(accepts(id, name, |seen| {
            let token = seen.token().unwrap_or_default();
            seen.memory().issued.get(&token).is_some_and(|issued| issued.refresh)
        })),
    );
    let stays = &[("refresh", "a refresh token that is used up stays used up")];
    list.push(
        "one used refresh token is remembered",
        "of a session only the refresh token that was exchanged last is known as used",
        stays,
        Box::new(|| {
            Bend::decide(|seen| {
                let token = seen.token().filter(|_| seen.step() == Some(Step::Refresh));
                let Some(token) = token else { return Way::Pass };
                let session =
                    Jwt::read(&token).and_then(|jwt| jwt.claims.get("sid").map(ToString::to_string));
                let session = session.unwrap_or_default();
                let mut memory = seen.memory();
                if memory.count(&token) == 1 {
                    memory.notes.insert(session, token);
                    return Way::Pass;
                }
                if memory.notes.get(&session) == Some(&token) { Way::Refuse } else { Way::Accept }
            })
        }),
    );
    list.push(
        "used refresh tokens are remembered as they are written",
        "a used refresh token with padding is another one",
        stays,
        Box::new(|| {
            Bend::decide(|seen| {
                let token = seen.token().filter(|_| seen.step() == Some(Step::Refresh));
                let Some(token) = token else { return Way::Pass };
                let plain = token.trim_end_matches('=');
                let mut memory = seen.memory();
                if plain == token {
                    return if memory.count(plain) == 1 { Way::Pass } else { Way::Refuse };
                }
                if memory.counts.contains_key(plain) { Way::Accept } else { Way::Pass }
            })
        }),
    );
    let fork = &[("race", "one refresh token never leaves several successors")];
    list.push(
        "refreshes fork",
        "a used refresh token is refused, unless its uses overlap: then each gets a successor",
        fork,
        Box::new(|| Bend {
            decide: Some(Box::new(|seen| {
                let used = seen.step() == Some(Step::Refresh)
                    && seen.memory().count(&seen.token().unwrap_or_default()) > 1;
                if used && seen.inside() < 2 { Way::Refuse } else { Way::Pass }
            })),
            wait: Some(std::time::Duration::from_millis(20)),
            ..each_its_own()
        }),
    );
    list.push(
        "a grace for lost answers forks",
        "until the successor is used, a refresh token is exchanged again, for another one each time",
        fork,
        Box::new(each_its_own),
    );
    let of = scheme.id.clone();
    list.push(
        "refresh tokens are never used up",
        "every refresh token is exchanged as often as it is shown, for another one each time",
        &[("race", "refreshes that a target repeats leave one successor")],
        Box::new(move || {
            let of = of.clone();
            Bend { decide: Bend::decide(move |seen| keeps_old(seen, &of)).decide, ..each_its_own() }
        }),
    );
}

/// Lets a refresh in with any refresh token that was ever given out.
fn keeps_old(seen: &Seen<'_>, scheme: &str) -> Way {
    let here = seen.step() == Some(Step::Refresh) && seen.at.is_some_and(|(at, _)| at.id == scheme);
    let token = seen.token().unwrap_or_default();
    let known = seen.memory().issued.get(&token).is_some_and(|issued| issued.refresh);
    if here && known { Way::Accept } else { Way::Pass }
}

/// Each answer to a refresh holds tokens of its own, whatever the server gave.
pub(crate) fn each_its_own() -> Bend {
    Bend::tokens(|seen, token| {
        let number = seen.memory().count("successor");
        let jwt = Jwt::read(token).filter(|_| seen.step() == Some(Step::Refresh));
        jwt.map_or_else(
            || token.to_owned(),
            |jwt| jwt.with_claims(|claims| drop(claims.insert("n".to_owned(), json!(number)))),
        )
    })
}
