//! `SIGTERM` under the load of many connections that are kept open.

use super::ledger::Ledger;
use super::server::{Home, Server};
use super::wire::{Connection, Heard};
use super::{Rig, Trouble};
use rand::RngExt as _;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 100;
/// Of so many connections one logs in with a password that takes long to hash, so that something is under way at any time.
const SLOW_EVERY: usize = 12;
/// The server's grace for requests in progress, and what a busy machine may add.
const GRACE: Duration = Duration::from_secs(12);
/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Milliseconds under load before the signal.
const LOAD: std::ops::Range<u64> = 150..600;
const CUT: &str = "no answer is cut";
const TAKEN: &str = "every request sent before the signal is answered in full";
const GOOD: &str = "every answer is a good one";
const ENDS: &str = "the process ends within its grace of 10 s and 2 s more";
const ALL: &str = "every connection ends with the server";

/// Ends servers at moments drawn from chance, each under a hundred connections.
pub(super) fn run(rig: &Rig) -> Result<Ledger, Trouble> {
    let rounds = rig.count(20, 2);
    let mut ledger = Ledger::new(&[CUT, TAKEN, GOOD, ENDS, ALL]);
    // A hash takes some 50 ms and more on a busy machine, and all that are asked for may wait.
    let config = format!("[password]\nmemory_kib = 19456\npasses = 2\nlanes = 1\nqueue = {CONNECTIONS}\n");
    let home = Home::new(&rig.binary, &config)?;
    let mut chance = rig.chance(0);
    let (mut answers, mut closed, mut late, mut slowest) = (0, 0, 0, Duration::ZERO);
    for round in 0..rounds {
        let server = home.start()?;
        let after = Duration::from_millis(chance.random_range(LOAD));
        let Ended { heard, signal, took } = end_under_load(&server, after)?;
        slowest = slowest.max(took.unwrap_or(GRACE));
        ledger.judge(ENDS, took.is_some(), || format!("round {round}: still running after {GRACE:?}"));
        for one in heard {
            answers += one.good;
            ledger
                .judge(GOOD, one.odd.is_none(), || format!("round {round}: {}", one.odd.unwrap_or_default()));
            let Some((sent, last)) = one.last else {
                ledger.judge(ALL, false, || format!("round {round}: it was never ended"));
                continue;
            };
            ledger.judge(ALL, last != Heard::Hung, || format!("round {round}: no answer and no end"));
            ledger.judge(CUT, last != Heard::Cut, || format!("round {round}: cut"));
            let unheard = last == Heard::Closed;
            ledger.judge(TAKEN, !unheard || sent > signal, || {
                let before = signal.saturating_duration_since(sent);
                format!("round {round}: sent {before:?} before the signal, closed without a word")
            });
            closed += 1;
            late += usize::from(unheard);
        }
    }
    ledger.did(format!("{rounds} times SIGTERM under {CONNECTIONS} connections: {answers} answers, {closed} connections ended"));
    ledger.did(format!(
        "{late} requests sent after the signal found their connection closed, as HTTP allows; to be sent again"
    ));
    ledger.did(format!("slowest end {:.2} s after the signal", slowest.as_secs_f64()));
    Ok(ledger)
}

/// How a server ended.
struct Ended {
    heard: Vec<One>,
    signal: Instant,
    /// From the signal to the end of the process; none if it outlived its grace.
    took: Option<Duration>,
}

/// What one connection heard.
#[derive(Debug, Default)]
struct One {
    good: usize,
    odd: Option<String>,
    /// When its last request had gone out, and how it ended; none if it never did.
    last: Option<(Instant, Heard)>,
}

fn end_under_load(server: &Server, after: Duration) -> Result<Ended, String> {
    let address = server.url().trim_start_matches("http://");
    let address: SocketAddr = address.parse().map_err(|error| format!("{address} is no address: {error}"))?;
    let heard = Mutex::new(Vec::with_capacity(CONNECTIONS));
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let heard = &heard;
            scope.spawn(move || {
                let one = talk(address, number);
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            });
        }
        // Not waiting for anything: this is how long the load lasts.
        std::thread::sleep(after);
        let signal = Instant::now();
        server.terminate()?;
        let mut took = None;
        while took.is_none() && signal.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(5));
            took = (!server.runs()).then(|| signal.elapsed());
        }
        Ok((signal, took))
    })
    .map(|(signal, took)| Ended {
        heard: heard.into_inner().unwrap_or_else(PoisonError::into_inner),
        signal,
        took,
    })
}

/// Asks again and again on one connection until it ends.
fn talk(address: SocketAddr, number: usize) -> One {
    let mut one = One::default();
    let slow = number.is_multiple_of(SLOW_EVERY);
    let (request, good) = if slow {
        (post("/api/v1/user/login", r#"{"username":"nobody","password":"wrong"}"#), 401)
    } else {
        let body = format!(r#"{{"wallet_address":"0x{number:040x}"}}"#);
        (post("/login_random_secret", &body), 200)
    };
    let Ok(mut connection) = Connection::open(address, PATIENCE) else {
        // It came too late; a refused connection is fine.
        one.last = Some((Instant::now(), Heard::Refused));
        return one;
    };
    // The server ends it; the number only keeps a mistake from going on for ever.
    for _ in 0..1_000_000 {
        let (sent, heard) = connection.ask(request.as_bytes());
        match heard {
            Heard::Answer { status, closes } => {
                if status == good {
                    one.good += 1;
                } else {
                    one.odd = Some(format!("HTTP {status} for {good}"));
                }
                if closes {
                    one.last = Some((sent, heard));
                    break;
                }
            }
            ended => {
                one.last = Some((sent, ended));
                break;
            }
        }
    }
    one
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
