//! The harness as a test of another project: a `main` of one line, under cargo test and cargo-nextest.

use super::conformance::{LocalTarget, Options, Started, fixture_accounts, judge};
use super::{Failure, clap_exit};
use crate::check::Check;
use crate::client::Base;
use crate::profile::Profile;
use clap::{CommandFactory as _, FromArgMatches as _};
use countersign_spec::Spec;
use std::any::Any;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The variable that names a target which runs already.
const URL: &str = "COUNTERSIGN_URL";

/// Judges the target of a profile as a test of another project.
///
/// The project has a test target without a harness of its own:
///
/// ```toml
/// [[test]]
/// name = "conformance"
/// harness = false
/// ```
///
/// whose whole content, `tests/conformance.rs`, is a `main`:
///
/// ```no_run
/// # struct Server;
/// # impl Server { fn url(&self) -> String { String::new() } }
/// # fn start() -> std::io::Result<Server> { Ok(Server) }
/// use countersign::{Judge, Started};
///
/// fn main() -> std::process::ExitCode {
///     Judge::of("tests/target.toml")
///         .starting(|| start().map(|server| Started::at(server.url(), server)))
///         .run()
/// }
/// ```
///
/// Arguments are those of `countersign conformance`, behind `--`: `cargo test --test conformance -- --scheme cbs`. The
/// profile's path counts from the folder of the package, where cargo and nextest run tests. The target is, by
/// precedence: `--url`, the variable `COUNTERSIGN_URL`, the `url` of the profile, and what [`Judge::starting`] starts.
///
/// Exit codes are those of [`cli`](crate::cli), with one difference: where libtest's own arguments (a filter, `--exact`,
/// `--skip`, `--ignored`) leave nothing to judge, that is a success, as it is for any other test. `cargo test some_test`
/// passes its filter to every test target, and one whose checks all lie outside must not fail. A whole run in which
/// nothing was judged is still exit 4, and so is a check that another one blocks.
///
/// # Under cargo-nextest
///
/// Nextest lists the checks and runs each in a process of its own. So each process starts its target, logs in once to
/// see that this works, and tries one check: some hundredths of a second and a login more for each check than under
/// cargo test, and causes are not folded, since no process knows of another. In return a check can be retried, timed and
/// filtered like any test. Checks that the profile leaves without what they need are listed as ignored; one that turns
/// out not to apply while it runs passes, and its output says why.
///
/// A target that all processes share (`COUNTERSIGN_URL`, or `url` in the profile) is not restarted for each, but checks
/// that move its clock then meet others that do not expect it: put them into a test group with `max-threads = 1`.
#[derive(Debug)]
pub struct Judge {
    profile: PathBuf,
    local: Option<LocalTarget>,
}

impl Judge {
    /// Judges by this profile.
    #[must_use]
    pub fn of(profile: impl Into<PathBuf>) -> Self {
        Self { profile: profile.into(), local: None }
    }

    /// Starts the target so, where nothing names one that runs already. It is not started to list checks.
    ///
    /// What is started is stopped by dropping its guard, when the run is over. An error ends the run with exit 3.
    #[must_use]
    pub fn starting<E: Display>(
        mut self,
        start: impl FnOnce() -> Result<Started, E> + Send + 'static,
    ) -> Self {
        let start = || start().map_err(|error| format!("the target could not be started: {error}"));
        self.local = Some(LocalTarget { start: Box::new(start) });
        self
    }

    /// Runs with the arguments of this process.
    #[must_use]
    pub fn run(self) -> ExitCode {
        self.run_with(std::env::args_os().skip(1).collect())
    }

    /// Runs with these arguments, without the program's own name.
    #[must_use]
    pub fn run_with(self, arguments: Vec<OsString>) -> ExitCode {
        let program = program();
        let named = std::iter::once(OsString::from(&program)).chain(arguments);
        let command = Options::command().name("conformance").bin_name(program.clone());
        let options =
            command.try_get_matches_from(named).and_then(|matches| Options::from_arg_matches(&matches));
        let mut options = match options {
            Ok(options) => options,
            Err(error) => return clap_exit(&error),
        };
        options.is_embedded = true;
        options.profile.get_or_insert(self.profile);
        if options.url.is_none() {
            // Empty is how a workflow writes that it has none.
            options.url = std::env::var(URL).ok().filter(|url| !url.is_empty());
            if let Some(Err(problem)) = options.url.as_deref().map(Base::parse) {
                return ExitCode::from(Failure::usage(format!("{URL}: {problem}")).say());
            }
        }
        ExitCode::from(judge(&options, &program, self.local).unwrap_or_else(Failure::say))
    }
}

impl Started {
    /// A target that listens there until its guard is dropped. Whether its clock can be moved is for the profile to say,
    /// as `[clock]`, so that it is known before anything is started.
    #[must_use]
    pub fn at(url: impl Into<String>, guard: impl Any + Send) -> Self {
        Self { url: url.into(), clock: false, guard: Box::new(guard) }
    }
}

/// Whether libtest's own arguments have narrowed a test of another project, so that nothing to judge is no mistake.
pub(super) fn is_one_of_many(options: &Options) -> bool {
    let libtest = &options.libtest;
    options.is_embedded && (libtest.filter.is_some() || libtest.ignored || !libtest.skip.is_empty())
}

/// Checks whose needs the profile leaves unmet, which a test of another project lists as ignored.
pub(super) fn unmet(
    options: &Options,
    spec: &Spec,
    profile: &Profile,
    checks: &[Check],
) -> Result<BTreeSet<String>, Failure> {
    if !options.is_embedded {
        return Ok(BTreeSet::new());
    }
    let mut profile = profile.clone();
    profile.url = options.url.clone().or(profile.url);
    profile.fill_accounts(&fixture_accounts()?);
    let is_unmet = |check: &&Check| {
        spec.scheme(&check.scheme)
            .is_some_and(|scheme| check.needs.iter().any(|need| need.unmet(&profile, scheme).is_some()))
    };
    Ok(checks.iter().filter(is_unmet).map(|check| check.name.clone()).collect())
}

/// How a person calls this test again.
fn program() -> String {
    let file = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match (std::env::var("CARGO_PKG_NAME"), test_name(&file)) {
        (Ok(package), Some(test)) => format!("cargo test -p {package} --test {test} --"),
        _ => file.display().to_string(),
    }
}

/// The name of a test target, from the file that cargo has built of it: `conformance-0123456789abcdef`.
fn test_name(file: &Path) -> Option<&str> {
    let (name, hash) = file.file_stem()?.to_str()?.rsplit_once('-')?;
    (hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn a_test_is_named_as_its_manifest_names_it() {
        for (file, name) in [
            ("/x/target/debug/deps/conformance-0123456789abcdef", Some("conformance")),
            ("deps/login-api-0123456789abcdef.exe", Some("login-api")),
            ("conformance", None),
            ("login-api", None),
            ("", None),
        ] {
            assert_eq!(test_name(Path::new(file)), name, "{file}");
        }
    }

    fn ignored(text: &str) -> BTreeSet<String> {
        let spec = Spec::embedded();
        let profile = Profile::parse(text, "t.toml", Path::new("."), spec).unwrap();
        let mut options = Options::try_parse_from(["t", "--list"]).unwrap();
        let checks = crate::checks::all(spec);
        assert!(unmet(&options, spec, &profile, &checks).unwrap().is_empty());
        options.is_embedded = true;
        unmet(&options, spec, &profile, &checks).unwrap()
    }

    #[test]
    fn what_the_profile_leaves_unmet_is_ignored_by_tests_of_a_project_alone() {
        let url = "url = \"http://127.0.0.1:1\"\n";
        let clock = "[clock]\nadvance = \"/c\"\n";
        let is_timed = |name: &String| name.starts_with("cbs::time::");
        assert!(ignored(url).iter().any(is_timed));
        assert!(!ignored(&format!("{url}{clock}")).iter().any(is_timed));
        // Accounts of the fixtures stand in, as in a run.
        assert!(!ignored(url).contains("cbs::flow::the-documented-login-works"));
    }

    #[test]
    fn a_guard_is_kept_until_the_target_is_dropped() {
        let guard = std::sync::Arc::new(());
        let started = Started::at("http://127.0.0.1:1", std::sync::Arc::clone(&guard));
        assert_eq!((started.url.as_str(), started.clock), ("http://127.0.0.1:1", false));
        assert_eq!(std::sync::Arc::strong_count(&guard), 2);
        drop(started);
        assert_eq!(std::sync::Arc::strong_count(&guard), 1);
    }
}
