//! The service as one part of an axum application, beside routes of its own.
//!
//! `cargo run -p countersign-server --example axum`, and then
//! `curl -d '{"wallet_address":"0x1111111111111111111111111111111111111111"}' -H 'Content-Type: application/json' \
//! http://127.0.0.1:8091/login_random_secret` and `curl http://127.0.0.1:8091/hello`

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use countersign_server::Login;
use countersign_server::client::Peer;
use countersign_server::env::{SystemClock, SystemRandom};
use countersign_server::limits::{LimitRules, Rate};
use countersign_server::password::{Cost, Passwords};
use countersign_server::schemes::Settings;
use countersign_server::store::MemoryStore;
use countersign_server::token::{KeyRing, LocalKey};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// All five schemes, ten requests a second for each client.
fn login() -> Result<Login, Box<dyn Error + Send + Sync>> {
    Ok(Login::builder()
        .store(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
        .keys(KeyRing::new(Arc::new(LocalKey::hs256(b"for an example only, 32 bytes or more")?)))
        .passwords(Passwords::start(Cost::FLOOR, 2, 64, Arc::new(SystemRandom))?)
        .all_schemes(&Settings::default())
        .client_limits(LimitRules { client: Some(Rate::per_second(10, 20)), ..LimitRules::default() })
        .build()?)
}

/// The login service takes every path the application has no route for, and answers 404 for those it has none for either.
fn application(login: Login) -> Router {
    // Limits tell clients apart by their address, which axum keeps under a type of its own.
    let login = login.map_request(|mut request: Request| {
        if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
            request.extensions_mut().insert(Peer(peer));
        }
        request
    });
    Router::new().route("/hello", get(|| async { "hello" })).fallback_service(login)
}

/// Serves the application until told to stop.
pub(crate) async fn run(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let service = application(login()?).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run(TcpListener::bind("127.0.0.1:8091").await?, async { drop(tokio::signal::ctrl_c().await) }).await
}
