//! `accounts`: who may log in with a password.

use super::folder::{Folder, data_folder, store_kind};
use super::holder::holder;
use super::observing::Observing;
use super::open_store::open_store;
use super::{Args, Problem, pool, told};
use crate::accounts::{Accounts, Listed, Seed};
use crate::audit::AuditEvent;
use crate::config::{Config, StoreKind, nearest};
use crate::env::{SystemClock, SystemRandom};
use countersign_spec::{Scheme, Spec};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::Arc;

/// What to do with accounts.
#[derive(Debug, Clone, clap::Subcommand)]
#[command(
    after_help = "Passwords are asked for, or read from the first line of standard input where that is no terminal. Redis and PostgreSQL\nmay be changed under running servers; the embedded store is its server's own while that runs."
)]
pub(super) enum AccountsCommand {
    /// Make an account
    Add {
        #[command(flatten)]
        who: Who,
        /// A mark it carries, such as must_change_password (cbs); may be given several times
        #[arg(long, value_name = "MARK")]
        mark: Vec<String>,
    },
    /// Show the accounts of a scheme, or of all
    List {
        /// The scheme
        #[arg(value_name = "SCHEME")]
        scheme: Option<String>,
    },
    /// Refuse an account and end its sessions
    Disable(Who),
    /// Let a disabled account log in again
    Enable(Who),
    /// Give an account another password and end its sessions
    Passwd(Who),
    /// Remove an account and end its sessions; one that is in the accounts file comes back at the next start
    Remove(Who),
}

/// Which account.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Who {
    /// The scheme, such as ethgas
    #[arg(value_name = "SCHEME")]
    scheme: String,
    /// The name that is logged in with
    #[arg(value_name = "NAME")]
    name: String,
}

/// Does it, and says what was done.
pub(super) async fn accounts(args: &Args, config: &Config, command: &AccountsCommand) -> Result<(), Problem> {
    // Before anything is asked of anybody.
    check(command)?;
    let folder = data_folder(args, config)?;
    let accounts = open(args, config, folder.as_ref()).await?;
    let observing = Observing::begin(config)?;
    let done = observing.observer.watch(act(&accounts, command)).await;
    observing.close().await;
    done
}

fn check(command: &AccountsCommand) -> Result<(), Problem> {
    match command {
        AccountsCommand::List { scheme: None } => Ok(()),
        AccountsCommand::List { scheme: Some(scheme) } => with_accounts(scheme).map(drop),
        AccountsCommand::Add { who, mark } => {
            let fields = &with_accounts(&who.scheme)?.account;
            let known: Vec<&str> =
                fields.iter().flat_map(|fields| &fields.flags).map(String::as_str).collect();
            match mark.iter().find(|mark| !known.contains(&mark.as_str())) {
                Some(mark) => Err(format!("{} has no mark `{mark}`{}", who.scheme, nearest(mark, &known))),
                None => Ok(()),
            }
        }
        AccountsCommand::Disable(who)
        | AccountsCommand::Enable(who)
        | AccountsCommand::Passwd(who)
        | AccountsCommand::Remove(who) => with_accounts(&who.scheme).map(drop),
    }
}

/// A scheme whose accounts exist before a login.
fn with_accounts(id: &str) -> Result<&'static Scheme, Problem> {
    let spec = Spec::embedded();
    let Some(scheme) = spec.scheme(id) else {
        let known: Vec<&str> = spec.schemes().iter().map(|scheme| scheme.id.as_str()).collect();
        return Err(format!("there is no scheme `{id}`{}", nearest(id, &known)));
    };
    match scheme.account {
        Some(_) => Ok(scheme),
        None => Err(format!("{id} has no accounts: its wallets need none")),
    }
}

async fn open(args: &Args, config: &Config, folder: Option<&Folder>) -> Result<Accounts, Problem> {
    let kind = store_kind(args, config);
    if kind == StoreKind::Memory {
        return Err(
            "the accounts are in the memory of the running server and end with it: use --accounts".into()
        );
    }
    let opened = open_store(args, config, folder.map(Folder::path), Arc::new(SystemClock)).await;
    let store = opened.map_err(|problem| match (kind, folder) {
        (StoreKind::Embedded, Some(folder)) => match holder(&folder.path().join("store.redb")) {
            Some(process) => format!(
                "{problem} Process {process}, a running server most likely, has this store for itself: stop it (kill {process}), change the accounts, and start it again; or keep accounts in PostgreSQL or Redis, which may be changed meanwhile"
            ),
            None => problem,
        },
        _ => problem,
    })?;
    Ok(Accounts::new(store, pool(args, config, Arc::new(SystemRandom))?))
}

async fn act(accounts: &Accounts, command: &AccountsCommand) -> Result<(), Problem> {
    match command {
        AccountsCommand::Add { who: Who { scheme, name }, mark } => {
            let flags: BTreeSet<String> = mark.iter().cloned().collect();
            let password = password(true)?;
            let seed = Seed { scheme: scheme.clone(), name: name.clone(), password, flags };
            accounts.add(&seed).await.map_err(told)?;
            done(scheme, name, "added")
        }
        AccountsCommand::List { scheme } => {
            let spec = Spec::embedded();
            let with_accounts = spec.schemes().iter().filter(|one| one.account.is_some());
            for one in with_accounts.filter(|one| scheme.as_ref().is_none_or(|scheme| *scheme == one.id)) {
                show(&one.id, &accounts.list(&one.id).await.map_err(told)?).map_err(unwritten)?;
            }
            Ok(())
        }
        AccountsCommand::Disable(who) => {
            found(accounts.disable(&who.scheme, &who.name).await, who, "disabled")
        }
        AccountsCommand::Enable(who) => found(accounts.enable(&who.scheme, &who.name).await, who, "enabled"),
        AccountsCommand::Passwd(who) => {
            let password = password(true)?;
            let changed = accounts.set_password(&who.scheme, &who.name, &password).await;
            found(changed, who, "given another password")
        }
        AccountsCommand::Remove(who) => found(accounts.remove(&who.scheme, &who.name).await, who, "removed"),
    }
}

fn found(changed: Result<bool, impl ToString>, who: &Who, change: &str) -> Result<(), Problem> {
    let Who { scheme, name } = who;
    if changed.map_err(told)? {
        return done(scheme, name, change);
    }
    Err(format!("{scheme} has no account `{}`: see `accounts list {scheme}`", name.escape_debug()))
}

fn done(scheme: &str, name: &str, change: &str) -> Result<(), Problem> {
    AuditEvent::AccountChanged { scheme, name, change }.tell();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{scheme}: `{}` was {change}", name.escape_debug())
        .and_then(|()| out.flush())
        .map_err(unwritten)
}

fn show(scheme: &str, listed: &[Listed]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for Listed { number, name, disabled, flags } in listed {
        let state = if *disabled { "disabled" } else { "enabled" };
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let line =
            format!("{scheme:<11}  {number:>6}  {state:<8}  {}  {}", name.escape_debug(), flags.join(" "));
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// A password that nobody sees: asked for twice on a terminal, or the first line of standard input.
fn password(twice: bool) -> Result<SecretString, Problem> {
    let failed = |error: std::io::Error| format!("the password could not be read: {error}");
    if std::io::stdin().is_terminal() {
        let first: SecretString = rpassword::prompt_password("Password: ").map_err(failed)?.into();
        if twice {
            use secrecy::ExposeSecret as _;
            let second: SecretString = rpassword::prompt_password("Again: ").map_err(failed)?.into();
            if first.expose_secret() != second.expose_secret() {
                return Err("the two passwords differ".into());
            }
        }
        return Ok(first);
    }
    let mut line = zeroize::Zeroizing::new(String::new());
    // A password has at most 1,024 bytes; what is longer is refused later, with the reason.
    std::io::stdin().lock().take(4_096).read_line(&mut line).map_err(failed)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}

#[expect(clippy::needless_pass_by_value, reason = "its place is in map_err")]
fn unwritten(error: std::io::Error) -> Problem {
    format!("cannot write to standard output: {error}")
}
