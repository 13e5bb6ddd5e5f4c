//! Findings folded by cause, and held against what the profile tolerates.
//!
//! A deviation with a fingerprint tolerates one finding and nothing that is folded under it: such findings are folded among
//! themselves, so that a new one of the same family stands for itself.

use super::{Cause, Record};
use crate::check::Check;
use crate::deviation::{self, Deviation};
use crate::finding::{Finding, Outcome};
use crate::fingerprint;
use countersign_spec::Level;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A violation, and the deviation that tolerates it.
struct Violation<'r> {
    check: &'r Arc<Check>,
    level: Level,
    finding: &'r Finding,
    declared: Option<Vec<&'r Deviation>>,
}

impl Violation<'_> {
    /// Why the profile tolerates it, where it does.
    fn reason(&self) -> Option<String> {
        let reasons = self.declared.as_ref()?.iter().map(|deviation| deviation.reason.as_str());
        Some(reasons.collect::<Vec<_>>().join("; "))
    }

    /// Whether it is tolerated by its fingerprint, and with it nothing else of its check.
    fn is_exact(&self) -> bool {
        self.declared.iter().flatten().any(|deviation| deviation.fingerprint.is_some())
    }
}

/// Causes, gravest first.
pub(super) fn causes(records: &[Record], deviations: &[Deviation], today: Date) -> Vec<Cause> {
    let violations = records.iter().filter_map(|record| {
        let Outcome::Violated(level, finding) = &record.outcome else { return None };
        let declared = deviation::tolerates(deviations, &record.check.name, finding, today);
        Some(Violation { check: &record.check, level: *level, finding, declared })
    });
    let (exact, others): (Vec<_>, Vec<_>) = violations.partition(Violation::is_exact);
    let mut causes = folded(&others);
    for cause in causes.iter_mut().filter(|cause| cause.declared.is_none()) {
        let own = deviations.iter().filter(|deviation| deviation.check == cause.check.name);
        let remarks: Vec<String> = cause.finding.hint.take().into_iter().chain(own.map(remark)).collect();
        cause.finding.hint = (!remarks.is_empty()).then(|| remarks.join("\n"));
    }
    causes.extend(folded(&exact));
    for record in records {
        if let Outcome::Blocked(by) = &record.outcome
            && let Some(cause) = causes.iter_mut().find(|cause| cause.check.name == *by)
        {
            cause.folded.push(record.check.name.clone());
        }
    }
    causes.iter_mut().for_each(|cause| cause.folded.sort());
    causes.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.check.name.cmp(&b.check.name)));
    causes
}

/// Why a deviation of its check does not tolerate a finding.
fn remark(deviation: &Deviation) -> String {
    let reason = &deviation.reason;
    match (&deviation.expires, &deviation.fingerprint) {
        (Some(last), None) => {
            format!("the profile tolerated this until {last} ({reason}): mend it, or set a later day")
        }
        (_, Some(known)) => format!(
            "the profile tolerates another finding of this check, or did{}: `{known}` ({reason})",
            deviation.expires.map(|last| format!(" until {last}")).unwrap_or_default()
        ),
        (None, None) => format!("the profile tolerates this: {reason}"),
    }
}

/// Each cause with the violations that it explains.
fn folded(violations: &[Violation<'_>]) -> Vec<Cause> {
    let mut lowest: BTreeMap<(&str, &str), u8> = BTreeMap::new();
    for violation in violations {
        if let Some((family, rank)) = violation.check.family {
            let known = lowest.entry((&violation.check.scheme, family)).or_insert(rank);
            *known = (*known).min(rank);
        }
    }
    let is_explained = |check: &Check| {
        check.family.is_some_and(|(family, rank)| {
            lowest.get(&(check.scheme.as_str(), family)).is_some_and(|lowest| rank > *lowest)
        })
    };
    let mut causes: Vec<Cause> = Vec::new();
    for violation in violations.iter().filter(|violation| !is_explained(violation.check)) {
        if causes.iter().any(|cause| tries_the_same(&cause.check, violation.check)) {
            continue;
        }
        causes.push(Cause {
            check: Arc::clone(violation.check),
            finding: Box::new(violation.finding.clone()),
            level: violation.level,
            folded: Vec::new(),
            declared: violation.reason(),
            reproducible: None,
            chain: None,
            kept: None,
        });
    }
    for violation in violations {
        if causes.iter().any(|cause| cause.check.name == violation.check.name) {
            continue;
        }
        let own = causes.iter().position(|cause| tries_the_same(&cause.check, violation.check));
        let family = |check: &Check| check.family.map(|(family, _)| family);
        let near = own.or_else(|| {
            causes.iter().position(|cause| {
                cause.check.scheme == violation.check.scheme
                    && family(&cause.check) == family(violation.check)
            })
        });
        if let Some(cause) = near.and_then(|index| causes.get_mut(index)) {
            // An advice must not hide a duty, or the run would pass with a check that failed it.
            cause.level = cause.level.max(violation.level);
            cause.folded.push(violation.check.name.clone());
        }
    }
    causes
}

/// Whether two checks try one clause of a scheme in different ways: what fails one of them explains the other.
fn tries_the_same(one: &Check, other: &Check) -> bool {
    one.scheme == other.scheme
        && one.family.is_some()
        && one.family == other.family
        && one.clauses.first() == other.clauses.first()
}

/// Deviations that did not occur although their checks came to a verdict.
///
/// A check leaves out what a tolerated finding has made meaningless: then nothing is known of the rest.
pub(super) fn stale(records: &[Record], deviations: &[Deviation], today: Date) -> Vec<Deviation> {
    let is_stale = |deviation: &&Deviation| {
        let record = records.iter().find(|record| record.check.name == deviation.check);
        match record.map(|record| &record.outcome) {
            Some(Outcome::Held) => true,
            Some(Outcome::Violated(_, finding)) => {
                let mut seen =
                    fingerprint::ways(&finding.fingerprint).chain(finding.beside.iter().map(String::as_str));
                let occurs = deviation.fingerprint.is_none() || seen.any(|way| deviation.names(way));
                !occurs && deviation::tolerates(deviations, &deviation.check, finding, today).is_none()
            }
            _ => false,
        }
    };
    deviations.iter().filter(is_stale).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Checks;
    use countersign_spec::Spec;
    use std::time::Duration;

    /// Checks of one family, with the fingerprints they found; none held.
    fn records(found: &[(&str, Option<&str>)]) -> Vec<Record> {
        let spec = Spec::embedded();
        let mut checks = Checks::new(spec, spec.scheme("ethgas").unwrap());
        for (rank, (name, _)) in found.iter().enumerate() {
            let rank = u8::try_from(rank).unwrap();
            let clause = format!("common.none-{rank}");
            checks.add(crate::check::Group::Flow, name, &[clause], |_| Ok(())).family("one", rank);
        }
        let checks = checks.into_list().into_iter().zip(found);
        let records = checks.map(|(mut check, (_, fingerprint))| {
            // Without a clause in common, the rank alone decides.
            check.clauses = vec![check.name.clone()];
            let outcome = match fingerprint {
                Some(fingerprint) => {
                    let finding = Finding { fingerprint: (*fingerprint).to_owned(), ..Finding::default() };
                    Outcome::Violated(Level::Must, Box::new(finding))
                }
                None => Outcome::Held,
            };
            Record { check: Arc::new(check), outcome, took: Duration::ZERO }
        });
        records.collect()
    }

    fn deviation(check: &str, fingerprint: &str, expires: Option<&str>) -> Deviation {
        Deviation {
            check: format!("ethgas::flow::{check}"),
            fingerprint: (!fingerprint.is_empty()).then(|| fingerprint.to_owned()),
            reason: "known".to_owned(),
            expires: expires.map(|day| day.parse().unwrap()),
        }
    }

    /// Expects failing checks and stale deviations, by the last part of the name.
    fn check(found: &[(&str, Option<&str>)], deviations: &[Deviation], failing: &[&str], gone: &[&str]) {
        let (records, today) = (records(found), "2026-06-01".parse().unwrap());
        let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
        let causes = causes(&records, deviations, today);
        let fails: Vec<String> = causes
            .iter()
            .filter(|cause| cause.declared.is_none())
            .map(|cause| last(&cause.check.name))
            .collect();
        let stale: Vec<String> =
            stale(&records, deviations, today).iter().map(|deviation| last(&deviation.check)).collect();
        assert_eq!(
            (fails, stale),
            (
                failing.iter().map(|name| (*name).to_owned()).collect(),
                gone.iter().map(|name| (*name).to_owned()).collect()
            ),
            "{found:?} {deviations:?}"
        );
    }

    #[test]
    fn a_new_finding_is_seen_where_a_known_one_would_explain_it() {
        let both = [("a", Some("x")), ("b", Some("y"))];
        check(&both, &[], &["a"], &[]);
        check(&both, &[deviation("a", "x", None)], &["b"], &[]);
        check(&both, &[deviation("a", "x", None), deviation("b", "y", None)], &[], &[]);
        // Whoever tolerates a whole check tolerates what comes of it.
        check(&both, &[deviation("a", "", None)], &[], &[]);
    }

    #[test]
    fn another_finding_of_the_same_check_fails_and_the_known_one_is_stale() {
        check(&[("a", Some("z"))], &[deviation("a", "x", None)], &["a"], &["a"]);
        check(&[("a", Some("x"))], &[deviation("a", "x", None), deviation("a", "z", None)], &[], &[]);
        check(&[("a", None)], &[deviation("a", "x", None), deviation("a", "z", None)], &[], &["a", "a"]);
    }

    #[test]
    fn what_is_over_tolerates_nothing_and_is_not_stale_while_it_occurs() {
        check(&[("a", Some("x"))], &[deviation("a", "x", Some("2026-05-31"))], &["a"], &[]);
        check(&[("a", Some("x"))], &[deviation("a", "x", Some("2026-06-01"))], &[], &[]);
        check(&[("a", None)], &[deviation("a", "x", Some("2026-05-31"))], &[], &["a"]);
    }
}
