//! Targets that are not there, answer nonsense, or go away.

use crate::program::{countersign, file, path};
use crate::stub::{Reply, Stub, empty_object, examples};
use countersign_spec::Spec;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn where_nothing_listens_one_line_says_so_and_the_exit_is_3() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let run = countersign(&["conformance", "--url", &format!("http://127.0.0.1:{port}")]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    assert_eq!(run.stdout, "");
    let lines: Vec<&str> = run.stderr.lines().collect();
    let [line] = lines.as_slice() else { panic!("not one line: {lines:#?}") };
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    assert!(line.starts_with("error: "), "{line}");
}

#[test]
fn a_host_that_accepts_and_says_nothing_is_not_waited_for() {
    let stub = Stub::start(|_| Reply::Silence);
    let profile = file("[http]\ntimeout = \"300ms\"\n");
    let run = countersign(&["conformance", "--url", &stub.url(), "--profile", path(&profile)]);
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
}

#[test]
fn a_server_that_says_yes_to_everything_gets_one_finding_a_scheme() {
    let stub = Stub::start(empty_object);
    let run = countersign(&["conformance", "--url", &stub.url(), "--seed", "1"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let schemes: Vec<&str> = Spec::embedded().schemes().iter().map(|scheme| scheme.id.as_str()).collect();
    assert_eq!(run.findings().len(), schemes.len(), "{:#?}", run.findings());
    for id in schemes {
        let name = format!("{id}::flow::the-documented-login-works");
        let finding = run.finding(&name);
        for label in ["clause", "did", "expected", "got", "exchange", "curl", "again", "like"] {
            let shown = finding.iter().any(|line| line.trim_start().starts_with(label));
            assert!(shown, "{name} has no `{label}`:\n{}", finding.join("\n"));
        }
        let text = finding.join("\n");
        assert!(text.contains("HTTP 200 {}"), "{text}");
        assert!(text.contains(&format!("--exact '{name}'")), "{text}");
        if Spec::embedded().scheme(id).unwrap().account.is_some() {
            assert!(text.contains("fixtures/accounts.toml") && text.contains("[[scheme."), "{text}");
        }
    }
    // The page closes with what the run was worth, so that it is on the screen when the run is over.
    let last = run.stdout.trim_end().lines().last().unwrap();
    assert!(last.contains("violates 5 clauses") && last.contains("seed 1"), "{last}");
}

#[test]
fn what_blocks_a_check_is_said_and_counted() {
    let stub = Stub::start(empty_object);
    let arguments = ["conformance", "--url", &stub.url(), "--scheme", "cbs", "--test-threads", "1"];
    let run = countersign(&arguments);
    let blocked = run.stdout.lines().filter(|line| line.contains("blocked by cbs::flow::")).count();
    let row = run.stdout.lines().find(|line| line.starts_with("cbs ")).expect("a row of the table");
    let counts: Vec<usize> = row.split_whitespace().skip(1).map(|count| count.parse().unwrap()).collect();
    assert!(blocked > 20, "{blocked}");
    assert_eq!(counts[2], blocked, "{row}");
    let listed = countersign(&["conformance", "--list", "--scheme", "cbs"]);
    let checks = listed.stdout.lines().filter(|line| line.ends_with(": test")).count();
    assert_eq!(counts.iter().sum::<usize>(), checks, "{row}");
}

/// Runs against a server that is itself for some requests, and then no more.
fn check_end(requests: usize, end: Reply, selection: &[&str]) {
    let left = AtomicUsize::new(requests);
    let stub = Stub::start(move |asked| {
        let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if alive { examples(asked) } else { end.clone() }
    });
    let profile = file("[http]\ntimeout = \"100ms\"\n");
    let url = stub.url();
    let arguments = ["conformance", "--url", &url, "--profile", path(&profile), "--scheme", "nftrainbow"];
    let run = countersign(&[&arguments[..], selection].concat());
    assert!(stub.asked().len() >= requests, "{} requests came", stub.asked().len());
    // Departures that were seen before it went away are findings all the same.
    let expected = if run.findings().is_empty() { 3 } else { 1 };
    assert_eq!(run.code, Some(expected), "{}\n{}", run.findings().join("\n"), run.stderr);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    if expected == 3 {
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert!(lines.iter().any(|line| line.starts_with("error: ")), "{lines:#?}");
    }
}

#[test]
fn a_target_that_is_gone_in_the_middle_of_a_run_ends_it_in_good_order() {
    for requests in [3, 10, 60] {
        check_end(requests, Reply::Death, &[]);
    }
}

#[test]
fn a_target_that_falls_silent_in_the_middle_of_a_run_ends_it_in_good_order() {
    check_end(10, Reply::Silence, &[]);
}

/// Runs one check after the other against a server that ends with, or right after, a request to its login.
fn ends_at(requests: usize, end: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> crate::program::Run {
    let left = AtomicUsize::new(requests);
    let stub = Stub::start(move |asked| {
        let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if alive { examples(asked) } else { end(examples(asked)) }
    });
    let profile = file("[http]\ntimeout = \"500ms\"\n");
    let url = stub.url();
    let arguments = ["conformance", "--url", &url, "--profile", path(&profile), "--scheme", "nftrainbow"];
    let selection = ["--test-threads", "1", "--group", "credential", "--group", "hygiene"];
    countersign(&[&arguments[..], &selection].concat())
}

const ANSWERED: &str = "nftrainbow::hygiene::every-request-is-answered";

#[test]
fn a_request_that_ends_the_target_is_a_finding_that_names_it() {
    let run = ends_at(12, |_| Reply::Death);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let finding = run.finding(ANSWERED).join("\n");
    assert!(finding.contains("the connection was closed") && finding.contains("/v1/login"), "{finding}");
}

#[test]
fn a_target_that_is_gone_between_two_requests_accuses_none_of_them() {
    let run = ends_at(12, |last| Reply::Farewell(Box::new(last)));
    assert!(!run.findings().iter().any(|finding| finding.contains(ANSWERED)), "{}", run.stdout);
    let expected = if run.findings().is_empty() { 3 } else { 1 };
    assert_eq!(run.code, Some(expected), "{}{}", run.stdout, run.stderr);
}
