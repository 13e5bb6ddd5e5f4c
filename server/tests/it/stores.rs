//! Redis and PostgreSQL as stores, on servers that are started for the test.

use super::private::private;
use bytes::Bytes;
use countersign_fixtures::stores::{Kind, PrivateStore};
use countersign_server::env::{Clock, MovableClock, SystemClock, Timestamp};
use countersign_server::store::{
    BoxFuture, CallLimits, Key, PostgresStore, Put, RedisStore, Space, Store, StoreTls, suite,
};
use countersign_server::token::model;
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LATER: Timestamp = Timestamp::from_secs(2_000);

/// One machine's worth of patience: two cores may be busy with other tests.
fn limits() -> CallLimits {
    CallLimits { time: Duration::from_secs(20), ..CallLimits::default() }
}

async fn redis(private: &PrivateStore, prefix: &str, clock: Arc<dyn Clock>) -> RedisStore {
    RedisStore::open(&private.url().into(), &StoreTls::default(), prefix, limits(), clock).await.unwrap()
}

async fn postgres(private: &PrivateStore, clock: Arc<dyn Clock>) -> PostgresStore {
    PostgresStore::open(&private.url().into(), &StoreTls::default(), 8, limits(), clock).await.unwrap()
}

fn frozen() -> Arc<MovableClock> {
    Arc::new(MovableClock::frozen(Timestamp::from_secs(1_000)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_passes_the_suite() {
    let Some(private) = private(Kind::Redis) else { return };
    let mut serial = 0;
    suite::run(async |clock| {
        serial += 1;
        redis(&private, &format!("case-{serial}"), clock).await
    })
    .await;
    let (a, b) = (redis(&private, "shared", frozen()).await, redis(&private, "shared", frozen()).await);
    suite::run_shared(&[Arc::new(a), Arc::new(b)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite() {
    let Some(private) = private(Kind::Postgres) else { return };
    suite::run(async |clock| {
        let store = postgres(&private, clock).await;
        store.clear().await.unwrap();
        store
    })
    .await;
    let (a, b) = (postgres(&private, frozen()).await, postgres(&private, frozen()).await);
    suite::run_shared(&[Arc::new(a), Arc::new(b)]).await;
}

/// Fewer histories than in memory: each step is a call to another process, and what differs between stores is the store.
const HISTORIES: u32 = 48;

#[test]
fn sessions_follow_the_model_on_redis() {
    let Some(private) = private(Kind::Redis) else { return };
    let (url, serial) = (private.url(), AtomicU32::new(0));
    let make = |clock| -> BoxFuture<'static, Arc<dyn Store>> {
        let (url, prefix) =
            (SecretString::from(url.clone()), serial.fetch_add(1, Ordering::Relaxed).to_string());
        Box::pin(async move {
            let opened = RedisStore::open(&url, &StoreTls::default(), &prefix, limits(), clock).await;
            Arc::new(opened.unwrap()) as Arc<dyn Store>
        })
    };
    model::run(HISTORIES, make).unwrap();
}

#[test]
fn sessions_follow_the_model_on_postgres() {
    let Some(private) = private(Kind::Postgres) else { return };
    let url = private.url();
    let make = |clock| -> BoxFuture<'static, Arc<dyn Store>> {
        let url = SecretString::from(url.clone());
        Box::pin(async move {
            let opened = PostgresStore::open(&url, &StoreTls::default(), 8, limits(), clock).await.unwrap();
            opened.clear().await.unwrap();
            Arc::new(opened) as Arc<dyn Store>
        })
    };
    model::run(HISTORIES, make).unwrap();
}

#[tokio::test]
async fn deployments_in_one_redis_do_not_see_or_clear_each_other() {
    let Some(private) = private(Kind::Redis) else { return };
    let (ours, theirs) = (redis(&private, "a[b]*", frozen()).await, redis(&private, "ab", frozen()).await);
    let key = Key::new(Space::Durable, "k");
    for store in [&ours, &theirs] {
        assert!(store.put(&key, Bytes::new(), LATER, Put::New).await.unwrap(), "each has room of its own");
    }
    ours.clear().await.unwrap();
    assert_eq!(ours.get(&key).await.unwrap(), None);
    assert!(theirs.get(&key).await.unwrap().is_some(), "a prefix is no pattern");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_replicas_open_a_new_postgres_at_once_and_again() {
    let Some(private) = private(Kind::Postgres) else { return };
    for _ in 0..2 {
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let url = SecretString::from(private.url());
                tokio::spawn(async move {
                    PostgresStore::open(&url, &StoreTls::default(), 1, limits(), frozen()).await
                })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap().ping().await.unwrap();
        }
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_left_alone() {
    let Some(private) = private(Kind::Postgres) else { return };
    drop(postgres(&private, frozen()).await);
    sql(&private, "INSERT INTO countersign_migrations (number) VALUES (99)").await;
    let refused = PostgresStore::open(&private.url().into(), &StoreTls::default(), 1, limits(), frozen())
        .await
        .unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("version 99") && text.contains("start the newer program"), "{text}");
}

#[tokio::test]
async fn entries_that_ended_a_while_ago_leave_postgres_in_pages() {
    let Some(private) = private(Kind::Postgres) else { return };
    let clock = frozen();
    let store = postgres(&private, clock.clone()).await;
    for table in ["durable", "ephemeral"] {
        let insert = format!(
            "INSERT INTO countersign_{table} SELECT 'old/' || n, '', 2000000 FROM generate_series(1, 2500) n"
        );
        sql(&private, &insert).await;
    }
    store.put(&Key::new(Space::Durable, "kept"), Bytes::new(), Timestamp::NEVER, Put::New).await.unwrap();
    clock.advance(Duration::from_secs(1_599));
    assert_eq!(store.sweep().await.unwrap(), 0, "another replica's clock may be behind");
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.sweep().await.unwrap(), 5_000);
    assert!(store.get(&Key::new(Space::Durable, "kept")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_crash_of_redis_keeps_what_is_durable_and_nothing_else() {
    let Some(mut private) = private(Kind::Redis) else { return };
    let store = redis(&private, "p", Arc::new(SystemClock)).await;
    survives(&store, &mut private).await;
}

#[tokio::test]
async fn a_crash_of_postgres_keeps_what_is_durable_and_nothing_else() {
    let Some(mut private) = private(Kind::Postgres) else { return };
    let store = postgres(&private, Arc::new(SystemClock)).await;
    survives(&store, &mut private).await;
}

/// The same store goes on after its server crashed: no reopening.
async fn survives(store: &dyn Store, private: &mut PrivateStore) {
    let durable = |n: u32| Key::new(Space::Durable, &format!("durable/{n}"));
    let ephemeral = |n: u32| Key::new(Space::Ephemeral, &format!("ephemeral/{n}"));
    for n in 0..20 {
        for key in [durable(n), ephemeral(n)] {
            store.put(&key, Bytes::from(n.to_string()), Timestamp::NEVER, Put::New).await.unwrap();
        }
    }
    // The second half is used up.
    for n in 10..20 {
        for key in [durable(n), ephemeral(n)] {
            assert!(store.take(&key).await.unwrap().is_some());
        }
    }
    private.crash();
    assert!(store.get(&durable(0)).await.is_err());
    private.start_again().unwrap();
    recovered(store).await;
    for n in 0..20 {
        let found = store.get(&durable(n)).await.unwrap();
        assert_eq!(found.is_some(), n < 10, "durable {n}: {found:?}");
        assert_eq!(store.get(&ephemeral(n)).await.unwrap(), None, "an ephemeral entry came back");
    }
    assert!(store.put(&ephemeral(0), Bytes::new(), Timestamp::NEVER, Put::New).await.unwrap());
    assert_eq!(store.bump(&ephemeral(1), Timestamp::NEVER).await.unwrap(), 1);
}

/// Calls until one is answered; each failed one makes room for a new connection.
pub(super) async fn recovered(store: &dyn Store) {
    for _ in 0..50 {
        if store.ping().await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_without_its_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let redis = format!("redis://:Hidden-Word@127.0.0.1:{port}").into();
    let postgres = format!("postgres://u:Hidden-Word@127.0.0.1:{port}/d").into();
    let texts = [
        RedisStore::open(&redis, &StoreTls::default(), "p", limits(), frozen())
            .await
            .unwrap_err()
            .to_string(),
        PostgresStore::open(&postgres, &StoreTls::default(), 1, limits(), frozen())
            .await
            .unwrap_err()
            .to_string(),
    ];
    for text in texts {
        assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("refused"), "{text}");
        assert!(!text.contains("Hidden"), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    for kind in [Kind::Redis, Kind::Postgres] {
        let Some(private) = private(kind) else { continue };
        let url = SecretString::from(private.url().replace(private.password(), "Hidden-Word"));
        let text = match kind {
            Kind::Redis => {
                RedisStore::open(&url, &StoreTls::default(), "p", limits(), frozen()).await.map(|_| ())
            }
            Kind::Postgres => {
                PostgresStore::open(&url, &StoreTls::default(), 1, limits(), frozen()).await.map(|_| ())
            }
        };
        let text = text.unwrap_err().to_string();
        assert!(text.contains("password") && !text.contains("Hidden"), "{text}");
        let shown = match kind {
            Kind::Redis => format!("{:?}", redis(&private, "p", frozen()).await),
            Kind::Postgres => format!("{:?}", postgres(&private, frozen()).await),
        };
        assert!(!shown.contains(private.password()), "{shown}");
    }
}

#[tokio::test]
async fn addresses_that_are_none_are_not_repeated() {
    for url in ["Hidden-Word", "redis//Hidden-Word", "http://Hidden-Word"] {
        let url = SecretString::from(url.to_owned());
        let texts = [
            RedisStore::open(&url, &StoreTls::default(), "p", limits(), frozen())
                .await
                .unwrap_err()
                .to_string(),
            PostgresStore::open(&url, &StoreTls::default(), 1, limits(), frozen())
                .await
                .unwrap_err()
                .to_string(),
        ];
        for text in texts {
            assert!(text.contains("store.url") && !text.contains("Hidden"), "{text}");
        }
    }
}

async fn sql(private: &PrivateStore, statement: &str) {
    let (client, connection) = tokio_postgres::connect(&private.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(statement).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
