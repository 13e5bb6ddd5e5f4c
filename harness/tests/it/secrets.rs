//! What a profile keeps secret is nowhere in what the program writes, not even where the target shouts it back.

use crate::program::{Run, countersign, file, path};
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
            [("one", r#"canary "quoted" \\ Überfähre 7"#), ("two", "canary-plain-0123456789")]
        {
            let secret = toml::Value::String(secret.to_owned());
            let lines =
                format!("\n[[scheme.{table}.account]]\n{name} = \"{account}\"\n{password} = {secret}\n");
            text.push_str(&lines);
        }
    }
    text
}

fn check(run: &Run, what: &str) {
    assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
    for (place, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        let lower = text.to_lowercase();
        let leaks: Vec<&str> = lower
            .match_indices(CANARY)
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
    json!({ "request": asked.text(), "body": body, "headers": headers })
}

fn judge(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static, flags: &[&str]) -> Run {
    let stub = Stub::start(answer);
    let profile = file(&profile());
    let url = stub.url();
    let arguments =
        ["conformance", "--url", &url, "--profile", path(&profile), "--seed", "5", "--level", "may"];
    let run = countersign(&[&arguments[..], flags].concat());
    let sent = stub.asked();
    let heard = |secret: &str| sent.iter().any(|asked| asked.text().contains(secret));
    assert!(
        heard("canary-header-4711") && heard("canary-tenant-0815"),
        "the headers never reached the target"
    );
    assert!(heard("canary-plain-0123456789"), "the password never reached the target");
    run
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
