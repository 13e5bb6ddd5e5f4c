//! `cargo xtask test`: everything CI checks, in the order in which it is cheapest to fail.

mod retold;

use crate::{
    FOUND, cargo, catalogue, config_schema, conformance, faults, openapi, readme, snapshot, tidy, torture,
    trace,
};
use clap::Args;
use countersign_fixtures::stores::{Kind, installed};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
Steps: format, clippy, lean, test, faults, doc, tidy, catalogue, openapi,
schema, trace, snapshot, conformance, on-memory, on-redis, on-postgres, torture
(its short form), readme (the curl examples of README.md). The step lean checks
that the server compiles with its default features alone; conformance runs on
the embedded store and the next three on those they name.
A step that fails does not keep the next one from running; at the end, what
cargo said of a step that failed is told once more, and the closing table shows
them all.

Exit: 0 every step passed; 1 one failed or, with --require-all, something that a
test needs is not installed.";

/// Set for the tests when nothing may be skipped: a test that then lacks a program fails instead of saying so.
const REQUIRE_ALL: &str = "COUNTERSIGN_REQUIRE_ALL";

/// A program that a step or some test runs.
#[derive(Debug)]
struct Need {
    program: &'static str,
    /// The step that cannot run without it; none if single tests inside `test` look for it themselves.
    step: Option<&'static str>,
    /// What goes untested without it.
    without: &'static str,
    /// How to get it.
    get: &'static str,
}

/// What a machine with only Rust may lack. `.ci/run` installs all of it.
const NEEDS: &[Need] = &[
    Need {
        program: "cargo-fmt",
        step: Some("format"),
        without: "no check of the format",
        get: "rustup component add rustfmt",
    },
    Need {
        program: "cargo-clippy",
        step: Some("clippy"),
        without: "no lints",
        get: "rustup component add clippy",
    },
    Need {
        program: "curl",
        step: Some("readme"),
        without: "no check of the README's examples",
        get: "on Debian: apt-get install curl",
    },
    Need {
        program: "openssl",
        step: None,
        without: "no test of the README's page for production",
        get: "on Debian: apt-get install openssl",
    },
    Need {
        program: "python3",
        step: None,
        without: "no judgement of the independent server in Python",
        get: "on Debian: apt-get install python3",
    },
    Need {
        program: "chromium",
        step: None,
        without: "no test of the HTML report in a browser",
        get: "on Debian: apt-get install chromium",
    },
    Need {
        program: "xmllint",
        step: None,
        without: "no validation of the JUnit report by a schema",
        get: "on Debian: apt-get install libxml2-utils",
    },
    Need {
        program: "script",
        step: None,
        without: "no test of the line that moves on a terminal",
        get: "on Debian: apt-get install bsdutils",
    },
    Need {
        program: Kind::Redis.program(),
        step: Some("on-redis"),
        without: "no tests of the Redis store, nor on it",
        get: Kind::Redis.get(),
    },
    Need {
        program: Kind::Postgres.program(),
        step: Some("on-postgres"),
        without: "no tests of the PostgreSQL store, nor on it",
        get: Kind::Postgres.get(),
    },
];

/// Flags of the verb.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fail if anything is skipped for lack of a program
    #[arg(long)]
    require_all: bool,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Failed,
    Passed,
    Skipped,
}

/// Runs every step and shows the table.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| installed(need.program).is_none()).collect();
    let mut rows = Vec::new();
    let mut told = Vec::new();
    for (name, step) in steps(root, options.require_all) {
        anstream::println!("\n==> {name}");
        let begun = Instant::now();
        let fate = match missing.iter().find(|need| need.step == Some(name)) {
            Some(need) => {
                anstream::println!("needs {}, which is not installed; {}", need.program, need.get);
                Fate::Skipped
            }
            None => match step() {
                Outcome::Passed => Fate::Passed,
                Outcome::Failed(said) => {
                    told.extend(said.map(|said| format!("what failed in {name}, once more:\n{said}\n")));
                    Fate::Failed
                }
            },
        };
        let took = begun.elapsed();
        anstream::println!("<== {name}: {} in {}", word(fate), seconds(took));
        rows.push((name, fate, took));
    }
    for said in told {
        anstream::println!("\n{said}");
    }
    anstream::println!("\n{}", table(&rows, &missing));
    let failed = rows.iter().any(|(_, fate, _)| *fate == Fate::Failed);
    if options.require_all && !missing.is_empty() {
        anstream::eprintln!("--require-all: what is skipped above counts as failed");
        return ExitCode::from(FOUND);
    }
    if failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS }
}

/// How a step ended, and what of its output is worth telling again.
enum Outcome {
    Passed,
    Failed(Option<String>),
}

type Step<'a> = Box<dyn FnOnce() -> Outcome + 'a>;

/// The steps. Clippy checks what the doc step needs checked, and the test step builds what the last one starts, so that
/// little is built twice.
fn steps(root: &Path, require_all: bool) -> Vec<(&'static str, Step<'_>)> {
    let call = move |args: &'static [&'static str],
                     variables: &'static [(&'static str, &'static str)]|
          -> Step<'_> {
        Box::new(move || {
            let mut command = cargo::command(root);
            command.args(args).envs(variables.iter().copied());
            if require_all {
                command.env(REQUIRE_ALL, "1");
            }
            match retold::run(&mut command) {
                Ok(None) => Outcome::Passed,
                Ok(said) => Outcome::Failed(said),
                Err(error) => {
                    Outcome::Failed(Some(format!("cargo could not be run, or not be shown: {error}")))
                }
            }
        })
    };
    vec![
        ("format", call(&["fmt", "--all", "--check"], &[])),
        (
            "clippy",
            call(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"], &[]),
        ),
        // What a stranger builds first; the other steps build everything with all features.
        ("lean", call(&["check", "--package", "countersign-server", "--bin", "countersign-server"], &[])),
        ("test", call(&["test", "--workspace", "--all-features", "--no-fail-fast"], &[])),
        ("faults", call(&faults::WHOLE, &[])),
        (
            "doc",
            call(&["doc", "--workspace", "--all-features", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
        ),
        ("tidy", own(|| tidy::run(root))),
        ("catalogue", own(|| catalogue::run(root, true))),
        ("openapi", own(|| openapi::run(root, true))),
        ("schema", own(|| config_schema::run(root, true))),
        ("trace", own(|| trace::run(root, true))),
        ("snapshot", own(|| snapshot::check(root))),
        ("conformance", own(|| conformance::run_on(root, "embedded"))),
        ("on-memory", own(|| conformance::run_on(root, "memory"))),
        ("on-redis", own(|| conformance::run_on(root, "redis"))),
        ("on-postgres", own(|| conformance::run_on(root, "postgres"))),
        ("torture", own(move || torture::run_short(root, require_all))),
        ("readme", own(|| readme::run(root))),
    ]
}

/// A verb of this program as a step.
fn own<'a>(run: impl FnOnce() -> ExitCode + 'a) -> Step<'a> {
    Box::new(move || if run() == ExitCode::SUCCESS { Outcome::Passed } else { Outcome::Failed(None) })
}

fn table(rows: &[(&str, Fate, Duration)], missing: &[&Need]) -> String {
    let mut text = String::from("step         result   time\n");
    for (name, fate, took) in rows {
        text.push_str(&format!("{name:<11}  {:<7}  {}\n", word(*fate), seconds(*took)));
    }
    for need in missing {
        text.push_str(&format!("{} is not installed: {}; {}\n", need.program, need.without, need.get));
    }
    let failed = rows.iter().filter(|(_, fate, _)| *fate == Fate::Failed).count();
    text.push_str(&match (failed, missing.len()) {
        (0, 0) => "all passed, nothing skipped".to_owned(),
        (0, 1) => "all passed but what one missing program keeps from running".to_owned(),
        (0, count) => format!("all passed but what {count} missing programs keep from running"),
        (count, _) => format!("failed: {count} of {} steps", rows.len()),
    });
    text
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Failed => "FAILED",
        Fate::Passed => "passed",
        Fate::Skipped => "skipped",
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURL: Need =
        Need { program: "curl", step: Some("readme"), without: "no examples", get: "apt-get install curl" };

    #[test]
    fn the_table_names_every_step_and_everything_missing() {
        let rows = [
            ("format", Fate::Passed, Duration::from_millis(1234)),
            ("readme", Fate::Skipped, Duration::ZERO),
        ];
        let expected = "\
step         result   time
format       passed   1.2 s
readme       skipped  0.0 s
curl is not installed: no examples; apt-get install curl
all passed but what one missing program keeps from running";
        assert_eq!(table(&rows, &[&CURL]), expected);
        assert!(table(&rows[..1], &[]).ends_with("all passed, nothing skipped"));
        let rows = [("format", Fate::Failed, Duration::ZERO), rows[1]];
        assert!(table(&rows, &[&CURL]).ends_with("failed: 1 of 2 steps"));
    }

    #[test]
    fn every_need_is_installed_by_the_ci_script_and_names_a_step() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let script = std::fs::read_to_string(root.join(".ci/run")).unwrap();
        let steps: Vec<&str> = steps(&root, false).into_iter().map(|(name, _)| name).collect();
        for need in NEEDS {
            let package = need.get.rsplit(' ').next().unwrap();
            assert!(script.contains(package), "{} is not installed by .ci/run", need.program);
            assert!(need.step.is_none_or(|step| steps.contains(&step)), "{}", need.program);
        }
    }

    #[test]
    fn help_names_every_step_in_its_order() {
        let help = HELP.split_whitespace().collect::<Vec<_>>().join(" ");
        let listed = help.split_once("Steps: ").unwrap().1.split_once(" (the curl").unwrap().0;
        let listed = listed.replace(" (its short form)", "");
        let listed: Vec<String> = listed.split(',').map(|step| step.trim().to_owned()).collect();
        let steps: Vec<&str> = steps(Path::new("."), false).into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, steps);
    }
}
