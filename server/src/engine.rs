//! One step of one login: no HTTP, and nothing of any single scheme.
//!
//! The dangerous parts are here once: that a challenge is used once, that guessing it ends, that a token of one scheme or
//! use is good for no other, that a registered name stays with its owner.

use crate::accounts::Accounts;
use crate::audit::{Act, AuditEvent};
use crate::body::Body;
use crate::env::{Clock, Random};
use crate::error::{Denied, LoginError, Malformed, Why};
use crate::limits::Limits;
use crate::nonces::Nonces;
use crate::scheme::{Cx, Grants, Proven, Said, Step, Subject};
use crate::service::{Authorization, ErasedScheme, LoginRequest};
use crate::store::tables::{Challenges, Registry};
use crate::token::Issuer;
use crate::wallet::ed25519;
use base64_simd::STANDARD;
use countersign_spec::{Auth, Operation, Role};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// What all schemes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) nonces: Nonces,
    pub(crate) issuer: Issuer,
    pub(crate) limits: Limits,
    pub(crate) accounts: Accounts,
    pub(crate) challenges: Challenges,
    pub(crate) registry: Registry,
}

/// Takes one step. The answer is the body of a success.
pub(crate) async fn step(
    scheme: &dyn ErasedScheme,
    shared: &Shared,
    request: &mut LoginRequest,
) -> Result<Body, LoginError> {
    let proven = Mutex::new(None);
    // Lent and taken from, so that it is kept once and not in each of the functions around this one.
    let LoginRequest { operation, input, authorization, headers, source } = request;
    let (input, authorization) = (input.take(), std::mem::replace(authorization, Authorization::None));
    let cx = Cx {
        proven: &proven,
        scheme: scheme.name(),
        clock: shared.clock.as_ref(),
        random: shared.random.as_ref(),
        nonces: &shared.nonces,
        accounts: &shared.accounts,
        registry: &shared.registry,
        headers,
        limits: &shared.limits,
        source: *source,
    };
    let one = One { scheme, shared, cx: &cx, operation };
    match operation.step {
        Step::Challenge => one.challenge(required(input)?).await,
        Step::Login => one.login(required(input)?).await,
        Step::Lookup => {
            let subject = scheme.look_up(&cx, required(input)?).await?;
            one.say(&Said::Found { subject: &subject })
        }
        Step::Logout => {
            let caller = shared.issuer.authenticate(scheme, &bearer(authorization)?).await?;
            //= common.flow.logout-works
            //= common.flow.logout-is-own
            //= common.flow.logout-spares-other-sessions
            shared.issuer.end(scheme, &caller).await?;
            AuditEvent::LoggedOut(one.act(&caller.subject)).tell();
            one.say(&Said::LoggedOut)
        }
        Step::Protected => {
            let subject = match operation.auth {
                Auth::Signed => one.signer(&required(input)?).await?,
                _ => shared.issuer.authenticate(scheme, &bearer(authorization)?).await?.subject,
            };
            one.say(&Said::Own { subject: &subject })
        }
        Step::Refresh => one.refresh(input.as_ref(), authorization).await,
        Step::Verify => {
            let caller = shared.issuer.verify(scheme, &bearer(authorization)?).await?;
            one.say(&Said::Valid { caller: &caller })
        }
    }
}

/// Wrong answers after which a challenge is gone. One wrong answer must not cost its owner the challenge, and a guesser
/// must not have endless tries.
const TRIES: u64 = 5;

struct One<'a> {
    scheme: &'a dyn ErasedScheme,
    shared: &'a Shared,
    cx: &'a Cx<'a>,
    operation: &'a Operation,
}

impl One<'_> {
    async fn challenge(&self, input: Value) -> Result<Body, LoginError> {
        //= common.flow.challenge-works
        let ask = self.scheme.start(self.cx, input).await?;
        let until = self.cx.now().plus_secs(ask.lifetime);
        self.shared
            .challenges
            .add(self.scheme.name(), &ask.bound_to, &ask.challenge, &ask.pending, until)
            .await?;
        let (scheme, operation) = (self.scheme.name(), self.operation.name.as_str());
        AuditEvent::Challenged(Act { scheme, operation, subject: &ask.bound_to }).tell();
        self.say(&Said::Asked { challenge: &ask.challenge })
    }

    async fn login(&self, input: Value) -> Result<Body, LoginError> {
        let reading = self.scheme.read(input)?;
        let Proven { subject, key } = match reading.answered() {
            None => reading.proceed(self.cx, None).await?,
            Some(answered) => {
                let challenges = &self.shared.challenges;
                let found =
                    //= common.challenge.issued-here
                    //= common.challenge.altered
                    //= common.challenge.bound
                    challenges.find(self.scheme.name(), &answered.bound_to, &answered.candidates).await?;
                let unknown = || LoginError::new(Denied::Challenge, "no such challenge is outstanding");
                let (challenge, pending) = found.ok_or_else(unknown)?;
                let proven = match reading.proceed(self.cx, Some(pending)).await {
                    Ok(proven) => proven,
                    Err(error) => {
                        if matches!(error.why(), Why::Denied(_)) {
                            //= swapchat.secret.survives-failed-attempts
                            challenges.failed(&challenge, TRIES).await?;
                        }
                        return Err(error);
                    }
                };
                // Of callers with the same good answer one gets here; a crash from here on leaves it used.
                //= common.challenge.single-use
                //= common.challenge.one-winner
                //= swapchat.secret.single-use
                //= swapchat.secret.one-winner
                if !challenges.used(&challenge).await? {
                    return Err(LoginError::new(Denied::Challenge, "the challenge was used by another call"));
                }
                proven
            }
        };
        let tokens = match self.scheme.grants() {
            //= common.flow.login-works
            //= common.flow.repeated-login-works
            Grants::Tokens(_) => {
                let account = self.cx.proven.lock().unwrap_or_else(PoisonError::into_inner).take();
                Some(self.shared.issuer.grant(self.scheme, &subject, account.as_ref()).await?)
            }
            Grants::Key { .. } => {
                let key = key.ok_or_else(|| LoginError::internal("a login that registers no key"))?;
                //= common.proof.account-not-taken-over
                self.shared.registry.register(self.scheme.name(), &subject, &key).await?;
                None
            }
        };
        AuditEvent::LoggedIn(self.act(&subject)).tell();
        self.say(&Said::LoggedIn { subject: &subject, tokens: tokens.as_ref() })
    }

    /// Exchanges a token. It stands in the body where the operation has a place for it, otherwise in `Authorization`. A
    /// token that comes along in the other place must belong to the same session.
    async fn refresh(&self, input: Option<&Value>, authorization: Authorization) -> Result<Body, LoginError> {
        let issuer = &self.shared.issuer;
        let place = self.operation.request_field(Role::RefreshToken);
        let in_body = place.and_then(|field| text(input?, field.at.name()));
        let bearer_form =
            place.is_none() || self.operation.variants.iter().any(|variant| variant.auth == Auth::Refresh);
        let presented = match in_body {
            //= ethgas.refresh.body-form
            //= cbs.refresh.without-header
            Some(token) => {
                let presented = issuer.present(self.scheme, &token).await?;
                match authorization {
                    Authorization::None => {}
                    Authorization::Bearer(other) if other == token => {}
                    Authorization::Bearer(access)
                        //= cbs.refresh.with-header
                        if issuer.same_session(self.scheme, &presented, &access) => {}
                    _ => {
                        return Err(LoginError::new(
                            Denied::TokenRefused,
                            "Authorization is of another session",
                        ));
                    }
                }
                presented
            }
            //= ethgas.refresh.header-form
            None if bearer_form => issuer.present(self.scheme, &bearer(authorization)?).await?,
            //= common.refresh.token-needed
            None => return Err(LoginError::new(Denied::NoToken, "no refresh token in the body")),
        };
        let subject = &presented.subject;
        if let Err(error) = self.scheme.welcome(self.cx, subject).await {
            if matches!(error.why(), Why::Denied(_)) {
                issuer.end_presented(self.scheme, &presented).await?;
            }
            return Err(error);
        }
        let tokens = issuer.renew(self.scheme, &presented).await?;
        AuditEvent::Refreshed(self.act(subject)).tell();
        self.say(&Said::Renewed { subject, tokens: tokens.as_ref() })
    }

    /// Who signed the request with the key registered under the name in it.
    async fn signer(&self, input: &Value) -> Result<Subject, LoginError> {
        let Grants::Key { window } = self.scheme.grants() else {
            return Err(LoginError::internal("a signed operation of a scheme that registers no keys"));
        };
        let missing = |role: &str| LoginError::new(Malformed::Invalid, format!("the request has no {role}"));
        let member =
            |role: Role| self.operation.request_field(role).and_then(|field| text(input, field.at.name()));
        //= web3mq.profile.userid
        let name = member(Role::Identifier).ok_or_else(|| missing("name"))?;
        //= web3mq.profile.signature-needed
        let signature = member(Role::Signature).ok_or_else(|| missing("signature"))?;
        //= web3mq.profile.timestamp
        let stamp = member(Role::Timestamp).ok_or_else(|| missing("timestamp"))?;
        let over = self.operation.signed.as_ref().map(|signed| signed.over.as_slice()).unwrap_or_default();
        let mut message = String::new();
        //= web3mq.profile.signed-text
        //= common.proof.key-signed-members
        for place in over {
            message.push_str(&text(input, place.name()).ok_or_else(|| missing("signed member"))?);
        }

        let stamp: u64 =
            stamp.parse().map_err(|_| LoginError::new(Malformed::Invalid, "no whole timestamp"))?;
        if stamp.abs_diff(self.cx.now().millis()) > window.saturating_mul(1_000) {
            return Err(LoginError::new(Denied::Proof, "the timestamp is too far from our clock"));
        }
        let refused = |reason: &'static str| LoginError::new(Denied::Proof, reason);
        // An unescaped plus sign of base64 arrives from a query as a space.
        let signature = STANDARD
            //= web3mq.profile.signature
            //= web3mq.profile.query-writing
            //= web3mq.profile.hex-signature
            .decode_to_vec(signature.replace(' ', "+"))
            .map_err(|_| refused("the signature is not base64"))?;
        let found = self.shared.registry.find(self.scheme.name(), &name).await?;
        let (subject, key) = found.ok_or_else(|| refused("nobody registered a key under that name"))?;
        if !ed25519::signed_by(&key, message.as_bytes(), &signature) {
            return Err(refused("the registered key did not sign this"));
        }
        Ok(subject)
    }

    fn say(&self, said: &Said<'_>) -> Result<Body, LoginError> {
        self.scheme.say(said).ok_or_else(|| LoginError::internal("the scheme has no words for what happened"))
    }

    fn act<'a>(&'a self, subject: &'a Subject) -> Act<'a> {
        Act { scheme: self.scheme.name(), operation: &self.operation.name, subject: &subject.id }
    }
}

fn required(input: Option<Value>) -> Result<Value, LoginError> {
    input.ok_or_else(|| LoginError::new(Malformed::Body, "no body"))
}

fn bearer(authorization: Authorization) -> Result<String, LoginError> {
    match authorization {
        Authorization::Bearer(token) => Ok(token),
        //= common.token.needed
        //= ethgas.token.header
        //= swapchat.token.bearer
        Authorization::None => Err(LoginError::new(Denied::NoToken, "no Authorization")),
        Authorization::Other => {
            Err(LoginError::new(Denied::TokenForm, "Authorization is not one bearer token"))
        }
    }
}

/// A member as the text that was signed: strings as they are, whole numbers in decimal.
fn text(input: &Value, name: &str) -> Option<String> {
    match input.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}
