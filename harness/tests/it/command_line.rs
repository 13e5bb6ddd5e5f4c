//! What can be asked without a target: the list, the help, the grounds.

use crate::program::countersign;
use std::collections::BTreeSet;

#[test]
fn the_list_is_in_the_form_of_libtest() {
    for format in [&[][..], &["--format", "terse"]] {
        let mut arguments = vec!["conformance", "--list"];
        arguments.extend(format);
        let run = countersign(&arguments);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(run.stderr, "");
        let mut names = BTreeSet::new();
        for line in run.stdout.lines().take_while(|line| !line.is_empty()) {
            let name = line.strip_suffix(": test").unwrap_or_else(|| panic!("no line of libtest: {line}"));
            let parts: Vec<&str> = name.split("::").collect();
            assert_eq!(parts.len(), 3, "{name}");
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(parts.iter().all(|part| !part.is_empty() && part.chars().all(is_word)), "{name}");
            assert!(names.insert(name), "{name} is there twice");
        }
        assert!(names.len() >= 120, "{} checks", names.len());
    }
}

#[test]
fn the_list_follows_the_selection() {
    let names = |arguments: &[&str]| -> BTreeSet<String> {
        let run = countersign(&[&["conformance", "--list"][..], arguments].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stdout.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
    };
    let all = names(&[]);
    let cbs = names(&["--scheme", "cbs"]);
    let tokens = names(&["--group", "token"]);
    let both = names(&["--scheme", "cbs", "--group", "token"]);
    assert!(!both.is_empty() && cbs.len() < all.len() && tokens.len() < all.len());
    assert!(cbs.iter().all(|name| name.starts_with("cbs::")));
    assert!(tokens.iter().all(|name| name.contains("::token::")));
    assert_eq!(both, cbs.intersection(&tokens).cloned().collect());
    let one = "cbs::flow::the-documented-login-works";
    assert_eq!(names(&["--exact", one]), BTreeSet::from([one.to_owned()]));
    assert!(!names(&["--skip", "login"]).contains(one));
}

#[test]
fn help_goes_to_stdout_and_fits_80_columns() {
    let verbs = [
        "conformance",
        "init",
        "doctor",
        "baseline",
        "diff",
        "explain",
        "catalogue",
        "profile-reference",
        "schema",
        "lint-spec",
        "sign",
    ];
    let helps = verbs.map(|verb| vec![verb, "--help"]).into_iter().chain([vec!["--help"]]);
    for arguments in helps {
        let arguments = arguments.as_slice();
        let run = countersign(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}");
        assert_eq!(run.stderr, "", "{arguments:?}");
        let wide: Vec<&str> = run.stdout.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{arguments:?}: {wide:#?}");
    }
    let help = countersign(&["conformance", "--help"]).stdout;
    for word in [
        "--url",
        "--profile",
        "--scheme",
        "--level",
        "--group",
        "--seed",
        "--list",
        "--exact",
        "--record",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}:\n{help}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let run = countersign(&["--version"]);
    assert_eq!((run.code, run.stdout.trim()), (Some(0), concat!("countersign ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_check_is_explained_by_its_clauses() {
    let name = "swapchat::flow::the-documented-login-works";
    let flag = countersign(&["conformance", "--explain", "--exact", name]);
    let verb = countersign(&["explain", name]);
    assert_eq!((flag.code, verb.code), (Some(0), Some(0)));
    assert_eq!(flag.stdout, verb.stdout);
    let clause = countersign_spec::Spec::embedded().clause("swapchat.login.endpoint").unwrap();
    for part in [name, &clause.id, &clause.says, &clause.source] {
        assert!(flag.stdout.contains(part), "`{part}` is not in:\n{}", flag.stdout);
    }
    let other = countersign(&["explain", "cbs::flow::two-accounts-never-get-the-same-token"]);
    assert!(other.stdout.contains("    needs a second account\n"), "{}", other.stdout);
    assert!(!flag.stdout.contains("needs"), "{}", flag.stdout);
    assert_eq!(countersign(&["explain", "no-such-check"]).code, Some(4));
}
