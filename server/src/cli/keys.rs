//! `keys`: looking at the keys that sign tokens, and changing them under a running server.

use super::folder::{Folder, data_folder, store_kind};
use super::open_store::open_store;
use super::signing_key::ring_home;
use super::{Args, Problem, told};
use crate::config::{Config, StoreKind};
use crate::env::{Clock as _, Random, SystemClock, SystemRandom, Timestamp};
use crate::schemes;
use crate::store::{MemoryStore, Store};
use crate::token::keys::SPREAD;
use crate::token::ring::{KeptKey, KeptRing, KeptState, RingError, RingHome};
use std::io::Write as _;
use std::sync::Arc;

/// What to do with the keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum KeysCommand {
    /// Show the keys: name, algorithm, what each is for, since when
    List,
    /// Sign with the next key from now on; what the present one signed stays good
    Rotate {
        /// Do not wait until everybody who keeps the published keys can know the next one
        #[arg(long)]
        now: bool,
    },
    /// Refuse at once whatever a key signed; where it is the one that signs, the next one does instead
    Revoke {
        /// Its name, as `keys list` shows it
        #[arg(value_name = "KID")]
        kid: String,
    },
}

/// Does it, and shows the keys as they are afterwards.
pub(super) async fn keys(args: &Args, config: &Config, command: &KeysCommand) -> Result<(), Problem> {
    let home = home(args, config).await?;
    let (now, longest) = (SystemClock.now(), schemes::longest(&config.scheme));
    let change = |ring: Option<KeptRing>| {
        let mut ring = ring.ok_or_else(|| RingError::Broken {
            place: "the data folder or the store".into(),
            problem: "none were made yet: start the server once, or name its --config and --data-dir".into(),
        })?;
        match command {
            KeysCommand::List => {}
            KeysCommand::Rotate { now: hurry } => {
                ring.prepare(config.token.algorithm, now, &SystemRandom)?;
                ring.rotate(now, longest, *hurry, &SystemRandom)?;
            }
            KeysCommand::Revoke { kid } => ring.revoke(kid, now, &SystemRandom)?,
        }
        Ok(ring)
    };
    let ring = home.update(change).await.map_err(told)?;
    show(&ring, longest).map_err(|error| format!("cannot write to standard output: {error}"))
}

async fn home(args: &Args, config: &Config) -> Result<RingHome, Problem> {
    if config.token.secret.is_some() {
        return Err(
            "token.secret is the one key that signs: replace it there, with the old one named in token.accepted_secrets"
                .into(),
        );
    }
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let folder = data_folder(args, config)?;
    let folder = folder.as_ref().map(Folder::path);
    let kind = store_kind(args, config);
    let store: Arc<dyn Store> = match (&config.token.ring_secret, kind) {
        (Some(_), StoreKind::Memory) => {
            return Err("the keys are in the memory of the running server and end with it".into());
        }
        (Some(_), kind) => {
            let opened = open_store(args, config, folder, Arc::new(SystemClock)).await;
            opened.map_err(|problem| match kind {
                StoreKind::Embedded => format!(
                    "{problem}; a running server has it for itself: stop that, or leave out token.ring_secret, which is for stores that replicas share"
                ),
                _ => problem,
            })?
        }
        // Not asked: the keys are in the folder.
        (None, _) => Arc::new(MemoryStore::new(Arc::new(SystemClock))),
    };
    ring_home(config, folder, &store, &random)?
        .ok_or_else(|| "the keys are in the memory of the running server and end with it".into())
}

fn show(ring: &KeptRing, longest: u64) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for key in ring.keys() {
        writeln!(out, "{}  {:<5}  {}", key.kid(), key.algorithm().name(), state(key, longest))?;
    }
    out.flush()
}

fn state(key: &KeptKey, longest: u64) -> String {
    let since = moment(key.since());
    match key.state() {
        KeptState::Current => format!("current   signs since {since}"),
        KeptState::Next => format!("next      published since {since}"),
        KeptState::Retiring => {
            let until = moment(key.since().plus_secs(longest).plus_secs(SPREAD));
            format!("retiring  checks until {until}, signed until {since}")
        }
        KeptState::Revoked => format!("revoked   refused since {since}"),
    }
}

/// As RFC 3339 writes it, to the second.
fn moment(at: Timestamp) -> String {
    let second = i64::try_from(at.secs()).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    second.map_or_else(|| "never".to_owned(), |second| second.to_string())
}
