//! The tables, and how they came to be.
//!
//! Migrations are numbered and only ever added. They run in one transaction under a lock that all replicas share, so they
//! happen once and wholly, however many start at once and wherever one is killed.

use super::plain;
use crate::store::StoreError;
use deadpool_postgres::Object;

/// Each brings the tables from the version before it to its own number, counted from 1. A change to one that has been
/// released reaches nobody: add another.
const MIGRATIONS: &[&str] = &[
    // 1: the two spaces. Names are compared as bytes: the order of some language would cost time and mean nothing.
    r#"CREATE TABLE countersign_durable (
         name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL, until bigint NOT NULL);
       CREATE INDEX countersign_durable_ends ON countersign_durable (until) WHERE until < 9223372036854775807;
       CREATE UNLOGGED TABLE countersign_ephemeral (
         name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL, until bigint NOT NULL);
       CREATE INDEX countersign_ephemeral_ends ON countersign_ephemeral (until) WHERE until < 9223372036854775807;"#,
];

/// What replicas lock while they look; the digits spell "counters" in ASCII.
const LOCK: i64 = 0x636f_756e_7465_7273;

/// Brings the tables up to date; does nothing where they are.
pub(super) async fn run(client: &mut Object) -> Result<(), StoreError> {
    let failed =
        |error: tokio_postgres::Error| StoreError::new("bring its tables up to date", &plain(&error));
    let transaction = client.transaction().await.map_err(failed)?;
    // Another replica may be at it and rightly take longer than a call may.
    transaction.batch_execute("SET LOCAL statement_timeout = '60s'").await.map_err(failed)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS countersign_migrations (
               number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .await
        .map_err(failed)?;
    let row = transaction
        .query_one("SELECT coalesce(max(number), 0) FROM countersign_migrations", &[])
        .await
        .map_err(failed)?;
    let version: i32 = row.get(0);
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    if version > known {
        let cause = format!(
            "they are of version {version} and this program knows {known}: start the newer program that made them"
        );
        return Err(StoreError::new("use its tables", &cause));
    }
    for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        transaction.batch_execute(migration).await.map_err(failed)?;
        transaction
            .execute("INSERT INTO countersign_migrations (number) VALUES ($1)", &[&number])
            .await
            .map_err(failed)?;
        tracing::info!(number, "the tables in PostgreSQL were brought to this version");
    }
    transaction.commit().await.map_err(failed)
}
