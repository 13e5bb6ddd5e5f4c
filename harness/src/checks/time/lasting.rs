//! What must not wear off while time passes: a logout, a use, a challenge that somebody is about to sign.

use super::{MARGIN, advance, dated_session, lifetime, use_of};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::finding::Stop;
use countersign_spec::{RefreshTakes, Step};

/// Seconds that a person needs to read a text and confirm it on a wallet.
const TO_SIGN: u64 = 30;

/// Adds the checks of what lasts.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    if scheme.step(Step::Logout).is_some() && scheme.tokens.access.is_some() {
        checks.add(
            Group::Time,
            "a logged out token stays refused until its end",
            &["common.flow.logout-ends-access"],
            |cx| {
                let sink = use_of(cx)?;
                let (session, lifetime) = dated_session(cx)?;
                let answer = cx.log_out(&session)?;
                cx.control(&answer, "a logout")?;
                let token = session.access.clone().unwrap_or_default();
                let answer = cx.present(sink, &session.actor, &token)?;
                refused_already(answer.accepted())?;
                // Twice, because what is forgotten may be forgotten at any time.
                let half = lifetime.saturating_sub(2 * MARGIN) / 2;
                for passed in [half, 2 * half] {
                    advance(cx, half)?;
                    let answer = cx.present(sink, &session.actor, &token)?;
                    cx.must_refuse(&answer, &format!("used a logged out token {passed} s after the logout"))?;
                }
                Ok(())
            },
        );
        if scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh) {
            checks.add(
                Group::Time,
                "a logged out refresh token stays refused",
                &["common.flow.logout-ends-refresh"],
                |cx| {
                    let (session, token) = refreshable(cx)?;
                    let lifetime = lifetime(cx, &session)?;
                    let answer = cx.log_out(&session)?;
                    cx.control(&answer, "a logout")?;
                    let answer = cx.refresh_with(&session, &token)?;
                    refused_already(answer.accepted())?;
                    advance(cx, lifetime + 60)?;
                    let answer = cx.refresh_with(&session, &token)?;
                    let did = format!("refreshed a logged out session {} s after the logout", lifetime + 60);
                    cx.must_refuse(&answer, &did)
                },
            );
        }
    }
    if scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh) {
        checks.add(
            Group::Time,
            "an exchanged refresh token stays refused",
            &["common.refresh.reuse"],
            |cx| {
                let (session, token) = refreshable(cx)?;
                let lifetime = lifetime(cx, &session)?;
                let next = cx.refresh(&session)?;
                if next.refresh.as_deref() == Some(token.as_str()) {
                    return Err(Stop::NotApplicable(
                        "the target keeps the refresh token and does not rotate it".to_owned(),
                    ));
                }
                cx.refresh(&next)?;
                advance(cx, lifetime)?;
                let answer = cx.refresh_with(&session, &token)?;
                cx.must_refuse(&answer, &format!("refreshed with a token exchanged {lifetime} s before"))
            },
        );
    }
    if scheme.step(Step::Challenge).is_some() {
        checks
            .add(
                Group::Time,
                "a used challenge stays refused as time passes",
                &["common.challenge.single-use"],
                |cx| {
                    let me = cx.actor()?;
                    let attempt = cx.attempt(&me)?;
                    let first = cx.send_attempt(&attempt)?;
                    cx.control(&first, "the first login with the challenge")?;
                    // Within the life of challenges, and past it.
                    for (pause, passed) in [(TO_SIGN, 30), (31, 61), (570, 631), (86_400, 87_031)] {
                        advance(cx, pause)?;
                        let again = cx.send_attempt(&attempt)?;
                        cx.must_refuse(&again, &format!("sent the same login again {passed} s later"))?;
                    }
                    Ok(())
                },
            )
            .family("challenge-use", 2);
        checks.add(Group::Time, "a challenge waits to be signed", &["common.challenge.lives"], |cx| {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            advance(cx, TO_SIGN)?;
            let answer = cx.send_attempt(&attempt)?;
            cx.must_accept(
                &answer,
                &format!("logged in with a challenge that was asked for {TO_SIGN} s before"),
            )
        });
    }
}

/// Whether what must last is there at all.
fn refused_already(accepted: bool) -> Result<(), Stop> {
    if accepted {
        return Err(Stop::Inconclusive("a logout ends nothing even at once, as other checks say".to_owned()));
    }
    Ok(())
}
