//! Servers that share a store and follow one ring, each at its own pace.

use super::*;
use crate::store::EmbeddedStore;
use crate::token::ring::{KeptRing, KeptState};

struct Replica {
    issuer: Issuer,
    keys: KeyRing,
}

fn replicas(ring: &KeptRing) -> [Replica; 2] {
    let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_700_000_000)));
    replicas_over(&(Arc::new(MemoryStore::new(clock.clone())) as Arc<dyn Store>), &clock, ring)
}

fn replicas_over(store: &Arc<dyn Store>, clock: &Arc<MovableClock>, ring: &KeptRing) -> [Replica; 2] {
    [(); 2].map(|()| {
        let keys = KeyRing::of(ring.open().unwrap());
        let random = Arc::new(SystemRandom);
        Replica { issuer: Issuer::new("us", keys.clone(), store.clone(), clock.clone(), random), keys }
    })
}

fn ring(algorithm: TokenAlgorithm) -> KeptRing {
    KeptRing::fresh(algorithm, Timestamp::from_secs(1_600_000_000), &SystemRandom).unwrap()
}

fn rotate(ring: &mut KeptRing) {
    ring.rotate(Timestamp::from_secs(1_700_000_000), 20 * HOUR, false, &SystemRandom).unwrap();
}

#[tokio::test]
async fn a_replica_that_has_not_heard_of_a_rotation_takes_and_repeats_what_the_others_sign() {
    for algorithm in [TokenAlgorithm::Hs256, TokenAlgorithm::EdDsa, TokenAlgorithm::Es256] {
        let mut ring = ring(algorithm);
        let [ahead, behind] = replicas(&ring);
        let rules = Rules("one", ROTATE);
        let first = behind.issuer.grant(&rules, &alice(), None).await.unwrap();
        rotate(&mut ring);
        ahead.keys.replace(ring.open().unwrap());
        let token = first.refresh.as_ref().unwrap().token.clone();
        let renewed = refresh(&ahead.issuer, &rules, &token).await.unwrap();
        let again = refresh(&behind.issuer, &rules, &token).await.unwrap();
        assert_eq!(
            (&renewed.access, &renewed.refresh.as_ref().unwrap().token),
            (&again.access, &again.refresh.as_ref().unwrap().token)
        );
        for replica in [&ahead, &behind] {
            for access in [&first.access, &renewed.access] {
                assert!(replica.issuer.authenticate(&rules, access).await.is_ok(), "{algorithm:?}");
            }
        }
        let back = refresh(&behind.issuer, &rules, &renewed.refresh.unwrap().token).await.unwrap();
        assert!(ahead.issuer.authenticate(&rules, &back.access).await.is_ok(), "signed with the key before");
    }
}

#[tokio::test]
async fn a_logout_and_a_reuse_on_one_replica_count_on_the_other() {
    let [one, two] = replicas(&ring(TokenAlgorithm::Es256));
    let rules = Rules("one", ROTATE);
    let out = one.issuer.grant(&rules, &alice(), None).await.unwrap();
    let caller = one.issuer.authenticate(&rules, &out.access).await.unwrap();
    one.issuer.end(&rules, &caller).await.unwrap();
    assert_eq!(two.issuer.authenticate(&rules, &out.access).await.unwrap_err().why(), REFUSED);
    let first = one.issuer.grant(&rules, &alice(), None).await.unwrap().refresh.unwrap().token;
    let second = two.issuer.present(&rules, &first).await.unwrap();
    let second = two.issuer.renew(&rules, &second).await.unwrap().unwrap().refresh.unwrap().token;
    let third = refresh(&one.issuer, &rules, &second).await.unwrap();
    assert_eq!(refresh(&two.issuer, &rules, &first).await.unwrap_err(), REFUSED);
    assert_eq!(one.issuer.authenticate(&rules, &third.access).await.unwrap_err().why(), REFUSED);
}

#[tokio::test]
async fn a_session_whose_key_was_revoked_is_over_and_others_go_on() {
    let mut ring = ring(TokenAlgorithm::EdDsa);
    let [server, _] = replicas(&ring);
    let rules = Rules("one", ROTATE);
    let before = server.issuer.grant(&rules, &alice(), None).await.unwrap();
    rotate(&mut ring);
    server.keys.replace(ring.open().unwrap());
    let after = server.issuer.grant(&rules, &alice(), None).await.unwrap();
    let bad = ring.keys().iter().find(|key| key.state() == KeptState::Retiring).unwrap().kid().to_owned();
    ring.revoke(&bad, Timestamp::from_secs(1_700_000_001), &SystemRandom).unwrap();
    server.keys.replace(ring.open().unwrap());
    let signature = Why::Denied(Denied::TokenSignature);
    assert_eq!(server.issuer.authenticate(&rules, &before.access).await.unwrap_err().why(), signature);
    assert_eq!(refresh(&server.issuer, &rules, &before.refresh.unwrap().token).await.unwrap_err(), signature);
    assert!(server.issuer.authenticate(&rules, &after.access).await.is_ok());
    assert!(refresh(&server.issuer, &rules, &after.refresh.unwrap().token).await.is_ok());
}

/// What so many callers, spread over the replicas, are given for one token at one moment.
async fn race(replicas: &[Replica; 2], token: &str, callers: usize) -> Vec<(String, String)> {
    let start = Arc::new(tokio::sync::Barrier::new(callers));
    let calls: Vec<_> = (0..callers)
        .map(|caller| {
            let (issuer, start) = (replicas[caller % 2].issuer.clone(), start.clone());
            let token = token.to_owned();
            tokio::spawn(async move {
                start.wait().await;
                let tokens = refresh(&issuer, &Rules("one", ROTATE), &token).await.unwrap();
                (tokens.access, tokens.refresh.unwrap().token)
            })
        })
        .collect();
    let mut given = Vec::new();
    for call in calls {
        given.push(call.await.unwrap());
    }
    given
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_callers_get_one_successor_and_a_restart_before_the_answer_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_700_000_000)));
    let ring = ring(TokenAlgorithm::Es256);
    let file = folder.path().join("store.redb");
    let open = || -> Arc<dyn Store> { Arc::new(EmbeddedStore::open(&file, clock.clone()).unwrap()) };
    let mut store = open();
    let mut servers = replicas_over(&store, &clock, &ring);
    let tokens = servers[0].issuer.grant(&Rules("one", ROTATE), &alice(), None).await.unwrap();
    let mut token = tokens.refresh.unwrap().token;
    for callers in [2, 20, 200] {
        let given = race(&servers, &token, callers).await;
        assert!(given.iter().all(|pair| *pair == given[0]), "{callers} callers");
        // The answers were lost with the process; the caller still has the old token.
        drop((servers, store));
        store = open();
        servers = replicas_over(&store, &clock, &ring);
        clock.advance(secs(30));
        assert_eq!(race(&servers, &token, 2).await[0], given[0], "after a restart");
        token = given[0].1.clone();
    }
}
