//! A scheme that exists as data alone is judged: an independent server of it conforms, and a bent one is found out.

use crate::program::{Run, countersign};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that is stopped however its test ends.
struct Server {
    process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The server, bent in these ways; `None` where there is no Python.
fn start(faults: &[&str]) -> Option<Server> {
    let spawned = Command::new("python3")
        .arg(root().join("fixtures/servers/siwe.py"))
        .args(faults.iter().flat_map(|fault| ["--fault", fault]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut process) = spawned else {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "python3 is not installed");
        drop(writeln!(std::io::stderr(), "skipped: python3 is not installed"));
        return None;
    };
    let stdout = process.stdout.take().expect("stdout is a pipe");
    let mut server = Server { process, url: String::new() };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
    line.trim().strip_prefix("listening on ").expect("an address").clone_into(&mut server.url);
    Some(server)
}

/// Judges it with a clock, and with these lines for the scheme in the profile.
fn judge(server: &Server, scheme: &str, flags: &[&str]) -> Run {
    let profile = tempfile::NamedTempFile::new().unwrap();
    let clock = "[clock]\nadvance = \"/__clock\"\nreset = \"/__reset\"";
    let text = format!("url = \"{}\"\n{clock}\n[scheme.siwe]\n{scheme}\n", server.url);
    std::fs::write(profile.path(), text).unwrap();
    let (folder, profile) = (root().join("spec/examples"), profile.path().display().to_string());
    let folder = folder.display().to_string();
    let fixed = ["conformance", "--spec-dir", &folder, "--profile", &profile, "--seed", "7"];
    countersign(&[&fixed, flags].concat())
}

fn number_before(text: &str, words: &str) -> Option<u32> {
    let before = text.lines().find_map(|line| line.split_once(words).map(|(before, _)| before))?;
    before.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_scheme_of_data_alone_is_judged_without_a_finding() {
    let Some(server) = start(&[]) else { return };
    let run = judge(&server, "", &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert!(run.findings().is_empty(), "{}", run.stdout);
    let judged = number_before(&run.stdout, " checks judged").expect("a sum of the checks");
    drop(writeln!(std::io::stdout(), "{judged} checks judged a scheme of data alone"));
    assert!(judged >= 180, "{}", run.stdout);
    for group in ["form", "flow", "proof", "challenge", "token", "robustness", "hygiene", "race", "time"] {
        let held = |line: &&str| line.contains(&format!("siwe::{group}::")) && line.ends_with("... ok");
        assert!(run.stdout.lines().any(|line| held(&line)), "nothing of {group} was judged\n{}", run.stdout);
    }
    assert!(run.took.as_secs() < 60, "{:?}", run.took);
}

#[test]
fn each_way_to_bend_the_server_is_found_by_the_check_for_it() {
    for (fault, check, filter) in [
        ("any-signature", "siwe::proof::a-signature-by-another-wallet-is-refused", "siwe::proof::a-sig"),
        ("reuse-nonce", "siwe::challenge::a-used-challenge-is-refused", "siwe::challenge::a-used"),
        ("any-nonce", "siwe::challenge::a-challenge-that-was-never-given-is-refused", "never-given"),
        ("any-domain", "siwe::proof::a-text-with-another-domain-is-refused", "a-text-with-another"),
        ("any-uri", "siwe::proof::a-text-with-another-uri-is-refused", "a-text-with-another"),
        ("any-version", "siwe::proof::a-text-with-another-version-is-refused", "a-text-with-another"),
        ("any-chain", "siwe::proof::a-text-with-another-chain-id-is-refused", "a-text-with-another"),
        ("no-expiration", "siwe::proof::a-text-that-has-ended-is-refused", "a-text-that-has-ended"),
        ("logout-forgets-nothing", "siwe::flow::a-logout-ends-the-access-token", "siwe::flow"),
    ] {
        let Some(server) = start(&[fault]) else { return };
        let run = judge(&server, "", &[filter]);
        assert_eq!(run.code, Some(1), "{fault}\n{}\n{}", run.stdout, run.stderr);
        assert!(!run.finding(check).is_empty(), "{fault}: {check} found nothing\n{}", run.stdout);
        assert_eq!(run.findings().len(), 1, "{fault}\n{}", run.stdout);
    }
}

/// A site's name is its own affair: where the profile's differs from the server's, no login works.
#[test]
fn a_profile_says_which_words_a_text_holds() {
    let Some(server) = start(&[]) else { return };
    let own = "words = { domain = \"login.example.org\" }";
    let run = judge(&server, own, &["siwe::flow::the-documented-login-works"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let other = "words = { domain = \"other.example.org\" }";
    let run = judge(&server, other, &["siwe::flow::the-documented-login-works"]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    let run = judge(&server, "words = { domian = \"x\" }", &[]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(
        run.stderr.contains("scheme.siwe.words.domian: is not known; did you mean `domain`?"),
        "{}",
        run.stderr
    );
}

#[test]
fn lint_spec_sums_a_good_folder_up_and_names_every_mistake_of_a_bad_one() {
    let folder = root().join("spec/examples/siwe");
    let run = countersign(&["lint-spec", &folder.display().to_string()]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for line in
        ["  challenge  GET    /siwe/nonce", "    refresh    none: no operation", "1 scheme, no mistakes"]
    {
        assert!(run.stdout.contains(line), "{line}\n{}", run.stdout);
    }
    let home = tempfile::tempdir().unwrap();
    let bad = home.path().join("siwe");
    for kind in ["", "schemas", "examples"] {
        std::fs::create_dir_all(bad.join(kind)).unwrap();
        for entry in std::fs::read_dir(folder.join(kind)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), bad.join(kind).join(entry.file_name())).unwrap();
            }
        }
    }
    let scheme = bad.join("scheme.toml");
    let text = std::fs::read_to_string(&scheme).unwrap();
    std::fs::write(&scheme, text.replace("lifetime = 3600", "lifetme = 3600")).unwrap();
    std::fs::write(bad.join("schemas/me.json"), "{").unwrap();
    let run = countersign(&["lint-spec", &home.path().display().to_string()]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    for part in [
        "siwe/scheme.toml: tokens.access.lifetme:",
        "did you mean `lifetime`?",
        "siwe/schemas/me.json: file:",
    ] {
        assert!(run.stderr.contains(part), "{part}\n{}", run.stderr);
    }
    // A folder that loads may still lack what checks rest on.
    std::fs::write(&scheme, &text).unwrap();
    std::fs::copy(folder.join("schemas/me.json"), bad.join("schemas/me.json")).unwrap();
    std::fs::remove_file(bad.join("examples/me-refused.json")).unwrap();
    let run = countersign(&["lint-spec", &bad.display().to_string()]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(run.stderr.contains("siwe/examples: me: no example shows a refusal"), "{}", run.stderr);
}
