//! No secret is in anything the program writes, whatever is logged and whatever is sent.

use super::http2::{frame, next, opening};
use super::operators::ask;
use super::process::{Program, command};
use super::support::{Wallet, account, hex, send, unhex};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// What must not be found, each with how people would call it.
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn plant(&mut self, what: &'static str, text: &str) -> String {
        assert!(text.len() >= 8, "{what} is too short to be looked for");
        self.0.push((what, text.to_owned()));
        text.to_owned()
    }

    /// Looks in a text for each canary: as it is, and as other writings that logs have.
    fn check(&self, place: &str, text: &str) {
        for (what, canary) in &self.0 {
            let bytes = format!("{:?}", canary.as_bytes());
            let writings = [canary.clone(), canary.escape_debug().to_string(), hex(canary.as_bytes()), bytes];
            for writing in writings {
                let found = text.find(&writing).map(|at| {
                    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
                    text[start..].lines().next().unwrap_or_default()
                });
                assert_eq!(found, None, "{what} is in {place}");
            }
        }
    }
}

/// Sends everything that a login can consist of, right and wrong, and plants what is secret in it.
fn exercise(program: &Program, canaries: &mut Canaries) {
    password_schemes(program, canaries);
    wallet_schemes(program, canaries);
    malformed(program, canaries);
    over_http2(program, canaries);
}

fn password_schemes(program: &Program, canaries: &mut Canaries) {
    for (scheme, name, secret, path, token, refresh) in [
        ("ethgas", "username", "password", "/api/v1/user/login", "/data/accessToken", "/data/refreshToken"),
        ("cbs", "user", "password", "/v1/api/auth/login", "/result/access_token", "/result/refresh_token"),
        ("nftrainbow", "app_id", "app_secret", "/v1/login", "/token", "/token"),
    ] {
        let (user, password) = account(scheme);
        let wrong = canaries.plant("a wrong password", &format!("canary-wrong-{scheme}"));
        canaries.plant("a password", &password);
        assert!(program.post(path, &json!({ name: user, secret: wrong })).json().is_object());
        assert!(program.post(path, &json!({ name: user, secret: "", "canary": wrong })).json().is_object());
        let good = program.post(path, &json!({ name: user, secret: password }));
        assert_eq!(good.checked(), 200);
        let access = canaries.plant("an access token", &good.text(token));
        let refreshes = canaries.plant("a refresh token", &good.text(refresh));
        for part in access.split('.').chain(refreshes.split('.')).skip(1) {
            canaries.plant("a part of a token", part);
        }
        let bearer = format!("Bearer {access}");
        for path in ["/api/v1/user/login/refresh", "/v1/api/auth/refresh"] {
            for _ in 0..3 {
                let body = json!({ "refreshToken": refreshes, "refresh_token": refreshes });
                let answer = program.post(path, &body).json();
                for at in ["/data/refreshToken", "/data/accessToken", "/result/refresh_token"] {
                    if let Some(token) = answer.pointer(at).and_then(Value::as_str) {
                        canaries.plant("a renewed token", token);
                    }
                }
            }
        }
        for _ in 0..2 {
            for (method, path) in [
                ("GET", "/api/v1/user/login/verify"),
                ("GET", "/api/v1/user/info"),
                ("POST", "/api/v1/user/logout"),
                ("GET", "/v1/refresh_token"),
            ] {
                send(program.address, method, path, &[("Authorization", &bearer)], b"");
            }
        }
    }
}

fn wallet_schemes(program: &Program, canaries: &mut Canaries) {
    let key = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
    let wallet = Wallet::of(&unhex(&canaries.plant("a wallet's key", key)));
    for wrong in [false, true, false] {
        let asked = program.post("/login_random_secret", &json!({ "wallet_address": wallet.address }));
        let secret = canaries.plant("a challenge", &asked.text("/data"));
        let signed = if wrong { "canary" } else { &secret };
        let signature = canaries.plant("a signature", &wallet.sign(signed.as_bytes()));
        let body = json!({
            "login_random_secret": secret, "signature": signature, "wallet_address": wallet.address,
        });
        let answer = program.post("/login", &body);
        if let Some(token) = answer.json().pointer("/data/access_token").and_then(Value::as_str) {
            let bearer = format!("Bearer {}", canaries.plant("a wallet's token", token));
            send(program.address, "GET", "/refresh", &[("Authorization", &bearer)], b"");
        }
    }
    let signature = canaries.plant("a signature", &wallet.sign(b"canary of web3mq"));
    let body = json!({
        "userid": "user:canary", "did_type": "eth", "did_value": wallet.address, "did_signature": signature,
        "signature_content": "x", "pubkey_type": "ed25519", "pubkey_value": "00", "timestamp": 1,
        "testnet_access_key": canaries.plant("an access key", "canary-of-an-access-key"),
    });
    program.post("/api/user_login/", &body);
}

fn malformed(program: &Program, canaries: &mut Canaries) {
    let secret = canaries.plant("a broken body", "canary-of-a-broken-body");
    let token = canaries.plant("a broken token", "canary-of-a-broken-token");
    let cookie = canaries.plant("a cookie", "canary-of-a-cookie");
    let path = "/api/v1/user/login";
    for body in [
        format!("{{\"password\":\"{secret}\""),
        format!("{{\"username\":\"a\",\"password\":\"{secret}\",\"password\":\"{secret}\"}}"),
        format!("{{\"username\":{{\"{secret}\":1}},\"password\":[\"{secret}\"]}}"),
        format!("password={secret}"),
        format!("{{\"username\":\"a\\ud800\",\"password\":\"{secret}\"}}"),
    ] {
        for kind in ["application/json", "application/x-www-form-urlencoded"] {
            let headers = [("Content-Type", kind), ("Cookie", cookie.as_str())];
            send(program.address, "POST", path, &headers, body.as_bytes());
        }
    }
    for value in [
        token.clone(),
        format!("Bearer {token}"),
        format!("Basic {token}"),
        format!("Bearer {token}.{token}.{token}"),
        format!("Bearer {token}, Bearer {token}"),
    ] {
        for path in ["/api/v1/user/info", "/refresh", "/v1/refresh_token"] {
            send(program.address, "GET", path, &[("Authorization", &value)], b"");
            send(program.address, "GET", &format!("{path}?token={token}&access_token={token}"), &[], b"");
        }
    }
    send(program.address, "GET", &format!("/{token}"), &[], b"");
    for raw in [
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\nAuthorization: Bearer {token}\r\n\r\n{secret}"
        ),
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: {token}\r\n\r\nzz\r\n{secret}"
        ),
        format!("{token} {token} {token}\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(program.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
}

/// The same over HTTP/2, whose library logs frames.
fn over_http2(program: &Program, canaries: &mut Canaries) {
    let token = canaries.plant("a token over HTTP/2", "canary-of-a-token-over-http2");
    let password = canaries.plant("a password over HTTP/2", "canary-of-a-password-over-http2");
    let bearer = format!("Bearer {token}");
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend_from_slice(text.as_bytes());
    };
    // POST, http; then :path, :authority, content-type and authorization as literals.
    let mut block = vec![0x83, 0x86, 0x04];
    text(&mut block, "/api/v1/user/login");
    block.push(0x01);
    text(&mut block, "localhost");
    block.extend([0x0f, 0x10]);
    text(&mut block, "application/json");
    block.extend([0x0f, 0x08]);
    text(&mut block, &bearer);
    let body = json!({ "username": "nobody", "password": password }).to_string();
    let bytes = [opening(), frame(1, 4, 1, &block), frame(0, 1, 1, body.as_bytes())].concat();
    let mut stream = TcpStream::connect(program.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&bytes).unwrap();
    let answered = (0..100).map_while(|_| next(&mut stream)).any(|(kind, id, _)| (kind, id) == (0, 1));
    assert!(answered, "it was understood");
}

/// Everything in a file of keys that could be one: long texts, but for their public names.
fn key_material(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| key_material(value, name, found)),
        Value::Array(values) => values.iter().for_each(|value| key_material(value, name, found)),
        Value::String(text) if text.len() >= 32 && name != "kid" => found.push(text.clone()),
        _ => {}
    }
}

fn run(format: &str, with_secret: bool) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut canaries = Canaries(Vec::new());
    let accounts = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/accounts.toml");
    let url = canaries.plant("the store's password", "canary-of-the-store");
    let access = canaries.plant("the operator's key", "canary-of-the-operator");
    let secret = canaries.plant("the signing secret", "canary-of-the-signing-secret-which-is-long");
    let token = if with_secret { format!("[token]\nsecret = {secret:?}\n") } else { String::new() };
    let text = format!(
        "listen = \"127.0.0.1:0\"\naccounts = {accounts:?}\n{token}[store]\ndata_dir = {:?}\nurl = \"redis://:{url}@127.0.0.1:1\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[audit]\nfile = {:?}\n[log]\nformat = {format:?}\n[limits]\nclient_per_second = 0\n\
         [scheme.web3mq]\ntestnet_access_key = {access:?}\n",
        at("data"),
        at("audit.jsonl"),
    );
    std::fs::write(at("c.toml"), text).unwrap();
    let log = File::create(at("stderr")).unwrap();
    let mut program = Program::tracing(&["--config", &at("c.toml")], log);
    exercise(&program, &mut canaries);
    let figures = String::from_utf8(ask(program.operators(), "/metrics").body).unwrap();
    let process = program.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    assert_eq!(program.child.wait().unwrap().code(), Some(0));

    if !with_secret {
        let keys = std::fs::read_to_string(Path::new(&at("data")).join("keys.json")).unwrap();
        let mut found = Vec::new();
        key_material(&serde_json::from_str(&keys).unwrap(), "", &mut found);
        assert!(found.len() >= 2, "a key that signs and the next");
        for key in found {
            canaries.plant("a signing key", &key);
        }
    }
    let log = std::fs::read_to_string(at("stderr")).unwrap();
    assert!(log.contains("TRACE") || log.contains("\"level\":\"TRACE\""), "everything was logged");
    assert!(log.contains("refusal") && log.contains("h2::"), "ours and libraries'");
    if format == "json" {
        assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "one object a line");
    }
    let audit = std::fs::read_to_string(at("audit.jsonl")).unwrap();
    assert!(audit.lines().count() > 50);
    assert!(canaries.0.len() > 40);
    canaries.check("standard error", &log);
    canaries.check("the audit file", &audit);
    canaries.check("the metrics", &figures);
    canaries.check("standard output", &program.printed().join("\n"));
    let shown = command(&["check-config", "--config", &at("c.toml")]).output().unwrap();
    canaries.check("check-config", &String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()));
}

#[test]
fn no_secret_is_in_what_is_logged_as_text() {
    run("text", false);
}

#[test]
fn no_secret_is_in_what_is_logged_as_json() {
    run("json", true);
}

#[test]
fn no_secret_is_in_the_complaints_of_a_start_that_fails() {
    let mut canaries = Canaries(Vec::new());
    let canary = canaries.plant("a secret", "canary-of-a-start");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml").display().to_string();
    let url = format!("redis://:{canary}@127.0.0.1:1/no/such");
    for text in [
        format!("[token]\nsecret = {canary:?}\n"),
        format!("[token]\nring_secret = {canary:?}\n"),
        format!("[token]\nsecret = {canary:?}\nalgorithm = \"ES256\"\n"),
        format!("[store]\nkind = \"redis\"\nurl = {url:?}\n"),
        format!("[store]\nkind = \"postgres\"\nurl = {url:?}\n"),
        format!(
            "[store]\nkind = \"postgres\"\nurl = \"postgres://u:{canary}@127.0.0.1:1/x\"\nanswer_seconds = 1\n"
        ),
        format!("[token]\nsecret = [{canary:?}]\n"),
        format!("[token]\nsecret = {{ a = {canary:?} }}\n"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let data = folder.path().join("data").display().to_string();
        let output = command(&["--listen", "127.0.0.1:0", "--data-dir", &data, "--config", &file])
            .env("COUNTERSIGN_LOG", "trace")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        canaries.check(&text, &String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    }
}

#[test]
fn a_canary_is_found_in_each_writing_and_else_nothing_is() {
    let mut canaries = Canaries(Vec::new());
    let canary = canaries.plant("it", "canary\"quoted");
    canaries.check("a text without", "nothing of the kind");
    for text in
        [canary.clone(), format!("{canary:?}"), hex(canary.as_bytes()), format!("{:?}", canary.as_bytes())]
    {
        let found = std::panic::catch_unwind(|| canaries.check("a text", &format!("line\nx{text}y\n")));
        assert!(found.is_err(), "{text}");
    }
}
