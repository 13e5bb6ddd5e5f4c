//! What has to be known of a target before a scheme can be judged: whether the login works at all, under which paths, and
//! which operations are served.
//!
//! A login that does not work is one finding. Everything that needs a login is then blocked by it, not reported again.

use crate::actor::Actor;
use crate::context::{Context, Session};
use crate::finding::{Finding, Stop};
use crate::judge;
use crate::jwt::Jwt;
use crate::raw::Oddity;
use crate::target::Target;
use countersign_spec::{Operation, ProofKind, RefreshTakes, Role, Scheme, Step, Variant};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was learnt of one scheme on one target.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    failure: Option<Failure>,
    paths: BTreeMap<String, String>,
    missing: BTreeMap<String, String>,
    variants: BTreeMap<String, usize>,
    serial: bool,
    redirect: Option<Value>,
    first: Option<(String, Map<String, Value>)>,
    registers: bool,
    constants: BTreeMap<String, String>,
    mistake: Option<Box<Finding>>,
}

/// Why nothing that needs a login can be judged.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The documented login is refused or answered wrongly.
    Finding(Box<Finding>),
    /// There is nobody to log in with.
    NoAccount(String),
    /// The target could not be asked.
    Inconclusive(String),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Found(ending) => Self::Finding(ending.into_finding()),
            Stop::NotApplicable(reason) => Self::NoAccount(reason),
            Stop::Inconclusive(reason) | Stop::Blocked(reason) => Self::Inconclusive(reason),
        }
    }
}

/// The check that reports a login which does not work.
#[must_use]
pub fn login_check(scheme: &Scheme) -> String {
    format!("{}::flow::the-documented-login-works", scheme.id)
}

impl Gate {
    /// Finds out, with a few requests.
    #[must_use]
    pub fn open(target: &Target, scheme: &Scheme) -> Self {
        let mut gate = Self::default();
        gate.choose_paths(target, scheme);
        let session = match gate.log_in(target, scheme) {
            Ok(session) => session,
            Err(failure) => {
                gate.failure = Some(failure);
                return gate;
            }
        };
        gate.redirect = session.answer.value(Role::Redirect);
        gate.first = session
            .access
            .as_deref()
            .and_then(Jwt::read)
            .map(|jwt| (session.actor.identifier.clone(), jwt.claims));
        gate.choose_variants(target, scheme, &session);
        gate.find_missing(target, scheme, &session);
        gate.serial = gate.sessions_meddle(target, scheme);
        gate.mistake = gate.one_mistake(target, scheme);
        gate
    }

    /// The very first login. One that is refused is tried again as a client would that registers first, and with a value for
    /// what the document leaves to the operator and is empty by default; what a target asks for is kept.
    fn log_in<'t>(&mut self, target: &'t Target, scheme: &'t Scheme) -> Result<Session<'t>, Failure> {
        let name = login_check(scheme);
        let attempt =
            |gate: &Self| first_login(&mut Context::new(target, scheme, &name, Some(Arc::new(gate.clone()))));
        let refused = match attempt(self) {
            Err(refused @ Failure::Finding(_)) => refused,
            other => return other,
        };
        let own = target.profile.schemes.get(&scheme.id);
        let constants: BTreeMap<String, String> = empty_constants(scheme)
            .filter(|name| own.is_none_or(|own| !own.constants.contains_key(*name)))
            .map(|name| (name.to_owned(), MADE_UP.to_owned()))
            .collect();
        for (registers, constants) in [(scheme.registration.is_some(), BTreeMap::new()), (false, constants)] {
            if !registers && constants.is_empty() {
                continue;
            }
            let other = Self { registers, constants, ..self.clone() };
            if let Ok(session) = attempt(&other) {
                *self = other;
                return Ok(session);
            }
        }
        Err(refused)
    }

    /// Whether wallets have to be registered before they log in.
    #[must_use]
    pub const fn registers(&self) -> bool {
        self.registers
    }

    /// The value of a constant that is empty by default, where the target wants one.
    #[must_use]
    pub fn constant(&self, name: &str) -> Option<&str> {
        self.constants.get(name).map(String::as_str)
    }

    /// Where the very first login was sent, if anywhere.
    #[must_use]
    pub fn first_redirect(&self) -> Option<&Value> {
        self.redirect.as_ref()
    }

    /// Whose the very first login was, and the claims of its token where it can be read.
    #[must_use]
    pub fn first_claims(&self) -> Option<(&str, &Map<String, Value>)> {
        self.first.as_ref().map(|(name, claims)| (name.as_str(), claims))
    }

    /// That a single wrong secret keeps its owner out, if it does. Only at the very start is it surely a single one.
    #[must_use]
    pub fn mistake(&self) -> Option<&Finding> {
        self.mistake.as_deref()
    }

    fn one_mistake(&self, target: &Target, scheme: &Scheme) -> Option<Box<Finding>> {
        if scheme.proof.kind != ProofKind::Secret {
            return None;
        }
        let mut cx = Context::new(target, scheme, &login_check(scheme), Some(Arc::new(self.clone())));
        let actor = cx.actor().ok()?;
        cx.log_in(&actor).ok()?;
        let mut wrong = actor.clone();
        wrong.password = format!("wrong-{}", cx.random_hex(12));
        let refused = cx.attempt(&wrong).and_then(|attempt| cx.send_attempt(&attempt)).ok()?;
        let answer = cx.attempt(&actor).and_then(|attempt| cx.send_attempt(&attempt)).ok()?;
        if refused.accepted() || answer.verdict != judge::Verdict::Refused {
            return None;
        }
        let expected = judge::describe_success(scheme, answer.operation);
        let did = "logged in with the right secret after a single wrong one";
        let exchanges = [refused.exchange, answer.exchange.clone()];
        Some(Box::new(cx.finding(did, &expected, &answer.exchange.got(), &exchanges)))
    }

    /// Why nothing that needs a login can be judged, if so.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether one session of an account ends another: then checks that share accounts must not run side by side.
    #[must_use]
    pub fn is_serial(&self) -> bool {
        self.serial
    }

    /// Whether a second login, the logout of one session or a misuse of it ends another session of the account. All are a
    /// server's right.
    fn sessions_meddle(&self, target: &Target, scheme: &Scheme) -> bool {
        if scheme.proof.kind != ProofKind::Secret {
            return false;
        }
        let mut cx = Context::new(target, scheme, &login_check(scheme), Some(Arc::new(self.clone())));
        let Ok(first) = cx.session() else { return true };
        let Ok(second) = cx.log_in(&first.actor) else { return true };
        if !is_alive(&mut cx, &first) {
            return true;
        }
        let Ok(third) = cx.log_in(&first.actor) else { return true };
        if cx.log_out(&third).is_ok() && !is_alive(&mut cx, &second) {
            return true;
        }
        misuse_meddles(&mut cx, &first.actor)
    }

    /// Why an operation is left out, if the target does not serve it.
    #[must_use]
    pub fn missing(&self, operation: &str) -> Option<&str> {
        self.missing.get(operation).map(String::as_str)
    }

    /// The path that answered, where it is not the documented one.
    #[must_use]
    pub fn path(&self, operation: &str) -> Option<&str> {
        self.paths.get(operation).map(String::as_str)
    }

    /// The other way in which the target wants to be asked, if it is not the first one.
    #[must_use]
    pub fn variant<'s>(&self, operation: &'s Operation) -> Option<&'s Variant> {
        operation.variants.get(*self.variants.get(&operation.name)?)
    }

    /// Takes the first documented path that is there, for operations that are known under several.
    fn choose_paths(&mut self, target: &Target, scheme: &Scheme) {
        for operation in scheme.operations.iter().filter(|operation| !operation.other_paths.is_empty()) {
            let set = target.profile.schemes.get(&scheme.id);
            if set.is_some_and(|profile| profile.paths.contains_key(&operation.name)) {
                continue;
            }
            let mut cx = Context::new(target, scheme, &login_check(scheme), None);
            for path in std::iter::once(&operation.path).chain(&operation.other_paths) {
                let mut draft = cx.draft(operation);
                draft.path.clone_from(path);
                let there = cx.send(operation, &draft).is_ok_and(|answer| {
                    !answer.exchange.status().is_some_and(|status| status == 404 || status == 405)
                });
                if there {
                    if *path != operation.path {
                        self.paths.insert(operation.name.clone(), path.clone());
                    }
                    break;
                }
            }
        }
    }

    /// Finds out which documented form of a refresh the target takes.
    fn choose_variants(&mut self, target: &Target, scheme: &Scheme, session: &Session<'_>) {
        let Some(operation) = scheme.step(Step::Refresh).filter(|operation| !operation.variants.is_empty())
        else {
            return;
        };
        let Some(token) = session.refreshable(scheme).map(str::to_owned) else { return };
        // A refresh may use its token up, so that each form is tried with one of its own.
        let forms = std::iter::once(None).chain((0..operation.variants.len()).map(Some));
        let mut token = token;
        for form in forms {
            match form {
                Some(index) => drop(self.variants.insert(operation.name.clone(), index)),
                None => drop(self.variants.remove(&operation.name)),
            }
            let mut cx = Context::new(target, scheme, &login_check(scheme), Some(Arc::new(self.clone())));
            if cx.refresh_with(session, &token).is_ok_and(|answer| answer.accepted()) {
                return;
            }
            match cx.session().ok().and_then(|session| session.refreshable(scheme).map(str::to_owned)) {
                Some(fresh) => token = fresh,
                None => break,
            }
        }
        self.variants.remove(&operation.name);
    }

    /// Operations that the login document only points to may be absent; they are asked as they should be, once.
    fn find_missing(&mut self, target: &Target, scheme: &Scheme, session: &Session<'_>) {
        for operation in scheme.operations.iter().filter(|operation| operation.optional) {
            let answer = {
                let mut cx = Context::new(target, scheme, &login_check(scheme), Some(Arc::new(self.clone())));
                let draft = match operation.step {
                    Step::Refresh => {
                        let token = session.refreshable(scheme).unwrap_or_default().to_owned();
                        cx.refresh_draft(session, &token).map(|(_, draft)| draft)
                    }
                    // A logout would end the session that the next operation is asked with.
                    Step::Logout => Ok(cx.draft(operation)),
                    _ => Ok(cx.authorized(operation, session)),
                };
                draft.and_then(|draft| cx.send(operation, &draft))
            };
            let Ok(answer) = answer else { continue };
            let status = answer.exchange.status();
            if operation.sibling && !self.lets_in(target, scheme, operation, session, answer.accepted()) {
                let reason = format!(
                    "the target does not let a good token in at {} {}, which another page than the login document describes",
                    operation.method, answer.exchange.request.path
                );
                self.missing.insert(operation.name.clone(), reason);
                continue;
            }
            // An envelope that speaks of a missing user is an answer of the operation, not of the router.
            let routed = scheme.envelope.success_codes.first() == Some(&0) && status == Some(200);
            if !routed && status.is_some_and(|status| [404, 405, 501].contains(&status)) && !answer.accepted()
            {
                let status = status.unwrap_or_default();
                let reason = format!(
                    "the target does not serve {} ({} {}): HTTP {status}",
                    operation.name, operation.method, answer.exchange.request.path
                );
                self.missing.insert(operation.name.clone(), reason);
            }
        }
    }
}

impl Gate {
    /// Whether a good token is let in, if need be under a header name with capitals, and not only because everything is.
    fn lets_in(
        &self,
        target: &Target,
        scheme: &Scheme,
        operation: &Operation,
        session: &Session<'_>,
        accepted: bool,
    ) -> bool {
        let mut cx = Context::new(target, scheme, &login_check(scheme), Some(Arc::new(self.clone())));
        let draft = cx.authorized(operation, session);
        let accepted = accepted
            || cx.send_raw(operation, &draft, Oddity::TitleCaseNames).is_ok_and(|answer| answer.accepted());
        accepted && self.is_a_route(target, scheme, operation, session)
    }

    /// Whether an operation is there for itself: where whatever path is answered alike, nothing can be learnt from it.
    fn is_a_route(
        &self,
        target: &Target,
        scheme: &Scheme,
        operation: &Operation,
        session: &Session<'_>,
    ) -> bool {
        let mut cx = Context::new(target, scheme, &login_check(scheme), Some(Arc::new(self.clone())));
        let mut draft = cx.authorized(operation, session);
        draft.path = format!("{}-{}", draft.path, cx.random_hex(4));
        cx.send(operation, &draft).is_ok_and(|answer| !answer.accepted())
    }
}

/// Whether a refresh token that is used a second time, its successor being in use, ends another session of the account.
fn misuse_meddles(cx: &mut Context<'_>, actor: &Actor) -> bool {
    let rotates = cx.scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    if !rotates {
        return false;
    }
    let (Ok(misused), Ok(other)) = (cx.log_in(actor), cx.log_in(actor)) else { return false };
    let Some(token) = misused.refreshable(cx.scheme).map(str::to_owned) else { return false };
    let Ok(next) = cx.refresh(&misused) else { return false };
    if next.refresh.as_deref() == Some(token.as_str()) || cx.refresh(&next).is_err() {
        return false;
    }
    let reused = cx.refresh_with(&misused, &token).is_ok_and(|answer| answer.accepted());
    !reused && cx.refresh(&other).is_err()
}

/// Whether a session can still be used: its access token, or else its refresh token, is accepted somewhere.
fn is_alive(cx: &mut Context<'_>, session: &Session<'_>) -> bool {
    if let (Some(sink), Some(token)) = (cx.token_sinks().first().copied(), session.access.clone()) {
        return cx.present(sink, &session.actor, &token).is_ok_and(|answer| answer.accepted());
    }
    let Some(token) = session.refreshable(cx.scheme).map(str::to_owned) else { return true };
    cx.refresh_with(session, &token).is_ok_and(|answer| answer.accepted())
}

/// What stands for a value that the operator hands out, where any will do.
const MADE_UP: &str = "countersign";

/// Names of members that the document leaves to the operator and that are empty by default.
fn empty_constants(scheme: &Scheme) -> impl Iterator<Item = &str> {
    let login = scheme.step(Step::Login);
    let empty = |field: &&countersign_spec::Field| {
        field.role == Role::Constant && field.value.as_ref().and_then(Value::as_str) == Some("")
    };
    login.into_iter().flat_map(|login| &login.request.fields).filter(empty).map(|field| field.at.name())
}

/// What the document leaves to the operator, for a hint.
fn left_to_the_operator(scheme: &Scheme) -> String {
    let keys: Vec<String> =
        empty_constants(scheme).map(|name| format!("scheme.{}.{name}", scheme.id)).collect();
    if keys.is_empty() {
        String::new()
    } else {
        format!("; where the target wants its own, give {}", keys.join(", "))
    }
}

/// The documented login, judged strictly: refused, incomplete or answered in another form is a finding.
fn first_login<'t>(cx: &mut Context<'t>) -> Result<Session<'t>, Failure> {
    let actor = cx.actor()?;
    let scheme = cx.scheme;
    let challenge = match scheme.step(Step::Challenge) {
        Some(operation) => {
            let answer = cx.ask_challenge(operation, &actor)?;
            let refused = |expected: &str| {
                let did = "asked for a challenge, with everything right";
                let exchanges = std::slice::from_ref(&answer.exchange);
                Failure::Finding(Box::new(cx.finding(did, expected, &answer.exchange.got(), exchanges)))
            };
            if !answer.accepted() {
                return Err(refused(&judge::describe_success(scheme, operation)));
            }
            Some(answer.text(Role::Challenge).ok_or_else(|| refused("a challenge to sign, as text"))?)
        }
        None => None,
    };
    let attempt = cx.attempt_with(&actor, challenge);
    let answer = cx.send_attempt(&attempt)?;
    let wants_token = answer.operation.success_field(Role::AccessToken).is_some();
    if answer.accepted()
        && (!wants_token || answer.text(Role::AccessToken).is_some_and(|token| !token.is_empty()))
    {
        return Ok(Context::session_of(&actor, answer));
    }
    let expected = judge::describe_success(scheme, answer.operation);
    let did = match scheme.proof.kind {
        ProofKind::Eip191 => "logged a wallet in, with everything right",
        ProofKind::Secret => "logged an account in, with everything right",
    };
    let exchanges = cx.log.clone();
    let mut finding = cx.finding(did, &expected, &answer.exchange.got(), &exchanges);
    finding.hint = Some(match scheme.proof.kind {
        ProofKind::Secret => format!(
            "the account in use is `{}`: it comes from the profile or, without one, from fixtures/accounts.toml; give the \
             target's own accounts as [[scheme.{}.account]] in a profile",
            actor.identifier, scheme.id
        ),
        ProofKind::Eip191 => format!(
            "the wallet {} is a fresh one: where only known wallets are let in, give a key as scheme.{}.wallet in a profile{}",
            actor.address,
            scheme.id,
            left_to_the_operator(scheme)
        ),
    });
    Err(Failure::Finding(Box::new(finding)))
}
