//! Opening the store that was asked for.

use super::folder::store_kind;
use super::{Args, Problem, told};
use crate::config::{Config, StoreKind};
use crate::env::Clock;
use crate::store::{EmbeddedStore, MemoryStore, Store};
use std::path::Path;
use std::sync::Arc;

/// The store, ready to be called.
pub(super) async fn open_store(
    args: &Args,
    config: &Config,
    folder: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, Problem> {
    match store_kind(args, config) {
        StoreKind::Memory => Ok(Arc::new(MemoryStore::new(clock))),
        StoreKind::Embedded => {
            let folder = folder.ok_or("the embedded store needs a folder: give one with --data-dir")?;
            Ok(Arc::new(EmbeddedStore::open(&folder.join("store.redb"), clock).map_err(told)?))
        }
        StoreKind::Redis => redis(args, config, clock).await,
        StoreKind::Postgres => postgres(args, config, clock).await,
    }
}

/// What can be seen of the store's settings without asking the store.
pub(super) fn check_store(args: &Args, config: &Config) -> Result<(), Problem> {
    match store_kind(args, config) {
        StoreKind::Memory | StoreKind::Embedded => Ok(()),
        #[cfg(feature = "redis")]
        StoreKind::Redis => {
            let url = url(args, config, REDIS)?;
            crate::store::RedisStore::check(&url, &config.store.tls().map_err(told)?).map_err(told)
        }
        #[cfg(feature = "postgres")]
        StoreKind::Postgres => {
            let url = url(args, config, POSTGRES)?;
            crate::store::PostgresStore::check(&url, &config.store.tls().map_err(told)?).map_err(told)
        }
        #[cfg(not(feature = "redis"))]
        StoreKind::Redis => Err(left_out("redis")),
        #[cfg(not(feature = "postgres"))]
        StoreKind::Postgres => Err(left_out("postgres")),
    }
}

/// How an address looks.
#[cfg(feature = "redis")]
const REDIS: &str = "redis://127.0.0.1:6379";
#[cfg(feature = "postgres")]
const POSTGRES: &str = "postgres://user@127.0.0.1/countersign";

#[cfg(feature = "redis")]
async fn redis(args: &Args, config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, Problem> {
    let url = url(args, config, REDIS)?;
    let tls = config.store.tls().map_err(told)?;
    let (prefix, limits) = (&config.store.prefix, limits(config));
    Ok(Arc::new(crate::store::RedisStore::open(&url, &tls, prefix, limits, clock).await.map_err(told)?))
}

#[cfg(feature = "postgres")]
async fn postgres(args: &Args, config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, Problem> {
    let url = url(args, config, POSTGRES)?;
    let tls = config.store.tls().map_err(told)?;
    let (connections, limits) = (config.store.connections, limits(config));
    let opened = crate::store::PostgresStore::open(&url, &tls, connections, limits, clock).await;
    Ok(Arc::new(opened.map_err(told)?))
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &Args, _: &Config, _: Arc<dyn Clock>) -> Result<Arc<dyn Store>, Problem> {
    Err(left_out("redis"))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &Args, _: &Config, _: Arc<dyn Clock>) -> Result<Arc<dyn Store>, Problem> {
    Err(left_out("postgres"))
}

#[cfg(not(all(feature = "postgres", feature = "redis")))]
fn left_out(feature: &str) -> Problem {
    format!(
        "this program was built without the {feature} store: build it with `cargo build --package countersign-server --features {feature}`"
    )
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn url(args: &Args, config: &Config, example: &str) -> Result<secrecy::SecretString, Problem> {
    let given = args.store_url.as_ref().or(config.store.url.as_ref()).ok_or_else(|| {
        format!("this store needs an address: give store.url or --store-url, such as {example}")
    })?;
    given.resolve().map_err(told)
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn limits(config: &Config) -> crate::store::CallLimits {
    let time = std::time::Duration::from_secs(config.store.answer_seconds.max(1));
    crate::store::CallLimits { time, ..crate::store::CallLimits::default() }
}
