//! The tour: what is asked of every scheme, rightly and wrongly, in an order that never changes.
//!
//! Steps are made from the roles and operations of the specification. Nothing is judged here and nothing that is refused
//! ends a flow, but what needs a session is left out where there is none.

use super::redaction::Redactor;
use super::transcript::{Step as Recorded, Transcript};
use crate::actor::Actor;
use crate::client::WireError;
use crate::context::{Answer, Context, Session};
use crate::draft::{Draft, Writing};
use crate::finding::Stop;
use crate::flow::Attempt;
use crate::gate::Failure;
use crate::presenting::Form;
use crate::target::Target;
use crate::wallet::{LoginKey, Wallet};
use countersign_spec::{Auth, Field, Operation, Place, ProofKind, RefreshTakes, Role, Scheme, Step};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;

/// One tour of one scheme.
#[derive(Debug)]
pub struct Toured {
    /// Its flows that have a step.
    pub transcripts: Vec<Transcript>,
    /// Why the login with everything right was refused, where it was.
    pub refused: Option<String>,
}

/// Why there is no tour.
#[derive(Debug)]
pub enum Trouble {
    /// There is nobody to log in with.
    NotApplicable(String),
    /// The target could not be asked to the end.
    Broken(String),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotApplicable(reason) => Self::NotApplicable(reason),
            Stop::Inconclusive(reason) | Stop::Blocked(reason) => Self::Broken(reason),
            Stop::Found(ending) => Self::Broken(ending.into_finding().got),
        }
    }
}

type Flow = fn(&mut Tour<'_>) -> Result<(), Stop>;

/// The flows, each a file of the record.
const FLOWS: [(&str, &str, Flow); 7] = [
    ("login", "a login with everything right", login),
    ("lookup", "what is told without a proof", lookup),
    ("use", "operations that need a login, with it and without", usage),
    ("refresh", "a token for another", refresh),
    ("logout", "the end of a session, and what follows", logout),
    ("refusals", "requests that are wrong", refusals),
    ("options", "what a browser asks before it asks", options),
];

/// Takes the tour once.
///
/// # Errors
/// Why there is none.
pub fn take(target: &Target, scheme: &Scheme) -> Result<Toured, Trouble> {
    let gate = target.gate(scheme);
    let refused = match gate.as_ref().and_then(|gate| gate.failure()) {
        Some(Failure::NoAccount(reason)) => return Err(Trouble::NotApplicable(reason.clone())),
        Some(Failure::Inconclusive(reason)) => return Err(Trouble::Broken(reason.clone())),
        Some(Failure::Finding(finding)) => {
            let hint = finding.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            Some(format!("the login is refused with {}{hint}", finding.got))
        }
        None => None,
    };
    let mut cx = Context::new(target, scheme, "tour", gate);
    // Wallets are new in every tour: the second login of a wallet may be answered otherwise than its first.
    cx.rng = StdRng::from_rng(&mut rand::rng());
    let actor = cx.actor()?;
    let mut tour = Tour { cx, actor, known: Vec::new(), steps: Vec::new() };
    let mut toured = Toured { transcripts: Vec::new(), refused };
    for (name, about, flow) in FLOWS {
        tour.known = tour.of_the_actor();
        flow(&mut tour)?;
        let steps = std::mem::take(&mut tour.steps);
        if !steps.is_empty() {
            let (scheme, flow, about) = (scheme.id.clone(), name.to_owned(), about.to_owned());
            toured.transcripts.push(Transcript { scheme, flow, about, steps });
        }
    }
    Ok(toured)
}

struct Tour<'t> {
    cx: Context<'t>,
    actor: Actor,
    /// Values that stand in later steps, with what they are called there.
    known: Vec<(String, &'static str)>,
    steps: Vec<Recorded>,
}

impl<'t> Tour<'t> {
    fn of_the_actor(&self) -> Vec<(String, &'static str)> {
        let actor = &self.actor;
        let mut known = vec![
            (actor.identifier.clone(), "identifier"),
            (actor.address.clone(), "address"),
            (actor.wallet.address(), "address, EIP-55"),
            (actor.login_key.public_hex(), "public key"),
            (actor.password.clone(), "secret"),
        ];
        known.retain(|(value, _)| !value.is_empty());
        known
    }

    /// A value that was sent or given, from here on named.
    fn know(&mut self, value: &str, label: &'static str) {
        if !value.is_empty() {
            self.known.insert(0, (value.to_owned(), label));
        }
    }

    /// Puts an exchange on record.
    fn note(&mut self, title: &str, answer: &Answer<'_>) -> Result<(), Stop> {
        if let Err(error @ WireError::Connect { .. }) = &answer.exchange.outcome {
            return Err(Stop::Inconclusive(error.to_string()));
        }
        let added = self.cx.target.extra_headers();
        let redactor = Redactor {
            known: &self.known,
            secrets: &self.cx.secrets,
            now: self.cx.target.now(),
            scheme: self.cx.scheme,
            added: &added,
        };
        let (operation, exchange) = (answer.operation, &answer.exchange);
        self.steps.push(Recorded {
            title: title.to_owned(),
            request: redactor.request(operation, exchange),
            answer: redactor.answer(operation, exchange, answer.accepted()),
        });
        Ok(())
    }

    fn ask(&mut self, title: &str, operation: &'t Operation, draft: &Draft) -> Result<Answer<'t>, Stop> {
        let answer = self.cx.send(operation, draft)?;
        self.note(title, &answer)?;
        Ok(answer)
    }

    /// A login with everything right before it is sent; none where there is no challenge to be had.
    fn attempt(&mut self) -> Result<Option<Attempt>, Stop> {
        let actor = self.actor.clone();
        let challenge = match self.cx.scheme.step(Step::Challenge) {
            Some(operation) => {
                let answer = self.cx.ask_challenge(operation, &actor)?;
                let Some(challenge) = answer.text(Role::Challenge) else { return Ok(None) };
                self.know(&challenge, "challenge");
                Some(challenge)
            }
            None => None,
        };
        Ok(Some(self.cx.attempt_with(&actor, challenge)))
    }

    /// A session that is not on record; none where the login is refused.
    fn session(&mut self) -> Result<Option<Session<'t>>, Stop> {
        let Some(attempt) = self.attempt()? else { return Ok(None) };
        let answer = self.cx.send_attempt(&attempt)?;
        Ok(answer.accepted().then(|| self.session_of(answer)))
    }

    fn session_of(&mut self, answer: Answer<'t>) -> Session<'t> {
        let session = Context::session_of(&self.actor, answer);
        for (token, label) in [(&session.access, "access token"), (&session.refresh, "refresh token")] {
            if let Some(token) = token {
                self.know(token, label);
            }
        }
        session
    }

    fn operations(&self, steps: &[Step]) -> Vec<&'t Operation> {
        let scheme = self.cx.scheme;
        scheme.operations.iter().filter(|operation| steps.contains(&operation.step)).collect()
    }

    fn tampered(&mut self, token: &str) -> String {
        let tampered = tampered(token);
        self.know(&tampered, "tampered token");
        self.cx.secrets.add(&tampered, "$TAMPERED_TOKEN");
        tampered
    }

    /// A request as the session may make it, with this token in the place of its own.
    fn with_token(&mut self, operation: &'t Operation, token: &str) -> Draft {
        let actor = self.actor.clone();
        let mut draft = self.cx.fill(operation, &actor, None);
        draft.authorize(token);
        draft
    }
}

fn login(tour: &mut Tour<'_>) -> Result<(), Stop> {
    if let Some(operation) = tour.cx.scheme.step(Step::Challenge) {
        let actor = tour.actor.clone();
        let answer = tour.cx.ask_challenge(operation, &actor)?;
        tour.note(&format!("{}, with everything right", operation.name), &answer)?;
    }
    let texts = std::iter::once(None).chain(tour.cx.scheme.proof.other_texts.iter().map(Some));
    for text in texts {
        let Some(mut attempt) = tour.attempt()? else { return Ok(()) };
        let mut title = String::from("with everything right");
        if let Some(text) = text {
            title = format!("with the text of {}", text.name);
            attempt.form = Some(text.clone());
        }
        let answer = tour.cx.send_attempt(&attempt)?;
        tour.note(&format!("{}, {title}", answer.operation.name), &answer)?;
    }
    Ok(())
}

fn lookup(tour: &mut Tour<'_>) -> Result<(), Stop> {
    let actor = tour.actor.clone();
    for operation in tour.operations(&[Step::Lookup]) {
        let draft = tour.cx.fill(operation, &actor, None);
        tour.ask(&format!("{} of who has logged in", operation.name), operation, &draft)?;
        let mut stranger = actor.clone();
        stranger.wallet = Wallet::random(&mut tour.cx.rng);
        stranger.address = stranger.wallet.lower_address();
        tour.know(&stranger.address, "another address");
        let draft = tour.cx.fill(operation, &stranger, None);
        tour.ask(&format!("{} of who has not", operation.name), operation, &draft)?;
    }
    Ok(())
}

fn usage(tour: &mut Tour<'_>) -> Result<(), Stop> {
    let Some(session) = tour.session()? else { return Ok(()) };
    for operation in tour.operations(&[Step::Protected, Step::Verify]) {
        let draft = tour.cx.authorized(operation, &session);
        tour.ask(&format!("{}, with everything right", operation.name), operation, &draft)?;
        unproven(tour, operation, session.access.as_deref())?;
        if operation.auth == Auth::Access
            && let Some(token) = &session.refresh
        {
            let draft = tour.with_token(operation, token);
            tour.ask(&format!("{}, with the refresh token", operation.name), operation, &draft)?;
        }
    }
    Ok(())
}

/// An operation without what authorises it, and with it altered.
fn unproven(tour: &mut Tour<'_>, operation: &Operation, token: Option<&str>) -> Result<(), Stop> {
    // The operation of the specification, which lives as long as the target.
    let Some(operation) = tour.cx.scheme.operation(&operation.name) else { return Ok(()) };
    let actor = tour.actor.clone();
    let draft = tour.cx.fill(operation, &actor, None);
    let (without, altered) = match operation.auth {
        Auth::Signed => {
            let mut altered = draft.clone();
            let stranger = LoginKey::random(&mut tour.cx.rng);
            tour.cx.sign_request(operation, &mut altered, &stranger);
            ("without a signature", Some(("signed with another key", altered)))
        }
        _ => {
            let altered = token.map(|token| {
                let tampered = tour.tampered(token);
                ("with a tampered token", tour.with_token(operation, &tampered))
            });
            ("without a token", altered)
        }
    };
    tour.ask(&format!("{}, {without}", operation.name), operation, &draft)?;
    if let Some((title, draft)) = altered {
        tour.ask(&format!("{}, {title}", operation.name), operation, &draft)?;
    }
    Ok(())
}

fn refresh(tour: &mut Tour<'_>) -> Result<(), Stop> {
    let scheme = tour.cx.scheme;
    let (Some(operation), Some(rule)) = (scheme.step(Step::Refresh), &scheme.refresh) else { return Ok(()) };
    let name = &operation.name;
    let mut forms = vec![(String::new(), Form::First)];
    forms.extend(
        operation.variants.iter().map(|variant| (format!(", {}", variant.name), Form::Other(variant))),
    );
    if operation.auth_optional && operation.request_field(Role::RefreshToken).is_some() {
        forms.push((", in the body alone".to_owned(), Form::BodyAlone));
    }
    for (form, taken) in forms {
        // A session of its own: a token may be used up.
        let Some(session) = tour.session()? else { return Ok(()) };
        let Some(token) = session.refreshable(scheme).map(str::to_owned) else { return Ok(()) };
        let tampered = tour.tampered(&token);
        let mut tries = vec![("with a tampered token", tampered)];
        let other = match rule.takes {
            RefreshTakes::Access => session.refresh.clone().map(|token| ("with the refresh token", token)),
            RefreshTakes::Refresh => session.access.clone().map(|token| ("with the access token", token)),
        };
        tries.extend(other);
        // What is right comes last: a server may end the session for the rest.
        for (title, token) in tries {
            let draft = tour.cx.refresh_in(operation, taken, &session, &token);
            tour.ask(&format!("{name}{form}, {title}"), operation, &draft)?;
        }
        let Some(session) = tour.session()? else { return Ok(()) };
        let token = session.refreshable(scheme).unwrap_or_default().to_owned();
        let draft = tour.cx.refresh_in(operation, taken, &session, &token);
        tour.ask(&format!("{name}{form}, with everything right"), operation, &draft)?;
    }
    let draft = tour.cx.draft(operation);
    tour.ask(&format!("{name}, without a token"), operation, &draft)?;
    Ok(())
}

fn logout(tour: &mut Tour<'_>) -> Result<(), Stop> {
    let Some(operation) = tour.cx.scheme.step(Step::Logout) else { return Ok(()) };
    let Some(session) = tour.session()? else { return Ok(()) };
    unproven(tour, operation, session.access.as_deref())?;
    let Some(session) = tour.session()? else { return Ok(()) };
    let draft = tour.cx.authorized(operation, &session);
    tour.ask(&format!("{}, with everything right", operation.name), operation, &draft)?;
    for operation in tour.operations(&[Step::Protected, Step::Verify]) {
        let draft = tour.cx.authorized(operation, &session);
        tour.ask(&format!("{}, afterwards", operation.name), operation, &draft)?;
    }
    let scheme = tour.cx.scheme;
    if let (Some(operation), Some(token)) = (scheme.step(Step::Refresh), session.refreshable(scheme)) {
        let draft = tour.cx.refresh_in(operation, Form::First, &session, token);
        tour.ask(&format!("{}, afterwards", operation.name), operation, &draft)?;
    }
    Ok(())
}

fn refusals(tour: &mut Tour<'_>) -> Result<(), Stop> {
    let scheme = tour.cx.scheme;
    wrong_proof(tour)?;
    for operation in tour.operations(&[Step::Challenge, Step::Lookup, Step::Login]) {
        for field in operation.request.fields.iter().filter(|field| is_needed(field)) {
            let Some(mut draft) = right(tour, operation)? else { continue };
            draft.remove(&field.at);
            tour.ask(&format!("{} without {}", operation.name, field.at.name()), operation, &draft)?;
        }
        if let Some(field) = operation.request.fields.iter().find(|field| is_needed(field))
            && let Some(mut draft) = right(tour, operation)?
        {
            draft.set(&field.at, json!(["x"]));
            tour.ask(&format!("{} with {} as an array", operation.name, field.at.name()), operation, &draft)?;
        }
    }
    if let Some(operation) = scheme.step(Step::Login) {
        for (what, body) in [("half an object", "{\"a\":"), ("an array", "[]"), ("nothing", "")] {
            let mut draft = tour.cx.draft(operation);
            draft.writing = Writing::Bytes(body.as_bytes().to_vec());
            tour.ask(&format!("{} with {what} as the body", operation.name), operation, &draft)?;
        }
        if let Some(mut draft) = right(tour, operation)? {
            draft.set_header("content-type", "text/plain");
            tour.ask(&format!("{} as text/plain", operation.name), operation, &draft)?;
        }
        let mut draft = Draft::new("elsewhere", &operation.method, &tour.cx.path(operation));
        draft.path = format!("{}/no-such-route", draft.path.trim_end_matches('/'));
        tour.ask("a path that nobody documents", operation, &draft)?;
    }
    // What another page describes may know other methods, some of which change something.
    for operation in scheme.operations.iter().filter(|operation| !operation.sibling) {
        let served = |method: &&str| {
            *method != operation.method && !operation.other_methods.iter().any(|other| other == method)
        };
        let Some(method) = ["GET", "POST", "PUT"].into_iter().find(served) else { continue };
        let mut draft = tour.cx.draft(operation);
        method.clone_into(&mut draft.method);
        draft.body = None;
        tour.ask(&format!("{method} to {}", operation.name), operation, &draft)?;
    }
    // Whoever counts wrong secrets begins anew.
    tour.session()?;
    Ok(())
}

/// Logins in which only the proof is wrong.
fn wrong_proof(tour: &mut Tour<'_>) -> Result<(), Stop> {
    let Some(login) = tour.cx.scheme.step(Step::Login) else { return Ok(()) };
    match tour.cx.scheme.proof.kind {
        ProofKind::Secret => {
            let Some(mut attempt) = tour.attempt()? else { return Ok(()) };
            let secret = tampered(&attempt.actor.password);
            tour.know(&secret, "wrong secret");
            tour.cx.secrets.add(&secret, "$WRONG_SECRET");
            attempt.actor.password = secret;
            let answer = tour.cx.send_attempt(&attempt)?;
            tour.note(&format!("{} with a wrong secret", login.name), &answer)?;
            tour.session()?;
            let name = tampered(&attempt.actor.identifier);
            tour.know(&name, "unknown identifier");
            attempt.actor.identifier = name;
            let answer = tour.cx.send_attempt(&attempt)?;
            tour.note(&format!("{} with an unknown name", login.name), &answer)?;
        }
        ProofKind::Eip191 => {
            let Some(mut attempt) = tour.attempt()? else { return Ok(()) };
            attempt.signer = Some(Wallet::random(&mut tour.cx.rng));
            let answer = tour.cx.send_attempt(&attempt)?;
            tour.note(&format!("{} signed by another wallet", login.name), &answer)?;
            if let Some(field) = login.request_field(Role::Signature)
                && let Some(mut attempt) = tour.attempt()?
            {
                attempt.after.push((field.at.clone(), json!("0x00")));
                let answer = tour.cx.send_attempt(&attempt)?;
                tour.note(&format!("{} with a signature of one byte", login.name), &answer)?;
            }
        }
    }
    Ok(())
}

/// A request with everything right; none where there is no challenge to be had.
fn right<'t>(tour: &mut Tour<'t>, operation: &'t Operation) -> Result<Option<Draft>, Stop> {
    if operation.step != Step::Login {
        let actor = tour.actor.clone();
        return Ok(Some(tour.cx.fill(operation, &actor, None)));
    }
    let Some(attempt) = tour.attempt()? else { return Ok(None) };
    tour.cx.write_attempt(&attempt).map(|(_, draft)| Some(draft))
}

fn options(tour: &mut Tour<'_>) -> Result<(), Stop> {
    for operation in &tour.cx.scheme.operations {
        let mut draft = Draft::new(&operation.name, "OPTIONS", &tour.cx.path(operation));
        draft.set_header("origin", "https://app.example.org");
        draft.set_header("access-control-request-method", &operation.method);
        draft.set_header("access-control-request-headers", "authorization, content-type");
        tour.ask(&format!("OPTIONS of {}", operation.name), operation, &draft)?;
    }
    Ok(())
}

/// Whether a request lacks something without this member.
fn is_needed(field: &Field) -> bool {
    !field.optional && matches!(field.at, Place::Body(_))
}

/// The text with one character of its last part changed, in its middle: the last one of a signature may be padding.
fn tampered(text: &str) -> String {
    let start = text.rfind('.').map_or(0, |at| at + 1);
    let count = text.get(start..).unwrap_or_default().chars().count();
    let middle = text.get(..start).unwrap_or_default().chars().count() + count / 2;
    text.chars()
        .enumerate()
        .map(|(index, c)| match c {
            'x' if index == middle => 'y',
            _ if index == middle => 'x',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_of_the_last_part_is_changed() {
        assert_eq!(tampered("aa.bb.cccc"), "aa.bb.ccxc");
        assert_eq!(tampered("aaxa"), "aaya");
        assert_eq!(tampered("Über 7"), "Übex 7");
        assert_eq!(tampered(""), "");
    }

    #[test]
    fn flows_have_names_of_their_own_that_are_files() {
        let names: std::collections::BTreeSet<&str> = FLOWS.iter().map(|(name, _, _)| *name).collect();
        assert_eq!(names.len(), FLOWS.len());
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase())));
    }
}
