//! What the wrapper around a bent server remembers, and how it sees a request.

use crate::bend::{Bend, Req, Resp, Way};
use crate::front::{Entry, Opening};
use countersign::judge;
use countersign_spec::{Operation, Place, Role, Scheme, Spec, Step};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A token that was given out.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) scheme: String,
    pub(crate) account: String,
    pub(crate) refresh: bool,
    /// How many tokens were given out before it.
    pub(crate) number: usize,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    successes: HashMap<String, Resp>,
    firsts: HashMap<String, Resp>,
    pub(crate) issued: HashMap<String, Issued>,
    pub(crate) latest: HashMap<String, String>,
    pub(crate) counts: HashMap<String, u64>,
    pub(crate) notes: HashMap<String, String>,
    /// Changed tokens and what the server knows them as.
    inner: HashMap<String, String>,
}

impl Memory {
    /// Counts one more and says how many it are.
    pub(crate) fn count(&mut self, what: &str) -> u64 {
        let count = self.counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count
    }
}

/// The wrapper's state.
#[derive(Debug)]
pub(crate) struct World {
    bend: Bend,
    memory: Mutex<Memory>,
    inside: AtomicUsize,
    reading: tokio::sync::Mutex<()>,
}

/// A request that belongs to an operation, or to none.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) req: &'a Req,
    pub(crate) at: Option<(&'static Scheme, &'static Operation)>,
    pub(crate) body: Value,
    /// What stands behind `Bearer`.
    pub(crate) bearer: Option<String>,
    world: &'a World,
}

impl Seen<'_> {
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.world.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that are being answered at this moment.
    pub(crate) fn inside(&self) -> usize {
        self.world.inside.load(Ordering::SeqCst)
    }

    pub(crate) fn is(&self, scheme: &str, operation: &str) -> bool {
        self.at.is_some_and(|(at, known)| at.id == scheme && known.name == operation)
    }

    pub(crate) fn step(&self) -> Option<Step> {
        self.at.map(|(_, operation)| operation.step)
    }

    /// The member of this role, wherever it stands.
    pub(crate) fn value(&self, role: Role) -> Option<Value> {
        let (_, operation) = self.at?;
        operation
            .request
            .fields
            .iter()
            .filter(|field| field.role == role)
            .find_map(|field| self.place(&field.at))
    }

    pub(crate) fn text(&self, role: Role) -> Option<String> {
        self.value(role)?.as_str().map(str::to_owned)
    }

    fn place(&self, at: &Place) -> Option<Value> {
        match at {
            Place::Body(pointer) => self.body.pointer(pointer).cloned(),
            Place::Query(name) => {
                // Members that another method carries in the body.
                let given = self.body.get(name).cloned();
                given
                    .or_else(|| query(self.req.query.as_deref().unwrap_or_default(), name).map(Value::String))
            }
            Place::Header(name) => self.req.header(name).map(|text| Value::String(text.to_owned())),
        }
    }

    /// The token that is presented, in whichever place.
    pub(crate) fn token(&self) -> Option<String> {
        self.text(Role::RefreshToken).or_else(|| self.bearer.clone())
    }

    /// Who asks: the name or address of a login, or whose the presented token is.
    pub(crate) fn account(&self) -> Option<String> {
        let named = self.text(Role::Identifier).filter(|name| !name.is_empty());
        let named = match self.at {
            Some((scheme, _)) if scheme.proof.kind == countersign_spec::ProofKind::Eip191 => {
                self.text(Role::Address).or(named)
            }
            _ => named,
        };
        named.map(|name| name.to_ascii_lowercase()).or_else(|| {
            let token = self.token()?;
            self.memory().issued.get(&token).map(|issued| issued.account.clone())
        })
    }

    pub(crate) fn is_success(&self, resp: &Resp) -> bool {
        self.world.is_success(self.req, resp)
    }

    /// The operation's first success.
    pub(crate) fn first(&self) -> Option<Resp> {
        let key = key(self.at?);
        self.memory().firsts.get(&key).cloned()
    }
}

/// Counts a request while it is answered.
#[derive(Debug)]
pub(crate) struct Here<'a>(&'a AtomicUsize);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    pub(crate) fn new(bend: Bend) -> Self {
        Self {
            bend,
            memory: Mutex::default(),
            inside: AtomicUsize::new(0),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a connection counts for what was proven on it, and this request asks for a proof.
    pub(crate) fn trusts_connection(&self, req: &Req) -> bool {
        let at = operation_at(&req.path).map(|(_, operation)| operation.step);
        self.bend.trusts_connections && matches!(at, Some(Step::Protected | Step::Verify))
    }

    /// Waits until nobody else reads a body, where that is the fault.
    pub(crate) async fn read_alone(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if self.bend.one_body_at_a_time { Some(self.reading.lock().await) } else { None }
    }

    pub(crate) fn enter(&self) -> Here<'_> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        Here(&self.inside)
    }

    fn seen<'a>(&'a self, req: &'a Req) -> Seen<'a> {
        let bearer = req.header("authorization").and_then(|value| {
            let (word, token) = value.split_once(' ')?;
            word.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        Seen { req, at: operation_at(&req.path), body: req.json(), bearer, world: self }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection is read at all, and as what.
    pub(crate) fn look(&self, opening: &mut Opening) -> Entry {
        self.bend.bytes.as_ref().map_or(Entry::Open, |look| look(opening))
    }

    pub(crate) fn rewrite(&self, req: &mut Req) {
        self.back(req);
        let before = req.clone();
        if let Some(rewrite) = &self.bend.rewrite {
            rewrite(&self.seen(&before), req);
        }
    }

    pub(crate) fn decide(&self, req: &Req) -> Way {
        self.bend.decide.as_ref().map_or(Way::Pass, |decide| decide(&self.seen(req)))
    }

    /// How long the answer to a request waits.
    pub(crate) fn wait(&self, req: &Req) -> Duration {
        let own = self.bend.delay.as_ref().map_or(Duration::ZERO, |delay| delay(&self.seen(req)));
        self.bend.wait.unwrap_or_default() + own
    }

    pub(crate) fn after(&self, req: &Req, resp: &mut Resp) {
        let seen = self.seen(req);
        if let Some(after) = &self.bend.after {
            after(&seen, resp);
        }
        if let Some(edit) = &self.bend.tokens {
            for role in [Role::AccessToken, Role::RefreshToken] {
                let Some(pointer) = seen.at.and_then(|(_, operation)| pointer_of(operation, role)) else {
                    continue;
                };
                let mut body = resp.json();
                let Some(place) = body.pointer_mut(pointer) else { continue };
                let Some(token) = place.as_str().map(str::to_owned) else { continue };
                let changed = edit(&seen, &token);
                *place = Value::String(changed.clone());
                resp.set_json(&body);
                let mut memory = self.memory();
                if let Some(issued) = memory.issued.get(&token).cloned() {
                    memory.issued.insert(changed.clone(), issued);
                }
                memory.inner.insert(changed, token);
            }
        }
    }

    /// Changes tokens back into what the server gave out.
    fn back(&self, req: &mut Req) {
        if self.bend.tokens.is_none() {
            return;
        }
        let memory = self.memory();
        if let Some(value) = req.header("authorization").map(str::to_owned)
            && let Some((word, token)) = value.split_once(' ')
        {
            let inner = memory.inner.get(token.trim()).map_or("never given out", String::as_str);
            req.set_header("authorization", &format!("{word} {inner}"));
        }
        let Some((_, operation)) = operation_at(&req.path) else { return };
        let Some(Place::Body(pointer)) = operation.request_field(Role::RefreshToken).map(|field| &field.at)
        else {
            return;
        };
        let mut body = req.json();
        if let Some(place) = body.pointer_mut(pointer)
            && let Some(token) = place.as_str()
        {
            let inner = memory.inner.get(token).map_or("never given out", String::as_str).to_owned();
            *place = Value::String(inner);
            drop(memory);
            req.set_json(&body);
        }
    }

    /// Whether an answer is a success of the operation that was asked.
    pub(crate) fn is_success(&self, req: &Req, resp: &Resp) -> bool {
        let Some((scheme, operation)) = operation_at(&req.path) else { return resp.status.is_success() };
        let body = resp.json();
        let no = operation.success_field(Role::Valid).is_some_and(|field| match &field.at {
            Place::Body(pointer) => body.pointer(pointer) == Some(&Value::Bool(false)),
            _ => false,
        });
        resp.status.is_success() && judge::code_says_success(scheme, &body) && !no
    }

    /// What a success of the operation looks like: the last one, or the specification's example.
    pub(crate) fn success(&self, req: &Req) -> Option<Resp> {
        let at = near(&req.path)?;
        if let Some(last) = self.memory().successes.get(&key(at)) {
            return Some(last.clone());
        }
        let (scheme, operation) = at;
        let example = scheme.examples.iter().find(|e| e.success && e.operation == operation.name)?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        let status = StatusCode::from_u16(example.response.status).ok()?;
        Some(Resp { status, headers, body: example.response.body.to_string().into() })
    }

    pub(crate) fn record(&self, req: &Req, resp: &Resp) {
        let seen = self.seen(req);
        let Some(at) = seen.at else { return };
        if !seen.is_success(resp) {
            return;
        }
        let account = seen.account().unwrap_or_default();
        let body = resp.json();
        let mut memory = self.memory();
        for role in [Role::AccessToken, Role::RefreshToken] {
            let Some(token) =
                pointer_of(at.1, role).and_then(|pointer| body.pointer(pointer)).and_then(Value::as_str)
            else {
                continue;
            };
            let number = memory.issued.len();
            let refresh = role == Role::RefreshToken;
            let issued = Issued { scheme: at.0.id.clone(), account: account.clone(), refresh, number };
            memory.issued.entry(token.to_owned()).or_insert(issued);
            if !refresh {
                memory.latest.insert(format!("{}/{account}", at.0.id), token.to_owned());
            }
        }
        memory.firsts.entry(key(at)).or_insert_with(|| resp.clone());
        memory.successes.insert(key(at), resp.clone());
    }
}

/// The place of a role in an operation's success.
pub(crate) fn pointer_of(operation: &Operation, role: Role) -> Option<&str> {
    match &operation.success_field(role)?.at {
        Place::Body(pointer) => Some(pointer),
        _ => None,
    }
}

fn key((scheme, operation): (&Scheme, &Operation)) -> String {
    format!("{}/{}", scheme.id, operation.name)
}

/// The operation at exactly this path.
fn operation_at(path: &str) -> Option<(&'static Scheme, &'static Operation)> {
    operations().find(|(_, operation)| paths(operation).any(|known| known == path))
}

/// The operation at this path, or the one whose path it begins with.
fn near(path: &str) -> Option<(&'static Scheme, &'static Operation)> {
    operation_at(path).or_else(|| {
        let beginning = |(_, operation): &(_, &'static Operation)| {
            paths(operation).any(|known| path.starts_with(known.trim_end_matches('/')))
        };
        operations().filter(beginning).max_by_key(|(_, operation)| operation.path.len())
    })
}

fn operations() -> impl Iterator<Item = (&'static Scheme, &'static Operation)> {
    let schemes = Spec::embedded().schemes().iter();
    schemes.flat_map(|scheme| scheme.operations.iter().map(move |operation| (scheme, operation)))
}

fn paths(operation: &Operation) -> impl Iterator<Item = &str> {
    std::iter::once(&operation.path).chain(&operation.other_paths).map(String::as_str)
}

/// A parameter of a query.
pub(crate) fn query(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name)?;
    let mut bytes = Vec::new();
    let mut rest = pair.1.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}
