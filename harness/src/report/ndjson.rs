//! Events as lines of JSON, each written when it happens, so that another program can follow a run.
//!
//! `run-started`, then a `check-finished` for each check in the order they end, then a `finding` for each cause, and
//! `run-finished`. A line is whole when it is there; a stream without its last line is that of a run that was cut off.

use super::model::{CheckResult, FORMAT, Finding, Outcome, Run, Stale, Verdict};
use super::{Record, gather};
use crate::event::{Event, Observer};
use crate::finding;
use crate::redact::Secrets;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// One event of a run, a line of JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
enum Line<'r> {
    /// The run begins.
    RunStarted {
        /// Version of this form, raised whenever a member changes its meaning or goes.
        format: u32,
        /// The target's URL.
        url: &'r str,
        /// When, by RFC 3339 in UTC.
        started_at: &'r str,
        /// Seed of all chance.
        seed: u64,
        /// Generated cases for each property.
        cases: u32,
        /// How many checks will end.
        checks: usize,
    },
    /// A check is over.
    CheckFinished {
        /// How it ended; nothing is known of causes yet.
        check: &'r CheckResult,
        /// What it saw, if it found a departure.
        found: Option<Found>,
    },
    /// A cause, with everything that it tripped.
    Finding {
        /// As the report in JSON has it.
        finding: &'r Finding,
    },
    /// The run is over; the last line of a stream that was not cut off.
    RunFinished {
        /// What it amounts to.
        verdict: Verdict,
        /// The same in a sentence.
        says: &'r str,
        /// The exit code of the program.
        exit: u8,
        /// Seconds it took.
        seconds: f64,
        /// Requests sent.
        requests: u64,
        /// How often the target asked for patience.
        waits: u64,
        /// Checks that had nothing to object.
        held: usize,
        /// Checks that found a departure.
        violated: usize,
        /// Checks that another finding stood in the way of.
        blocked: usize,
        /// Checks without a verdict.
        inconclusive: usize,
        /// Checks that had nothing to check.
        skipped: usize,
        /// Deviations of the profile that did not occur although their checks ran.
        stale: &'r [Stale],
    },
}

/// What a check saw, before findings are folded by cause.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Found {
    /// What was done.
    did: String,
    /// Every acceptable outcome.
    expected: String,
    /// What came instead.
    got: String,
}

/// The schema of a line (JSON Schema 2020-12), from the types it is written from.
#[must_use]
pub fn schema() -> String {
    super::json::published(schemars::schema_for!(Line<'static>), "An event of a run of Countersign")
}

/// What is known when a run begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The target's URL.
    pub url: String,
    /// When, by RFC 3339.
    pub started_at: String,
    /// Seed of all chance.
    pub seed: u64,
    /// Generated cases for each property.
    pub cases: u32,
    /// What must not be shown.
    pub secrets: Secrets,
}

/// A stream that is written while the run goes on.
pub struct Stream {
    beginning: Beginning,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    begun: bool,
    /// Why it could not be written to its end.
    broken: Option<io::Error>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("beginning", &self.beginning).finish_non_exhaustive()
    }
}

impl Stream {
    /// A stream into `out`, which gets nothing until the run begins.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, beginning: Beginning) -> Self {
        Self { beginning, state: Mutex::new(State { out, begun: false, broken: None }) }
    }

    /// Writes what only the end of a run knows.
    ///
    /// # Errors
    /// The first line that could not be written, also of those before.
    pub fn finish(&self, run: &Run) -> io::Result<()> {
        let mut state = self.lock();
        if !state.begun {
            self.begin(&mut state, run.checks.len());
        }
        for line in ending(run) {
            state.write(&line);
        }
        state.broken.take().map_or(Ok(()), Err)
    }

    fn begin(&self, state: &mut State, checks: usize) {
        let Beginning { url, started_at, seed, cases, .. } = &self.beginning;
        state.begun = true;
        state.write(&Line::RunStarted {
            format: FORMAT,
            url,
            started_at,
            seed: *seed,
            cases: *cases,
            checks,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of a run that is over, as they would have been written while it went on.
///
/// # Errors
/// Numbers that JSON does not know; a run holds none.
pub fn write(run: &Run) -> Result<String, String> {
    let started = Line::RunStarted {
        format: FORMAT,
        url: &run.url,
        started_at: &run.started_at,
        seed: run.seed,
        cases: run.cases,
        checks: run.checks.len(),
    };
    let checks = run.checks.iter().map(|check| Line::CheckFinished { check, found: None });
    let mut text = String::new();
    for line in std::iter::once(started).chain(checks).chain(ending(run)) {
        text.push_str(&serde_json::to_string(&line).map_err(|problem| problem.to_string())?);
        text.push('\n');
    }
    Ok(text)
}

/// What only the end of a run knows.
fn ending(run: &Run) -> Vec<Line<'_>> {
    let findings = run.findings.iter().map(|finding| Line::Finding { finding });
    let finished = Line::RunFinished {
        verdict: run.verdict,
        says: &run.says,
        exit: run.exit,
        seconds: run.seconds,
        requests: run.requests,
        waits: run.waits,
        held: run.count(Outcome::Held),
        violated: run.count(Outcome::Violated),
        blocked: run.count(Outcome::Blocked),
        inconclusive: run.count(Outcome::Inconclusive),
        skipped: run.count(Outcome::Skipped),
        stale: &run.stale,
    };
    findings.chain(std::iter::once(finished)).collect()
}

impl Observer for Stream {
    fn notice(&self, event: Event<'_>) {
        match event {
            Event::Started { checks } => self.begin(&mut self.lock(), checks),
            Event::Begun(_) => {}
            Event::Ended(record) => {
                let check = gather::ended(record, &self.beginning.secrets);
                let found = found(record, &self.beginning.secrets);
                self.lock().write(&Line::CheckFinished { check: &check, found });
            }
        }
    }
}

fn found(record: &Record, secrets: &Secrets) -> Option<Found> {
    let finding::Outcome::Violated(_, found) = &record.outcome else { return None };
    let secrets = found.secrets.with(secrets);
    Some(Found {
        did: secrets.hide(&found.did),
        expected: secrets.hide(&found.expected),
        got: secrets.hide(&found.got),
    })
}

impl State {
    fn write(&mut self, line: &Line<'_>) {
        if self.broken.is_some() {
            return;
        }
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            // In one piece, so that a reader sees whole lines.
            self.out.write_all(&bytes)?;
            self.out.flush()
        });
        self.broken = written.err();
    }
}
