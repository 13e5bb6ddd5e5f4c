//! What a fault is made of: a change of requests, of the decision, of answers or of the server's parts.

use crate::front::{Entry, Opening};
use crate::host::Parts;
use crate::world::Seen;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Req {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) chunked: bool,
}

impl Req {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn set_json(&mut self, body: &Value) {
        self.body = body.to_string().into();
        self.headers.remove("content-length");
        self.headers.remove("transfer-encoding");
    }

    pub(crate) fn set_header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// The same request with nothing right in it, which the server refuses in its own words.
    pub(crate) fn spoiled(mut self) -> Self {
        if self.headers.contains_key("authorization") {
            self.set_header("authorization", "Bearer spoiled");
        }
        self.query = None;
        if !self.body.is_empty() {
            self.set_json(&Value::Object(serde_json::Map::new()));
        }
        self
    }

    pub(crate) fn into_http(self) -> Request<Full<Bytes>> {
        let target = match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        if let Ok(uri) = target.parse() {
            *request.uri_mut() = uri;
        }
        request
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Resp {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Resp {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn set_json(&mut self, body: &Value) {
        self.set_body(body.to_string());
    }

    pub(crate) fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = body.into();
        self.headers.remove("content-length");
    }

    pub(crate) fn set_header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Way {
    /// The server answers.
    Pass,
    /// The server answers; a refusal of its is replaced by the operation's last success.
    Accept,
    /// The server is not asked; the operation's last success is the answer.
    Pretend,
    /// The server is asked something wrong in its place.
    Refuse,
    /// The connection is closed.
    Close,
    /// This is the answer.
    Say(Box<Resp>),
}

type Look = dyn Fn(&mut Opening) -> Entry + Send + Sync;
type Rewrite = dyn Fn(&Seen<'_>, &mut Req) + Send + Sync;
type Decide = dyn Fn(&Seen<'_>) -> Way + Send + Sync;
type After = dyn Fn(&Seen<'_>, &mut Resp) + Send + Sync;
type Change = dyn Fn(&mut Parts) + Send + Sync;
type Delay = dyn Fn(&Seen<'_>) -> Duration + Send + Sync;
type Edit = dyn Fn(&Seen<'_>, &str) -> String + Send + Sync;

/// How a server is bent.
#[derive(Default)]
pub(crate) struct Bend {
    /// Sees each connection's first request in bytes.
    pub(crate) bytes: Option<Box<Look>>,
    pub(crate) rewrite: Option<Box<Rewrite>>,
    pub(crate) decide: Option<Box<Decide>>,
    pub(crate) after: Option<Box<After>>,
    pub(crate) parts: Option<Box<Change>>,
    /// Tokens that leave in another form; they are changed back when they come in.
    pub(crate) tokens: Option<Box<Edit>>,
    /// Who was let in once on a connection is let in on it from then on.
    pub(crate) trusts_connections: bool,
    /// Bodies are read one after the other, however slowly they come.
    pub(crate) one_body_at_a_time: bool,
    /// Each answer waits so long.
    pub(crate) wait: Option<Duration>,
    /// An answer waits so much longer.
    pub(crate) delay: Option<Box<Delay>>,
}

impl std::fmt::Debug for Bend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bend").finish_non_exhaustive()
    }
}

impl Bend {
    pub(crate) fn bytes(look: impl Fn(&mut Opening) -> Entry + Send + Sync + 'static) -> Self {
        Self { bytes: Some(Box::new(look)), ..Self::default() }
    }

    pub(crate) fn rewrite(change: impl Fn(&Seen<'_>, &mut Req) + Send + Sync + 'static) -> Self {
        Self { rewrite: Some(Box::new(change)), ..Self::default() }
    }

    pub(crate) fn decide(decide: impl Fn(&Seen<'_>) -> Way + Send + Sync + 'static) -> Self {
        Self { decide: Some(Box::new(decide)), ..Self::default() }
    }

    pub(crate) fn after(change: impl Fn(&Seen<'_>, &mut Resp) + Send + Sync + 'static) -> Self {
        Self { after: Some(Box::new(change)), ..Self::default() }
    }

    pub(crate) fn parts(change: impl Fn(&mut Parts) + Send + Sync + 'static) -> Self {
        Self { parts: Some(Box::new(change)), ..Self::default() }
    }

    pub(crate) fn delay(delay: impl Fn(&Seen<'_>) -> Duration + Send + Sync + 'static) -> Self {
        Self { delay: Some(Box::new(delay)), ..Self::default() }
    }

    pub(crate) fn tokens(edit: impl Fn(&Seen<'_>, &str) -> String + Send + Sync + 'static) -> Self {
        Self { tokens: Some(Box::new(edit)), ..Self::default() }
    }
}
