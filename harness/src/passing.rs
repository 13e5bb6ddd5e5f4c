//! Findings that do not end their check, so that it shows what else is wrong.
//!
//! A check ends with its first finding. Where that one is known, what lies behind it would never be seen: a second fault
//! would hide behind the first that is tolerated. So a check can be told to pass over findings, by their fingerprints or
//! all of them, and to go on as if nothing had been wrong.
//!
//! Whoever writes a check goes on behind `cx.found(…)?` and leaves out what the finding has made meaningless: one fault must
//! not be told as two.

use crate::finding::Finding;
use crate::fingerprint;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Which findings a check passes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Those of these fingerprints; of none, and the first one ends it.
    These(BTreeSet<String>),
    /// Each of them.
    All,
}

/// A finding that ends its check. Nobody makes one but [`Passing::take`], so that no finding goes by what is passed over.
#[derive(Debug)]
pub struct Ending(Box<Finding>);

impl Ending {
    /// What was found.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.0
    }

    /// What was found, to keep.
    #[must_use]
    pub fn into_finding(self) -> Box<Finding> {
        self.0
    }
}

/// What a check has passed over.
#[derive(Debug)]
pub struct Passing {
    over: Over,
    passed: Mutex<Vec<Finding>>,
}

impl Default for Over {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Passing {
    /// Nothing yet.
    #[must_use]
    pub fn new(over: Over) -> Self {
        Self { over, passed: Mutex::default() }
    }

    /// Takes a finding that does not end its check; gives back one that does.
    ///
    /// # Errors
    /// The finding, which ends the check.
    pub fn take(
        &self,
        mut finding: Finding,
        fingerprint: impl FnOnce(&Finding) -> String,
    ) -> Result<(), Ending> {
        if self.over == Over::default() {
            return Err(Ending(Box::new(finding)));
        }
        finding.fingerprint = fingerprint(&finding);
        if !self.is_passed_over(&finding.fingerprint) {
            return Err(Ending(Box::new(finding)));
        }
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if !passed.iter().any(|known| known.fingerprint == finding.fingerprint) {
            passed.push(finding);
        }
        Ok(())
    }

    /// A finding may list several ways: then it is passed over if each of them is.
    fn is_passed_over(&self, fingerprint: &str) -> bool {
        match &self.over {
            Over::These(known) => fingerprint::ways(fingerprint).all(|way| known.contains(way)),
            Over::All => true,
        }
    }

    /// What was passed over, one of each fingerprint, in order.
    #[must_use]
    pub fn passed(&self) -> Vec<Finding> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_pass_by_their_fingerprints_and_are_kept_once() {
        let check = |over: Over, found: &[&str], ended_by: Option<&str>, kept: &[&str]| {
            let passing = Passing::new(over);
            let mut ended = None;
            for got in found {
                let finding = Finding { got: (*got).to_owned(), ..Finding::default() };
                if let Err(ending) = passing.take(finding, |finding| finding.got.clone()) {
                    ended = Some(ending.finding().got.clone());
                    break;
                }
            }
            let passed: Vec<String> =
                passing.passed().into_iter().map(|finding| finding.fingerprint).collect();
            assert_eq!(
                (ended.as_deref(), passed),
                (ended_by, kept.iter().map(|one| (*one).to_owned()).collect())
            );
        };
        let these = |known: &[&str]| Over::These(known.iter().map(|one| (*one).to_owned()).collect());
        check(Over::default(), &["a"], Some("a"), &[]);
        check(these(&["a"]), &["a", "a", "b", "a"], Some("b"), &["a"]);
        check(these(&["b"]), &["a", "b"], Some("a"), &[]);
        check(these(&["a", "b"]), &["a | b", "a | c", "a"], Some("a | c"), &["a | b"]);
        check(Over::All, &["a", "b", "a"], None, &["a", "b"]);
    }
}
