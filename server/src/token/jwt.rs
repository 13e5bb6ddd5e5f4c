//! JSON Web Tokens, written one way and read strictly.
//!
//! What is accepted is what this server writes: three parts, one spelling of each, the algorithm that belongs to the
//! key, every claim present once and of its type. Nothing in a token says how it is to be checked (RFC 8725).

use super::family::AccountEpoch;
use super::keys::{Keys, RingKey, Signer};
use crate::env::Timestamp;
use crate::error::{Denied, LoginError};
use crate::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Claims the issuer writes and a scheme cannot.
pub(super) const RESERVED: [&str; 12] =
    ["iss", "aud", "sub", "jti", "use", "sid", "gen", "iat", "exp", "auth_time", "acc", "epoch"];

/// A token may be so long. Ours are a tenth of it.
const LONGEST: usize = 8 * 1024;

/// Seconds by which another clock may run ahead of ours (`iat`, `nbf`). An end is exact.
const SKEW: u64 = 10;

/// Who must have issued a token, and for what.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
    pub(super) r#use: &'a str,
    pub(super) now: Timestamp,
    /// Seconds the longest-lived token of the audience lasts.
    pub(super) longest: u64,
}

/// The claims of a token whose signature and binding hold. Its end is not checked yet: what it means depends on use.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) session: Option<String>,
    pub(super) generation: u64,
    pub(super) exp: Timestamp,
    /// When it was made.
    issued: Timestamp,
    pub(super) all: Map<String, Value>,
}

impl Claims {
    /// A claim that is a time in whole seconds.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp, LoginError> {
        time(&self.all, name)
    }

    /// When its holder logged in: long before its own beginning, where it was exchanged for another.
    pub(super) fn logged_in(&self) -> Timestamp {
        self.time("auth_time").unwrap_or(self.issued)
    }

    /// The account whose password began it, as it was then.
    pub(super) fn account(&self) -> Option<AccountEpoch> {
        let name = self.all.get("acc")?.as_str()?.to_owned();
        Some(AccountEpoch { name, epoch: self.all.get("epoch").and_then(Value::as_u64).unwrap_or_default() })
    }
}

/// Writes a token.
pub(super) fn encode(signer: &dyn Signer, claims: &Map<String, Value>) -> Result<String, LoginError> {
    // Written out for the order of its members, which is the one the documents show.
    let header =
        format!(r#"{{"typ":"JWT","alg":{},"kid":{}}}"#, json!(signer.algorithm()), json!(signer.kid()));
    let claims = serde_json::to_vec(claims).map_err(|error| LoginError::internal(error.to_string()))?;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = signer.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads a token.
pub(super) fn decode(keys: &Keys, token: &str, expected: &Expected<'_>) -> Result<Claims, LoginError> {
    let form = |reason: &'static str| LoginError::new(Denied::TokenForm, reason);
    let refused = |reason: &'static str| LoginError::new(Denied::TokenRefused, reason);
    if token.len() > LONGEST {
        return Err(form("longer than any token of ours"));
    }
    let (message, signature) = token.rsplit_once('.').ok_or_else(|| form("not three parts"))?;
    let (header, payload) = message.split_once('.').ok_or_else(|| form("not three parts"))?;
    // The alphabet has no dot, so a fourth part fails here.
    //= common.token.encoding
    //= common.token.garbage
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| form("a part is not base64url"));
    let (header, payload, signature) = (object(&part(header)?)?, part(payload)?, part(signature)?);

    let key = check_header(keys, &header)?;
    //= common.token.signature
    //= common.token.claims-protected
    //= common.refresh.signature
    if !key.signer.verify(message.as_bytes(), &signature) {
        return Err(LoginError::new(Denied::TokenSignature, "the signature does not hold"));
    }
    if !key.checks(expected.now, expected.longest) {
        return Err(LoginError::new(Denied::TokenSignature, "the key was retired too long ago"));
    }

    let all = object(&payload)?;
    for (name, value) in [("iss", expected.issuer), ("aud", expected.audience), ("use", expected.r#use)] {
        if all.get(name).and_then(Value::as_str) != Some(value) {
            return Err(refused("issued by another, or for something else"));
        }
    }
    let text = |name: &str| all.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let subject = text("sub").ok_or_else(|| refused("no subject"))?.to_owned();
    text("jti").ok_or_else(|| refused("no id"))?;
    let exp = time(&all, "exp")?;
    let latest = expected.now.plus_secs(SKEW);
    let issued = time(&all, "iat")?;
    if issued > latest || all.contains_key("nbf") && time(&all, "nbf")? > latest {
        return Err(refused("not good yet"));
    }
    let session = text("sid").map(ToOwned::to_owned);
    let generation = match all.get("gen") {
        None => 0,
        Some(generation) => generation.as_u64().ok_or_else(|| refused("a generation that is no number"))?,
    };
    Ok(Claims { subject, session, generation, exp, issued, all })
}

/// The key a header names, if it names no other way of checking.
fn check_header(keys: &Keys, header: &Map<String, Value>) -> Result<RingKey, LoginError> {
    let unsigned = |reason: &'static str| LoginError::new(Denied::TokenSignature, reason);
    // Strictness costs nothing here, as we read only our own: `crit`, `b64`, `jwk`, `jku`, `x5u`, `zip` all end here.
    //= common.token.header-keys
    if header.keys().any(|name| !["typ", "alg", "kid"].contains(&name.as_str())) {
        return Err(unsigned("a header with more than typ, alg and kid"));
    }
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    if text("typ") != Some("JWT") {
        return Err(unsigned("a header of another type"));
    }
    let key = text("kid").and_then(|kid| keys.find(kid)).ok_or_else(|| unsigned("no key of ours"))?;
    // The key says which algorithm; the token's word is only compared with it.
    //= common.token.algorithm
    //= ethgas.token.no-algorithm
    //= nftrainbow.token.algorithm
    if text("alg") != Some(key.signer.algorithm()) {
        return Err(unsigned("not the algorithm of that key"));
    }
    Ok(key)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, LoginError> {
    match json::strict(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(LoginError::new(Denied::TokenForm, "a part is not one strict JSON object")),
    }
}

/// A time must be a whole number of seconds that a calendar could hold; what is not is never taken for "no end".
fn time(claims: &Map<String, Value>, name: &str) -> Result<Timestamp, LoginError> {
    const YEAR_9999: u64 = 253_402_300_799;
    let secs = claims.get(name).and_then(Value::as_u64).filter(|secs| *secs <= YEAR_9999);
    let refused =
        || LoginError::new(Denied::TokenRefused, "a time is missing or is no whole number of seconds");
    secs.map(Timestamp::from_secs).ok_or_else(refused)
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
