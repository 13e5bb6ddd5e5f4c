//! A PostgreSQL that several replicas share. Each method is one statement, so each is one step.
//!
//! **Time.** Statements compare an entry's end with the caller's clock; the server's own is never asked. What ended some
//! time ago is swept away in the background, a bounded number of rows at a time.
//!
//! **Crashes.** Durable entries are in a table whose commits are flushed before they are answered, whatever the server's
//! default is. Ephemeral ones are in an unlogged table, which is empty after a crash and on every standby: a challenge
//! that was used never comes back.

mod encrypted;
mod migrations;

use self::encrypted::Encrypting;
use super::bounds::{Bounds, CallLimits};
use super::memory::count;
use super::tls::{self, StoreTls};
use super::{Call, Key, Put, Space, Store, StoreError};
use crate::env::{Clock, Timestamp};
use bytes::Bytes;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

/// Keeps entries in one PostgreSQL (version 12 or later), for any number of replicas.
///
/// A pooler between us and the server must pool sessions, not transactions.
#[derive(Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    sweeper: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    pool: Pool,
    bounds: Bounds,
}

impl PostgresStore {
    /// Connects, brings the tables up to date and begins to sweep. Needs a tokio runtime.
    ///
    /// The URL is `postgres://user[:password]@host[:port]/database`, or words such as `host=… user=…`. TLS is spoken where
    /// it has `sslmode=require` or an authority is given, and then nothing else is. Replicas may open at once: one of them
    /// makes the tables. At most so many connections are held.
    ///
    /// # Errors
    /// When the URL is none, or the server does not serve it or is not who it should be; or the tables are of a later
    /// version. The text has the address and no password.
    pub async fn open(
        url: &SecretString,
        tls: &StoreTls,
        connections: usize,
        limits: CallLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let (config, address) = configure(url, tls, limits)?;
        let unreachable = |error: &dyn std::fmt::Display| {
            StoreError::new("open", &format!("PostgreSQL at {address} does not serve us: {error}"))
        };
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = if config.get_ssl_mode() == SslMode::Require {
            Manager::from_config(config, Encrypting::new(tls.config()?), manager_config)
        } else {
            for host in config.get_hosts() {
                if let Host::Tcp(host) = host {
                    tls::warn_in_clear(host, "write sslmode=require");
                }
            }
            Manager::from_config(config, NoTls, manager_config)
        };
        let pool = Pool::builder(manager)
            .max_size(connections.max(1))
            .build()
            .map_err(|error| unreachable(&error))?;
        let shared = Arc::new(Shared { clock, pool, bounds: Bounds::new(limits) });
        let mut lease = shared
            .bounds
            .hold("connect", shared.lease("connect"))
            .await
            .map_err(|error| unreachable(&error))?;
        migrations::run(lease.object()?).await.map_err(|error| unreachable(&error))?;
        lease.give_back();
        let sweeper = tokio::spawn({
            let shared = Arc::downgrade(&shared);
            async move {
                let mut rounds = tokio::time::interval(EVERY);
                loop {
                    rounds.tick().await;
                    let Some(shared) = shared.upgrade() else { return };
                    if let Err(error) = shared.sweep().await {
                        tracing::warn!(%error, "entries that have ended stay until the next round");
                    }
                }
            }
        });
        Ok(Self { shared, sweeper })
    }

    /// Whether [`Self::open`] would try; asks nobody.
    ///
    /// # Errors
    /// When the URL is none, or does not go with what was given for TLS.
    pub fn check(url: &SecretString, tls: &StoreTls) -> Result<(), StoreError> {
        let (config, _) = configure(url, tls, CallLimits::default())?;
        if config.get_ssl_mode() == SslMode::Require {
            tls.config()?;
        }
        Ok(())
    }

    /// Removes entries that ended a while ago, as happens by itself twice a minute.
    ///
    /// # Errors
    /// When the server does not answer.
    #[cfg(any(test, feature = "test-util"))]
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.shared.sweep().await
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Shared {
    async fn lease(&self, doing: &'static str) -> Result<Lease, StoreError> {
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => StoreError::new(doing, &plain(&error)),
            other => StoreError::new(doing, &other),
        })?;
        Ok(Lease { object: Some(object) })
    }

    /// The first row a statement gives, if any, and the number of rows it touched.
    async fn ask(
        &self,
        doing: &'static str,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        self.bounds
            .hold(doing, async {
                let failed = |error: tokio_postgres::Error| StoreError::new(doing, &plain(&error));
                let mut lease = self.lease(doing).await?;
                let client = lease.object()?;
                let statement = client.prepare_cached(statement).await.map_err(failed)?;
                let row = client.query_opt(&statement, values).await.map_err(failed)?;
                lease.give_back();
                Ok(row)
            })
            .await
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        let before = ends(Timestamp::from_millis(self.clock.now().millis().saturating_sub(SPARE)));
        let mut swept = 0;
        for table in [DURABLE, EPHEMERAL] {
            // What cannot be swept in one round is left to the next, so that callers find connections free.
            for _ in 0..PAGES {
                // Replicas that sweep at once take different rows.
                let statement = format!(
                    "WITH ended AS (SELECT name FROM {table} WHERE until <= $1 ORDER BY until LIMIT {PAGE} FOR UPDATE SKIP LOCKED),
                     gone AS (DELETE FROM {table} USING ended WHERE {table}.name = ended.name AND until <= $1 RETURNING 1)
                     SELECT count(*) FROM gone"
                );
                let row = self.ask("sweep", &statement, &[&before]).await?;
                let page = row.map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs();
                swept += page;
                if page < PAGE {
                    break;
                }
            }
        }
        Ok(swept)
    }
}

impl PostgresStore {
    fn now(&self) -> i64 {
        ends(self.shared.clock.now())
    }
}

impl Store for PostgresStore {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        let table = table(key);
        let only = match mode {
            Put::New => format!("WHERE {table}.until <= $4"),
            Put::Replace => "WHERE $4::bigint IS NOT NULL".to_owned(),
        };
        let statement = format!(
            "INSERT INTO {table} (name, value, until) VALUES ($1, $2, $3) ON CONFLICT (name)
             DO UPDATE SET value = excluded.value, until = excluded.until {only} RETURNING 1"
        );
        Call::later(async move {
            let row = self
                .shared
                .ask("write", &statement, &[&key.name().as_ref(), &value.as_ref(), &ends(until), &self.now()])
                .await?;
            Ok(row.is_some())
        })
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        let statement = format!("SELECT value FROM {} WHERE name = $1 AND until > $2", table(key));
        Call::later(async move {
            let row = self.shared.ask("read", &statement, &[&key.name().as_ref(), &self.now()]).await?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.get(0))))
        })
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        // Of callers at once the server lets one delete; the others wait for it and then find no row.
        let statement = format!("DELETE FROM {} WHERE name = $1 AND until > $2 RETURNING value", table(key));
        Call::later(async move {
            let row = self.shared.ask("take", &statement, &[&key.name().as_ref(), &self.now()]).await?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.get(0))))
        })
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        let statement = format!(
            "UPDATE {} SET value = $3, until = $4 WHERE name = $1 AND value = $2 AND until > $5 RETURNING 1",
            table(key)
        );
        Call::later(async move {
            let values: [&(dyn ToSql + Sync); 5] =
                [&key.name().as_ref(), &was.as_ref(), &value.as_ref(), &ends(until), &self.now()];
            Ok(self.shared.ask("swap", &statement, &values).await?.is_some())
        })
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        let table = table(key);
        // A value of another length is no counter and counts as none.
        let statement = format!(
            "INSERT INTO {table} (name, value, until) VALUES ($1, int8send(1), $2) ON CONFLICT (name) DO UPDATE SET
               value = CASE WHEN {table}.until <= $3 OR octet_length({table}.value) <> 8 THEN int8send(1)
                 ELSE int8send(('x' || encode({table}.value, 'hex'))::bit(64)::bigint + 1) END,
               until = CASE WHEN {table}.until <= $3 THEN excluded.until ELSE {table}.until END
             RETURNING value"
        );
        Call::later(async move {
            let values: [&(dyn ToSql + Sync); 3] = [&key.name().as_ref(), &ends(until), &self.now()];
            let row = self.shared.ask("count", &statement, &values).await?;
            Ok(row.map_or(0, |row| count(row.get(0))))
        })
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        let statement = format!("DELETE FROM {} WHERE name = $1 RETURNING 1", table(key));
        Call::later(async move {
            self.shared.ask("remove", &statement, &[&key.name().as_ref()]).await.map(|_| ())
        })
    }

    fn clear(&self) -> Call<'_, ()> {
        Call::later(async move {
            let statement = format!("TRUNCATE {DURABLE}, {EPHEMERAL}");
            self.shared.ask("clear", &statement, &[]).await.map(|_| ())
        })
    }

    fn ping(&self) -> Call<'_, ()> {
        Call::later(async move {
            // Not `SELECT 1`: it fails as well where the tables are gone or the server takes no writes.
            let statement =
                format!("SELECT pg_is_in_recovery() FROM (SELECT 1) one LEFT JOIN {DURABLE} ON false");
            let row = self.shared.ask("answer", &statement, &[]).await?;
            match row.map(|row| row.get::<_, bool>(0)) {
                Some(false) => Ok(()),
                _ => Err(StoreError::new("answer", &"this PostgreSQL is a standby, which takes no writes")),
            }
        })
    }
}

const DURABLE: &str = "countersign_durable";
const EPHEMERAL: &str = "countersign_ephemeral";
/// How often it is swept.
const EVERY: Duration = Duration::from_secs(30);
/// Rows swept with one statement at most.
const PAGE: u64 = 1_000;
/// Statements of one round and table at most.
const PAGES: usize = 20;
/// Milliseconds from an entry's end until it may be swept: another replica's clock may be behind ours.
const SPARE: u64 = 600_000;

/// A connection that goes back to the pool only once its statement was answered. One that was given up may still be busy,
/// so it is closed instead.
struct Lease {
    object: Option<Object>,
}

impl Lease {
    fn object(&mut self) -> Result<&mut Object, StoreError> {
        self.object.as_mut().ok_or_else(|| StoreError::new("connect", &"the connection was given back"))
    }

    fn give_back(mut self) {
        drop(self.object.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

/// How to connect, and where to, for people.
fn configure(url: &SecretString, tls: &StoreTls, limits: CallLimits) -> Result<(Config, String), StoreError> {
    const READING: &str = "read store.url as an address of PostgreSQL";
    let mut config: Config = url.expose_secret().parse().map_err(|error: tokio_postgres::Error| {
        let text = plain(&error);
        let hint = if ["sslmode", "sslrootcert", "sslcert", "sslkey"].iter().any(|word| text.contains(word)) {
            " (sslmode is disable or require, which always verifies; certificates stand in store.ca, store.client_cert and store.client_key)"
        } else {
            ""
        };
        StoreError::new(READING, &format!("{text}{hint}"))
    })?;
    match config.get_ssl_mode() {
        SslMode::Disable if tls.is_given() => {
            let why = "sslmode=disable does not go with store.ca or store.client_cert: leave one out";
            return Err(StoreError::new(READING, &why));
        }
        // Prefer stands there where nothing is said, and would go on in the clear with whoever says that he cannot.
        SslMode::Prefer => {
            config.ssl_mode(if tls.is_given() { SslMode::Require } else { SslMode::Disable });
        }
        _ => {}
    }
    // Of settings given twice the last counts, so none of these can be turned off by the address.
    let options = format!(
        "{} -c synchronous_commit=on -c default_transaction_isolation=read\\ committed -c statement_timeout={}",
        config.get_options().unwrap_or_default(),
        limits.time.as_millis()
    );
    config.options(options.trim()).connect_timeout(limits.time);
    if config.get_application_name().is_none() {
        config.application_name("countersign-server");
    }
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
        let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let address = hosts.collect::<Vec<_>>().join(", ");
    Ok((config, address))
}

fn table(key: &Key) -> &'static str {
    match key.space() {
        Space::Durable => DURABLE,
        Space::Ephemeral => EPHEMERAL,
    }
}

/// A time as the tables hold it; the last one stands for never.
fn ends(time: Timestamp) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

/// The error and its causes on one line; the library's own text leaves the server's out.
fn plain(error: &tokio_postgres::Error) -> String {
    let mut text = error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
    if error.as_db_error().is_none() {
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
    }
    let hint = tls::hint(&text);
    format!("{}{hint}", text.replace('\n', " "))
}
