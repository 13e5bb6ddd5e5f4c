//! Document 004, CBS: a user name and a password for an access token and a refresh token.
//!
//! The document shows a refresh that answers no token. By default ours answers a superset of that with fresh tokens; the
//! literal answer is a setting, and the access token at hand then lives on.

use crate::error::{Denied, LoginError, Why};
use crate::scheme::{
    Body, Cx, Grants, LoginScheme, Never, Policy, Proven, Refusal, Refused, Renewal, Said, Step, Subject,
    Tokens, Use,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// `[scheme.cbs]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CbsSettings {
    /// Seconds an access token lasts.
    pub access_lifetime: u64,
    /// Seconds a refresh token lasts.
    pub refresh_lifetime: u64,
    /// Seconds in which a replaced refresh token still gets its successor.
    pub refresh_grace: u64,
    /// What a refresh answers.
    pub refresh_answer: RefreshAnswer,
}

/// What a refresh answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefreshAnswer {
    /// The document's members and fresh tokens.
    Full,
    /// The document's example and nothing else; the access token at hand lives on.
    Minimal,
}

impl Default for CbsSettings {
    fn default() -> Self {
        let refresh_answer = RefreshAnswer::Full;
        Self { access_lifetime: 1_800, refresh_lifetime: 14_400, refresh_grace: 30, refresh_answer }
    }
}

/// The scheme.
#[derive(Debug)]
pub struct Cbs {
    settings: CbsSettings,
}

impl Cbs {
    /// The scheme with these settings.
    #[must_use]
    pub const fn new(settings: CbsSettings) -> Self {
        Self { settings }
    }
}

/// `POST /v1/api/auth/login`
#[derive(Deserialize)]
pub struct Credentials {
    //= cbs.login.user
    //= cbs.login.required-members
    user: String,
    //= cbs.login.password
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl LoginScheme for Cbs {
    const ID: &'static str = "cbs";
    const OPERATIONS: &'static [(&'static str, Step)] = &[
        //= cbs.login.endpoint
        //= cbs.login.without-token
        //= cbs.login.older-path
        ("login", Step::Login),
        //= cbs.refresh.endpoint
        //= cbs.refresh.older-path
        //= cbs.refresh.token-member
        //= cbs.refresh.token-required
        ("refresh", Step::Refresh),
        //= cbs.group.endpoint
        ("group", Step::Protected),
    ];

    type Start = Never;
    type Pending = Never;
    type Answer = Credentials;
    type Query = Never;

    fn grants(&self) -> Grants {
        let CbsSettings { access_lifetime, refresh_lifetime, refresh_grace, refresh_answer } = self.settings;
        let extends = refresh_answer == RefreshAnswer::Minimal;
        Grants::Tokens(Policy {
            //= cbs.token.lifetime
            //= cbs.token.lifetime-number
            //= cbs.token.expiry
            lifetime: access_lifetime,
            ends: "exp",
            began: "iat",
            //= cbs.refresh.lifetime
            //= cbs.refresh.again
            //= cbs.refresh.chain
            //= cbs.refresh.new-lifetime
            //= cbs.refresh.prolonged
            renewal: Renewal::Rotate { lifetime: refresh_lifetime, grace: refresh_grace, extends },
        })
    }

    fn claims<'s>(&self, subject: &'s Subject, _: Use) -> Cow<'s, Map<String, Value>> {
        //= cbs.token.claims
        //= cbs.refresh.keeps-user
        Cow::Owned(Map::from_iter([
            ("identifier".into(), subject.id.as_str().into()),
            ("attributes".into(), json!({})),
        ]))
    }

    async fn proceed(&self, cx: &Cx<'_>, _: Option<Never>, input: Credentials) -> Result<Proven, LoginError> {
        //= cbs.login.wrong-password
        //= cbs.login.unknown-user
        //= cbs.login.no-enumeration
        //= cbs.login.exact-password
        let account = cx.log_in(&input.user, &input.password).await?;
        let redirect =
            //= cbs.login.redirect-password
            account.has("must_change_password").then(|| ("redirect".to_owned(), "pw/reset".into()));
        Ok(Subject { id: account.name, attributes: redirect.into_iter().collect() }.into())
    }

    async fn welcome(&self, cx: &Cx<'_>, subject: &Subject) -> Result<(), LoginError> {
        match cx.account(&subject.id).await? {
            Some(_) => Ok(()),
            None => Err(LoginError::new(Denied::TokenRefused, "the account is gone")),
        }
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        match said {
            Said::LoggedIn { subject, tokens: Some(tokens) } => {
                //= cbs.login.code
                //= cbs.login.result
                let mut body = json!({ "code": 0, "result": pair(tokens) });
                if let Some(redirect) = subject.attributes.get("redirect") {
                    //= cbs.login.redirect
                    body["redirect"] = redirect.clone();
                }
                Some(body.into())
            }
            //= cbs.slip.korean-model
            Said::Renewed { tokens: None, .. } => {
                Some(json!({ "result": { "code": 0, "desc": "Ok" } }).into())
            }
            Said::Renewed { tokens: Some(tokens), .. } => {
                //= cbs.refresh.access-token
                //= cbs.refresh.refresh-token
                //= cbs.refresh.new-token-works
                let mut result = pair(tokens);
                //= cbs.refresh.result-code
                result["code"] = 0.into();
                //= cbs.refresh.result-desc
                //= cbs.refresh.result-desc-text
                //= cbs.refresh.result-error
                result["desc"] = "Ok".into();
                //= cbs.refresh.result
                //= cbs.refresh.top-code
                //= cbs.refresh.redirect
                //= cbs.answer.told-by-code
                //= cbs.answer.status
                Some(json!({ "code": 0, "result": result }).into())
            }
            //= cbs.group.answer
            Said::Own { .. } => Some(json!({ "result": { "code": 0, "desc": "Ok" }, "objects": [] }).into()),
            _ => None,
        }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        //= cbs.failure.status
        //= cbs.failure.status-unauthorized
        let status = refusal.why.status();
        let desc = match (refusal.why, refusal.step) {
            //= cbs.refresh.signature
            //= cbs.refresh.not-an-access-token
            (Why::Denied(_), Step::Refresh) => "The refresh token is missing, wrong or too old.",
            (Why::Denied(_), Step::Protected) => "The access token is missing, wrong or too old.",
            (Why::Denied(_), _) => "Wrong user or password.",
            (why, _) => why.phrase(),
        };
        //= cbs.failure.error
        let error = refusal.why.phrase().to_ascii_lowercase();
        //= cbs.failure.code
        //= cbs.failure.result
        //= cbs.failure.desc
        //= cbs.failure.no-token
        let body = json!({ "code": status, "result": { "code": status, "error": error, "desc": desc } });
        Refused { status, body, authenticate: None }
    }
}

fn pair(tokens: &Tokens) -> Value {
    let refresh = tokens.refresh.as_ref();
    json!({
        //= cbs.login.token-type
        //= cbs.refresh.token-type
        "token_type": "Bearer",
        //= cbs.login.access-token
        //= cbs.token.distinct-kinds
        //= cbs.token.jwt
        "access_token": tokens.access,
        //= cbs.login.access-expires-in
        //= cbs.refresh.access-expires-in
        "access_token_expires_in": tokens.lifetime,
        //= cbs.login.refresh-token
        "refresh_token": refresh.map(|refresh| refresh.token.as_str()),
        //= cbs.login.refresh-expires-in
        //= cbs.refresh.refresh-expires-in
        //= cbs.token.refresh-outlives-access
        "refresh_token_expires_in": refresh.map(|refresh| refresh.lifetime),
    })
}
