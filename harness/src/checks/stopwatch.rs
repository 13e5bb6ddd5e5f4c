//! Whether answers to two kinds of requests take the same time: pairs of them in random order, as many as it needs.

use crate::context::Context;
use crate::finding::Stop;
use crate::statistics::{Decision, FEWEST, Gap, decide};
use rand::RngExt;
use std::time::{Duration, Instant};

/// Pairs at most.
const MOST: usize = 60;
/// After how many pairs to see whether that is enough.
const LOOKS: [usize; 4] = [12, 24, 40, MOST];
/// How often the target may ask to wait in between.
const WAITS: u64 = 5;
/// How long to go on sampling where the first look leaves it open.
const USUAL: Duration = Duration::from_millis(700);
/// How long to go on where not even the first look is reached.
const LONGEST: Duration = Duration::from_secs(3);

/// Which of the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// About somebody the target knows.
    Known,
    /// About nobody.
    Unknown,
}

/// The difference between the times that both kinds take, if there is one. What looks like one is sampled anew before it
/// counts.
///
/// # Errors
/// Inconclusive where the target limits requests or its times scatter too much to say.
pub(super) fn same_time<'t>(
    cx: &mut Context<'t>,
    mut ask: impl FnMut(&mut Context<'t>, Side) -> Result<Duration, Stop>,
) -> Result<Option<Gap>, Stop> {
    let Some(first) = sampled(cx, &mut ask)? else { return Ok(None) };
    match sampled(cx, &mut ask)? {
        Some(second) if first.t * second.t > 0.0 => Ok(Some(second)),
        _ => Err(Stop::Inconclusive(
            "the times scatter too much: what looked like a difference did not come again".to_owned(),
        )),
    }
}

fn sampled<'t>(
    cx: &mut Context<'t>,
    ask: &mut impl FnMut(&mut Context<'t>, Side) -> Result<Duration, Stop>,
) -> Result<Option<Gap>, Stop> {
    let (start, paced) = (Instant::now(), cx.target.paced());
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for pair in 0..=MOST {
        let mut order = [Side::Known, Side::Unknown];
        if cx.rng.random() {
            order.reverse();
        }
        for side in order {
            let took = ask(cx, side)?.as_secs_f64() * 1_000.0;
            // The first pair opens the connection and warms caches.
            match side {
                _ if pair == 0 => {}
                Side::Known => known.push(took),
                Side::Unknown => unknown.push(took),
            }
        }
        if cx.target.paced() > paced + WAITS {
            return Err(Stop::Inconclusive("the target limits requests: its times say nothing".to_owned()));
        }
        // Whoever seems to differ is looked at for longer.
        let open = pair < LOOKS[0] || Gap::between(&known, &unknown).seems_to_matter();
        let over = start.elapsed() > if open { LONGEST } else { USUAL };
        if LOOKS.contains(&pair) || over {
            match decide(&known, &unknown) {
                Decision::Differ(gap) => return Ok(Some(gap)),
                Decision::Alike => return Ok(None),
                Decision::Open if over => break,
                Decision::Open => {}
            }
        }
    }
    if known.len() < FEWEST {
        let reason = format!("only {} pairs of requests were answered in the time there is", known.len());
        return Err(Stop::Inconclusive(reason));
    }
    let gap = Gap::between(&known, &unknown);
    // No certain difference after all that is what a test of this size can say.
    if !gap.seems_to_matter() {
        return Ok(None);
    }
    Err(Stop::Inconclusive(format!(
        "the times scatter too much: medians of {:.1} and {:.1} ms, give or take {:.1} ms",
        gap.first,
        gap.second,
        2.0 * gap.error
    )))
}

/// A difference in words.
pub(super) fn told(gap: &Gap, pairs: &str) -> String {
    format!("medians of {:.1} ms for {pairs} {:.1} ms (t = {:.1}), twice", gap.first, gap.second, gap.t)
}
