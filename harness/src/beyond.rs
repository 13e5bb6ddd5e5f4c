//! Looks once for what lies behind the first finding of each check, so that a profile that tolerates findings names all of
//! them, and nothing new hides among them later.

use crate::confirm::can_be_repeated;
use crate::deviation;
use crate::finding::Outcome;
use crate::fingerprint;
use crate::passing::Over;
use crate::report::Summary;
use crate::run;
use crate::target::Target;
use countersign_spec::Level;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Runs every check that fails a run once more, past its findings, and adds what else it shows to its fingerprint. What would
/// not fit into this wall time is not begun: then a later run tells of it.
pub fn findings(target: &Target, summary: &mut Summary, fail_on: Level, within: Duration) {
    let start = Instant::now();
    let mut fresh = None;
    for record in &mut summary.records {
        let Outcome::Violated(level, finding) = &mut record.outcome else { continue };
        let deviations = &target.profile.deviations;
        let tolerated = deviation::tolerates(deviations, &record.check.name, finding, deviation::today());
        if *level < fail_on || tolerated.is_some() || !can_be_repeated(&record.check) {
            continue;
        }
        if start.elapsed() + record.took > within {
            continue;
        }
        if fresh.is_none() {
            fresh = target.afresh().ok();
        }
        let Some(fresh) = &fresh else { return };
        let Outcome::Violated(_, seen) = run::past(fresh, &record.check, Over::All) else { continue };
        let known = deviation::ways(deviations, &record.check.name, deviation::today());
        let shown = [&finding.fingerprint, &seen.fingerprint];
        let ways = shown.into_iter().flat_map(|shown| fingerprint::ways(shown)).map(str::to_owned);
        let all: BTreeSet<String> = ways.chain(seen.beside.iter().cloned()).collect();
        let (beside, new): (BTreeSet<String>, BTreeSet<String>) =
            all.into_iter().partition(|way| known.contains(way));
        finding.fingerprint = fingerprint::all(&new);
        finding.beside.extend(beside);
        for cause in summary.causes.iter_mut().filter(|cause| cause.check.name == record.check.name) {
            cause.finding.fingerprint.clone_from(&finding.fingerprint);
        }
    }
}
