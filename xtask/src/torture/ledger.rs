//! What a scenario looked at, what held, and what the table says of it.

use std::fmt::Write as _;
use std::time::Duration;

/// How often each invariant of a scenario was looked at and broken.
///
/// An invariant that was never looked at counts as broken: a scenario that did not get that far proves nothing.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    invariants: Vec<Invariant>,
    done: Vec<String>,
}

#[derive(Debug, Clone)]
struct Invariant {
    says: &'static str,
    looked: u64,
    broken: u64,
    /// The first ways in which it broke.
    shown: Vec<String>,
}

impl Ledger {
    /// A ledger of what has to hold, in the words of the table.
    pub(crate) fn new(invariants: &[&'static str]) -> Self {
        let invariants = invariants
            .iter()
            .map(|says| Invariant { says, looked: 0, broken: 0, shown: Vec::new() })
            .collect();
        Self { invariants, done: Vec::new() }
    }

    /// Counts one look at an invariant. The detail is asked for only where it is broken.
    pub(crate) fn judge(&mut self, says: &'static str, holds: bool, detail: impl FnOnce() -> String) {
        let place = self.invariants.iter().position(|invariant| invariant.says == says);
        let place = place.unwrap_or_else(|| {
            self.invariants.push(Invariant { says, looked: 0, broken: 0, shown: Vec::new() });
            self.invariants.len() - 1
        });
        let invariant = &mut self.invariants[place];
        invariant.looked += 1;
        if !holds {
            invariant.broken += 1;
            if invariant.shown.len() < SHOWN {
                invariant.shown.push(detail());
            }
        }
    }

    /// Takes over what another ledger of the same invariants saw, such as that of another thread.
    pub(crate) fn add(&mut self, other: Self) {
        for theirs in other.invariants {
            match self.invariants.iter_mut().find(|ours| ours.says == theirs.says) {
                Some(ours) => {
                    ours.looked += theirs.looked;
                    ours.broken += theirs.broken;
                    ours.shown.extend(theirs.shown);
                    ours.shown.truncate(SHOWN);
                }
                None => self.invariants.push(theirs),
            }
        }
        self.done.extend(other.done);
    }

    /// Says what was done, with its counts, or a figure that was measured on the way.
    pub(crate) fn did(&mut self, what: impl Into<String>) {
        self.done.push(what.into());
    }

    /// Whether everything was looked at and held.
    pub(crate) fn holds(&self) -> bool {
        self.invariants.iter().all(|invariant| invariant.looked > 0 && invariant.broken == 0)
    }
}

/// Broken ways shown for each invariant.
const SHOWN: usize = 3;

/// How a scenario ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It ran.
    Ran(Ledger),
    /// What it needs is not installed.
    Skipped(String),
    /// It could not run.
    Stuck(String),
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) ending: Ending,
    pub(crate) took: Duration,
}

impl Row {
    fn word(&self) -> &'static str {
        match &self.ending {
            Ending::Ran(ledger) if ledger.holds() => "held",
            Ending::Ran(_) => "BROKEN",
            Ending::Skipped(_) => "skipped",
            Ending::Stuck(_) => "STUCK",
        }
    }
}

/// The exit status of a run: 0 all held, 1 an invariant broken, 2 a scenario could not run or, where nothing may be
/// skipped, was skipped. Nothing run at all is 2 as well.
pub(crate) fn status(rows: &[Row], require_all: bool) -> u8 {
    let any = |wanted: &dyn Fn(&Ending) -> bool| rows.iter().any(|row| wanted(&row.ending));
    if any(&|ending| matches!(ending, Ending::Ran(ledger) if !ledger.holds())) {
        return 1;
    }
    let stuck = any(&|ending| matches!(ending, Ending::Stuck(_)));
    let skipped = any(&|ending| matches!(ending, Ending::Skipped(_)));
    let ran = any(&|ending| matches!(ending, Ending::Ran(_)));
    if stuck || !ran || (require_all && skipped) { 2 } else { 0 }
}

/// All rows for people: what was done, each invariant with how often it was looked at, and a line for each scenario.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{}", row.scenario);
        match &row.ending {
            Ending::Ran(ledger) => describe(&mut text, ledger),
            Ending::Skipped(why) => {
                let _ = writeln!(text, "  skipped: {why}");
            }
            Ending::Stuck(why) => {
                let _ = writeln!(text, "  could not run: {why}");
            }
        }
    }
    let width = rows.iter().map(|row| row.scenario.len()).max().unwrap_or(0).max("scenario".len());
    let _ = writeln!(text, "\n{:<width$}  result   held  broken  time", "scenario");
    for row in rows {
        let (held, broken) = match &row.ending {
            Ending::Ran(ledger) => counts(ledger),
            _ => (0, 0),
        };
        let (name, took) = (&row.scenario, row.took.as_secs_f64());
        let _ = writeln!(text, "{name:<width$}  {:<7}  {held:>4}  {broken:>6}  {took:.1} s", row.word());
    }
    text.trim_end().to_owned()
}

fn describe(text: &mut String, ledger: &Ledger) {
    for done in &ledger.done {
        let _ = writeln!(text, "  {done}");
    }
    for Invariant { says, looked, broken, shown } in &ledger.invariants {
        let _ = match (looked, broken) {
            (0, _) => writeln!(text, "  BROKEN  {says}: never looked at"),
            (_, 0) => writeln!(text, "  held    {says} ({looked})"),
            _ => writeln!(text, "  BROKEN  {says} ({broken} of {looked})"),
        };
        for one in shown {
            let _ = writeln!(text, "          {one}");
        }
    }
}

fn counts(ledger: &Ledger) -> (usize, usize) {
    let held = ledger.invariants.iter().filter(|one| one.looked > 0 && one.broken == 0).count();
    (held, ledger.invariants.len() - held)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "what was said holds";
    const B: &str = "nobody waits";

    fn row(ending: Ending) -> Row {
        Row { scenario: "kill".to_owned(), ending, took: Duration::from_millis(1_250) }
    }

    fn ran(looks: &[(&'static str, bool)]) -> Row {
        let mut ledger = Ledger::new(&[A, B]);
        for (says, holds) in looks {
            ledger.judge(says, *holds, || "seen at step 7".to_owned());
        }
        row(Ending::Ran(ledger))
    }

    #[test]
    fn what_broke_is_called_broken_with_its_detail() {
        let rows = [ran(&[(A, true), (A, false), (B, true)])];
        let text = table(&rows);
        assert!(text.contains("BROKEN  what was said holds (1 of 2)\n          seen at step 7"), "{text}");
        assert!(text.contains("held    nobody waits (1)"), "{text}");
        assert!(text.ends_with("kill      BROKEN      1       1  1.2 s"), "{text}");
        assert_eq!(status(&rows, false), 1);
    }

    #[test]
    fn what_was_never_looked_at_is_no_success() {
        let rows = [ran(&[(A, true)])];
        assert!(table(&rows).contains("BROKEN  nobody waits: never looked at"));
        assert_eq!(status(&rows, false), 1);
    }

    #[test]
    fn all_that_held_is_a_success() {
        let rows = [ran(&[(A, true), (B, true)])];
        assert!(table(&rows).contains("kill      held "), "{}", table(&rows));
        assert_eq!(status(&rows, true), 0);
    }

    #[test]
    fn what_did_not_run_is_no_success() {
        let good = || ran(&[(A, true), (B, true)]);
        let skipped = || row(Ending::Skipped("redis-server is not installed".to_owned()));
        assert_eq!(status(&[good(), skipped()], false), 0);
        assert_eq!(status(&[good(), skipped()], true), 2);
        assert_eq!(status(&[skipped()], false), 2);
        assert_eq!(status(&[good(), row(Ending::Stuck("no port".to_owned()))], false), 2);
        assert_eq!(status(&[], false), 2);
        assert!(table(&[skipped()]).contains("skipped: redis-server is not installed"));
    }

    #[test]
    fn what_threads_saw_is_added_up() {
        let mut all = Ledger::new(&[A, B]);
        for holds in [true, false] {
            let mut one = Ledger::new(&[A, B]);
            one.judge(A, holds, || "by a thread".to_owned());
            one.judge(B, true, String::new);
            all.add(one);
        }
        assert!(!all.holds());
        assert!(table(&[row(Ending::Ran(all))]).contains("what was said holds (1 of 2)"));
    }
}
