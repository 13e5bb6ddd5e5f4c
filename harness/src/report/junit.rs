//! JUnit's XML, as Jenkins, GitLab and the like read it: a suite for each scheme, a case for each check.
//!
//! A case fails where its check failed the run; a finding that does not fail it, and what came to no verdict, is said in
//! the case and leaves it green or skipped. What failed the run without being a finding is a case of its own, because a
//! report without failures would turn a build green.

use super::model::{CheckResult, Finding, Outcome, Run, Verdict, level_word};
use super::text;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
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
    let mut status = match run.verdict {
        Verdict::Conforms | Verdict::Violates => TestCaseStatus::success(),
        _ => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if !matches!(run.verdict, Verdict::Conforms | Verdict::Violates) {
        status.set_type(run.verdict.word()).set_message(run.says.as_str());
    }
    suite.add_test_case(TestCase::new("the-run-came-to-a-verdict", status));
    report.add_test_suite(suite);
    report.to_string().map_err(|problem| problem.to_string())
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
        status.set_type(check.outcome.word()).set_message(format!("{word}{reason}"));
    }
    let mut case = TestCase::new(check.name.as_str(), status);
    case.set_classname(format!("{}.{}", check.scheme, check.group)).set_time(seconds(check.seconds));
    let mut property = |name: &str, value: &str| {
        case.add_property(Property::new(name, value));
    };
    property("level", level_word(check.level));
    property("outcome", check.outcome.word());
    for clause in &check.clauses {
        property("clause", clause);
    }
    if let Some(source) = check.clauses.first().and_then(|id| run.clause(id)).map(|clause| &clause.source) {
        property("source", source);
    }
    if let Some(cause) = &check.cause {
        property("cause", cause);
    }
    if let Some(reason) = &check.declared {
        property("declared", reason);
    }
    if check.outcome == Outcome::Violated
        && let Some(finding) = own.filter(|finding| !finding.fails && finding.check == check.name)
    {
        case.set_system_out(text::finding(finding, run));
    }
    case
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
