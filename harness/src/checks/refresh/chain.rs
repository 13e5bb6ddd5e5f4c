//! One session that is refreshed again and again, as clients do for weeks.

use super::{same_account, who};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Context, Session};
use crate::finding::Stop;
use countersign_spec::{Operation, Step};
use std::collections::BTreeMap;

/// How often a session is refreshed.
const LINKS: usize = 12;

/// Adds the checks of long chains.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Refresh,
            "a session is refreshed again and again",
            &["common.flow.chained-refresh-works"],
            |cx| {
                let (mut session, mut token) = refreshable(cx)?;
                for link in 1..=LINKS {
                    let answer = cx.refresh_with(&session, &token)?;
                    let did =
                        format!("refreshed a session for the {} time, each time with what it had", nth(link));
                    cx.must_accept(&answer, &did)?;
                    if !answer.accepted() {
                        break;
                    }
                    session = following(&session, Context::session_of(&session.actor, answer));
                    token = session.refreshable(cx.scheme).unwrap_or_default().to_owned();
                }
                Ok(())
            },
        )
        .family("chain", 1);
    checks
        .add(
            Group::Refresh,
            "a session stays its accounts however often it is refreshed",
            &["common.refresh.keeps-identity"],
            |cx| {
                let (mut first, _) = refreshable(cx)?;
                let sinks = cx.token_sinks();
                let sink = sinks.into_iter().find(|sink| sink.step != Step::Refresh);
                let mut known = named(cx, sink, &first)?;
                let mut session = first.clone();
                for link in 1..=LINKS {
                    session = cx.refresh(&session)?;
                    let did = format!(
                        "refreshed a session for the {} time and read its first token and its last",
                        nth(link)
                    );
                    // Whose it has become, it stays: that is no other departure with each further link.
                    if !same_account(cx, &first, &session, &did)? {
                        first = session.clone();
                    }
                    let Some(sink) = sink else { continue };
                    let seen = named(cx, Some(sink), &session)?;
                    if seen != known {
                        let got = format!("{seen:?} in place of {known:?}");
                        let did =
                            format!("refreshed a session for the {} time and asked {}", nth(link), sink.name);
                        cx.found_in(&did, "the account that logged in", &got, &last(cx))?;
                        known = seen;
                    }
                }
                Ok(())
            },
        )
        .family("chain", 2);
}

/// What an operation says of whose a session is.
fn named<'t>(
    cx: &mut Context<'t>,
    sink: Option<&'t Operation>,
    session: &Session<'_>,
) -> Result<BTreeMap<String, String>, Stop> {
    let Some(sink) = sink else { return Ok(BTreeMap::new()) };
    let answer = cx.present(sink, &session.actor, session.access.as_deref().unwrap_or_default())?;
    cx.control(&answer, &format!("asking {} with a token of the session", sink.name))?;
    Ok(who(&answer))
}

/// A session after a refresh, which may answer without one of the tokens: then the old one is kept.
fn following<'t>(before: &Session<'t>, next: Session<'t>) -> Session<'t> {
    Session {
        access: next.access.or_else(|| before.access.clone()),
        refresh: next.refresh.or_else(|| before.refresh.clone()),
        ..next
    }
}

fn nth(number: usize) -> String {
    match number {
        1 => "1st".to_owned(),
        2 => "2nd".to_owned(),
        3 => "3rd".to_owned(),
        other => format!("{other}th"),
    }
}

fn last(cx: &Context<'_>) -> Vec<std::sync::Arc<crate::exchange::Exchange>> {
    cx.log.iter().rev().take(2).rev().cloned().collect()
}
