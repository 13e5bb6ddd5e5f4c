//! Makes the data of a run from what happened, and hides every secret on the way.

use super::model::{
    CheckResult, Clause, Exchange, FORMAT, Fate, Finding, Header, Message, Outcome, Run, Scheme, Stale, Tool,
    Verdict,
};
use super::page::About;
use super::{Cause, Record, Summary, differ};
use crate::exchange::cut;
use crate::finding;
use crate::redact::Secrets;
use countersign_spec::{Level, Spec};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Characters of a body that a report holds.
const LONGEST_BODY: usize = 65_536;

/// The whole run as data that may be shown.
///
/// `secrets` are those of the profile: what one check must not show is hidden in the findings of all others, too.
#[must_use]
pub fn run(
    summary: &Summary,
    about: &About,
    (verdict, says): (Verdict, &str),
    spec: &Spec,
    secrets: &Secrets,
) -> Run {
    let findings: Vec<Finding> =
        summary.causes.iter().map(|cause| finding(cause, about, spec, secrets)).collect();
    let folded: BTreeMap<&str, &Finding> = findings
        .iter()
        .flat_map(|finding| finding.folded.iter().map(move |name| (name.as_str(), finding)))
        .collect();
    let checks: Vec<CheckResult> =
        summary.records.iter().map(|record| check(record, &findings, &folded, secrets)).collect();
    let schemes: Vec<Scheme> = spec
        .schemes()
        .iter()
        .filter(|scheme| about.schemes.contains(&scheme.id))
        .map(|scheme| Scheme {
            id: scheme.id.clone(),
            title: scheme.title.clone(),
            document: scheme.document.clone(),
        })
        .collect();
    let clauses = clauses(about, spec, &checks);
    Run {
        format: FORMAT,
        tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        program: about.program.clone(),
        target_flags: secrets.hide(&about.target_flags),
        url: about.url.clone(),
        started_at: rfc3339(about.started_at),
        seconds: about.seconds,
        requests: about.requests,
        waits: about.paced,
        seed: about.seed,
        cases: about.cases,
        fail_on: about.fail_on,
        exit: verdict.exit(),
        verdict,
        says: secrets.hide(says),
        schemes,
        checks,
        findings,
        stale: summary
            .stale
            .iter()
            .map(|stale| Stale {
                check: stale.check.clone(),
                fingerprint: stale.fingerprint.clone(),
                reason: secrets.hide(&stale.reason),
            })
            .collect(),
        clauses,
    }
}

/// The verdict in a sentence, as the page and every report close with it.
#[must_use]
pub fn says(verdict: Verdict, summary: &Summary, fail_on: Level) -> String {
    let level = super::model::level_word(fail_on);
    match verdict {
        Verdict::Conforms => format!("conforms at level {level}"),
        Verdict::Violates => {
            let failing = summary.failing(fail_on).count();
            format!(
                "violates {failing} clause{} at level {level} or above",
                if failing == 1 { "" } else { "s" }
            )
        }
        Verdict::Undecided => {
            let unsure = summary.unsure();
            format!(
                "{unsure} check{} came to no verdict, and the profile says fail_on_inconclusive = true",
                if unsure == 1 { "" } else { "s" }
            )
        }
        Verdict::Unreachable => {
            "not judged to the end: the target stopped answering during the run".to_owned()
        }
        Verdict::NotJudged => format!("not judged: {}", summary.without_verdict()),
        Verdict::Stale => {
            let names: Vec<&str> = summary.stale.iter().map(|stale| stale.check.as_str()).collect();
            format!("a declared deviation did not occur: {}", names.join(", "))
        }
    }
}

/// A time as every report writes it; the year 1970 for one that no calendar has.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    format!("{time:.3}")
}

/// A check that is over, while others still run: nothing is known of causes yet.
#[must_use]
pub fn ended(record: &Record, secrets: &Secrets) -> CheckResult {
    check(record, &[], &BTreeMap::new(), secrets)
}

fn check(
    record: &Record,
    findings: &[Finding],
    folded: &BTreeMap<&str, &Finding>,
    secrets: &Secrets,
) -> CheckResult {
    let known = &record.check;
    let (outcome, reason) = match &record.outcome {
        finding::Outcome::Held => (Outcome::Held, None),
        finding::Outcome::Violated(..) => (Outcome::Violated, None),
        finding::Outcome::Skipped(reason) => (Outcome::Skipped, Some(reason.clone())),
        finding::Outcome::Inconclusive(reason) => (Outcome::Inconclusive, Some(reason.clone())),
        finding::Outcome::Blocked(by) => (Outcome::Blocked, Some(format!("blocked by {by}"))),
    };
    let under = folded.get(known.name.as_str()).copied();
    let own = findings.iter().find(|finding| finding.check == known.name);
    CheckResult {
        name: known.name.clone(),
        scheme: known.scheme.clone(),
        group: known.group.word().to_owned(),
        level: known.level,
        sentence: known.sentence.clone(),
        clauses: known.clauses.clone(),
        outcome,
        reason: reason.map(|reason| secrets.hide(&reason)),
        cause: under.map(|finding| finding.check.clone()),
        declared: own.or(under).and_then(|finding| finding.declared.clone()),
        fingerprint: match &record.outcome {
            finding::Outcome::Violated(_, found) => Some(secrets.hide(&found.fingerprint)),
            _ => None,
        },
        seconds: record.took.as_secs_f64(),
    }
}

fn finding(cause: &Cause, about: &About, spec: &Spec, secrets: &Secrets) -> Finding {
    let found = &cause.finding;
    let secrets = found.secrets.with(secrets);
    let line = cause.line(&secrets, &about.transport);
    let hide = |text: &str| secrets.hide(text);
    Finding {
        check: cause.check.name.clone(),
        scheme: cause.check.scheme.clone(),
        level: cause.level,
        fails: cause.level >= about.fail_on && cause.declared.is_none(),
        sentence: cause.check.sentence.clone(),
        clauses: cause.check.clauses.clone(),
        did: hide(&found.did),
        expected: hide(&found.expected),
        got: hide(&found.got),
        differences: spec
            .scheme(&cause.check.scheme)
            .map(|scheme| differ::differences(found, scheme, &secrets))
            .unwrap_or_default(),
        hint: found.hint.as_deref().map(hide),
        exchanges: found.exchanges.iter().map(|exchange| self::exchange(exchange, &secrets)).collect(),
        variables: line.as_ref().map(|line| line.variables.clone()).unwrap_or_default(),
        curl: line.map(|line| line.text),
        again: hide(&about.again(&cause.check.name)),
        folded: cause.folded.clone(),
        declared: cause.declared.as_deref().map(hide),
        reproducible: cause.reproducible,
        fingerprint: Some(hide(&found.fingerprint)),
    }
}

/// One exchange as data that may be shown.
#[must_use]
pub fn exchange(exchange: &crate::exchange::Exchange, secrets: &Secrets) -> Exchange {
    let message = |headers: &[(String, String)], body: &[u8]| Message {
        headers: headers
            .iter()
            .map(|(name, value)| Header { name: secrets.hide(name), value: secrets.hide(value) })
            .collect(),
        // Hidden first and cut then: a secret that is cut is no longer recognised.
        body: cut(&secrets.hide(&String::from_utf8_lossy(body)), LONGEST_BODY),
        bytes: body.len() as u64,
    };
    let answer = exchange.outcome.as_ref().ok();
    Exchange {
        operation: exchange.operation.clone(),
        method: secrets.hide(&exchange.request.method),
        url: secrets.hide(&exchange.url),
        request: message(&exchange.request.headers, &exchange.request.body.bytes()),
        status: exchange.status(),
        response: answer.map(|response| message(&response.headers, &response.body)),
        error: exchange.outcome.as_ref().err().map(|error| secrets.hide(&error.to_string())),
        milliseconds: answer.map(|response| milliseconds(response.elapsed)),
        started_at: rfc3339(exchange.started_at),
    }
}

/// To the microsecond: what is finer is noise.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn clauses(about: &About, spec: &Spec, checks: &[CheckResult]) -> Vec<Clause> {
    let mut resting: BTreeMap<&str, Vec<&CheckResult>> = BTreeMap::new();
    for check in checks {
        for id in &check.clauses {
            resting.entry(id).or_default().push(check);
        }
    }
    let judged = spec.schemes().iter().filter(|scheme| about.schemes.contains(&scheme.id));
    let all = judged.flat_map(|scheme| &scheme.clauses).chain(spec.common());
    all.map(|clause| {
        let checks = resting.get(clause.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let ended = |outcome| checks.iter().any(|check| check.outcome == outcome);
        let fate = if ended(Outcome::Violated) {
            Fate::Violated
        } else if ended(Outcome::Held) {
            Fate::Held
        } else if !checks.is_empty() {
            Fate::Undecided
        } else if clause.except.is_some() {
            Fate::Excepted
        } else {
            Fate::NotRun
        };
        Clause {
            id: clause.id.clone(),
            level: clause.level,
            basis: clause.basis,
            source: clause.source.clone(),
            says: clause.says.clone(),
            checks: checks.iter().map(|check| check.name.clone()).collect(),
            fate,
            except: clause.except.clone(),
        }
    })
    .collect()
}

/// What a run of this summary amounts to.
#[must_use]
pub fn verdict(summary: &Summary, fail_on: Level, answers: bool, unsure_fails: bool) -> Verdict {
    if summary.failing(fail_on).next().is_some() {
        Verdict::Violates
    } else if !answers {
        Verdict::Unreachable
    } else if summary.judged() == 0 {
        Verdict::NotJudged
    } else if unsure_fails && summary.unsure() > 0 {
        Verdict::Undecided
    } else if summary.stale.is_empty() {
        Verdict::Conforms
    } else {
        Verdict::Stale
    }
}
