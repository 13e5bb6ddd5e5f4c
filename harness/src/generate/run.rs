//! Runs cases: each draw with a seed of its own, failures re-checked and then shrunk within bounds.
//!
//! proptest's own runner threads one random stream through all cases and keeps files of regressions. Here
//! the seed of a draw depends on the run's seed, the name of the case and the number of the draw alone, so
//! neither the number of threads nor other cases change what is sent; and nothing is kept between runs.

use super::draw::seed_of;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// What was wrong with one input: why it fails, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// The reason.
    pub why: String,
}

impl Failure {
    /// A failure with its reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

/// Bounds of shrinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Times the test is run while shrinking.
    pub shrink_runs: u32,
    /// Wall time of shrinking. Where it cuts in, the smallest input depends on the speed of the machine;
    /// leave it large and the count small where that matters.
    pub shrink_time: Duration,
    /// Times a failing input is run again before it is believed.
    pub rechecks: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { shrink_runs: 200, shrink_time: Duration::from_secs(5), rechecks: 1 }
    }
}

/// How the cases of one name ended.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Outcome<V> {
    /// Every draw passed.
    Passed {
        /// Draws that were tested.
        cases: u32,
    },
    /// A draw failed, and failed again.
    Failed {
        /// The smallest input found that fails, and what it fails with.
        smallest: V,
        /// Why it fails.
        failure: Failure,
        /// The input as it was drawn.
        drawn: V,
        /// The number of the draw, from nought; with the run's seed and the name it draws the same again.
        case: u32,
        /// Times the test was run while shrinking.
        shrink_runs: u32,
    },
    /// A draw failed once and passed when it was run again.
    Flaky {
        /// The input.
        drawn: V,
        /// Why it failed the first time.
        failure: Failure,
        /// The number of the draw.
        case: u32,
    },
    /// No further input could be drawn.
    Exhausted {
        /// Draws that were tested before.
        cases: u32,
        /// Why there are no more.
        why: String,
    },
}

impl<V> Outcome<V> {
    /// Whether every draw passed.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed { .. })
    }
}

/// Tests `cases` draws of a strategy with the default limits; stops at the first failure.
pub fn run_cases<S, F>(seed: u64, case_id: &str, cases: u32, strategy: &S, test: F) -> Outcome<S::Value>
where
    S: Strategy,
    S::Value: Clone,
    F: FnMut(S::Value) -> Result<(), Failure>,
{
    run_cases_with(Limits::default(), seed, case_id, cases, strategy, test)
}

/// The same with limits of one's own.
pub fn run_cases_with<S, F>(
    limits: Limits,
    seed: u64,
    case_id: &str,
    cases: u32,
    strategy: &S,
    mut test: F,
) -> Outcome<S::Value>
where
    S: Strategy,
    S::Value: Clone,
    F: FnMut(S::Value) -> Result<(), Failure>,
{
    for case in 0..cases {
        let mut tree = match strategy.new_tree(&mut runner(seed, case_id, case)) {
            Ok(tree) => tree,
            Err(why) => return Outcome::Exhausted { cases: case, why: why.message().to_owned() },
        };
        let drawn = tree.current();
        let Err(mut failure) = test(drawn.clone()) else { continue };
        for _ in 0..limits.rechecks {
            match test(drawn.clone()) {
                Ok(()) => return Outcome::Flaky { drawn, failure, case },
                Err(again) => failure = again,
            }
        }
        let (smallest, failure, shrink_runs) = shrink(limits, &mut tree, &drawn, failure, &mut test);
        return Outcome::Failed { smallest, failure, drawn, case, shrink_runs };
    }
    Outcome::Passed { cases }
}

/// The draw of one case alone: what [`run_cases`] tests as number `case`.
///
/// # Errors
/// Why nothing could be drawn.
pub fn draw_case<S: Strategy>(seed: u64, case_id: &str, case: u32, strategy: &S) -> Result<S::Value, String> {
    let tree = strategy.new_tree(&mut runner(seed, case_id, case)).map_err(|why| why.message().to_owned())?;
    Ok(tree.current())
}

/// A runner of proptest's for a single draw.
fn runner(seed: u64, case_id: &str, case: u32) -> TestRunner {
    let config = Config { failure_persistence: None, ..plain_config() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed_of(seed, case_id, case)))
}

/// proptest's defaults read the environment, which must not change what a run sends.
fn plain_config() -> Config {
    static PLAIN: std::sync::OnceLock<Config> = std::sync::OnceLock::new();
    PLAIN
        .get_or_init(|| Config {
            cases: 1,
            max_local_rejects: 65_536,
            max_global_rejects: 1_024,
            max_flat_map_regens: 1_000_000,
            failure_persistence: None,
            max_default_size_range: 100,
            ..Config::default()
        })
        .clone()
}

fn shrink<V, T, F>(limits: Limits, tree: &mut T, drawn: &V, first: Failure, test: &mut F) -> (V, Failure, u32)
where
    V: Clone + Debug,
    T: ValueTree<Value = V>,
    F: FnMut(V) -> Result<(), Failure>,
{
    let start = Instant::now();
    let mut best = (drawn.clone(), first);
    let mut runs = 0;
    let mut more = tree.simplify();
    while more && runs < limits.shrink_runs && start.elapsed() < limits.shrink_time {
        let candidate = tree.current();
        runs += 1;
        more = match test(candidate.clone()) {
            Err(failure) => {
                best = (candidate, failure);
                tree.simplify()
            }
            Ok(()) => tree.complicate(),
        };
    }
    (best.0, best.1, runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Generator;
    use serde_json::{Value, json};
    use std::cell::Cell;

    fn login() -> proptest::strategy::SBoxedStrategy<Value> {
        let schema = json!({ "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 200 },
            "age": { "type": "integer", "minimum": 0 } } });
        Generator::new(&schema).expect("a generator").valid()
    }

    fn refuse_long(value: &Value) -> Result<(), Failure> {
        let length = value["name"].as_str().map_or(0, |t| t.chars().count());
        if length > 20 { Err(Failure::new(format!("{length} characters"))) } else { Ok(()) }
    }

    #[test]
    fn the_smallest_failing_input_is_found() {
        let outcome = run_cases(1, "long", 200, &login(), |value| refuse_long(&value));
        let Outcome::Failed { smallest, failure, drawn, case, shrink_runs } = outcome else {
            panic!("should fail: {outcome:?}");
        };
        assert_eq!(smallest, json!({ "name": "a".repeat(21) }));
        assert_eq!(failure, Failure::new("21 characters"));
        assert!(shrink_runs <= 200);
        assert_eq!(draw_case(1, "long", case, &login()), Ok(drawn));
    }

    #[test]
    fn draws_depend_on_seed_name_and_number_alone() {
        let all = |seed, name: &str, cases| {
            let mut seen = Vec::new();
            let outcome = run_cases(seed, name, cases, &login(), |value| {
                seen.push(value);
                Ok(())
            });
            assert_eq!(outcome, Outcome::Passed { cases });
            seen
        };
        let twenty = all(7, "a", 20);
        assert_eq!(twenty[..5], all(7, "a", 5));
        assert_ne!(twenty, all(7, "b", 20));
        assert_ne!(twenty, all(8, "a", 20));
        let here = all(7, "a", 20);
        let there = std::thread::spawn(move || {
            (0..20).map(|case| draw_case(7, "a", case, &login())).collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(there.join().expect("a thread"), Ok(here));
    }

    #[test]
    fn an_input_that_passes_again_is_flaky_and_not_shrunk() {
        let runs = Cell::new(0);
        let outcome = run_cases(1, "flaky", 50, &login(), |_| {
            runs.set(runs.get() + 1);
            if runs.get() == 3 { Err(Failure::new("once")) } else { Ok(()) }
        });
        assert!(matches!(outcome, Outcome::Flaky { case: 2, .. }), "{outcome:?}");
        assert_eq!(runs.get(), 4);
    }

    #[test]
    fn shrinking_is_bounded_by_count_and_by_time() {
        let count = |limits: Limits| match run_cases_with(limits, 1, "always", 1, &login(), |_| {
            Err(Failure::new("no"))
        }) {
            Outcome::Failed { shrink_runs, .. } => shrink_runs,
            other => panic!("should fail: {other:?}"),
        };
        assert_eq!(count(Limits { shrink_runs: 2, ..Limits::default() }), 2);
        assert_eq!(count(Limits { shrink_time: Duration::ZERO, ..Limits::default() }), 0);
    }
}
