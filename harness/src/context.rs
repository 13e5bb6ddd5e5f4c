//! What a check works with: its target, its own chance, its exchanges, and the verbs of a login.

mod demand;
mod raw;

use crate::actor::Actor;
use crate::digests::Digests;
use crate::draft::Draft;
use crate::exchange::Exchange;
use crate::finding::{Finding, Stop};
use crate::gate::Gate;
use crate::judge::{self, Verdict};
use crate::passing::{Over, Passing};
use crate::profile::Account;
use crate::redact::Secrets;
use crate::target::Target;
use crate::wallet::Wallet;
use countersign_spec::{Auth, Encoding, Operation, ProofKind, Role, Scheme, Step};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One run of one check.
#[derive(Debug)]
pub struct Context<'t> {
    /// The scheme under judgement.
    pub scheme: &'t Scheme,
    /// The target.
    pub target: &'t Target,
    /// Name of the check.
    pub check: String,
    /// Chance that depends on the run's seed and the check's name only.
    pub rng: StdRng,
    /// What was exchanged, in order.
    pub log: Vec<Arc<Exchange>>,
    /// What must not be shown.
    pub secrets: Secrets,
    gate: Option<Arc<Gate>>,
    passwords: Vec<String>,
    digests: Vec<Digests>,
    /// Wallets that signed.
    wallets: Vec<Wallet>,
    /// Findings that do not end it.
    passing: Passing,
    /// The last time, in milliseconds, that stood in one of its requests.
    stamp: u64,
    /// Accounts it uses, with how many wrong secrets it tried on them in a row.
    accounts: Vec<(Actor, u32)>,
}

/// An answer with its verdict.
#[derive(Debug, Clone)]
pub struct Answer<'t> {
    /// The operation that was asked.
    pub operation: &'t Operation,
    /// What was exchanged.
    pub exchange: Arc<Exchange>,
    /// What it amounts to.
    pub verdict: Verdict,
}

impl Answer<'_> {
    /// Whether the target let the request in.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.verdict == Verdict::Accepted
    }

    /// The text in the member of this role.
    #[must_use]
    pub fn text(&self, role: Role) -> Option<String> {
        judge::text_of(self.operation, &self.exchange, role).map(str::to_owned)
    }

    /// The value in the member of this role.
    #[must_use]
    pub fn value(&self, role: Role) -> Option<Value> {
        judge::value_of(self.operation, &self.exchange, role).cloned()
    }
}

/// What a good login yields.
#[derive(Debug, Clone)]
pub struct Session<'t> {
    /// Who logged in.
    pub actor: Actor,
    /// Access token, where the scheme has one.
    pub access: Option<String>,
    /// Refresh token, where the scheme has one.
    pub refresh: Option<String>,
    /// The answer it came with.
    pub answer: Answer<'t>,
}

impl Session<'_> {
    /// The token that a refresh takes, by the scheme's rule.
    #[must_use]
    pub fn refreshable(&self, scheme: &Scheme) -> Option<&str> {
        match scheme.refresh.as_ref()?.takes {
            countersign_spec::RefreshTakes::Access => self.access.as_deref(),
            countersign_spec::RefreshTakes::Refresh => self.refresh.as_deref(),
        }
    }
}

/// Whether an operation takes the access token as `Authorization` and changes nothing.
#[must_use]
pub fn is_token_sink(operation: &Operation) -> bool {
    operation.auth == Auth::Access && !operation.auth_optional && operation.step != Step::Logout
}

impl<'t> Context<'t> {
    /// A context for one run of a check.
    #[must_use]
    pub fn new(target: &'t Target, scheme: &'t Scheme, check: &str, gate: Option<Arc<Gate>>) -> Self {
        let seed = Sha256::new().chain_update(target.seed.to_le_bytes()).chain_update(check).finalize();
        let mut secrets = Secrets::default();
        for (name, value) in target.extra_headers() {
            secrets.add(&value, &crate::redact::of_header(&name));
        }
        Self {
            scheme,
            target,
            check: check.to_owned(),
            rng: StdRng::from_seed(seed.into()),
            log: Vec::new(),
            secrets,
            gate,
            passwords: Vec::new(),
            digests: Vec::new(),
            wallets: Vec::new(),
            passing: Passing::new(Over::default()),
            stamp: 0,
            accounts: Vec::new(),
        }
    }

    /// The time in milliseconds, later than that of any request before: two that are sent within a millisecond would be the
    /// same one to a target that takes each request once.
    pub fn next_stamp(&mut self) -> u64 {
        let now = u64::try_from(self.target.now().as_millis()).unwrap_or(u64::MAX);
        self.stamp = now.max(self.stamp.saturating_add(1));
        self.stamp
    }

    /// The same, for a run of the check that passes over findings.
    #[must_use]
    pub fn past(mut self, over: Over) -> Self {
        self.passing = Passing::new(over);
        self
    }

    /// What it has passed over.
    #[must_use]
    pub fn passed(&self) -> Vec<Finding> {
        self.passing.passed()
    }

    /// The operation that takes a step, if the target serves it.
    ///
    /// # Errors
    /// Not applicable, with the reason.
    pub fn step(&self, step: Step) -> Result<&'t Operation, Stop> {
        let operation = self.scheme.step(step).ok_or_else(|| {
            Stop::NotApplicable(format!("{} has no {step:?} step", self.scheme.id).to_lowercase())
        })?;
        self.served(operation)?;
        Ok(operation)
    }

    /// Whether the target serves an operation.
    ///
    /// # Errors
    /// Not applicable, with the reason.
    pub fn served(&self, operation: &Operation) -> Result<(), Stop> {
        match self.gate.as_ref().and_then(|gate| gate.missing(&operation.name)) {
            Some(reason) => Err(Stop::NotApplicable(reason.to_owned())),
            None => Ok(()),
        }
    }

    /// Operations that take the access token as `Authorization`, change nothing, and are served.
    pub fn token_sinks(&self) -> Vec<&'t Operation> {
        let sinks = self.scheme.operations.iter().filter(|operation| is_token_sink(operation));
        sinks.filter(|operation| self.served(operation).is_ok()).collect()
    }

    /// Somebody who can log in: an account of the profile, the profile's wallet, or a fresh wallet.
    ///
    /// # Errors
    /// Not applicable where the profile names no account.
    pub fn actor(&mut self) -> Result<Actor, Stop> {
        self.nth_actor(0)
    }

    /// Somebody else who can log in.
    ///
    /// # Errors
    /// Not applicable where the profile names no second account.
    pub fn other_actor(&mut self) -> Result<Actor, Stop> {
        self.nth_actor(1)
    }

    /// One of those who can log in, by number.
    ///
    /// # Errors
    /// Not applicable where the profile names fewer accounts.
    pub fn nth_actor(&mut self, nth: usize) -> Result<Actor, Stop> {
        use secrecy::ExposeSecret;
        let profile = self.target.profile.scheme(&self.scheme.id);
        if self.scheme.proof.kind == ProofKind::Eip191 {
            if let (Some(key), 0) = (&profile.wallet, nth) {
                let wallet = Wallet::from_hex(key.expose_secret()).ok_or_else(|| {
                    Stop::Inconclusive(format!("scheme.{}.wallet in the profile is no key", self.scheme.id))
                })?;
                let seed = Sha256::digest(wallet.lower_address());
                let mut own = StdRng::from_seed(seed.into());
                let actor = Actor::of_wallet(wallet, &mut own);
                return self.register(actor);
            }
            let actor = Actor::fresh_wallet(&mut self.rng);
            return self.register(actor);
        }
        let usual: Vec<_> = profile.accounts.iter().filter(|account| account.flags.is_empty()).collect();
        if usual.len() <= nth {
            let many = if nth == 0 { "an account" } else { "a second account" };
            let key = format!("scheme.{}.account", self.scheme.id);
            return Err(Stop::NotApplicable(format!("the profile has no [[{key}]] for it: it needs {many}")));
        }
        // Spread over the accounts, so that no target sees one name only.
        let start = Sha256::digest(&self.check)[0] as usize;
        self.act_as(usual[(start + nth) % usual.len()])
    }

    /// Makes a wallet known where the target wants that before its first login.
    ///
    /// # Errors
    /// Inconclusive where the target asks for more patience than a check has.
    pub fn register(&mut self, actor: Actor) -> Result<Actor, Stop> {
        let (Some(registration), true) =
            (&self.scheme.registration, self.gate().is_some_and(|gate| gate.registers()))
        else {
            return Ok(actor);
        };
        let mut draft = Draft::new("register", &registration.method, &registration.path);
        draft.body = Some(Value::Object(serde_json::Map::new()));
        for field in &registration.fields {
            if let Some(value) = self.member(field, &actor, None) {
                draft.set(&field.at, value);
            }
        }
        let request = draft.write(self.target.extra_headers());
        let url = self.target.client().base().url(&request.path);
        let outcome = self.target.send(&request).map_err(|why| Stop::Inconclusive(why.to_string()))?;
        self.log.push(Arc::new(Exchange::new(&draft.operation, url, request, outcome)));
        Ok(actor)
    }

    /// An account that the profile marks with a flag. Its logins are answered with something of their own, so that checks
    /// leave it alone unless they are about that.
    ///
    /// # Errors
    /// Not applicable where the profile marks none.
    pub fn flagged_actor(&mut self) -> Result<Actor, Stop> {
        let profile = self.target.profile.scheme(&self.scheme.id);
        match profile.accounts.iter().find(|account| !account.flags.is_empty()) {
            Some(account) => self.act_as(account),
            None => {
                let fields = self.scheme.account.as_ref();
                let flags = fields.map(|fields| fields.flags.join(" or ")).unwrap_or_default();
                Err(Stop::NotApplicable(format!("the profile marks no account with {flags}")))
            }
        }
    }

    fn act_as(&mut self, account: &Account) -> Result<Actor, Stop> {
        let actor = Actor::of_account(account, &self.scheme.id, &mut self.rng);
        self.secrets.add(&actor.password, &format!("${}", actor.variable));
        if !self.passwords.contains(&actor.password) {
            self.digests.push(Digests::of(&actor.password));
            self.passwords.push(actor.password.clone());
        }
        if let Some(why) = self.target.lockouts.why(&self.scheme.id, &actor.identifier) {
            return Err(Stop::Inconclusive(why));
        }
        if !self.accounts.iter().any(|(known, _)| known.identifier == actor.identifier) {
            self.accounts.push((actor.clone(), 0));
        }
        Ok(actor)
    }

    /// The path of an operation on this target.
    #[must_use]
    pub fn path(&self, operation: &Operation) -> String {
        let profile = self.target.profile.schemes.get(&self.scheme.id);
        if let Some(path) = profile.and_then(|profile| profile.paths.get(&operation.name)) {
            return path.clone();
        }
        let other = self.gate.as_ref().and_then(|gate| gate.path(&operation.name));
        other.unwrap_or(&operation.path).to_owned()
    }

    /// An empty request to an operation.
    #[must_use]
    pub fn draft(&self, operation: &Operation) -> Draft {
        let mut draft = Draft::new(&operation.name, &operation.method, &self.path(operation));
        let profile = self.target.profile.schemes.get(&self.scheme.id);
        if let Some(encoding) = profile.and_then(|profile| profile.body) {
            draft.writing = crate::draft::Writing::Plain(encoding);
        } else if operation.request.encodings.first() == Some(&Encoding::Form) {
            draft.writing = crate::draft::Writing::Plain(Encoding::Form);
        }
        if operation.request.schema.is_some() {
            draft.body = Some(Value::Object(serde_json::Map::new()));
        }
        draft
    }

    /// Sends a request and judges the answer.
    ///
    /// # Errors
    /// Inconclusive where the target asks for more patience than a check has.
    pub fn send(&mut self, operation: &'t Operation, draft: &Draft) -> Result<Answer<'t>, Stop> {
        let request = draft.write(self.target.extra_headers());
        let url = self.target.client().base().url(&request.path);
        let outcome = self.target.send(&request).map_err(|why| Stop::Inconclusive(why.to_string()))?;
        let answer = self.record(operation, Exchange::new(&draft.operation, url, request, outcome));
        self.count_attempt(draft, &answer);
        Ok(answer)
    }

    /// Sends requests to one operation at the same moment and judges the answers.
    pub fn send_together(&mut self, operation: &'t Operation, drafts: &[Draft]) -> Vec<Answer<'t>> {
        let requests: Vec<_> = drafts.iter().map(|draft| (operation, draft.clone())).collect();
        self.send_at_once(&requests)
    }

    /// Sends requests to any operations at the same moment and judges the answers, which come in the order of the requests.
    pub fn send_at_once(&mut self, requests: &[(&'t Operation, Draft)]) -> Vec<Answer<'t>> {
        let written: Vec<_> =
            requests.iter().map(|(_, draft)| draft.write(self.target.extra_headers())).collect();
        let outcomes = self.target.send_together(&written);
        let base = self.target.client().base();
        let exchanges: Vec<_> = written
            .into_iter()
            .zip(outcomes)
            .zip(requests)
            .map(|((request, outcome), (operation, _))| {
                (*operation, Exchange::new(&operation.name, base.url(&request.path), request, outcome))
            })
            .collect();
        let answers: Vec<_> =
            exchanges.into_iter().map(|(operation, exchange)| self.record(operation, exchange)).collect();
        for ((_, draft), answer) in requests.iter().zip(&answers) {
            self.count_attempt(draft, answer);
        }
        answers
    }

    /// Counts right and wrong secrets of the accounts that this check uses.
    fn count_attempt(&mut self, draft: &Draft, answer: &Answer<'_>) {
        if answer.operation.step != Step::Login || self.scheme.proof.kind != ProofKind::Secret {
            return;
        }
        let sent = |role| answer.operation.request_field(role).and_then(|field| draft.text(&field.at));
        let (Some(name), secret) = (sent(Role::Identifier), sent(Role::Password)) else { return };
        let Some((account, wrong)) = self.accounts.iter_mut().find(|(account, _)| account.identifier == name)
        else {
            return;
        };
        let (lockouts, scheme) = (&self.target.lockouts, &self.scheme.id);
        if answer.accepted() {
            *wrong = 0;
            lockouts.succeeded(scheme, &name);
        } else if secret.as_ref() != Some(&account.password) {
            *wrong += 1;
            lockouts.failed(scheme, &name);
        }
    }

    /// Shows that accounts this check used still work: those it tried several wrong secrets on, or all where it has
    /// `found` a refusal. Which requests that takes depends on this check alone, and not on what others do meanwhile.
    ///
    /// # Errors
    /// Inconclusive where the target has locked one of them.
    pub fn accounts_still_work(&mut self, found: bool) -> Result<(), Stop> {
        let (lockouts, scheme) = (&self.target.lockouts, &self.scheme.id);
        for (account, own) in std::mem::take(&mut self.accounts) {
            let name = &account.identifier;
            let wrong = lockouts.wrong(scheme, name);
            if !found && own < crate::lockout::SEVERAL {
                continue;
            }
            let attempt = self.attempt_with(&account, None);
            let got = match self.send_attempt(&attempt) {
                Ok(answer) if answer.accepted() => {
                    lockouts.succeeded(scheme, name);
                    continue;
                }
                Ok(answer) => match answer.exchange.status() {
                    Some(status) => format!("HTTP {status}"),
                    None => answer.exchange.got(),
                },
                Err(Stop::Inconclusive(why)) => format!("no answer: {why}"),
                Err(stop) => return Err(stop),
            };
            if wrong.max(own) < crate::lockout::SEVERAL {
                continue;
            }
            lockouts.locked(scheme, name, &got);
            return Err(Stop::Inconclusive(lockouts.why(scheme, name).unwrap_or(got)));
        }
        Ok(())
    }

    fn record(&mut self, operation: &'t Operation, exchange: Exchange) -> Answer<'t> {
        self.note_secrets(operation, &exchange);
        let exchange = Arc::new(exchange);
        self.log.push(Arc::clone(&exchange));
        let verdict = judge::judge(self.scheme, operation, &exchange);
        crate::hygiene::inspect(self, operation, &exchange);
        Answer { operation, exchange, verdict }
    }

    /// A challenge that this check was given and that stands in an answer to a request without it, other than the answer that
    /// gave it.
    #[must_use]
    pub fn challenge_told(&self, exchange: &Exchange, answer: &str) -> Option<&str> {
        let operation = self.scheme.step(Step::Challenge)?;
        if exchange.operation == operation.name {
            return None;
        }
        let sent = exchange.request.body.bytes();
        let sent = String::from_utf8_lossy(&sent);
        let given = self.log.iter().filter(|known| known.operation == operation.name);
        given
            .filter_map(|known| judge::text_of(operation, known, Role::Challenge))
            .find(|challenge| challenge.len() >= 8 && answer.contains(challenge) && !sent.contains(challenge))
    }

    /// Secrets of the accounts this check has used.
    #[must_use]
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// Unsalted digests of those secrets.
    #[must_use]
    pub fn digests(&self) -> &[Digests] {
        &self.digests
    }

    /// Registers the tokens of an answer, so that nothing shows them.
    fn note_secrets(&mut self, operation: &Operation, exchange: &Exchange) {
        if let Some(json) = &exchange.json {
            for (role, expression) in
                [(Role::AccessToken, "$ACCESS_TOKEN"), (Role::RefreshToken, "$REFRESH_TOKEN")]
            {
                if let Some(token) = judge::text_of(operation, exchange, role) {
                    self.secrets.add(token, expression);
                }
            }
            self.secrets.add_tokens_in(json);
        }
    }

    /// Remembers who signed, so that a finding can be signed anew.
    pub fn note_wallet(&mut self, wallet: &Wallet) {
        let known = |other: &Wallet| other.lower_address() == wallet.lower_address();
        if !self.wallets.iter().any(known) {
            self.wallets.push(wallet.clone());
        }
    }

    /// Random bytes in lower-case hex.
    pub fn random_hex(&mut self, bytes: usize) -> String {
        let mut random = vec![0_u8; bytes];
        self.rng.fill_bytes(&mut random);
        data_encoding::HEXLOWER.encode(&random)
    }

    /// What was learnt of the scheme; absent while it is being learnt.
    #[must_use]
    pub fn gate(&self) -> Option<&Gate> {
        self.gate.as_deref()
    }
}
