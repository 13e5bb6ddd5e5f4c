//! The measurements.

use super::load::{self, beside_a_load, drive, get, post};
use super::process::cpu;
use super::report::{Budget, Figure, median};
use super::{Run, bare};
use crate::torture::caller::{Caller, Told};
use crate::torture::quantile::Latencies;
use crate::torture::server::{Home, Server};
use countersign::wallet::{SignAs, Wallet, signature_hex};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Callers that keep the threads for passwords busy; fewer than may queue, so that none is shed.
const HASHING: usize = 8;
const MIB: f64 = 1024.0;

/// Resident memory of a server that has just started, without `--dev`.
pub(super) fn idle(run: &Run) -> Result<Vec<Figure>, String> {
    let mut rounds = Vec::new();
    for _ in 0..run.rounds {
        let server = Home::new(&run.server, "")?.production().on_cores(&run.cores).start()?;
        // One answer, so that what is made on first use is there.
        let told = Caller::new(server.url(), PATIENCE)?.ask(&Wallet::random(&mut run.chance()));
        told.done().ok_or("a fresh server does not answer")?;
        rounds.push(kib(server.memory("VmRSS")?) / MIB);
    }
    let from = "VmRSS after one answer".to_owned();
    let (what, budget) = ("idle memory", Budget::AtMost(20.0));
    Ok(vec![Figure { what, unit: "MiB", rounds, budget, from }])
}

/// Memory for each live challenge.
pub(super) fn challenge_memory(run: &Run) -> Result<Vec<Figure>, String> {
    let total = run.count(200_000);
    let home = Home::new(&run.server, "")?.on_cores("0");
    let server = home.start()?;
    let address = address(&server)?;
    // Buffers of the connections and of the allocator are there before the first look.
    drive(address, &challenges(0, load::CONNECTIONS * 4), load::CONNECTIONS * 4, r#""code":0"#, |_, _| ())?;
    let before = server.memory("VmRSS")?;
    let requests = challenges(1, total);
    drive(address, &requests, total, r#""code":0"#, |_, _| ())?;
    let grown = kib(server.memory("VmRSS")?) - kib(before);
    #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
    let each = grown * 1024.0 / total as f64;
    let from = format!("{:.1} MiB for {total}", grown / MIB);
    let what = "memory for each live challenge, beyond idle";
    Ok(vec![Figure { what, unit: "bytes", rounds: vec![each], budget: Budget::AtMost(400.0), from }])
}

/// CPU of a wallet's login over that of one recovery.
pub(super) fn wallet_login(run: &Run) -> Result<Vec<Figure>, String> {
    // The system counts CPU in steps of 10 ms; this many take two hundred and fifty of them, so a step is less than a
    // hundredth of what is told.
    let logins = run.count(40_000);
    let server = Home::new(&run.server, "")?.on_cores("0").start()?;
    let address = address(&server)?;
    let mut chance = run.chance();
    let wallets: Vec<Wallet> = (0..256).map(|_| Wallet::random(&mut chance)).collect();
    let ask: Vec<Vec<u8>> = wallets
        .iter()
        .map(|wallet| {
            post(
                "/login_random_secret",
                Some(&json!({ "wallet_address": wallet.address() }).to_string()),
                None,
            )
        })
        .collect();
    let (mut alone, mut whole, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        let start = cpu(server.process())?;
        let mut secrets = vec![String::new(); logins];
        drive(address, &ask, logins, r#""code":0"#, |number, body| {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            secrets[number] = body["data"].as_str().unwrap_or_default().to_owned();
        })?;
        let asked = cpu(server.process())?;
        let answers: Vec<Vec<u8>> = secrets
            .iter()
            .enumerate()
            .map(|(number, secret)| {
                let wallet = &wallets[number % wallets.len()];
                let signature = signature_hex(&wallet.sign(secret, SignAs::Personal));
                let body = json!({ "login_random_secret": secret, "signature": signature, "wallet_address": wallet.address() });
                post("/login", Some(&body.to_string()), None)
            })
            .collect();
        let recovery_before = beside_a_load(address, || bare::recovery(run))?;
        let before = cpu(server.process())?;
        drive(address, &answers, logins, "access_token", |_, _| ())?;
        let login = per(cpu(server.process())? - before, logins);
        let recovery_after = beside_a_load(address, || bare::recovery(run))?;
        let recovery = f64::midpoint(recovery_before, recovery_after);
        let challenge = per(asked - start, logins);
        alone.push(login / recovery);
        whole.push((login + challenge) / recovery);
        costs.push((recovery, login, challenge));
    }
    let micros =
        |take: fn(&(f64, f64, f64)) -> f64| median(&costs.iter().map(take).collect::<Vec<_>>()) * 1e6;
    let from = format!(
        "recovery {:.1} µs, login {:.1} µs, challenge {:.1} µs of CPU",
        micros(|cost| cost.0),
        micros(|cost| cost.1),
        micros(|cost| cost.2)
    );
    let login = "CPU of the request that logs a wallet in, over one recovery";
    let both = "the same with the request for its challenge";
    Ok(vec![
        Figure { what: login, unit: "", rounds: alone, budget: Budget::AtMost(1.25), from: from.clone() },
        Figure { what: both, unit: "", rounds: whole, budget: Budget::None, from },
    ])
}

/// Requests per second over a bare server.
pub(super) fn rates(run: &Run) -> Result<Vec<Figure>, String> {
    let server = Home::new(&run.server, "")?.on_cores("0").start()?;
    let caller = Caller::new(server.url(), PATIENCE)?;
    let wallet = Wallet::random(&mut run.chance());
    let login = caller.challenge(&wallet).done().ok_or("no challenge to begin with")?;
    let token = caller.answer(&login).done().ok_or("no wallet's login to begin with")?;
    let session = caller.log_in_known().done().ok_or("no login to begin with")?;
    let mut figures = Vec::new();
    for (wall, cpu, requests, needle) in [
        (
            "challenge: requests/s of wall time over bare hyper",
            "challenge: requests/s of CPU over bare hyper",
            challenges(2, 4_096),
            r#""code":0"#,
        ),
        (
            "refresh: requests/s of wall time over bare hyper",
            "refresh: requests/s of CPU over bare hyper",
            vec![get("/refresh", &token)],
            "access_token",
        ),
        (
            "verify: requests/s of wall time over bare hyper",
            "verify: requests/s of CPU over bare hyper",
            vec![post("/api/v1/user/login/verify", None, Some(&session.access))],
            r#""valid":true"#,
        ),
    ] {
        figures.extend(rate(run, &server, wall, cpu, &requests, needle)?);
    }
    Ok(figures)
}

fn rate(
    run: &Run,
    server: &Server,
    in_wall: &'static str,
    in_cpu: &'static str,
    requests: &[Vec<u8>],
    needle: &str,
) -> Result<[Figure; 2], String> {
    // The system counts CPU in steps of 10 ms; this many take the bare server sixty of them.
    let total = run.count(100_000);
    let ours = address(server)?;
    let mut bytes = 0;
    drive(ours, requests, load::CONNECTIONS, needle, |_, body| bytes = body.len())?;
    let bare = bare::server(run, bytes)?;
    let theirs = address(&bare)?;
    drive(theirs, requests, load::CONNECTIONS, "", |_, _| ())?;
    let (mut wall, mut cost, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        let before = cpu(server.process())?;
        let our_time = drive(ours, requests, total, needle, |_, _| ())?.as_secs_f64();
        let our_cost = cpu(server.process())? - before;
        let before = cpu(bare.process())?;
        let their_time = drive(theirs, requests, total, "", |_, _| ())?.as_secs_f64();
        let their_cost = cpu(bare.process())? - before;
        wall.push(their_time / our_time);
        cost.push(their_cost / our_cost);
        seen.push((our_time, their_time, our_cost, their_cost));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
    let per_second = |take: fn(&(f64, f64, f64, f64)) -> f64| {
        total as f64 / median(&seen.iter().map(take).collect::<Vec<_>>())
    };
    let told =
        |ours: f64, theirs: f64, of: &str| format!("{ours:.0}/s over {theirs:.0}/s{of}, {bytes} bytes");
    let walls = told(per_second(|one| one.0), per_second(|one| one.1), "");
    let costs = told(per_second(|one| one.2), per_second(|one| one.3), " of CPU");
    Ok([
        Figure { what: in_cpu, unit: "", rounds: cost, budget: Budget::AtLeast(0.7), from: costs },
        Figure { what: in_wall, unit: "", rounds: wall, budget: Budget::None, from: walls },
    ])
}

/// The challenge endpoint's p99 while all threads for passwords are busy, over what it is otherwise.
pub(super) fn saturated(run: &Run) -> Result<Vec<Figure>, String> {
    let probes = run.count(1_000);
    let config = "[password]\nmemory_kib = 19456\npasses = 2\nlanes = 1\n";
    let server = Home::new(&run.server, config)?.on_cores(&run.cores).start()?;
    let caller = Caller::new(server.url(), PATIENCE)?;
    let wallet = Wallet::random(&mut run.chance());
    let probe = || -> Result<Latencies, String> {
        let mut latencies = Latencies::default();
        for _ in 0..probes {
            let begun = Instant::now();
            caller.ask(&wallet).done().ok_or("a challenge was refused under load")?;
            latencies.push(begun.elapsed());
        }
        Ok(latencies)
    };
    let (mut rounds, mut pairs) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        let unloaded = probe()?;
        let over = AtomicBool::new(false);
        let loaded = std::thread::scope(|scope| {
            for number in 0..HASHING {
                let (caller, over) = (caller.clone(), &over);
                scope.spawn(move || {
                    // The measurement ends it; the number only keeps a mistake from going on for ever.
                    for turn in 0..100_000 {
                        let told = caller.log_in(&format!("nobody-{number}"), &format!("wrong {turn}"));
                        if over.load(Ordering::SeqCst) || told != Told::Refused {
                            break;
                        }
                    }
                });
            }
            // Until the queue is full.
            std::thread::sleep(Duration::from_millis(300));
            let loaded = probe();
            over.store(true, Ordering::SeqCst);
            loaded
        })?;
        let p99 = |latencies: &Latencies| latencies.percentile(99).as_secs_f64();
        rounds.push(p99(&loaded) / p99(&unloaded));
        pairs.push((p99(&unloaded) * 1e3, p99(&loaded) * 1e3));
    }
    let unloaded = median(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let loaded = median(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let from = format!("p99 {loaded:.2} ms over {unloaded:.2} ms, {probes} requests each");
    let what = "p99 of a challenge with argon2id saturated, over unloaded";
    Ok(vec![Figure { what, unit: "", rounds, budget: Budget::AtMost(3.0), from }])
}

/// Durable refreshes per second over bare commits per second.
pub(super) fn durable(run: &Run) -> Result<Vec<Figure>, String> {
    let total = run.count(6_000);
    let home = Home::new(&run.server, "")?.on_cores(&run.cores);
    let server = home.start()?;
    let caller = Caller::new(server.url(), PATIENCE)?;
    let (mut rounds, mut pairs) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        let sessions: Vec<String> = (0..64)
            .map(|_| caller.log_in_known().done().map(|session| session.refresh))
            .collect::<Option<_>>()
            .ok_or("no login to begin with")?;
        let took = load::refresh(address(&server)?, sessions, total)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
        let refreshes = total as f64 / took.as_secs_f64();
        let commits = bare::commits(run, home.folder())?;
        rounds.push(refreshes / commits);
        pairs.push((refreshes, commits));
    }
    let refreshes = median(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let commits = median(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let from = format!("{refreshes:.0} refreshes/s over {commits:.0} commits/s");
    let what = "durable refreshes/s over bare commits/s of redb";
    Ok(vec![Figure { what, unit: "", rounds, budget: Budget::None, from }])
}

/// Seconds of a whole default run of the harness.
pub(super) fn harness(run: &Run) -> Result<Vec<Figure>, String> {
    let (mut rounds, mut requests) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds.min(3) {
        let (sent, seconds) = bare::conformance(run)?;
        rounds.push(seconds);
        requests.push(sent);
    }
    let sent = median(&requests);
    let from = format!("{sent:.0} requests, {:.0}/s", sent / median(&rounds));
    let what = "default run of the harness, all five schemes";
    Ok(vec![Figure { what, unit: "s", rounds, budget: Budget::AtMost(10.0), from }])
}

/// Requests for challenges of as many wallets; those of one part are no others'.
fn challenges(part: u64, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| {
            let body =
                format!(r#"{{"wallet_address":"0x{:040x}"}}"#, (u128::from(part) << 64) + number as u128 + 1);
            post("/login_random_secret", Some(&body), None)
        })
        .collect()
}

fn address(server: &Server) -> Result<SocketAddr, String> {
    let text = server.url().trim_start_matches("http://");
    text.parse().map_err(|error| format!("{text} is no address: {error}"))
}

#[expect(clippy::cast_precision_loss, reason = "memory of one machine")]
fn kib(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
fn per(total: f64, count: usize) -> f64 {
    total / count as f64
}
