//! Every check there is, as a visible list of groups.
//!
//! Groups ask a scheme for roles and steps and add what applies; none of them names a scheme.

mod challenge;
mod credential;
mod flow;
mod form;
mod generated;
mod hygiene;
mod proof;
mod race;
mod refresh;
mod registered_key;
mod robustness;
mod stopwatch;
mod time;
mod token;

use crate::check::{Check, Checks};
use countersign_spec::{Scheme, Spec};

/// All checks of all schemes, those that run alone or last at the end.
#[must_use]
pub fn all(spec: &Spec) -> Vec<Check> {
    let mut checks: Vec<Check> = spec.schemes().iter().flat_map(|scheme| of_scheme(spec, scheme)).collect();
    checks.sort_by_key(|check| check.phase);
    checks
}

/// The checks of one scheme.
#[must_use]
pub fn of_scheme(spec: &Spec, scheme: &Scheme) -> Vec<Check> {
    let mut checks = Checks::new(spec, scheme);
    flow::add(&mut checks);
    form::add(&mut checks);
    generated::add(&mut checks);
    proof::add(&mut checks);
    registered_key::add(&mut checks);
    challenge::add(&mut checks);
    credential::add(&mut checks);
    token::add(&mut checks);
    refresh::add(&mut checks);
    robustness::add(&mut checks);
    race::add(&mut checks);
    time::add(&mut checks);
    hygiene::add(&mut checks);
    checks.into_list()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_well_spelt() {
        let mut seen = BTreeSet::new();
        for check in all(Spec::embedded()) {
            assert!(seen.insert(check.name.clone()), "{} stands twice", check.name);
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-:_".contains(c);
            assert!(check.name.chars().all(allowed), "{}", check.name);
            assert_eq!(check.name.split("::").count(), 3, "{}", check.name);
        }
        assert!(seen.len() >= 120, "only {} checks", seen.len());
    }

    #[test]
    fn every_check_rests_on_a_clause_that_exists() {
        let spec = Spec::embedded();
        for check in all(spec) {
            assert!(!check.clauses.is_empty(), "{} rests on nothing", check.name);
            for clause in &check.clauses {
                assert!(spec.clause(clause).is_some(), "{} cites {clause}", check.name);
            }
        }
    }
}
