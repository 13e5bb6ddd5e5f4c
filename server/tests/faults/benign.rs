//! Servers that differ from the reference in what documents leave open. No check may object at the default level,
//! and none at all to the reference server as it is.

#[path = "benign/answers.rs"]
mod answers;
#[path = "benign/habits.rs"]
mod habits;
#[path = "benign/tokens.rs"]
mod tokens;

use crate::bend::Bend;
use crate::fault;
use crate::host::Host;
use countersign::finding::Outcome;
use countersign_spec::Level;

/// A legitimate server.
pub(crate) struct Benign {
    pub(crate) name: String,
    /// Checks that need what this server need not do, and are inconclusive: no finding, and no verdict either.
    unsure: &'static [&'static str],
    /// Findings of this level are objections.
    level: Level,
    /// The scheme it is about; all where it is about any.
    only: Option<String>,
    /// A reason for which any check may be inconclusive.
    excuse: Option<&'static str>,
    make: Box<dyn Fn() -> Bend + Send + Sync>,
}

impl Benign {
    fn new(name: &str, make: impl Fn() -> Bend + Send + Sync + 'static) -> Self {
        Self {
            name: name.to_owned(),
            unsure: &[],
            level: Level::Should,
            only: None,
            excuse: None,
            make: Box::new(make),
        }
    }

    fn unsure(mut self, checks: &'static [&'static str]) -> Self {
        self.unsure = checks;
        self
    }

    fn only(mut self, scheme: &str) -> Self {
        self.only = Some(scheme.to_owned());
        self
    }

    fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    fn excused(mut self, reason: &'static str) -> Self {
        self.excuse = Some(reason);
        self
    }

    /// Judges it by everything there is.
    ///
    /// # Errors
    /// What the harness objects to.
    pub(crate) fn judge(&self) -> Result<(), String> {
        let host = Host::start((self.make)());
        let all = countersign_spec::Spec::embedded().schemes();
        let schemes: Vec<String> = match &self.only {
            Some(scheme) => vec![scheme.clone()],
            None => all.iter().map(|scheme| scheme.id.clone()).collect(),
        };
        let profile = fault::profile(&host, false, false);
        let records = fault::run(&host, profile, &schemes, self.level, 4, |name| {
            schemes.iter().any(|scheme| name.split("::").next() == Some(scheme))
        });
        let mut problems = Vec::new();
        let mut held = 0;
        for record in &records {
            match &record.outcome {
                Outcome::Violated(level, finding)
                    if *level >= self.level || record.check.name.ends_with("-same-time") =>
                {
                    let (did, got) = (&finding.did, &finding.got);
                    problems.push(format!("{}: {did}: {got}", record.check.name));
                }
                Outcome::Inconclusive(reason)
                    if self.excuse.is_some_and(|excuse| reason.contains(excuse)) => {}
                // On a busy machine a stopwatch may have to say so.
                Outcome::Inconclusive(reason) if reason.starts_with("the times scatter too much") => {}
                Outcome::Inconclusive(reason) if !self.unsure.contains(&record.check.name.as_str()) => {
                    problems.push(format!("{}: inconclusive: {reason}", record.check.name));
                }
                Outcome::Held => held += 1,
                _ => {}
            }
        }
        if held < 60 * schemes.len() {
            problems.push(format!("only {held} checks held"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n  ")) }
    }
}

/// Every benign variant.
pub(crate) fn all() -> Vec<Benign> {
    let mut all = vec![Benign::new("the reference server", Bend::default).at(Level::May)];
    all.extend(answers::all());
    all.extend(tokens::all());
    all.extend(habits::all());
    all
}
