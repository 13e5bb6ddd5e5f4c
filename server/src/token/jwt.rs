//! JSON Web Tokens, written one way and read strictly.
//!
//! What is accepted is what this server writes: three parts, one spelling of each, the algorithm that belongs to the
//! key, every claim present once and of its type. Nothing in a token says how it is to be checked (RFC 8725).

use super::claims::{Own, Payload};
use super::family::AccountEpoch;
use super::keys::{Keys, RingKey, Signer, Writer};
use crate::env::Timestamp;
use crate::error::{Denied, LoginError};
use crate::json;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

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
    /// When its holder logged in, if it says so.
    login: Option<Timestamp>,
    /// The account whose password began it, as it was then.
    pub(super) account: Option<AccountEpoch>,
    /// What the issuer did not write.
    pub(super) others: Map<String, Value>,
}

impl Claims {
    /// A claim that is a time in whole seconds.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp, LoginError> {
        match name {
            "exp" => Ok(self.exp),
            "iat" => Ok(self.issued),
            other => time(self.others.get(other).and_then(Value::as_u64)),
        }
    }

    /// When its holder logged in: long before its own beginning, where it was exchanged for another.
    pub(super) fn logged_in(&self) -> Timestamp {
        self.login.unwrap_or(self.issued)
    }
}

/// Writes a token with this JSON as its payload.
pub(super) fn encode(writer: &Writer<'_>, payload: &[u8]) -> Result<String, LoginError> {
    // A third more than the payload has, and a signature of up to 64 bytes.
    let mut token = String::with_capacity(writer.header.len() + payload.len() * 4 / 3 + 96);
    token.push_str(&writer.header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_append(payload, &mut token);
    let signature = writer.signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_append(signature, &mut token);
    Ok(token)
}

/// The header of all tokens of this key, as they carry it.
pub(super) fn header(signer: &dyn Signer) -> String {
    // Written out for the order of its members, which is the one the documents show.
    let (algorithm, kid) = (Value::from(signer.algorithm()), Value::from(signer.kid()));
    URL_SAFE_NO_PAD.encode_to_string(format!(r#"{{"typ":"JWT","alg":{algorithm},"kid":{kid}}}"#))
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
    let part = |text: &str| {
        // Not `decode`, which has the memory cleared first.
        let mut bytes = Vec::with_capacity(text.len());
        URL_SAFE_NO_PAD.decode_append(text, &mut bytes).map_err(|_| form("a part is not base64url"))?;
        Ok::<_, LoginError>(bytes)
    };
    // The header that this server writes today needs no reading; other writings of it are read.
    let known = keys.wrote(header);
    let header = if known.is_some() { Vec::new() } else { part(header)? };
    let (payload, signature) = (part(payload)?, part(signature)?);
    let key = match known {
        Some(key) => key,
        None => check_header(keys, &object(&header)?)?,
    };
    //= common.token.signature
    //= common.token.claims-protected
    //= common.refresh.signature
    if !key.signer.verify(message.as_bytes(), &signature) {
        return Err(LoginError::new(Denied::TokenSignature, "the signature does not hold"));
    }
    if !key.checks(expected.now, expected.longest) {
        return Err(LoginError::new(Denied::TokenSignature, "the key was retired too long ago"));
    }

    let read = Payload::read(&payload).map_err(|_| form(NO_OBJECT))?;
    for (own, value) in
        [(Own::Iss, expected.issuer), (Own::Aud, expected.audience), (Own::Use, expected.r#use)]
    {
        if read.text(own) != Some(value) {
            return Err(refused("issued by another, or for something else"));
        }
    }
    let filled = |own| read.text(own).filter(|text| !text.is_empty());
    let subject = filled(Own::Sub).ok_or_else(|| refused("no subject"))?.to_owned();
    filled(Own::Jti).ok_or_else(|| refused("no id"))?;
    let exp = time(read.whole(Own::Exp))?;
    let latest = expected.now.plus_secs(SKEW);
    let issued = time(read.whole(Own::Iat))?;
    let earliest = read.others.get("nbf").map(|earliest| time(earliest.as_u64())).transpose()?;
    if issued > latest || earliest.is_some_and(|earliest| earliest > latest) {
        return Err(refused("not good yet"));
    }
    let session = filled(Own::Sid).map(ToOwned::to_owned);
    let generation = match read.has(Own::Gen) {
        false => 0,
        true => read.whole(Own::Gen).ok_or_else(|| refused("a generation that is no number"))?,
    };
    let login = time(read.whole(Own::AuthTime)).ok();
    let account = read.text(Own::Acc).map(|name| AccountEpoch {
        name: name.to_owned(),
        epoch: read.whole(Own::Epoch).unwrap_or_default(),
    });
    Ok(Claims { subject, session, generation, exp, issued, login, account, others: read.others })
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
        _ => Err(LoginError::new(Denied::TokenForm, NO_OBJECT)),
    }
}

const NO_OBJECT: &str = "a part is not one strict JSON object";

/// A time must be a whole number of seconds that a calendar could hold; what is not is never taken for "no end".
fn time(claim: Option<u64>) -> Result<Timestamp, LoginError> {
    const YEAR_9999: u64 = 253_402_300_799;
    let secs = claim.filter(|secs| *secs <= YEAR_9999);
    let refused =
        || LoginError::new(Denied::TokenRefused, "a time is missing or is no whole number of seconds");
    secs.map(Timestamp::from_secs).ok_or_else(refused)
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
