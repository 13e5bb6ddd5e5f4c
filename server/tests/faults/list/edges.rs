//! Faults that only passing time shows: ends that come a little late or early, and what is forgotten too soon.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign::jwt::Jwt;
use countersign_spec::{RefreshTakes, Role, Scheme, Step};
use serde_json::json;

/// What becomes of a request when the clock was moved by so many seconds.
type Late = fn(&Seen<'_>, &Scheme, u64) -> Way;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentences: &[&str], late: Late| {
        let names = sentences.iter().map(|sentence| check(&scheme.id, "time", sentence));
        let trips: Vec<String> = names.filter(|name| exists(name)).collect();
        if !trips.is_empty() {
            faults.push(Fault::new(&scheme.id, name, does, &trips, move || moving(scheme, late)));
        }
    };
    add(
        "tokens live ten minutes longer",
        "a token is refused ten minutes after its end",
        &["a token is refused after its lifetime", "a token is refused as soon as its lifetime ends"],
        |seen, scheme, moved| accept_if(is_use(seen) && was_issued(seen) && moved <= lifetime(scheme) + 600),
    );
    add(
        "tokens live a minute longer",
        "a token is refused a minute after its end",
        &["a token is refused as soon as its lifetime ends"],
        |seen, scheme, moved| accept_if(is_use(seen) && was_issued(seen) && moved <= lifetime(scheme) + 60),
    );
    add(
        "use prolongs a token",
        "a token that was used lately is not looked at again",
        &["using a token does not make it live longer"],
        |seen, scheme, moved| {
            let token = seen.token().unwrap_or_default();
            accept_if(is_use(seen) && seen.memory().count(&token) > 3 && moved > lifetime(scheme))
        },
    );
    add(
        "refresh tokens never end",
        "the end of a refresh token is not looked at",
        &[
            "a refresh token is refused after its lifetime",
            "a refresh token is refused as soon as its lifetime ends",
        ],
        |seen, _, _| accept_if(is_own_refresh(seen) && was_issued(seen)),
    );
    add(
        "refresh tokens end early",
        "a refresh token ends a few minutes after the access token",
        &["a refresh token is accepted until its lifetime ends"],
        |seen, scheme, moved| refuse_if(is_own_refresh(seen) && moved > lifetime(scheme) + 200),
    );
    add(
        "windows end before their last second",
        "the age of a token is compared with less than in place of at most",
        &["the last second of a refresh window belongs to it"],
        |seen, scheme, moved| refuse_if(is_refresh(seen) && Some(moved) == window(scheme)),
    );
    add(
        "windows end a minute late",
        "a minute of leeway at the end of a window",
        &["a refresh window closes with its last second"],
        |seen, scheme, moved| {
            let late = window(scheme).is_some_and(|window| moved > window && moved <= window + 60);
            accept_if(is_refresh(seen) && was_issued(seen) && late)
        },
    );
    add(
        "logouts wear off",
        "revocations are kept for ten minutes",
        &["a logged out token stays refused until its end", "a logged out refresh token stays refused"],
        |seen, _, moved| accept_if((is_use(seen) || is_refresh(seen)) && was_issued(seen) && moved > 600),
    );
    add(
        "exchanges wear off",
        "which refresh tokens were exchanged is kept for ten minutes",
        &["an exchanged refresh token stays refused"],
        |seen, _, moved| accept_if(is_own_refresh(seen) && was_issued(seen) && moved > 600),
    );
    add(
        "used challenges are forgotten",
        "that a challenge was used is kept for some seconds",
        &["a used challenge stays refused as time passes"],
        |seen, _, moved| accept_if(seen.step() == Some(Step::Login) && moved > 10),
    );
    add(
        "young tokens are not refreshed",
        "the age of a token is compared as text: 2 to 9 are more than 10",
        &["a token is refreshed at every age within its life"],
        |seen, _, moved| refuse_if(is_refresh(seen) && (2..=9).contains(&moved)),
    );
    add(
        "expired tokens are not verified",
        "the signature of a token past its end is not looked at",
        &["an expired token with another signature is not refreshed"],
        |seen, scheme, moved| accept_if(is_refresh(seen) && moved > lifetime(scheme)),
    );
    add(
        "days are forgotten",
        "the age of a token is taken without its whole days",
        &["a token past its refresh window is refused", "a refresh token is refused after its lifetime"],
        |seen, _, moved| {
            accept_if(is_refresh(seen) && was_issued(seen) && moved > 86_400 && moved % 86_400 < 3_700)
        },
    );
    add(
        "challenges end after some seconds",
        "a challenge is good for ten seconds",
        &["a challenge waits to be signed"],
        |seen, _, moved| refuse_if(seen.step() == Some(Step::Login) && moved > 10),
    );
    let later = check(&scheme.id, "time", "a token refreshed later keeps its account");
    if exists(&later) {
        let name = "accounts are lost as time passes";
        let does = "a token that is refreshed seconds after its issue names somebody else";
        faults.push(Fault::new(&scheme.id, name, does, &[later], move || Bend {
            tokens: Some(Box::new(move |seen, token| {
                let moved = seen.memory().counts.contains_key("moved");
                let jwt = Jwt::read(token).filter(|_| moved && is_refresh(seen));
                let names = scheme.tokens.access.iter().flat_map(|access| &access.identity_claims);
                jwt.map_or_else(
                    || token.to_owned(),
                    |jwt| {
                        jwt.with_claims(|claims| {
                            for name in names {
                                if let Some(place) = claims.get_mut(name) {
                                    *place = json!("somebody else");
                                }
                            }
                        })
                    },
                )
            })),
            ..moving(scheme, |_, _, _| Way::Pass)
        }));
    }
    faults
}

/// A server that does this while its clock is ahead.
fn moving(of: &'static Scheme, late: Late) -> Bend {
    Bend {
        decide: Some(Box::new(move |seen| {
            let moved = seen.memory().counts.get("moved").copied().unwrap_or_default();
            let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of.id);
            if here && moved > 0 { late(seen, of, moved) } else { Way::Pass }
        })),
        rewrite: Some(Box::new(|seen, req| {
            if seen.req.path == "/__clock" {
                let by = seen.body["advance_seconds"].as_u64().unwrap_or_default();
                *seen.memory().counts.entry("moved".to_owned()).or_default() += by;
                req.set_json(&json!({ "advance_seconds": by }));
            } else if seen.req.path == "/__reset" {
                seen.memory().counts.clear();
            }
        })),
        ..Bend::default()
    }
}

const fn accept_if(condition: bool) -> Way {
    if condition { Way::Accept } else { Way::Pass }
}

const fn refuse_if(condition: bool) -> Way {
    if condition { Way::Refuse } else { Way::Pass }
}

fn is_use(seen: &Seen<'_>) -> bool {
    matches!(seen.step(), Some(Step::Protected | Step::Verify))
}

fn is_refresh(seen: &Seen<'_>) -> bool {
    seen.step() == Some(Step::Refresh)
}

fn is_own_refresh(seen: &Seen<'_>) -> bool {
    let own = |(scheme, _): (&Scheme, _)| {
        scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh)
    };
    is_refresh(seen) && seen.at.is_some_and(own)
}

fn was_issued(seen: &Seen<'_>) -> bool {
    let token = seen.text(Role::RefreshToken).or_else(|| seen.token()).unwrap_or_default();
    seen.memory().issued.contains_key(&token)
}

fn lifetime(scheme: &Scheme) -> u64 {
    scheme.tokens.access.as_ref().map_or(u64::MAX / 2, |access| access.lifetime)
}

fn window(scheme: &Scheme) -> Option<u64> {
    scheme.refresh.as_ref()?.window
}
