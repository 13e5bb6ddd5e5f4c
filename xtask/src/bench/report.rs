//! Figures against their budgets, and the file they are written to.

use std::fmt::Write as _;

/// What a figure may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Budget {
    /// Not more.
    AtMost(f64),
    /// Not less.
    AtLeast(f64),
    /// It is only told.
    None,
}

/// One measured thing.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// What was measured over what.
    pub(super) what: &'static str,
    /// The unit behind the number; empty for a ratio.
    pub(super) unit: &'static str,
    /// The number of each round; the median is the figure.
    pub(super) rounds: Vec<f64>,
    pub(super) budget: Budget,
    /// The absolute numbers behind it.
    pub(super) from: String,
}

impl Figure {
    /// The median of the rounds.
    pub(super) fn value(&self) -> f64 {
        median(&self.rounds)
    }

    /// Whether the budget holds; nothing where there is none. What could not be measured does not hold.
    pub(super) fn holds(&self) -> Option<bool> {
        match self.budget {
            Budget::AtMost(most) => Some(self.value() <= most),
            Budget::AtLeast(least) => Some(self.value() >= least),
            Budget::None => None,
        }
    }

    fn verdict(&self) -> String {
        match (self.holds(), self.budget) {
            _ if self.rounds.is_empty() => "**not measured**".to_owned(),
            (Some(true), _) => "within".to_owned(),
            (Some(false), Budget::AtMost(budget) | Budget::AtLeast(budget)) => {
                format!("**short**: {:.0} % off", (self.value() / budget - 1.0).abs() * 100.0)
            }
            _ => "told".to_owned(),
        }
    }

    fn shown(&self, value: f64) -> String {
        if !value.is_finite() {
            return "none".to_owned();
        }
        let digits = if value.abs() >= 100.0 { 0 } else { 2 };
        format!("{value:.digits$}{}{}", if self.unit.is_empty() { "" } else { " " }, self.unit)
    }

    fn budget(&self) -> String {
        match self.budget {
            Budget::AtMost(most) => format!("at most {}", self.shown(most)),
            Budget::AtLeast(least) => format!("at least {}", self.shown(least)),
            Budget::None => "none".to_owned(),
        }
    }
}

/// The middle of these, or of the middle two; not a number for none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The figures as a table in Markdown.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = String::from(
        "| what | figure | budget | verdict | range of the rounds | from |\n|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        let range = figure.rounds.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} to {} | {} |",
            figure.what,
            figure.shown(figure.value()),
            figure.budget(),
            figure.verdict(),
            figure.shown(range.0),
            figure.shown(range.1),
            figure.from
        );
    }
    text
}

/// The whole file.
pub(super) fn page(figures: &[Figure], shape: &[String], rounds: usize, seed: u64) -> String {
    let short: Vec<String> = figures
        .iter()
        .filter(|figure| figure.holds() == Some(false))
        .map(|figure| {
            format!("- {}: {}, budget {}", figure.what, figure.shown(figure.value()), figure.budget())
        })
        .collect();
    let short = match short.len() {
        0 => "All budgets hold.".to_owned(),
        _ => format!("Budgets that do not hold:\n\n{}", short.join("\n")),
    };
    format!(
        "# Bench\n\n\
         Written by `cargo xtask bench`; do not edit. Ratios are of one run on one machine; absolute figures are not to be\n\
         compared across machines.\n\n\
         Machine: {}.\n\n\
         {short}\n\n{}\n{METHOD}\n\nRounds: {rounds}. Seed: {seed}.\n",
        shape.join(", "),
        table(figures)
    )
}

const METHOD: &str = "\
## Method

- Release builds; the server with its embedded store and, but for the figures that are about them, cheap password hashes
  and no limits on how often one caller asks (`--dev`).
- What is compared is measured in turns, A then B then A again, and the figure is the median of the rounds' ratios.
- CPU is user and system time of the process from `/proc/PID/stat`.
- Requests per second: server and bare server each on core 0, the load on the other cores, 32 connections kept open, one
  request at a time on each. The load is one thread that never sleeps, for to wake it would be charged to whoever answers
  it; where it is the slower side, requests per second of wall time flatter the server, so the budget is held against
  requests per second of the server's CPU, and both stand in the table.
- The bare server is hyper with the same runtime and allocator, which reads the request and answers a fixed body of the same
  size.
- One recovery is `recover_from_prehash` of k256, the library that the server uses, built alike, on the same core, before
  and after the logins of each round, and beside a load that waits for answers: a core is slower beside a busy one.
- Under saturation eight callers keep all threads for argon2id (19,456 KiB, 2 passes) busy with wrong passwords, on all
  cores; the callers share the other cores with them.
- Memory is the growth of the resident set over 200,000 challenges for as many wallets, by their number.
- Refreshes are of 64 sessions at once; bare commits are one small value each, in the same folder, one after another, with
  the same durability. The server puts what waits into one commit, so it may do more refreshes than commits.
- Schemathesis and the harness judge all schemes of one server in turns, each with its defaults, the harness in an optimised
  build and told how the server's clock is moved; requests are those that the server counts, over the time of the whole
  process, one for each scheme with Schemathesis and one for all with the harness.
- In the row of its own the harness runs as a developer runs it, in a debug build, against a debug build of the server, both
  just built.";

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(rounds: &[f64], budget: Budget) -> Figure {
        Figure { what: "a over b", unit: "", rounds: rounds.to_vec(), budget, from: "x".to_owned() }
    }

    #[test]
    fn the_figure_is_the_median() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_shortfall_is_said_plainly() {
        let short = figure(&[0.6, 0.5, 0.4], Budget::AtLeast(0.7));
        assert_eq!(short.holds(), Some(false));
        let page = page(&[short], &["2 cores".to_owned()], 3, 1);
        assert!(
            page.contains("Budgets that do not hold:\n\n- a over b: 0.50, budget at least 0.70"),
            "{page}"
        );
        assert!(page.contains("**short**: 29 % off"), "{page}");
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        assert_eq!(figure(&[], Budget::AtMost(1.0)).holds(), Some(false));
        assert_eq!(figure(&[], Budget::AtLeast(1.0)).holds(), Some(false));
        assert_eq!(figure(&[1.0], Budget::AtMost(1.0)).holds(), Some(true));
        assert_eq!(figure(&[1.0], Budget::None).holds(), None);
    }
}
