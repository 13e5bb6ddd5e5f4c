//! At the very ends of lifetimes and windows: the last second before, the first one after.
//!
//! What comes late by less than clocks may differ is advice at most; [`super::LEEWAY`] is where it becomes a finding.

use super::{LEEWAY, MARGIN, advance, documented, refresh_lifetime, refused_after};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::{Auth, Expiry, RefreshTakes, Role, Step};

/// Seconds after an end that no rounding explains.
const TICK: u64 = 2;
/// How often an edge that falls between two seconds is tried.
const TRIES: usize = 4;

/// Adds the checks of edges.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    let used = scheme.operations.iter().any(|operation| {
        operation.auth == Auth::Access
            && !operation.auth_optional
            && !matches!(operation.step, Step::Refresh | Step::Logout)
    });
    if scheme.tokens.access.is_some() && used {
        checks
            .add(
                Group::Time,
                "a token is refused as soon as its lifetime ends",
                &["common.token.expires-at-once"],
                |cx| refused_after(cx, TICK),
            )
            .family("late-token", 1);
        checks
            .add(
                Group::Time,
                "using a token does not make it live longer",
                &["common.token.use-does-not-extend"],
                used_to_the_end,
            )
            .family("late-token", 2);
    }
    let Some(refresh) = &scheme.refresh else { return };
    if refresh.takes == RefreshTakes::Refresh {
        checks.add(
            Group::Time,
            "a refresh token is accepted until its lifetime ends",
            &["common.refresh.lives"],
            until_the_end,
        );
        checks
            .add(
                Group::Time,
                "a refresh token is refused as soon as its lifetime ends",
                &["common.token.expires-at-once"],
                |cx| {
                    let (session, token) = refreshable(cx)?;
                    let lifetime = refresh_lifetime(cx, &session)?;
                    advance(cx, lifetime + TICK)?;
                    let answer = cx.refresh_with(&session, &token)?;
                    cx.must_refuse(
                        &answer,
                        &format!("refreshed {TICK} s after the refresh token's {lifetime} s were over"),
                    )
                },
            )
            .family("late-refresh", 1);
    }
    if let (Some(window), Some(Expiry::Issue)) = (refresh.window, refresh.window_from) {
        checks.add(
            Group::Time,
            "the last second of a refresh window belongs to it",
            &["common.refresh.window-edge"],
            move |cx| last_second(cx, window),
        );
        checks
            .add(
                Group::Time,
                "a refresh window closes with its last second",
                &["common.refresh.window-edge"],
                move |cx| {
                    let (session, token) = refreshable(cx)?;
                    if super::lifetime(cx, &session)? > window {
                        return Err(outlives());
                    }
                    advance(cx, window + TICK)?;
                    let answer = cx.refresh_with(&session, &token)?;
                    cx.must_refuse(
                        &answer,
                        &format!("refreshed a token {TICK} s after its window of {window} s"),
                    )
                },
            )
            .family("late-window", 1);
    }
}

fn outlives() -> Stop {
    Stop::NotApplicable("the target's tokens outlive the window".to_owned())
}

/// Uses a token again and again until its end, and once more beyond.
fn used_to_the_end(cx: &mut Context<'_>) -> Result<(), Stop> {
    let sink = super::use_of(cx)?;
    let (session, lifetime) = super::dated_session(cx)?;
    let token = session.access.clone().unwrap_or_default();
    let parts = 4;
    for _ in 0..parts {
        advance(cx, lifetime.saturating_sub(MARGIN) / parts)?;
        let answer = cx.present(sink, &session.actor, &token)?;
        cx.control(&answer, "using a token before its end")?;
    }
    advance(cx, LEEWAY + 3 * MARGIN)?;
    let answer = cx.present(sink, &session.actor, &token)?;
    let did = format!(
        "used a token four times within its {lifetime} s, and again {} s after them",
        LEEWAY + 2 * MARGIN
    );
    cx.must_refuse(&answer, &did)
}

/// Refreshes just before the end of a refresh token, and just before the end that its successor states.
fn until_the_end(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (session, token) = refreshable(cx)?;
    let lifetime = refresh_lifetime(cx, &session)?;
    advance(cx, lifetime.saturating_sub(MARGIN))?;
    let answer = cx.refresh_with(&session, &token)?;
    cx.must_accept(
        &answer,
        &format!("refreshed {MARGIN} s before the refresh token's {lifetime} s were over"),
    )?;
    let next = Context::session_of(&session.actor, answer);
    // The same token once more has no life of its own.
    let Some(token) = next.refresh.clone().filter(|new| *new != token) else { return Ok(()) };
    let Some(lifetime) = stated_anew(cx, &next) else { return Ok(()) };
    advance(cx, lifetime.saturating_sub(MARGIN))?;
    let answer = cx.refresh_with(&next, &token)?;
    let did = format!("refreshed {MARGIN} s before the {lifetime} s were over that the successor was given");
    cx.must_accept(&answer, &did)
}

/// What a refreshed answer or token says of the life of the new refresh token.
fn stated_anew(cx: &Context<'_>, next: &Session<'_>) -> Option<u64> {
    if let Some(stated) = next.answer.value(Role::RefreshExpiresIn) {
        return stated.as_u64();
    }
    let rule = cx.scheme.tokens.refresh.as_ref()?;
    let jwt = next.refresh.as_deref().and_then(Jwt::read)?;
    let end = rule.expiry_claims.iter().find_map(|claim| jwt.seconds(claim))?;
    let begin = rule.issued_claims.iter().find_map(|claim| jwt.seconds(claim))?;
    u64::try_from(end - begin).ok()
}

/// Refreshes in the second in which the window ends. That it was this second is told by a token issued right afterwards.
fn last_second(cx: &mut Context<'_>, window: u64) -> Result<(), Stop> {
    let (session, _) = refreshable(cx)?;
    if super::lifetime(cx, &session)? > window {
        return Err(outlives());
    }
    for _ in 0..TRIES {
        let (session, token) = refreshable(cx)?;
        let Some(issued) = issued_at(cx, &session)? else {
            return Err(Stop::NotApplicable("the token does not say when it was issued".to_owned()));
        };
        advance(cx, window)?;
        let answer = cx.refresh_with(&session, &token)?;
        if answer.accepted() {
            return Ok(());
        }
        let after = cx.log_in(&session.actor)?;
        let edge = issued + i64::try_from(window).unwrap_or(i64::MAX);
        if issued_at(cx, &after)? == Some(edge) {
            return cx
                .must_accept(&answer, &format!("refreshed a token in the last second of its {window} s"));
        }
    }
    Err(Stop::Inconclusive("the target answers too slowly to meet a single second".to_owned()))
}

fn issued_at(cx: &Context<'_>, session: &Session<'_>) -> Result<Option<i64>, Stop> {
    let rule = documented(cx.scheme)?;
    let jwt = crate::checks::token::access_jwt(session)?;
    Ok(rule.issued_claims.iter().find_map(|claim| jwt.seconds(claim)))
}
