//! The page for people: what departs, how to see it again, and what the run covered.

use super::model::{Verdict, level_word};
use super::{Cause, Summary, curl};
use crate::exchange::{Exchange, cut};
use crate::finding::Outcome;
use crate::redact::Secrets;
use anstyle::{AnsiColor, Style};
use countersign_spec::{Level, Spec};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

/// What the page says beside the outcomes.
#[derive(Debug, Clone)]
pub struct About {
    /// How the program is called, such as `countersign conformance`.
    pub program: String,
    /// Flags that select the target again.
    pub target_flags: String,
    /// The target's URL.
    pub url: String,
    /// Seed of the run.
    pub seed: u64,
    /// What fails the run.
    pub fail_on: Level,
    /// Requests sent.
    pub requests: u64,
    /// How often the target asked for patience.
    pub paced: u64,
    /// Seconds the run took.
    pub seconds: f64,
    /// When the run began.
    pub started_at: SystemTime,
    /// Generated cases for each property.
    pub cases: u32,
    /// Ids of the schemes that were judged.
    pub schemes: Vec<String>,
}

impl About {
    /// The command that runs one check again, alone.
    #[must_use]
    pub fn again(&self, check: &str) -> String {
        format!("{} {} --seed {} --exact '{check}'", self.program, self.target_flags, self.seed)
    }
}

/// Writes the whole page.
#[must_use]
pub fn write(summary: &Summary, about: &About, verdict: (Verdict, &str), spec: &Spec) -> String {
    let mut page = String::new();
    let (failing, other): (Vec<&Cause>, Vec<&Cause>) =
        summary.causes.iter().partition(|cause| cause.level >= about.fail_on && cause.declared.is_none());
    for cause in &failing {
        finding(&mut page, cause, about, spec);
    }
    let advice: Vec<&&Cause> = other.iter().filter(|cause| cause.declared.is_none()).collect();
    if !advice.is_empty() {
        line(
            &mut page,
            &format!("{}Advice, which does not fail this run{}", BOLD.render(), BOLD.render_reset()),
        );
        for cause in advice {
            short(&mut page, cause, spec);
        }
        page.push('\n');
    }
    for cause in other.iter().filter(|cause| cause.declared.is_some()) {
        let reason = cause.declared.as_deref().unwrap_or_default();
        line(&mut page, &format!("declared  {}: {reason}", cause.check.name));
    }
    for stale in &summary.stale {
        let text = format!(
            "stale     {}: the profile declares a deviation that did not occur ({})",
            stale.check, stale.reason
        );
        line(&mut page, &text);
    }
    table(&mut page, summary);
    reasons(&mut page, summary);
    closing(&mut page, summary, about, verdict);
    page
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn colour(level: Level) -> Style {
    match level {
        Level::Must => AnsiColor::Red.on_default().bold(),
        Level::Should => AnsiColor::Yellow.on_default().bold(),
        Level::May => AnsiColor::Cyan.on_default(),
    }
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// One labelled entry; further lines are indented under the first.
fn entry(page: &mut String, label: &str, text: &str) {
    for (index, part) in text.lines().enumerate() {
        let label = if index == 0 { label } else { "" };
        let _ = writeln!(page, "      {}{label:<9}{} {part}", DIM.render(), DIM.render_reset());
    }
}

fn finding(page: &mut String, cause: &Cause, about: &About, spec: &Spec) {
    let style = colour(cause.level);
    let _ = writeln!(
        page,
        "{}FAIL{}  {}  [{}]",
        style.render(),
        style.render_reset(),
        cause.check.name,
        level_word(cause.level)
    );
    clauses(page, cause, spec);
    let found = &cause.finding;
    entry(page, "did", &found.secrets.hide(&found.did));
    entry(page, "expected", &found.secrets.hide(&found.expected));
    entry(page, "got", &cut(&found.got, 600));
    if let Some(hint) = &found.hint {
        entry(page, "hint", &found.secrets.hide(hint));
    }
    for exchange in &found.exchanges {
        show(page, exchange, &found.secrets);
    }
    if let Some(exchange) = found.exchanges.last() {
        let command = curl::command(exchange, &found.secrets);
        let variables = curl::variables(&command);
        entry(page, "curl", &command);
        if !variables.is_empty() {
            let set: Vec<String> = variables.iter().map(|name| format!("{name}=…")).collect();
            entry(page, "with", &format!("export {}", set.join(" ")));
        }
    }
    entry(page, "again", &about.again(&cause.check.name));
    if !cause.folded.is_empty() {
        let shown: Vec<&str> = cause.folded.iter().take(4).map(String::as_str).collect();
        let more = cause.folded.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!(
            "the same cause trips or blocks {} other checks, not shown: {}{more}",
            cause.folded.len(),
            shown.join(", ")
        );
        entry(page, "like", &text);
    }
    page.push('\n');
}

fn clauses(page: &mut String, cause: &Cause, spec: &Spec) {
    for id in cause.check.clauses.iter().take(3) {
        if let Some(clause) = spec.clause(id) {
            entry(page, "clause", &format!("{}: {} ({})", clause.id, clause.says, clause.source));
        }
    }
}

fn short(page: &mut String, cause: &Cause, spec: &Spec) {
    let style = colour(cause.level);
    let _ = writeln!(
        page,
        "{}{:<6}{}{}",
        style.render(),
        level_word(cause.level),
        style.render_reset(),
        cause.check.name
    );
    let clause = cause.check.clauses.first().and_then(|id| spec.clause(id));
    if let Some(clause) = clause {
        let _ = writeln!(page, "      {} ({})", clause.says, clause.source);
    }
    let _ = writeln!(
        page,
        "      {}; got {}",
        cause.finding.secrets.hide(&cause.finding.did),
        cut(&cause.finding.got, 160)
    );
}

fn show(page: &mut String, exchange: &Exchange, secrets: &Secrets) {
    let request = &exchange.request;
    entry(page, "exchange", &format!("> {} {}", request.method, secrets.hide(&request.path)));
    for (name, value) in &request.headers {
        if ["authorization", "content-type", "didkey", "web3mq-request-pubkey"].contains(&name.as_str()) {
            entry(page, "", &format!("> {name}: {}", secrets.hide(value)));
        }
    }
    let body = request.body.bytes();
    if !body.is_empty() {
        let text = String::from_utf8_lossy(&body);
        entry(page, "", &format!("> {}", cut(&secrets.hide(&text).escape_control(), 500)));
    }
    match &exchange.outcome {
        Ok(response) => {
            let media = exchange.header("content-type").unwrap_or("no content type");
            entry(page, "", &format!("< HTTP {} ({media})", response.status));
            let text = exchange.text();
            if !text.is_empty() {
                entry(page, "", &format!("< {}", cut(&secrets.hide(&text).escape_control(), 700)));
            }
        }
        Err(error) => entry(page, "", &format!("< {error}")),
    }
}

trait EscapeControl {
    /// Control characters as escapes, so that no answer can draw on the reader's terminal.
    fn escape_control(&self) -> String;
}

impl EscapeControl for String {
    fn escape_control(&self) -> String {
        self.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
            .collect()
    }
}

fn table(page: &mut String, summary: &Summary) {
    let mut rows: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    for record in &summary.records {
        let row = rows.entry(&record.check.scheme).or_default();
        let column = match &record.outcome {
            Outcome::Held => 0,
            Outcome::Violated(..) => 1,
            Outcome::Blocked(_) => 2,
            Outcome::Inconclusive(_) => 3,
            Outcome::Skipped(_) => 4,
        };
        row[column] += 1;
    }
    line(
        page,
        &format!(
            "{}{:<12} {:>6} {:>9} {:>8} {:>13} {:>8}{}",
            BOLD.render(),
            "scheme",
            "held",
            "violated",
            "blocked",
            "inconclusive",
            "skipped",
            BOLD.render_reset()
        ),
    );
    for (scheme, row) in rows {
        line(
            page,
            &format!("{scheme:<12} {:>6} {:>9} {:>8} {:>13} {:>8}", row[0], row[1], row[2], row[3], row[4]),
        );
    }
    page.push('\n');
}

fn reasons(page: &mut String, summary: &Summary) {
    let skipped = summary.reasons(|outcome| match outcome {
        Outcome::Skipped(reason) => Some(reason),
        _ => None,
    });
    let unsure = summary.reasons(|outcome| match outcome {
        Outcome::Inconclusive(reason) => Some(reason),
        _ => None,
    });
    for (title, list) in [("skipped", skipped), ("inconclusive", unsure)] {
        for (reason, count) in &list {
            line(page, &format!("{title:<13} {count:>4}  {}", cut(reason, 300)));
        }
        if !list.is_empty() {
            page.push('\n');
        }
    }
}

/// The last line, so that what the run was worth is on the screen when it is over.
fn closing(page: &mut String, summary: &Summary, about: &About, (verdict, says): (Verdict, &str)) {
    let judged = summary.judged();
    let advice =
        summary.causes.iter().filter(|cause| cause.level < about.fail_on && cause.declared.is_none()).count();
    let style = match verdict {
        Verdict::Conforms => AnsiColor::Green.on_default().bold(),
        _ => colour(Level::Must),
    };
    let paced = if about.paced > 0 { format!(", {} waits for a limit", about.paced) } else { String::new() };
    line(
        page,
        &format!(
            "{}{}{}: {says}; {judged} checks judged, {advice} advice, {} requests in {:.1} s{paced}, seed {}",
            style.render(),
            about.url,
            style.render_reset(),
            about.requests,
            about.seconds,
            about.seed
        ),
    );
}
