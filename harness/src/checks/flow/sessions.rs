//! What a logout ends: the whole session, also what came before a refresh and after it.

use super::{first_sink, has_sink, refreshable};
use crate::check::{Checks, Group};
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::judge::Verdict;
use countersign_spec::{Level, RefreshTakes, Step};

/// Adds the checks of logouts beside refreshes.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    if scheme.step(Step::Logout).is_none() {
        return;
    }
    checks.add(
        Group::Flow,
        "a second logout causes no server error",
        &["common.hygiene.no-server-error"],
        |cx| {
            let session = cx.session()?;
            let out = cx.log_out(&session)?;
            cx.control(&out, "the logout")?;
            let again = cx.log_out(&session)?;
            if again.verdict == Verdict::Broken && again.exchange.outcome.is_ok() {
                cx.found("logged out twice", "any answer but a server error", &again)?;
            }
            Ok(())
        },
    );
    let own = scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    if !own || !has_sink(scheme) {
        return;
    }
    checks
        .add(
            Group::Flow,
            "a logout after a refresh ends the session",
            &["common.flow.logout-ends-access", "common.flow.logout-ends-refresh"],
            |cx| {
                let (session, _) = refreshable(cx)?;
                let next = cx.refresh(&session)?;
                let out = cx.log_out(&next)?;
                cx.control(&out, "the logout with the new access token")?;
                ended(cx, &next, "refreshed, logged out with the new access token")
            },
        )
        .family("logout-refresh", 1);
    checks
        .add(
            Group::Flow,
            "a logout ends every token of its session",
            &["common.flow.logout-ends-successors"],
            |cx| {
                for early in [false, true] {
                    let (session, _) = refreshable(cx)?;
                    let next = cx.refresh(&session)?;
                    // Where a refresh ends the earlier access token, nobody logs out with it.
                    let out = cx.log_out(if early { &session } else { &next })?;
                    if early && !out.accepted() {
                        continue;
                    }
                    cx.control(&out, "the logout")?;
                    let with = if early {
                        "the access token from before the refresh"
                    } else {
                        "the new access token"
                    };
                    ended(cx, &next, &format!("refreshed, logged out with {with}"))?;
                    let earlier = Session { refresh: None, ..session };
                    ended(cx, &earlier, &format!("refreshed, logged out with {with}"))?;
                }
                Ok(())
            },
        )
        .family("logout-refresh", 2);
    checks
        .add(
            Group::Flow,
            "a token exchanged before stays refused after a logout",
            &["common.flow.logout-ends-refresh"],
            |cx| {
                let (session, token) = refreshable(cx)?;
                let next = cx.refresh(&session)?;
                if next.refresh.as_deref() == Some(token.as_str()) {
                    let reason = "the target keeps the refresh token and does not rotate it";
                    return Err(Stop::NotApplicable(reason.to_owned()));
                }
                let out = cx.log_out(&next)?;
                cx.control(&out, "the logout")?;
                let answer = cx.refresh_with(&session, &token)?;
                cx.must_refuse(
                    &answer,
                    "refreshed, logged out, and refreshed with the token exchanged before",
                )
            },
        )
        .at_most(Level::Should)
        .family("logout-refresh", 1);
}

/// Demands that the tokens of a session are refused.
fn ended(cx: &mut Context<'_>, session: &Session<'_>, did: &str) -> Result<(), Stop> {
    first_sink(cx)?;
    if let Some(access) = &session.access {
        for sink in cx.token_sinks().into_iter().filter(|sink| sink.step != Step::Refresh) {
            let answer = cx.present(sink, &session.actor, access)?;
            cx.must_refuse(
                &answer,
                &format!("{did}, and asked {} with an access token of the session", sink.name),
            )?;
        }
    }
    if let Some(refresh) = &session.refresh {
        let answer = cx.refresh_with(session, refresh)?;
        cx.must_refuse(&answer, &format!("{did}, and refreshed with the session's last refresh token"))?;
    }
    Ok(())
}
