//! A caller who logs in, refreshes and logs out, and notes exactly what was said.

use countersign::client::{Base, Client, WireBody, WireError, WireRequest, WireResponse};
use countersign::wallet::{SignAs, Wallet, signature_hex};
use serde_json::{Value, json};
use std::time::Duration;

/// What a caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told<T> {
    /// It is done, and this came back.
    Done(T),
    /// No: the proof or the token is not good.
    Refused,
    /// Not now, with whether `Retry-After` says when.
    Later {
        /// Whether the answer said when to come back.
        says_when: bool,
    },
    /// Something no caller can act on.
    Odd(String),
    /// No answer, or half of one.
    Nothing(String),
    /// No answer within the caller's patience.
    Hung,
}

impl<T> Told<T> {
    /// What came back, if it is done.
    pub(crate) fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            _ => None,
        }
    }

    /// Takes out what a success must hold; a success without it is odd.
    pub(crate) fn and<U>(self, take: impl FnOnce(&T) -> Option<U>) -> Told<U> {
        match self {
            Self::Done(value) => take(&value)
                .map_or_else(|| Told::Odd("a success without what it must hold".to_owned()), Told::Done),
            Self::Refused => Told::Refused,
            Self::Later { says_when } => Told::Later { says_when },
            Self::Odd(what) => Told::Odd(what),
            Self::Nothing(why) => Told::Nothing(why),
            Self::Hung => Told::Hung,
        }
    }

    /// Only what kind of answer it was.
    pub(crate) fn kind(self) -> Told<()> {
        self.and(|_| Some(()))
    }

    /// The same without what came back, for people.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Done(_) => "done".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::Later { says_when: true } => "503 with Retry-After".to_owned(),
            Self::Later { says_when: false } => "503 without Retry-After".to_owned(),
            Self::Odd(what) => what.clone(),
            Self::Nothing(why) => format!("no whole answer: {why}"),
            Self::Hung => "no answer in time".to_owned(),
        }
    }
}

/// The tokens of one login.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Not the tokens: a table that is pasted somewhere must not hold keys.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// A caller of one server. Clones share nothing but the address; each thread has connections of its own.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client: Client,
}

impl Caller {
    /// A caller who waits for an answer so long.
    ///
    /// # Errors
    /// That the URL makes no sense.
    pub(crate) fn new(url: &str, patience: Duration) -> Result<Self, String> {
        Ok(Self { client: Client::new(Base::parse(url)?, patience, None)? })
    }

    /// Logs in with name and password (`ethgas`).
    pub(crate) fn log_in(&self, username: &str, password: &str) -> Told<Session> {
        let told =
            self.post("/api/v1/user/login", &json!({ "username": username, "password": password }), None);
        told.and(session)
    }

    /// Logs in with an account that everybody knows.
    pub(crate) fn log_in_known(&self) -> Told<Session> {
        let account = &countersign_fixtures::accounts().ethgas[0];
        self.log_in(&account.username, &account.password)
    }

    /// Logs in with an account of each scheme that has accounts; what the first that failed was told.
    pub(crate) fn log_in_everywhere(&self) -> Told<()> {
        let all = countersign_fixtures::accounts();
        let app = json!({ "app_id": all.nftrainbow[0].app_id, "app_secret": all.nftrainbow[0].app_secret });
        let user = json!({ "user": all.cbs[0].user, "password": all.cbs[0].password });
        let told = [
            self.log_in_known().kind(),
            self.post("/v1/login", &app, None).and(|body| body["token"].as_str().map(|_| ())),
            self.post("/v1/api/auth/login", &user, None)
                .and(|body| body["result"]["access_token"].as_str().map(|_| ())),
        ];
        told.into_iter().find(|told| *told != Told::Done(())).unwrap_or(Told::Done(()))
    }

    /// Exchanges a refresh token.
    pub(crate) fn refresh(&self, token: &str) -> Told<Session> {
        self.post("/api/v1/user/login/refresh", &json!({ "refreshToken": token }), None).and(session)
    }

    /// Ends the session of an access token.
    pub(crate) fn log_out(&self, access: &str) -> Told<()> {
        self.post("/api/v1/user/logout", &Value::Null, Some(access))
            .and(|body| (body["data"]["loggedOut"] == true).then_some(()))
    }

    /// Uses an access token.
    pub(crate) fn verify(&self, access: &str) -> Told<()> {
        self.post("/api/v1/user/login/verify", &Value::Null, Some(access))
            .and(|body| (body["data"]["valid"] == true).then_some(()))
    }

    /// Asks for a secret for this wallet.
    pub(crate) fn ask(&self, wallet: &Wallet) -> Told<String> {
        let ask = json!({ "wallet_address": wallet.address() });
        self.post("/login_random_secret", &ask, None).and(|body| body["data"].as_str().map(str::to_owned))
    }

    /// Asks for a secret and signs it; what comes back is the login to send.
    pub(crate) fn challenge(&self, wallet: &Wallet) -> Told<Value> {
        self.ask(wallet).and(|secret| {
            let signature = signature_hex(&wallet.sign(secret, SignAs::Personal));
            Some(json!({
                "login_random_secret": secret, "signature": signature, "wallet_address": wallet.address(),
            }))
        })
    }

    /// Sends a login that [`Self::challenge`] made.
    pub(crate) fn answer(&self, login: &Value) -> Told<String> {
        self.post("/login", login, None).and(|body| body["data"]["access_token"].as_str().map(str::to_owned))
    }

    fn post(&self, path: &str, body: &Value, bearer: Option<&str>) -> Told<Value> {
        let request = request(path, body, bearer);
        match self.client.send(&request) {
            Ok(response) => read(&response),
            Err(WireError::Timeout(_)) => Told::Hung,
            Err(error) => Told::Nothing(error.to_string()),
        }
    }

    /// Sends all at once, each on a connection of its own that is open before the first byte goes out.
    pub(crate) fn log_in_together(&self, logins: &[(String, String)]) -> Vec<Told<Session>> {
        let requests: Vec<WireRequest> = logins
            .iter()
            .map(|(username, password)| {
                request("/api/v1/user/login", &json!({ "username": username, "password": password }), None)
            })
            .collect();
        let told = self.client.send_together(&requests).into_iter();
        told.map(|answer| match answer {
            Ok(response) => read(&response).and(session),
            Err(WireError::Timeout(_)) => Told::Hung,
            Err(error) => Told::Nothing(error.to_string()),
        })
        .collect()
    }
}

fn request(path: &str, body: &Value, bearer: Option<&str>) -> WireRequest {
    let mut headers = Vec::new();
    let body = match body {
        Value::Null => WireBody::None,
        body => {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            WireBody::Whole(body.to_string().into())
        }
    };
    if let Some(token) = bearer {
        headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    WireRequest { method: "POST".to_owned(), path: path.to_owned(), headers, body }
}

/// What an answer says, in any of the schemes' envelopes: a success has 200 and, where there is a code, 0 or 200.
fn read(response: &WireResponse) -> Told<Value> {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match response.status {
        200 if body["code"].is_null() || matches!(body["code"].as_u64(), Some(0 | 200)) => Told::Done(body),
        200 | 400..=403 => Told::Refused,
        429 | 503 => {
            Told::Later { says_when: response.headers.iter().any(|(name, _)| name == "retry-after") }
        }
        status => Told::Odd(format!("HTTP {status}")),
    }
}

fn session(body: &Value) -> Option<Session> {
    let text = |name: &str| body["data"][name].as_str().map(str::to_owned);
    Some(Session { access: text("accessToken")?, refresh: text("refreshToken")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, headers: &[(&str, &str)], body: &str) -> Told<Value> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&WireResponse { status, headers, body: body.to_owned().into(), elapsed: Duration::ZERO })
    }

    #[test]
    fn answers_are_told_apart() {
        assert!(matches!(told(200, &[], r#"{"code":200,"data":{}}"#), Told::Done(_)));
        assert!(matches!(told(200, &[], r#"{"token":"x"}"#), Told::Done(_)));
        assert_eq!(told(200, &[], r#"{"code":401}"#), Told::Refused);
        assert_eq!(told(401, &[], ""), Told::Refused);
        assert_eq!(told(503, &[("retry-after", "1")], ""), Told::Later { says_when: true });
        assert_eq!(told(503, &[], ""), Told::Later { says_when: false });
        assert_eq!(told(500, &[], ""), Told::Odd("HTTP 500".to_owned()));
    }

    #[test]
    fn a_success_without_tokens_is_none() {
        let empty = told(200, &[], r#"{"code":200,"data":{"accessToken":"a"}}"#).and(session);
        assert!(matches!(empty, Told::Odd(_)));
        let whole =
            told(200, &[], r#"{"code":200,"data":{"accessToken":"a","refreshToken":"b"}}"#).and(session);
        assert_eq!(whole.done().map(|session| session.refresh), Some("b".to_owned()));
    }
}
