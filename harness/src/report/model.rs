//! A whole run as data, from which every report is written and which a report in JSON holds.
//!
//! What stands here may be shown: [`super::gather`] hides every secret on the way in, so that no report has to think of it.
//! Nothing here knows how it came about, and a run that is read back from a file is as good as one just over.

use crate::cli;
use countersign_spec::{Basis, Level};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of this form; raised whenever a member changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// One run of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Version of this form: [`FORMAT`].
    pub format: u32,
    /// What judged.
    pub tool: Tool,
    /// How the program is called, such as `countersign conformance`.
    pub program: String,
    /// Flags that select the target, and judge it, in the same way again.
    pub target_flags: String,
    /// The target's URL.
    pub url: String,
    /// When it began, by RFC 3339 in UTC.
    pub started_at: String,
    /// Seconds it took.
    pub seconds: f64,
    /// Requests sent.
    pub requests: u64,
    /// How often the target asked for patience.
    pub waits: u64,
    /// Seed of all chance.
    pub seed: u64,
    /// Generated cases for each property.
    pub cases: u32,
    /// What fails the run.
    #[schemars(schema_with = "levels")]
    pub fail_on: Level,
    /// The exit code of the program.
    pub exit: u8,
    /// What the run amounts to.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub says: String,
    /// The schemes that were judged.
    pub schemes: Vec<Scheme>,
    /// How every check ended, in the order of their names.
    pub checks: Vec<CheckResult>,
    /// Causes, gravest first.
    pub findings: Vec<Finding>,
    /// Deviations of the profile that did not occur although their checks ran.
    pub stale: Vec<Stale>,
    /// The clauses of the judged schemes, those that all schemes share among them.
    pub clauses: Vec<Clause>,
}

/// The program that judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a run amounts to; each has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing to object at the chosen level (0).
    Conforms,
    /// At least one finding fails the run (1).
    Violates,
    /// No finding, but a check without a verdict, and the profile takes that for a failure (1).
    Undecided,
    /// The target stopped answering, and nothing failed before (3).
    Unreachable,
    /// No check came to a verdict (4).
    NotJudged,
    /// A deviation that the profile declares did not occur (5).
    Stale,
}

impl Verdict {
    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Violates => "violates",
            Self::Undecided => "undecided",
            Self::Unreachable => "unreachable",
            Self::NotJudged => "not judged",
            Self::Stale => "stale",
        }
    }

    /// The exit code of a run that ends so.
    #[must_use]
    pub const fn exit(self) -> u8 {
        match self {
            Self::Conforms => cli::CONFORMS,
            Self::Violates | Self::Undecided => cli::VIOLATES,
            Self::Unreachable => cli::UNREACHABLE,
            Self::NotJudged => cli::NOTHING,
            Self::Stale => cli::STALE,
        }
    }
}

/// A scheme that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Number and title of the public document.
    pub document: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to object.
    Held,
    /// A departure.
    Violated,
    /// Nothing to check here.
    Skipped,
    /// No verdict was possible.
    Inconclusive,
    /// Another finding stands in the way.
    Blocked,
}

impl Outcome {
    /// Every way to end, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Held, Self::Violated, Self::Blocked, Self::Inconclusive, Self::Skipped];

    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Violated => "violated",
            Self::Skipped => "skipped",
            Self::Inconclusive => "inconclusive",
            Self::Blocked => "blocked",
        }
    }
}

/// One check of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// `{scheme}::{group}::{sentence}`.
    pub name: String,
    /// Id of the scheme.
    pub scheme: String,
    /// What it is about.
    pub group: String,
    /// Level of its finding.
    #[schemars(schema_with = "levels")]
    pub level: Level,
    /// The sentence, for people.
    pub sentence: String,
    /// Ids of the clauses it rests on, the scheme's own first.
    pub clauses: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was skipped, inconclusive or blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The check of the finding that covers it, where it is folded under another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why the profile tolerates its finding, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// What tells its finding apart from others of this check, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Seconds it took.
    pub seconds: f64,
}

/// One cause, with every check it tripped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The check that says it best.
    pub check: String,
    /// Id of the scheme.
    pub scheme: String,
    /// Its level.
    #[schemars(schema_with = "levels")]
    pub level: Level,
    /// Whether it fails the run: its level is high enough, and the profile does not tolerate it.
    pub fails: bool,
    /// The sentence that the target contradicted.
    pub sentence: String,
    /// Ids of the clauses it rests on, the scheme's own first.
    pub clauses: Vec<String>,
    /// What was done, in a sentence.
    pub did: String,
    /// Every acceptable outcome.
    pub expected: String,
    /// What came instead.
    pub got: String,
    /// Where the body that came differs in its shape from the documented one; empty where that is not known to matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// How it may be mended, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The exchanges that show it, the deciding one last.
    pub exchanges: Vec<Exchange>,
    /// A command that repeats the last exchange when it is pasted into a shell; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curl: Option<String>,
    /// Environment variables that the command needs: the secrets.
    pub variables: Vec<String>,
    /// The command that runs this check again, alone.
    pub again: String,
    /// Other checks with the same cause, and those it keeps from a verdict.
    pub folded: Vec<String>,
    /// Why the profile tolerates it, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// How often it came again when it was tried again; absent where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproducible: Option<Reproducible>,
    /// What tells it apart from other findings of the same check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// One place in which an answer differs from the documented example of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// `status`, or a JSON pointer into the body.
    pub at: String,
    /// What stands there in the example: a type, or a value where the value matters; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What stands there in the answer; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.expected, &self.got) {
            (Some(expected), Some(got)) => write!(f, "~ {}: {expected} -> {got}", self.at),
            (Some(expected), None) => write!(f, "- {}: {expected}", self.at),
            (None, Some(got)) => write!(f, "+ {}: {got}", self.at),
            (None, None) => write!(f, "  {}", self.at),
        }
    }
}

/// How often a finding came, the first time included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reproducible {
    /// So often it came.
    pub times: u32,
    /// So often it was tried.
    pub of: u32,
}

/// One request with what came back: a response, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Name of the operation, or what was asked instead of one.
    pub operation: String,
    /// Method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// What was sent.
    pub request: Message,
    /// HTTP status of the answer, where one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What came back, where anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Message>,
    /// Why no answer came, where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Milliseconds from the first byte sent to the last received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// When it began, by RFC 3339 in UTC.
    pub started_at: String,
}

/// Headers and body, one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// In order.
    pub headers: Vec<Header>,
    /// As text; what is no UTF-8 is replaced, and what is longer than any reader would scroll is cut with a mark.
    pub body: String,
    /// Bytes of the body on the wire.
    pub bytes: u64,
}

impl Message {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value.as_str())
    }
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A deviation that the profile declares and that did not occur.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stale {
    /// The check that would have found it.
    pub check: String,
    /// Which finding of the check it was, where the profile says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Why it was tolerated.
    pub reason: String,
}

/// One clause, and what became of it in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its id; those that all schemes share begin with `common.`.
    pub id: String,
    /// How binding it is.
    #[schemars(schema_with = "levels")]
    pub level: Level,
    /// What it rests on.
    #[schemars(schema_with = "bases")]
    pub basis: Basis,
    /// Document and section, standard and section, or repository and path.
    pub source: String,
    /// The statement.
    pub says: String,
    /// The checks of this run that rest on it.
    pub checks: Vec<String>,
    /// What became of it.
    pub fate: Fate,
    /// Why nothing can or need check it, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<String>,
}

/// What became of a clause in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// A check that rests on it found a departure.
    Violated,
    /// Checks that rest on it came to a verdict, and nothing was to object.
    Held,
    /// Checks that rest on it were selected, and none came to a verdict.
    Undecided,
    /// No check of this run rests on it.
    NotRun,
    /// Nothing can or need check it.
    Excepted,
}

impl Fate {
    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Violated => "violated",
            Self::Held => "held",
            Self::Undecided => "undecided",
            Self::NotRun => "not run",
            Self::Excepted => "excepted",
        }
    }
}

impl Run {
    /// How many checks ended in a way.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// The findings that fail the run.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.fails)
    }

    /// The clause of this id.
    #[must_use]
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == id)
    }

    /// The finding that covers a check: its own, or the one it is folded under.
    #[must_use]
    pub fn finding_of(&self, check: &CheckResult) -> Option<&Finding> {
        let name = check.cause.as_ref().unwrap_or(&check.name);
        self.findings.iter().find(|finding| finding.check == *name)
    }
}

/// The word for a level, as flags and profiles have it.
#[must_use]
pub const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Must => "must",
        Level::Should => "should",
        Level::May => "may",
    }
}

/// Schema of a level; the crate that knows levels knows no schemas of schemas.
fn levels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["may", "should", "must"] })
}

/// Schema of what a clause rests on.
fn bases(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["client", "document", "standard"] })
}
