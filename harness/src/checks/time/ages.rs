//! Refreshes at many ages of a token: what is computed from times goes wrong at some of them only.

use super::{LEEWAY, MARGIN, advance, lifetime, refresh_lifetime};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::checks::refresh::same_account;
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::jwt::{self, Jwt};
use countersign_spec::{Level, RefreshTakes};

/// Ages in seconds at which lenient arithmetic takes an old token for a new one: just beyond one day, some hours into the
/// second, some days and a month, each a little more than whole.
const LATER: [u64; 4] = [86_400 + 60, 90_000, 2 * 86_400 + 7_200, 30 * 86_400 + 60];

/// Adds the checks of ages.
pub(super) fn add(checks: &mut Checks<'_>) {
    let Some(refresh) = &checks.scheme.refresh else { return };
    let check = checks.add(
        Group::Time,
        "a token is refreshed at every age within its life",
        &["common.flow.refresh-works"],
        |cx| {
            let end = life(cx)?;
            for age in [2, 9, 60, end / 2, end.saturating_sub(MARGIN)] {
                let (session, token) = refreshable(cx)?;
                advance(cx, age)?;
                let answer = cx.refresh_with(&session, &token)?;
                cx.must_accept(
                    &answer,
                    &format!("refreshed with a token {age} s after its issue, of its {end} s"),
                )?;
            }
            Ok(())
        },
    );
    // What the document says of tokens past their life is another matter.
    check.at_most(Level::Should);
    checks.add(
        Group::Time,
        "a token refreshed later keeps its account",
        &["common.refresh.keeps-identity"],
        |cx| {
            let end = life(cx)?;
            for age in [3, (end / 3).min(600), end / 2] {
                let (session, _) = refreshable(cx)?;
                crate::checks::token::access_jwt(&session)?;
                advance(cx, age)?;
                let next = cx.refresh(&session)?;
                same_account(cx, &session, &next, &format!("refreshed a token {age} s after its issue"))?;
            }
            Ok(())
        },
    );
    if refresh.takes == RefreshTakes::Access && refresh.accepts_expired {
        checks.add(
            Group::Time,
            "an expired token with another signature is not refreshed",
            &["common.refresh.signature"],
            |cx| {
                let (session, token) = refreshable(cx)?;
                let lived = lifetime(cx, &session)?;
                let jwt = Jwt::read(&token)
                    .ok_or_else(|| Stop::NotApplicable("the token is opaque: it is no JWT".to_owned()))?;
                advance(cx, lived + 60)?;
                let key = cx.random_hex(32);
                let added =
                    jwt.with_claims(|claims| drop(claims.insert("x".to_owned(), serde_json::json!(1))));
                for (what, forged) in [
                    ("with an invented signature", jwt::with_invented_signature(&token)),
                    ("without its signature", jwt::with_signature(&token, "")),
                    ("signed with another key", jwt.resigned(key.as_bytes(), |_| (), |_| ())),
                    ("with a claim more under its old signature", added),
                ] {
                    cx.secrets.add(&forged, "$FORGED_TOKEN");
                    let answer = cx.refresh_with(&session, &forged)?;
                    cx.must_refuse(&answer, &format!("refreshed a token 60 s past its life, {what}"))?;
                }
                Ok(())
            },
        );
    }
}

/// Within how many seconds of its issue any target refreshes a token: afterwards some may refuse.
fn life(cx: &mut Context<'_>) -> Result<u64, Stop> {
    let (session, _) = refreshable(cx)?;
    let own = cx.scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    if own { refresh_lifetime(cx, &session) } else { lifetime(cx, &session) }
}

/// Demands that a token is not refreshed after this many seconds, neither soon afterwards nor any later.
pub(super) fn never_again(
    cx: &mut Context<'_>,
    session: &Session<'_>,
    token: &str,
    end: u64,
) -> Result<(), Stop> {
    let mut age = end + LEEWAY + MARGIN;
    advance(cx, age)?;
    let answer = cx.refresh_with(session, token)?;
    cx.must_refuse(&answer, &format!("refreshed a token {} s after its {end} s were over", LEEWAY + MARGIN))?;
    let further = LATER.into_iter().chain([end + 86_400 + 60, end + 90_000]);
    let mut further: Vec<u64> = further.filter(|later| *later > age).collect();
    further.sort_unstable();
    for later in further {
        advance(cx, later - age)?;
        age = later;
        let answer = cx.refresh_with(session, token)?;
        cx.must_refuse(&answer, &format!("refreshed a token {age} s after its issue, which has {end} s"))?;
    }
    Ok(())
}
