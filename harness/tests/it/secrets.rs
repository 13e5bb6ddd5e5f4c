//! What a profile keeps secret is nowhere in what the program writes, not even where the target shouts it back.

use crate::program::{Run, countersign_with, file, path};
use crate::stub::{Asked, Reply, Stub, examples};
use serde_json::{Value, json};

/// Stands in every secret. Quotes, a backslash and letters beyond ASCII, because each of them is written in more than one
/// way in JSON.
pub(crate) const CANARY: &str = "canary";

/// Every kind of secret that a profile can hold.
pub(crate) fn profile() -> String {
    let mut text = String::from(
        r#"
[http]
timeout = "3s"
headers = { x-gateway-key = "canary-header-4711", x-tenant = "canary-tenant-0815" }

[token.ethgas]
hs256 = "canary-signing-key-of-thirty-two-bytes-or-more"
"#,
    );
    for (table, name, password) in [
        ("ethgas", "username", "password"),
        ("nftrainbow", "app_id", "app_secret"),
        ("cbs", "user", "password"),
    ] {
        for (account, secret) in
            [("one", r#"canary "quoted" \\ Überfähre 7"#), ("two", "env:COUNTERSIGN_TEST_SECRET")]
        {
            let secret = toml::Value::String(secret.to_owned());
            let lines =
                format!("\n[[scheme.{table}.account]]\n{name} = \"{account}\"\n{password} = {secret}\n");
            text.push_str(&lines);
        }
    }
    text
}

/// A secret of an account, from the environment.
pub(crate) const FROM_ENVIRONMENT: &str = "canary-plain-0123456789";

/// The word as it stands in text, in hex, and in Base64 at each of the three places.
fn forms() -> Vec<String> {
    let base64 = |before: &str| {
        // What the word shares no bits of with its neighbours.
        let encoded = data_encoding::BASE64_NOPAD.encode(format!("{before}{CANARY}").as_bytes());
        encoded[(before.len() * 8).div_ceil(6)..(before.len() + CANARY.len()) * 8 / 6].to_lowercase()
    };
    let hex = data_encoding::HEXLOWER.encode(CANARY.as_bytes());
    vec![CANARY.to_owned(), hex, base64(""), base64("x"), base64("xx")]
}

fn check((run, reports): &(Run, Vec<(String, String)>), what: &str) {
    assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
    assert_eq!(reports.len(), KINDS.len(), "{what}: {}", run.stderr);
    // What was echoed is there, with something else in the place of secrets.
    for shown in ["$HEADER", "AS_BASE64", "AS_HEX"] {
        let shows = |(kind, text): &(String, String)| kind == "json" && text.contains(shown);
        assert!(reports.iter().any(shows), "{what}: no {shown} in the report");
    }
    let pages = [("stdout".to_owned(), run.stdout.clone()), ("stderr".to_owned(), run.stderr.clone())];
    for (place, text) in pages.iter().chain(reports) {
        let lower = text.to_lowercase();
        let leaks: Vec<&str> = forms()
            .iter()
            .flat_map(|form| lower.match_indices(form.as_str()))
            .map(|(at, _)| {
                let start = lower.floor_char_boundary(at.saturating_sub(60));
                &lower[start..lower.ceil_char_boundary(at + 60)]
            })
            .collect();
        let shown = leaks.iter().take(12).map(|leak| format!("  …{leak:?}…\n")).collect::<String>();
        assert!(leaks.is_empty(), "{what}: {} leaks in {place}:\n{shown}", leaks.len());
    }
}

/// The request in the forms in which servers write it into answers.
pub(crate) fn echo(asked: &Asked) -> Value {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or(Value::Null);
    let headers: serde_json::Map<String, Value> =
        asked.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let text = asked.text();
    json!({
        "request": text, "body": body, "headers": headers,
        "base64": data_encoding::BASE64.encode(text.as_bytes()),
        "hex": data_encoding::HEXLOWER.encode(text.as_bytes()),
    })
}

/// Every kind of report.
const KINDS: [&str; 9] = ["junit", "json", "ndjson", "sarif", "har", "tap", "md", "html", "github"];

/// Judges and returns the run with all of its reports.
fn judge(
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    flags: &[&str],
) -> (Run, Vec<(String, String)>) {
    let stub = Stub::start(answer);
    let profile = file(&profile());
    let url = stub.url();
    let arguments =
        ["conformance", "--url", &url, "--profile", path(&profile), "--seed", "5", "--level", "may"];
    let folder = tempfile::tempdir().unwrap();
    let wanted: Vec<String> =
        KINDS.iter().map(|kind| format!("--report={kind}={}", folder.path().join(kind).display())).collect();
    let mut all = [&arguments[..], flags].concat();
    all.extend(wanted.iter().map(String::as_str));
    let run = countersign_with(&all, &[("COUNTERSIGN_TEST_SECRET", FROM_ENVIRONMENT)]);
    let reports = KINDS
        .iter()
        .filter_map(|kind| {
            Some(((*kind).to_owned(), std::fs::read_to_string(folder.path().join(kind)).ok()?))
        })
        .collect();
    let sent = stub.asked();
    let heard = |secret: &str| sent.iter().any(|asked| asked.text().contains(secret));
    assert!(
        heard("canary-header-4711") && heard("canary-tenant-0815"),
        "the headers never reached the target"
    );
    assert!(heard(FROM_ENVIRONMENT), "the password never reached the target");
    (run, reports)
}

#[test]
fn an_echo_gives_no_secret_away() {
    let run = judge(
        |asked| {
            let mut answer = echo(asked);
            answer["code"] = json!(500);
            answer["message"] = json!(asked.text());
            Reply::json(500, &answer)
        },
        &[],
    );
    check(&run, "an echo as error");
}

#[test]
fn an_echo_in_ascii_gives_no_secret_away() {
    let run = judge(
        |asked| {
            let text = echo(asked).to_string();
            let ascii: String = text
                .chars()
                .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
                .collect();
            let headers = vec![("content-type", "application/json".to_owned())];
            Reply::Answer { status: 400, headers, body: ascii.into_bytes() }
        },
        &[],
    );
    check(&run, "an echo with escapes");
}

#[test]
fn a_login_that_echoes_gives_no_secret_away() {
    // The example server, but for any password, and with the request in every answer.
    let run = judge(
        |asked| {
            let mut known = asked.clone();
            if let Ok(Value::Object(mut body)) = serde_json::from_slice(&asked.body) {
                let accounts = countersign_fixtures::accounts();
                for (name, given, password, secret) in [
                    ("username", &accounts.ethgas[0].username, "password", &accounts.ethgas[0].password),
                    (
                        "app_id",
                        &accounts.nftrainbow[0].app_id,
                        "app_secret",
                        &accounts.nftrainbow[0].app_secret,
                    ),
                    ("user", &accounts.cbs[0].user, "password", &accounts.cbs[0].password),
                ] {
                    if body.contains_key(name) && body.contains_key(password) {
                        body.insert(name.to_owned(), json!(given));
                        body.insert(password.to_owned(), json!(secret));
                    }
                }
                known.body = Value::Object(body).to_string().into_bytes();
            }
            let Reply::Answer { status, mut headers, body } = examples(&known) else { return Reply::Death };
            let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            if let Some(members) = answer.as_object_mut() {
                members.insert("echo".to_owned(), echo(asked));
            }
            let heard = asked.header("x-gateway-key").unwrap_or_default().to_owned();
            headers.push(("x-echo", heard));
            Reply::Answer { status, headers, body: answer.to_string().into_bytes() }
        },
        &[],
    );
    check(&run, "a login that echoes");
}
