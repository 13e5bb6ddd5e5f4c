//! The target as all checks share it: client, profile, pacing, clock, and what was learnt of it.

use crate::client::{Base, Client, WireError, WireRequest, WireResponse};
use crate::gate::Gate;
use crate::hygiene::Ledger;
use crate::lockout::Lockouts;
use crate::patience::Patience;
use crate::profile::Profile;
use countersign_spec::{Scheme, Spec};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Requests in a row without an answer after which a target counts as gone.
const SILENCE: u32 = 24;

/// One target under judgement.
#[derive(Debug)]
pub struct Target {
    /// The specification it is held against.
    pub spec: Spec,
    /// Where it is and what is known of it.
    pub profile: Profile,
    /// Seed of all chance in this run.
    pub seed: u64,
    /// Generated cases for each property.
    pub cases: u32,
    /// What every exchange showed.
    pub ledger: Ledger,
    /// What was tried on its accounts.
    pub lockouts: Lockouts,
    /// Held by checks; taken whole by one that moves the clock.
    pub world: RwLock<()>,
    schemes: Vec<String>,
    client: Client,
    gates: BTreeMap<String, OnceLock<Arc<Gate>>>,
    serial: BTreeMap<String, Mutex<()>>,
    shift: AtomicU64,
    not_before: Mutex<Option<Instant>>,
    next_slot: Mutex<Option<Instant>>,
    requests: AtomicU64,
    paced: AtomicU64,
    silent: AtomicU32,
    patience: Patience,
}

impl Target {
    /// Prepares to judge; nothing is sent yet.
    ///
    /// # Errors
    /// A URL, a certificate or a key that cannot be used.
    pub fn new(
        spec: Spec,
        schemes: Vec<String>,
        profile: Profile,
        seed: u64,
        cases: u32,
    ) -> Result<Self, String> {
        let url = profile.url.as_deref().ok_or("no URL: give --url or a profile with `url`")?;
        let client = Client::as_told(Base::parse(url)?, &profile.http)?;
        let gates = spec.schemes().iter().map(|scheme| (scheme.id.clone(), OnceLock::new())).collect();
        let serial = spec.schemes().iter().map(|scheme| (scheme.id.clone(), Mutex::default())).collect();
        Ok(Self {
            serial,
            spec,
            schemes,
            profile,
            seed,
            cases,
            ledger: Ledger::default(),
            lockouts: Lockouts::default(),
            world: RwLock::new(()),
            client,
            gates,
            shift: AtomicU64::new(0),
            not_before: Mutex::new(None),
            next_slot: Mutex::new(None),
            requests: AtomicU64::new(0),
            paced: AtomicU64::new(0),
            silent: AtomicU32::new(0),
            patience: Patience::default(),
        })
    }

    /// The same target with nothing learnt of it yet, as if the run began now.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn afresh(&self) -> Result<Self, String> {
        let (spec, schemes, profile) = (self.spec.clone(), self.schemes.clone(), self.profile.clone());
        let fresh = Self::new(spec, schemes, profile, self.seed, self.cases)?;
        // A clock that cannot be set back stands where it was moved to.
        fresh.shift.store(self.shift.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(fresh)
    }

    /// The client, for what pacing must not touch.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Schemes whose tokens may be shown to others: those of this run, and those that anybody can log in to.
    #[must_use]
    pub fn neighbours(&self) -> Vec<&Scheme> {
        let open = |scheme: &&Scheme| scheme.proof.kind == countersign_spec::ProofKind::Eip191;
        self.spec
            .schemes()
            .iter()
            .filter(|scheme| self.schemes.contains(&scheme.id) || open(scheme))
            .collect()
    }

    /// Held by a check of a scheme whose checks must not run side by side.
    #[must_use]
    pub fn scheme_lock(&self, scheme: &str) -> Option<std::sync::MutexGuard<'_, ()>> {
        self.serial.get(scheme).map(lock)
    }

    /// What was learnt of a scheme; the first caller finds out.
    #[must_use]
    pub fn gate(&self, scheme: &Scheme) -> Option<Arc<Gate>> {
        Some(Arc::clone(self.gates.get(&scheme.id)?.get_or_init(|| Arc::new(Gate::open(self, scheme)))))
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How often the target asked for patience.
    #[must_use]
    pub fn paced(&self) -> u64 {
        self.paced.load(Ordering::Relaxed)
    }

    /// Seconds since 1970 by the target's clock, as far as it was moved from here.
    #[must_use]
    pub fn now(&self) -> Duration {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        real + Duration::from_secs(self.shift.load(Ordering::SeqCst))
    }

    /// Headers the profile adds to every request.
    #[must_use]
    pub fn extra_headers(&self) -> Vec<(String, String)> {
        let headers = &self.profile.http.headers;
        headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
    }

    /// Sends a request, at the profile's rate, and again as long as the target answers 429 or 503 with Retry-After.
    ///
    /// # Errors
    /// Why it was given up: the target limits requests, or no longer answers any.
    pub fn send(&self, request: &WireRequest) -> Result<Result<WireResponse, WireError>, Unavailable> {
        self.patiently(|| {
            let limit = self.patience.limit(&request.path, self.profile.http.timeout);
            let outcome = self.client.send_within(request, limit);
            match &outcome {
                Ok(response) => self.patience.answered(response.elapsed),
                Err(WireError::Timeout(_)) => self.patience.unanswered(&request.path),
                Err(_) => {}
            }
            outcome
        })
    }

    /// Whether a request was given less than the whole time limit, because others of its kind had used it up.
    #[must_use]
    pub fn was_cut_short(&self, error: &WireError) -> bool {
        matches!(error, WireError::Timeout(limit) if *limit < self.profile.http.timeout)
    }

    /// Does what [`Self::send`] does, by another way of sending.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn patiently(
        &self,
        send: impl Fn() -> Result<WireResponse, WireError>,
    ) -> Result<Result<WireResponse, WireError>, Unavailable> {
        let (start, mut waited) = (Instant::now(), false);
        loop {
            if self.silent.load(Ordering::Relaxed) >= SILENCE {
                return Err(Unavailable::Gone);
            }
            self.wait_for_slot();
            self.requests.fetch_add(1, Ordering::Relaxed);
            let outcome = send();
            match &outcome {
                Err(WireError::Timeout(_) | WireError::Connect { .. }) => {
                    self.silent.fetch_add(1, Ordering::Relaxed);
                }
                _ => self.silent.store(0, Ordering::Relaxed),
            }
            let Some(wait) = outcome.as_ref().ok().and_then(asked_wait) else {
                if waited && outcome.is_ok() {
                    self.patience.waited(true);
                }
                return Ok(outcome);
            };
            self.paced.fetch_add(1, Ordering::Relaxed);
            if start.elapsed() + wait > self.patience.for_limits() {
                if waited {
                    self.patience.waited(false);
                }
                return Err(Unavailable::Limited { wait });
            }
            waited = true;
            let until = Instant::now() + wait;
            let mut not_before = lock(&self.not_before);
            *not_before = Some(not_before.map_or(until, |known| known.max(until)));
        }
    }

    /// Sends requests at the same moment, each on its own connection.
    pub fn send_together(&self, requests: &[WireRequest]) -> Vec<Result<WireResponse, WireError>> {
        self.wait_for_slot();
        self.requests.fetch_add(requests.len() as u64, Ordering::Relaxed);
        self.client.send_together(requests)
    }

    /// Moves the target's clock forward.
    ///
    /// # Errors
    /// What the target said instead of doing so.
    pub fn advance(&self, seconds: u64) -> Result<(), String> {
        let clock = self.profile.clock.as_ref().ok_or("the profile names no clock")?;
        self.control(&clock.advance, &serde_json::json!({ "advance_seconds": seconds }))?;
        self.shift.fetch_add(seconds, Ordering::SeqCst);
        Ok(())
    }

    /// Sets the target back to its start, where it can and was moved away from it.
    ///
    /// # Errors
    /// What the target said instead of doing so.
    pub fn reset(&self) -> Result<(), String> {
        let reset = self.profile.clock.as_ref().and_then(|clock| clock.reset.clone());
        let Some(reset) = reset.filter(|_| self.shift.load(Ordering::SeqCst) > 0) else { return Ok(()) };
        self.control(&reset, &serde_json::json!({}))?;
        self.shift.store(0, Ordering::SeqCst);
        self.lockouts.forget();
        Ok(())
    }

    fn control(&self, path: &str, body: &serde_json::Value) -> Result<(), String> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.extra_headers());
        let request = WireRequest {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers,
            body: crate::client::WireBody::Whole(body.to_string().into()),
        };
        match self.client.send(&request) {
            Ok(response) if (200..300).contains(&response.status) => Ok(()),
            Ok(response) => Err(format!("POST {path} answered HTTP {}", response.status)),
            Err(error) => Err(format!("POST {path}: {error}")),
        }
    }

    fn wait_for_slot(&self) {
        let paused = *lock(&self.not_before);
        if let Some(until) = paused {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        let Some(rate) = self.profile.http.rate else { return };
        let mine = {
            let mut next = lock(&self.next_slot);
            let mine = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
            *next = Some(mine + Duration::from_secs(1) / rate);
            mine
        };
        std::thread::sleep(mine.saturating_duration_since(Instant::now()));
    }
}

/// Why a request was not worth sending, or sending again.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Unavailable {
    /// The target has left so many requests in a row without an answer that more would only wait.
    #[error("the target no longer answers: {SILENCE} requests in a row were left without an answer")]
    Gone,
    /// The target asked for more patience than a check has.
    #[error("the target limits requests and asks to wait {} s", .wait.as_secs())]
    Limited {
        /// How long it wants us to wait.
        wait: Duration,
    },
}

/// How long a limiting answer asks to wait; `None` where it does not limit.
fn asked_wait(response: &WireResponse) -> Option<Duration> {
    if response.status != 429 && response.status != 503 {
        return None;
    }
    let header = response.headers.iter().find(|(name, _)| name == "retry-after");
    let seconds = header.and_then(|(_, value)| value.trim().parse::<u64>().ok());
    match (response.status, seconds) {
        (_, Some(seconds)) => Some(Duration::from_secs(seconds).max(Duration::from_millis(50))),
        // A limit that does not say how long: a second is what most windows are.
        (429, None) => Some(Duration::from_secs(1)),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
