//! What callers were told holds after a crash under load: of the server with its embedded store, and of a shared store.

use super::process::Program;
use super::support::{Answer, Wallet, account, try_send};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Callers at once.
const CALLERS: u8 = 6;
/// Steps that were answered before the crash comes.
const STEPS: usize = 120;
/// Crashes in a row, each with what was told before all of them.
const CRASHES: usize = 3;

/// What callers were told. What was not answered with success may or may not have happened, and is not in it.
#[derive(Debug, Default)]
struct Told {
    /// Refresh tokens of sessions that live.
    live: Vec<String>,
    /// Refresh tokens of sessions that were ended.
    ended: Vec<String>,
    /// Answers to challenges that were taken.
    used: Vec<Value>,
    /// Answers to challenges that nobody has answered.
    open: Vec<Value>,
}

#[test]
fn a_kill_under_load_loses_nothing_that_was_told_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = production(folder.path(), "");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut told = Told::default();
    for _ in 0..CRASHES {
        let mut program = Program::start(&arguments);
        under_load(program.address, &mut told, || {
            // SIGKILL.
            program.child.kill().unwrap();
            program.child.wait().unwrap();
        });
        let program = Program::start(&arguments);
        told.holds(program.address);
    }
}

#[cfg(all(feature = "postgres", feature = "redis"))]
mod shared {
    use super::super::private::private;
    use super::{CRASHES, Told, production, under_load};
    use crate::it::process::Program;
    use crate::it::support::try_send;
    use countersign_fixtures::stores::Kind;

    #[test]
    fn a_crash_of_redis_under_load_loses_nothing_that_was_told() {
        loses_nothing(Kind::Redis, "redis");
    }

    #[test]
    fn a_crash_of_postgres_under_load_loses_nothing_that_was_told() {
        loses_nothing(Kind::Postgres, "postgres");
    }

    /// The server lives on; its store crashes and comes back.
    fn loses_nothing(kind: Kind, name: &str) {
        let Some(mut private) = private(kind) else { return };
        let folder = tempfile::tempdir().unwrap();
        let store = format!("[store]\nkind = \"{name}\"\nurl = \"{}\"\n", private.url());
        let arguments = production(folder.path(), &store);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let program = Program::start(&arguments);
        let mut told = Told::default();
        for _ in 0..CRASHES {
            under_load(program.address, &mut told, || private.crash());
            private.start_again().unwrap();
            recovered(&program);
            told.holds(program.address);
        }
        // What is told holds for another replica as well.
        told.holds(Program::start(&arguments).address);
    }

    fn recovered(program: &Program) {
        let body = format!("{{\"wallet_address\":\"0x{}\"}}", "1".repeat(40));
        let ask = || {
            let headers = [("Content-Type", "application/json")];
            try_send(program.address, "POST", "/login_random_secret", &headers, body.as_bytes())
        };
        let back = (0..50).any(|_| ask().is_some_and(|answer| answer.status == 200));
        assert!(back, "the server does not find its store again");
    }
}

/// No limits: all that the tests of crashes and outages send comes from one client.
const UNLIMITED: &str =
    "[limits]\nclient_per_second = 0\nscheme_per_second = 0\npair_attempts = 0\naccount_attempts = 0\n";

/// The arguments of a server as in production, but for its limits.
pub(super) fn production(folder: &Path, store: &str) -> Vec<String> {
    let config = folder.join("countersign.toml");
    std::fs::write(&config, format!("{UNLIMITED}{store}")).unwrap();
    let accounts = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/accounts.toml");
    [
        ["--listen", "127.0.0.1:0"],
        ["--config", config.to_str().unwrap()],
        ["--data-dir", folder.join("data").to_str().unwrap()],
        ["--accounts", accounts],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect()
}

/// Lets callers work until enough was answered, then crashes something under them.
fn under_load(address: SocketAddr, told: &mut Told, crash: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let (step, steps) = mpsc::channel();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (1..=CALLERS)
            .map(|number| {
                let (stop, step) = (&stop, step.clone());
                scope.spawn(move || work(address, number, stop, &step))
            })
            .collect();
        for _ in 0..STEPS {
            steps.recv_timeout(Duration::from_secs(60)).expect("callers are answered");
        }
        crash();
        stop.store(true, Ordering::SeqCst);
        for caller in callers {
            told.add(caller.join().unwrap());
        }
    });
}

/// Logs in, out, and with a wallet, until told to stop.
fn work(address: SocketAddr, number: u8, stop: &AtomicBool, step: &mpsc::Sender<()>) -> Told {
    let (username, password) = account("ethgas");
    let wallet = Wallet::new(number);
    let mut told = Told::default();
    // Each way ends within few seconds of the crash, so the number only keeps a mistake from going on for ever.
    for round in 0..100_000 {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let login = json!({ "username": username, "password": password });
        if let Some(answer) = post(address, "/api/v1/user/login", &login) {
            let refresh = answer.text("/data/refreshToken");
            if round % 2 == 0 {
                let access = format!("Bearer {}", answer.text("/data/accessToken"));
                let logout =
                    try_send(address, "POST", "/api/v1/user/logout", &[("Authorization", &access)], b"");
                if logout.is_some_and(|answer| answer.status == 200) {
                    told.ended.push(refresh);
                    let _ = step.send(());
                }
            } else {
                told.live.push(refresh);
                let _ = step.send(());
            }
        }
        let ask = json!({ "wallet_address": wallet.address });
        let Some(answer) = post(address, "/login_random_secret", &ask) else { continue };
        let secret = answer.text("/data");
        let signature = wallet.sign(secret.as_bytes());
        let body = json!({ "login_random_secret": secret, "signature": signature, "wallet_address": wallet.address });
        if round % 2 == 0 {
            told.open.push(body);
        } else if post(address, "/login", &body).is_some() {
            told.used.push(body);
        }
    }
    told
}

/// The answer, if it says that the call succeeded.
fn post(address: SocketAddr, path: &str, body: &Value) -> Option<Answer> {
    let answer = try_send(
        address,
        "POST",
        path,
        &[("Content-Type", "application/json")],
        body.to_string().as_bytes(),
    )?;
    let good = answer.status == 200 && matches!(answer.json()["code"].as_u64(), Some(0 | 200));
    good.then_some(answer)
}

impl Told {
    fn add(&mut self, other: Self) {
        self.live.extend(other.live);
        self.ended.extend(other.ended);
        self.used.extend(other.used);
        self.open.extend(other.open);
    }

    /// Looks at everything that was told, and keeps what living sessions were given instead.
    fn holds(&mut self, address: SocketAddr) {
        for (what, count) in [
            ("live", self.live.len()),
            ("ended", self.ended.len()),
            ("used", self.used.len()),
            ("open", self.open.len()),
        ] {
            assert!(count >= 5, "only {count} are {what}: this tests nothing");
        }
        let refresh = |token: &String| {
            let body = json!({ "refreshToken": token }).to_string();
            let headers = [("Content-Type", "application/json")];
            try_send(address, "POST", "/api/v1/user/login/refresh", &headers, body.as_bytes()).unwrap()
        };
        for token in &mut self.live {
            let answer = refresh(token);
            assert_eq!(answer.status, 200, "a session was lost: {answer:?}");
            *token = answer.text("/data/refreshToken");
        }
        for token in &self.ended {
            assert_eq!(refresh(token).status, 401, "a session came back");
        }
        for body in self.used.iter().chain(&self.open) {
            let answer = post(address, "/login", body);
            assert!(answer.is_none(), "a challenge came back: {answer:?}");
        }
    }
}
