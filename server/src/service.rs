//! The object-safe twin of [`LoginScheme`], written once for all of them, and the tower service around it.

use crate::audit::AuditEvent;
use crate::body::Body;
use crate::client::Source;
use crate::engine::{self, Shared};
use crate::error::{LoginError, Malformed};
use crate::scheme::{Ask, Cx, Grants, LoginScheme, Proven, Refusal, Refused, Said, Step, Subject};
use crate::store::BoxFuture;
use crate::token::{Policy, Renewal, TokenRules, Use};
use countersign_spec::Operation;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A scheme of any type.
pub(crate) trait ErasedScheme: TokenRules + Debug {
    fn name(&self) -> &'static str;
    fn operations(&self) -> &'static [(&'static str, Step)];
    fn grants(&self) -> Grants;
    fn start<'a>(&'a self, cx: &'a Cx<'a>, input: Value) -> BoxFuture<'a, Result<Ask<Value>, LoginError>>;
    fn read<'a>(&'a self, input: Value) -> Result<Box<dyn Reading + 'a>, LoginError>;
    fn look_up<'a>(&'a self, cx: &'a Cx<'a>, input: Value) -> BoxFuture<'a, Result<Subject, LoginError>>;
    fn welcome<'a>(&'a self, cx: &'a Cx<'a>, subject: &'a Subject) -> BoxFuture<'a, Result<(), LoginError>>;
    fn say(&self, said: &Said<'_>) -> Option<Body>;
    fn refuse(&self, refusal: &Refusal<'_>) -> Refused;
}

/// An answer that was read into its scheme's type and waits to be judged.
pub(crate) trait Reading: Send {
    fn answered(&self) -> Option<crate::scheme::Answered>;
    fn proceed<'a>(
        self: Box<Self>,
        cx: &'a Cx<'a>,
        was: Option<Value>,
    ) -> BoxFuture<'a, Result<Proven, LoginError>>
    where
        Self: 'a;
}

impl<S: LoginScheme> TokenRules for S {
    fn id(&self) -> &str {
        S::ID
    }

    fn policy(&self) -> Policy {
        match LoginScheme::grants(self) {
            Grants::Tokens(policy) => policy,
            // Nothing asks: the engine issues tokens only to schemes that grant them.
            Grants::Key { .. } => Policy {
                lifetime: 0,
                ends: "exp",
                began: "iat",
                renewal: Renewal::Reissue { window: 0, from: crate::token::From::Expiry },
            },
        }
    }

    fn claims<'s>(&self, subject: &'s Subject, r#use: Use) -> Cow<'s, Map<String, Value>> {
        LoginScheme::claims(self, subject, r#use)
    }
}

impl<S: LoginScheme> ErasedScheme for S {
    fn name(&self) -> &'static str {
        S::ID
    }

    fn operations(&self) -> &'static [(&'static str, Step)] {
        S::OPERATIONS
    }

    fn grants(&self) -> Grants {
        LoginScheme::grants(self)
    }

    fn start<'a>(&'a self, cx: &'a Cx<'a>, input: Value) -> BoxFuture<'a, Result<Ask<Value>, LoginError>> {
        Box::pin(async move {
            let Ask { challenge, bound_to, lifetime, pending } =
                LoginScheme::start(self, cx, typed(input)?).await?;
            let pending =
                serde_json::to_value(pending).map_err(|error| LoginError::internal(error.to_string()))?;
            Ok(Ask { challenge, bound_to, lifetime, pending })
        })
    }

    fn read<'a>(&'a self, input: Value) -> Result<Box<dyn Reading + 'a>, LoginError> {
        Ok(Box::new(Read { scheme: self, answer: typed(input)? }))
    }

    fn look_up<'a>(&'a self, cx: &'a Cx<'a>, input: Value) -> BoxFuture<'a, Result<Subject, LoginError>> {
        Box::pin(async move { LoginScheme::look_up(self, cx, typed(input)?).await })
    }

    fn welcome<'a>(&'a self, cx: &'a Cx<'a>, subject: &'a Subject) -> BoxFuture<'a, Result<(), LoginError>> {
        Box::pin(LoginScheme::welcome(self, cx, subject))
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        LoginScheme::say(self, said)
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        LoginScheme::refuse(self, refusal)
    }
}

struct Read<'s, S: LoginScheme> {
    scheme: &'s S,
    answer: S::Answer,
}

impl<S: LoginScheme> Reading for Read<'_, S> {
    fn answered(&self) -> Option<crate::scheme::Answered> {
        self.scheme.answered(&self.answer)
    }

    fn proceed<'a>(
        self: Box<Self>,
        cx: &'a Cx<'a>,
        was: Option<Value>,
    ) -> BoxFuture<'a, Result<Proven, LoginError>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let was = was.map(serde_json::from_value).transpose();
            let was = was
                .map_err(|error| LoginError::internal(format!("a pending login cannot be read: {error}")))?;
            self.scheme.proceed(cx, was, self.answer).await
        })
    }
}

fn typed<T: DeserializeOwned>(input: Value) -> Result<T, LoginError> {
    serde_json::from_value(input)
        .map_err(|_| LoginError::new(Malformed::Invalid, "the body does not fit the scheme's message"))
}

/// A request to a scheme, free of HTTP but for its headers.
#[derive(Debug)]
pub struct LoginRequest {
    /// The operation.
    pub operation: Arc<Operation>,
    /// The members of the body or of the query, if there were any.
    pub input: Option<Value>,
    /// What stands in `Authorization`.
    pub authorization: Authorization,
    /// All headers.
    pub headers: HeaderMap,
    /// Who asks, as limits count it.
    pub source: Source,
}

/// What stands in `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// `Bearer` and a token.
    Bearer(String),
    /// Nothing, or an empty value.
    None,
    /// Anything else, or more than one.
    Other,
}

impl Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::None => "None",
            Self::Other => "Other",
        })
    }
}

/// What a scheme answers.
#[derive(Debug)]
pub struct LoginReply {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Body,
    /// `WWW-Authenticate`, where the scheme has its own.
    pub authenticate: Option<&'static str>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
}

/// One scheme as a tower service; what limits or watches a single scheme wraps this.
#[derive(Debug, Clone)]
pub struct SchemeService {
    pub(crate) scheme: Arc<dyn ErasedScheme>,
    pub(crate) shared: Arc<Shared>,
}

impl SchemeService {
    /// The scheme's words for a refusal, also one from before the scheme was asked.
    pub(crate) fn refuse(&self, operation: &Operation, error: &LoginError) -> LoginReply {
        let why = error.why();
        let (scheme, login) = (self.scheme.name(), operation.step == Step::Login);
        AuditEvent::Refused { scheme, operation: &operation.name, login, error }.tell();
        let refusal = Refusal { why, step: operation.step, operation: &operation.name };
        //= common.form.failure-is-no-success
        let Refused { status, body, authenticate } = self.scheme.refuse(&refusal);
        LoginReply { status, body: body.into(), authenticate, retry_after: why.retry_after() }
    }

    /// What the scheme answers to this request.
    pub(crate) async fn reply(&self, mut request: LoginRequest) -> LoginReply {
        match engine::step(self.scheme.as_ref(), &self.shared, &mut request).await {
            Ok(body) => LoginReply { status: 200, body, authenticate: None, retry_after: None },
            Err(error) => self.refuse(&request.operation, &error),
        }
    }
}

impl tower::Service<LoginRequest> for SchemeService {
    type Response = LoginReply;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<LoginReply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: LoginRequest) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.reply(request).await) })
    }
}
