//! The issuer from outside: what a scheme and its callers see of tokens.

use super::*;
use crate::env::{MovableClock, SystemRandom};
use crate::error::Why;
use crate::store::MemoryStore;
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;

mod replicas;
mod sessions;

#[derive(Clone)]
struct Rules(&'static str, Policy);

impl TokenRules for Rules {
    fn id(&self) -> &str {
        self.0
    }

    fn policy(&self) -> Policy {
        self.1
    }

    fn claims<'s>(&self, subject: &'s Subject, _: Use) -> Cow<'s, Map<String, Value>> {
        let mut claims = subject.attributes.clone();
        claims.insert("aud".into(), "somebody else".into());
        Cow::Owned(claims)
    }
}

const HOUR: u64 = 3_600;
const ROTATE: Policy = Policy {
    lifetime: HOUR,
    ends: "exp",
    began: "iat",
    renewal: Renewal::Rotate { lifetime: 10 * HOUR, grace: 30, extends: false },
};
const REISSUE: Policy = Policy {
    lifetime: HOUR,
    ends: "exp",
    began: "orig_iat",
    renewal: Renewal::Reissue { window: 5 * HOUR, from: From::Issue },
};
const LATE: Policy = Policy {
    lifetime: HOUR,
    ends: "access_expired_at",
    began: "iat",
    renewal: Renewal::Reissue { window: HOUR, from: From::Expiry },
};

fn issuer() -> (Issuer, Arc<MovableClock>) {
    let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_700_000_000)));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    (issuer_over(store, &clock), clock)
}

fn issuer_over(store: Arc<dyn Store>, clock: &Arc<MovableClock>) -> Issuer {
    let keys = KeyRing::new(Arc::new(LocalKey::hs256(&local::test_secret(7)).unwrap()));
    Issuer::new("countersign", keys, store, clock.clone(), Arc::new(SystemRandom))
}

fn alice() -> Subject {
    Subject { id: "alice".into(), attributes: json!({ "role": "x" }).as_object().unwrap().clone() }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn refresh(issuer: &Issuer, rules: &Rules, token: &str) -> Result<Tokens, Why> {
    let presented = issuer.present(rules, token).await.map_err(|error| error.why())?;
    issuer.renew(rules, &presented).await.map(Option::unwrap).map_err(|error| error.why())
}

const REFUSED: Why = Why::Denied(Denied::TokenRefused);

#[tokio::test]
async fn tokens_are_good_for_their_scheme_their_use_and_their_time() {
    let (issuer, clock) = issuer();
    let (rules, other) = (Rules("one", ROTATE), Rules("two", ROTATE));
    let tokens = issuer.grant(&rules, &alice(), None).await.unwrap();
    let refresh = tokens.refresh.unwrap().token;
    assert_eq!(issuer.authenticate(&rules, &tokens.access).await.unwrap().subject, alice());
    for (rules, token) in [(&other, &tokens.access), (&rules, &refresh)] {
        assert_eq!(issuer.authenticate(rules, token).await.unwrap_err().why(), REFUSED);
    }
    for (rules, token) in [(&rules, &tokens.access), (&other, &refresh)] {
        assert_eq!(issuer.present(rules, token).await.unwrap_err().why(), REFUSED);
    }
    clock.advance(Duration::from_millis(HOUR * 1_000 - 1));
    assert!(issuer.authenticate(&rules, &tokens.access).await.is_ok());
    clock.advance(Duration::from_millis(1));
    let ended = issuer.authenticate(&rules, &tokens.access).await.unwrap_err();
    assert_eq!(ended.why(), Why::Denied(Denied::TokenEnded), "no leeway");
}

#[tokio::test]
async fn racers_inside_the_window_get_the_same_bytes() {
    let (issuer, clock) = issuer();
    let rules = Rules("one", ROTATE);
    let first = issuer.grant(&rules, &alice(), None).await.unwrap().refresh.unwrap().token;
    clock.advance(secs(5));
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let (issuer, rules, first) = (issuer.clone(), rules.clone(), first.clone());
            tokio::spawn(async move { refresh(&issuer, &rules, &first).await.unwrap() })
        })
        .collect();
    let mut pairs = std::collections::HashSet::new();
    for racer in racers {
        let tokens = racer.await.unwrap();
        pairs.insert((tokens.access, tokens.refresh.unwrap().token));
    }
    assert_eq!(pairs.len(), 1);
    clock.advance(secs(30));
    let again = refresh(&issuer, &rules, &first).await.unwrap();
    assert!(
        pairs.contains(&(again.access, again.refresh.unwrap().token)),
        "also at the window's last moment"
    );
}

#[tokio::test]
async fn a_token_replaced_too_long_ago_ends_the_family() {
    let (issuer, clock) = issuer();
    let rules = Rules("one", ROTATE);
    let first = issuer.grant(&rules, &alice(), None).await.unwrap();
    let first_refresh = first.refresh.unwrap().token;
    let second = refresh(&issuer, &rules, &first_refresh).await.unwrap();
    clock.advance(secs(31));
    assert_eq!(refresh(&issuer, &rules, &first_refresh).await.unwrap_err(), REFUSED);
    assert_eq!(refresh(&issuer, &rules, &second.refresh.unwrap().token).await.unwrap_err(), REFUSED);
    for access in [first.access, second.access] {
        assert_eq!(issuer.authenticate(&rules, &access).await.unwrap_err().why(), REFUSED);
    }
}

#[tokio::test]
async fn once_the_successor_is_used_the_one_before_is_old_even_inside_the_window() {
    let (issuer, _) = issuer();
    let rules = Rules("one", ROTATE);
    let first = issuer.grant(&rules, &alice(), None).await.unwrap().refresh.unwrap().token;
    let second = refresh(&issuer, &rules, &first).await.unwrap().refresh.unwrap().token;
    let third = refresh(&issuer, &rules, &second).await.unwrap().refresh.unwrap().token;
    assert_eq!(refresh(&issuer, &rules, &first).await.unwrap_err(), REFUSED);
    assert_eq!(refresh(&issuer, &rules, &third).await.unwrap_err(), REFUSED, "the family is gone");
}

#[tokio::test]
async fn logout_ends_this_session_and_no_other() {
    let (issuer, _) = issuer();
    let rules = Rules("one", ROTATE);
    let (one, two) = (
        issuer.grant(&rules, &alice(), None).await.unwrap(),
        issuer.grant(&rules, &alice(), None).await.unwrap(),
    );
    let caller = issuer.authenticate(&rules, &one.access).await.unwrap();
    issuer.end(&rules, &caller).await.unwrap();
    issuer.end(&rules, &caller).await.unwrap();
    assert_eq!(issuer.authenticate(&rules, &one.access).await.unwrap_err().why(), REFUSED);
    assert_eq!(refresh(&issuer, &rules, &one.refresh.unwrap().token).await.unwrap_err(), REFUSED);
    assert!(issuer.authenticate(&rules, &two.access).await.is_ok());
}

#[tokio::test]
async fn a_window_from_issue_takes_ended_tokens_and_its_last_second() {
    let (issuer, clock) = issuer();
    let rules = Rules("one", REISSUE);
    let token = issuer.grant(&rules, &alice(), None).await.unwrap().access;
    clock.advance(secs(5 * HOUR));
    assert!(issuer.authenticate(&rules, &token).await.is_err());
    let renewed = refresh(&issuer, &rules, &token).await.unwrap().access;
    assert_eq!(issuer.authenticate(&rules, &renewed).await.unwrap().subject, alice());
    assert!(refresh(&issuer, &rules, &token).await.is_ok(), "the old one stays good for it");
    clock.advance(secs(1));
    assert_eq!(refresh(&issuer, &rules, &token).await.unwrap_err(), Why::Denied(Denied::WindowOver));
}

#[tokio::test]
async fn a_window_from_expiry_opens_when_the_token_no_longer_authorises() {
    let (issuer, clock) = issuer();
    let rules = Rules("one", LATE);
    let token = issuer.grant(&rules, &alice(), None).await.unwrap().access;
    clock.advance(secs(HOUR));
    assert_eq!(issuer.authenticate(&rules, &token).await.unwrap_err().why(), Why::Denied(Denied::TokenEnded));
    assert!(refresh(&issuer, &rules, &token).await.is_ok());
    clock.advance(secs(HOUR));
    assert_eq!(refresh(&issuer, &rules, &token).await.unwrap_err(), Why::Denied(Denied::WindowOver));
}

#[tokio::test]
async fn an_extending_refresh_lengthens_the_access_token_at_hand() {
    let (issuer, clock) = issuer();
    let renewal = Renewal::Rotate { lifetime: 10 * HOUR, grace: 30, extends: true };
    let rules = Rules("one", Policy { renewal, ..ROTATE });
    let tokens = issuer.grant(&rules, &alice(), None).await.unwrap();
    clock.advance(secs(HOUR));
    assert!(issuer.authenticate(&rules, &tokens.access).await.is_err());
    let presented = issuer.present(&rules, &tokens.refresh.unwrap().token).await.unwrap();
    assert!(issuer.renew(&rules, &presented).await.unwrap().is_none());
    assert!(issuer.authenticate(&rules, &tokens.access).await.is_ok());
    clock.advance(secs(HOUR));
    assert!(issuer.authenticate(&rules, &tokens.access).await.is_err());
}

#[tokio::test]
async fn no_two_tokens_coincide() {
    let (issuer, _) = issuer();
    let rules = Rules("one", REISSUE);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        assert!(seen.insert(issuer.grant(&rules, &alice(), None).await.unwrap().access));
    }
}
