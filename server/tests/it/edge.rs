//! What outsiders send that no client would.

use super::support::{Server, Wallet, account, send};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Each scheme's login, and where its refusals keep their code.
const LOGINS: [(&str, &str); 5] = [
    ("/login", "/code"),
    ("/api/user_login/", "/code"),
    ("/api/v1/user/login", "/code"),
    ("/v1/login", "/code"),
    ("/v1/api/auth/login", "/result/code"),
];

fn in_envelope(body: &Value, pointer: &str) {
    let code = body.pointer(pointer).and_then(Value::as_i64);
    assert!(code.is_some_and(|code| code != 0 && code != 200), "{body}");
}

#[test]
fn what_is_no_strict_json_is_refused_in_every_envelope() {
    let server = Server::start();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let many = format!("{{{}}}", (0..5_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
    let digits = format!("{{\"username\":{}}}", "9".repeat(60_000));
    let bodies: [&[u8]; 19] = [
        b"",
        b"{",
        b"nonsense",
        b"{}x",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\xfe\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":1,\"a\":2}",
        b"{\"username\":\"x\",\"username\":\"y\",\"password\":\"z\"}",
        b"{\"a\":NaN}",
        b"{\"a\":1e999}",
        b"{/*c*/}",
        b"username=a&password=b",
        b"<xml/>",
        b"\0\0\0\0",
        deep.as_bytes(),
        many.as_bytes(),
        digits.as_bytes(),
    ];
    for (path, code) in LOGINS {
        for body in bodies {
            let answer = server.send("POST", path, &[("Content-Type", "application/json")], body);
            assert!([200, 400].contains(&answer.checked()), "{path} {answer:?}");
            in_envelope(&answer.json(), code);
        }
    }
}

#[test]
fn other_content_types_are_415_in_every_envelope() {
    let server = Server::start();
    for (path, code) in LOGINS {
        for headers in [
            vec![],
            vec![("Content-Type", "text/plain")],
            vec![("Content-Type", "application/x-www-form-urlencoded")],
            vec![("Content-Type", "application/json; charset=utf-16")],
            vec![("Content-Type", "application/json"), ("Content-Type", "text/plain")],
        ] {
            let answer = server.send("POST", path, &headers, b"{}");
            assert_eq!(answer.checked(), 415, "{path} {headers:?}");
            in_envelope(&answer.json(), code);
        }
        for content_type in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"]
        {
            let answer = server.send("POST", path, &[("Content-Type", content_type)], b"{}");
            assert_ne!(answer.checked(), 415, "{path} {content_type}");
        }
    }
}

#[test]
fn long_bodies_are_413_however_their_length_is_announced() {
    let server = Server::start();
    let long = vec![b'x'; 70_000];
    for (path, code) in LOGINS {
        let announced = server.send("POST", path, &[("Content-Type", "application/json")], &long);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let chunk = format!("{:x}\r\n", long.len());
        let bytes = [head.as_bytes(), chunk.as_bytes(), &long, b"\r\n0\r\n\r\n"].concat();
        let chunked = server.raw(&bytes).unwrap();
        for answer in [announced, chunked] {
            assert_eq!(answer.checked(), 413, "{path}");
            in_envelope(&answer.json(), code);
        }
    }
    let lie = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(server.raw(lie).unwrap().checked(), 413, "an announcement alone is refused at once");
}

#[test]
fn other_methods_are_405_with_allow_and_other_paths_are_404() {
    let server = Server::start();
    for (path, code) in LOGINS {
        for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let answer = server.send(method, path, &[], b"");
            assert_eq!(answer.checked(), 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
            in_envelope(&answer.json(), code);
        }
        assert_eq!(server.send("OPTIONS", path, &[], b"").status, 204);
        for other in [
            path.to_uppercase(),
            format!("{path}%00"),
            format!("/{path}"),
            format!("{path};x=1"),
            format!("{path}x/"),
            path.replacen('l', "%6c", 1),
        ] {
            assert_eq!(server.post(&other, &json!({})).checked(), 404, "{other}");
        }
    }
    assert_eq!(
        server.send("GET", "/api/user_login", &[], b"").checked(),
        404,
        "a path without its slash is another path"
    );
    assert_eq!(server.send("POST", "/refresh", &[], b"").checked(), 405);
    assert_eq!(server.send("GET", "/", &[], b"").checked(), 404);
}

#[test]
fn odd_requests_end_in_a_clean_refusal_or_a_closed_connection() {
    let server = Server::start();
    let requests: [&[u8]; 10] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"GET /refresh HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\0b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ];
    for request in requests {
        let answer = server.raw(request);
        assert!(answer.as_ref().is_none_or(|answer| answer.status < 500), "{answer:?}");
    }
    let huge =
        format!("GET /refresh HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", "x".repeat(200_000));
    assert!(server.raw(huge.as_bytes()).is_none_or(|answer| [400, 401, 431].contains(&answer.status)));
    assert_eq!(server.raw(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap().status, 400, "Host is not optional");
    assert_eq!(server.send("GET", "/healthz", &[], b"").checked(), 200, "and it still serves");
}

#[test]
fn dawdlers_are_cut_off_while_others_are_served() {
    let server = Server::start();
    let dawdle = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let mut silent: Vec<TcpStream> = [
        b"".as_slice(),
        b"P",
        b"PRI * HTTP/2",
        b"POST /login HTTP/1.1\r\nHo",
        b"POST /login HTTP/1.1\r\nHost: x\r\n",
    ]
    .map(dawdle)
    .into();
    assert_eq!(server.send("GET", "/healthz", &[], b"").checked(), 200);
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let timed_out = ended.is_err_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        });
        assert!(!timed_out, "a connection that says nothing must be closed");
    }
}

#[test]
fn authorization_of_any_shape_is_401_or_works() {
    let server = Server::start();
    let long = "x".repeat(20_000);
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer  a",
        "Basic YTpi",
        "Digest x",
        "Bearer a,Bearer b",
        "Bearer a b",
        ",",
        long.as_str(),
    ] {
        for path in ["/refresh", "/v1/refresh_token", "/api/v1/user/info"] {
            assert_eq!(
                server.send("GET", path, &[("Authorization", value)], b"").checked(),
                401,
                "{value:.20} {path}"
            );
        }
    }
    let twice = [("Authorization", "Bearer a"), ("Authorization", "Bearer a")];
    assert_eq!(server.send("GET", "/refresh", &twice, b"").checked(), 401);
    assert_eq!(server.send("GET", "/refresh", &[("Athorization", "Bearer a")], b"").checked(), 401);
    assert_eq!(server.send("GET", "/refresh?access_token=a", &[], b"").checked(), 401);
}

#[test]
fn tokens_of_one_scheme_are_good_for_no_other() {
    let server = Server::start();
    let mut tokens: Vec<(&str, String)> = Vec::new();
    for (scheme, path, name, password, pointers) in [
        (
            "ethgas",
            "/api/v1/user/login",
            "username",
            "password",
            vec!["/data/accessToken", "/data/refreshToken"],
        ),
        ("nftrainbow", "/v1/login", "app_id", "app_secret", vec!["/token"]),
        (
            "cbs",
            "/v1/api/auth/login",
            "user",
            "password",
            vec!["/result/access_token", "/result/refresh_token"],
        ),
    ] {
        let (account, secret) = account(scheme);
        let answer = server.post(path, &json!({ name: account, password: secret }));
        tokens.extend(pointers.iter().map(|pointer| (scheme, answer.text(pointer))));
    }
    let wallet = Wallet::new(1);
    let secret =
        server.post("/login_random_secret", &json!({ "wallet_address": wallet.address })).text("/data");
    let body = json!({ "login_random_secret": secret, "signature": wallet.sign(secret.as_bytes()), "wallet_address": wallet.address });
    tokens.push(("swapchat", server.post("/login", &body).text("/data/access_token")));
    for (scheme, token) in &tokens {
        for (owner, answer) in [
            ("swapchat", server.get("/refresh", token)),
            ("nftrainbow", server.get("/v1/refresh_token", token)),
            ("ethgas", server.get("/api/v1/user/info", token)),
            ("ethgas", server.post_bearer("/api/v1/user/login/refresh", token)),
            ("cbs", server.post("/v1/api/auth/refresh", &json!({ "refresh_token": token }))),
        ] {
            if owner != *scheme {
                assert_eq!(answer.checked(), 401, "a token of {scheme} at {owner}");
            }
        }
    }
}

#[test]
fn documents_and_health_are_served() {
    let server = Server::start();
    assert_eq!(server.send("GET", "/healthz", &[], b"").json(), json!({ "status": "ok" }));
    for scheme in countersign_spec::Spec::embedded().schemes() {
        let document = server.send("GET", &format!("/openapi/{}.json", scheme.id), &[], b"").json();
        assert_eq!(document, countersign_spec::openapi::document(scheme));
        for operation in &scheme.operations {
            let path = document["paths"].get(&operation.path);
            assert!(path.is_some(), "{} lacks {}", scheme.id, operation.path);
        }
    }
    assert_eq!(server.send("GET", "/openapi/none.json", &[], b"").checked(), 404);
    assert_eq!(server.send("POST", "/healthz", &[], b"").checked(), 405);
}

#[test]
fn the_clock_moves_and_everything_is_forgotten_on_demand() {
    let server = Server::start();
    let (username, password) = account("ethgas");
    let log_in = || server.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
    let access = log_in().text("/data/accessToken");
    let before = server.post("/__clock", &json!({ "advance_seconds": 0 })).json()["now"].as_u64().unwrap();
    let after = server.post("/__clock", &json!({ "advance_seconds": 3_600 })).json()["now"].as_u64().unwrap();
    assert!(after >= before + 3_600);
    assert_eq!(server.get("/api/v1/user/info", &access).checked(), 401);
    let fresh = log_in().text("/data/accessToken");
    assert_eq!(server.send("POST", "/__reset", &[], b"").checked(), 200);
    assert_eq!(server.get("/api/v1/user/info", &fresh).checked(), 401, "sessions are forgotten");
    assert_eq!(log_in().checked(), 200, "accounts are there again");
    for body in [
        json!({}),
        json!({ "advance_seconds": -1 }),
        json!({ "advance_seconds": "1" }),
        json!({ "advance_seconds": u64::MAX }),
    ] {
        assert_eq!(server.post("/__clock", &body).checked(), 400);
    }
    assert_eq!(server.send("GET", "/__clock", &[], b"").checked(), 405);
}

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..3 {
        stream.write_all(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        let mut part = [0; 4096];
        let read = stream.read(&mut part).unwrap();
        assert!(part[..read].starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&part[..read]));
    }
    assert_eq!(send(server.address, "GET", "/healthz", &[], b"").checked(), 200);
}
