//! Accounts over a store in memory.

use super::*;
use crate::env::{SystemClock, SystemRandom};
use crate::error::Why;
use crate::password::Cost;
use crate::store::MemoryStore;

pub(super) fn accounts() -> Accounts {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    Accounts::new(store, passwords(Cost::CHEAP))
}

fn passwords(cost: Cost) -> Passwords {
    Passwords::start(cost, 1, 64, Arc::new(SystemRandom)).unwrap()
}

pub(super) fn seed(name: &str, password: &str) -> Seed {
    Seed { scheme: "s".into(), name: name.into(), password: password.into(), flags: BTreeSet::new() }
}

#[tokio::test]
async fn only_the_right_pair_logs_in_and_refusals_look_alike() {
    let accounts = accounts();
    accounts.seed(&seed("ada", "pass word")).await.unwrap();
    assert_eq!(accounts.log_in("s", "ada", "pass word").await.unwrap().name, "ada");
    let long = "x".repeat(2_000);
    for (scheme, name, password) in [
        ("s", "ada", "pass word "),
        ("s", "Ada", "pass word"),
        ("s", "nobody", "pass word"),
        ("other", "ada", "pass word"),
        ("s", "ada", ""),
        ("s", "ada", &long),
        ("s", &long, "pass word"),
    ] {
        let refused = accounts.log_in(scheme, name, password).await.unwrap_err();
        assert_eq!(refused.why(), Why::Denied(Denied::Credentials), "{name} {password}");
    }
}

#[tokio::test]
async fn seeding_again_changes_the_password_and_keeps_the_number() {
    let accounts = accounts();
    accounts.seed(&seed("ada", "one")).await.unwrap();
    accounts.seed(&seed("bob", "one")).await.unwrap();
    accounts.seed(&seed("ada", "two")).await.unwrap();
    assert!(accounts.log_in("s", "ada", "one").await.is_err());
    assert_eq!(accounts.log_in("s", "ada", "two").await.unwrap().number, 1);
    assert_eq!(accounts.log_in("s", "bob", "one").await.unwrap().number, 2);
}

#[tokio::test]
async fn a_login_makes_the_hash_anew_when_its_cost_rose_and_only_then() {
    let cheap = accounts();
    cheap.seed(&seed("ada", "one")).await.unwrap();
    let stored = async || {
        let record = cheap.record("s", "ada").await.unwrap().unwrap();
        (PasswordHash::parse(&record.password).unwrap(), record.number)
    };
    let before = stored().await;
    let dear = Cost { passes: 2, ..Cost::CHEAP };
    let risen = Accounts::new(cheap.store.clone(), passwords(dear));
    assert!(risen.log_in("s", "ada", "two").await.is_err());
    assert_eq!(stored().await, before, "a wrong password changes nothing");
    risen.log_in("s", "ada", "one").await.unwrap();
    let after = stored().await;
    assert_eq!((after.0.cost(), after.1), (dear, before.1));
    for accounts in [&risen, &cheap] {
        accounts.log_in("s", "ada", "one").await.unwrap();
        assert!(accounts.log_in("s", "ada", "two").await.is_err());
        assert_eq!(stored().await, after, "nothing rose");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_seed_at_once_agree() {
    let accounts = accounts();
    let seeding: Vec<_> = (0..8)
        .map(|_| {
            let accounts = accounts.clone();
            tokio::spawn(async move { accounts.seed(&seed("ada", "one")).await })
        })
        .collect();
    for seeded in seeding {
        seeded.await.unwrap().unwrap();
    }
    let account = accounts.log_in("s", "ada", "one").await.unwrap();
    assert_eq!(account.epoch(), 0, "no session was ended");
}

#[tokio::test]
async fn a_disabled_account_is_refused_like_an_unknown_one() {
    let accounts = accounts();
    accounts.seed(&seed("ada", "one")).await.unwrap();
    assert!(accounts.disable("s", "ada").await.unwrap());
    assert!(!accounts.disable("s", "nobody").await.unwrap());
    let refused = accounts.log_in("s", "ada", "one").await.unwrap_err();
    assert_eq!(refused.why(), Why::Denied(Denied::Credentials));
    assert!(accounts.find("s", "ada").await.unwrap().is_none());
    accounts.seed(&seed("ada", "two")).await.unwrap();
    assert!(accounts.log_in("s", "ada", "two").await.is_err(), "seeding does not bring it back");
}

#[tokio::test]
async fn names_that_look_alike_are_refused() {
    let accounts = accounts();
    accounts.seed(&seed("straße", "x")).await.unwrap();
    for twin in ["STRASSE", "Straße", "\u{ff53}traße"] {
        let error = accounts.seed(&seed(twin, "x")).await.unwrap_err();
        assert!(matches!(error, AccountError::LooksLike { .. }), "{twin}: {error}");
    }
    accounts.seed(&seed("strase", "x")).await.unwrap();
}

#[test]
fn what_decides_about_sessions_is_read_from_every_writing_of_an_account() {
    let flags = BTreeSet::from(["x".to_owned()]);
    let (name, password) = ("ada".to_owned(), "$argon2id$".to_owned());
    let record = Record { name, number: 1, password, disabled: true, removed: false, epoch: 5, flags };
    let written = write(&record).unwrap();
    assert_eq!(written, r#"["ada",1,"$argon2id$",true,false,5,["x"]]"#);
    let named =
        r#"{"name":"ada","number":1,"password":"$argon2id$","disabled":true,"epoch":5,"flags":["x"]}"#;
    for text in [&written[..], named.as_bytes()] {
        let stands: Stands = read(text).unwrap();
        assert!(stands.disabled && stands.epoch == 5);
        let again: Record = read(text).unwrap();
        assert_eq!(write(&again).unwrap(), written);
    }
    let before = r#"{"name":"ada","number":1,"password":"$argon2id$"}"#;
    let stands: Stands = read(before.as_bytes()).unwrap();
    assert!(!stands.disabled && stands.epoch == 0);
}
