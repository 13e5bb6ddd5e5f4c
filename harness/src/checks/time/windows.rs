//! How long a token can be refreshed, and what the new one is worth.

use super::{LEEWAY, MARGIN, advance, ages, documented, lifetime, refresh_lifetime, use_of};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::checks::token::access_jwt;
use crate::context::Context;
use crate::finding::Stop;
use countersign_spec::{Expiry, Level, RefreshTakes};

/// Adds the checks of refreshes before and after the end of what they take.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    let Some(refresh) = &scheme.refresh else { return };
    if refresh.accepts_expired {
        const CLAUSE: &str = "common.refresh.window-open";
        // Token libraries refuse expired tokens by default; where clients refresh at no other time, that is no excuse.
        let relied_on = scheme.clauses_refining(CLAUSE).any(|clause| clause.level != Level::May);
        let check = checks.add(
            Group::Time,
            "a token past its lifetime is refreshed inside the window",
            &[CLAUSE],
            after_the_lifetime,
        );
        if !relied_on {
            check.at_most(Level::May);
        }
    }
    checks.add(
        Group::Time,
        "a refresh gives a token that ends later",
        &["common.refresh.new-lifetime"],
        |cx| {
            let (session, token) = refreshable(cx)?;
            let lifetime = lifetime(cx, &session)?;
            let pause = lifetime / 2;
            advance(cx, pause)?;
            let answer = cx.refresh_with(&session, &token)?;
            cx.must_accept(
                &answer,
                &format!("refreshed a token {pause} s after its issue, in the middle of its life"),
            )?;
            let next = Context::session_of(&session.actor, answer);
            let Some(new) = next.access.clone() else {
                return Err(Stop::NotApplicable(
                    "the answer holds no token: the presented one lives on".to_owned(),
                ));
            };
            if session.access.as_ref() == Some(&new) {
                let did = format!("refreshed a token {pause} s after its issue");
                return cx.found(&did, "a token other than the old one", &next.answer);
            }
            let (before, after) = (access_jwt(&session)?, access_jwt(&next)?);
            let rule = documented(cx.scheme)?;
            let mut ends_later = true;
            for claim in rule.expiry_claims.iter().chain(&rule.issued_claims) {
                if let (Some(old), Some(new)) = (before.seconds(claim), after.seconds(claim))
                    && new < old + i64::try_from(pause / 2).unwrap_or(0)
                {
                    let got = format!("`{claim}` was {old} and is {new}");
                    let did = format!("refreshed a token {pause} s after its issue");
                    let exchanges = [session.answer.exchange.clone(), next.answer.exchange.clone()];
                    cx.found_in(&did, "a token with times of its own issue", &got, &exchanges)?;
                    ends_later &= !rule.expiry_claims.contains(claim);
                }
            }
            // What it says is also what it does.
            if ends_later && let Ok(sink) = use_of(cx) {
                advance(cx, lifetime.saturating_sub(MARGIN))?;
                let answer = cx.present(sink, &session.actor, &new)?;
                cx.must_accept(
                    &answer,
                    &format!("used a refreshed token {MARGIN} s before its {lifetime} s were over"),
                )?;
            }
            Ok(())
        },
    );
    if let (Some(window), Some(from)) = (refresh.window, refresh.window_from) {
        let open = move |cx: &mut Context<'_>| {
            let lived = {
                let (session, token) = refreshable(cx)?;
                let lived = lifetime(cx, &session)?;
                advance(cx, lived + 60)?;
                if !cx.refresh_with(&session, &token)?.accepted() {
                    let reason =
                        "the target refuses to refresh a token past its lifetime, which it may".to_owned();
                    return Err(Stop::NotApplicable(reason));
                }
                lived
            };
            let (session, token) = refreshable(cx)?;
            let end = match from {
                Expiry::Issue => window.max(lived),
                Expiry::Expiry => lived + window,
            };
            advance(cx, end.saturating_sub(60))?;
            let answer = cx.refresh_with(&session, &token)?;
            cx.must_accept(
                &answer,
                &format!("refreshed a token 60 s before the end of its window of {window} s"),
            )?;
            let next = Context::session_of(&session.actor, answer);
            let Some(token) = next.refreshable(cx.scheme).map(str::to_owned) else { return Ok(()) };
            advance(cx, end.saturating_sub(60))?;
            let answer = cx.refresh_with(&next, &token)?;
            cx.must_accept(&answer, "refreshed the successor 60 s before the end of a window of its own")
        };
        checks.add(
            Group::Time,
            "a token is refreshed until its window ends",
            &["common.refresh.window-closed"],
            open,
        );
        checks
            .add(
                Group::Time,
                "a token past its refresh window is refused",
                &["common.refresh.window-closed"],
                move |cx| {
                    let (session, token) = refreshable(cx)?;
                    let lived = lifetime(cx, &session)?;
                    let end = match from {
                        Expiry::Issue => window.max(lived),
                        Expiry::Expiry => lived + window,
                    };
                    ages::never_again(cx, &session, &token, end)
                },
            )
            .family("late-window", 0);
        checks.add(
            Group::Time,
            "a refreshed token does not reach back to the first window",
            &["common.refresh.window-closed"],
            move |cx| {
                // The first token's window ends with its own issue, whatever has been refreshed since.
                let (session, token) = refreshable(cx)?;
                advance(cx, window / 2)?;
                let next = cx.refresh_with(&session, &token)?;
                cx.control(&next, "a refresh in the middle of the window")?;
                advance(cx, window - window / 2 + LEEWAY + MARGIN)?;
                let lived = lifetime(cx, &session)?;
                if lived > window {
                    return Err(Stop::NotApplicable("the target's tokens outlive the window".to_owned()));
                }
                let answer = cx.refresh_with(&session, &token)?;
                cx.must_refuse(
                    &answer,
                    "refreshed the first token after its own window, having refreshed it inside",
                )
            },
        );
    }
    if refresh.takes == RefreshTakes::Refresh {
        checks.add(
            Group::Time,
            "a refresh token outlives the access token",
            &["common.refresh.window-open"],
            after_the_lifetime,
        );
        checks
            .add(
                Group::Time,
                "a refresh token is refused after its lifetime",
                &["common.refresh.lifetime"],
                |cx| {
                    let (session, token) = refreshable(cx)?;
                    let lifetime = refresh_lifetime(cx, &session)?;
                    ages::never_again(cx, &session, &token, lifetime)
                },
            )
            .family("late-refresh", 0);
    }
}

/// Refreshes when the access token has just ended.
fn after_the_lifetime(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (session, token) = refreshable(cx)?;
    let lifetime = lifetime(cx, &session)?;
    advance(cx, lifetime + 60)?;
    let answer = cx.refresh_with(&session, &token)?;
    cx.must_accept(&answer, &format!("refreshed 60 s after the access token's {lifetime} s were over"))
}
