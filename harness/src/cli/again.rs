//! What `conformance` does with findings beyond showing them: tries them again, keeps them in folders, and takes them up
//! from there.

use super::Failure;
use super::conformance::Options;
use crate::beyond;
use crate::check::Group;
use crate::confirm::{self, Limits};
use crate::finding::Outcome;
use crate::fingerprint::is_within;
use crate::redact::Secrets;
use crate::replay::Case;
use crate::replay::script::{self, About};
use crate::report::model::Run;
use crate::report::place::Place;
use crate::report::transport::Transport;
use crate::report::{Cause, Summary};
use crate::target::Target;
use clap::Args;
use countersign_spec::Level;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Wall time for trying findings again, all of them together.
const WITHIN: Duration = Duration::from_secs(10);

/// Wall time for looking behind findings, all of them together.
const BEYOND: Duration = Duration::from_secs(5);

/// Flags about findings.
#[derive(Debug, Clone, Args)]
pub(super) struct Again {
    /// Try each finding so many times more before it is reported, and look once
    /// for what else its check would find; 0 for neither. Ten seconds are spent
    /// on the one and five on the other, at most
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=20), help_heading = "Judgement")]
    pub(super) confirm: u32,
    /// Keep each finding in a folder of its own in this one: a script that
    /// repeats it (repeat.sh) and a case for --replay (case.json). Folders of
    /// findings that are gone are taken away
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(super) findings: Option<PathBuf>,
    /// Try a finding again that --findings has kept: its check, with its seed
    /// and number of cases. Its target, too, unless --url or --profile names one
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Selection",
        conflicts_with_all = ["seed", "cases", "scheme", "group", "check", "filter", "explain", "list"]
    )]
    pub(super) replay: Option<PathBuf>,
}

/// The case to take up, where there is one, and the options that it leads to.
pub(super) fn taken_up(options: &Options, has_local: bool) -> Result<Option<(Case, Options)>, Failure> {
    let Some(path) = &options.again.replay else { return Ok(None) };
    let case = Case::read(path).map_err(|problem| Failure::usage(format!("--replay: {problem}")))?;
    let mut options = options.clone();
    options.seed = Some(case.seed);
    options.cases = case.cases;
    options.check = vec![case.check.clone()];
    options.scheme = case.check.split("::").next().map(str::to_owned).into_iter().collect();
    if options.url.is_none() && options.profile.is_none() && !has_local {
        options.url = Some(case.url.clone());
    }
    Ok(Some((case, options)))
}

/// Whether a finding came again, in words.
pub(super) fn says(case: &Case, summary: &Summary) -> String {
    let record = summary.records.iter().find(|record| record.check.name == case.check);
    match record.map(|record| &record.outcome) {
        Some(Outcome::Violated(_, found)) if is_within(&found.fingerprint, &case.fingerprint) => {
            format!("replay: it departs in the same way: {}", case.fingerprint)
        }
        Some(Outcome::Violated(_, found)) => {
            format!(
                "replay: it departs in another way\n  then  {}\n  now   {}",
                case.fingerprint, found.fingerprint
            )
        }
        Some(Outcome::Held) => format!("replay: it no longer departs; then: {}", case.fingerprint),
        Some(Outcome::Skipped(reason) | Outcome::Inconclusive(reason)) => {
            format!("replay: no verdict: {reason}")
        }
        Some(Outcome::Blocked(by)) => format!("replay: no verdict: {by} stands in the way"),
        None => "replay: the check did not run".to_owned(),
    }
}

impl Again {
    /// Finds out, before the run, that findings can be kept.
    pub(super) fn prepare(&self) -> Result<(), Failure> {
        let Some(folder) = &self.findings else { return Ok(()) };
        let failed = |problem: String| Failure::usage(format!("--findings {}: {problem}", folder.display()));
        std::fs::create_dir_all(folder).map_err(|problem| failed(problem.to_string()))?;
        // A place for a file is tried by making one, which goes when it is dropped.
        Place::prepare(Some(&folder.join(".countersign"))).map(drop).map_err(failed)
    }

    /// Tries what fails the run again, and looks for what hides behind it.
    pub(super) fn confirm(&self, target: &Target, summary: &mut Summary, fail_on: Level) {
        let limits = Limits { more: self.confirm, within: WITHIN };
        let answers = || target.client().greet(Duration::from_secs(3)).is_ok();
        if limits.more > 0 && summary.failing(fail_on).next().is_some() && answers() {
            confirm::findings(target, summary, fail_on, limits);
            beyond::findings(target, summary, fail_on, BEYOND);
        }
    }

    /// Keeps what fails the run, and takes away what no longer does.
    pub(super) fn keep(
        &self,
        run: &Run,
        summary: &mut Summary,
        secrets: &Secrets,
        transport: &Transport,
    ) -> Result<(), Failure> {
        let Some(folder) = &self.findings else { return Ok(()) };
        let failed = |problem: String| Failure::usage(format!("--findings {}: {problem}", folder.display()));
        tidy_up(folder, run);
        for finding in run.failing() {
            let Some(cause) = summary.causes.iter_mut().find(|cause| cause.check.name == finding.check)
            else {
                continue;
            };
            let Some(chain) = &cause.chain else { continue };
            let own = folder.join(finding.check.replace("::", "."));
            std::fs::create_dir_all(&own).map_err(|problem| failed(problem.to_string()))?;
            let about = About { url: &run.url, transport, seed: run.seed, raced: is_race(cause) };
            let script = own.join("repeat.sh");
            let text = script::write(finding, chain, about);
            Place::prepare(Some(&script)).and_then(|place| place.write(&text)).map_err(failed)?;
            make_executable(&script);
            let known = cause.finding.secrets.with(secrets);
            Case::new(run, finding, chain, &known).write(&own.join("case.json")).map_err(failed)?;
            cause.kept = Some(own);
        }
        Ok(())
    }
}

fn is_race(cause: &Cause) -> bool {
    cause.check.group == Group::Race
}

/// Takes away the folders of findings whose checks this run has judged, and which are gone. What somebody has put beside a
/// case stays.
fn tidy_up(folder: &Path, run: &Run) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for own in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Ok(case) = Case::read(&own.join("case.json")) else { continue };
        let is_judged = |outcome| {
            matches!(outcome, crate::report::model::Outcome::Held | crate::report::model::Outcome::Violated)
        };
        let judged = run.checks.iter().any(|check| check.name == case.check && is_judged(check.outcome));
        if !judged || run.failing().any(|finding| finding.check == case.check) {
            continue;
        }
        for name in ["case.json", "repeat.sh"] {
            drop(std::fs::remove_file(own.join(name)));
        }
        drop(std::fs::remove_dir(&own));
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // Where that fails, `sh repeat.sh` runs it all the same.
    drop(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)));
}

#[cfg(not(unix))]
fn make_executable(_: &Path) {}
