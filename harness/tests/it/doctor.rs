//! `countersign doctor`: what it misses, counts and refuses.

use crate::program::{Run, countersign, file, path};
use crate::stub::{Reply, Stub, examples};
use countersign_spec::Spec;
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener};

const ACCOUNT: &str = "[[scheme.ethgas.account]]\nusername = \"test-only.alder\"\npassword = \"test-only Alder7-Quay-Lantern\"\n";

fn doctor(profile: &str, more: &[&str]) -> Run {
    let profile = file(profile);
    countersign(&[&["doctor", "--profile", path(&profile)][..], more].concat())
}

/// The page without its layout.
fn words(run: &Run) -> String {
    run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_missing_is_counted_as_a_run_would_skip_it() {
    let stub = Stub::start(examples);
    let text = format!("url = \"{}\"\n{ACCOUNT}", stub.url());
    let run = doctor(&text, &[]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let page = words(&run);
    assert!(page.contains("ok target answers by HTTP/1.1 without TLS"), "{}", run.stdout);
    assert!(page.contains("the documented login works with 1 account"), "{}", run.stdout);
    let wide: Vec<&str> = run.stdout.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    let profile = file(&text);
    let judged = countersign(&["conformance", "--profile", path(&profile), "--cases", "1"]);
    for (words, reason) in [
        ("a second account", "it needs a second account"),
        ("a clock that can be moved", "the profile names no [clock]"),
        ("the key that signs tokens", "hands over no key"),
        ("an account with a long secret", "more than 72 bytes"),
    ] {
        let lines = judged.stdout.lines().filter(|line| line.starts_with("test "));
        let skipped = lines.filter(|line| line.contains(reason)).count();
        let plural = if skipped == 1 { "check" } else { "checks" };
        assert!(skipped > 0, "{reason}");
        assert!(
            page.contains(&format!("{words}, for {skipped} more {plural}")),
            "{words} {skipped}: {}",
            run.stdout
        );
    }
}

#[test]
fn nothing_is_missing_where_all_is_there() {
    let clock = |asked: &crate::stub::Asked| match asked.path.as_str() {
        "/__clock" => Reply::json(200, &json!({})),
        _ => examples(asked),
    };
    let stub = Stub::start(clock);
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let accounts = countersign_fixtures::accounts().ethgas.iter().map(|one| {
        let (username, password) = (quoted(&one.username), quoted(&one.password));
        format!("[[scheme.ethgas.account]]\nusername = {username}\npassword = {password}\n")
    });
    let text = format!(
        "url = \"{}\"\n[clock]\nadvance = \"/__clock\"\n[token.ethgas]\nhs256 = \"k\"\n{}",
        stub.url(),
        accounts.collect::<String>()
    );
    let run = doctor(&text, &[]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains("missing"), "{}", run.stdout);
    assert!(words(&run).contains("ok clock POST /__clock is answered"), "{}", run.stdout);
    assert!(words(&run).contains("the documented login works with 3 accounts"), "{}", run.stdout);
    let own =
        countersign::checks::all(Spec::embedded()).iter().filter(|check| check.scheme == "ethgas").count();
    assert!(run.stdout.contains(&format!("{own} of {own} checks")), "{}", run.stdout);
}

#[test]
fn each_account_is_tried_once_and_those_that_are_refused_are_named() {
    let stub = Stub::start(examples);
    let wrong = "[[scheme.ethgas.account]]\nusername = \"mallory\"\npassword = \"canary-secret\"\n";
    let run = doctor(&format!("url = \"{}\"\n{ACCOUNT}{wrong}", stub.url()), &[]);
    // The documented login may be tried with either first.
    assert_eq!(run.code, Some(2), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("mallory") && !run.stdout.contains("canary-secret"), "{}", run.stdout);
}

#[test]
fn a_profile_that_cannot_be_used_is_told_and_ends_with_2() {
    let stub = Stub::start(examples);
    let url = format!("url = \"{}\"\n", stub.url());
    let wrong = ACCOUNT.replace("Alder7", "Wrong");
    for (text, says) in [
        ("urls = 1\n".to_owned(), "did you mean `url`?"),
        (ACCOUNT.to_owned(), "url: is missing"),
        (
            format!(
                "{url}{}",
                ACCOUNT.replace("test-only Alder7-Quay-Lantern", "env:COUNTERSIGN_SURELY_UNSET")
            ),
            "COUNTERSIGN_SURELY_UNSET",
        ),
        (format!("{url}{wrong}"), "the documented login does not work"),
        (format!("{url}{ACCOUNT}[clock]\nadvance = \"/nowhere\"\n"), "POST /nowhere answered HTTP 404"),
        (
            format!("{url}[[deviation]]\ncheck = \"cbs::flow::no-such\"\nreason = \"r\"\n"),
            "there is no check",
        ),
    ] {
        let run = doctor(&text, &[]);
        let shown = format!("{} {}", words(&run), run.stderr);
        assert_eq!(run.code, Some(2), "{text}: {shown}");
        assert!(shown.contains(says), "{says}: {shown}");
        assert!(!shown.contains("Quay-Lantern"), "{shown}");
    }
    assert_eq!(countersign(&["doctor", "--profile", "/nowhere/p.toml"]).code, Some(2));
}

#[test]
fn a_target_that_is_not_there_ends_with_3_and_the_rest_is_told_all_the_same() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let run = doctor(ACCOUNT, &["--url", &format!("http://127.0.0.1:{port}")]);
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    assert!(words(&run).contains("a second account"), "{}", run.stdout);
}

#[test]
fn accounts_of_other_fuzzers_log_in() {
    let stub = Stub::start(examples);
    let auth = file(
        r#"{"auth":[{"name":"a","fixedHeaders":[{"name":"X-Tenant","value":"one"}],
        "loginEndpointAuth":{"endpoint":"/api/v1/user/login","verb":"POST","payloadUserPwd":
        {"username":"test-only.alder","password":"test-only Alder7-Quay-Lantern","usernameField":"username",
        "passwordField":"password"}}},{"name":"b","loginEndpointAuth":{"endpoint":"/oauth","verb":"POST"}}]}"#,
    );
    let run = doctor(&format!("url = \"{}\"\n[http]\nwfc = \"{}\"\n", stub.url(), path(&auth)), &[]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(words(&run).contains("ok ethgas the documented login works with 1 account"), "{}", run.stdout);
    assert!(
        words(&run).contains("the login of b is ignored: /oauth is the login of no scheme"),
        "{}",
        run.stdout
    );
    assert!(
        stub.asked()
            .iter()
            .filter(|asked| asked.method == "POST")
            .all(|asked| asked.header("x-tenant") == Some("one"))
    );
    let name = "ethgas::flow::the-documented-login-works";
    let run = countersign(&["conformance", "--url", &stub.url(), "--auth", path(&auth), "--exact", name]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("note: ") && run.stderr.contains("the login of b is ignored"),
        "{}",
        run.stderr
    );
}
