//! Document 002, ETHGas: a user name and a password for a pair of tokens.
//!
//! The envelope repeats the HTTP status in `code` and always has all three members.

use crate::error::{Denied, LoginError, Why};
use crate::scheme::{
    Body, Cx, Grants, LoginScheme, Members, Never, Policy, Proven, Refusal, Refused, Renewal, Said, Step,
    Subject, Tokens, Use,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// `[scheme.ethgas]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EthgasSettings {
    /// Seconds an access token lasts.
    pub access_lifetime: u64,
    /// Seconds a refresh token lasts.
    pub refresh_lifetime: u64,
    /// Seconds in which a replaced refresh token still gets its successor.
    pub refresh_grace: u64,
}

impl Default for EthgasSettings {
    fn default() -> Self {
        Self { access_lifetime: 3_600, refresh_lifetime: 30 * 24 * 3_600, refresh_grace: 30 }
    }
}

/// The scheme.
#[derive(Debug)]
pub struct Ethgas {
    settings: EthgasSettings,
}

impl Ethgas {
    /// The scheme with these settings.
    #[must_use]
    pub const fn new(settings: EthgasSettings) -> Self {
        Self { settings }
    }
}

/// `POST /api/v1/user/login`
#[derive(Deserialize)]
pub struct Credentials {
    //= ethgas.login.username
    //= ethgas.login.required-members
    username: String,
    //= ethgas.login.password
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl LoginScheme for Ethgas {
    const ID: &'static str = "ethgas";
    const OPERATIONS: &'static [(&'static str, Step)] = &[
        //= ethgas.login.endpoint
        //= ethgas.login.without-token
        ("login", Step::Login),
        //= ethgas.verify.endpoint
        //= ethgas.verify.no-body
        ("verify", Step::Verify),
        //= ethgas.info.endpoint
        ("info", Step::Protected),
        //= ethgas.refresh.endpoint
        //= ethgas.refresh.answer
        //= ethgas.refresh.early
        ("refresh", Step::Refresh),
        //= ethgas.logout.endpoint
        //= ethgas.logout.no-body
        ("logout", Step::Logout),
    ];

    type Start = Never;
    type Pending = Never;
    type Answer = Credentials;
    type Query = Never;

    fn grants(&self) -> Grants {
        let EthgasSettings { access_lifetime, refresh_lifetime, refresh_grace } = self.settings;
        Grants::Tokens(Policy {
            //= ethgas.login.lifetime
            //= ethgas.token.expiry
            //= ethgas.token.lives
            lifetime: access_lifetime,
            ends: "exp",
            began: "iat",
            //= ethgas.refresh.lifetime
            //= ethgas.refresh.reuse
            //= ethgas.refresh.no-fork
            //= ethgas.refresh.lost-answer
            //= ethgas.refresh.new-lifetime
            renewal: Renewal::Rotate { lifetime: refresh_lifetime, grace: refresh_grace, extends: false },
        })
    }

    fn claims<'s>(&self, subject: &'s Subject, _: Use) -> Cow<'s, Map<String, Value>> {
        //= ethgas.verify.own
        //= ethgas.refresh.keeps-user
        Cow::Owned(Map::from_iter([("userId".into(), subject.id.as_str().into())]))
    }

    async fn proceed(&self, cx: &Cx<'_>, _: Option<Never>, input: Credentials) -> Result<Proven, LoginError> {
        //= ethgas.login.wrong-password
        //= ethgas.login.unknown-user
        //= ethgas.login.no-enumeration
        //= ethgas.login.exact-password
        let account = cx.log_in(&input.username, &input.password).await?;
        let attributes = Map::from_iter([("username".into(), account.name.into())]);
        Ok(Subject { id: format!("user_{}", account.number), attributes }.into())
    }

    async fn welcome(&self, cx: &Cx<'_>, subject: &Subject) -> Result<(), LoginError> {
        let name = subject.attributes.get("username").and_then(Value::as_str).unwrap_or_default();
        match cx.account(name).await? {
            Some(_) => Ok(()),
            None => Err(LoginError::new(Denied::TokenRefused, "the account is gone")),
        }
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        //= ethgas.answer.status
        //= ethgas.answer.code
        let answer = Members::new().whole("code", 200);
        let answer = match said {
            Said::LoggedIn { tokens: Some(tokens), .. } | Said::Renewed { tokens: Some(tokens), .. } => {
                //= ethgas.login.data
                answer.object("data", |data| pair(data, tokens))
            }
            //= ethgas.logout.data
            //= ethgas.logout.logged-out
            Said::LoggedOut => answer.object("data", |data| data.flag("loggedOut", true)),
            Said::Own { subject } => {
                let name = subject.attributes.get("username").unwrap_or(&Value::Null);
                //= ethgas.info.data
                answer.object("data", |data| data.text("userId", &subject.id).value("username", name))
            }
            Said::Valid { caller } => {
                //= ethgas.verify.data
                //= ethgas.verify.valid
                //= ethgas.verify.user-id
                //= ethgas.verify.expires-at
                answer.object("data", |data| {
                    let data = data.whole("expiresAt", caller.ends.secs());
                    data.text("userId", &caller.subject.id).flag("valid", true)
                })
            }
            _ => return None,
        };
        //= ethgas.answer.message
        //= ethgas.answer.message-text
        Some(answer.text("message", "OK").into())
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        //= ethgas.failure.status
        //= ethgas.failure.malformed
        let status = refusal.why.status();
        let message = match (refusal.step, refusal.why) {
            //= ethgas.failure.message
            //= ethgas.failure.message-text
            (Step::Login, why) => why.phrase(),
            //= ethgas.refresh.token-required
            //= ethgas.refresh.signature
            //= ethgas.refresh.not-an-access-token
            (Step::Refresh, Why::Denied(_)) => "Refresh token is invalid or expired",
            (_, Why::Denied(Denied::NoToken)) => "Unauthorized",
            //= ethgas.verify.bad-token
            (_, Why::Denied(_)) => "Token is invalid or expired",
            (_, why) => why.phrase(),
        };
        Refused {
            status,
            //= ethgas.failure.code
            //= ethgas.failure.data
            //= ethgas.failure.data-present
            //= ethgas.failure.no-token
            body: json!({ "code": status, "message": message, "data": null }),
            authenticate: None,
        }
    }
}

fn pair(data: Members, tokens: &Tokens) -> Members {
    //= ethgas.login.access-token
    //= ethgas.login.refresh-token
    //= ethgas.login.expires-in
    //= ethgas.login.distinct-kinds
    let data = data.text("accessToken", &tokens.access).whole("expiresIn", tokens.lifetime);
    match &tokens.refresh {
        Some(refresh) => data.text("refreshToken", &refresh.token),
        None => data,
    }
}
