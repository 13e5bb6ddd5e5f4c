//! What a few requests tell of a target that nothing is known of: which schemes it serves and where, and whether its clock
//! can be moved. Nothing is tried that could lock an account or change what is there.

use crate::client::{Base, Client, WireBody, WireError, WireRequest, WireResponse};
use countersign_spec::{Operation, Scheme, Spec, Step};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Requests to one target, at most.
pub const MOST: usize = 20;
/// Between the beginnings of two requests.
const PAUSE: Duration = Duration::from_millis(100);
/// Where a clock can be moved, by convention, and where everything is set back.
const CLOCK: (&str, &str) = ("/__clock", "/__reset");

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Under which URL; shorter than the one given where the documented paths begin earlier.
    pub base: Base,
    /// The schemes that are served, in the order of the specification.
    pub schemes: Vec<Served>,
    /// Path that moves the clock.
    pub advance: Option<String>,
    /// Path that sets everything back.
    pub reset: Option<String>,
    /// Requests sent.
    pub requests: usize,
}

/// A scheme that is served.
#[derive(Debug)]
pub struct Served {
    /// Its id.
    pub id: String,
    /// Paths that are not the documented ones, by operation.
    pub paths: BTreeMap<String, String>,
    /// Status of the answer to an empty login.
    pub status: u16,
}

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The target limits requests.
    #[error(
        "the target limits requests (HTTP {status}) after {requests} of them; nothing was written, try again later"
    )]
    Limited {
        /// Its status.
        status: u16,
        /// Requests sent until then.
        requests: usize,
    },
    /// The target gives no answer.
    #[error("{0}")]
    Unreachable(#[from] WireError),
    /// The client could not be made.
    #[error("{0}")]
    Unusable(String),
}

/// Asks for these schemes, with these headers in every request.
///
/// # Errors
/// A target that cannot be reached, or asks for patience.
pub fn probe(
    client: &Client,
    make: impl Fn(Base) -> Result<Client, String>,
    headers: &[(String, SecretString)],
    spec: &Spec,
    ids: &[String],
) -> Result<Found, ProbeError> {
    let given = client.base().clone();
    let mut bases = vec![given.clone()];
    if !given.prefix.is_empty() {
        bases.push(Base { prefix: String::new(), ..given.clone() });
    }
    let mut requests = 0;
    for base in bases {
        let client = make(base.clone()).map_err(ProbeError::Unusable)?;
        let mut prober = Prober { client, headers, requests, next: None };
        let schemes = prober.schemes(spec, ids)?;
        if !schemes.is_empty() {
            let (advance, reset) = prober.clock()?;
            return Ok(Found { base, schemes, advance, reset, requests: prober.requests });
        }
        requests = prober.requests;
    }
    Ok(Found { base: given, schemes: Vec::new(), advance: None, reset: None, requests })
}

struct Prober<'h> {
    client: Client,
    headers: &'h [(String, SecretString)],
    requests: usize,
    next: Option<Instant>,
}

impl Prober<'_> {
    /// Sends a request, in its time; nothing once there were enough.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<WireResponse>, ProbeError> {
        if self.requests >= MOST {
            return Ok(None);
        }
        self.requests += 1;
        if let Some(next) = self.next {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.next = Some(Instant::now() + PAUSE);
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        let further = self.headers.iter();
        headers.extend(further.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())));
        let body = match body {
            Some(body) => {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                WireBody::Whole(body.to_string().into())
            }
            None => WireBody::None,
        };
        let request = WireRequest { method: method.to_owned(), path: path.to_owned(), headers, body };
        let answer = self.client.send(&request)?;
        let asks_for_patience = answer.headers.iter().any(|(name, _)| name == "retry-after");
        if answer.status == 429 || (answer.status == 503 && asks_for_patience) {
            return Err(ProbeError::Limited { status: answer.status, requests: self.requests });
        }
        Ok(Some(answer))
    }

    /// The schemes whose login answers otherwise than a path that nobody can serve.
    fn schemes(&mut self, spec: &Spec, ids: &[String]) -> Result<Vec<Served>, ProbeError> {
        let nowhere = format!("/countersign-asks-{:08x}", rand::random::<u32>());
        let Some(control) = self.ask("POST", &nowhere, Some(&Value::Object(serde_json::Map::new())))? else {
            return Ok(Vec::new());
        };
        let mut served = Vec::new();
        for scheme in spec.schemes().iter().filter(|scheme| ids.contains(&scheme.id)) {
            let Some(login) = scheme.step(Step::Login) else { continue };
            for (index, path) in std::iter::once(&login.path).chain(&login.other_paths).enumerate() {
                // Without a name no account is tried, and without a challenge none is used up.
                let body = Value::Object(serde_json::Map::new());
                let Some(answer) = self.ask(&login.method, path, Some(&body))? else { break };
                if is_there(scheme, &answer, &control) {
                    let paths = if index == 0 { BTreeMap::new() } else { others(scheme, index - 1) };
                    served.push(Served { id: scheme.id.clone(), paths, status: answer.status });
                    break;
                }
            }
        }
        Ok(served)
    }

    /// Moves the clock by nothing; only looks whether the reset is there, which would forget what the target knows.
    fn clock(&mut self) -> Result<(Option<String>, Option<String>), ProbeError> {
        let (advance, reset) = CLOCK;
        let nothing = serde_json::json!({ "advance_seconds": 0 });
        let moved = self.ask("POST", advance, Some(&nothing))?;
        let nowhere = self.ask("GET", &format!("{advance}-{:08x}", rand::random::<u32>()), None)?;
        if !moved.is_some_and(|answer| (200..300).contains(&answer.status))
            // Who answers everything with success says nothing by it.
            || nowhere.is_none_or(|answer| answer.status < 300)
        {
            return Ok((None, None));
        }
        let there = self.ask("GET", reset, None)?.is_some_and(|answer| answer.status == 405);
        Ok((Some(advance.to_owned()), there.then(|| reset.to_owned())))
    }
}

/// Paths of all operations that are known under others, those of one place of the list.
fn others(scheme: &Scheme, index: usize) -> BTreeMap<String, String> {
    let path = |operation: &Operation| operation.other_paths.get(index).cloned();
    scheme
        .operations
        .iter()
        .filter_map(|operation| Some((operation.name.clone(), path(operation)?)))
        .collect()
}

fn is_there(scheme: &Scheme, answer: &WireResponse, control: &WireResponse) -> bool {
    let absent = |status: u16| matches!(status, 404 | 405 | 501);
    if absent(control.status) {
        return !absent(answer.status);
    }
    // Every path is answered: only the scheme's own form of a refusal, where nobody else gets it, tells it apart.
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let form = scheme.schema(&scheme.envelope.failure_schema);
    form.is_some_and(|form| form.accepts(&json)) && answer.body != control.body
}
