//! One refresh token in several hands at the same moment: what comes of it may be one lineage of sessions, not two.

use super::{CALLERS, ROUNDS};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Answer, Context, Session};
use crate::finding::Stop;
use countersign_spec::{Level, Role};

/// Adds the checks of refresh tokens that are exchanged at the same moment.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Race,
        "one refresh token never leaves several successors",
        &["common.refresh.no-fork"],
        |cx| match keeping(cx)? {
            Keeping::UsesUp => race(cx),
            Keeping::Repeats => Err(Stop::NotApplicable(
                "a refresh token can be used on this target after its successor was".to_owned(),
            )),
        },
    );
    checks
        .add(
            Group::Race,
            "refreshes that a target repeats leave one successor",
            &["common.refresh.no-fork"],
            |cx| match keeping(cx)? {
                Keeping::UsesUp => Err(Stop::NotApplicable(
                    "a refresh token is used up on this target once its successor was used".to_owned(),
                )),
                Keeping::Repeats => race(cx),
            },
        )
        // From outside, a long grace looks like a server that remembers no token at all, as many do.
        .at_most(Level::May)
        .family("refresh-reuse", 1);
}

/// What becomes of a refresh token that was exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// It is refused, at the latest when its successor was used.
    UsesUp,
    /// It is exchanged again.
    Repeats,
}

fn keeping(cx: &mut Context<'_>) -> Result<Keeping, Stop> {
    let (session, token) = refreshable(cx)?;
    let next = cx.refresh(&session)?;
    if next.refresh.as_deref() == Some(token.as_str()) {
        return Err(Stop::NotApplicable(
            "the target keeps the refresh token and does not rotate it".to_owned(),
        ));
    }
    cx.refresh(&next)?;
    let again = cx.refresh_with(&session, &token)?;
    Ok(if again.accepted() { Keeping::Repeats } else { Keeping::UsesUp })
}

/// Whoever wins, and however many are given the same successor: there must not be two that both go on.
fn race(cx: &mut Context<'_>) -> Result<(), Stop> {
    for _ in 0..ROUNDS {
        let (session, token) = refreshable(cx)?;
        let (operation, draft) = cx.refresh_draft(&session, &token)?;
        let answers = cx.send_together(operation, &vec![draft; CALLERS]);
        let mut branches: Vec<Session<'_>> = Vec::new();
        for answer in answers.into_iter().filter(Answer::accepted) {
            let branch = Context::session_of(&session.actor, answer);
            if branch.refresh.is_some() && branches.iter().all(|known| known.refresh != branch.refresh) {
                branches.push(branch);
            }
        }
        let successors = branches.len();
        let mut alive: Vec<Session<'_>> = Vec::new();
        for branch in branches {
            // The first use shows that the branch is good, the second that it was not joined to another meanwhile.
            let Some(next) = go_on(cx, &branch)? else { continue };
            if alive.iter().all(|known| known.refresh != next.refresh) {
                alive.push(next);
            }
            if alive.len() == 2 {
                break;
            }
        }
        let [one, other] = alive.as_slice() else { continue };
        let (Some(_), Some(last)) = (go_on(cx, one)?, go_on(cx, other)?) else { continue };
        let got =
            format!("{successors} different successors, of which two were refreshed in turns, twice each");
        let did = format!("exchanged one refresh token {CALLERS} times at the same moment");
        let exchanges = [one, other, &last].map(|session| session.answer.exchange.clone());
        cx.found_in(&did, "one successor that goes on, whoever asks", &got, &exchanges)?;
    }
    Ok(())
}

/// The session after one more refresh, where the target lets it go on.
fn go_on<'t>(cx: &mut Context<'t>, session: &Session<'t>) -> Result<Option<Session<'t>>, Stop> {
    let token = session.refresh.clone().unwrap_or_default();
    let answer = cx.refresh_with(session, &token)?;
    if !answer.accepted() || answer.text(Role::RefreshToken).is_none() {
        return Ok(None);
    }
    Ok(Some(Context::session_of(&session.actor, answer)))
}
