//! What the template shows of findings, checks and clauses: texts made visible, long ones cut, names resolved.

use super::shown::{pretty, visible};
use crate::report::model::{CheckResult, Clause, Exchange, Fate, Finding, Message, Outcome, Run, level_word};
use crate::report::text::export;
use crate::{confirm, fingerprint};
use countersign_spec::Basis;
use std::collections::{BTreeMap, BTreeSet};

/// Characters of one body that are shown.
const LONGEST_BODY: usize = 12_000;
/// Characters of a body that are shown when all others took the room.
const SHORTEST_BODY: usize = 400;
/// Bytes of all bodies together as the page writes them, so that a report stays one that can be mailed.
const ALL_BODIES: usize = 500_000;
/// Characters of a sentence or a header that are shown.
const LONGEST_LINE: usize = 1_500;
/// Clauses of a finding that are not folded away.
const FIRST_CLAUSES: usize = 3;
/// Headers of a message that are shown.
const MOST_HEADERS: usize = 60;

/// In the order of the table of clauses' filter.
pub(super) const FATES: [Fate; 5] =
    [Fate::Violated, Fate::Held, Fate::Undecided, Fate::NotRun, Fate::Excepted];

/// What is left for bodies.
#[derive(Debug)]
pub(super) struct Room {
    left: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: ALL_BODIES }
    }
}

impl Room {
    /// The text, or its beginning and how much there is.
    fn fit(&mut self, text: &str) -> String {
        let most = LONGEST_BODY.min(self.left).max(SHORTEST_BODY);
        let shown = cut(text, most);
        // The page writes these as five bytes.
        let escaped = shown.matches(['"', '\'', '<', '>', '&']).count();
        self.left = self.left.saturating_sub(shown.len() + 4 * escaped);
        shown
    }
}

/// A finding.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) check: String,
    pub(super) scheme: String,
    pub(super) group: String,
    pub(super) level: &'static str,
    pub(super) fails: bool,
    pub(super) sentence: String,
    pub(super) did: String,
    pub(super) expected: String,
    pub(super) got: String,
    pub(super) differences: Vec<String>,
    pub(super) hint: Option<String>,
    pub(super) declared: Option<String>,
    pub(super) again: String,
    pub(super) curl: Option<String>,
    pub(super) export: Option<String>,
    pub(super) reproducible: Option<String>,
    /// The ways in which the check found the target to depart.
    pub(super) ways: Vec<String>,
    /// Those that say most, and the others.
    pub(super) clauses: Vec<ClauseNote>,
    pub(super) further: Vec<ClauseNote>,
    pub(super) steps: Vec<Step>,
    pub(super) folded: Vec<String>,
}

/// A clause as a finding cites it.
#[derive(Debug)]
pub(super) struct ClauseNote {
    pub(super) id: String,
    pub(super) says: String,
    pub(super) source: String,
}

/// One exchange of a finding.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) method: String,
    /// The path, or the whole URL where it is not one of the target.
    pub(super) place: String,
    pub(super) operation: String,
    /// The status, or that none came.
    pub(super) status: String,
    /// The first digit of the status, `x` without one: its colour.
    pub(super) class: char,
    pub(super) took: Option<String>,
    /// Time from the beginning of the first exchange.
    pub(super) after: Option<String>,
    pub(super) error: Option<String>,
    /// The deciding one, which is the last.
    pub(super) decides: bool,
    pub(super) messages: Vec<Side>,
}

/// What went one way.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) title: &'static str,
    /// Its media type and size.
    pub(super) about: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) more_headers: usize,
    pub(super) body: String,
}

impl Card {
    pub(super) fn of(finding: &Finding, run: &Run, room: &mut Room) -> Self {
        let clause = |id: &String| {
            let known = run.clause(id);
            ClauseNote {
                id: id.clone(),
                says: known.map(|clause| visible(&clause.says)).unwrap_or_default(),
                source: known.map(|clause| visible(&clause.source)).unwrap_or_default(),
            }
        };
        let first = finding.exchanges.first().and_then(begun);
        let last = finding.exchanges.len().saturating_sub(1);
        Self {
            check: finding.check.clone(),
            scheme: finding.scheme.clone(),
            group: group_of(&finding.check).to_owned(),
            level: level_word(finding.level),
            fails: finding.fails,
            sentence: visible(&finding.sentence),
            did: text(&finding.did),
            expected: text(&finding.expected),
            got: text(&finding.got),
            differences: finding.differences.iter().map(|one| text(&one.to_string())).collect(),
            hint: finding.hint.as_deref().map(text),
            declared: finding.declared.as_deref().map(text),
            // Commands stay as they are: they are there to be pasted.
            again: finding.again.clone(),
            curl: finding.curl.clone(),
            export: (!finding.variables.is_empty()).then(|| export(&finding.variables)),
            reproducible: finding.reproducible.map(confirm::says),
            ways: fingerprint::ways(finding.fingerprint.as_deref().unwrap_or_default()).map(text).collect(),
            clauses: finding.clauses.iter().take(FIRST_CLAUSES).map(clause).collect(),
            further: finding.clauses.iter().skip(FIRST_CLAUSES).map(clause).collect(),
            steps: finding
                .exchanges
                .iter()
                .enumerate()
                .map(|(index, exchange)| Step::of(exchange, run, first, index == last, room))
                .collect(),
            folded: finding.folded.clone(),
        }
    }
}

impl Step {
    fn of(
        exchange: &Exchange,
        run: &Run,
        first: Option<jiff::Timestamp>,
        decides: bool,
        room: &mut Room,
    ) -> Self {
        let after = first.zip(begun(exchange)).map(|(first, this)| this.duration_since(first).as_secs_f64());
        let place = exchange.url.strip_prefix(&run.url).filter(|path| path.starts_with('/'));
        let mut messages = vec![Side::of("Request", &exchange.request, room)];
        messages.extend(exchange.response.as_ref().map(|response| Side::of("Response", response, room)));
        Self {
            method: visible(&exchange.method),
            place: text(place.unwrap_or(&exchange.url)),
            operation: visible(&exchange.operation),
            status: exchange.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string()),
            class: exchange.status.and_then(|status| status.to_string().chars().next()).unwrap_or('x'),
            took: exchange.milliseconds.map(|took| format!("{took:.1} ms")),
            after: after.filter(|after| *after > 0.0).map(|after| format!("+{after:.3} s")),
            error: exchange.error.as_deref().map(text),
            decides,
            messages,
        }
    }
}

impl Side {
    fn of(title: &'static str, message: &Message, room: &mut Room) -> Self {
        let media = message.header("content-type").map(|media| format!("{}, ", text(media)));
        let bytes = match message.bytes {
            0 => "no body".to_owned(),
            1 => "1 byte".to_owned(),
            bytes => format!("{bytes} bytes"),
        };
        let body = pretty(&message.body);
        Self {
            title,
            about: format!("{}{bytes}", media.unwrap_or_default()),
            headers: message
                .headers
                .iter()
                .take(MOST_HEADERS)
                .map(|header| (text(&header.name), text(&header.value)))
                .collect(),
            more_headers: message.headers.len().saturating_sub(MOST_HEADERS),
            body: room.fit(&visible(body.as_deref().unwrap_or(&message.body))),
        }
    }
}

/// A check in the table of all.
#[derive(Debug)]
pub(super) struct Row<'r> {
    pub(super) check: &'r CheckResult,
    pub(super) outcome: &'static str,
    pub(super) level: &'static str,
    pub(super) took: String,
    pub(super) reason: Option<String>,
    /// The check of the finding that says more.
    pub(super) finding: Option<&'r str>,
}

/// The table of all checks.
pub(super) fn rows<'r>(run: &'r Run) -> Vec<Row<'r>> {
    let findings: BTreeSet<&str> = run.findings.iter().map(|finding| finding.check.as_str()).collect();
    let row = |check: &'r CheckResult| {
        let covering = findings.get(check.cause.as_ref().unwrap_or(&check.name).as_str()).copied();
        // That another finding is in the way is what the link to it says.
        let said = covering.is_some() && check.outcome == Outcome::Blocked;
        Row {
            check,
            outcome: check.outcome.word(),
            level: level_word(check.level),
            took: format!("{:.2} s", check.seconds),
            reason: check.reason.as_deref().filter(|_| !said).map(text),
            finding: covering,
        }
    };
    run.checks.iter().map(row).collect()
}

/// A clause in the table of all.
#[derive(Debug)]
pub(super) struct ClauseRow<'r> {
    pub(super) clause: &'r Clause,
    pub(super) level: &'static str,
    pub(super) fate: &'static str,
    /// Its fate as a class of the style.
    pub(super) class: &'static str,
    pub(super) basis: &'static str,
    /// Schemes and groups it is about, as words.
    pub(super) schemes: String,
    pub(super) groups: String,
    /// Its checks and how each ended.
    pub(super) checks: Vec<(&'r str, &'static str)>,
    /// How many ended how.
    pub(super) tally: String,
}

/// The table of all clauses.
pub(super) fn clause_rows(run: &Run) -> Vec<ClauseRow<'_>> {
    let outcomes: BTreeMap<&str, Outcome> =
        run.checks.iter().map(|check| (check.name.as_str(), check.outcome)).collect();
    run.clauses
        .iter()
        .map(|clause| {
            let mut schemes: BTreeSet<&str> =
                clause.checks.iter().filter_map(|name| name.split("::").next()).collect();
            schemes.extend(clause.id.split('.').next());
            let groups = clause.checks.iter().map(|name| group_of(name)).collect();
            let checks: Vec<(&str, Outcome)> = clause
                .checks
                .iter()
                .filter_map(|name| outcomes.get(name.as_str()).map(|outcome| (name.as_str(), *outcome)))
                .collect();
            let tally: Vec<String> = Outcome::ALL
                .into_iter()
                .map(|outcome| (outcome, checks.iter().filter(|(_, ended)| *ended == outcome).count()))
                .filter(|(_, count)| *count > 0)
                .map(|(outcome, count)| format!("{count} {}", outcome.word()))
                .collect();
            ClauseRow {
                clause,
                level: level_word(clause.level),
                fate: clause.fate.word(),
                class: match clause.fate {
                    Fate::NotRun => "not-run",
                    fate => fate.word(),
                },
                basis: match clause.basis {
                    Basis::Client => "a client",
                    Basis::Document => "the document",
                    Basis::Standard => "a standard",
                },
                schemes: words(schemes),
                groups: words(groups),
                tally: tally.join(", "),
                checks: checks.into_iter().map(|(name, outcome)| (name, outcome.word())).collect(),
            }
        })
        .collect()
}

/// Why checks came to no verdict.
#[derive(Debug)]
pub(super) struct Reason<'r> {
    pub(super) outcome: &'static str,
    pub(super) text: String,
    pub(super) checks: Vec<&'r str>,
    /// The check of the finding that is in their way, which lists them.
    pub(super) finding: Option<&'r str>,
}

/// Reasons, those of most checks first.
pub(super) fn reasons<'r>(run: &'r Run) -> Vec<Reason<'r>> {
    let mut by_reason: BTreeMap<(Outcome, &str, Option<&str>), Vec<&str>> = BTreeMap::new();
    for check in &run.checks {
        let finding = run.finding_of(check).filter(|finding| finding.folded.contains(&check.name));
        if let Some(reason) = &check.reason {
            let key = (check.outcome, reason.as_str(), finding.map(|finding| finding.check.as_str()));
            by_reason.entry(key).or_default().push(&check.name);
        }
    }
    let reason = |((outcome, reason, finding), checks): ((Outcome, &str, Option<&'r str>), Vec<&'r str>)| {
        Reason { outcome: outcome.word(), text: text(reason), checks, finding }
    };
    let mut reasons: Vec<Reason<'_>> = by_reason.into_iter().map(reason).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.checks.len()));
    reasons
}

/// The middle part of a check's name.
fn group_of(check: &str) -> &str {
    check.split("::").nth(1).unwrap_or_default()
}

fn words(set: BTreeSet<&str>) -> String {
    set.into_iter().collect::<Vec<_>>().join(" ")
}

fn begun(exchange: &Exchange) -> Option<jiff::Timestamp> {
    exchange.started_at.parse().ok()
}

/// A line of text as it is shown.
fn text(text: &str) -> String {
    cut(&visible(text), LONGEST_LINE)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept}… (cut here; {} characters in all)", text.chars().count())
        }
        None => text.to_owned(),
    }
}
