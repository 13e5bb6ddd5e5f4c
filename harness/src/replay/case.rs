//! A finding as data: what to run again, with which chance, and what came then.

use super::chain::Chain;
use crate::redact::Secrets;
use crate::report::gather;
use crate::report::model::{Exchange, Finding, Run, Tool};
use crate::report::place::Place;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of this form.
pub const FORMAT: u32 = 1;

/// One finding, ready to be tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Version of this form: [`FORMAT`].
    pub format: u32,
    /// What found it.
    pub tool: Tool,
    /// The check to run.
    pub check: String,
    /// Seed of all chance.
    pub seed: u64,
    /// Generated cases for each property.
    pub cases: u32,
    /// The target it was found at.
    pub url: String,
    /// When, by RFC 3339 in UTC.
    pub found_at: String,
    /// What tells it apart from other findings of the check.
    pub fingerprint: String,
    /// The finding as every report has it.
    pub finding: Finding,
    /// Every exchange that leads to it, and what each takes from the answers before.
    pub steps: Vec<Step>,
}

/// One exchange on the way to the finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Whether the finding shows it; the others only prepare.
    pub shown: bool,
    /// Variables that it makes by a wallet's signature, with the text that is signed.
    pub signs: Vec<Made>,
    /// What was sent, with variables, and what came in the run.
    pub exchange: Exchange,
    /// Variables that it takes from the answer, with the JSON Pointer of each.
    pub takes: Vec<Made>,
}

/// A variable and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Its name.
    pub variable: String,
    /// A text or a pointer.
    pub from: String,
}

impl Case {
    /// The case of a finding in a run. `secrets` are those of the finding and the profile.
    #[must_use]
    pub fn new(run: &Run, finding: &Finding, chain: &Chain, secrets: &Secrets) -> Self {
        // The variables of the chain first; what it does not know is hidden all the same.
        let secrets = chain.secrets.with(secrets);
        let steps = chain.steps.iter().map(|link| Step {
            shown: link.shown,
            signs: link
                .signs
                .iter()
                .map(|sign| Made { variable: sign.variable.clone(), from: sign.text.clone() })
                .collect(),
            exchange: gather::exchange(&link.exchange, &secrets),
            takes: link
                .takes
                .iter()
                .map(|taking| Made { variable: taking.variable.clone(), from: taking.pointer.clone() })
                .collect(),
        });
        Self {
            format: FORMAT,
            tool: run.tool.clone(),
            check: finding.check.clone(),
            seed: run.seed,
            cases: run.cases,
            url: run.url.clone(),
            found_at: run.started_at.clone(),
            fingerprint: finding.fingerprint.clone().unwrap_or_default(),
            finding: finding.clone(),
            steps: steps.collect(),
        }
    }

    /// Reads a case.
    ///
    /// # Errors
    /// What is wrong with the file, by name.
    pub fn read(path: &Path) -> Result<Self, String> {
        // Whoever names the folder of a finding means the case in it.
        let path = if path.is_dir() { path.join("case.json") } else { path.to_owned() };
        let shown = path.display();
        let text = std::fs::read_to_string(&path).map_err(|problem| format!("{shown}: {problem}"))?;
        let case: Self = serde_json::from_str(&text).map_err(|problem| {
            format!("{shown} is no case of a finding, such as --findings writes: {problem}")
        })?;
        if case.format == FORMAT {
            Ok(case)
        } else {
            Err(format!("{shown} has format {}, and this program reads {FORMAT}", case.format))
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|problem| problem.to_string())?;
        text.push('\n');
        Place::prepare(Some(path))?.write(&text)
    }
}
