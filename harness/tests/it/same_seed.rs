//! The same seed sends the same requests, however many checks run at once.

use crate::program::countersign;
use crate::stub::{Asked, Stub, examples};
use base64::Engine as _;
use std::collections::BTreeMap;

/// Each request with how often it came. What depends on the time of day is masked, nothing else.
fn requests(scheme: &str, selection: &[&str], threads: &str) -> BTreeMap<String, usize> {
    let stub = Stub::start(examples);
    let url = stub.url();
    let mut arguments = vec!["conformance", "--url", &url, "--scheme", scheme, "--seed", "20260102"];
    // How often findings are tried again is a matter of time, too.
    arguments.extend(["--confirm", "0", "--test-threads", threads]);
    let run = countersign(&[&arguments[..], selection].concat());
    assert!(matches!(run.code, Some(0 | 1)), "{scheme}: {:?} {}", run.code, run.stderr);
    let mut seen = BTreeMap::new();
    for asked in stub.asked() {
        *seen.entry(masked(&asked, &url)).or_default() += 1;
    }
    seen
}

fn check(scheme: &str, selection: &[&str], least: usize) {
    let first = requests(scheme, selection, "1");
    let sent: usize = first.values().sum();
    assert!(sent >= least, "{scheme}: only {sent} requests, so little is compared");
    for threads in ["2", "8"] {
        let other = requests(scheme, selection, threads);
        let mut differences = Vec::new();
        for request in first.keys().chain(other.keys().filter(|request| !first.contains_key(*request))) {
            let (one, many) = (first.get(request).unwrap_or(&0), other.get(request).unwrap_or(&0));
            if one != many {
                differences.push(format!("{one} times by one thread, {many} times by {threads}:\n{request}"));
            }
        }
        let shown = differences.iter().take(6).cloned().collect::<Vec<_>>().join("\n\n");
        assert!(differences.is_empty(), "{scheme}: {} requests differ\n{shown}", differences.len());
    }
}

/// All checks but those that read what the others left, and those with a stopwatch, which ask as often as they need to.
const OWN_REQUESTS: &[&str] = &["--skip", "::hygiene::", "--skip", "same-time"];

#[test]
fn swapchat_is_asked_the_same() {
    check("swapchat", OWN_REQUESTS, 150);
}

#[test]
fn web3mq_is_asked_the_same() {
    check("web3mq", OWN_REQUESTS, 150);
}

#[test]
fn ethgas_is_asked_the_same() {
    check("ethgas", OWN_REQUESTS, 150);
}

#[test]
fn nftrainbow_is_asked_the_same() {
    check("nftrainbow", OWN_REQUESTS, 150);
}

#[test]
fn cbs_is_asked_the_same() {
    check("cbs", OWN_REQUESTS, 150);
}

#[test]
fn hygiene_asks_the_same() {
    for scheme in countersign_spec::Spec::embedded().schemes() {
        check(&scheme.id, &["--group", "hygiene"], 20);
    }
}

#[test]
fn a_minute_that_passes_between_two_runs_changes_nothing() {
    let asked = |time: &str, target: &str, body: &str| {
        let asked = Asked {
            method: "POST".to_owned(),
            path: target.replace("TIME", time),
            headers: Vec::new(),
            body: body.replace("TIME", time).into_bytes(),
        };
        masked(&asked, "http://127.0.0.1:9")
    };
    let forms = [
        ("/", r#"{"text":"Nonce: 1\nIssued At: TIME"}"#, "23/11/2026 02:56", "23/11/2026 02:57"),
        ("/?text=Issued%20At%3A%20TIME&a=1", "", "23/11/2026%2002%3A56", "24/11/2026%2003%3A00"),
        ("/", "text=Issued+At%3A+TIME", "23%2F11%2F2026+02%3A59", "23%2F11%2F2026+03%3A00"),
        (
            "/",
            r#"{"text":"\u0032\u0033/11/2026 02:56 TIME"}"#,
            "2026-11-23T02:56:59Z",
            "2026-11-23T02:57:00Z",
        ),
    ];
    for (target, body, one, other) in forms {
        assert_eq!(asked(one, target, body), asked(other, target, body), "{target} {body}");
        // Nor does the mask hide what is no time.
        assert_ne!(asked(one, target, body), asked("23/11/26", target, body), "{target} {body}");
    }
}

/// The request as text, with times and what is made from them replaced: dates, numbers of ten digits and more, hashes and
/// signatures, and tokens by the names of their members.
fn masked(asked: &Asked, url: &str) -> String {
    let mut text = asked.text().replace(url.trim_start_matches("http://"), "HOST");
    // What base64 has and a query escapes, and what stands in a date.
    for (escaped, plain) in [("%2B", "+"), ("%2F", "/"), ("%3D", "="), ("%20", " "), ("%3A", ":")] {
        text = text.replace(escaped, plain);
    }
    let (text, escapes) = unescaped(&text);
    let mut out = String::new();
    let mut word = String::new();
    for c in without_dates(&text).chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || "+/._-".contains(c) {
            word.push(c);
            continue;
        }
        out.push_str(&mask(&word));
        word.clear();
        out.push(c);
    }
    out.push_str(&format!("({escapes} escapes)"));
    out
}

/// Escapes of ASCII in JSON taken back, and how many there were.
fn unescaped(text: &str) -> (String, usize) {
    let mut parts = text.split("\\u00");
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut escapes = 0;
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                out.push(char::from(code));
                out.push_str(&part[2..]);
                escapes += 1;
            }
            None => {
                out.push_str("\\u00");
                out.push_str(part);
            }
        }
    }
    (out, escapes)
}

/// Dates in the two ways in which signed texts have them.
fn without_dates(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let date = ["####-##-##T##:##:##Z", "##/##/#### ##:##", "##/##/####+##:##"]
            .into_iter()
            .find(|form| starts_as(rest, form));
        match date {
            Some(form) => out.push_str(form),
            None => out.push(c),
        }
        rest = &rest[date.map_or_else(|| c.len_utf8(), str::len)..];
    }
    out
}

fn starts_as(text: &str, form: &str) -> bool {
    text.len() >= form.len()
        && text.bytes().zip(form.bytes()).all(|(own, wanted)| match wanted {
            b'#' => own.is_ascii_digit(),
            other => own == other,
        })
}

fn mask(word: &str) -> String {
    // A character of a neighbour may have been moved to a time, too.
    let digits = word.trim_matches(|c: char| c.is_ascii_alphabetic());
    if digits.len() >= 10
        && word.len() <= digits.len() + 1
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return word.replace(digits, &format!("<{} digits>", digits.len()));
    }
    if word.matches('.').count() == 2 && word.starts_with("ey") {
        let members = word.split('.').map(|part| {
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&bytes).unwrap_or_default();
            object.keys().cloned().collect::<Vec<_>>().join(" ")
        });
        return format!("<token {}>", members.collect::<Vec<_>>().join(" | "));
    }
    let hex = word.strip_prefix("0x").unwrap_or(word);
    if hex.len() >= 56 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("<{} hex digits>", hex.len());
    }
    // An ed25519 signature, which has 86 without its padding, or a part of one.
    if word.len() >= 80 {
        return format!("<{} characters>", word.len());
    }
    word.to_owned()
}
