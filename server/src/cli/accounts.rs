//! `accounts`: who may log in with a password.

mod change;

use super::control;
use super::folder::{Folder, data_folder, store_kind};
use super::holder::holder;
use super::observing::Observing;
use super::open_store::open_store;
use super::{Args, Problem, pool, told};
use crate::accounts::{Accounts, Listed};
use crate::config::{Config, StoreKind, nearest};
use crate::env::{SystemClock, SystemRandom};
pub(super) use change::{Change, Done, Who};
use countersign_spec::{Scheme, Spec};
use secrecy::SecretString;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::Arc;

/// What to do with accounts.
#[derive(Debug, Clone, clap::Subcommand)]
#[command(
    after_help = "Passwords are asked for, or read from the first line of standard input where that is no terminal.\n\nAccounts may be changed under running servers. The embedded store is its server's own while that runs: the command then\nasks the server, through control.sock in the data folder, which only the user that the server runs as may open, and root."
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

/// Does it, or has the server do it that has the store for itself, and says what was done.
pub(super) async fn accounts(args: &Args, config: &Config, command: &AccountsCommand) -> Result<(), Problem> {
    // Before anything is asked of anybody.
    check(command)?;
    let kind = store_kind(args, config);
    if kind == StoreKind::Memory {
        return Err(
            "the accounts are in the memory of the running server and end with it: use --accounts".into()
        );
    }
    let folder = data_folder(args, config)?;
    if let (StoreKind::Embedded, Some(folder)) = (kind, &folder)
        && let Some(server) = control::find(folder.path())?
    {
        return show(server.ask(&change(command)?)?);
    }
    let accounts = open(args, config, folder.as_ref()).await?;
    let change = change(command)?;
    let observing = Observing::begin(config)?;
    let done = observing.observer.watch(change.carry_out(&accounts)).await;
    let lost = observing.close(config).await;
    show(done?)?;
    match lost {
        0 => Ok(()),
        _ => Err("that is done, but could not be written to the audit log: see audit.file".into()),
    }
}

fn check(command: &AccountsCommand) -> Result<(), Problem> {
    match command {
        AccountsCommand::List { scheme: None } => Ok(()),
        AccountsCommand::List { scheme: Some(scheme) } => found_scheme(scheme).map(drop),
        AccountsCommand::Add { who, mark } => {
            let fields = &found_scheme(&who.scheme)?.account;
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
        | AccountsCommand::Remove(who) => found_scheme(&who.scheme).map(drop),
    }
}

/// A scheme whose accounts exist before a login.
fn found_scheme(id: &str) -> Result<&'static Scheme, Problem> {
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
    let opened = open_store(args, config, folder.map(Folder::path), Arc::new(SystemClock)).await;
    let store = opened.map_err(|problem| match (store_kind(args, config), folder) {
        (StoreKind::Embedded, Some(folder)) => match holder(&folder.path().join("store.redb")) {
            Some(process) => format!(
                "{problem} Process {process} has this store for itself and takes no changes at {}: try again if it has just started; otherwise its log says why, and once it is stopped (kill {process}) this command works without it",
                control::path(folder.path()).display()
            ),
            None => problem,
        },
        _ => problem,
    })?;
    Ok(Accounts::new(store, pool(args, config, Arc::new(SystemRandom))?))
}

/// The command with what has to be asked for.
fn change(command: &AccountsCommand) -> Result<Change, Problem> {
    Ok(match command.clone() {
        AccountsCommand::Add { who, mark } => {
            Change::Add { who, password: password()?, marks: mark.into_iter().collect() }
        }
        AccountsCommand::List { scheme } => Change::List { scheme },
        AccountsCommand::Disable(who) => Change::Disable(who),
        AccountsCommand::Enable(who) => Change::Enable(who),
        AccountsCommand::Passwd(who) => Change::Passwd { who, password: password()? },
        AccountsCommand::Remove(who) => Change::Remove(who),
    })
}

fn show(done: Done) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    let written = match done {
        Done::Changed { who: Who { scheme, name }, change } => {
            writeln!(out, "{scheme}: `{}` was {change}", name.escape_debug())
        }
        Done::Listed(schemes) => schemes
            .iter()
            .flat_map(|(scheme, listed)| listed.iter().map(move |one| line(scheme, one)))
            .try_for_each(|line| writeln!(out, "{line}")),
    };
    written.and_then(|()| out.flush()).map_err(|error| format!("cannot write to standard output: {error}"))
}

fn line(scheme: &str, Listed { number, name, disabled, flags }: &Listed) -> String {
    let state = if *disabled { "disabled" } else { "enabled" };
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let line = format!("{scheme:<11}  {number:>6}  {state:<8}  {}  {}", name.escape_debug(), flags.join(" "));
    line.trim_end().to_owned()
}

/// A password that nobody sees: asked for twice on a terminal, or the first line of standard input.
fn password() -> Result<SecretString, Problem> {
    let failed = |error: std::io::Error| format!("the password could not be read: {error}");
    if std::io::stdin().is_terminal() {
        use secrecy::ExposeSecret as _;
        let first: SecretString = rpassword::prompt_password("Password: ").map_err(failed)?.into();
        let second: SecretString = rpassword::prompt_password("Again: ").map_err(failed)?.into();
        if first.expose_secret() != second.expose_secret() {
            return Err("the two passwords differ".into());
        }
        return Ok(first);
    }
    let mut line = zeroize::Zeroizing::new(String::new());
    // A password has at most 1,024 bytes; what is longer is refused later, with the reason.
    std::io::stdin().lock().take(4_096).read_line(&mut line).map_err(failed)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}
