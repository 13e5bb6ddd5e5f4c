//! Tokens of the API: JWTs under HS256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A token is good for so long.
const LIFETIME: i64 = 3600;
/// And is exchanged for a new one until so long after its issue.
const WINDOW: i64 = 5 * 3600;

/// Issues tokens and believes its own.
#[derive(Debug)]
pub(crate) struct Issuer {
    key: Vec<u8>,
}

/// A token and its end, in seconds since 1970.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) end: i64,
}

/// Why a token is not exchanged.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Not one of ours.
    Strange,
    /// Issued too long ago.
    Old,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    app_id: String,
    exp: i64,
    orig_iat: i64,
}

impl Issuer {
    pub(crate) fn new(key: Vec<u8>) -> Self {
        Self { key }
    }

    pub(crate) fn issue(&self, app_id: &str, now: i64) -> Token {
        let claims = Claims { app_id: app_id.to_owned(), exp: now + LIFETIME, orig_iat: now };
        let claims_text = serde_json::json!(claims).to_string();
        let signed = format!("{}.{}", header(), URL_SAFE_NO_PAD.encode(claims_text));
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        Token { text: format!("{signed}.{signature}"), end: claims.exp }
    }

    /// The app of a token that may still be exchanged; that it has expired does not matter.
    pub(crate) fn app(&self, token: &str, now: i64) -> Result<String, Refused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Strange)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Strange)?;
        self.mac(signed).verify_slice(&signature).map_err(|_| Refused::Strange)?;
        // The only header there is: a token cannot choose how it is verified.
        let claims = signed.strip_prefix(&format!("{}.", header())).ok_or(Refused::Strange)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Refused::Strange)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Refused::Strange)?;
        match now - claims.orig_iat {
            0..WINDOW => Ok(claims.app_id),
            WINDOW.. => Err(Refused::Old),
            _ => Err(Refused::Strange),
        }
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length; the error belongs to the trait.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| unreachable!());
        mac.update(text.as_bytes());
        mac
    }
}

fn header() -> String {
    URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#)
}
