//! Whether a name exists is not told by the time that a refusal takes.

use super::enumeration::{documents_unknown, stranger_like};
use super::try_login;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::checks::stopwatch::{Side, same_time, told};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::judge::Verdict;
use serde_json::json;

/// Names the wrong secrets are spread over, so that none is tried too often.
const ACCOUNTS: usize = 3;

/// Wrong secrets for each of them before a right one.
const TURNS: usize = 3;

/// Adds the check.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "a wrong secret and an unknown account take the same time",
            &["common.credential.no-enumeration-timing"],
            compare,
        )
        .alone();
}

fn compare(cx: &mut Context<'_>) -> Result<(), Stop> {
    let mut actors = vec![cx.actor()?];
    actors.extend((1..ACCOUNTS).map_while(|nth| cx.nth_actor(nth).ok()));
    let (mut asked, mut statuses) = (0_usize, [None; 2]);
    let mut last = [None, None];
    let gap = same_time(cx, |cx, side| {
        let actor = &actors[asked / 2 % actors.len()];
        if asked % (2 * TURNS * actors.len()) == 0 {
            // The right secret in between, so that nobody is locked for what a stopwatch needs.
            for actor in &actors {
                cx.log_in(actor)?;
            }
        }
        asked += 1;
        let answer = refusal(cx, actor, side)?;
        let index = usize::from(side == Side::Unknown);
        let status = answer.exchange.status();
        if *statuses[index].get_or_insert(status) != status {
            return Err(Stop::Inconclusive(format!(
                "after {asked} wrong secrets the target answers otherwise (HTTP {}): it limits attempts or has locked an account",
                status.unwrap_or_default()
            )));
        }
        let took = answer.exchange.outcome.as_ref().map(|response| response.elapsed);
        let took = took.map_err(|error| Stop::Inconclusive(error.to_string()))?;
        last[index] = Some(answer.exchange);
        Ok(took)
    })?;
    let Some(gap) = gap else { return Ok(()) };
    let exchanges: Vec<_> = last.into_iter().flatten().collect();
    let did = "logged in with wrong secrets, by turns for known and for unknown names";
    let got = told(&gap, "known names and");
    cx.found_in(did, "refusals that take the same time", &got, &exchanges)
}

fn refusal<'t>(cx: &mut Context<'t>, actor: &Actor, side: Side) -> Result<Answer<'t>, Stop> {
    let name = match side {
        Side::Known => actor.identifier.clone(),
        Side::Unknown => stranger_like(cx, &actor.identifier),
    };
    let secret = format!("wrong-{}", cx.random_hex(12));
    let answer = try_login(cx, &json!(name), &json!(secret))?;
    if side == Side::Unknown {
        documents_unknown(cx, &answer)?;
    }
    if answer.verdict == Verdict::Accepted {
        let reason = "a wrong secret or name is not refused, as other checks say";
        return Err(Stop::Inconclusive(reason.to_owned()));
    }
    Ok(answer)
}
