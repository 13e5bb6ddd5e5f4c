//! Whether a wallet has an account is not told by the time that a challenge takes.

use crate::check::{Checks, Group};
use crate::checks::stopwatch::{Side, same_time, told};
use crate::context::Context;
use crate::finding::Stop;
use countersign_spec::Step;

/// Adds the check, where nobody can simply look a wallet up.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.step(Step::Lookup).is_some() {
        return;
    }
    checks
        .add(
            Group::Challenge,
            "a known and an unknown wallet are given challenges in the same time",
            &["common.challenge.no-enumeration-timing"],
            compare,
        )
        .alone();
}

fn compare(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Challenge)?;
    let known = cx.actor()?;
    cx.log_in(&known)?;
    let mut last = [None, None];
    let gap = same_time(cx, |cx, side| {
        let actor = if side == Side::Known { known.clone() } else { cx.other_actor()? };
        let answer = cx.ask_challenge(operation, &actor)?;
        if side == Side::Unknown && !answer.accepted() {
            return Err(Stop::NotApplicable("the target gives challenges to known wallets only".to_owned()));
        }
        cx.control(&answer, "asking for a challenge")?;
        let took = answer.exchange.outcome.as_ref().map(|response| response.elapsed);
        let took = took.map_err(|error| Stop::Inconclusive(error.to_string()))?;
        last[usize::from(side == Side::Unknown)] = Some(answer.exchange);
        Ok(took)
    })?;
    let Some(gap) = gap else { return Ok(()) };
    let exchanges: Vec<_> = last.into_iter().flatten().collect();
    let did = "asked for challenges, by turns for a wallet that has logged in and for new ones";
    let got = told(&gap, "the known wallet and");
    cx.found_in(did, "challenges that take the same time", &got, &exchanges)
}
