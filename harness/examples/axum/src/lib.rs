//! An app login by "003 NFTRainbow login" on axum, as somebody would write it who knows nothing of Countersign.

mod token;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use token::{Issuer, Refused, Token};
use tokio::net::TcpListener;

/// The apps that may log in, and what signs their tokens.
#[derive(Debug)]
pub struct Api {
    // Of the secret under a key of this process. Secrets of apps are long and random; passwords would need argon2id.
    digests: HashMap<String, Vec<u8>>,
    pepper: [u8; 32],
    issuer: Issuer,
}

#[derive(Deserialize)]
struct Login {
    app_id: String,
    app_secret: String,
}

impl Api {
    /// Lets these apps in (id and secret) and signs with this key.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new<'a>(key: &[u8], apps: impl IntoIterator<Item = (&'a str, &'a str)>) -> std::io::Result<Self> {
        let mut pepper = [0; 32];
        getrandom::fill(&mut pepper).map_err(std::io::Error::other)?;
        let mut api = Self { digests: HashMap::new(), pepper, issuer: Issuer::new(key.to_vec()) };
        for (id, secret) in apps {
            let digest = api.digest(secret).finalize().into_bytes().to_vec();
            api.digests.insert(id.to_owned(), digest);
        }
        Ok(api)
    }

    /// Serves until the task is dropped.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/v1/login", post(log_in))
            .route("/v1/refresh_token", get(refresh).head(no_method))
            .method_not_allowed_fallback(no_method)
            .fallback(async || refusal(StatusCode::NOT_FOUND, 40400, "no such operation"))
            .layer(DefaultBodyLimit::max(16 * 1024))
            .with_state(Arc::new(self));
        axum::serve(listener, routes).await
    }

    fn is_app(&self, login: &Login) -> bool {
        // An unknown app costs what a wrong secret costs.
        let known = self.digests.get(&login.app_id).map(Vec::as_slice).unwrap_or_default();
        self.digest(&login.app_secret).verify_slice(known).is_ok()
    }

    fn digest(&self, secret: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length; the error belongs to the trait.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.pepper).unwrap_or_else(|_| unreachable!());
        mac.update(secret.as_bytes());
        mac
    }
}

async fn log_in(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return refusal(error.status(), 40000, "the body cannot be read"),
    };
    if !is_json(&headers) {
        return refusal(StatusCode::BAD_REQUEST, 40000, "the body must be application/json");
    }
    let Ok(login) = serde_json::from_slice::<Login>(&body) else {
        return refusal(StatusCode::BAD_REQUEST, 40000, "the body must hold app_id and app_secret");
    };
    if !api.is_app(&login) {
        return refusal(StatusCode::UNAUTHORIZED, 40100, "unauthorized");
    }
    success(&api.issuer.issue(&login.app_id, now()))
}

async fn refresh(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let refused = |code, message| refusal(StatusCode::UNAUTHORIZED, code, message);
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (given.next(), given.next()) else {
        return refused(40102, "one Authorization header is needed");
    };
    let Some(token) = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")) else {
        return refused(40103, "Authorization must be `Bearer` and a token");
    };
    match api.issuer.app(token, now()) {
        // An app that was taken away keeps no way in.
        Ok(app) if api.digests.contains_key(&app) => success(&api.issuer.issue(&app, now())),
        Err(Refused::Old) => refused(40104, "the token was issued too long ago"),
        Ok(_) | Err(Refused::Strange) => refused(40101, "the token is not valid"),
    }
}

async fn no_method() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, 40500, "no such method")
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn success(token: &Token) -> Response {
    let end = jiff::Timestamp::from_second(token.end).unwrap_or_default();
    answer(StatusCode::OK, &json!({ "expire": end.to_string(), "token": token.text }))
}

fn refusal(status: StatusCode, code: u32, message: &str) -> Response {
    let mut response = answer(status, &json!({ "code": code, "message": message }));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
    }
    response
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
