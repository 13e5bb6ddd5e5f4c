//! Answers as HTTP responses: one place decides their headers.

use crate::body::Body;
use crate::error::Why;
use crate::json;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
    /// `WWW-Authenticate`, where it is not the usual one.
    pub(crate) authenticate: Option<&'static str>,
    pub(crate) retry_after: Option<u32>,
    pub(crate) realm: &'a str,
}

/// The response to this answer.
pub(crate) fn json(answer: Answer<'_>) -> Response<Full<Bytes>> {
    let mut response = bare(answer.status, answer.body.into_bytes());
    let headers = response.headers_mut();
    if answer.status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2: every 401 says how to do better.
        let usual = || HeaderValue::from_str(&format!("Bearer realm=\"{}\"", answer.realm)).ok();
        let value = answer.authenticate.map(HeaderValue::from_static).or_else(usual);
        headers.extend(value.map(|value| (header::WWW_AUTHENTICATE, value)));
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A document that is no secret.
pub(crate) fn document(body: Bytes) -> Response<Full<Bytes>> {
    bare(StatusCode::OK, body)
}

/// A JSON value that is no secret and that anybody may keep for so many seconds.
pub(crate) fn kept(body: &Value, seconds: u32) -> Response<Full<Bytes>> {
    let mut response = value(body);
    if let Ok(control) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, control);
    }
    response
}

/// A JSON value that succeeded.
pub(crate) fn value(body: &Value) -> Response<Full<Bytes>> {
    bare(StatusCode::OK, Bytes::from(json::written(body)))
}

/// An answer to `OPTIONS`.
pub(crate) fn no_content(methods: &str) -> Response<Full<Bytes>> {
    let mut response = bare(StatusCode::NO_CONTENT, Bytes::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    allow(&mut response, methods);
    response
}

/// Says which methods a path has.
pub(crate) fn allow(response: &mut Response<Full<Bytes>>, methods: &str) {
    if let Ok(value) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(header::ALLOW, value);
    }
}

/// No scheme has this path.
pub(crate) fn not_found() -> Response<Full<Bytes>> {
    //= common.form.unknown-path
    generic(StatusCode::NOT_FOUND, "Not Found")
}

/// The path, which belongs to no scheme, has no such method.
pub(crate) fn method_not_allowed(methods: &str) -> Response<Full<Bytes>> {
    let mut response = generic(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    allow(&mut response, methods);
    response
}

/// A refusal outside all schemes.
pub(crate) fn plain(why: Why) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    generic(status, why.phrase())
}

/// A refusal outside all schemes, with a text that helps.
pub(crate) fn generic(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    // Both names of the text: whichever scheme's client got lost here finds the one it reads.
    let body = serde_json::json!({ "code": status.as_u16(), "message": text, "msg": text, "data": null });
    bare(status, Bytes::from(json::written(&body)))
}

fn bare(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 3] = [
        //= common.form.json-answers
        //= ethgas.answer.json
        //= cbs.answer.json
        //= nftrainbow.answer.json
        //= swapchat.answer.json
        //= web3mq.answer.json
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        //= common.hygiene.not-cached
        //= common.hygiene.no-freshness
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
