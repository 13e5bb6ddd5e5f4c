//! The page for people: what departs, how to see it again, and what the run covered.

use super::model::{Difference, Verdict, level_word};
use super::transport::Transport;
use super::{Cause, Summary, curl, differ};
use crate::check::Group;
use crate::confirm;
use crate::exchange::{Exchange, cut};
use crate::finding::Outcome;
use crate::redact::Secrets;
use anstyle::{AnsiColor, Style};
use countersign_spec::{Level, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::SystemTime;

/// What the page says beside the outcomes.
#[derive(Debug, Clone)]
pub struct About {
    /// How the program is called, such as `countersign conformance`.
    pub program: String,
    /// Flags that select the target, and judge it, in the same way again.
    pub target_flags: String,
    /// How the target is reached.
    pub transport: Transport,
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
    /// Columns of the terminal; none where lines are to stay whole.
    pub width: Option<usize>,
}

impl About {
    /// The command that runs one check again, alone.
    #[must_use]
    pub fn again(&self, check: &str) -> String {
        format!("{} {} --seed {} --exact '{check}'", self.program, self.target_flags, self.seed)
    }

    /// The command that runs several checks again, and no other.
    #[must_use]
    pub fn again_all<'c>(&self, checks: impl Iterator<Item = &'c str>) -> String {
        let names: String = checks.map(|check| format!(" --check {check}")).collect();
        format!("{} {} --seed {}{names}", self.program, self.target_flags, self.seed)
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
            short(&mut page, cause, about, spec);
        }
        page.push('\n');
    }
    for cause in other.iter().filter(|cause| cause.declared.is_some()) {
        let reason = cause.declared.as_deref().unwrap_or_default();
        hanging(&mut page, "declared  ", &format!("{}: {reason}", cause.check.name), about);
    }
    for stale in &summary.stale {
        let which = stale.fingerprint.as_ref().map(|known| format!("\nit was: {known}"));
        let text = format!(
            "{}: the profile declares a deviation that did not occur ({}); take it out{}",
            stale.check,
            stale.reason,
            which.unwrap_or_default()
        );
        hanging(&mut page, "stale     ", &text, about);
    }
    table(&mut page, summary, about);
    groups(&mut page, summary, about);
    reasons(&mut page, summary, about);
    if failing.len() > 1 {
        let names = failing.iter().map(|cause| cause.check.name.as_str());
        line(&mut page, &format!("these again: {}\n", about.again_all(names)));
    }
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

/// One labelled entry; further lines are indented under the first. No control character of a target gets through.
fn entry(page: &mut String, label: &str, text: &str) {
    for (index, part) in text.lines().enumerate() {
        let label = if index == 0 { label } else { "" };
        let part = part.escape_control();
        let _ = writeln!(page, "      {}{label:<9}{} {part}", DIM.render(), DIM.render_reset());
    }
}

/// An entry of words, broken between them where the terminal is narrower.
fn words(page: &mut String, label: &str, text: &str, about: &About) {
    // A narrower column would be no easier to read than lines that the terminal breaks.
    match about.width.map(|width| width.saturating_sub(16)).filter(|width| *width >= 20) {
        Some(width) => entry(page, label, &wrapped(text, width)),
        None => entry(page, label, text),
    }
}

/// A line that begins with a label; further ones stand under its text, broken where the terminal is narrower.
fn hanging(page: &mut String, label: &str, text: &str, about: &About) {
    let indent = label.chars().count();
    let room = about.width.map(|width| width.saturating_sub(indent)).filter(|room| *room >= 20);
    let text = room.map_or_else(|| text.to_owned(), |room| wrapped(text, room));
    line(page, &format!("{label}{}", text.replace('\n', &format!("\n{:indent$}", ""))));
}

/// The text in lines of at most so many characters, longer words aside.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            lines.push('\n');
        }
        let mut column = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if column > 0 && column + 1 + length > width {
                lines.push('\n');
                column = 0;
            } else if column > 0 {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(word);
            column += length;
        }
    }
    lines
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
    clauses(page, cause, about, spec);
    let found = &cause.finding;
    words(page, "did", &found.secrets.hide(&found.did), about);
    words(page, "expected", &found.secrets.hide(&found.expected), about);
    words(page, "got", &cut(&found.got.escape_control(), 600), about);
    let scheme = spec.scheme(&cause.check.scheme);
    let differences = scheme.map(|scheme| differ::differences(found, scheme, &found.secrets));
    for (index, difference) in differences.iter().flatten().enumerate() {
        differs(page, if index == 0 { "differs" } else { "" }, difference);
    }
    if let Some(hint) = &found.hint {
        words(page, "hint", &found.secrets.hide(hint), about);
    }
    for exchange in &found.exchanges {
        show(page, exchange, &found.secrets);
    }
    if let Some(times) = cause.reproducible {
        words(page, "tried", &confirm::says(times), about);
    }
    if let Some(command) = cause.line(&found.secrets, &about.transport) {
        entry(page, "curl", &command.text);
        if !command.variables.is_empty() {
            let set: Vec<String> = command.variables.iter().map(|name| format!("{name}=…")).collect();
            let account = cause.chain.as_ref().and_then(|chain| chain.account.as_ref());
            let whose = account.map(|name| format!("  # the account is {name}")).unwrap_or_default();
            entry(page, "with", &format!("export {}{whose}", set.join(" ")));
        }
    }
    if let Some(folder) = &cause.kept {
        entry(
            page,
            "script",
            &format!(
                "sh {}",
                curl::quote(&folder.join("repeat.sh").display().to_string(), &Secrets::default())
            ),
        );
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
        words(page, "like", &text, about);
    }
    page.push('\n');
}

/// A line of the diff against the documented example: red is what is missing, green what is there instead.
fn differs(page: &mut String, label: &str, difference: &Difference) {
    let style = match (&difference.expected, &difference.got) {
        (Some(_), None) => AnsiColor::Red.on_default(),
        (None, Some(_)) => AnsiColor::Green.on_default(),
        _ => AnsiColor::Yellow.on_default(),
    };
    let text = difference.to_string().escape_control();
    let (label_style, reset) = (DIM.render(), DIM.render_reset());
    let _ = writeln!(
        page,
        "      {label_style}{label:<9}{reset} {}{text}{}",
        style.render(),
        style.render_reset()
    );
}

fn clauses(page: &mut String, cause: &Cause, about: &About, spec: &Spec) {
    for id in cause.check.clauses.iter().take(3) {
        if let Some(clause) = spec.clause(id) {
            words(page, "clause", &format!("{}: {} ({})", clause.id, clause.says, clause.source), about);
        }
    }
}

fn short(page: &mut String, cause: &Cause, about: &About, spec: &Spec) {
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
        hanging(page, "      ", &format!("{} ({})", clause.says, clause.source), about);
    }
    let did = cause.finding.secrets.hide(&cause.finding.did);
    let text = format!("{did}; got {}", cut(&cause.finding.got.escape_control(), 160));
    hanging(page, "      ", &text, about);
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

pub(super) trait EscapeControl {
    /// Control characters as escapes, so that no answer can draw on the reader's terminal.
    fn escape_control(&self) -> String;
}

impl EscapeControl for str {
    fn escape_control(&self) -> String {
        self.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
            .collect()
    }
}

/// Columns of the table of schemes.
const TABLE: usize = 59;

fn table(page: &mut String, summary: &Summary, about: &About) {
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
    if about.width.is_some_and(|width| width < TABLE) {
        for (scheme, [held, violated, blocked, unsure, skipped]) in rows {
            let text = format!(
                "{held} held, {violated} violated, {blocked} blocked, {unsure} inconclusive, {skipped} skipped"
            );
            hanging(page, &format!("{scheme}: "), &text, about);
        }
        return page.push('\n');
    }
    line(
        page,
        &format!(
            "{}{:<11} {:>6} {:>9} {:>8} {:>13} {:>8}{}",
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
            &format!("{scheme:<11} {:>6} {:>9} {:>8} {:>13} {:>8}", row[0], row[1], row[2], row[3], row[4]),
        );
    }
    page.push('\n');
}

/// What was held of what was judged, by group and scheme. Schemes that do not fit beside the others stand below.
fn groups(page: &mut String, summary: &Summary, about: &About) {
    let mut cells: BTreeMap<(Group, &str), (usize, usize)> = BTreeMap::new();
    for record in &summary.records {
        let (held, judged) = cells.entry((record.check.group, &record.check.scheme)).or_default();
        *held += usize::from(matches!(record.outcome, Outcome::Held));
        *judged += usize::from(matches!(record.outcome, Outcome::Held | Outcome::Violated(..)));
    }
    let groups: BTreeSet<Group> = cells.keys().map(|(group, _)| *group).collect();
    let schemes: BTreeSet<&str> = cells.keys().map(|(_, scheme)| *scheme).collect();
    let schemes: Vec<&str> = schemes.into_iter().collect();
    let column = schemes.iter().map(|scheme| scheme.chars().count()).max().unwrap_or_default().max(9) + 2;
    let beside = (about.width.unwrap_or(80).saturating_sub(GROUPS) / column).max(1);
    for schemes in schemes.chunks(beside) {
        let heads: String = schemes.iter().map(|scheme| format!("{scheme:>column$}")).collect();
        line(page, &format!("{}{:<GROUPS$}{heads}{}", BOLD.render(), "held of", BOLD.render_reset()));
        for group in &groups {
            let _ = write!(page, "{:<GROUPS$}", group.word());
            for scheme in schemes {
                let (style, cell) = match cells.get(&(*group, *scheme)) {
                    None | Some((_, 0)) => (DIM, "-".to_owned()),
                    Some((held, judged)) if held == judged => (Style::new(), format!("{held}/{judged}")),
                    Some((held, judged)) => (AnsiColor::Red.on_default(), format!("{held}/{judged}")),
                };
                let _ = write!(page, "{}{cell:>column$}{}", style.render(), style.render_reset());
            }
            page.push('\n');
        }
        page.push('\n');
    }
}

/// Columns for the names of groups.
const GROUPS: usize = 12;

fn reasons(page: &mut String, summary: &Summary, about: &About) {
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
            let reason = cut(&reason.escape_control(), 300);
            hanging(page, &format!("{title:<13} {count:>4}  "), &reason, about);
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
    let text = format!(
        "{}: {says}; {judged} checks judged, {advice} advice, {} requests in {:.1} s{paced}, seed {}",
        about.url, about.requests, about.seconds, about.seed
    );
    let text = about.width.map_or_else(|| text.clone(), |width| wrapped(&text, width));
    let url = format!("{}{}{}", style.render(), about.url, style.render_reset());
    line(page, &text.replacen(&about.url, &url, 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_broken_at_spaces_and_long_ones_stay_whole() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("a verylongword b", 5), "a\nverylongword\nb");
        assert_eq!(wrapped("first\nsecond line", 20), "first\nsecond line");
    }

    #[test]
    fn nothing_that_a_target_says_draws_on_the_terminal() {
        let mut page = String::new();
        entry(&mut page, "got", "a\u{1b}[2Jb\u{7}");
        assert!(page.contains("a\\u{1b}[2Jb\\u{7}"), "{page:?}");
    }
}
