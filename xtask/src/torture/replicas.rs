//! Several servers on one store: one refresh token handed in at two of them at the same moment.

use super::caller::{Caller, Session, Told};
use super::forks::{Submits, Verdict};
use super::ledger::Ledger;
use super::server::{Home, Server};
use super::{Rig, Trouble, private_store, store_config};
use countersign::wallet::Wallet;
use countersign_fixtures::stores::Kind;
use rand::RngExt as _;
use rand::rngs::StdRng;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// Sessions that are refreshed at the same time, each by two threads.
const SESSIONS: u64 = 3;
/// Of so many double submits one is a wallet's login instead.
const WALLET_EVERY: usize = 10;
/// Older tokens of a session that are tried at its end.
const TRIED: usize = 3;

const ONE: &str = "of two submits of one token both get one successor, or one is refused";
const LOST: &str = "a double submit ends no session";
const CHAIN: &str = "afterwards exactly one chain is alive, and reuse ends it at every replica";
const LOGOUT: &str = "a logout at one replica holds at the others";
const WINNER: &str = "a wallet's login sent to two replicas logs in once";
const ANSWERS: &str = "every submit has an answer that a client can act on";

/// On Redis.
pub(super) fn redis(rig: &Rig) -> Result<Ledger, Trouble> {
    on(rig, Kind::Redis)
}

/// On PostgreSQL.
pub(super) fn postgres(rig: &Rig) -> Result<Ledger, Trouble> {
    on(rig, Kind::Postgres)
}

/// With two replicas, then with three.
fn on(rig: &Rig, kind: Kind) -> Result<Ledger, Trouble> {
    let private = private_store(kind)?;
    let mut ledger = Ledger::new(&[ONE, LOST, CHAIN, LOGOUT, WINNER, ANSWERS]);
    for replicas in [2, 3] {
        let submits = rig.count(2_500, 100);
        // Each has a folder of its own; what they share is the store and the key in the configuration.
        let config = store_config(&private, kind, &mut rig.chance(replicas));
        let homes: Vec<Home> =
            (0..replicas).map(|_| Home::new(&rig.binary, &config)).collect::<Result<_, _>>()?;
        let servers: Vec<Server> = homes.iter().map(Home::start).collect::<Result<_, _>>()?;
        let callers: Vec<Caller> =
            servers.iter().map(|server| Caller::new(server.url(), PATIENCE)).collect::<Result<_, _>>()?;
        let part = submits / usize::try_from(SESSIONS).unwrap_or(1) + 1;
        let all: Vec<(Ledger, Submits)> = std::thread::scope(|scope| {
            let work: Vec<_> = (0..SESSIONS)
                .map(|number| {
                    let (callers, chance) = (callers.clone(), rig.chance(replicas * 100 + number));
                    scope.spawn(move || session(&callers, part, chance))
                })
                .collect();
            work.into_iter()
                .map(|one| one.join().unwrap_or_else(|_| Err("a caller failed".to_owned())))
                .collect::<Result<_, _>>()
        })?;
        let mut counts = Submits::default();
        for (one, submits) in all {
            ledger.add(one);
            counts.add(&submits);
        }
        ledger.did(format!("{replicas} replicas: {counts}"));
    }
    Ok(ledger)
}

/// One session, refreshed twice at a time for as often as asked, and looked at in the end.
fn session(callers: &[Caller], submits: usize, mut chance: StdRng) -> Result<(Ledger, Submits), String> {
    let mut ledger = Ledger::new(&[]);
    let mut counts = Submits::default();
    let start = |caller: &Caller| {
        let told = caller.log_in_known();
        let word = told.word();
        told.done().ok_or_else(|| format!("a login to begin with: {word}"))
    };
    let mut now = start(&callers[0])?;
    let mut older: Vec<String> = Vec::new();
    let twin = Twin::start();
    for number in 0..submits {
        let (a, b) = two(callers.len(), &mut chance);
        if number % WALLET_EVERY == 0 {
            let wallet = Wallet::random(&mut chance);
            if let Told::Done(login) = callers[a].challenge(&wallet) {
                let task = |caller: &Caller| Task::Wallet(caller.clone(), login.clone());
                let told = twin.both(&task(&callers[a]), task(&callers[b]))?;
                let wins = told.iter().filter(|told| matches!(told, Answer::Wallet(Told::Done(())))).count();
                ledger.judge(WINNER, wins == 1, || format!("{wins} of two"));
            }
        }
        let task = |caller: &Caller| Task::Refresh(caller.clone(), now.refresh.clone());
        let told = twin.both(&task(&callers[a]), task(&callers[b]))?;
        let [Answer::Refresh(first), Answer::Refresh(second)] = told else {
            return Err("the twin answered something else".to_owned());
        };
        let verdict = counts.count(&first, &second);
        let words = || format!("submit {number}: {}, {}", first.word(), second.word());
        ledger.judge(ANSWERS, !matches!(verdict, Verdict::Unanswered), words);
        ledger.judge(ONE, !matches!(verdict, Verdict::Fork), words);
        ledger.judge(LOST, !matches!(verdict, Verdict::Lost), words);
        match (verdict, first.done().or_else(|| second.done())) {
            (Verdict::Same | Verdict::OneRefused, Some(next)) => {
                older.push(std::mem::replace(&mut now, next).refresh);
            }
            // It is over, one way or another; the next submits are those of another session.
            _ => {
                older.clear();
                now = start(&callers[a])?;
            }
        }
    }
    end(callers, &now, &older, &mut chance, &mut ledger);
    for _ in 0..TRIED {
        let (a, b) = two(callers.len(), &mut chance);
        let session = start(&callers[a])?;
        let out = callers[a].log_out(&session.access);
        let after = [callers[b].verify(&session.access), callers[b].refresh(&session.refresh).kind()];
        let holds = out == Told::Done(()) && after.iter().all(|told| *told == Told::Refused);
        ledger.judge(LOGOUT, holds, || format!("{}, then {after:?}", out.word()));
    }
    Ok((ledger, counts))
}

/// The present token works once more, an older one does not, and having tried it ends what was alive.
fn end(callers: &[Caller], now: &Session, older: &[String], chance: &mut StdRng, ledger: &mut Ledger) {
    let (a, b) = two(callers.len(), chance);
    let next = callers[a].refresh(&now.refresh);
    let word = next.word();
    ledger.judge(CHAIN, matches!(next, Told::Done(_)), || format!("the present token: {word}"));
    let Some(next) = next.done() else { return };
    for old in older.iter().rev().skip(1).step_by(7).take(TRIED) {
        let told = callers[b].refresh(old);
        ledger.judge(CHAIN, told == Told::Refused, || format!("an older token: {}", told.word()));
    }
    if older.len() > 1 {
        for caller in callers {
            let told = caller.refresh(&next.refresh);
            ledger.judge(CHAIN, told == Told::Refused, || format!("after its reuse: {}", told.word()));
        }
    }
}

/// Two different ones of so many.
fn two(count: usize, chance: &mut StdRng) -> (usize, usize) {
    let first = chance.random_range(0..count);
    (first, (first + chance.random_range(1..count)) % count)
}

/// What both threads do at the same moment.
enum Task {
    Refresh(Caller, String),
    Wallet(Caller, serde_json::Value),
}

enum Answer {
    Refresh(Told<Session>),
    Wallet(Told<()>),
}

impl Task {
    fn run(&self) -> Answer {
        match self {
            Self::Refresh(caller, token) => Answer::Refresh(caller.refresh(token)),
            Self::Wallet(caller, login) => Answer::Wallet(caller.answer(login).kind()),
        }
    }
}

/// A second thread that stands ready, so that two requests leave at one moment without a thread being started first.
struct Twin {
    tasks: mpsc::Sender<Task>,
    answers: mpsc::Receiver<Answer>,
    together: Arc<Barrier>,
}

impl Twin {
    fn start() -> Self {
        let (tasks, given) = mpsc::channel::<Task>();
        let (answer, answers) = mpsc::channel();
        let together = Arc::new(Barrier::new(2));
        let meet = together.clone();
        // It ends with the sender of its tasks.
        std::thread::spawn(move || {
            while let Ok(task) = given.recv() {
                meet.wait();
                if answer.send(task.run()).is_err() {
                    break;
                }
            }
        });
        Self { tasks, answers, together }
    }

    fn both(&self, ours: &Task, theirs: Task) -> Result<[Answer; 2], String> {
        let gone = |_| "the second caller is gone".to_owned();
        self.tasks.send(theirs).map_err(|_| "the second caller is gone".to_owned())?;
        self.together.wait();
        let ours = ours.run();
        Ok([ours, self.answers.recv_timeout(2 * PATIENCE).map_err(gone)?])
    }
}
