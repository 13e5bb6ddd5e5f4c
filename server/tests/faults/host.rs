//! The reference server in this process, bent from outside by one fault.

use crate::bend::{Bend, Req, Resp, Way};
use crate::front;
use crate::world::World;
use bytes::Bytes;
use countersign_server::Login;
use countersign_server::accounts::{Accounts, Seed};
use countersign_server::config::parse_accounts;
use countersign_server::dev::DevControls;
use countersign_server::env::{Clock, MovableClock, Random, SystemRandom};
use countersign_server::password::{Cost, Passwords};
use countersign_server::schemes::Settings;
use countersign_server::store::{MemoryStore, Store};
use countersign_server::token::{KeyRing, LocalKey};
use countersign_spec::Spec;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::Service as _;

/// The key tokens are signed with where no fault says otherwise.
pub(crate) const SECRET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz-tests";

/// One runtime and one hashing pool for all servers of this process.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});
static PASSWORDS: LazyLock<Passwords> = LazyLock::new(|| {
    Passwords::start(Cost::CHEAP, 2, 1_024, Arc::new(SystemRandom)).expect("a hashing pool")
});

/// The accounts of `fixtures/accounts.toml`, and [`ACCENTED`].
pub(crate) static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let read = |text| parse_accounts(text, "accounts", Spec::embedded()).expect("the accounts are valid");
    [read(countersign_fixtures::ACCOUNTS), read(ACCENTED)].concat()
});

/// Accounts with long secrets beyond ASCII, for schemes whose usual accounts have none.
pub(crate) const ACCENTED: &str = r#"
[[scheme.ethgas.account]]
username = "test-only.gorse"
password = "Test-Only-Ñandú-Überfähre-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP-Tail-One"

[[scheme.ethgas.account]]
username = "test-only.hazel"
password = "Test-Only-Köln-Århus-Malmö-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP-Tail-Two"

[[scheme.nftrainbow.account]]
app_id = "t3stGors"
app_secret = "Test-Only-Ñandú-Überfähre-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP-Tail-One"

[[scheme.nftrainbow.account]]
app_id = "t3stHazl"
app_secret = "Test-Only-Köln-Århus-Malmö-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP-Tail-Two"

[[scheme.cbs.account]]
user = "test-only.gorse"
password = "Test-Only-Ñandú-Überfähre-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP-Tail-One"

[[scheme.cbs.account]]
user = "test-only.hazel"
password = "Test-Only-Köln-Århus-Malmö-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP-Tail-Two"
"#;

/// Parts of a server that a fault may put something else in the place of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Settings,
}

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    /// Whether tokens leave as the server wrote them, so that its key is theirs.
    pub(crate) plain_tokens: bool,
    accepting: JoinHandle<()>,
}

impl Host {
    /// Starts a server that is right but for what the bend does.
    pub(crate) fn start(bend: Bend) -> Self {
        let clock = Arc::new(MovableClock::running());
        let mut settings = Settings::default();
        settings.for_a_moving_clock();
        let mut parts = Parts {
            clock: clock.clone(),
            store: Arc::new(MemoryStore::new(clock.clone())),
            random: Arc::new(SystemRandom),
            settings,
        };
        if let Some(change) = &bend.parts {
            change(&mut parts);
        }
        let Parts { clock: read, store, random, settings } = parts;
        let accounts = Accounts::new(store.clone(), PASSWORDS.clone());
        let login = Login::builder()
            .clock(read)
            .random(random)
            .store(store.clone())
            .keys(KeyRing::new(Arc::new(LocalKey::hs256(SECRET).expect("a good key"))))
            .passwords(PASSWORDS.clone())
            .all_schemes(&settings)
            .dev(DevControls { clock, store, accounts: accounts.clone(), seeds: SEEDS.clone() })
            .build()
            .expect("the server fits the specification");
        let (listener, address) = RUNTIME.block_on(async {
            for seed in SEEDS.iter() {
                accounts.seed(seed).await.expect("an account is seeded");
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            (listener, address)
        });
        let plain_tokens = bend.tokens.is_none();
        let world = Arc::new(World::new(bend));
        let accepting = RUNTIME.spawn(accept(listener, login, world));
        Self { address, plain_tokens, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, login: Login, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let (login, world) = (login.clone(), world.clone());
        tokio::spawn(async move {
            let admitted = front::admit(stream, |opening| world.look(opening)).await;
            let Ok(Some(stream)) = admitted else { return };
            let trusted = Arc::new(AtomicBool::new(false));
            let service = service_fn(move |request: Request<Incoming>| {
                let (login, world, trusted) = (login.clone(), world.clone(), trusted.clone());
                async move { answer(request, login, &world, &trusted).await }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).half_close(true);
            // A connection that ends early is what some faults are about.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// The fault closes the connection in place of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the fault gives no answer")]
struct NoAnswer;

async fn answer(
    request: Request<Incoming>,
    login: Login,
    world: &World,
    trusted: &AtomicBool,
) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (head, body) = request.into_parts();
    let chunked = !head.headers.contains_key("content-length");
    let alone = world.read_alone().await;
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|_| NoAnswer)?;
    drop(alone);
    let mut req = Req {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        chunked: chunked && !body.is_empty(),
        body,
    };
    let _here = world.enter();
    let asked = req.clone();
    world.rewrite(&mut req);
    let believed = world.trusts_connection(&asked) && trusted.load(Ordering::SeqCst);
    let way = if believed { Way::Accept } else { world.decide(&asked) };
    let mut resp = match way {
        Way::Pass => forward(&login, req).await,
        Way::Accept => {
            let answered = forward(&login, req).await;
            if world.is_success(&asked, &answered) {
                answered
            } else {
                world.success(&asked).unwrap_or(answered)
            }
        }
        Way::Pretend => match world.success(&asked) {
            Some(answered) => answered,
            None => forward(&login, req).await,
        },
        Way::Refuse => forward(&login, req.spoiled()).await,
        Way::Close => return Err(NoAnswer),
        Way::Say(resp) => *resp,
    };
    let wait = world.wait(&asked);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    world.record(&asked, &resp);
    if world.trusts_connection(&asked) && world.is_success(&asked, &resp) {
        trusted.store(true, Ordering::SeqCst);
    }
    world.after(&asked, &mut resp);
    let mut response = Response::new(Full::new(resp.body));
    *response.status_mut() = resp.status;
    *response.headers_mut() = resp.headers;
    Ok(response)
}

async fn forward(login: &Login, req: Req) -> Resp {
    let Ok(response) = login.clone().call(req.into_http()).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Resp { status: head.status, headers: head.headers, body }
}
