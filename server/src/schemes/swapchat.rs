//! Document 000, SwapChat: a wallet signs a secret it was given and holds a token for seven days.
//!
//! Clients read `code` and `msg` only where HTTP says 200, so what is wrong with a login travels as 200 with another code.
//! They refresh only once `access_expired_at` has passed, with the token that has just ended.

use crate::error::{Denied, LoginError, Malformed, Why};
use crate::scheme::{
    Answered, Ask, Body, Cx, Grants, LoginScheme, Members, Never, Policy, Proven, Refusal, Refused, Renewal,
    Said, Step, Subject,
};
use crate::token::From;
use crate::wallet::eip191::{self, Address};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// `[scheme.swapchat]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SwapchatSettings {
    /// Seconds a login random secret can be answered.
    pub secret_lifetime: u64,
    /// Seconds an access token lasts.
    pub access_lifetime: u64,
    /// Seconds from then on in which it can still be refreshed.
    pub refresh_window: u64,
}

impl Default for SwapchatSettings {
    fn default() -> Self {
        const WEEK: u64 = 7 * 24 * 3_600;
        Self { secret_lifetime: 300, access_lifetime: WEEK, refresh_window: WEEK }
    }
}

/// The scheme.
#[derive(Debug)]
pub struct Swapchat {
    settings: SwapchatSettings,
}

impl Swapchat {
    /// The scheme with these settings.
    #[must_use]
    pub const fn new(settings: SwapchatSettings) -> Self {
        Self { settings }
    }
}

/// `POST /login_random_secret`
#[derive(Debug, Deserialize)]
pub struct SecretRequest {
    //= swapchat.secret.wallet-address
    wallet_address: String,
}

/// `POST /login`
#[derive(Debug, Deserialize)]
pub struct SignedSecret {
    //= swapchat.login.secret-member
    //= swapchat.login.required-members
    login_random_secret: String,
    //= swapchat.login.signature-member
    signature: String,
    //= swapchat.login.address-member
    wallet_address: String,
}

impl LoginScheme for Swapchat {
    const ID: &'static str = "swapchat";
    const OPERATIONS: &'static [(&'static str, Step)] = &[
        //= swapchat.secret.endpoint
        //= swapchat.secret.without-token
        ("login_random_secret", Step::Challenge),
        //= swapchat.login.endpoint
        //= swapchat.login.without-token
        ("login", Step::Login),
        //= swapchat.refresh.endpoint
        //= swapchat.refresh.no-parameters
        //= swapchat.refresh.content-type-ignored
        ("refresh", Step::Refresh),
        //= swapchat.rooms.endpoint
        ("my_rooms", Step::Protected),
    ];

    type Start = SecretRequest;
    type Pending = ();
    type Answer = SignedSecret;
    type Query = Never;

    fn grants(&self) -> Grants {
        let SwapchatSettings { access_lifetime, refresh_window, .. } = self.settings;
        Grants::Tokens(Policy {
            //= swapchat.token.lifetime
            //= swapchat.token.expiry
            lifetime: access_lifetime,
            //= swapchat.token.expiry-claim
            //= swapchat.token.expiry-claim-seconds
            ends: "access_expired_at",
            began: "iat",
            //= swapchat.refresh.expired-token
            //= swapchat.refresh.window-undocumented
            //= swapchat.refresh.new-lifetime
            //= swapchat.refresh.chain
            //= swapchat.refresh.old-token-lives
            renewal: Renewal::Reissue { window: refresh_window, from: From::Expiry },
        })
    }

    async fn start(&self, cx: &Cx<'_>, input: SecretRequest) -> Result<Ask<()>, LoginError> {
        let address = address(&input.wallet_address)?;
        //= swapchat.secret.new-each-time
        //= swapchat.secret.unpredictable
        let secret = cx.nonce()?;
        Ok(Ask {
            //= swapchat.secret.data
            //= swapchat.secret.example-form
            challenge: data_encoding::HEXLOWER.encode(&secret),
            //= swapchat.secret.bound
            //= swapchat.secret.unregistered-wallet
            bound_to: address.to_string(),
            //= swapchat.secret.expires
            lifetime: self.settings.secret_lifetime,
            pending: (),
        })
    }

    fn answered(&self, input: &SignedSecret) -> Option<Answered> {
        let bound_to =
            Address::parse(&input.wallet_address).map(|address| address.to_string()).unwrap_or_default();
        //= swapchat.secret.from-first-step
        //= swapchat.secret.altered
        Some(Answered { bound_to, candidates: carried(&input.login_random_secret) })
    }

    async fn proceed(&self, _: &Cx<'_>, _: Option<()>, input: SignedSecret) -> Result<Proven, LoginError> {
        let address = address(&input.wallet_address)?;
        //= swapchat.proof.signer
        //= swapchat.proof.text
        //= swapchat.proof.text-not-bytes
        if eip191::signer(input.login_random_secret.as_bytes(), &input.signature) != Some(address) {
            return Err(LoginError::new(Denied::Proof, "the wallet did not sign login_random_secret"));
        }
        let user_id = user_id(address);
        //= swapchat.token.user-claims
        //= swapchat.refresh.keeps-identity
        let attributes = [("user_id", user_id.clone()), ("eth_wallet_address", address.to_string())];
        let attributes =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Ok(Subject { id: user_id, attributes }.into())
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        //= swapchat.answer.status
        //= swapchat.answer.code
        let answer = Members::new().whole("code", 0);
        let (answer, msg) = match said {
            //= swapchat.secret.message-text
            Said::Asked { challenge } => (answer.text("data", challenge), "Here's your login random secret."),
            Said::LoggedIn { tokens: Some(tokens), .. } | Said::Renewed { tokens: Some(tokens), .. } => {
                //= swapchat.login.message-text
                //= swapchat.login.data
                //= swapchat.login.access-token
                //= swapchat.refresh.data
                //= swapchat.refresh.access-token
                (answer.object("data", |data| data.text("access_token", &tokens.access)), "Here's your JWT.")
            }
            //= swapchat.rooms.answer
            Said::Own { .. } => (answer.value("data", &json!([])), "Here are your rooms."),
            _ => return None,
        };
        //= swapchat.answer.msg
        Some(answer.text("msg", msg).into())
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        let (status, code, text) = match refusal.why {
            //= swapchat.refresh.token-required
            //= swapchat.refresh.signature
            Why::Denied(_) if matches!(refusal.step, Step::Refresh | Step::Protected) => {
                (401, 401, "The access token is missing, wrong or too old.")
            }
            Why::Denied(Denied::Challenge) => {
                (200, 1001, "The login random secret is unknown, used or too old.")
            }
            //= swapchat.failure.status
            //= swapchat.failure.status-plain
            //= swapchat.failure.msg
            Why::Denied(_) => (200, 1002, "The signature does not prove the wallet address."),
            Why::Malformed(Malformed::Invalid) => {
                (200, 1000, "A required parameter is missing or malformed.")
            }
            why => (why.status(), why.status(), why.phrase()),
        };
        // One client reads `message` where HTTP is not 200.
        let body = match status {
            //= swapchat.failure.code
            //= swapchat.failure.data
            //= swapchat.failure.data-present
            //= swapchat.failure.no-token
            200 => json!({ "code": code, "msg": text, "data": null }),
            //= swapchat.failure.message-twin
            _ => json!({ "code": code, "msg": text, "message": text, "data": null }),
        };
        Refused { status, body, authenticate: None }
    }
}

fn address(text: &str) -> Result<Address, LoginError> {
    //= swapchat.login.address-malformed
    //= swapchat.login.address-any-case
    //= swapchat.secret.wallet-address-origin
    Address::parse(text).ok_or_else(|| LoginError::new(Malformed::Invalid, "the wallet address is none"))
}

/// A name for the wallet that is no address, as clients use it in topics and user names.
fn user_id(address: Address) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("swapchat user {address}"))[..12])
}

/// The secrets a signed text may carry: as it is, or in hex after `0x`.
///
/// Clients send the bare secret or a whole text of their own making around it, so every place where one could stand is
/// looked at; there are few in any honest text, and more than a few are not looked at.
fn carried(text: &str) -> Vec<String> {
    const SECRET: usize = 32;
    const MOST: usize = 64;
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut candidates = Vec::new();
    //= swapchat.proof.text-around-hex-secret
    for (at, _) in text.match_indices("0x") {
        let Some(digits) = text.as_bytes().get(at + 2..at + 2 + 2 * SECRET) else { continue };
        let Ok(decoded) = data_encoding::HEXLOWER_PERMISSIVE.decode(digits) else { continue };
        if decoded.iter().all(is_hex) {
            candidates.extend(String::from_utf8(decoded));
        }
    }
    //= swapchat.proof.bare-secret
    //= swapchat.proof.text-around-secret
    //= swapchat.proof.text-layout
    for window in text.as_bytes().windows(SECRET) {
        if candidates.len() >= MOST {
            break;
        }
        if window.iter().all(is_hex) {
            candidates.extend(String::from_utf8(window.to_vec()));
        }
    }
    candidates.truncate(MOST);
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "b1e069cab9827c08700280b6ed1151fe";
    const HEX: &str = "6231653036396361623938323763303837303032383062366564313135316665";

    #[test]
    fn secrets_are_found_bare_in_a_text_and_in_hex() {
        for text in [
            SECRET.to_owned(),
            format!("Nonce: {SECRET}\nIssued At: x"),
            format!("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23\nNonce: 0x{HEX}"),
            format!("Nonce: 0x{}", HEX.to_uppercase()),
            format!("glued{SECRET}glued"),
        ] {
            assert!(carried(&text).contains(&SECRET.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_no_secret() {
        for text in [
            SECRET.to_uppercase(),
            SECRET[..31].to_owned(),
            HEX.to_owned(),
            format!(" {} {}", &SECRET[..16], &SECRET[16..]),
        ] {
            assert!(!carried(&text).contains(&SECRET.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_text_full_of_digits_costs_little() {
        assert_eq!(carried(&"0".repeat(60_000)).len(), 64);
        assert_eq!(carried(&format!("0x{HEX}").repeat(900)).len(), 64);
    }
}
