//! What other logins and other accounts do to a session that waits to be refreshed.

use super::same_account;
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::Context;
use crate::need::Need;

/// Adds the checks of sessions beside others.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.needing(Need::SecondAccount).add(
        Group::Refresh,
        "logins of others leave a refresh token alive",
        &["common.flow.login-is-own"],
        |cx| {
            let (mine, token) = refreshable(cx)?;
            let other = cx.other_actor()?;
            let theirs = cx.log_in(&other)?;
            cx.refresh(&theirs)?;
            let answer = cx.refresh_with(&mine, &token)?;
            let did =
                "logged one account in, then another that refreshed, and refreshed the first one's session";
            cx.must_accept(&answer, did)
        },
    );
    checks.add(
        Group::Refresh,
        "a further login leaves the earlier session refreshable",
        &["common.flow.sessions-independent"],
        |cx| {
            let (first, token) = refreshable(cx)?;
            let second = cx.log_in(&first.actor)?;
            if second.refreshable(cx.scheme) == Some(token.as_str()) {
                // Tokens that count seconds and nothing else are the same within one.
                std::thread::sleep(std::time::Duration::from_millis(1_100));
                cx.log_in(&first.actor)?;
            }
            let answer = cx.refresh_with(&first, &token)?;
            cx.must_accept(&answer, "logged an account in twice and refreshed the first session")
        },
    );
    checks.needing(Need::SecondAccount).add(
        Group::Refresh,
        "refreshes of two accounts in turn stay apart",
        &["common.refresh.keeps-identity"],
        |cx| {
            let (mine, _) = refreshable(cx)?;
            let other = cx.other_actor()?;
            let theirs = cx.log_in(&other)?;
            let (first, second) = (cx.refresh(&mine)?, cx.refresh(&theirs)?);
            let did = "refreshed sessions of two accounts, one after the other";
            let exchanges = [first.answer.exchange.clone(), second.answer.exchange.clone()];
            let new = Context::session_of(&other, second.answer.clone());
            let shared = new.access.is_some() && new.access == first.access;
            if shared {
                cx.found_in(did, "a token for each account", "the same token for both", &exchanges)?;
            }
            if new.refresh.is_some() && new.refresh == first.refresh {
                let got = "the same refresh token for both";
                cx.found_in(did, "a refresh token for each account", got, &exchanges)?;
            }
            // One token cannot name both.
            if shared {
                return Ok(());
            }
            same_account(cx, &mine, &first, did)?;
            same_account(cx, &theirs, &second, did)?;
            Ok(())
        },
    );
}
