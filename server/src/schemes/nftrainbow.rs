//! Document 003, NFTRainbow: an app's id and secret for a token of an hour that can be exchanged for five.
//!
//! Its servers are built on gin-jwt, whose answers and refresh window are kept and whose faults are not: a success has no
//! `code`, any token is exchanged for five hours after its own issue, and the scheme word is compared exactly.

use crate::error::{Denied, Fault, LoginError, Malformed, Why};
use crate::scheme::{
    Body, Cx, Grants, LoginScheme, Members, Never, Policy, Proven, Refusal, Refused, Renewal, Said, Step,
    Subject, Tokens,
};
use crate::token::From;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

/// `[scheme.nftrainbow]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NftrainbowSettings {
    /// Seconds a token lasts.
    pub lifetime: u64,
    /// Seconds from its issue in which it can be refreshed, ended or not.
    pub refresh_window: u64,
}

impl Default for NftrainbowSettings {
    fn default() -> Self {
        Self { lifetime: 3_600, refresh_window: 5 * 3_600 }
    }
}

/// The scheme.
#[derive(Debug)]
pub struct Nftrainbow {
    settings: NftrainbowSettings,
}

impl Nftrainbow {
    /// The scheme with these settings.
    #[must_use]
    pub const fn new(settings: NftrainbowSettings) -> Self {
        Self { settings }
    }
}

/// `POST /v1/login`
#[derive(Deserialize)]
pub struct App {
    //= nftrainbow.login.app-id
    //= nftrainbow.login.required-members
    app_id: String,
    //= nftrainbow.login.app-secret
    app_secret: String,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl LoginScheme for Nftrainbow {
    const ID: &'static str = "nftrainbow";
    const OPERATIONS: &'static [(&'static str, Step)] = &[
        //= nftrainbow.login.endpoint
        //= nftrainbow.login.without-token
        //= nftrainbow.login.again-after-window
        ("login", Step::Login),
        //= nftrainbow.refresh.endpoint
        //= nftrainbow.refresh.header
        //= nftrainbow.refresh.no-body
        //= nftrainbow.refresh.content-type-ignored
        ("refresh_token", Step::Refresh),
        //= nftrainbow.contracts.endpoint
        ("contracts", Step::Protected),
    ];

    type Start = Never;
    type Pending = Never;
    type Answer = App;
    type Query = Never;

    fn grants(&self) -> Grants {
        Grants::Tokens(Policy {
            //= nftrainbow.token.lifetime
            //= nftrainbow.token.expiry
            //= nftrainbow.refresh.new-lifetime
            lifetime: self.settings.lifetime,
            ends: "exp",
            //= nftrainbow.token.issue-claim
            began: "orig_iat",
            //= nftrainbow.refresh.window
            //= nftrainbow.refresh.window-edge
            //= nftrainbow.refresh.accepts-expired
            //= nftrainbow.refresh.each-token
            //= nftrainbow.refresh.old-token-lives
            renewal: Renewal::Reissue { window: self.settings.refresh_window, from: From::Issue },
        })
    }

    async fn proceed(&self, cx: &Cx<'_>, _: Option<Never>, input: App) -> Result<Proven, LoginError> {
        //= nftrainbow.login.wrong-secret
        //= nftrainbow.login.unknown-app
        //= nftrainbow.login.enumeration
        let account = cx.log_in(&input.app_id, &input.app_secret).await?;
        //= nftrainbow.token.identity-claim
        //= nftrainbow.refresh.same-app
        let attributes = Map::from_iter([("id".into(), account.number.into())]);
        Ok(Subject { id: account.name, attributes }.into())
    }

    async fn welcome(&self, cx: &Cx<'_>, subject: &Subject) -> Result<(), LoginError> {
        match cx.account(&subject.id).await? {
            Some(_) => Ok(()),
            None => Err(LoginError::new(Denied::TokenRefused, "the app is gone")),
        }
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        match said {
            Said::LoggedIn { tokens: Some(tokens), .. } | Said::Renewed { tokens: Some(tokens), .. } => {
                //= nftrainbow.answer.status
                //= nftrainbow.answer.token
                //= nftrainbow.answer.expire
                //= nftrainbow.answer.no-code
                //= nftrainbow.answer.bare
                //= nftrainbow.answer.member-order
                //= nftrainbow.token.jwt
                Some(Members::new().text("expire", &expire(tokens)?).text("token", &tokens.access).into())
            }
            //= nftrainbow.contracts.answer
            Said::Own { .. } => Some(json!({ "count": 0, "items": [] }).into()),
            _ => None,
        }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        //= nftrainbow.failure.known-codes
        //= nftrainbow.failure.status
        let (code, message) = match refusal.why {
            Why::Denied(Denied::Credentials) => (40100, "Unauthorized"),
            Why::Denied(Denied::TokenSignature) => (40101, "Unauthorized, invalid JWT token"),
            Why::Denied(Denied::NoToken) => (40102, "Authorization header is empty"),
            Why::Denied(Denied::TokenEnded | Denied::WindowOver) => (40104, "Token is expired"),
            Why::Denied(_) => (40103, "Authorization token is invalid"),
            Why::Malformed(Malformed::Body | Malformed::Invalid) => (40000, "Invalid request"),
            Why::Fault(Fault::Internal) => (50000, "Internal server error"),
            why => (u32::from(why.status()) * 100, why.phrase()),
        };
        //= nftrainbow.failure.code-and-status
        let status = u16::try_from(code / 100).unwrap_or(500);
        //= nftrainbow.failure.code
        //= nftrainbow.failure.message
        //= nftrainbow.failure.data
        //= nftrainbow.failure.no-token
        let body = json!({ "code": code, "message": message });
        //= nftrainbow.failure.challenge
        Refused { status, body, authenticate: Some("JWT realm=Rainbow-openapi") }
    }
}

/// The second of the `exp` claim, as RFC 3339 writes it.
fn expire(tokens: &Tokens) -> Option<String> {
    //= nftrainbow.answer.expire-agrees
    //= nftrainbow.answer.expire-fraction
    let second = i64::try_from(tokens.ends.secs()).ok()?;
    jiff::Timestamp::from_second(second).ok().map(|moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Timestamp;

    #[test]
    fn expire_is_the_second_of_exp() {
        let tokens = Tokens {
            access: String::new(),
            lifetime: 1,
            ends: Timestamp::from_secs(1_661_932_444),
            refresh: None,
        };
        assert_eq!(expire(&tokens).as_deref(), Some("2022-08-31T07:54:04Z"));
    }

    #[test]
    fn a_codes_first_digits_are_the_status() {
        let scheme = Nftrainbow::new(NftrainbowSettings::default());
        for (why, status, code) in [
            (Denied::Credentials.into(), 401, 40100),
            (Denied::TokenForm.into(), 401, 40103),
            (Malformed::Body.into(), 400, 40000),
            (Malformed::MediaType.into(), 415, 41500),
            (Fault::Internal.into(), 500, 50000),
            (Fault::Busy { retry_after: 1 }.into(), 503, 50300),
        ] {
            let refused = scheme.refuse(&Refusal { why, step: Step::Login, operation: "login" });
            assert_eq!((refused.status, &refused.body["code"]), (status, &json!(code)), "{why:?}");
        }
    }
}
