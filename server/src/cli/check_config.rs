//! `check-config`: what a server would run with, and what would keep it from running.

use super::folder::store_kind;
use super::given_secrets::GivenSecrets;
use super::open_store::{check_store, open_store};
use super::{Args, Problem, lasting_cost, seeds, told};
use crate::config::{Config, Secret, StoreKind};
use crate::env::SystemClock;
use crate::settings::{Layered, Origin};
use crate::token::ring::KeyFile;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How it looks.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CheckConfig {
    /// Ask the store, too; a store in a file must not be in use
    #[arg(long)]
    connect: bool,
}

impl CheckConfig {
    /// Shows every setting; afterwards all that is wrong, one problem a line.
    pub(super) async fn run(&self, args: &Args, layered: &Layered) -> Result<(), Problem> {
        show(layered).map_err(|error| format!("cannot write to standard output: {error}"))?;
        let mut problems = problems(args, &layered.config);
        if self.connect && problems.is_empty() {
            problems.extend(connect(args, &layered.config).await.err());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\ncountersign-server: ")) }
    }
}

fn show(layered: &Layered) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for one in layered.shown()? {
        match (one.value, one.origin) {
            (None, _) => writeln!(out, "# {} is not set", one.key)?,
            (Some(value), Origin::Default) => writeln!(out, "{} = {value}", one.key)?,
            (Some(value), origin) => writeln!(out, "{} = {value}  # {origin}", one.key)?,
        }
    }
    out.flush()
}

/// What can be seen without starting anything or changing a file.
fn problems(args: &Args, config: &Config) -> Vec<Problem> {
    let checks = [
        config.admin.address().map(drop),
        config.cors.cors().map(drop).map_err(told),
        config.tls.as_ref().map_or(Ok(()), |tls| tls.load().map(drop).map_err(told)),
        config.tls.as_ref().map_or(Ok(()), |tls| private("tls.key", &tls.key)),
        lasting_cost(args, config).map(drop),
        seeds(args, config).map(drop),
        token(config),
        secret("token.ring_secret", config.token.ring_secret.as_ref()),
        check_store(args, config),
        config.store.client_key.as_deref().map_or(Ok(()), |key| private("store.client_key", key)),
        keys(args, config),
        match config.audit.file.as_deref() {
            None if config.audit.required => {
                Err("audit.required has no audit.file to be written: give one".into())
            }
            file => file.map_or(Ok(()), |file| parent("audit.file", file)),
        },
    ];
    checks.into_iter().filter_map(Result::err).collect()
}

fn token(config: &Config) -> Result<(), Problem> {
    let Some(given) = GivenSecrets::of(config)? else { return Ok(()) };
    given.files().try_for_each(|(key, path)| private(key, path))?;
    given.keys().map(drop)
}

/// A secret that is there and, in a file, is nobody else's.
fn secret(key: &str, given: Option<&Secret>) -> Result<(), Problem> {
    let Some(given) = given else { return Ok(()) };
    if let Some(path) = given.file() {
        private(key, path)?;
    }
    given.resolve(key).map(drop).map_err(told)
}

/// The keys that are kept, if there are any yet.
fn keys(args: &Args, config: &Config) -> Result<(), Problem> {
    if config.token.secret.is_some() || config.token.ring_secret.is_some() {
        return Ok(());
    }
    match folder(args, config) {
        Some(folder) if folder.is_dir() => KeyFile::new(&folder).load().map(drop).map_err(told),
        Some(folder) => parent("store.data_dir", &folder),
        None => Ok(()),
    }
}

/// The data folder, which is not made here.
fn folder(args: &Args, config: &Config) -> Option<PathBuf> {
    let named = config.store.data_dir.clone();
    let usual = || (store_kind(args, config) != StoreKind::Memory).then(|| PathBuf::from("countersign-data"));
    named.or_else(usual)
}

/// A file in this place can be made only where its folder is.
fn parent(key: &str, path: &Path) -> Result<(), Problem> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        Ok(())
    } else {
        Err(format!("{key}: there is no folder {}: make it", folder.display()))
    }
}

/// A file that only its owner may read. What cannot be read at all is somebody else's complaint.
#[cfg(unix)]
fn private(key: &str, path: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o007 != 0 => {
            let path = path.display();
            Err(format!("{key}: everybody on this machine can read {path}: chmod o-rwx {path}"))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn private(_: &str, _: &Path) -> Result<(), Problem> {
    Ok(())
}

async fn connect(args: &Args, config: &Config) -> Result<(), Problem> {
    let folder = folder(args, config);
    if store_kind(args, config) == StoreKind::Embedded
        && let Some(folder) = &folder
        && !folder.join("store.redb").exists()
    {
        return Err(format!("{}: there is no store yet: start the server once", folder.display()));
    }
    let store = open_store(args, config, folder.as_deref(), Arc::new(SystemClock)).await?;
    store.ping().await.map_err(told)
}
