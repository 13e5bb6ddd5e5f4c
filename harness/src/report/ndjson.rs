//! Events as lines of JSON, each written when it happens, so that another program can follow a run.
//!
//! `run-started`, then a `check-finished` for each check in the order they end, then a `finding` for each cause, and
//! `run-finished`. A line is whole when it is there; a stream without its last line is that of a run that was cut off.

use super::model::{CheckResult, FORMAT, Finding, Outcome, Run, Stale, Verdict};
use super::{Record, gather};
use crate::event::{Event, Observer};
use crate::finding;
use crate::redact::Secrets;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'r> {
    RunStarted { format: u32, url: &'r str, started_at: &'r str, seed: u64, cases: u32, checks: usize },
    CheckFinished { check: &'r CheckResult, found: Option<Found> },
    Finding { finding: &'r Finding },
    RunFinished(Finished<'r>),
}

/// What a check saw, before findings are folded by cause.
#[derive(Debug, Serialize)]
struct Found {
    did: String,
    expected: String,
    got: String,
}

#[derive(Debug, Serialize)]
struct Finished<'r> {
    verdict: Verdict,
    says: &'r str,
    exit: u8,
    seconds: f64,
    requests: u64,
    waits: u64,
    held: usize,
    violated: usize,
    blocked: usize,
    inconclusive: usize,
    skipped: usize,
    stale: &'r [Stale],
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
    let finished = Line::RunFinished(Finished {
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
    });
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
