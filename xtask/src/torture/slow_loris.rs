//! Thousands of connections that send a byte now and then, while others log in.

use super::caller::{Caller, Told};
use super::ledger::Ledger;
use super::quantile::Latencies;
use super::server::Home;
use super::{Rig, Trouble};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// What the server is told to wait for a head.
const HEAD: Duration = Duration::from_secs(4);
/// What it may take beyond that, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);
/// Between the bytes of one dawdler.
const EVERY: Duration = Duration::from_millis(500);
/// Logins in a row to measure latency with, before.
const LOGINS: usize = 60;

const LOGINS_GO_ON: &str = "logins go on while thousands dawdle";
const DROPPED: &str = "every dawdler is dropped within the head time-out of 4 s and 3 s more";
const AFTER: &str = "afterwards logins work";

/// What dawdlers have to say, a byte at a time: nothing, two kinds of request, and the opening of HTTP/2.
const SAYINGS: [&[u8]; 4] = [
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
    b"POST /login HTTP/1.1\r\nHost: a\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
];

/// Logs in without and with the crowd, and waits until all of it was dropped.
pub(super) fn run(rig: &Rig) -> Result<Ledger, Trouble> {
    let wanted = rig.count(2_000, 300);
    let mut ledger = Ledger::new(&[LOGINS_GO_ON, DROPPED, AFTER]);
    let home = Home::new(&rig.binary, &format!("[http]\nhead_seconds = {}\n", HEAD.as_secs()))?;
    let server = home.start()?;
    let caller = Caller::new(server.url(), PATIENCE)?;
    let mut before = Latencies::default();
    for _ in 0..LOGINS {
        log_in(&caller, &mut before, &mut ledger);
    }

    let address = server.url().trim_start_matches("http://");
    let address: SocketAddr = address.parse().map_err(|error| format!("{address} is no address: {error}"))?;
    let over = AtomicBool::new(false);
    let (send_open, open) = mpsc::channel();
    let (crowd, during, seen) = std::thread::scope(|scope| {
        let crowd = scope.spawn(|| {
            let crowd = dawdle(address, wanted, &send_open);
            over.store(true, Ordering::SeqCst);
            crowd
        });
        let (mut during, mut seen) = (Latencies::default(), Ledger::new(&[]));
        // Only logins among the whole crowd count.
        let _ = open.recv_timeout(PATIENCE);
        // The dawdlers end by themselves; the number only keeps a mistake from going on for ever.
        for _ in 0..100_000 {
            if over.load(Ordering::SeqCst) {
                break;
            }
            log_in(&caller, &mut during, &mut seen);
        }
        (crowd.join(), during, seen)
    });
    let crowd = crowd.map_err(|_| "the dawdlers' thread failed".to_owned())?;
    ledger.add(seen);
    for age in &crowd.dropped {
        ledger.judge(DROPPED, *age <= HEAD + SLACK, || format!("still open after {age:?}"));
    }
    ledger.judge(DROPPED, crowd.kept == 0, || format!("{} were still open after {LIMIT:?}", crowd.kept));
    let told = caller.log_in_everywhere();
    ledger.judge(AFTER, told == Told::Done(()), || told.word());
    ledger.did(format!("{} of {wanted} connections dawdled{}", crowd.opened, crowd.why_not));
    ledger.did(format!("logins before: {before}; during: {during}"));
    let oldest = crowd.dropped.iter().max().copied().unwrap_or_default();
    ledger.did(format!("no dawdler was seen open after more than {:.1} s", oldest.as_secs_f64()));
    Ok(ledger)
}

fn log_in(caller: &Caller, latencies: &mut Latencies, ledger: &mut Ledger) {
    let begun = Instant::now();
    let told = caller.log_in_known();
    latencies.push(begun.elapsed());
    ledger.judge(LOGINS_GO_ON, matches!(told, Told::Done(_)), || told.word());
}

/// What became of the dawdlers.
#[derive(Debug, Default)]
struct Crowd {
    opened: usize,
    /// Why there are not more, for people; empty if there are as many as wanted.
    why_not: String,
    /// How old each was when it was last seen open, for those that were dropped.
    dropped: Vec<Duration>,
    /// Those the server never dropped.
    kept: usize,
}

/// After this nobody waits for a dawdler to be dropped.
const LIMIT: Duration = Duration::from_secs(20);

/// One thread drives them all: a byte each in turn, and a look at whether it was dropped.
fn dawdle(address: SocketAddr, wanted: usize, open: &mpsc::Sender<()>) -> Crowd {
    let mut crowd = Crowd::default();
    let mut dawdlers = Vec::with_capacity(wanted);
    let mut round = Instant::now();
    for number in 0..wanted {
        match Dawdler::open(address, SAYINGS[number % SAYINGS.len()]) {
            Ok(dawdler) => dawdlers.push(dawdler),
            Err(error) => {
                crowd.why_not = format!("; the machine allows no more: {error}");
                break;
            }
        }
        crowd.opened += 1;
        // The first must not wait for the last to be looked at.
        if round.elapsed() >= EVERY {
            round = Instant::now();
            crowd.look(&mut dawdlers);
        }
    }
    let _ = open.send(());
    let begun = Instant::now();
    while !dawdlers.is_empty() && begun.elapsed() < LIMIT {
        round = Instant::now();
        crowd.look(&mut dawdlers);
        // The pace is what makes a dawdler.
        std::thread::sleep(EVERY.saturating_sub(round.elapsed()));
    }
    crowd.kept = dawdlers.len();
    crowd
}

impl Crowd {
    /// Lets each say a byte, and takes out those that were dropped.
    fn look(&mut self, dawdlers: &mut Vec<Dawdler>) {
        dawdlers.retain_mut(|dawdler| {
            let open = dawdler.goes_on();
            if open {
                dawdler.seen = dawdler.since.elapsed();
            } else {
                self.dropped.push(dawdler.seen);
            }
            open
        });
    }
}

struct Dawdler {
    stream: TcpStream,
    since: Instant,
    /// How old it was when it was last seen open.
    seen: Duration,
    rest: &'static [u8],
}

impl Dawdler {
    fn open(address: SocketAddr, says: &'static [u8]) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, since: Instant::now(), seen: Duration::ZERO, rest: says })
    }

    /// Says the next byte. An answer, such as 408, is no reason to stay; the end of the connection is one to go.
    fn goes_on(&mut self) -> bool {
        if let Some((next, rest)) = self.rest.split_first() {
            match self.stream.write(&[*next]) {
                Ok(_) => self.rest = rest,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        let mut answer = [0; 512];
        match self.stream.read(&mut answer) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
