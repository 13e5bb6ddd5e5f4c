//! What a check is: a sentence that one can contradict, clauses, a level taken from them, and a run.

use crate::context::Context;
use crate::finding::Stop;
use crate::need::Need;
use countersign_spec::{Clause, Level, Scheme, Spec};
use std::collections::BTreeSet;

/// What a check is about; also what `--group` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Group {
    /// Schemas, statuses, members, writing.
    Form,
    /// The documented way works.
    Flow,
    /// What is signed is what is accepted.
    Proof,
    /// Challenges are new, bound and used once.
    Challenge,
    /// Tokens are checked before they are believed.
    Token,
    /// Refreshes.
    Refresh,
    /// Names and secrets.
    Credential,
    /// What HTTP and JSON allow and forbid.
    Robustness,
    /// What every exchange must respect.
    Hygiene,
    /// At the same moment.
    Race,
    /// Before and after lifetimes, by a moved clock.
    Time,
}

impl Group {
    /// The word in a check's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Flow => "flow",
            Self::Proof => "proof",
            Self::Challenge => "challenge",
            Self::Token => "token",
            Self::Refresh => "refresh",
            Self::Credential => "credential",
            Self::Robustness => "robustness",
            Self::Hygiene => "hygiene",
            Self::Race => "race",
            Self::Time => "time",
        }
    }
}

/// When a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Beside others.
    Beside,
    /// Alone, because it moves the clock or watches it.
    Alone,
    /// After these, because it reads what they saw.
    Last,
    /// After all others, because of what it leaves behind.
    Parting,
}

/// Waves of phases.
pub(crate) const WAVES: usize = 3;

impl Phase {
    /// Checks of a wave wait until those of earlier ones are through.
    pub(crate) const fn wave(self) -> usize {
        match self {
            Self::Beside | Self::Alone => 0,
            Self::Last => 1,
            Self::Parting => 2,
        }
    }
}

/// What a check does.
pub type Run = dyn Fn(&mut Context<'_>) -> Result<(), Stop> + Send + Sync;

/// One check of one scheme.
pub struct Check {
    /// `{scheme}::{group}::{sentence}`.
    pub name: String,
    /// Id of the scheme.
    pub scheme: String,
    /// What it is about.
    pub group: Group,
    /// The sentence, for people.
    pub sentence: String,
    /// Ids of the clauses it rests on, the scheme's own first.
    pub clauses: Vec<String>,
    /// Level of its finding.
    pub level: Level,
    /// Family of checks that one cause can trip together, and the rank in it: a finding of lower rank explains higher ones.
    pub family: Option<(&'static str, u8)>,
    /// When it runs.
    pub phase: Phase,
    /// Whether it means nothing where the login does not work.
    pub needs_login: bool,
    /// What the profile has to give for it, beyond a login that works.
    pub needs: BTreeSet<Need>,
    /// Whether it is about locked accounts itself.
    pub about_lockout: bool,
    /// What it does.
    pub run: Box<Run>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("level", &self.level).finish_non_exhaustive()
    }
}

impl Check {
    /// Says which checks may share its cause.
    pub fn family(&mut self, name: &'static str, rank: u8) -> &mut Self {
        self.family = Some((name, rank));
        self
    }

    /// Lets it run where the login does not work.
    pub fn without_login(&mut self) -> &mut Self {
        self.needs_login = false;
        self
    }

    /// Lets it say itself what a locked account means.
    pub fn about_lockout(&mut self) -> &mut Self {
        self.about_lockout = true;
        self
    }

    /// Lets it run while no other check does.
    pub fn alone(&mut self) -> &mut Self {
        self.phase = Phase::Alone;
        self
    }

    /// Lets it run after all others, because of what it leaves behind.
    pub fn parting(&mut self) -> &mut Self {
        self.phase = Phase::Parting;
        self
    }

    /// Raises the level: its clause may only speak of whether a thing is there, and what is there wrongly breaks clients.
    pub fn at_least(&mut self, level: Level) -> &mut Self {
        self.level = self.level.max(level);
        self
    }

    /// Lowers the level: the clause speaks of more than this check tries, and what it tries is debatable.
    pub fn at_most(&mut self, level: Level) -> &mut Self {
        self.level = self.level.min(level);
        self
    }
}

/// Collects the checks of one scheme.
#[derive(Debug)]
pub struct Checks<'s> {
    /// The specification.
    pub spec: &'s Spec,
    /// The scheme.
    pub scheme: &'s Scheme,
    list: Vec<Check>,
    needs: BTreeSet<Need>,
}

impl<'s> Checks<'s> {
    /// An empty list.
    #[must_use]
    pub fn new(spec: &'s Spec, scheme: &'s Scheme) -> Self {
        Self { spec, scheme, list: Vec::new(), needs: BTreeSet::new() }
    }

    /// Says what the next check to be added needs.
    pub fn needing(&mut self, need: Need) -> &mut Self {
        self.needs.insert(need);
        self
    }

    /// Adds a check that rests on shared clauses, or on what the scheme's own clauses make of them, on clauses of the scheme
    /// by their id, and on the clauses about places of the wire (`login.request:/username`).
    pub fn add(
        &mut self,
        group: Group,
        sentence: &str,
        rests_on: &[impl AsRef<str>],
        run: impl Fn(&mut Context<'_>) -> Result<(), Stop> + Send + Sync + 'static,
    ) -> &mut Check {
        let mut own: Vec<&Clause> = Vec::new();
        let mut shared: Vec<&Clause> = Vec::new();
        for reference in rests_on.iter().map(AsRef::as_ref) {
            if reference.starts_with("common.") {
                let refining: Vec<&Clause> =
                    self.scheme.clauses_refining(reference).filter(checkable).collect();
                if refining.is_empty() {
                    shared.extend(self.spec.clause(reference));
                } else {
                    own.extend(refining);
                    shared.extend(self.spec.clause(reference));
                }
            } else {
                own.extend(self.scheme.clause(reference).filter(checkable));
                own.extend(self.scheme.clauses_about(reference).filter(checkable));
            }
        }
        let deciding = if own.is_empty() { &shared } else { &own };
        let level = deciding.iter().map(|clause| clause.level).max().unwrap_or(Level::May);
        let mut clauses: Vec<String> = Vec::new();
        for clause in own.iter().chain(&shared) {
            if !clauses.contains(&clause.id) {
                clauses.push(clause.id.clone());
            }
        }
        let phase = match group {
            Group::Hygiene => Phase::Last,
            Group::Time => Phase::Alone,
            _ => Phase::Beside,
        };
        let mut needs = std::mem::take(&mut self.needs);
        if group == Group::Time {
            needs.insert(Need::Clock);
        }
        let index = self.list.len();
        self.list.push(Check {
            name: format!("{}::{}::{}", self.scheme.id, group.word(), spelt(sentence)),
            scheme: self.scheme.id.clone(),
            group,
            sentence: sentence.to_owned(),
            clauses,
            level,
            family: None,
            phase,
            needs_login: true,
            needs,
            about_lockout: false,
            run: Box::new(run),
        });
        &mut self.list[index]
    }

    /// The checks, in the order they run in.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Check> {
        self.list.sort_by_key(|check| check.phase);
        self.list
    }
}

/// Whether anything can check a clause; the others say why not.
fn checkable(clause: &&Clause) -> bool {
    clause.except.is_none()
}

/// A sentence as the last part of a name: words joined by hyphens.
fn spelt(sentence: &str) -> String {
    let kept = sentence.replace('\'', "").to_ascii_lowercase();
    kept.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}
