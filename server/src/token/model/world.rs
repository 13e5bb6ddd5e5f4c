//! The issuer under a history, and what it must answer.

use super::Step;
use super::reference::{Outcome, Rules, Session};
use crate::accounts::{Accounts, Seed};
use crate::env::{Clock as _, MovableClock, SystemRandom};
use crate::password::{Cost, Passwords};
use crate::store::Store;
use crate::token::ring::KeptRing;
use crate::token::{
    Issuer, KeyRing, Policy, Renewal, SessionLimits, Subject, TokenAlgorithm, TokenRules, Tokens, Use,
};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(super) const LIFETIME: u64 = 60;
pub(super) const REFRESH_LIFETIME: u64 = 300;
pub(super) const GRACE: u64 = 10;
pub(super) const ABSOLUTE: u64 = 700;
const SCHEME: &str = "model";
const RULES: Rules =
    Rules { lifetime: LIFETIME, refresh_lifetime: REFRESH_LIFETIME, grace: GRACE, absolute: ABSOLUTE };

/// The scheme whose tokens are looked at.
#[derive(Debug)]
struct Scheme;

impl TokenRules for Scheme {
    fn id(&self) -> &str {
        SCHEME
    }

    fn policy(&self) -> Policy {
        let renewal = Renewal::Rotate { lifetime: REFRESH_LIFETIME, grace: GRACE, extends: false };
        Policy { lifetime: LIFETIME, ends: "exp", began: "iat", renewal }
    }

    fn claims<'s>(&self, subject: &'s Subject, _: Use) -> Cow<'s, Map<String, Value>> {
        Cow::Borrowed(&subject.attributes)
    }
}

/// What a holder has of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    access: String,
    refresh: String,
}

impl Pair {
    fn of(tokens: Tokens) -> Result<Self, String> {
        let refresh = tokens.refresh.ok_or("no refresh token")?.token;
        Ok(Self { access: tokens.access, refresh })
    }
}

struct Person {
    name: String,
    password: String,
    epoch: u64,
}

pub(super) struct World {
    clock: Arc<MovableClock>,
    issuer: Issuer,
    accounts: Accounts,
    keys: KeyRing,
    ring: KeptRing,
    revoked: BTreeSet<String>,
    people: Vec<Person>,
    sessions: Vec<(Session, Vec<Pair>)>,
}

impl World {
    pub(super) async fn new(store: Arc<dyn Store>, clock: Arc<MovableClock>) -> Result<Self, String> {
        let ring = KeptRing::fresh(TokenAlgorithm::EdDsa, clock.now(), &SystemRandom).map_err(text)?;
        let keys = KeyRing::of(ring.open().map_err(text)?);
        let random = Arc::new(SystemRandom);
        let limits = SessionLimits { absolute: Some(ABSOLUTE), ..SessionLimits::DEFAULT };
        let issuer = Issuer::new("model", keys.clone(), store.clone(), clock.clone(), random).limits(limits);
        let accounts = Accounts::new(store, passwords()?);
        let people = ["ada", "bob", "eve"]
            .map(|name| Person { name: name.into(), password: "0".into(), epoch: 0 })
            .into_iter()
            .collect();
        let sessions = Vec::new();
        let world = Self { clock, issuer, accounts, keys, ring, revoked: BTreeSet::new(), people, sessions };
        for person in &world.people {
            world.seed(person).await?;
        }
        Ok(world)
    }

    /// Takes a step on both sides; says how they differ.
    pub(super) async fn take(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::LogIn { who } => self.log_in(who).await,
            Step::Refresh { session, age, callers } => match self.choose(session) {
                Some(session) => self.refresh(session, age, callers).await,
                None => Ok(()),
            },
            Step::Use { session, age } => match self.choose(session) {
                Some(session) => self.use_access(session, age).await,
                None => Ok(()),
            },
            Step::LogOut { session } => match self.choose(session) {
                Some(session) => self.log_out(session, 0).await,
                None => Ok(()),
            },
            Step::LogOutAmidRefreshes { session, callers } => match self.choose(session) {
                Some(session) => self.log_out(session, callers).await,
                None => Ok(()),
            },
            Step::ChangePassword { who } => {
                let person = &mut self.people[who];
                person.epoch += 1;
                person.password = person.epoch.to_string();
                self.seed(&self.people[who]).await
            }
            Step::EndSessions { who } => {
                let person = &mut self.people[who];
                person.epoch += 1;
                let found = self.accounts.end_sessions(SCHEME, &person.name).await.map_err(text)?;
                found.then_some(()).ok_or_else(|| "the account is gone".to_owned())
            }
            Step::Wait { seconds } => {
                self.clock.advance(Duration::from_secs(seconds));
                Ok(())
            }
            Step::RotateKeys => {
                let (now, longest) = (self.clock.now(), Scheme.policy().longest());
                self.ring.rotate(now, longest, true, &SystemRandom).map_err(text)?;
                self.use_ring()
            }
            Step::RevokeKey { which } => {
                let keys = self.ring.keys();
                let kid = keys[which % keys.len()].kid().to_owned();
                self.ring.revoke(&kid, self.clock.now(), &SystemRandom).map_err(text)?;
                self.revoked.insert(kid);
                self.use_ring()
            }
        }
    }

    async fn log_in(&mut self, who: usize) -> Result<(), String> {
        let person = &self.people[who];
        let account = self.accounts.log_in(SCHEME, &person.name, &person.password).await.map_err(text)?;
        let subject = Subject { id: person.name.clone(), attributes: Map::new() };
        let tokens = self.issuer.grant(&Scheme, &subject, Some(&account)).await.map_err(text)?;
        let session = Session::begin(who, self.clock.now().secs(), person.epoch);
        self.sessions.push((session, vec![Pair::of(tokens)?]));
        Ok(())
    }

    async fn refresh(&mut self, at: usize, age: usize, callers: usize) -> Result<(), String> {
        let (now, epoch) = (self.clock.now().secs(), self.epoch(at));
        let generation = self.sessions[at].0.newest().saturating_sub(age);
        let token = self.sessions[at].1[generation].refresh.clone();
        let known = self.known(&token)?;
        let outcome = self.sessions[at].0.present(RULES, generation, now, epoch, known);
        let answers = self.present(&token, callers).await?;
        if outcome == Outcome::Refused {
            return match answers.iter().position(Option::is_some) {
                None => Ok(()),
                Some(caller) => Err(format!("caller {caller} of {callers} was given tokens")),
            };
        }
        let Some(pairs) = answers.into_iter().collect::<Option<Vec<Pair>>>() else {
            return Err(format!("not all of {callers} callers were given tokens, which must be {outcome:?}"));
        };
        let Some(first) = pairs.first().filter(|first| pairs.iter().all(|pair| pair == *first)) else {
            return Err(format!("{callers} callers at once were given different successors"));
        };
        let newest = self.sessions[at].0.newest();
        let held = self.sessions[at].1.get(newest).cloned();
        match (outcome, held) {
            (Outcome::Again, Some(held)) if held == *first => Ok(()),
            // The key of the newest pair was revoked meanwhile: the same generation, signed with another.
            (Outcome::Again, Some(held)) if !self.known(&held.refresh)? => {
                self.sessions[at].1[newest] = first.clone();
                Ok(())
            }
            (Outcome::Again, _) => Err("the pair that was given again differs".into()),
            (_, None) => {
                self.sessions[at].1.push(first.clone());
                Ok(())
            }
            (_, Some(_)) => Err("the model lost count".into()),
        }
    }

    async fn use_access(&self, at: usize, age: usize) -> Result<(), String> {
        let (session, pairs) = &self.sessions[at];
        let generation = session.newest().saturating_sub(age);
        let token = &pairs[generation].access;
        let now = self.clock.now().secs();
        let usable = session.usable(RULES, generation, now, self.epoch(at), self.known(token)?);
        let used = self.issuer.authenticate(&Scheme, token).await;
        match (used, usable) {
            (Ok(caller), true) if caller.subject.id == self.people[session.who].name => Ok(()),
            (Ok(_), true) => Err("the token speaks for somebody else".into()),
            (Ok(_), false) => Err("an access token is good that must not be".into()),
            (Err(error), true) => Err(format!("an access token is refused that must be good: {error}")),
            (Err(_), false) => Ok(()),
        }
    }

    /// Logs out while so many callers refresh. Whoever wins, nothing of the session is good afterwards.
    async fn log_out(&mut self, at: usize, callers: usize) -> Result<(), String> {
        let (session, pairs) = &self.sessions[at];
        let (newest, now) = (session.newest(), self.clock.now().secs());
        let held = pairs[newest].clone();
        let usable = session.usable(RULES, newest, now, self.epoch(at), self.known(&held.access)?);
        if !usable {
            return match self.issuer.authenticate(&Scheme, &held.access).await {
                Ok(_) => Err("an access token is good that must not be".into()),
                Err(_) => Ok(()),
            };
        }
        let caller = self.issuer.authenticate(&Scheme, &held.access).await.map_err(text)?;
        let (answers, ended) =
            tokio::join!(self.present(&held.refresh, callers), self.issuer.end(&Scheme, &caller));
        ended.map_err(text)?;
        self.sessions[at].0.end();
        for pair in answers?.into_iter().flatten().chain([held]) {
            if self.issuer.authenticate(&Scheme, &pair.access).await.is_ok() {
                return Err("an access token outlived the logout".into());
            }
            if self.present(&pair.refresh, 1).await?.iter().any(Option::is_some) {
                return Err("a refresh token outlived the logout".into());
            }
        }
        Ok(())
    }

    /// What so many callers at once are given for a refresh token; nothing for those that are refused.
    async fn present(&self, token: &str, callers: usize) -> Result<Vec<Option<Pair>>, String> {
        let start = Arc::new(tokio::sync::Barrier::new(callers));
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let (issuer, token, start) = (self.issuer.clone(), token.to_owned(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    let presented = issuer.present(&Scheme, &token).await?;
                    issuer.renew(&Scheme, &presented).await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(match call.await.map_err(text)? {
                Ok(Some(tokens)) => Some(Pair::of(tokens)?),
                Ok(None) => return Err("a refresh that gives nothing".into()),
                Err(error) if matches!(error.why(), crate::error::Why::Denied(_)) => None,
                Err(error) => return Err(format!("a refresh failed: {error}")),
            });
        }
        Ok(answers)
    }

    fn choose(&self, session: usize) -> Option<usize> {
        session.checked_rem(self.sessions.len())
    }

    fn epoch(&self, at: usize) -> u64 {
        self.people[self.sessions[at].0.who].epoch
    }

    /// Whether the key that signed a token was not revoked.
    fn known(&self, token: &str) -> Result<bool, String> {
        let header = token.split('.').next().unwrap_or_default();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(header).map_err(text)?).map_err(text)?;
        let kid = header["kid"].as_str().ok_or("a token without kid")?;
        Ok(!self.revoked.contains(kid))
    }

    fn use_ring(&self) -> Result<(), String> {
        self.keys.replace(self.ring.open().map_err(text)?);
        Ok(())
    }

    async fn seed(&self, person: &Person) -> Result<(), String> {
        let seed = Seed {
            scheme: SCHEME.into(),
            name: person.name.clone(),
            password: person.password.clone().into(),
            flags: BTreeSet::new(),
        };
        self.accounts.seed(&seed).await.map_err(text)
    }
}

/// One pool for all histories.
fn passwords() -> Result<Passwords, String> {
    static POOL: OnceLock<Passwords> = OnceLock::new();
    if let Some(pool) = POOL.get() {
        return Ok(pool.clone());
    }
    let pool = Passwords::start(Cost::CHEAP, 2, 64, Arc::new(SystemRandom)).map_err(text)?;
    Ok(POOL.get_or_init(|| pool).clone())
}

#[expect(clippy::needless_pass_by_value, reason = "its place is in map_err")]
fn text(error: impl ToString) -> String {
    error.to_string()
}
