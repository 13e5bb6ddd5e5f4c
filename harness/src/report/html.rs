//! One file of HTML: the whole run for people, to be opened from a disk, an archive of a build or a mail.
//!
//! Nothing is fetched, and a policy in the page lets nothing be: what a target answered is shown, never obeyed. All of it can
//! be read without a script; the script adds filters, a choice of colours and buttons that copy.

mod scores;
mod shown;
mod view;

use super::model::{Outcome, Run, Verdict, level_word};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_spec::Level;
use scores::Score;
use sha2::{Digest as _, Sha256};
use view::{Card, ClauseRow, Reason, Room, Row, clause_rows, reasons, rows};

/// Writes the report.
///
/// # Errors
/// What the template says; it writes to memory and has no reason to.
pub fn write(run: &Run) -> Result<String, String> {
    Page::of(run).render().map_err(|problem| problem.to_string())
}

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// What the template shows.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'r> {
    run: &'r Run,
    style: &'static str,
    script: &'static str,
    policy: String,
    facts: Vec<(&'static str, String)>,
    /// The command that runs several failures again, and no other check.
    failing_again: Option<String>,
    schemes: Vec<Score>,
    groups: Vec<Score>,
    failing: Vec<Card>,
    advice: Vec<Card>,
    declared: Vec<Card>,
    rows: Vec<Row<'r>>,
    clauses: Vec<ClauseRow<'r>>,
    reasons: Vec<Reason<'r>>,
}

impl<'r> Page<'r> {
    fn of(run: &'r Run) -> Self {
        let mut room = Room::default();
        let mut cards = |wanted: fn(&super::model::Finding) -> bool| -> Vec<Card> {
            let findings = run.findings.iter().filter(|finding| wanted(finding));
            findings.map(|finding| Card::of(finding, run, &mut room)).collect()
        };
        Self {
            run,
            style: STYLE,
            script: SCRIPT,
            policy: policy(),
            facts: facts(run),
            failing_again: failing_again(run),
            schemes: scores::by_scheme(run),
            groups: scores::by_group(run),
            failing: cards(|finding| finding.fails),
            advice: cards(|finding| !finding.fails && finding.declared.is_none()),
            declared: cards(|finding| !finding.fails && finding.declared.is_some()),
            rows: rows(run),
            clauses: clause_rows(run),
            reasons: reasons(run),
        }
    }

    /// The colour of the verdict.
    fn mood(&self) -> &'static str {
        match self.run.verdict {
            Verdict::Conforms => "good",
            Verdict::Violates => "bad",
            Verdict::Undecided | Verdict::Unreachable | Verdict::NotJudged | Verdict::Stale => "unsure",
        }
    }

    /// Checks that came to a verdict.
    fn judged(&self) -> usize {
        self.run.count(Outcome::Held) + self.run.count(Outcome::Violated)
    }

    fn outcomes(&self) -> [(&'static str, usize); 5] {
        Outcome::ALL.map(|outcome| (outcome.word(), self.run.count(outcome)))
    }

    fn levels(&self) -> [&'static str; 3] {
        [Level::Must, Level::Should, Level::May].map(level_word)
    }

    /// What became of clauses, with how many there are of each.
    fn fates(&self) -> Vec<(&'static str, usize)> {
        view::FATES
            .into_iter()
            .map(|fate| (fate.word(), self.run.clauses.iter().filter(|clause| clause.fate == fate).count()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// Lets the page run its own script and style, by their hashes, and load nothing.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn failing_again(run: &Run) -> Option<String> {
    let names: Vec<String> = run.failing().map(|finding| format!(" --check {}", finding.check)).collect();
    let command = || format!("{} {} --seed {}{}", run.program, run.target_flags, run.seed, names.concat());
    (names.len() > 1).then(command)
}

fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let waits = match run.waits {
        0 => String::new(),
        waits => format!(", {waits} waits for a limit"),
    };
    let schemes: Vec<String> = run.schemes.iter().map(|scheme| scheme.document.clone()).collect();
    vec![
        ("Target", shown::visible(&run.url)),
        ("Documents", shown::visible(&schemes.join(" · "))),
        ("Begun", run.started_at.clone()),
        ("Took", format!("{:.1} s, {} requests{waits}", run.seconds, run.requests)),
        ("Seed", format!("{}, {} generated cases for each property", run.seed, run.cases)),
        ("Fails at", format!("level {} and above", level_word(run.fail_on))),
        ("Exit code", run.exit.to_string()),
        ("Judged by", format!("{} {}", run.tool.name, run.tool.version)),
    ]
}
