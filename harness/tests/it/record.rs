//! What a target says on the wire is recorded, the same each time, and a change of it is named.

use crate::independent;
use crate::program::{Run, countersign, countersign_with, file, path};
use crate::secrets::{CANARY, FROM_ENVIRONMENT, echo, profile};
use crate::stub::{Asked, Reply, Stub, examples};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes the tour and judges nothing.
fn tour(url: &str, flags: &[&str]) -> Run {
    let variables = [("COUNTERSIGN_TEST_SECRET", FROM_ENVIRONMENT)];
    countersign_with(&[&["conformance", "--url", url, "--tour-only"], flags].concat(), &variables)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() {
            found.extend(files(&entry).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            found.insert(name, std::fs::read_to_string(entry).unwrap());
        }
    }
    found
}

/// The example server, whose logins of ethgas change when told so.
fn bent(asked: &Asked, is_bent: &AtomicBool) -> Reply {
    let reply = examples(asked);
    let login = asked.path == "/api/v1/user/login" && asked.method == "POST";
    match reply {
        Reply::Answer { status: 200, mut headers, body } if login && is_bent.load(Ordering::SeqCst) => {
            let mut body: Value = serde_json::from_slice(&body).unwrap();
            body["data"]["expiresIn"] = json!("3600");
            body["data"]["note"] = json!(null);
            headers.push(("x-version", "2".to_owned()));
            Reply::Answer { status: 201, headers, body: body.to_string().into_bytes() }
        }
        reply => reply,
    }
}

#[test]
fn a_changed_member_is_named_with_its_place() {
    let is_bent = Arc::new(AtomicBool::new(false));
    let stub = Stub::start({
        let is_bent = Arc::clone(&is_bent);
        move |asked| bent(asked, &is_bent)
    });
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("wire");
    let url = stub.url();
    let run = tour(&url, &["--record", text(&folder)]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let run = tour(&url, &["--compare", text(&folder)]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("wire format: unchanged since"), "{}", run.stdout);
    is_bent.store(true, Ordering::SeqCst);
    let run = tour(&url, &["--compare", text(&folder)]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let changes: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("  ")).collect();
    let login: Vec<&str> =
        changes.iter().filter_map(|line| line.strip_prefix("  ethgas login.txt step 1: response ")).collect();
    assert_eq!(
        login,
        [
            "status: changed from 200 to 201  (login, with everything right)",
            "header x-version: added: 2  (login, with everything right)",
            "/data/expiresIn: type changed from number to string  (login, with everything right)",
            "/data/note: added: null  (login, with everything right)",
        ],
        "{}",
        run.stdout
    );
    // The stub lets a login in that calls itself text, too: the same change again, and nothing else.
    let again = changes.iter().filter(|line| line.contains(" refusals.txt step 9: ")).count();
    assert_eq!((again, changes.len()), (login.len(), 2 * login.len()), "{}", run.stdout);
    // Recorded again, it is the new way that is held.
    assert_eq!(tour(&url, &["--record", text(&folder)]).code, Some(0));
    assert_eq!(tour(&url, &["--compare", text(&folder), "--scheme", "ethgas"]).code, Some(0));
}

#[test]
fn checks_and_tour_are_one_run_and_the_worse_counts() {
    let Some((_server, url)) = independent::start() else { return };
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("wire");
    let selection = ["conformance", "--url", &url, "--scheme", "ethgas", "--group", "flow"];
    let run = countersign(&[&selection[..], &["--record", text(&folder)]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("recorded in") && run.stdout.contains(" checks judged"), "{}", run.stdout);
    let login = folder.join("ethgas/login.txt");
    let recorded = std::fs::read_to_string(&login).unwrap();
    std::fs::write(&login, recorded.replace("\"message\": \"OK\"", "\"message\": \"Fine\"")).unwrap();
    let run = countersign(&[&selection[..], &["--compare", text(&folder)]].concat());
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("conforms at level should"), "{}", run.stdout);
    assert!(run.stdout.contains("response /message: changed from \"Fine\" to \"OK\""), "{}", run.stdout);
}

#[test]
fn the_same_target_leaves_the_same_bytes_whatever_the_seed() {
    let Some((_server, url)) = independent::start() else { return };
    let root = tempfile::tempdir().unwrap();
    let mut records = Vec::new();
    for (name, seed, threads) in [("one", "1", "1"), ("two", "2", "8")] {
        let folder = root.path().join(name);
        let flags =
            ["--scheme", "ethgas", "--seed", seed, "--test-threads", threads, "--record", text(&folder)];
        let run = tour(&url, &flags);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
        records.push(files(&folder));
    }
    let names: Vec<&String> = records[0].keys().collect();
    let expected =
        ["login", "logout", "options", "refresh", "refusals", "use"].map(|flow| format!("ethgas/{flow}.txt"));
    assert_eq!(names[1..], expected.iter().collect::<Vec<_>>());
    assert_eq!(records[0], records[1]);
    let login = &records[0]["ethgas/login.txt"];
    for shape in ["\"<secret>\"", "\"<identifier>\"", "\"<jwt HS256 ", "\"<seconds, about 3600>\""] {
        assert!(login.contains(shape), "{shape}:\n{login}");
    }
}

#[test]
fn no_secret_is_recorded_not_even_where_it_comes_back() {
    let stub = Stub::start(|asked| {
        let mut answer = echo(asked);
        // A token wherever a scheme looks for one lets everybody in.
        let (access, refresh) = ("a-token-that-is-no-jwt-canary-1", "and-another-canary-2");
        answer["token"] = json!(access);
        answer["data"] = json!({ "accessToken": access, "refreshToken": refresh });
        answer["result"] = json!({ "access_token": access, "refresh_token": refresh });
        let headers = vec![("x-echo", asked.header("x-gateway-key").unwrap_or_default().to_owned())];
        Reply::Answer { status: 200, headers, body: answer.to_string().into_bytes() }
    });
    let profile = file(&profile());
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("wire");
    let run = tour(&stub.url(), &["--profile", path(&profile), "--record", text(&folder)]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(stub.asked().iter().any(|asked| asked.text().contains("canary-plain-0123456789")));
    let files = files(&folder);
    assert!(files.len() > 10, "{:?}", files.keys());
    for (name, text) in files {
        let leak = text.lines().find(|line| line.to_lowercase().contains(CANARY));
        assert_eq!(leak, None, "{name}");
    }
}

#[test]
fn a_refused_login_is_a_change_and_never_the_record() {
    let is_closed = Arc::new(AtomicBool::new(false));
    let stub = Stub::start({
        let is_closed = Arc::clone(&is_closed);
        move |asked| match examples(asked) {
            _ if is_closed.load(Ordering::SeqCst) => {
                Reply::json(403, &json!({ "code": 403, "message": "closed" }))
            }
            reply => reply,
        }
    });
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("wire");
    let flags = ["--scheme", "cbs", "--record", text(&folder)];
    assert_eq!(tour(&stub.url(), &flags).code, Some(0));
    let recorded = files(&folder);
    is_closed.store(true, Ordering::SeqCst);
    let run = tour(&stub.url(), &flags);
    assert_eq!(run.code, Some(4), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("HTTP 403") && run.stderr.contains("the account in use"), "{}", run.stderr);
    assert_eq!(files(&folder), recorded);
    let run = tour(&stub.url(), &["--scheme", "cbs", "--compare", text(&folder)]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("cbs login.txt step 1: response status: changed from 200 to 403"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("cbs refresh.txt: gone: the whole flow"), "{}", run.stdout);
}

#[test]
fn a_folder_that_cannot_be_used_is_told_before_anything_is_sent() {
    let stub = Stub::start(examples);
    let url = stub.url();
    let root = tempfile::tempdir().unwrap();
    let mine = root.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("thesis.txt"), "years of work").unwrap();
    let other = root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("countersign-record.toml"), "format = 99\nschemes = []\n").unwrap();
    let old = root.path().join("old");
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("countersign-record.toml"), "format = 1\nschemes = [\"ethgas\"]\n").unwrap();
    let missing = root.path().join("missing");
    for (flags, said) in [
        (["--record", text(&mine)], "give an empty folder"),
        (["--record", text(&other)], "format 99"),
        (["--compare", text(&missing)], "--record"),
        (["--compare", text(&mine)], "is no record"),
        (["--compare", text(&other)], "format 99"),
        (["--compare", text(&old)], "holds nothing of swapchat, web3mq, nftrainbow, cbs"),
        (["--scheme", "ethgas"], "--tour-only"),
    ] {
        let run = tour(&url, &flags);
        assert_eq!(run.code, Some(2), "{flags:?}: {}", run.stdout);
        assert!(run.stderr.contains(said), "{flags:?}: {}", run.stderr);
    }
    assert!(stub.asked().is_empty(), "{:?}", stub.asked());
    assert_eq!(files(&mine), BTreeMap::from([("thesis.txt".to_owned(), "years of work".to_owned())]));
}
