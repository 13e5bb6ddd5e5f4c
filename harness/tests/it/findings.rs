//! What becomes of findings after a run: pasted lines, scripts, cases, deviations, comparisons.

use crate::program::{countersign, file, path};
use crate::stub::{Stub, examples};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A server in Python with faults around it, which is stopped however its test ends.
struct Faulty {
    child: Child,
    url: String,
}

impl Faulty {
    /// None where there is no Python.
    fn start(faults: &str) -> Option<Self> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        let spawned = Command::new("python3")
            .arg(fixtures.join("servers/faulty_ethgas.py"))
            .args(["--faults", faults, "--accounts"])
            .arg(fixtures.join("accounts.toml"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "python3 is not installed");
            drop(writeln!(std::io::stderr(), "skipped: python3 is not installed"));
            return None;
        };
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Some(Self { child, url })
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const THREE: &str = "access-as-refresh,no-expires-in,password-case";
const CASE: &str = "ethgas::credential::a-secret-in-another-letter-case-is-refused";
const MEMBER: &str = "ethgas::form::the-answer-of-login-has-data-expiresin-as-documented";
const TOKEN: &str = "ethgas::refresh::an-access-token-does-not-refresh";
const FOURTH: &str = "ethgas::credential::a-wrong-secret-and-an-unknown-account-are-answered-alike";

/// Checks beside those that the faults trip, which have nothing to say.
const OTHERS: [&str; 4] = [
    "ethgas::credential::a-wrong-secret-is-refused",
    "ethgas::form::the-answer-of-login-has-data-accesstoken-as-documented",
    "ethgas::form::the-answer-of-refresh-has-data-expiresin-as-documented",
    "ethgas::hygiene::nothing-causes-a-server-error",
];

/// Judges by these checks: all of them would take their time on a server in Python.
fn judge(url: &str, more: &[&str]) -> crate::program::Run {
    let mut arguments = vec!["conformance", "--url", url];
    if !more.contains(&"--check") {
        for check in [CASE, MEMBER, TOKEN, FOURTH].iter().chain(&OTHERS) {
            arguments.extend(["--check", check]);
        }
    }
    arguments.extend(more);
    countersign(&arguments)
}

/// The names of the checks that opened a finding.
fn failing(run: &crate::program::Run) -> Vec<String> {
    let names = run.findings().into_iter().filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

/// The entry of a finding with this label.
fn entry(run: &crate::program::Run, check: &str, label: &str) -> String {
    let finding = run.finding(check);
    let line = finding.iter().find(|line| line.trim_start().starts_with(&format!("{label} ")));
    let line = line.unwrap_or_else(|| panic!("no {label} in {finding:#?}"));
    line.trim_start().trim_start_matches(label).trim_start().to_owned()
}

/// A shell with the secret of whichever account the text names.
fn shell(arguments: &[&str], names: &str) -> Output {
    let accounts = countersign_fixtures::accounts();
    let account = accounts.ethgas.iter().find(|account| names.contains(&account.username));
    let mut command = Command::new("sh");
    command.args(arguments).stdin(Stdio::null());
    match account {
        Some(account) => command.env("ETHGAS_PASSWORD", &account.password),
        None => command.env_remove("ETHGAS_PASSWORD"),
    };
    command.output().expect("there is a shell")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn findings_are_repeated_by_a_line_by_a_script_and_by_their_case() {
    let Some(server) = Faulty::start(THREE) else { return };
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().to_str().unwrap();
    let run = judge(&server.url, &["--seed", "5", "--findings", kept]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    assert_eq!(failing(&run), [CASE, MEMBER, TOKEN]);
    for (check, mark) in [(CASE, "accessToken"), (MEMBER, "accessToken"), (TOKEN, "expiresIn")] {
        assert_eq!(entry(&run, check, "tried"), "reproduced 3 of 3");
        // Pasted.
        let line = entry(&run, check, "curl");
        let answer = text(&shell(&["-c", &line], &line).stdout);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(mark), "{line}\n{answer}");
        assert!(check != MEMBER || !answer.contains("expiresIn"), "{answer}");
        // As a script.
        let own = folder.path().join(check.replace("::", "."));
        let script = own.join("repeat.sh");
        let source = std::fs::read_to_string(&script).unwrap();
        let output = shell(&[script.to_str().unwrap()], &source);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
        assert!(said.contains("\nexpected  ") && said.contains("\ngot       "), "{said}");
        // Without the secret it says which one it needs.
        let output = shell(&[script.to_str().unwrap()], "nobody");
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("ETHGAS_PASSWORD: set it to the secret of test-only."));
        // As a case, on its own target.
        let run = countersign(&["conformance", "--replay", own.to_str().unwrap()]);
        assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("replay: it departs in the same way: "), "{}", run.stdout);
    }
    let secrets: Vec<String> =
        countersign_fixtures::accounts().ethgas.iter().map(|account| account.password.clone()).collect();
    for own in std::fs::read_dir(folder.path()).unwrap() {
        for name in ["case.json", "repeat.sh"] {
            let text = std::fs::read_to_string(own.as_ref().unwrap().path().join(name)).unwrap();
            assert!(!secrets.iter().any(|secret| text.contains(secret.trim())), "{text}");
            assert!(!text.contains("eyJ"), "{text}");
        }
    }
    drop(server);
    // Mended: the case says so, and the folder goes.
    let Some(server) = Faulty::start("no-expires-in") else { return };
    let case = folder.path().join(TOKEN.replace("::", ".")).join("case.json");
    let run = countersign(&["conformance", "--replay", case.to_str().unwrap(), "--url", &server.url]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("replay: it no longer departs"), "{}", run.stdout);
    let run = judge(&server.url, &["--findings", kept]);
    assert_eq!(failing(&run), [MEMBER]);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|own| own.unwrap().file_name()).collect();
    assert_eq!(left, [MEMBER.replace("::", ".").as_str()]);
}

#[test]
fn what_is_declared_passes_what_is_new_fails_and_what_is_gone_is_told() {
    let Some(server) = Faulty::start(THREE) else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (report, profile) = (place("three.json"), place("target.toml"));
    let wanted = format!("json={report}");
    let run = judge(&server.url, &["--report", &wanted]);
    assert_eq!(failing(&run), [CASE, MEMBER, TOKEN]);
    // Nobody gets by with reasons that were not written.
    let run = countersign(&["baseline", &report, "--write", &profile]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = judge(&server.url, &["--profile", &profile]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(run.stderr.contains(&format!("deviation.reason ({CASE}): still says TODO")), "{}", run.stderr);
    let draft = std::fs::read_to_string(&profile).unwrap();
    std::fs::write(&profile, draft.replace("TODO: why is this tolerated, and where is it tracked?", "known"))
        .unwrap();
    // The same three under other chance.
    let run = judge(&server.url, &["--profile", &profile, "--seed", "99"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let run = countersign(&["baseline", &report, "--write", &profile]);
    assert!(run.stderr.contains("knows every finding of this run already"), "{}", run.stderr);
    drop(server);

    let Some(server) = Faulty::start(&format!("{THREE},unknown-names-told")) else { return };
    let four = place("four.json");
    let wanted = format!("json={four}");
    let run = judge(&server.url, &["--profile", &profile, "--report", &wanted]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    assert_eq!(failing(&run), [FOURTH]);
    drop(server);

    let Some(server) = Faulty::start("no-expires-in,password-case") else { return };
    let two = place("two.json");
    let wanted = format!("json={two}");
    let run = judge(&server.url, &["--profile", &profile, "--report", &wanted]);
    assert_eq!(run.code, Some(5), "{}{}", run.stdout, run.stderr);
    let stale: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("stale")).collect();
    assert!(stale.len() == 1 && stale[0].contains(TOKEN), "{stale:?}");
    // Where its check does not run, nothing is said of it.
    let run = judge(&server.url, &["--profile", &profile, "--check", MEMBER]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);

    let run = countersign(&["diff", &two, &four]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stdout.contains(FOURTH) && run.stdout.contains("held -> violated"), "{}", run.stdout);
    assert!(run.stdout.contains("tolerated by the profile: known"), "{}", run.stdout);
    let run = countersign(&["diff", &four, &two, "--format", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["worse"], false);
    assert_eq!(json["changes"].as_array().unwrap().len(), 2, "{json:#}");
}

/// A server that takes passwords of these JSON types for right.
fn taking(kinds: &'static [fn(&Value) -> bool]) -> Stub {
    Stub::start(move |asked| {
        let mut known = asked.clone();
        let mut sent: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let name = sent["username"].as_str().unwrap_or_default().to_owned();
        let account = countersign_fixtures::accounts().ethgas.iter().find(|account| account.username == name);
        if let Some(account) = account
            && kinds.iter().any(|is_kind| is_kind(&sent["password"]))
        {
            sent["password"] = account.password.clone().into();
            known.body = sent.to_string().into_bytes();
        }
        examples(&known)
    })
}

/// A check ends with its first finding; one that is tolerated must not hide the next.
#[test]
fn a_new_fault_is_seen_behind_a_tolerated_one_of_the_same_check() {
    let check = "ethgas::form::login-with-another-type-of-password-is-refused";
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (report, profile) = (place("run.json"), place("target.toml"));
    let wanted = format!("json={report}");
    let run = |stub: &Stub, more: &[&str]| judge(&stub.url(), &[&["--check", check][..], more].concat());
    let baseline = || {
        let run = countersign(&["baseline", &report, "--write", &profile, "--reason", "known"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        std::fs::read_to_string(&profile).unwrap()
    };
    let two = taking(&[Value::is_boolean, Value::is_array]);
    // Both stand in the draft, although the check ends with the first.
    assert_eq!(run(&two, &["--report", &wanted]).code, Some(1));
    let draft = baseline();
    let ways = ["with a boolean as /password => ", " | asked login with an array as /password => "];
    assert!(ways.iter().all(|way| draft.contains(way)), "{draft}");
    assert_eq!(run(&two, &["--profile", &profile]).code, Some(0));
    // A third comes before one that is known, and a fourth after all of them.
    for (more, says) in [
        (taking(&[Value::is_boolean, Value::is_object, Value::is_array]), "with an object as /password"),
        (taking(&[Value::is_boolean, Value::is_array, Value::is_f64]), "with 12345.678 as /password"),
    ] {
        let run = run(&more, &["--profile", &profile, "--report", &wanted]);
        assert_eq!((run.code, failing(&run)), (Some(1), vec![check.to_owned()]), "{}", run.stdout);
        assert!(entry(&run, check, "did").contains(says), "{}", run.stdout);
        assert!(entry(&run, check, "hint").contains("tolerates another finding of this check"));
        assert_eq!(entry(&run, check, "tried"), "reproduced 3 of 3");
        assert!(!run.stdout.lines().any(|line| line.starts_with("stale")), "{}", run.stdout);
    }
    // What is tolerated in two tables is tolerated together.
    let both = baseline();
    assert_eq!(both.matches("[[deviation]]").count(), 2, "{both}");
    let three = taking(&[Value::is_boolean, Value::is_array, Value::is_f64]);
    let told = run(&three, &["--profile", &profile]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    // All are mended.
    let run = run(&Stub::start(examples), &["--profile", &profile]);
    assert_eq!(run.code, Some(5), "{}", run.stdout);
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with("stale")).count(), 2, "{}", run.stdout);
}

/// A last day in the past ends what is tolerated; another finding of the same check was never tolerated.
#[test]
fn deviations_tolerate_neither_longer_nor_more_than_they_say() {
    let Some(server) = Faulty::start("no-expires-in") else { return };
    let deviation =
        |rest: &str| file(&format!("[[deviation]]\ncheck = \"{MEMBER}\"\nreason = \"known\"\n{rest}"));
    for (rest, code, says) in [
        ("", 0, "declared  "),
        ("expires = 9999-12-31", 0, "declared  "),
        ("expires = 2020-01-31", 1, "the profile tolerated this until 2020-01-31 (known)"),
        ("fingerprint = \"another\"", 1, "the profile tolerates another finding of this check"),
    ] {
        let profile = deviation(rest);
        let run = judge(&server.url, &["--profile", path(&profile), "--check", MEMBER, "--confirm", "0"]);
        assert_eq!(run.code, Some(code), "{rest}: {}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(says), "{rest}: {}", run.stdout);
    }
}

/// A wallet signs the challenge of the moment, not that of the run.
#[test]
fn a_script_signs_anew() {
    let stub = Stub::start(examples);
    let folder = tempfile::tempdir().unwrap();
    let check = "swapchat::challenge::a-used-challenge-is-refused";
    let arguments = ["conformance", "--url", &stub.url(), "--check", check, "--findings"];
    let run = countersign(&[&arguments[..], &[folder.path().to_str().unwrap()]].concat());
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let script = folder.path().join(check.replace("::", ".")).join("repeat.sh");
    let output = Command::new("sh")
        .arg(&script)
        .env("COUNTERSIGN", env!("CARGO_BIN_EXE_countersign"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let source = std::fs::read_to_string(&script).unwrap();
    assert_eq!(output.status.code(), Some(0), "{source}\n{}{}", text(&output.stdout), text(&output.stderr));
    assert!(source.contains("sign personal --key") && source.contains("$CHALLENGE"), "{source}");
}

#[test]
fn files_that_are_no_reports_and_no_cases_are_named() {
    let wrong = file("not = \"json\"");
    let newer = file("{\"format\": 99}");
    for (arguments, part) in [
        (vec!["diff", path(&wrong), path(&wrong)], "is no JSON"),
        (vec!["diff", path(&newer), path(&newer)], "format 99, and this program reads 1"),
        (vec!["diff", "/surely/not/there.json", path(&wrong)], "/surely/not/there.json: "),
        (vec!["baseline", path(&wrong)], "is no JSON"),
        (vec!["conformance", "--replay", path(&wrong)], "is no case of a finding"),
        (vec!["conformance", "--replay", path(&wrong), "--seed", "1"], "cannot be used with"),
        (
            vec!["conformance", "--url", "http://127.0.0.1:9", "--findings", "/dev/null/x"],
            "--findings /dev/null/x",
        ),
    ] {
        let run = countersign(&arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stdout);
        assert!(run.stderr.contains(part), "{arguments:?}: {}", run.stderr);
    }
}
