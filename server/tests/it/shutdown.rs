//! The end of the program: who was told yes was served, and nobody waits for ever.

use super::operators::{World, ask, signal, wait_for};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 100;

/// How the answers to one client went.
#[derive(Debug, Default)]
struct Told {
    whole: usize,
    /// An answer that began and broke off.
    broken: usize,
}

/// Asks for challenges over one connection until that ends.
fn client(address: SocketAddr, asked: &AtomicUsize) -> Told {
    let body = json!({ "wallet_address": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23" }).to_string();
    let request = format!(
        "POST /login_random_secret HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut told = Told::default();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    while stream.write_all(request.as_bytes()).is_ok() {
        let mut received = Vec::new();
        let mut part = [0; 4096];
        let whole = loop {
            match stream.read(&mut part) {
                Ok(0) | Err(_) => break false,
                Ok(read) => received.extend_from_slice(&part[..read]),
            }
            if is_whole(&received) {
                break true;
            }
        };
        if !whole {
            told.broken += usize::from(!received.is_empty());
            return told;
        }
        assert!(received.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&received));
        told.whole += 1;
        asked.fetch_add(1, Ordering::Relaxed);
    }
    told
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

#[test]
fn a_stop_under_load_loses_no_request_that_was_taken() {
    let world =
        World::new("[admin]\nlisten = \"127.0.0.1:0\"\ndrain_seconds = 1\n[http]\ngrace_seconds = 60\n");
    let mut program = world.start();
    let (address, operators) = (program.address, program.operators());
    let asked = AtomicUsize::new(0);
    let told = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| client(address, &asked))).collect();
        let begun = Instant::now();
        while asked.load(Ordering::Relaxed) < 5 * CLIENTS {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
        assert_eq!(ask(operators, "/readyz").status, 200);
        signal(&program, "-TERM");
        let stopping = wait_for(operators, "/readyz", |answer| answer.status == 503);
        assert_eq!(stopping.json(), json!({ "status": "stopping" }));
        let body = json!({ "wallet_address": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23" });
        assert_eq!(
            program.post("/login_random_secret", &body).checked(),
            200,
            "still served, so balancers notice"
        );
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let (whole, broken) = told.iter().fold((0, 0), |(w, b), one| (w + one.whole, b + one.broken));
    let audit = world.audit("audit.jsonl");
    let served = audit.iter().filter(|line| line["event"] == "challenge").count();
    // The server's own count, of requests it took, is that of answers the clients have in hand.
    assert_eq!((served, broken), (whole + 1, 0), "and {CLIENTS} clients");
    assert_ne!(audit.last().unwrap()["event"], "lost");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_second_signal_ends_at_once() {
    let world = World::new("[admin]\nlisten = \"127.0.0.1:0\"\ndrain_seconds = 3600\n");
    let mut program = world.start();
    let operators = program.operators();
    signal(&program, "-TERM");
    wait_for(operators, "/readyz", |answer| answer.status == 503);
    assert!(program.child.try_wait().unwrap().is_none());
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let events = world.audit("audit.jsonl");
    assert_eq!(events.last().unwrap()["event"], "stop", "what was told is written all the same");
}

#[test]
fn a_request_that_never_ends_is_waited_for_only_so_long() {
    let world = World::new("[http]\ngrace_seconds = 1\nbody_seconds = 600\n");
    let mut program = world.start();
    let mut stream = TcpStream::connect(program.address).unwrap();
    let head = "POST /login_random_secret HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100", "it was taken");
    let begun = Instant::now();
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(60));
}
