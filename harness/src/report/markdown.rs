//! Markdown for the summary of a CI step or a comment: verdict, table, findings to open.
//!
//! Texts come from a target: in tables and headings they are escaped, and evidence stands in fences longer than any run of
//! backticks in it.

use super::model::{Finding, Outcome, Run, level_word};
use super::text;
use crate::exchange::cut;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Characters of the evidence of one finding: a step's summary may be no longer than a mebibyte in all.
const LONGEST: usize = 12_000;

/// Writes the report.
#[must_use]
pub fn write(run: &Run) -> String {
    let mut page = String::new();
    let mark = if run.exit == 0 { "✅" } else { "❌" };
    let _ = writeln!(page, "## {mark} {}: {}\n", escape(&run.url), escape(&run.says));
    let _ = writeln!(
        page,
        "{} requests in {:.1} s, seed {}, {} {}\n",
        run.requests, run.seconds, run.seed, run.tool.name, run.tool.version
    );
    table(&mut page, run);
    let advice = |finding: &&Finding| !finding.fails && finding.declared.is_none();
    let declared = |finding: &&Finding| !finding.fails && finding.declared.is_some();
    part(&mut page, "Findings", run, &run.failing().collect::<Vec<_>>());
    let advice: Vec<&Finding> = run.findings.iter().filter(advice).collect();
    part(&mut page, "Advice, which does not fail this run", run, &advice);
    let declared: Vec<&Finding> = run.findings.iter().filter(declared).collect();
    part(&mut page, "Declared by the profile", run, &declared);
    if !run.stale.is_empty() {
        page.push_str("### Declared, and not seen\n\n");
        for stale in &run.stale {
            let _ = writeln!(page, "- `{}`: {}", stale.check, escape(&stale.reason));
        }
        page.push('\n');
    }
    reasons(&mut page, run);
    page
}

fn part(page: &mut String, title: &str, run: &Run, findings: &[&Finding]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(page, "### {title}\n");
    for finding in findings {
        self::finding(page, finding, run);
    }
}

fn table(page: &mut String, run: &Run) {
    page.push_str(
        "| scheme | held | violated | blocked | inconclusive | skipped |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for scheme in &run.schemes {
        let count = |outcome| {
            run.checks.iter().filter(|check| check.scheme == scheme.id && check.outcome == outcome).count()
        };
        let cells: Vec<String> = Outcome::ALL.iter().map(|outcome| count(*outcome).to_string()).collect();
        let _ = writeln!(page, "| {} | {} |", scheme.id, cells.join(" | "));
    }
    page.push('\n');
}

fn finding(page: &mut String, finding: &Finding, run: &Run) {
    let _ = writeln!(
        page,
        "<details><summary><b>{}</b> <code>{}</code>: {}</summary>\n",
        level_word(finding.level),
        escape(&finding.check),
        escape(&finding.did)
    );
    for clause in finding.clauses.iter().filter_map(|id| run.clause(id)) {
        let _ = writeln!(page, "> `{}`: {} ({})\n", clause.id, escape(&clause.says), escape(&clause.source));
    }
    let evidence = cut(text::evidence(finding).trim_end(), LONGEST);
    let fence = "`".repeat(longest_run(&evidence, '`').max(2) + 1);
    let _ = writeln!(page, "{fence}text\n{evidence}\n{fence}\n\n</details>\n");
}

fn reasons(page: &mut String, run: &Run) {
    let mut reasons: BTreeMap<(Outcome, &str), usize> = BTreeMap::new();
    for check in &run.checks {
        if let (Some(reason), Outcome::Skipped | Outcome::Inconclusive) = (&check.reason, check.outcome) {
            *reasons.entry((check.outcome, reason)).or_default() += 1;
        }
    }
    if reasons.is_empty() {
        return;
    }
    page.push_str("<details><summary>Without a verdict</summary>\n\n| | checks | why |\n|---|--:|---|\n");
    for ((outcome, reason), count) in reasons {
        let _ = writeln!(page, "| {} | {count} | {} |", outcome.word(), escape(&cut(reason, 300)));
    }
    page.push_str("\n</details>\n");
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or_default()
}

/// Text that stands for itself, on one line, also in HTML and in a cell of a table.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' => {
                escaped.push_str(&format!("&#{};", u32::from(c)));
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
