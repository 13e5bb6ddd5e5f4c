//! Mistakes of the caller: each ends with its own exit code and a line that says how to mend it, before anything is sent.

use crate::program::{Run, countersign, file, path};
use crate::stub::{Stub, empty_object};

/// Runs with a profile of this text and returns how it ended; the target must not have been asked.
fn with_profile(text: &str) -> Run {
    let stub = Stub::start(empty_object);
    let profile = file(text);
    let run = countersign(&["conformance", "--url", &stub.url(), "--profile", path(&profile)]);
    assert!(stub.asked().is_empty(), "{text}: {} requests were sent", stub.asked().len());
    assert_eq!(run.stdout, "", "{text}");
    run
}

/// Checks that a profile is refused with these words in what is said.
fn check(profile: &str, words: &[&str]) {
    let run = with_profile(profile);
    assert_eq!(run.code, Some(2), "{profile}: {}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "`{word}` is not in: {}", run.stderr);
    }
}

#[test]
fn a_misspelt_key_is_named_with_the_nearest_known_one() {
    check("fail_om = \"must\"\n", &["fail_om", "did you mean `fail_on`?"]);
    check("[http]\ntimout = \"5s\"\n", &["http.timout", "did you mean `timeout`?"]);
    check("[clok]\nadvance = \"/c\"\n", &["clok", "did you mean `clock`?"]);
    check("[scheme.ethgass]\n", &["scheme.ethgass", "did you mean `ethgas`?"]);
    check("[scheme.cbs.paths]\nlogn = \"/x\"\n", &["scheme.cbs.paths.logn", "did you mean `login`?"]);
    check(
        "[[scheme.ethgas.account]]\nusernme = \"a\"\npassword = \"b\"\n",
        &["scheme.ethgas.account.usernme", "did you mean `username`?"],
    );
    check("[[deviation]]\nchek = \"x\"\nreason = \"y\"\n", &["deviation.chek", "did you mean `check`?"]);
}

#[test]
fn every_mistake_of_a_profile_is_said_in_one_go() {
    check(
        "urll = \"http://h\"\n[http]\nrate = 0\ntimeout = \"soon\"\n",
        &["urll", "http.rate", "http.timeout"],
    );
    check("url = [\n", &["no TOML"]);
}

#[test]
fn a_variable_or_file_that_is_not_there_is_named() {
    let account = "[[scheme.ethgas.account]]\nusername = \"alice\"\n";
    let unset = format!("{account}password = \"env:COUNTERSIGN_TEST_NOT_SET\"\n");
    check(&unset, &["scheme.ethgas.account.password", "COUNTERSIGN_TEST_NOT_SET"]);
    let missing = format!("{account}password = \"file:not-there.txt\"\n");
    check(&missing, &["scheme.ethgas.account.password", "not-there.txt"]);
}

#[test]
fn a_deviation_must_name_a_check() {
    let name = "ethgas::flow::the-documented-login-work";
    let text = format!("[[deviation]]\ncheck = \"{name}\"\nreason = \"tracked\"\n");
    check(&text, &[name, "did you mean `ethgas::flow::the-documented-login-works`?"]);
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let run = countersign(&["conformance", "--profile", "/nowhere/target.toml"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("/nowhere/target.toml"), "{}", run.stderr);
}

#[test]
fn unknown_flags_and_values_are_refused_and_named() {
    for (arguments, words) in [
        (&["conformance", "--recrod", "x"][..], &["--recrod"][..]),
        (&["conformance", "--level", "never"], &["never", "should"]),
        (&["conformance", "--group", "toke"], &["toke", "token"]),
        (&["conformance", "--seed", "x"], &["--seed"]),
        (&["conformance", "--cases", "0"], &["--cases"]),
        (
            &["conformance", "--url", "http://127.0.0.1:1", "--scheme", "swapchatt"],
            &["swapchatt", "`swapchat`"],
        ),
        (&["conformance", "--url", "127.0.0.1:1"], &["127.0.0.1:1", "http://"]),
        (&["conformance"], &["--url", "--profile"]),
        (&["conform"], &["conform"]),
        (&[], &["Usage"]),
    ] {
        let run = countersign(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
        for word in words {
            assert!(run.stderr.contains(word), "{arguments:?}: `{word}` is not in: {}", run.stderr);
        }
    }
}

#[test]
fn a_filter_that_matches_nothing_exits_4() {
    let stub = Stub::start(empty_object);
    for extra in
        [&["no-such-check"][..], &["--exact", "ethgas::flow"], &["--scheme", "web3mq", "--group", "refresh"]]
    {
        let mut arguments = vec!["conformance", "--url"];
        let url = stub.url();
        arguments.push(&url);
        arguments.extend(extra);
        let run = countersign(&arguments);
        assert_eq!(run.code, Some(4), "{extra:?}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("--list"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    assert!(stub.asked().is_empty());
}
