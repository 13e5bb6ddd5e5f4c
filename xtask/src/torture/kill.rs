//! `kill -9` under load, on the embedded store.

use super::caller::{Caller, Session, Told};
use super::ledger::Ledger;
use super::server::{Home, Server};
use super::{Rig, Trouble};
use countersign::wallet::Wallet;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// From the start of the process until it listens, with the store open. A debug build reads its documents first.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// A caller gives up then, which counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);
const CALLERS: u64 = 4;
/// Acknowledged calls before the kill may come.
const ACKNOWLEDGED: usize = 60;
/// Then it comes after up to so many milliseconds more.
const KILL_WITHIN: u64 = 60;
/// A predecessor is presented within this, which is less than the grace: it can only get its one successor.
const GRACE: Duration = Duration::from_secs(20);
/// Ended and living sessions that are carried from life to life, to be looked at again and again.
const CARRIED: usize = 24;

const OPENS: &str = "the store opens within 10 s";
const ENDED: &str = "every acknowledged logout and revocation is still refused";
const LIVE: &str = "every session and refresh acknowledged before the kill goes on";
const FORK: &str = "a refresh token used before the kill leads to no second successor";
const REUSE: &str = "a refresh token two generations old is refused and ends its family";
const CHALLENGES: &str = "no challenge from before the kill logs anybody in";
const ACCOUNTS: &str = "accounts and wallets log in after the kill";

/// Kills the server again and again and looks, after each start, at all that callers had been told.
pub(super) fn run(rig: &Rig) -> Result<Ledger, Trouble> {
    let kills = rig.count(200, 20);
    let mut ledger = Ledger::new(&[OPENS, ENDED, LIVE, FORK, REUSE, CHALLENGES, ACCOUNTS]);
    let home = Home::new(&rig.binary, "[store]\nkind = \"embedded\"\n")?;
    let mut chance = rig.chance(0);
    let mut notes = Notes::default();
    let (mut acknowledged, mut longest) = (0, Duration::ZERO);
    for life in 0..=kills {
        let server = home.start()?;
        longest = longest.max(server.opened_in());
        ledger.judge(OPENS, server.opened_in() <= OPEN_LIMIT, || {
            format!("life {life}: {:?}", server.opened_in())
        });
        let caller = Caller::new(server.url(), PATIENCE)?;
        notes.judge(&caller, life, &mut chance, &mut ledger);
        if life == kills {
            break;
        }
        let load = load(rig, server, life, &mut chance)?;
        acknowledged += load.acknowledged;
        notes.add(load);
        if life % 20 == 19 {
            anstream::eprintln!("    {} kills", life + 1);
        }
    }
    ledger
        .did(format!("{kills} kills under {CALLERS} callers, {acknowledged} acknowledged calls before them"));
    ledger.did(format!("longest start {:.2} s", longest.as_secs_f64()));
    Ok(ledger)
}

/// What callers were told. Whatever was under way at the kill may or may not have happened, and is not in it.
#[derive(Debug, Default)]
struct Notes {
    live: Vec<Live>,
    /// Sessions that were logged out, or revoked because a token of theirs was used again.
    ended: Vec<Session>,
    /// Logins that were sent and worked.
    used: Vec<Value>,
    /// Logins that nobody has sent.
    open: Vec<Value>,
    acknowledged: usize,
}

/// A session nobody ended.
#[derive(Debug, Clone)]
struct Live {
    session: Session,
    /// The refresh token it was exchanged for, and when.
    before: Option<(String, Instant)>,
}

impl Notes {
    fn add(&mut self, other: Self) {
        self.live.extend(other.live);
        self.ended.extend(other.ended);
        self.used.extend(other.used);
        self.open.extend(other.open);
        self.acknowledged += other.acknowledged;
    }

    /// Looks at everything, and keeps a part of it to be looked at again after the next kill.
    fn judge(&mut self, caller: &Caller, life: usize, chance: &mut StdRng, ledger: &mut Ledger) {
        let wallet = Wallet::random(chance);
        let told = caller.log_in_everywhere();
        ledger.judge(ACCOUNTS, told == Told::Done(()), || format!("life {life}: {}", told.word()));
        let told = caller.challenge(&wallet).done().map(|login| caller.answer(&login).kind());
        ledger.judge(ACCOUNTS, told == Some(Told::Done(())), || format!("life {life}: a wallet: {told:?}"));

        for session in &self.ended {
            for told in [caller.verify(&session.access), caller.refresh(&session.refresh).kind()] {
                ledger.judge(ENDED, told == Told::Refused, || format!("life {life}: {}", told.word()));
            }
        }
        for login in self.used.drain(..).chain(self.open.drain(..)) {
            let told = caller.answer(&login).kind();
            ledger.judge(CHALLENGES, told == Told::Refused, || format!("life {life}: {}", told.word()));
        }
        let mut live = Vec::new();
        for (number, one) in self.live.drain(..).enumerate() {
            match judge_live(caller, life, one, number % 3 == 0, ledger) {
                Some(Fate::Goes(next)) => live.push(next),
                Some(Fate::Revoked(session)) => self.ended.push(session),
                None => {}
            }
        }
        self.ended.shuffle(chance);
        self.ended.truncate(CARRIED);
        live.shuffle(chance);
        live.truncate(CARRIED);
        self.live = live;
    }
}

/// What became of a session that was looked at.
enum Fate {
    Goes(Live),
    Revoked(Session),
}

/// Presents the token before the present one, then the present one and, if asked to, the one before again.
fn judge_live(caller: &Caller, life: usize, one: Live, steal: bool, ledger: &mut Ledger) -> Option<Fate> {
    let Live { session, before } = one;
    if let Some((old, since)) = &before
        && since.elapsed() < GRACE
    {
        let told = caller.refresh(old);
        let same = matches!(&told, Told::Done(next) if next.refresh == session.refresh);
        ledger.judge(FORK, same || told == Told::Refused, || {
            format!("life {life}: {}, another token", told.word())
        });
    }
    let told = caller.refresh(&session.refresh);
    let word = told.word();
    let next = told.done();
    ledger.judge(LIVE, next.is_some(), || format!("life {life}: {word}"));
    let next = next?;
    match before {
        Some((old, _)) if steal => {
            let told = caller.refresh(&old);
            ledger.judge(REUSE, told == Told::Refused, || format!("life {life}: {}", told.word()));
            let told = caller.refresh(&next.refresh);
            ledger
                .judge(REUSE, told == Told::Refused, || format!("life {life}, its family: {}", told.word()));
            Some(Fate::Revoked(next))
        }
        _ => Some(Fate::Goes(Live { session: next, before: Some((session.refresh, Instant::now())) })),
    }
}

/// Lets callers work, kills the server under them, and gives what they were told.
fn load(rig: &Rig, server: Server, life: usize, chance: &mut StdRng) -> Result<Notes, String> {
    let caller = Caller::new(server.url(), PATIENCE)?;
    let stop = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    let seed = u64::try_from(life).unwrap_or_default() * CALLERS + 1;
    let mut notes = Notes::default();
    let answered = std::thread::scope(|scope| {
        let work: Vec<_> = (0..CALLERS)
            .map(|number| {
                let (caller, stop, tell) = (caller.clone(), &stop, tell.clone());
                let chance = rig.chance(seed + number);
                scope.spawn(move || work(&caller, chance, stop, &tell))
            })
            .collect();
        let answered = (0..ACKNOWLEDGED).all(|_| told.recv_timeout(PATIENCE).is_ok());
        std::thread::sleep(Duration::from_millis(chance.random_range(0..=KILL_WITHIN)));
        server.kill();
        stop.store(true, Ordering::SeqCst);
        for one in work {
            notes.add(one.join().unwrap_or_default());
        }
        answered
    });
    if answered { Ok(notes) } else { Err(format!("life {life}: callers were not answered before the kill")) }
}

/// Logs in, refreshes, logs out and proves wallets in an order drawn from chance, until told to stop.
fn work(caller: &Caller, mut chance: StdRng, stop: &AtomicBool, tell: &mpsc::Sender<()>) -> Notes {
    let mut notes = Notes::default();
    let wallet = Wallet::random(&mut chance);
    // The number only keeps a mistake from going on for ever.
    for _ in 0..100_000 {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let done = match chance.random_range(0..10) {
            0..=1 => {
                caller.log_in_known().done().map(|session| notes.live.push(Live { session, before: None }))
            }
            2..=5 => notes.refresh(caller, &mut chance),
            6 => notes.log_out(caller, &mut chance),
            7 => caller.challenge(&wallet).done().map(|login| notes.open.push(login)),
            _ => caller.challenge(&wallet).done().and_then(|login| {
                caller.answer(&login).kind().done()?;
                notes.used.push(login);
                Some(())
            }),
        };
        if done.is_some() {
            notes.acknowledged += 1;
            let _ = tell.send(());
        }
    }
    notes
}

impl Notes {
    /// Refreshes a session. If no answer comes, the token at hand must still work: it may just have become the one before.
    fn refresh(&mut self, caller: &Caller, chance: &mut StdRng) -> Option<()> {
        let place = self.any_live(chance)?;
        let one = &mut self.live[place];
        let told = caller.refresh(&one.session.refresh);
        if !matches!(told, Told::Done(_)) {
            // It may have been taken all the same; then the one before is older still, and trying it would be a theft.
            one.before = None;
        }
        let next = told.done()?;
        let old = std::mem::replace(&mut one.session, next);
        one.before = Some((old.refresh, Instant::now()));
        Some(())
    }

    /// Ends a session. If no answer comes, nobody knows whether it ended.
    fn log_out(&mut self, caller: &Caller, chance: &mut StdRng) -> Option<()> {
        let place = self.any_live(chance)?;
        let one = self.live.swap_remove(place);
        caller.log_out(&one.session.access).done()?;
        self.ended.push(one.session);
        Some(())
    }

    fn any_live(&self, chance: &mut StdRng) -> Option<usize> {
        (!self.live.is_empty()).then(|| chance.random_range(0..self.live.len()))
    }
}
