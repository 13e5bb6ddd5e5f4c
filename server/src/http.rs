//! From bytes to schemes and back. Only this folder knows HTTP.
//!
//! Routes come from the specification and nowhere else: a path that belongs to an operation answers in its scheme's words
//! whatever is wrong, and any other path answers a plain JSON 404.

pub mod cors;
mod drain;
pub(crate) mod edge;
mod framing;
pub mod problem;
mod request_id;
pub mod serve;
mod stream;
pub mod tls;
mod waiting;

use crate::client::{Proxies, Source};
use crate::dev::DevControls;
use crate::error::{Fault, LoginError, Malformed};
use crate::observer::{self, Observer, Serving};
use crate::service::{LoginReply, LoginRequest, SchemeService};
use crate::token::KeyRing;
use crate::token::keys::KEY_SET_SECONDS;
use bytes::Bytes;
use cors::Cors;
use countersign_spec::{Operation, Schema};
pub use edge::BodyLimits;
use edge::Received;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Body;
use problem::Answer;
pub(crate) use request_id::RequestIds;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use tracing::Instrument as _;

/// An operation at a path, ready to serve.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) service: SchemeService,
    pub(crate) operation: Arc<Operation>,
    /// The same, for who watches.
    pub(crate) serving: Serving,
    /// Schema of the body, where one is sent.
    pub(crate) schema: Option<Schema>,
    /// Whether the scheme word of `Authorization` may be in any letter case.
    pub(crate) bearer_any_case: bool,
}

/// The operations of one path, by method.
pub(crate) type Methods = Vec<(Method, Served)>;

/// Where the public halves of the signing keys are.
const KEY_SET: &str = "/.well-known/jwks.json";

/// Finds who serves a request.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) operations: matchit::Router<Methods>,
    /// OpenAPI documents by path.
    pub(crate) documents: BTreeMap<String, Bytes>,
    pub(crate) keys: KeyRing,
    pub(crate) dev: Option<Arc<DevControls>>,
    pub(crate) limits: BodyLimits,
    pub(crate) proxies: Proxies,
    pub(crate) cors: Cors,
    pub(crate) observer: Observer,
    pub(crate) ids: RequestIds,
}

/// The connection a request came on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// The other end, where it is known.
    pub(crate) peer: Option<IpAddr>,
    /// Whether TLS ends in this process.
    pub(crate) encrypted: bool,
}

impl Router {
    /// Answers a request. Never fails: what goes wrong is an answer.
    pub(crate) async fn answer<B>(&self, request: Request<B>, line: Line) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Line { peer, encrypted } = line;
        // Held here and lent to the functions below: each of them would otherwise keep it twice in its future.
        let (mut head, body) = request.into_parts();
        let from_proxy = peer.is_some_and(|peer| self.proxies.trusts(peer));
        let id = self.ids.of(&head.headers, from_proxy);
        let origin = head.headers.get(header::ORIGIN).cloned();
        let named = id.as_ref().and_then(|id| id.to_str().ok());
        let span = tracing::info_span!("request", id = named);
        let source = self.proxies.source(peer, &head.headers);
        // Pinned for the same reason: a large future is copied with each move.
        let work = std::pin::pin!(self.route(&mut head, body, source).instrument(span));
        let mut response = self.observer.request(named, source, work).await;
        self.cors.mark(origin.as_ref(), &mut response);
        let headers = response.headers_mut();
        headers.extend(id.map(|id| (request_id::X_REQUEST_ID, id)));
        if encrypted {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(A_YEAR));
        }
        response
    }

    async fn route<B>(&self, head: &mut Parts, body: B, source: Source) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if head.method == Method::OPTIONS && head.uri.path() == "*" {
            return problem::no_content("GET, POST, OPTIONS");
        }
        let Ok(found) = self.operations.at(head.uri.path()) else {
            // Boxed, as below: nobody's answer depends on how fast a document is.
            return Box::pin(self.elsewhere(head, body)).await;
        };
        let methods = found.value;
        let chosen = methods.iter().find(|(method, _)| *method == head.method);
        let Some((_, served)) = chosen else {
            let allow = allowed(methods);
            if let Some(preflight) = self.cors.preflight(head, &allow) {
                return preflight;
            }
            if head.method == Method::OPTIONS {
                return problem::no_content(&allow);
            }
            let Some((_, first)) = methods.first() else { return problem::not_found() };
            //= common.form.other-method
            //= nftrainbow.failure.other-route
            let error = LoginError::new(Malformed::Method, "the path has no such method");
            observer::serving(&first.serving);
            let mut response = respond(first, first.service.refuse(&first.operation, &error));
            problem::allow(&mut response, &allow);
            return response;
        };
        observer::serving(&served.serving);
        // A panic is a mistake of ours; it costs this request and nothing else.
        let mut work = std::pin::pin!(self.serve(served, head, body, source));
        let caught = std::future::poll_fn(|cx| {
            //= common.hygiene.no-server-error
            match std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
                Err(_) => Poll::Ready(None),
            }
        });
        match caught.await {
            Some(response) => response,
            None => {
                respond(served, served.service.refuse(&served.operation, &LoginError::internal("a panic")))
            }
        }
    }

    async fn serve<B>(
        &self,
        served: &Served,
        head: &mut Parts,
        body: B,
        source: Source,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let name = served.service.scheme.name();
        let admitted = if self.observer.refuses() {
            let why = Fault::Unavailable { retry_after: RETRY_AUDIT };
            Err(LoginError::new(why, "the audit log cannot be written, and audit.required is set"))
        } else {
            served.service.shared.limits.admit(name, source)
        };
        if let Err(error) = admitted {
            // Before the body is read: who asks too often costs as little as can be.
            let mut response = respond(served, served.service.refuse(&served.operation, &error));
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        let authorization = edge::authorization(&head.headers, served.bearer_any_case);
        let received = edge::receive(&head.headers, body, self.limits).await;
        let mut close = false;
        let input = match received {
            Received::Whole(body) => edge::members(served, head, &body, &authorization),
            Received::Refused(error) => {
                // What is left of the body is not read, so nothing that follows on this connection can be trusted.
                close = true;
                Err(error)
            }
        };
        let reply = match input {
            Ok(input) => {
                let operation = served.operation.clone();
                let headers = std::mem::take(&mut head.headers);
                let request = LoginRequest { operation, input, authorization, headers, source };
                // Boxed: each of the functions around it would keep it twice, 27 KiB in all, which are copied with each move.
                Box::pin(served.service.reply(request)).await
            }
            Err(error) => served.service.refuse(&served.operation, &error),
        };
        let mut response = respond(served, reply);
        if close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Paths that belong to no scheme.
    async fn elsewhere<B>(&self, head: &Parts, body: B) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = head.uri.path();
        if let Some(dev) = &self.dev
            && let Some(control) = dev.control(path)
        {
            if head.method != Method::POST {
                return problem::method_not_allowed("POST");
            }
            let received = edge::receive(&head.headers, body, self.limits).await;
            return match received {
                Received::Whole(body) => dev.act(control, &body).await,
                Received::Refused(error) => problem::plain(error.why()),
            };
        }
        let document = match path {
            "/healthz" => Some(problem::document(Bytes::from_static(b"{\"status\":\"ok\"}"))),
            KEY_SET => Some(problem::kept(&self.keys.now().jwks(), KEY_SET_SECONDS)),
            other => self.documents.get(other).cloned().map(problem::document),
        };
        match (document, &head.method) {
            (None, _) => problem::not_found(),
            (Some(document), &Method::GET | &Method::HEAD) => document,
            (Some(_), &Method::OPTIONS) => problem::no_content("GET, HEAD, OPTIONS"),
            (Some(_), _) => problem::method_not_allowed("GET, HEAD, OPTIONS"),
        }
    }
}

/// Seconds until it is worth asking again, where the audit log cannot be written.
const RETRY_AUDIT: u32 = 5;

/// That this host is only to be asked over TLS. Without its subdomains, which may be somebody else's business.
const A_YEAR: &str = "max-age=31536000";

/// A scheme's reply as an HTTP response.
fn respond(served: &Served, reply: LoginReply) -> Response<Full<Bytes>> {
    let LoginReply { status, body, authenticate, retry_after } = reply;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let realm = served.service.scheme.name();
    problem::json(Answer { status, body, authenticate, retry_after, realm })
}

fn allowed(methods: &Methods) -> String {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    names.push("OPTIONS");
    names.join(", ")
}
