//! A shared store that is killed under load and comes back.

use super::caller::{Caller, Session, Told};
use super::ledger::Ledger;
use super::server::Home;
use super::{Rig, Trouble, private_store, store_config};
use countersign::wallet::Wallet;
use countersign_fixtures::stores::Kind;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::Value;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Whoever waits longer calls it a hang.
const PATIENCE: Duration = Duration::from_secs(15);
/// A refusal comes within this: the store is given up after two seconds, and the machine may be busy.
const REFUSED_WITHIN: Duration = Duration::from_secs(6);
/// After the store is back, the server is too.
const RECOVERED_WITHIN: Duration = Duration::from_secs(15);
const CALLERS: u64 = 4;
/// Milliseconds of load before and after each outage.
const LOAD: u64 = 500;
/// Milliseconds the store is gone, at least and at most.
const GONE: std::ops::Range<u64> = 500..2_500;

const REFUSES: &str = "while the store is gone, calls are refused with 503 and Retry-After";
const BOUND: &str = "while the store is gone, every answer comes within 6 s";
const HANGS: &str = "no call hangs or is cut, before, during and after";
const KEPT: &str = "every session acknowledged before or after an outage goes on";
const ENDED: &str = "every acknowledged logout holds";
const USED: &str = "no login that worked works again";
const BACK: &str = "calls are served within 15 s of the store's return, without a restart";

/// Under Redis.
pub(super) fn redis(rig: &Rig) -> Result<Ledger, Trouble> {
    on(rig, Kind::Redis)
}

/// Under PostgreSQL.
pub(super) fn postgres(rig: &Rig) -> Result<Ledger, Trouble> {
    on(rig, Kind::Postgres)
}

fn on(rig: &Rig, kind: Kind) -> Result<Ledger, Trouble> {
    let mut private = private_store(kind)?;
    let outages = rig.count(20, 1);
    let mut ledger = Ledger::new(&[REFUSES, BOUND, HANGS, KEPT, ENDED, USED, BACK]);
    let mut chance = rig.chance(0);
    let home = Home::new(&rig.binary, &store_config(&private, kind, &mut chance))?;
    let server = home.start()?;
    let caller = Caller::new(server.url(), PATIENCE)?;
    let phase = Mutex::new(Phase::Up);
    let (mut slowest, mut refusals, mut served) = (Duration::ZERO, 0_usize, 0_usize);
    for outage in 0..outages {
        let all: Vec<(Ledger, Notes)> = std::thread::scope(|scope| {
            let work: Vec<_> = (0..CALLERS)
                .map(|number| {
                    let part = u64::try_from(outage).unwrap_or_default() * CALLERS + number + 1;
                    let (caller, phase, chance) = (caller.clone(), &phase, rig.chance(part));
                    scope.spawn(move || work(&caller, phase, chance))
                })
                .collect();
            let result = through_an_outage(&mut private, &caller, &phase, &mut chance, &mut ledger);
            set(&phase, Phase::Over);
            let all = work.into_iter().map(|one| one.join().map_err(|_| "a caller failed".to_owned()));
            result?;
            all.collect::<Result<_, _>>()
        })?;
        for (seen, notes) in all {
            ledger.add(seen);
            slowest = slowest.max(notes.slowest_refusal);
            refusals += notes.refusals;
            served += notes.served;
            notes.judge(&caller, &mut ledger);
        }
        set(&phase, Phase::Up);
    }
    ledger.did(format!(
        "{outages} outages under {CALLERS} callers: {served} calls served, {refusals} refused meanwhile"
    ));
    ledger.did(format!("slowest refusal {:.2} s", slowest.as_secs_f64()));
    Ok(ledger)
}

/// What the store is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Up,
    /// Between the two: what is under way may go either way.
    Between,
    Gone,
    Over,
}

fn set(phase: &Mutex<Phase>, to: Phase) {
    *phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
}

fn get(phase: &Mutex<Phase>) -> Phase {
    *phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Some load, the crash, some time without a store, its return, and some load again.
fn through_an_outage(
    private: &mut countersign_fixtures::stores::PrivateStore,
    caller: &Caller,
    phase: &Mutex<Phase>,
    chance: &mut StdRng,
    ledger: &mut Ledger,
) -> Result<(), String> {
    // Nothing is waited for with these pauses: they are the load and the outage themselves.
    std::thread::sleep(Duration::from_millis(LOAD));
    set(phase, Phase::Between);
    private.crash();
    set(phase, Phase::Gone);
    std::thread::sleep(Duration::from_millis(chance.random_range(GONE)));
    set(phase, Phase::Between);
    private.start_again()?;
    let back = Instant::now();
    let served = loop {
        if matches!(caller.log_in_known(), Told::Done(_)) {
            break true;
        }
        if back.elapsed() > RECOVERED_WITHIN {
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    ledger.judge(BACK, served, || "still refused".to_owned());
    set(phase, Phase::Up);
    std::thread::sleep(Duration::from_millis(LOAD));
    Ok(())
}

/// What callers were told.
#[derive(Debug, Default)]
struct Notes {
    live: Vec<Session>,
    ended: Vec<Session>,
    used: Vec<Value>,
    slowest_refusal: Duration,
    refusals: usize,
    served: usize,
}

/// Sessions one caller keeps; more are let go.
const KEEPS: usize = 30;

fn work(caller: &Caller, phase: &Mutex<Phase>, mut chance: StdRng) -> (Ledger, Notes) {
    let mut ledger = Ledger::new(&[]);
    let mut notes = Notes::default();
    let wallet = Wallet::random(&mut chance);
    // The number only keeps a mistake from going on for ever.
    for _ in 0..1_000_000 {
        let before = get(phase);
        if before == Phase::Over {
            break;
        }
        let begun = Instant::now();
        let told = notes.call(caller, &wallet, &mut chance);
        let (took, after) = (begun.elapsed(), get(phase));
        let whole = !matches!(told, Told::Hung | Told::Nothing(_) | Told::Odd(_));
        ledger.judge(HANGS, whole, || told.word());
        if before == Phase::Gone && after == Phase::Gone {
            ledger.judge(REFUSES, told == Told::Later { says_when: true }, || told.word());
            ledger.judge(BOUND, took <= REFUSED_WITHIN, || format!("{took:?}"));
            notes.slowest_refusal = notes.slowest_refusal.max(took);
        }
        match told {
            Told::Done(()) => notes.served += 1,
            // Refusals come quickly; without a breath this would be a flood.
            _ => {
                notes.refusals += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    (ledger, notes)
}

impl Notes {
    /// One call, drawn from chance. A session whose refresh or logout was not acknowledged is judged only as far as it
    /// can be known: the first lives on, of the second nothing is known.
    fn call(&mut self, caller: &Caller, wallet: &Wallet, chance: &mut StdRng) -> Told<()> {
        let place = (!self.live.is_empty()).then(|| chance.random_range(0..self.live.len()));
        match (chance.random_range(0..6), place) {
            (0..=2, Some(place)) => {
                let told = caller.refresh(&self.live[place].refresh);
                if let Told::Done(next) = &told {
                    self.live[place] = next.clone();
                }
                told.kind()
            }
            (3, Some(place)) => {
                let session = self.live.swap_remove(place);
                let told = caller.log_out(&session.access);
                if told == Told::Done(()) {
                    self.ended.push(session);
                }
                told
            }
            (4, _) => match caller.challenge(wallet) {
                Told::Done(login) => {
                    let told = caller.answer(&login).kind();
                    if told == Told::Done(()) {
                        self.used.push(login);
                    }
                    // The store may have come and gone between the two, and a challenge need not survive that.
                    if told == Told::Refused { Told::Later { says_when: true } } else { told }
                }
                other => other.kind(),
            },
            _ => {
                let told = caller.log_in_known();
                if let Told::Done(session) = &told {
                    self.live.truncate(KEEPS);
                    self.live.push(session.clone());
                }
                told.kind()
            }
        }
    }

    fn judge(&self, caller: &Caller, ledger: &mut Ledger) {
        for session in &self.live {
            let told = caller.refresh(&session.refresh);
            ledger.judge(KEPT, matches!(told, Told::Done(_)), || told.word());
        }
        for session in &self.ended {
            for told in [caller.verify(&session.access), caller.refresh(&session.refresh).kind()] {
                ledger.judge(ENDED, told == Told::Refused, || told.word());
            }
        }
        for login in &self.used {
            let told = caller.answer(login).kind();
            ledger.judge(USED, told == Told::Refused, || told.word());
        }
    }
}
