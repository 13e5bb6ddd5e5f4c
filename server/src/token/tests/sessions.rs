//! How sessions end, other than by their holders.

use super::*;
use crate::accounts::{Accounts, Seed};
use crate::password::{Cost, Passwords};
use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

const DAY: u64 = 24 * HOUR;

fn limited(limits: SessionLimits) -> (Issuer, Arc<MovableClock>) {
    let (issuer, clock) = issuer();
    (issuer.limits(limits), clock)
}

#[tokio::test]
async fn no_chain_of_refreshes_outlives_the_absolute_limit_and_tokens_say_so() {
    let limits = SessionLimits { absolute: Some(DAY), ..SessionLimits::DEFAULT };
    let (issuer, clock) = limited(limits);
    let rules = Rules("one", ROTATE);
    let mut tokens = issuer.grant(&rules, &alice(), None).await.unwrap();
    for (at, access, refreshing) in [(9, HOUR, 10 * HOUR), (18, HOUR, 6 * HOUR), (23, HOUR, HOUR)] {
        clock.reset();
        clock.advance(secs(at * HOUR));
        tokens = refresh(&issuer, &rules, &tokens.refresh.unwrap().token).await.unwrap();
        let refresh = tokens.refresh.as_ref().unwrap();
        assert_eq!((tokens.lifetime, refresh.lifetime), (access, refreshing), "after {at} hours");
    }
    clock.advance(secs(HOUR / 2));
    tokens = refresh(&issuer, &rules, &tokens.refresh.unwrap().token).await.unwrap();
    assert_eq!(tokens.lifetime, HOUR / 2, "an access token is cut too");
    clock.advance(secs(HOUR / 2));
    assert!(issuer.authenticate(&rules, &tokens.access).await.is_err());
    assert!(refresh(&issuer, &rules, &tokens.refresh.unwrap().token).await.is_err());
}

#[tokio::test]
async fn limits_that_are_lowered_end_sessions_that_are_open() {
    let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_700_000_000)));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    let rules = Rules("one", ROTATE);
    let before = issuer_over(store.clone(), &clock);
    let (idle, absolute) = (
        before.grant(&rules, &alice(), None).await.unwrap(),
        before.grant(&rules, &alice(), None).await.unwrap(),
    );
    clock.advance(secs(HOUR / 2));
    let after = |limits| issuer_over(store.clone(), &clock).limits(limits);
    let idling = after(SessionLimits { idle: Some(HOUR / 4), ..SessionLimits::DEFAULT });
    assert!(
        idling.authenticate(&rules, &idle.access).await.is_ok(),
        "a session that idles may be used to its end"
    );
    let token = idle.refresh.unwrap().token;
    assert_eq!(refresh(&idling, &rules, &token).await.unwrap_err(), REFUSED);
    assert_eq!(refresh(&before, &rules, &token).await.unwrap_err(), REFUSED, "it is over for everybody");
    let short = after(SessionLimits { absolute: Some(HOUR / 4), ..SessionLimits::DEFAULT });
    assert_eq!(short.authenticate(&rules, &absolute.access).await.unwrap_err().why(), REFUSED);
    assert_eq!(before.authenticate(&rules, &absolute.access).await.unwrap_err().why(), REFUSED);
}

#[tokio::test]
async fn an_idle_limit_shortens_refresh_tokens_and_each_refresh_begins_it_anew() {
    let (issuer, clock) = limited(SessionLimits { idle: Some(2 * HOUR), ..SessionLimits::DEFAULT });
    let rules = Rules("one", ROTATE);
    let mut tokens = issuer.grant(&rules, &alice(), None).await.unwrap();
    for _ in 0..5 {
        assert_eq!(tokens.refresh.as_ref().unwrap().lifetime, 2 * HOUR);
        clock.advance(secs(2 * HOUR - 1));
        tokens = refresh(&issuer, &rules, &tokens.refresh.unwrap().token).await.unwrap();
    }
    clock.advance(secs(2 * HOUR));
    assert!(refresh(&issuer, &rules, &tokens.refresh.unwrap().token).await.is_err());
}

#[tokio::test]
async fn exchanged_tokens_have_a_limit_only_where_one_is_asked_for() {
    for (limit, open) in [(None, true), (Some(10 * HOUR), false)] {
        let limits = SessionLimits { reissue_absolute: limit, ..SessionLimits::DEFAULT };
        for rules in [Rules("one", REISSUE), Rules("one", LATE)] {
            let (issuer, clock) = limited(limits);
            let mut token = issuer.grant(&rules, &alice(), None).await.unwrap().access;
            for _ in 0..6 {
                clock.advance(secs(HOUR + HOUR / 2));
                token = refresh(&issuer, &rules, &token).await.unwrap().access;
            }
            assert!(issuer.authenticate(&rules, &token).await.is_ok(), "nine hours in");
            clock.advance(secs(HOUR + HOUR / 2));
            assert_eq!(refresh(&issuer, &rules, &token).await.is_ok(), open, "{limit:?}");
        }
    }
}

struct Bank {
    issuer: Issuer,
    accounts: Accounts,
}

impl Bank {
    async fn open() -> Self {
        let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_700_000_000)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let passwords = Passwords::start(Cost::CHEAP, 1, 64, Arc::new(SystemRandom)).unwrap();
        let bank =
            Self { issuer: issuer_over(store.clone(), &clock), accounts: Accounts::new(store, passwords) };
        for name in ["ada", "bob"] {
            bank.seed(name, "old").await;
        }
        bank
    }

    async fn seed(&self, name: &str, password: &str) {
        let (scheme, name, password) = ("one".to_owned(), name.to_owned(), password.into());
        self.accounts.seed(&Seed { scheme, name, password, flags: BTreeSet::new() }).await.unwrap();
    }

    async fn log_in(&self, rules: &Rules, name: &str, password: &str) -> Tokens {
        let account = self.accounts.log_in("one", name, password).await.unwrap();
        self.issuer.grant(rules, &alice(), Some(&account)).await.unwrap()
    }

    async fn change(&self, how: &str) {
        match how {
            "another password" => self.seed("ada", "new").await,
            "disabled" => assert!(self.accounts.disable("one", "ada").await.unwrap()),
            _ => assert!(self.accounts.end_sessions("one", "ada").await.unwrap()),
        }
    }
}

#[tokio::test]
async fn whatever_happens_to_an_account_ends_all_its_sessions_and_no_other() {
    for how in ["another password", "disabled", "sessions ended"] {
        let bank = Bank::open().await;
        let rules = Rules("one", ROTATE);
        let (one, two) = (bank.log_in(&rules, "ada", "old").await, bank.log_in(&rules, "ada", "old").await);
        let other = bank.log_in(&rules, "bob", "old").await;
        bank.seed("ada", "old").await;
        assert!(
            bank.issuer.authenticate(&rules, &one.access).await.is_ok(),
            "the same password changes nothing"
        );
        bank.change(how).await;
        let authenticated = bank.issuer.authenticate(&rules, &one.access).await;
        assert_eq!(authenticated.unwrap_err().why(), REFUSED, "{how}");
        for tokens in [one, two] {
            let token = tokens.refresh.unwrap().token;
            assert_eq!(refresh(&bank.issuer, &rules, &token).await.unwrap_err(), REFUSED, "{how}");
        }
        assert!(bank.issuer.authenticate(&rules, &other.access).await.is_ok());
        assert!(refresh(&bank.issuer, &rules, &other.refresh.unwrap().token).await.is_ok());
        match how {
            "another password" => drop(bank.log_in(&rules, "ada", "new").await),
            "disabled" => assert!(bank.accounts.log_in("one", "ada", "old").await.is_err()),
            _ => drop(bank.log_in(&rules, "ada", "old").await),
        }
    }
}

#[tokio::test]
async fn whatever_happens_to_an_account_ends_the_exchange_of_its_tokens() {
    for how in ["another password", "disabled", "sessions ended"] {
        let bank = Bank::open().await;
        let rules = Rules("one", REISSUE);
        let token = bank.log_in(&rules, "ada", "old").await.access;
        let renewed = refresh(&bank.issuer, &rules, &token).await.unwrap().access;
        bank.change(how).await;
        for token in [&token, &renewed] {
            assert_eq!(refresh(&bank.issuer, &rules, token).await.unwrap_err(), REFUSED, "{how}");
        }
    }
}

#[tokio::test]
async fn a_session_that_was_begun_with_the_old_password_during_a_change_is_over() {
    let bank = Bank::open().await;
    let rules = Rules("one", ROTATE);
    let proven = bank.accounts.log_in("one", "ada", "old").await.unwrap();
    bank.change("another password").await;
    let tokens = bank.issuer.grant(&rules, &alice(), Some(&proven)).await.unwrap();
    assert!(bank.issuer.authenticate(&rules, &tokens.access).await.is_err());
}

/// Lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn reuse_is_told_once_with_its_cause_and_without_the_token() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (refreshes, wait, cause) in [(1, 31, "ReuseLate"), (2, 0, "ReuseOlder")] {
        let (issuer, clock) = issuer();
        let rules = Rules("one", ROTATE);
        let first = issuer.grant(&rules, &alice(), None).await.unwrap().refresh.unwrap().token;
        let mut last = first.clone();
        for _ in 0..refreshes {
            last = refresh(&issuer, &rules, &last).await.unwrap().refresh.unwrap().token;
        }
        clock.advance(secs(wait));
        for _ in 0..3 {
            assert_eq!(refresh(&issuer, &rules, &first).await.unwrap_err(), REFUSED);
        }
        assert_eq!(refresh(&issuer, &rules, &last).await.unwrap_err(), REFUSED);
        let log = String::from_utf8(std::mem::take(&mut *lines.0.lock().unwrap())).unwrap();
        assert_eq!(log.matches("event=\"reuse\"").count(), 1, "{log}");
        assert!(log.contains(&format!("cause={cause}")) && log.contains("subject=\"alice\""), "{log}");
        assert!(!log.contains(first.rsplit_once('.').unwrap().1), "{log}");
    }
}
