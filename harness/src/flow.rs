//! The verbs of a login, driven by roles: ask for a challenge, prove, use a token, refresh, log out.
//!
//! Nothing here knows a scheme. An [`Attempt`] holds every decision of one login, so that a check changes one of them and
//! leaves the others right.

use crate::actor::Actor;
use crate::context::{Answer, Context, Session};
use crate::draft::{Draft, plain_text};
use crate::finding::Stop;
use crate::presenting::Form;
use crate::wallet::{self, SignAs, Wallet};
use countersign_spec::{Auth, Field, Operation, Place, ProofKind, Role, Step, Text, Unit};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The site that a wallet's user believes to log in to, where neither scheme nor profile names one; servers have no way to
/// know it.
const SITE: &str = "https://app.example.org";
const SITE_DOMAIN: &str = "app.example.org";

/// One login before it is sent.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Who logs in.
    pub actor: Actor,
    /// What the target gave to sign, where it gives something.
    pub challenge: Option<String>,
    /// The text that is signed.
    pub form: Option<Text>,
    /// Whose wallet signs, where it is not the actor's.
    pub signer: Option<Wallet>,
    /// What is put under the signature.
    pub sign_as: SignAs,
    /// How derived values are computed.
    pub derive: Derive,
    /// Members that stand in derived values with another value than in the request.
    pub derive_with: Vec<(Place, Value)>,
    /// Members set before anything is derived or signed.
    pub before: Vec<(Place, Value)>,
    /// Members left out before anything is derived or signed.
    pub without: Vec<Place>,
    /// Members set after signing.
    pub after: Vec<(Place, Value)>,
    /// The text to sign where it is not the one that is presented.
    pub signed_text: Option<String>,
    /// Words of the text, by placeholder, that are others than the scheme or profile says.
    pub words: Vec<(String, String)>,
    /// Whether optional members and headers go along.
    pub optional: bool,
}

/// How derived values are computed; all but [`Derive::Documented`] are mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derive {
    /// As documented.
    Documented,
    /// With the pre-standard sibling of the hash.
    SiblingHash,
    /// With an older hash of the same length.
    OlderHash,
    /// With the members in reverse order.
    Reversed,
    /// With the member at this place swapped with the one before it.
    Swapped(usize),
    /// As documented in its first eight characters only.
    Beginning,
    /// As documented but for the character at this place.
    OneOff(usize),
    /// Only so many first characters of the documented value.
    Cut(usize),
    /// Without the member at this place.
    Without(usize),
    /// As documented, in upper case.
    UpperCase,
}

impl<'t> Context<'t> {
    /// Asks for a challenge.
    ///
    /// # Errors
    /// Not applicable where the scheme has none; inconclusive where the target refuses.
    pub fn challenge(&mut self, actor: &Actor) -> Result<String, Stop> {
        let operation = self.step(Step::Challenge)?;
        let answer = self.ask_challenge(operation, actor)?;
        self.control(&answer, "asking for a challenge")?;
        answer
            .text(Role::Challenge)
            .ok_or_else(|| Stop::Inconclusive("the answer to asking for a challenge holds none".to_owned()))
    }

    /// Asks for a challenge and leaves the answer unjudged.
    ///
    /// # Errors
    /// Inconclusive where the target limits requests.
    pub fn ask_challenge(&mut self, operation: &'t Operation, actor: &Actor) -> Result<Answer<'t>, Stop> {
        let draft = self.fill(operation, actor, None);
        self.send(operation, &draft)
    }

    /// A request to an operation with every member that its actor alone determines.
    pub fn fill(&mut self, operation: &'t Operation, actor: &Actor, challenge: Option<&str>) -> Draft {
        let mut draft = self.draft(operation);
        for field in &operation.request.fields {
            if let Some(value) = self.member(field, actor, challenge) {
                draft.set(&field.at, value);
            }
        }
        // Constants may be templates over members that are set only now.
        for field in operation.request.fields.iter().filter(|field| field.role == Role::Constant) {
            if let Some(Value::String(template)) = &field.value
                && template.contains('{')
            {
                let text = self.expand(template, &draft, operation, &BTreeMap::new());
                draft.set(&field.at, json!(text));
            }
        }
        draft
    }

    pub(crate) fn member(&mut self, field: &Field, actor: &Actor, challenge: Option<&str>) -> Option<Value> {
        match field.role {
            Role::Address => Some(json!(actor.address)),
            Role::Challenge => challenge.map(|challenge| json!(challenge)),
            Role::Constant => {
                let profile = self.target.profile.schemes.get(&self.scheme.id);
                let own = profile.and_then(|profile| profile.constants.get(field.at.name()));
                let own = own.map(|value| json!(value));
                let learnt =
                    || self.gate().and_then(|gate| gate.constant(field.at.name())).map(|value| json!(value));
                own.or_else(learnt).or_else(|| field.value.clone())
            }
            Role::Identifier => Some(json!(actor.identifier)),
            Role::Note => (!field.optional).then(|| json!("note")),
            Role::Password => Some(json!(actor.password)),
            Role::PublicKey => Some(json!(actor.login_key.public_hex())),
            Role::Timestamp => {
                let now = self.target.now();
                Some(match field.unit {
                    Some(Unit::Seconds) => json!(now.as_secs()),
                    Some(Unit::Rfc3339) => json!(rfc3339(now.as_secs())),
                    _ => json!(self.next_stamp()),
                })
            }
            _ => None,
        }
    }

    /// A login of an actor with everything right, after asking for a challenge where the scheme has one.
    ///
    /// # Errors
    /// As [`Self::challenge`].
    pub fn attempt(&mut self, actor: &Actor) -> Result<Attempt, Stop> {
        let challenge = match self.scheme.step(Step::Challenge) {
            Some(_) => Some(self.challenge(actor)?),
            None => None,
        };
        Ok(self.attempt_with(actor, challenge))
    }

    /// A login of an actor with this challenge.
    #[must_use]
    pub fn attempt_with(&self, actor: &Actor, challenge: Option<String>) -> Attempt {
        Attempt {
            actor: actor.clone(),
            challenge,
            form: self.scheme.proof.text.clone(),
            signer: None,
            sign_as: SignAs::Personal,
            derive: Derive::Documented,
            derive_with: Vec::new(),
            before: Vec::new(),
            without: Vec::new(),
            after: Vec::new(),
            signed_text: None,
            words: Vec::new(),
            optional: true,
        }
    }

    /// Writes a login: members, derived values, text, signature, and at last what is changed after signing.
    ///
    /// # Errors
    /// Not applicable where the scheme has no login.
    pub fn write_attempt(&mut self, attempt: &Attempt) -> Result<(&'t Operation, Draft), Stop> {
        let operation = self.step(Step::Login)?;
        let mut draft = self.fill(operation, &attempt.actor, attempt.challenge.as_deref());
        for (place, value) in &attempt.before {
            draft.set(place, value.clone());
        }
        for place in &attempt.without {
            draft.remove(place);
        }
        if let (ProofKind::Eip191, Some(form)) = (self.scheme.proof.kind, &attempt.form) {
            let mut values = self.derive(&draft, attempt);
            values.extend(self.text_words(operation, &draft, attempt));
            let text = self.expand(&form.template, &draft, operation, &values);
            if let Some(field) = operation.request_field(Role::SignedText) {
                draft.set(&field.at, json!(text));
            }
            for (name, value) in &values {
                // A derived value may also be a member of its own.
                if let Some(field) = operation
                    .request
                    .fields
                    .iter()
                    .find(|field| field.role == Role::Nonce && field.at.name() == name)
                {
                    draft.set(&field.at, json!(value));
                }
            }
            let signed = attempt.signed_text.as_deref().unwrap_or(&text);
            let wallet = attempt.signer.as_ref().unwrap_or(&attempt.actor.wallet);
            self.note_wallet(wallet);
            let signature = wallet::signature_hex(&wallet.sign(signed, attempt.sign_as));
            if let Some(field) = operation.request_field(Role::Signature) {
                draft.set(&field.at, json!(signature));
            }
        }
        if !attempt.optional {
            for field in operation.request.fields.iter().filter(|field| field.optional) {
                draft.remove(&field.at);
            }
        }
        for (place, value) in &attempt.after {
            draft.set(place, value.clone());
        }
        Ok((operation, draft))
    }

    fn derive(&self, draft: &Draft, attempt: &Attempt) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        if let Some(challenge) = &attempt.challenge {
            values.insert("challenge".to_owned(), challenge.clone());
            values.insert("challenge_hex".to_owned(), data_encoding::HEXLOWER.encode(challenge.as_bytes()));
        }
        for (name, derived) in &self.scheme.proof.derived {
            let text_of = |place: &Place| {
                let other = attempt.derive_with.iter().find(|(known, _)| known == place);
                other.map(|(_, value)| plain_text(value)).or_else(|| draft.text(place))
            };
            let mut texts: Vec<String> = derived.of.iter().filter_map(text_of).collect();
            if attempt.derive == Derive::Reversed {
                texts.reverse();
            }
            if let Derive::Swapped(at) = attempt.derive
                && at < texts.len()
            {
                texts.swap(at - 1, at);
            }
            if let Derive::Without(at) = attempt.derive
                && at < texts.len()
            {
                texts.remove(at);
            }
            let joined = texts.concat();
            let value = match attempt.derive {
                Derive::Documented | Derive::Reversed | Derive::Swapped(_) | Derive::Without(_) => {
                    wallet::hash_hex(derived.hash, &joined)
                }
                Derive::OneOff(at) => {
                    let mut value = wallet::hash_hex(derived.hash, &joined);
                    let other = if value.get(at..=at) == Some("0") { "1" } else { "0" };
                    if at < value.len() {
                        value.replace_range(at..=at, other);
                    }
                    value
                }
                Derive::Cut(length) => {
                    let mut value = wallet::hash_hex(derived.hash, &joined);
                    value.truncate(length);
                    value
                }
                Derive::SiblingHash => wallet::sibling_hash_hex(derived.hash, &joined),
                Derive::OlderHash => wallet::older_hash_hex(derived.hash, &joined),
                Derive::Beginning => {
                    let (right, wrong) = (
                        wallet::hash_hex(derived.hash, &joined),
                        wallet::older_hash_hex(derived.hash, &joined),
                    );
                    format!("{}{}", &right[..8], &wrong[8..])
                }
                Derive::UpperCase => wallet::hash_hex(derived.hash, &joined).to_ascii_uppercase(),
            };
            values.insert(name.clone(), value);
        }
        values
    }

    /// Fills the placeholders of a template: derived values, members by name, and what belongs to the occasion.
    fn expand(
        &self,
        template: &str,
        draft: &Draft,
        operation: &Operation,
        values: &BTreeMap<String, String>,
    ) -> String {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}').map(|close| open + close) else { break };
            text.push_str(&rest[..open]);
            let name = &rest[open + 1..close];
            match self.placeholder(name, draft, operation, values) {
                Some(value) => text.push_str(&value),
                None => text.push_str(&rest[open..=close]),
            }
            rest = &rest[close + 1..];
        }
        text.push_str(rest);
        text
    }

    fn placeholder(
        &self,
        name: &str,
        draft: &Draft,
        operation: &Operation,
        values: &BTreeMap<String, String>,
    ) -> Option<String> {
        if let Some(value) = values.get(name) {
            return Some(value.clone());
        }
        let now = self.target.now().as_secs();
        match name {
            "uri" => return Some(SITE.to_owned()),
            "domain" => return Some(SITE_DOMAIN.to_owned()),
            "issued_at" => return Some(rfc3339(now)),
            "issued_at_dmy" => return Some(day_month_year(now)),
            "address" => {
                return operation.request_field(Role::Address).and_then(|field| draft.text(&field.at));
            }
            _ => {}
        }
        let named = operation.request.fields.iter().find(|field| field.at.name() == name)?;
        draft.text(&named.at)
    }

    /// Sends a login.
    ///
    /// # Errors
    /// As [`Self::write_attempt`] and [`Self::send`].
    pub fn send_attempt(&mut self, attempt: &Attempt) -> Result<Answer<'t>, Stop> {
        let (operation, draft) = self.write_attempt(attempt)?;
        self.send(operation, &draft)
    }

    /// Logs an actor in with everything right.
    ///
    /// # Errors
    /// Inconclusive where the target refuses.
    pub fn log_in(&mut self, actor: &Actor) -> Result<Session<'t>, Stop> {
        let attempt = self.attempt(actor)?;
        let answer = self.send_attempt(&attempt)?;
        self.control(&answer, "a login with everything right")?;
        Ok(Self::session_of(actor, answer))
    }

    /// Logs the usual actor in.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    pub fn session(&mut self) -> Result<Session<'t>, Stop> {
        let actor = self.actor()?;
        self.log_in(&actor)
    }

    /// Reads the tokens out of a login's answer.
    #[must_use]
    pub fn session_of(actor: &Actor, answer: Answer<'t>) -> Session<'t> {
        Session {
            actor: actor.clone(),
            access: answer.text(Role::AccessToken),
            refresh: answer.text(Role::RefreshToken),
            answer,
        }
    }

    /// A request to an operation that takes a token or the registered key, as this session may make it.
    pub fn authorized(&mut self, operation: &'t Operation, session: &Session<'_>) -> Draft {
        let mut draft = self.fill(operation, &session.actor, None);
        match operation.auth {
            Auth::Access => draft.authorize(session.access.as_deref().unwrap_or_default()),
            Auth::Refresh => draft.authorize(session.refresh.as_deref().unwrap_or_default()),
            Auth::Signed => self.sign_request(operation, &mut draft, &session.actor.login_key),
            Auth::None => {}
        }
        draft
    }

    /// Signs a request by a registered key, over its members as they stand.
    pub fn sign_request(&self, operation: &Operation, draft: &mut Draft, key: &wallet::LoginKey) {
        let Some(signed) = &operation.signed else { return };
        let text: String = signed.over.iter().filter_map(|place| draft.text(place)).collect();
        if let Some(field) = operation.request_field(Role::Signature) {
            draft.set(&field.at, json!(key.sign_base64(&text)));
        }
    }

    /// Uses an operation with a token in `Authorization`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn present(
        &mut self,
        operation: &'t Operation,
        actor: &Actor,
        token: &str,
    ) -> Result<Answer<'t>, Stop> {
        let mut draft = self.fill(operation, actor, None);
        draft.authorize(token);
        self.send(operation, &draft)
    }

    /// A refresh that presents this token where the target takes it, beside whatever else a session may add.
    ///
    /// # Errors
    /// Not applicable where the scheme has no refresh.
    pub fn refresh_draft(
        &mut self,
        session: &Session<'_>,
        token: &str,
    ) -> Result<(&'t Operation, Draft), Stop> {
        let operation = self.step(Step::Refresh)?;
        let taken = self.gate().and_then(|gate| gate.variant(operation));
        let draft = self.refresh_in(operation, taken.map_or(Form::First, Form::Other), session, token);
        Ok((operation, draft))
    }

    /// Refreshes with this token.
    ///
    /// # Errors
    /// As [`Self::refresh_draft`] and [`Self::send`].
    pub fn refresh_with(&mut self, session: &Session<'_>, token: &str) -> Result<Answer<'t>, Stop> {
        let (operation, draft) = self.refresh_draft(session, token)?;
        self.send(operation, &draft)
    }

    /// Refreshes a session with the token it holds for that.
    ///
    /// # Errors
    /// Inconclusive where the target refuses.
    pub fn refresh(&mut self, session: &Session<'t>) -> Result<Session<'t>, Stop> {
        let token = session
            .refreshable(self.scheme)
            .ok_or_else(|| Stop::Inconclusive("the login gave no token to refresh with".to_owned()))?
            .to_owned();
        let answer = self.refresh_with(session, &token)?;
        self.control(&answer, "a refresh with everything right")?;
        let next = Self::session_of(&session.actor, answer);
        Ok(Session {
            access: next.access.or_else(|| session.access.clone()),
            refresh: next.refresh.or_else(|| session.refresh.clone()),
            ..next
        })
    }

    /// Logs a session out.
    ///
    /// # Errors
    /// Not applicable where the scheme has no logout.
    pub fn log_out(&mut self, session: &Session<'_>) -> Result<Answer<'t>, Stop> {
        let operation = self.step(Step::Logout)?;
        let draft = self.authorized(operation, session);
        self.send(operation, &draft)
    }
}

/// The value of a request member as text; used where a check speaks of it.
#[must_use]
pub fn shown(value: &Value) -> String {
    plain_text(value)
}

/// `2026-01-31T12:00:00Z`.
pub(crate) fn rfc3339(seconds: u64) -> String {
    timestamp(seconds).to_string()
}

/// `31/01/2026 12:00`, as the captured clients write it.
pub(crate) fn day_month_year(seconds: u64) -> String {
    timestamp(seconds).strftime("%d/%m/%Y %H:%M").to_string()
}

fn timestamp(seconds: u64) -> jiff::Timestamp {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_clients_write_them() {
        assert_eq!(rfc3339(1_640_995_200), "2022-01-01T00:00:00Z");
        assert_eq!(day_month_year(1_640_995_200 + 13 * 3600), "01/01/2022 13:00");
    }
}
