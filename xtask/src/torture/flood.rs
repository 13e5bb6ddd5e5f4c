//! Hundreds of wrong passwords at once, at the cost that production has.

use super::caller::{Caller, Told};
use super::ledger::Ledger;
use super::quantile::Latencies;
use super::server::Home;
use super::{Rig, Trouble};
use countersign::wallet::Wallet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// KiB of memory for one hash, of OWASP's recommendation for argon2id.
const HASH_KIB: u64 = 19_456;
/// KiB for each login under way: its connection, its request, and what an allocator keeps.
const LOGIN_KIB: u64 = 64;
/// Requests to the challenge endpoint that are timed before the flood.
const TIMED: usize = 200;
/// Nobody waits longer for a challenge, flood or not. The ratio to before is a figure of `bench`.
const CHALLENGE_WITHIN: Duration = Duration::from_secs(2);

const MEMORY: &str = "memory stays under idle + a hash for each thread + 64 KiB for each login";
const SHED: &str = "every login is refused for its password or told when to come back";
const SOME_SHED: &str = "what does not fit into the queue is shed";
const CHALLENGES: &str = "challenges are answered within 2 s meanwhile";
const AFTER: &str = "afterwards a right login works";

/// Floods a server that hashes as in production.
pub(super) fn run(rig: &Rig) -> Result<Ledger, Trouble> {
    let logins = rig.count(500, 100);
    let waves = rig.count(3, 1);
    let mut ledger = Ledger::new(&[MEMORY, SHED, SOME_SHED, CHALLENGES, AFTER]);
    let config = format!("[password]\nmemory_kib = {HASH_KIB}\npasses = 2\nlanes = 1\n");
    let home = Home::new(&rig.binary, &config)?;
    let server = home.start()?;
    let caller = Caller::new(server.url(), PATIENCE)?;
    let wallet = Wallet::random(&mut rig.chance(0));
    let mut before = Latencies::default();
    for _ in 0..TIMED {
        ask(&caller, &wallet, &mut before, &mut ledger);
    }
    let idle = server.memory("VmRSS")?;

    let known = &countersign_fixtures::accounts().ethgas;
    let wrong: Vec<(String, String)> = (0..logins)
        .map(|number| {
            // Known and unknown names: both must cost a hash, and nothing more.
            let name =
                known.get(number % 6).map_or_else(|| format!("nobody-{number}"), |one| one.username.clone());
            (name, format!("wrong {number}"))
        })
        .collect();
    let over = AtomicBool::new(false);
    let (told, during, seen) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut during, mut seen) = (Latencies::default(), Ledger::new(&[]));
            // The flood ends by itself; the number only keeps a mistake from going on for ever.
            for _ in 0..1_000_000 {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                ask(&caller, &wallet, &mut during, &mut seen);
            }
            (during, seen)
        });
        let told: Vec<_> = (0..waves).flat_map(|_| caller.log_in_together(&wrong)).collect();
        over.store(true, Ordering::SeqCst);
        asking.join().map(|(during, seen)| (told, during, seen))
    })
    .map_err(|_| "the thread that asks for challenges failed".to_owned())?;
    ledger.add(seen);

    let (mut refused, mut later) = (0, 0);
    for one in &told {
        match one {
            Told::Refused => refused += 1,
            Told::Later { says_when: true } => later += 1,
            _ => {}
        }
        let fits = matches!(one, Told::Refused | Told::Later { says_when: true });
        ledger.judge(SHED, fits, || one.word());
    }
    ledger.judge(SOME_SHED, later > 0 && refused > 0, || format!("{refused} refused, {later} shed"));
    let peak = server.memory("VmHWM")?;
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let bound = idle + threads * HASH_KIB + logins as u64 * LOGIN_KIB;
    ledger.judge(MEMORY, peak <= bound, || format!("{peak} KiB, bound {bound} KiB"));
    let told = caller.log_in_everywhere();
    ledger.judge(AFTER, told == Told::Done(()), || told.word());
    ledger.did(format!(
        "{waves} waves of {logins} logins with wrong passwords at {HASH_KIB} KiB: {refused} hashed and refused, {later} shed with Retry-After"
    ));
    ledger.did(format!(
        "memory: idle {} MiB, peak {} MiB, bound {} MiB",
        idle / 1024,
        peak / 1024,
        bound / 1024
    ));
    let ratio = during.percentile(99).as_secs_f64() / before.percentile(99).as_secs_f64().max(1e-9);
    ledger.did(format!("challenges before: {before}; during: {during}; p99 {ratio:.1} times"));
    Ok(ledger)
}

fn ask(caller: &Caller, wallet: &Wallet, latencies: &mut Latencies, ledger: &mut Ledger) {
    let begun = Instant::now();
    let told = caller.ask(wallet);
    let took = begun.elapsed();
    latencies.push(took);
    let served = matches!(told, Told::Done(_));
    ledger
        .judge(CHALLENGES, served && took <= CHALLENGE_WITHIN, || format!("{} after {took:?}", told.word()));
}
