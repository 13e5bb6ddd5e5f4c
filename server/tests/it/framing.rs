//! Requests whose end two servers could see in two places, byte by byte on a socket.

use super::support::{Server, account};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Everything a server says until it closes.
fn converse(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that has heard enough may close while we write; what it said counts.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
    String::from_utf8(said).unwrap()
}

fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[test]
fn what_could_hide_a_second_request_ends_the_connection_with_400() {
    let server = Server::start();
    let (username, password) = account("ethgas");
    let body = json!({ "username": username, "password": password }).to_string();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = |lines: &str, body: &str| {
        format!(
            "POST /api/v1/user/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}\r\n\r\n{body}{hidden}"
        )
    };
    let good = post(&format!("Content-Length: {length}"), &body)
        .replace("GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nConnection: close\r\n");
    assert_eq!(statuses(&converse(&server, good.as_bytes())), ["200", "200"], "in form, both are answered");
    let good = post("Transfer-Encoding: chunked", &chunked)
        .replace("GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nConnection: close\r\n");
    assert_eq!(statuses(&converse(&server, good.as_bytes())), ["200", "200"]);
    let heads = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\nContent-Length: 0"),
        format!("Content-Length: {length}\r\nContent-Length: {length}"),
        format!("Content-Length: {length}, {length}"),
        format!("Content-Length: +{length}"),
        format!("Content-Length : {length}"),
        format!("Content-Length: {length}\nX: y"),
        format!("Content-Length: {length}\r\n X: folded"),
        "Transfer-Encoding: gzip, chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        "X: y\rContent-Length: 5".to_owned(),
    ];
    for head in heads {
        let body = if head.contains("hunked") { &chunked } else { &body };
        let said = converse(&server, post(&head, body).as_bytes());
        assert_eq!(statuses(&said), ["400"], "{head:?}: {said}");
    }
    let old = format!(
        "POST /api/v1/user/login HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n{chunked}{hidden}"
    );
    assert_eq!(statuses(&converse(&server, old.as_bytes())), ["400"]);
}

#[test]
fn what_was_asked_before_a_bad_head_is_answered_first() {
    let server = Server::start();
    let good = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let said =
        converse(&server, format!("{good}{good}GET /healthz HTTP/1.1\nHost: x\r\n\r\n{good}").as_bytes());
    assert_eq!(statuses(&said), ["200", "200", "400"], "{said}");
}

#[test]
fn chunks_out_of_form_are_400_in_the_envelope_and_end_the_connection() {
    let server = Server::start();
    let head = "POST /api/v1/user/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let many = "1;x=0123456789\r\n \r\n".repeat(200);
    for body in [
        format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(5_000)),
        format!("{many}0\r\n\r\n"),
        "2\n{}\r\n0\r\n\r\n".to_owned(),
        "2\r\n{}}\r\n0\r\n\r\n".to_owned(),
        "+2\r\n{}\r\n0\r\n\r\n".to_owned(),
        "2 \r\n{}\r\n0\r\n\r\n".to_owned(),
        format!("2\r\n{{}}\r\n0\r\nX: {}\r\n\r\n", "y".repeat(5_000)),
    ] {
        let said =
            converse(&server, format!("{head}{body}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!(statuses(&said), ["400"], "{body:?}: {said}");
        assert!(said.contains("\"code\":400"), "{said}");
    }
}

#[test]
fn a_host_is_there_once_and_is_one() {
    let server = Server::start();
    let ask = |lines: &str, version: &str| {
        let said = converse(
            &server,
            format!("GET /healthz HTTP/{version}\r\n{lines}Connection: close\r\n\r\n").as_bytes(),
        );
        said.lines().next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for good in ["Host: x\r\n", "Host: 127.0.0.1:80\r\n", "Host: [::1]\r\n", "Host:\r\n"] {
        assert_eq!(ask(good, "1.1"), "200", "{good:?}");
    }
    assert_eq!(ask("", "1.0"), "200");
    for bad in [
        "",
        "Host: x\r\nHost: x\r\n",
        "Host: x\r\nHost: y\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\n",
        "Host: u@x\r\n",
        "Host: x/y\r\n",
    ] {
        assert_eq!(ask(bad, "1.1"), "400", "{bad:?}");
    }
    assert_eq!(ask("Host: x\r\nHost: y\r\n", "1.0"), "400");
}
