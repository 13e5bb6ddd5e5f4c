//! JUnit's XML, as Jenkins, GitLab and the like read it: a suite for each scheme, a case for each check.
//!
//! A case fails where its check failed the run; a finding that does not fail it, and what came to no verdict, is said in
//! the case and leaves it green or skipped. What failed the run without being a finding is a case of its own, because a
//! report without failures would turn a build green.
//!
//! The form is that of `junit-10.xsd` of Jenkins' xUnit plugin, which takes no report that departs from it. No published
//! schema knows properties of a case, so what a check rests on stands in the output of its case, in lines
//! `[[PROPERTY|name=value]]`: a convention that test management reads as properties and everybody else shows as text.

use super::model::{CheckResult, Finding, Outcome, Run, Verdict, level_word};
use super::text;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::fmt::Write as _;
use std::time::Duration;

/// Writes the report.
///
/// # Errors
/// What the writer of XML says; it writes to memory and has no reason to.
pub fn write(run: &Run) -> Result<String, String> {
    let mut report = Report::new(run.tool.name.as_str());
    report.set_time(seconds(run.seconds));
    for scheme in &run.schemes {
        let mut suite = TestSuite::new(scheme.id.as_str());
        let mut took = Duration::ZERO;
        for check in run.checks.iter().filter(|check| check.scheme == scheme.id) {
            took += seconds(check.seconds);
            suite.add_test_case(case(check, run));
        }
        suite.set_time(took);
        suite.add_property(Property::new("url", run.url.as_str()));
        suite.add_property(Property::new("document", scheme.document.as_str()));
        suite.add_property(Property::new("seed", run.seed.to_string()));
        report.add_test_suite(suite);
    }
    let mut suite = TestSuite::new("run");
    let mut status = match (run.verdict, run.exit) {
        (Verdict::Violates, _) | (Verdict::Conforms, 0) => TestCaseStatus::success(),
        (_, 0) => TestCaseStatus::skipped(),
        _ => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    match &mut status {
        TestCaseStatus::Success { .. } => {}
        TestCaseStatus::Skipped { .. } => {
            status.set_message(run.says.as_str());
        }
        TestCaseStatus::NonSuccess { .. } => {
            status.set_type(run.verdict.word()).set_message(run.says.as_str());
        }
    }
    suite.add_test_case(TestCase::new("the-run-came-to-a-verdict", status));
    report.add_test_suite(suite);
    let text = report.to_string().map_err(|problem| problem.to_string())?;
    // How many of all cases were skipped is in no schema; each suite says it of its own.
    let (root, suites) = text.split_at(text.find("<testsuite ").unwrap_or(text.len()));
    Ok(root.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1) + suites)
}

fn case(check: &CheckResult, run: &Run) -> TestCase {
    let own = run.finding_of(check);
    let mut status = match check.outcome {
        Outcome::Held => TestCaseStatus::success(),
        Outcome::Violated if own.is_some_and(|finding| finding.fails) => failure(check, own),
        Outcome::Violated => TestCaseStatus::success(),
        Outcome::Skipped | Outcome::Inconclusive | Outcome::Blocked => TestCaseStatus::skipped(),
    };
    if let (Some(reason), TestCaseStatus::Skipped { .. }) = (&check.reason, &status) {
        let word = match check.outcome {
            Outcome::Inconclusive => "inconclusive: ",
            _ => "",
        };
        status.set_message(format!("{word}{reason}"));
    }
    let mut case = TestCase::new(check.name.as_str(), status);
    case.set_classname(format!("{}.{}", check.scheme, check.group)).set_time(seconds(check.seconds));
    let mut output = properties(check, run);
    if check.outcome == Outcome::Violated
        && let Some(finding) = own.filter(|finding| !finding.fails && finding.check == check.name)
    {
        output.push('\n');
        output.push_str(&text::finding(finding, run));
    }
    case.set_system_out(output);
    case
}

/// What a check rests on and came to, a property a line.
fn properties(check: &CheckResult, run: &Run) -> String {
    let source = check.clauses.first().and_then(|id| run.clause(id)).map(|clause| &clause.source);
    let one = [("level", level_word(check.level)), ("outcome", check.outcome.word())];
    let clauses = check.clauses.iter().map(|clause| ("clause", clause.as_str()));
    let some = [("source", source), ("cause", check.cause.as_ref()), ("declared", check.declared.as_ref())];
    let some = some.into_iter().filter_map(|(name, value)| Some((name, value?.as_str())));
    let mut lines = String::new();
    for (name, value) in one.into_iter().chain(clauses).chain(some) {
        // A line break would end the property.
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(lines, "[[PROPERTY|{name}={value}]]");
    }
    lines
}

fn failure(check: &CheckResult, finding: Option<&Finding>) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(level_word(check.level));
    match finding {
        Some(finding) if finding.check == check.name => {
            status.set_message(format!("{}; got {}", finding.did, finding.got));
            status.set_description(text::evidence(finding));
        }
        Some(finding) => {
            status.set_message(format!("the same cause as {}", finding.check));
        }
        None => {}
    }
    status
}

/// A file that was read back may say anything.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
