//! Targets that lock accounts, limit requests or hang on one kind of them: no findings for that, and no minutes lost.

use crate::program::{Run, countersign, file, path};
use crate::stub::{Asked, Reply, Stub, examples, is_known};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// Judges a scheme on a stub.
fn judge(scheme: &str, handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Run {
    let stub = Stub::start(handler);
    let profile = file("[http]\ntimeout = \"1s\"\n");
    let (url, seed) = (stub.url(), ["--seed", "5"]);
    let selection = ["--profile", path(&profile), "--scheme", scheme, "--level", "may"];
    let run = countersign(&[&["conformance", "--url", &url][..], &selection, &seed].concat());
    assert!(matches!(run.code, Some(0 | 1)), "{:?} {}", run.code, run.stderr);
    run
}

/// Names of the checks that found something, folded or not, advice among them.
fn findings(run: &Run) -> BTreeSet<String> {
    let failed = run.stdout.lines().filter(|line| line.starts_with("test ") && line.ends_with("FAILED"));
    failed.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

/// Five wrong secrets in a row lock an account for longer than any run.
fn locks(
    member: &'static str,
    locked: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Reply + Send + Sync {
    let wrong: Mutex<BTreeMap<String, u32>> = Mutex::default();
    move |asked| {
        let sent: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let (Some(members), Some(name)) = (sent.as_object(), sent.get(member).and_then(Value::as_str)) else {
            return examples(asked);
        };
        let mut wrong = wrong.lock().unwrap();
        let count = wrong.entry(name.to_owned()).or_default();
        if *count >= 5 {
            return locked();
        }
        *count = if is_known(members) { 0 } else { *count + 1 };
        drop(wrong);
        examples(asked)
    }
}

fn check_locked(scheme: &str, member: &'static str, locked: fn() -> Reply) {
    let (open, locking) = (judge(scheme, examples), judge(scheme, locks(member, locked)));
    let new: Vec<String> = findings(&locking).difference(&findings(&open)).cloned().collect();
    assert!(new.is_empty(), "{scheme}: {new:#?}\n{}", locking.stdout);
    // A limit that says how long it lasts is quoted; where none does, the lock was found out.
    let told = locking.stdout.lines().filter(|line| line.starts_with("inconclusive"));
    let told = told.filter(|line| {
        line.contains("asks to wait 3600 s")
            || line.contains("has locked the account") && line.contains("wrong secrets in a row")
    });
    let told = told.count() > 0;
    assert!(told, "{scheme}: {}", locking.stdout);
    assert!(locking.took < Duration::from_secs(60), "{:?}", locking.took);
}

#[test]
fn an_account_locked_with_423_is_no_finding() {
    check_locked("ethgas", "username", || {
        Reply::json(423, &json!({ "code": 423, "message": "Locked", "data": null }))
    });
}

#[test]
fn an_account_locked_with_403_is_no_finding() {
    check_locked("cbs", "user", || {
        Reply::json(403, &json!({ "code": 403, "result": { "code": 403, "desc": "Locked" } }))
    });
}

#[test]
fn an_account_locked_with_429_for_an_hour_is_no_finding() {
    check_locked("nftrainbow", "app_id", || {
        let Reply::Answer { status, mut headers, body } =
            Reply::json(429, &json!({ "code": 42900, "message": "Too many requests" }))
        else {
            return Reply::Silence;
        };
        headers.push(("retry-after", "3600".to_owned()));
        Reply::Answer { status, headers, body }
    });
}

#[test]
fn a_limit_that_waiting_does_not_lift_is_not_waited_for_again_and_again() {
    // No Retry-After: how long it lasts has to be tried.
    let run = judge(
        "ethgas",
        locks("username", || Reply::json(429, &json!({ "code": 429, "message": "Slow down" }))),
    );
    assert!(run.took < Duration::from_secs(100), "{:?}", run.took);
}

#[test]
fn a_target_that_hangs_on_malformed_bodies_gets_one_finding_and_soon() {
    let hangs = |asked: &Asked| {
        let malformed = !asked.body.is_empty() && serde_json::from_slice::<Value>(&asked.body).is_err();
        if malformed { Reply::Silence } else { examples(asked) }
    };
    let (answers, hanging) = (judge("ethgas", examples), judge("ethgas", hangs));
    let new: Vec<String> = findings(&hanging).difference(&findings(&answers)).cloned().collect();
    assert_eq!(new, ["ethgas::hygiene::every-request-is-answered"], "{}", hanging.stdout);
    assert!(
        hanging.took < answers.took + Duration::from_secs(25),
        "{:?} after {:?}",
        hanging.took,
        answers.took
    );
}

#[test]
fn the_last_line_says_what_kept_every_check_from_a_verdict() {
    let check = |scheme: &str, handler: fn(&Asked) -> Reply, flags: &[&str], parts: &[&str]| {
        let stub = Stub::start(handler);
        let report = file("");
        let (url, json) = (stub.url(), format!("json={}", path(&report)));
        let arguments = ["conformance", "--url", &url, "--scheme", scheme, "--report", &json];
        let run = countersign(&[&arguments[..], flags].concat());
        assert_eq!(run.code, Some(4), "{}{}", run.stdout, run.stderr);
        let last = run.stderr.lines().last().unwrap_or_default();
        let told: Value = serde_json::from_str(&std::fs::read_to_string(report.path()).unwrap()).unwrap();
        assert_eq!(told["exit"], 4);
        for part in parts {
            assert!(last.starts_with("error: nothing was judged: ") && last.contains(part), "{last}");
            assert!(told["says"].as_str().is_some_and(|says| says.contains(part)), "{}", told["says"]);
        }
    };
    let limited = |_: &Asked| {
        let Reply::Answer { status, mut headers, body } = Reply::json(429, &json!({ "code": 429 })) else {
            return Reply::Silence;
        };
        headers.push(("retry-after", "3600".to_owned()));
        Reply::Answer { status, headers, body }
    };
    let asks = "were inconclusive (the target limits requests and asks to wait 3600 s)";
    check("cbs", limited, &["--group", "credential"], &[asks]);
    check("cbs", examples, &["--group", "time"], &["checks were skipped"]);
    let refused = |_: &Asked| Reply::json(401, &json!({ "code": 401 }));
    let blocks = "1 check was blocked (cbs::flow::the-documented-login-works)";
    check("cbs", refused, &["--check", "cbs::flow::a-refresh-works"], &[blocks]);
}
