//! Reports: each says the same of a run, and is there also when the run came to nothing.

use crate::program::{Run, countersign, file, path};
use crate::stub::{Reply, Stub, empty_object, examples};
use countersign::report::model::{self, Outcome, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every kind there is.
const KINDS: [&str; 9] = ["junit", "json", "ndjson", "sarif", "har", "tap", "md", "html", "github"];

/// What a run left behind.
pub(crate) struct Written {
    run: Run,
    folder: tempfile::TempDir,
}

impl Written {
    /// Where the report of a kind is; other names are free.
    pub(crate) fn path(&self, kind: &str) -> PathBuf {
        self.folder.path().join(kind)
    }

    pub(crate) fn text(&self, kind: &str) -> String {
        std::fs::read_to_string(self.path(kind))
            .unwrap_or_else(|problem| panic!("{kind}: {problem}\n{}", self.run.stderr))
    }

    pub(crate) fn json(&self, kind: &str) -> Value {
        serde_json::from_str(&self.text(kind)).unwrap()
    }

    pub(crate) fn model(&self) -> model::Run {
        serde_json::from_str(&self.text("json")).unwrap()
    }
}

/// Judges with all reports into a new folder.
pub(crate) fn judged(url: &str, flags: &[&str]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let reports: Vec<String> =
        KINDS.iter().map(|kind| format!("{kind}={}", folder.path().join(kind).display())).collect();
    let mut arguments = vec!["conformance", "--url", url, "--seed", "1", "--cases", "4"];
    arguments.extend(flags);
    for report in &reports {
        arguments.extend(["--report", report]);
    }
    Written { run: countersign(&arguments), folder }
}

/// A run with findings of several levels, checks without a verdict, and many that hold.
pub(crate) fn with_findings() -> Written {
    let stub = Stub::start(examples);
    let groups = ["token", "refresh", "credential", "robustness", "time"];
    let mut flags = vec!["--scheme", "nftrainbow"];
    flags.extend(groups.iter().flat_map(|group| ["--group", group]));
    judged(&stub.url(), &flags)
}

#[test]
fn every_report_says_the_same_of_a_run() {
    let written = with_findings();
    let run = written.model();
    assert_eq!(written.run.code, Some(1), "{}", written.run.stderr);
    assert_eq!((run.verdict, run.exit), (Verdict::Violates, 1));
    let failing: BTreeSet<String> = run.failing().map(|finding| finding.check.clone()).collect();
    assert!(failing.len() >= 2, "{failing:?}");
    let advice = run.findings.len() - failing.len();
    assert!(run.count(Outcome::Held) > 20 && run.count(Outcome::Skipped) > 0);

    let page: BTreeSet<String> = written
        .run
        .findings()
        .iter()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect();
    assert_eq!(page, failing);

    let junit = Report::deserialize_from_str(&written.text("junit")).unwrap();
    let cases: Vec<_> = junit.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
    let told: BTreeSet<String> = cases
        .iter()
        .filter(|case| match &case.status {
            TestCaseStatus::NonSuccess { kind, message, .. } => {
                let message = message.as_ref().map(|message| message.as_str()).unwrap_or_default();
                *kind == NonSuccessKind::Failure && !message.starts_with("the same cause as")
            }
            _ => false,
        })
        .map(|case| case.name.as_str().to_owned())
        .collect();
    assert_eq!(told, failing);
    assert_eq!(cases.len(), run.checks.len() + 1, "a case for each check, and one for the run");
    let skipped = cases.iter().filter(|case| matches!(case.status, TestCaseStatus::Skipped { .. })).count();
    let without = [Outcome::Skipped, Outcome::Inconclusive, Outcome::Blocked];
    assert_eq!(skipped, without.iter().map(|outcome| run.count(*outcome)).sum::<usize>());
    let sarif = written.json("sarif");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!((results.len(), rules.len()), (run.findings.len(), run.checks.len()));
    for (result, finding) in results.iter().zip(&run.findings) {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["ruleId"], finding.check.as_str());
        assert_eq!(result["webRequest"]["method"], finding.exchanges.last().unwrap().method.as_str());
        let clauses = rules[index]["properties"]["clauses"].as_array().unwrap();
        assert_eq!(clauses.len(), finding.clauses.len());
    }

    let tap = written.text("tap");
    assert!(tap.starts_with(&format!("TAP version 14\n1..{}\n", run.checks.len())), "{tap}");
    let lines = |start: &str| tap.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("ok ") + lines("not ok "), run.checks.len());
    assert_eq!(lines("not ok "), run.count(Outcome::Violated));

    let github = written.text("github");
    let commands = |word: &str| github.lines().filter(|line| line.starts_with(&format!("::{word} "))).count();
    assert_eq!(commands("error"), failing.len() + 1, "{github}");
    assert_eq!(commands("warning") + commands("notice"), advice, "{github}");
    assert_eq!(github.lines().count(), run.findings.len() + 1, "a text broke out of its line:\n{github}");

    for (kind, form) in [("md", "<code>NAME</code>"), ("html", "<article class=\"finding must\" id=\"NAME\"")]
    {
        let page = written.text(kind);
        for name in &failing {
            let shown = form.replace("NAME", name);
            let other = shown.replace("must", "should");
            assert!(page.contains(&shown) || page.contains(&other), "{name} is not in:\n{page}");
        }
    }
}

/// The schema that is published for a form and printed by the program.
fn published(form: &str) -> jsonschema::Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let published = std::fs::read_to_string(folder.join(format!("{form}.schema.json"))).unwrap();
    let printed = countersign(&["schema", form]);
    assert_eq!((printed.code, printed.stdout.as_str()), (Some(0), published.as_str()));
    let schema: Value = serde_json::from_str(&published).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::validator_for(&schema).unwrap()
}

/// What a schema has against a report.
pub(crate) fn complaints(validator: &jsonschema::Validator, report: &Value) -> Vec<String> {
    validator.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_report_in_json_is_as_its_schema_says() {
    let written = with_findings();
    let validator = published("report");
    let mut report = written.json("json");
    assert_eq!(complaints(&validator, &report), [""; 0]);
    report["findings"][0]["verdict"] = "perhaps".into();
    assert!(!validator.is_valid(&report), "the schema lets everything pass");

    let run = written.model();
    assert_eq!(serde_json::to_value(&run).unwrap(), written.json("json"), "it is not read back whole");
    assert!(run.clauses.iter().any(|clause| clause.fate == model::Fate::Violated));
    assert!(run.clauses.iter().any(|clause| clause.id.starts_with("common.")));
    for finding in &run.findings {
        assert!(!finding.exchanges.is_empty() && finding.again.contains(&finding.check), "{}", finding.check);
    }
}

#[test]
fn events_come_one_a_line_and_in_their_order() {
    let written = with_findings();
    let run = written.model();
    let events: Vec<Value> =
        written.text("ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!(events[0]["event"], "run-started");
    assert_eq!(events[0]["checks"], run.checks.len());
    let finished: BTreeSet<&str> =
        named("check-finished").iter().filter_map(|event| event["check"]["name"].as_str()).collect();
    assert_eq!(finished, run.checks.iter().map(|check| check.name.as_str()).collect());
    let violated = named("check-finished").iter().filter(|event| event["found"].is_object()).count();
    assert_eq!(violated, run.count(Outcome::Violated));
    assert_eq!(named("finding").len(), run.findings.len());
    let last = events.last().unwrap();
    assert_eq!((last["event"].as_str(), last["exit"].as_u64()), (Some("run-finished"), Some(1)));
    assert_eq!(events.len(), run.checks.len() + run.findings.len() + 2);
    let validator = published("events");
    for event in &events {
        assert_eq!(complaints(&validator, event), [""; 0], "{event}");
        // The schema is not one that takes everything.
        let (mut more, mut less) = (event.clone(), event.clone());
        more["further"] = 1.into();
        let last = less.as_object_mut().unwrap();
        let name = last.keys().find(|name| *name != "event" && *name != "found").unwrap().clone();
        last.remove(&name);
        assert!(!validator.is_valid(&more) && !validator.is_valid(&less), "{event}");
    }
    // A run that never began has the same lines.
    let none = judged("http://127.0.0.1:1", &["no-such-check"]);
    for line in none.text("ndjson").lines() {
        assert_eq!(complaints(&validator, &serde_json::from_str(line).unwrap()), [""; 0], "{line}");
    }
}

#[test]
fn a_declared_finding_is_in_every_report_and_fails_none() {
    let stub = Stub::start(examples);
    let selection = ["--scheme", "nftrainbow", "--group", "token"];
    let names: Vec<String> =
        judged(&stub.url(), &selection).model().failing().map(|finding| finding.check.clone()).collect();
    assert!(!names.is_empty());
    let deviations: String = names
        .iter()
        .map(|name| format!("[[deviation]]\ncheck = \"{name}\"\nreason = \"tracked: being, mended\"\n"))
        .collect();
    let profile = file(&deviations);
    let written = judged(&stub.url(), &[&selection[..], &["--profile", path(&profile)]].concat());
    assert_eq!(written.run.code, Some(0), "{}", written.run.stdout);
    let run = written.model();
    assert_eq!(run.verdict, Verdict::Conforms);
    let declared = run.findings.iter().filter(|finding| finding.declared.is_some()).count();
    assert_eq!(declared, names.len());
    let junit = Report::deserialize_from_str(&written.text("junit")).unwrap();
    assert_eq!((junit.failures, junit.errors), (0, 0), "{}", written.text("junit"));
    let tap = written.text("tap");
    assert!(tap.lines().all(|line| !line.starts_with("not ok ") || line.contains(" # TODO ")), "{tap}");
    let github = written.text("github");
    assert!(!github.contains("::error") && github.contains("tracked: being, mended"), "{github}");
    let sarif = written.json("sarif");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let suppressed = results.iter().filter(|result| result["suppressions"].is_array()).count();
    assert_eq!(suppressed, names.len());
}

/// Checks that reports of a run without a verdict say so, each in its way.
fn check_undecided(written: &Written, verdict: Verdict) {
    let run = written.model();
    assert_eq!((run.verdict, Some(i32::from(run.exit))), (verdict, written.run.code), "{}", run.says);
    let junit = Report::deserialize_from_str(&written.text("junit")).unwrap();
    assert!(junit.errors == 1 && junit.failures == 0, "{}", written.text("junit"));
    assert_eq!(written.json("sarif")["runs"][0]["invocations"][0]["executionSuccessful"], false);
    assert!(written.text("tap").contains("not ok "), "{}", written.text("tap"));
    assert!(written.text("github").starts_with("::error title=countersign "), "{}", written.text("github"));
    let events = written.text("ndjson");
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["event"].as_str(), last["exit"].as_u64()),
        (Some("run-finished"), Some(run.exit.into()))
    );
    assert!(written.text("md").contains('❌'), "{}", written.text("md"));
    let page = written.text("html");
    let told = format!("<div class=\"verdict unsure\">\n<h1><strong>{}</strong>", verdict.word());
    assert!(page.contains(&told), "{page}");
    assert_eq!(written.json("har")["log"]["entries"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_target_that_is_not_there_is_told_in_every_report() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let written = judged(&format!("http://127.0.0.1:{port}"), &[]);
    assert_eq!(written.run.code, Some(3));
    check_undecided(&written, Verdict::Unreachable);
    assert!(written.text("tap").contains("Bail out!"), "{}", written.text("tap"));
}

#[test]
fn a_target_that_goes_away_is_told_in_every_report() {
    let left = AtomicUsize::new(10);
    let stub = Stub::start(move |asked| {
        let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if alive { examples(asked) } else { Reply::Death }
    });
    let written = judged(&stub.url(), &["--scheme", "nftrainbow", "--group", "flow"]);
    let run = written.model();
    // What was seen before it went away is a finding all the same.
    if run.failing().next().is_none() {
        check_undecided(&written, Verdict::Unreachable);
    } else {
        assert_eq!((run.verdict, written.run.code), (Verdict::Violates, Some(1)));
    }
}

#[test]
fn nothing_judged_is_told_in_every_report() {
    let stub = Stub::start(examples);
    let written = judged(&stub.url(), &["--scheme", "cbs", "--group", "time"]);
    assert_eq!(written.run.code, Some(4), "{}", written.run.stdout);
    check_undecided(&written, Verdict::NotJudged);
    let none = judged(&stub.url(), &["no-such-check"]);
    assert_eq!(none.run.code, Some(4), "{}", none.run.stdout);
    check_undecided(&none, Verdict::NotJudged);
}

#[test]
fn a_report_on_standard_output_is_alone_there() {
    let stub = Stub::start(examples);
    let url = stub.url();
    for kind in ["json", "sarif", "har"] {
        let report = format!("{kind}=-");
        let run = countersign(&["conformance", "--url", &url, "--report", &report, "cbs::flow"]);
        assert!(serde_json::from_str::<Value>(&run.stdout).is_ok(), "{kind}: {}", run.stdout);
        assert!(run.stderr.contains("checks judged"), "{}", run.stderr);
    }
    let run = countersign(&["conformance", "--url", &url, "--report", "ndjson=-", "cbs::flow"]);
    assert!(run.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", run.stdout);
}

/// Checks that a way to ask for reports is refused before anything is sent.
fn check_refused(reports: &[&str], part: &str) {
    let stub = Stub::start(empty_object);
    let url = stub.url();
    let mut arguments = vec!["conformance", "--url", &url];
    for report in reports {
        arguments.extend(["--report", report]);
    }
    let run = countersign(&arguments);
    assert_eq!(run.code, Some(2), "{reports:?}: {}", run.stderr);
    assert!(run.stderr.contains(part), "`{part}` is not in: {}", run.stderr);
    assert!(stub.asked().is_empty(), "{reports:?}: requests were sent");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    let present = file("here before");
    let below = format!("json={}/report.json", path(&present));
    check_refused(&[&below], path(&present));
    check_refused(&[&format!("har={}", std::env::temp_dir().display())], "is a folder");
    check_refused(&["junti=x.xml"], "did you mean `junit`?");
    check_refused(&["report.xml"], "write KIND=PATH");
    check_refused(&["json=-", "har=-"], "two reports");
    // What was there is untouched.
    assert_eq!(std::fs::read_to_string(present.path()).unwrap(), "here before");
}

#[test]
fn checks_are_chosen_by_their_whole_names() {
    let (one, two) = ("cbs::flow::the-documented-login-works", "ethgas::flow::the-documented-login-works");
    let listed = countersign(&["conformance", "--list", "--check", one, "--check", two]);
    assert_eq!(listed.stdout, format!("{two}: test\n{one}: test\n"));
    let wrong = countersign(&["conformance", "--list", "--check", "cbs::flow::the-documented-login-work"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains(&format!("did you mean `{one}`?")), "{}", wrong.stderr);
}

#[test]
fn the_command_for_all_failures_runs_them_and_no_other() {
    let written = with_findings();
    let line = written.run.stdout.lines().find_map(|line| line.strip_prefix("these again: ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "--url").unwrap();
    let mut arguments = vec!["conformance", "--list"];
    arguments.extend(&words[at..]);
    let listed = countersign(&arguments);
    let listed: BTreeSet<String> =
        listed.stdout.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
    assert_eq!(listed, written.model().failing().map(|finding| finding.check.clone()).collect());
}
