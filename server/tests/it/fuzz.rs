//! Every parser that faces the network, under bytes that nobody would send: no crash, no hang, no answer of a failure, and a
//! server that goes on.
//!
//! The bytes are the same in every run. `COUNTERSIGN_FUZZ_CASES` asks for more of them than the usual few hundred.

use super::support::{Server, account, raw, send};
use countersign_spec::{Auth, Operation, Place, Role, Spec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};

/// Cases of each parser.
fn cases() -> u32 {
    std::env::var("COUNTERSIGN_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

fn fuzz<T: std::fmt::Debug>(input: &impl Strategy<Value = T>, each: impl Fn(T) -> Result<(), String>) {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let ran = runner.run(input, |value| each(value).map_err(TestCaseError::fail));
    ran.unwrap_or_else(|error| panic!("{error}"));
}

fn operations() -> Vec<&'static Operation> {
    Spec::embedded().schemes().iter().flat_map(|scheme| &scheme.operations).collect()
}

/// Bodies that once were right: an example of the specification, for as long as nothing is changed in it.
fn bodies() -> Vec<(String, Vec<u8>)> {
    let examples = Spec::embedded().schemes().iter().flat_map(|scheme| {
        scheme.examples.iter().filter_map(|example| {
            let operation = scheme.operations.iter().find(|known| known.name == example.operation)?;
            let body = example.request.body.as_ref()?;
            Some((operation.path.clone(), body.to_string().into_bytes()))
        })
    });
    examples.collect()
}

/// What happens to bytes on a bad day.
#[derive(Debug, Clone)]
enum Damage {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, usize),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    // Bytes that mean something to the parsers of JSON, HTTP, Base64 and hex.
    let tokens = prop::sample::select(vec![
        &b"\""[..],
        b"\\u0000",
        b"\\ud800",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"null",
        b"1e999",
        b"-0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\0",
        b"\r\n",
        b"%00",
        b"=",
        b".",
        b"0x",
    ]);
    let one = prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (any::<prop::sample::Index>(), tokens).prop_map(|(at, bytes)| Damage::Insert(at, bytes.to_vec())),
        (any::<prop::sample::Index>(), 2..200_usize).prop_map(|(at, times)| Damage::Repeat(at, times)),
    ];
    prop::collection::vec(one, 1..5)
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Damage::Insert(at, inserted) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, inserted.iter().copied());
            }
            Damage::Repeat(at, times) => {
                let at = at.index(bytes.len());
                let repeated = vec![bytes[at]; *times];
                bytes.splice(at..at, repeated);
            }
        }
    }
    bytes
}

/// An answer to whatever was sent must not be that of a server that failed.
fn holds(status: u16, said: &[u8]) -> Result<(), String> {
    if status < 500 || status == 501 || status == 505 {
        return Ok(());
    }
    Err(format!("HTTP {status}: {}", String::from_utf8_lossy(said)))
}

#[test]
fn bodies_of_any_bytes_are_refused_in_good_order() {
    let (server, operations) = (Server::start(), operations());
    let kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-16",
    ];
    let input = (
        prop::sample::select(operations),
        prop::sample::select(kinds.to_vec()),
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            ".{0,100}".prop_map(String::into_bytes),
            nested().prop_map(|value| value.to_string().into_bytes()),
        ],
    );
    fuzz(&input, |(operation, kind, body)| {
        let answer = server.send(&operation.method, &operation.path, &[("Content-Type", kind)], &body);
        holds(answer.status, &answer.body)?;
        serde_json::from_slice::<Value>(&answer.body).map(drop).map_err(|error| format!("no JSON: {error}"))
    });
    still_serves(&server);
}

/// JSON of any shape.
fn nested() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let names = prop::sample::select(vec![
            "userid",
            "username",
            "user",
            "password",
            "app_id",
            "signature",
            "timestamp",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn right_bodies_with_damage_are_judged_in_good_order() {
    let (server, bodies) = (Server::start(), bodies());
    let input = (prop::sample::select(bodies), damage());
    fuzz(&input, |((path, body), damages)| {
        let body = damaged(body, &damages);
        let answer = server.send("POST", &path, &[("Content-Type", "application/json")], &body);
        holds(answer.status, &answer.body)
    });
    still_serves(&server);
}

#[test]
fn tokens_with_damage_are_never_good() {
    let server = Server::start();
    let (username, password) = account("ethgas");
    let session = server.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
    let token = session.text("/data/accessToken");
    assert_eq!(server.get("/api/v1/user/info", &token).status, 200);
    fuzz(&damage(), |damages| {
        let bytes = damaged(token.clone().into_bytes(), &damages);
        let text = String::from_utf8_lossy(&bytes).replace(['\r', '\n', '\0'], "");
        if text.trim() == token {
            return Ok(());
        }
        let answer = server.get("/api/v1/user/info", &text);
        holds(answer.status, &answer.body)?;
        if answer.status == 200 { Err(format!("`{text}` is good")) } else { Ok(()) }
    });
    still_serves(&server);
}

#[test]
fn odd_headers_and_queries_are_answered() {
    let (server, operations) = (Server::start(), operations());
    let value = "[ -~]{0,120}";
    let input = (prop::sample::select(operations), value, value, "[!-~]{0,120}");
    fuzz(&input, |(operation, authorization, forwarded, query)| {
        let mut names = operation.request.fields.iter().filter_map(|field| match (&field.at, field.role) {
            (Place::Query(name), Role::Identifier | Role::Signature | Role::Timestamp) => Some(name.as_str()),
            _ => None,
        });
        let query = match (names.next(), operation.auth) {
            (Some(name), Auth::Signed) => format!("{name}={query}"),
            _ => query,
        };
        let path = format!("{}?{}", operation.path, query.replace([' ', '#'], ""));
        let headers = [
            ("Authorization", authorization.as_str()),
            ("X-Forwarded-For", &forwarded),
            ("X-Request-Id", &forwarded),
            ("Content-Type", "application/json"),
        ];
        let answer = server.send(&operation.method, &path, &headers, b"{}");
        holds(answer.status, &answer.body)
    });
    still_serves(&server);
}

#[test]
fn connections_of_any_bytes_harm_nobody() {
    let server = Server::start();
    let (username, password) = account("ethgas");
    let body = json!({ "username": username, "password": password }).to_string();
    let good = format!(
        "POST /api/v1/user/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let input = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 1..200),
        4 => damage().prop_map(move |damages| damaged(good.clone().into_bytes(), &damages)),
    ];
    let bytes = std::cell::RefCell::new(Vec::new());
    // Drawn first and sent together: whoever leaves a head unfinished waits for the server's patience to end.
    fuzz(&input, |drawn| {
        bytes.borrow_mut().push(drawn);
        Ok(())
    });
    let address = server.address;
    for group in bytes.into_inner().chunks(64) {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let callers: Vec<_> =
                group.iter().map(|bytes| scope.spawn(move || raw(address, bytes))).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        for (bytes, answer) in group.iter().zip(answers) {
            if let Some(answer) = answer {
                holds(answer.status, &answer.body)
                    .unwrap_or_else(|problem| panic!("{problem} to {:?}", String::from_utf8_lossy(bytes)));
            }
        }
    }
    still_serves(&server);
}

fn still_serves(server: &Server) {
    let (username, password) = account("ethgas");
    let body = json!({ "username": username, "password": password }).to_string();
    let answer = send(
        server.address,
        "POST",
        "/api/v1/user/login",
        &[("Content-Type", "application/json")],
        body.as_bytes(),
    );
    assert_eq!(answer.status, 200, "the server no longer logs in: {answer:?}");
}
