//! A target that uses refresh tokens up shows so itself; then it has to keep to it.

use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::checks::token::spellings;
use crate::context::{Context, Session};
use crate::finding::Stop;

/// Exchanges after which the first token is tried again.
const LINKS: usize = 4;

/// Adds the check of targets that refuse what was exchanged just before.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Refresh,
            "a refresh token that is used up stays used up",
            &["common.refresh.used-up"],
            |cx| {
                let wait = uses_up(cx)?;
                let (first, token) = exchanged(cx, LINKS)?;
                let answer = cx.refresh_with(&first, &token)?;
                let did = format!(
                    "refreshed with a token that {LINKS} others have followed, where one is refused {}",
                    wait.said()
                );
                cx.must_refuse(&answer, &did)?;
                for nth in 0..spellings(&token).len() {
                    let (first, token) = exchanged(cx, wait.links())?;
                    let Some((how, other)) = spellings(&token).into_iter().nth(nth) else { continue };
                    if other == token {
                        continue;
                    }
                    let answer = cx.refresh_with(&first, &other)?;
                    let did = format!("refreshed with {how}, where it is refused as it is {}", wait.said());
                    cx.must_refuse(&answer, &did)?;
                }
                Ok(())
            },
        )
        .family("refresh-reuse", 1);
}

/// What makes a target refuse a token that was exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpentBy {
    Exchange,
    /// Until then the answer to the exchange may have been lost.
    UseOfSuccessor,
}

impl SpentBy {
    const fn links(self) -> usize {
        match self {
            Self::Exchange => 1,
            Self::UseOfSuccessor => 2,
        }
    }

    const fn said(self) -> &'static str {
        match self {
            Self::Exchange => "right after its exchange",
            Self::UseOfSuccessor => "once its successor was used",
        }
    }
}

fn uses_up(cx: &mut Context<'_>) -> Result<SpentBy, Stop> {
    for spent in [SpentBy::Exchange, SpentBy::UseOfSuccessor] {
        let (first, token) = exchanged(cx, spent.links())?;
        if !cx.refresh_with(&first, &token)?.accepted() {
            return Ok(spent);
        }
    }
    Err(Stop::NotApplicable("a refresh token can be used again and again on this target".to_owned()))
}

/// A session whose token, which comes with it, was exchanged, and its successors in turn.
fn exchanged<'t>(cx: &mut Context<'t>, links: usize) -> Result<(Session<'t>, String), Stop> {
    let (first, token) = refreshable(cx)?;
    let mut session = first.clone();
    for _ in 0..links {
        session = cx.refresh(&session)?;
        if session.refresh.as_deref() == Some(token.as_str()) {
            let reason = "the target keeps the refresh token and does not rotate it";
            return Err(Stop::NotApplicable(reason.to_owned()));
        }
    }
    Ok((first, token))
}
