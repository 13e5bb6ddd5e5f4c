//! Putting a server together.

use crate::accounts::Accounts;
use crate::client::{Encrypted, Peer, Proxies};
use crate::dev::DevControls;
use crate::engine::Shared;
use crate::env::{Clock, Random, SystemClock, SystemRandom};
use crate::http::BodyLimits;
use crate::http::cors::Cors;
use crate::http::{Line, Methods, RequestIds, Router, Served};
use crate::limits::{LimitRules, Limits};
use crate::metrics::Series;
use crate::nonces::Nonces;
use crate::observer::{Observer, Serving};
use crate::password::Passwords;
use crate::scheme::LoginScheme;
use crate::schemes::{self, Settings};
use crate::service::{ErasedScheme, SchemeService};
use crate::store::tables::{Challenges, Registry};
use crate::store::{BoxFuture, Store};
use crate::token::{Issuer, KeyRing, SessionLimits};
use bytes::Bytes;
use countersign_spec::{Operation, Scheme, Spec};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A login server: a tower service over HTTP requests.
///
/// Cloning is cheap; all clones are the same server.
#[derive(Debug, Clone)]
pub struct Login {
    router: Arc<Router>,
}

/// Collects what a [`Login`] is made of.
#[derive(Debug)]
pub struct Builder {
    schemes: Vec<Arc<dyn ErasedScheme>>,
    spec: Spec,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    store: Option<Arc<dyn Store>>,
    keys: Option<KeyRing>,
    passwords: Option<Passwords>,
    issuer_name: String,
    session_limits: SessionLimits,
    limits: BodyLimits,
    rules: LimitRules,
    proxies: Proxies,
    cors: Cors,
    observer: Observer,
    dev: Option<DevControls>,
}

/// What was put together does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The specification's folder and the plugin disagree.
    #[error("the scheme `{scheme}` and its specification differ: {difference}")]
    Differs {
        /// The scheme.
        scheme: String,
        /// How.
        difference: String,
    },
    /// A part is missing.
    #[error("a server needs {0}")]
    Missing(&'static str),
    /// A method the specification names is none.
    #[error("`{method}` of {scheme} is no HTTP method")]
    Method {
        /// The scheme.
        scheme: String,
        /// The method.
        method: String,
    },
    /// Two operations want the same path and method, or a path that cannot be routed.
    #[error("{method} {path} of {scheme} cannot be routed: {cause}")]
    Route {
        /// The scheme.
        scheme: String,
        /// The path.
        path: String,
        /// The method.
        method: String,
        /// Why.
        cause: String,
    },
    /// The specification has no such scheme.
    #[error("no specification has a scheme `{0}`: give one with `spec`")]
    Unknown(String),
}

impl Login {
    /// Starts with nothing but the system's clock and randomness and the specification this project ships.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            schemes: Vec::new(),
            spec: Spec::embedded().clone(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            store: None,
            keys: None,
            passwords: None,
            issuer_name: "countersign".into(),
            session_limits: SessionLimits::DEFAULT,
            limits: BodyLimits::default(),
            rules: LimitRules::default(),
            proxies: Proxies::default(),
            cors: Cors::default(),
            observer: Observer::default(),
            dev: None,
        }
    }
}

impl Login {
    /// The proxies whose word about their clients is taken.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.router.proxies
    }

    /// Answers a request that came on this line. What is needed to answer stands in the caller's own future, where the
    /// service for everybody would have to box it.
    pub(crate) fn answer<B>(
        &self,
        request: Request<B>,
        line: Line,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.router.answer(request, line)
    }

    /// Who watches.
    pub(crate) fn observer(&self) -> &Observer {
        &self.router.observer
    }
}

impl<B> tower::Service<Request<B>> for Login
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let router = self.router.clone();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let line = Line { peer, encrypted: request.extensions().get::<Encrypted>().is_some() };
        Box::pin(async move { Ok(router.answer(request, line).await) })
    }
}

impl Builder {
    /// Adds a scheme.
    #[must_use]
    pub fn scheme(mut self, scheme: impl LoginScheme) -> Self {
        self.schemes.push(Arc::new(scheme));
        self
    }

    /// Adds every scheme this crate has.
    #[must_use]
    pub fn all_schemes(mut self, settings: &Settings) -> Self {
        self.schemes.extend(schemes::all(settings));
        self
    }

    /// Takes the specification from elsewhere; it must have every scheme that is added.
    #[must_use]
    pub fn spec(mut self, spec: Spec) -> Self {
        self.spec = spec;
        self
    }

    /// Reads time from this clock. A store has a clock of its own, which should be the same.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws random bytes from here.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Keeps everything here.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Signs tokens with these keys.
    #[must_use]
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Calls itself this in tokens (`iss`).
    #[must_use]
    pub fn issuer_name(mut self, name: &str) -> Self {
        self.issuer_name = name.to_owned();
        self
    }

    /// Ends sessions at these limits, however often they are refreshed.
    #[must_use]
    pub const fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.session_limits = limits;
        self
    }

    /// Hashes passwords with this pool.
    #[must_use]
    pub fn passwords(mut self, passwords: Passwords) -> Self {
        self.passwords = Some(passwords);
        self
    }

    /// Takes bodies within these limits.
    #[must_use]
    pub const fn limits(mut self, limits: BodyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Limits how often anybody may ask; without this nobody is limited.
    #[must_use]
    pub const fn client_limits(mut self, rules: LimitRules) -> Self {
        self.rules = rules;
        self
    }

    /// Believes what these proxies say about their clients; without this no peer is one.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Lets pages of these origins call from browsers; without this pages of no other origin may.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Tells these of what happens; without this nobody watches but the log.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Adds the controls of a development server.
    #[must_use]
    pub fn dev(mut self, dev: DevControls) -> Self {
        self.dev = Some(dev);
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    /// When a part is missing, or a scheme and its specification disagree about operations.
    pub fn build(self) -> Result<Login, BuildError> {
        let store = self.store.ok_or(BuildError::Missing("a store"))?;
        let keys = self.keys.ok_or(BuildError::Missing("signing keys"))?;
        let passwords = self.passwords.ok_or(BuildError::Missing("a pool for passwords"))?;
        let random = self.random.clone();
        let shared = Arc::new(Shared {
            issuer: Issuer::new(
                &self.issuer_name,
                keys.clone(),
                store.clone(),
                self.clock.clone(),
                self.random.clone(),
            )
            .limits(self.session_limits),
            accounts: Accounts::new(store.clone(), passwords),
            challenges: Challenges::new(store.clone()),
            limits: Limits::new(
                self.rules,
                self.schemes.iter().map(|scheme| scheme.name()),
                store.clone(),
                self.clock.clone(),
            ),
            registry: Registry::new(store),
            clock: self.clock,
            nonces: Nonces::new(self.random.clone()),
            random: self.random,
        });
        let mut paths: BTreeMap<String, Methods> = BTreeMap::new();
        let mut documents = BTreeMap::new();
        for scheme in self.schemes {
            let spec = self
                .spec
                .scheme(scheme.name())
                .ok_or_else(|| BuildError::Unknown(scheme.name().to_owned()))?;
            agree(scheme.as_ref(), spec)?;
            let document = countersign_spec::openapi::document(spec).to_string();
            documents.insert(format!("/openapi/{}.json", spec.id), Bytes::from(document));
            let service = SchemeService { scheme, shared: shared.clone() };
            for operation in &spec.operations {
                add_routes(&mut paths, &service, spec, operation)?;
            }
        }
        let mut operations = matchit::Router::new();
        for (path, methods) in paths {
            let (scheme, method) = methods
                .first()
                .map(|(method, served)| (served.service.scheme.name().to_owned(), method.to_string()))
                .unwrap_or_default();
            operations.insert(&path, methods).map_err(|error| BuildError::Route {
                scheme,
                method,
                path,
                cause: error.to_string(),
            })?;
        }
        let dev = self.dev.map(Arc::new);
        let router = Router {
            operations,
            documents,
            keys,
            dev,
            limits: self.limits,
            proxies: self.proxies,
            cors: self.cors,
            observer: self.observer,
            ids: RequestIds::new(random),
        };
        Ok(Login { router: Arc::new(router) })
    }
}

/// The plugin and the folder must name the same operations with the same steps.
fn agree(scheme: &dyn ErasedScheme, spec: &Scheme) -> Result<(), BuildError> {
    let differs = |difference: String| BuildError::Differs { scheme: spec.id.clone(), difference };
    for operation in &spec.operations {
        let served = scheme.operations().iter().find(|(name, _)| *name == operation.name);
        match served {
            None => return Err(differs(format!("the plugin lacks the operation `{}`", operation.name))),
            Some((_, step)) if *step != operation.step => {
                return Err(differs(format!(
                    "`{}` is a {:?} here and a {step:?} there",
                    operation.name, operation.step
                )));
            }
            Some(_) => {}
        }
    }
    match scheme.operations().iter().find(|(name, _)| spec.operation(name).is_none()) {
        Some((name, _)) => Err(differs(format!("the specification lacks the operation `{name}`"))),
        None => Ok(()),
    }
}

fn add_routes(
    paths: &mut BTreeMap<String, Methods>,
    service: &SchemeService,
    spec: &Scheme,
    operation: &Operation,
) -> Result<(), BuildError> {
    let schema = match &operation.request.schema {
        None => None,
        Some(file) => Some(spec.schema(file).cloned().ok_or_else(|| BuildError::Differs {
            scheme: spec.id.clone(),
            difference: format!("there is no schema `{file}`"),
        })?),
    };
    let operation = Arc::new(operation.clone());
    let scheme = service.scheme.name();
    let served = Served {
        service: service.clone(),
        serving: Serving { scheme, operation: operation.clone(), series: Arc::new(Series::default()) },
        operation: operation.clone(),
        schema,
        bearer_any_case: spec.tokens.bearer_any_case,
    };
    for path in std::iter::once(&operation.path).chain(&operation.other_paths) {
        for name in std::iter::once(&operation.method).chain(&operation.other_methods) {
            let method = Method::from_bytes(name.as_bytes())
                .map_err(|_| BuildError::Method { scheme: spec.id.clone(), method: name.clone() })?;
            let methods = paths.entry(path.clone()).or_default();
            if let Some((_, other)) = methods.iter().find(|(present, _)| *present == method) {
                return Err(BuildError::Route {
                    scheme: spec.id.clone(),
                    path: path.clone(),
                    method: name.clone(),
                    cause: format!("{} has it", other.service.scheme.name()),
                });
            }
            methods.push((method, served.clone()));
        }
    }
    Ok(())
}
