//! The line on a terminal that moves while checks run.
//!
//! It is drawn on stderr and only where that is a terminal. Lines for stdout are let through above it, so that the two do
//! not spoil each other where both are the same terminal.

use crate::event::{Event, Observer};
use crate::finding::Outcome;
use crate::target::Target;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// The line.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeSet<String>,
    findings: usize,
}

impl Progress {
    /// A line for this run; `None` where stderr is no terminal, or one that cannot move a cursor.
    #[must_use]
    pub fn on_terminal(target: &Arc<Target>) -> Option<Arc<Self>> {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if dumb || !io::stderr().is_terminal() {
            return None;
        }
        Some(Arc::new(Self::new(target, ProgressDrawTarget::stderr())))
    }

    fn new(target: &Arc<Target>, draw: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), draw);
        let target = Arc::clone(target);
        let template = "{pos}/{len} checks  {rate} requests/s  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key(
                "rate",
                move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                    let seconds = state.elapsed().as_secs_f64().max(0.001);
                    // Whoever draws has nobody to tell.
                    let _ = write!(out, "{:.0}", target.requests() as f64 / seconds);
                },
            ));
        }
        Self { bar, state: Mutex::default() }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, change: impl FnOnce(&mut State)) {
        let message = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state);
            message(&state)
        };
        self.bar.set_message(message);
    }
}

fn message(state: &State) -> String {
    let findings = match state.findings {
        0 => String::new(),
        1 => "1 violated  ".to_owned(),
        many => format!("{many} violated  "),
    };
    let running: Vec<&str> = state.running.iter().map(String::as_str).collect();
    format!("{findings}{}", running.join(" "))
}

impl Observer for Progress {
    fn notice(&self, event: Event<'_>) {
        match event {
            Event::Started { checks } => {
                self.bar.set_length(checks as u64);
                self.bar.enable_steady_tick(TICK);
            }
            Event::Begun(check) => self.show(|state| {
                state.running.insert(check.name.clone());
            }),
            Event::Ended(record) => {
                self.show(|state| {
                    state.running.remove(&record.check.name);
                    state.findings += usize::from(matches!(record.outcome, Outcome::Violated(..)));
                });
                self.bar.inc(1);
            }
        }
    }
}

/// A way past the line for the lines that libtest prints: what is written to its path comes out on stdout, above the line.
#[derive(Debug)]
pub struct Bypass {
    writer: io::PipeWriter,
    printer: std::thread::JoinHandle<()>,
}

impl Bypass {
    /// Opens it; `None` where the system has no paths for open files, as then the lines go their own way.
    #[must_use]
    pub fn open(progress: &Arc<Progress>) -> Option<Self> {
        let (reader, writer) = io::pipe().ok()?;
        let progress = Arc::clone(progress);
        let printer = std::thread::spawn(move || {
            let mut lines = BufReader::new(reader);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                // Whoever reads may have seen enough and be gone.
                progress.bar.suspend(|| drop(io::stdout().write_all(&line)));
                line.clear();
            }
        });
        let bypass = Self { writer, printer };
        std::path::Path::new(&bypass.path()).exists().then_some(bypass)
    }

    /// Where to write.
    #[must_use]
    pub fn path(&self) -> String {
        use std::os::fd::AsRawFd as _;
        format!("/dev/fd/{}", self.writer.as_raw_fd())
    }

    /// Waits until everything is out.
    pub fn close(self) {
        drop(self.writer);
        drop(self.printer.join());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_runs_and_what_was_found() {
        let mut state = State::default();
        assert_eq!(message(&state), "");
        state.running.insert("b::c::d".to_owned());
        state.running.insert("a::c::d".to_owned());
        state.findings = 2;
        assert_eq!(message(&state), "2 violated  a::c::d b::c::d");
    }
}
