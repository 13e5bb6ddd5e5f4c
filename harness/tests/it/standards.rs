//! Reports as their standards say, held against the schemas and parsers of others.

use crate::reports::{Written, complaints, judged, with_findings};
use crate::stub::{Reply, Stub, empty_object, examples};
use countersign::report::model::level_word;
use quick_junit::Report;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `xmllint` has against a report by the schema of Jenkins; none where it is not installed.
fn by_jenkins(report: &Path) -> Option<Result<(), String>> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/junit/junit-10.xsd");
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--schema"]).arg(schema).arg(report).stdin(Stdio::null());
    let Ok(output) = command.output() else {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "xmllint is not installed");
        drop(writeln!(std::io::stderr(), "skipped: xmllint is not installed"));
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

#[test]
fn junit_is_taken_by_the_schema_of_jenkins() {
    let check = |written: &Written| -> bool {
        let Some(verdict) = by_jenkins(&written.path("junit")) else { return false };
        assert_eq!(verdict, Ok(()), "{}", written.text("junit"));
        true
    };
    let found = with_findings();
    if !check(&found) {
        return;
    }
    // Nothing judged, and findings whose answers are an attack on XML.
    let hostile = Stub::start(|_| Reply::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: "{\"message\":\"]]></failure>\u{0}\u{b}<error/>\"}".as_bytes().to_vec(),
    });
    check(&judged(&hostile.url(), &["--scheme", "cbs"]));
    check(&judged(&hostile.url(), &["--scheme", "cbs", "--group", "time"]));
    // The schema is not one that takes everything.
    let text = found.text("junit").replacen("<testcase ", "<testcase level=\"must\" ", 1);
    let bent = found.path("bent.xml");
    std::fs::write(&bent, text).unwrap();
    let said = by_jenkins(&bent).expect("it was there before").unwrap_err();
    assert!(said.contains("The attribute 'level' is not allowed"), "{said}");
}

/// Properties of a case, from the lines of its output.
fn properties(output: &str) -> Vec<(&str, &str)> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("[[PROPERTY|")?.strip_suffix("]]"));
    lines.filter_map(|property| property.split_once('=')).collect()
}

#[test]
fn a_case_of_junit_names_what_its_check_rests_on() {
    let written = with_findings();
    let run = written.model();
    let report = Report::deserialize_from_str(&written.text("junit")).unwrap();
    let cases: Vec<_> = report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
    for check in &run.checks {
        let case = cases.iter().find(|case| case.name.as_str() == check.name).expect("a case for each check");
        let output = case.system_out.as_ref().map(|output| output.as_str()).unwrap_or_default();
        let known = properties(output);
        let all = |name: &str| -> Vec<&str> {
            known.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect()
        };
        assert_eq!(all("level"), [level_word(check.level)], "{output}");
        assert_eq!(all("outcome"), [check.outcome.word()], "{output}");
        assert_eq!(all("clause"), check.clauses, "{output}");
        let source = run.clause(&check.clauses[0]).map(|clause| clause.source.as_str());
        assert_eq!(all("source"), Vec::from_iter(source), "{output}");
    }
}

#[test]
fn sarif_is_as_the_schema_of_its_standard_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../sarif/sarif-schema-2.1.0.json")).expect("the schema is JSON");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let check = |url: &str, flags: &[&str], results: bool| {
        let report = judged(url, flags).json("sarif");
        assert_eq!(complaints(&validator, &report), [""; 0]);
        assert_eq!(report["$schema"], schema["id"]);
        assert_eq!(!report["runs"][0]["results"].as_array().unwrap().is_empty(), results);
        report
    };
    let stub = Stub::start(examples);
    let mut report = check(&stub.url(), &["--scheme", "nftrainbow", "--group", "token"], true);
    check(&stub.url(), &["--scheme", "cbs", "--group", "time"], false);
    // Findings without an answer, and URLs with an attack in them.
    let silent = Stub::start(|asked| if asked.method == "GET" { empty_object(asked) } else { Reply::Death });
    check(&silent.url(), &["--scheme", "nftrainbow", "--group", "flow"], true);
    // The schema is not one that takes everything.
    report["runs"][0]["results"][0]["levle"] = "error".into();
    report["runs"][0]["results"][0]["level"] = "grave".into();
    assert_eq!(complaints(&validator, &report).len(), 2);
}

/// A member that the parser does not know would be lost on the way through it.
#[test]
fn the_archive_is_read_whole_by_a_parser_of_har() {
    let written = with_findings();
    let (run, archive) = (written.model(), written.json("har"));
    let read = har::from_slice(written.text("har").as_bytes()).expect("a parser of HAR reads it");
    let har::Spec::V1_2(log) = &read.log else { panic!("it is taken for another version") };
    assert_eq!(log.pages.as_ref().map(Vec::len), Some(run.findings.len()));
    let exchanges = run.findings.iter().flat_map(|finding| &finding.exchanges);
    assert_eq!(log.entries.len(), exchanges.clone().count());
    for (entry, exchange) in log.entries.iter().zip(exchanges) {
        assert_eq!((&entry.request.method, &entry.request.url), (&exchange.method, &exchange.url));
        assert_eq!(entry.response.status, i64::from(exchange.status.unwrap_or_default()));
        let sent = entry.request.post_data.as_ref().and_then(|data| data.text.as_deref());
        assert_eq!(sent.unwrap_or_default(), exchange.request.body);
    }
    let again: Value = serde_json::from_str(&har::to_json(&read).unwrap()).unwrap();
    let mut lost = Vec::new();
    compare(&archive, &again, "", &mut lost);
    // What a name with an underscore holds is the writer's own, by the standard.
    lost.retain(|place| !place.contains("/_"));
    assert_eq!(lost, [""; 0]);
}

/// Places of one value that are missing in the other, or differ there.
fn compare(one: &Value, other: &Value, at: &str, lost: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, member) in members {
                match other.get(name) {
                    Some(known) => compare(member, known, &format!("{at}/{name}"), lost),
                    None => lost.push(format!("{at}/{name}")),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(item, other, &format!("{at}/{index}"), lost);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        _ if one == other => {}
        _ => lost.push(at.to_owned()),
    }
}
