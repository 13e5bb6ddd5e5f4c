//! The program: settings, parts, listening.

mod accounts;
mod announce;
mod check_config;
mod control;
mod folder;
mod given_secrets;
mod holder;
mod keys;
mod observing;
mod open_store;
mod schema;
mod signing_key;

use crate::accounts::{Accounts, Seed};
use crate::admin::Stopping;
use crate::audit::AuditEvent;
use crate::config::{self, Config, StoreKind, StoreUrl};
use crate::dev::DevControls;
use crate::env::{Clock, MovableClock, Random, SystemClock, SystemRandom};
use crate::http::BodyLimits;
use crate::http::serve::{serve, serve_tls};
use crate::log;
use crate::login::Login;
use crate::metrics::MeasuredStore;
use crate::password::{Cost, Passwords};
use crate::settings::{Flag, Layered};
use crate::store::Store;
use crate::token::ring::Following;
use accounts::AccountsCommand;
use announce::announce;
use check_config::CheckConfig;
use clap::{Parser, ValueEnum as _};
#[cfg(unix)]
use control::Control;
use countersign_spec::Spec;
use folder::{Folder, data_folder};
use keys::KeysCommand;
use observing::Observing;
use open_store::open_store;
use signing_key::{SigningKeys, signing_keys};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// A login server in which every scheme is a plugin behind one token issuer.
#[derive(Debug, Parser)]
#[command(name = "countersign-server", version)]
#[command(
    after_help = "Every setting of the file is also a variable: COUNTERSIGN_STORE_KIND is store.kind, and COUNTERSIGN_TOKEN_SECRET_FILE\nnames a file with token.secret. Flags go before variables, variables before the file. COUNTERSIGN_LOG sets what is\nlogged to standard error for each part, such as info or countersign::audit=info.\n\nExit: 0 stopped, 2 could not start; standard error says why in one line."
)]
struct Args {
    /// Address to listen on [default: 127.0.0.1:8080]; port 0 takes a free one
    #[arg(long, value_name = "ADDR", global = true)]
    listen: Option<SocketAddr>,
    /// Configuration file
    #[arg(long, value_name = "FILE", global = true, env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Accounts to seed: [[scheme.ID.account]] tables, as in a profile
    #[arg(long, value_name = "FILE", global = true)]
    accounts: Option<PathBuf>,
    /// Folder of the embedded store and the signing keys [default: ./countersign-data; with --dev a temporary one]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Where state is kept [default: embedded]
    #[arg(long, value_enum, global = true)]
    store: Option<StoreKind>,
    /// Address of Redis or PostgreSQL; env:NAME or file:PATH keep its password off the command line
    #[arg(long, value_name = "URL", global = true)]
    store_url: Option<StoreUrl>,
    /// For development: seeded accounts, cheap password hashes, POST /__clock and /__reset; only on loopback
    #[arg(long)]
    dev: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Add, list, disable, enable or remove accounts that log in with a password, or give them another
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Show every setting, where it comes from, and what is wrong with any; starts nothing
    CheckConfig(CheckConfig),
    /// Print the JSON Schema of the configuration file
    ConfigSchema,
    /// Look at the keys that sign tokens, or change them; a running server follows within seconds
    #[command(subcommand)]
    Keys(KeysCommand),
}

/// Runs the program and says how it ended: 0 stopped, 2 could not start.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    match layered(&args).and_then(|layered| run(args, layered)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(std::io::stderr(), "countersign-server: {problem}");
            ExitCode::from(2)
        }
    }
}

/// One line for people.
type Problem = String;

fn run(args: Args, layered: Layered) -> Result<(), Problem> {
    log::start(layered.config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(start(args, layered))
}

async fn start(args: Args, layered: Layered) -> Result<(), Problem> {
    let config = &layered.config;
    match &args.command {
        Some(Command::Accounts(command)) => return accounts::accounts(&args, config, command).await,
        Some(Command::CheckConfig(command)) => return command.run(&args, &layered).await,
        Some(Command::ConfigSchema) => return schema::print(),
        Some(Command::Keys(command)) => return keys::keys(&args, config, command).await,
        None => {}
    }
    let listen = args.listen.or(config.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    if args.dev && !listen.ip().is_loopback() {
        return Err(format!(
            "--dev is refused on {listen}: anybody who reaches it could move the clock. Listen on 127.0.0.1 or leave --dev out"
        ));
    }
    if let (true, Some(admin)) = (args.dev && config.admin.allow_remote, config.admin.listen) {
        return Err(format!("--dev is refused with admin.listen on {admin}: leave out admin.allow_remote"));
    }
    let folder = data_folder(&args, config)?;
    let mut observing = Observing::begin(config)?;
    observing.follow_hangups()?;
    let observer = observing.observer.clone();
    let served = observer.watch(serve_observed(&args, config, folder.as_ref(), listen, &mut observing)).await;
    observing.close(config).await;
    served
}

/// Serves until told to stop, and then until what was begun is finished.
async fn serve_observed(
    args: &Args,
    config: &Config,
    folder: Option<&Folder>,
    listen: SocketAddr,
    observing: &mut Observing,
) -> Result<(), Problem> {
    let Assembled { login, seeds, store, accounts, following: _following } =
        assemble(args, config, folder.map(Folder::path), observing).await?;
    let tls = match &config.tls {
        Some(tls) => Some((tls.load().map_err(told)?, Duration::from_secs(tls.watch_seconds.max(1)))),
        None => None,
    };
    let listener =
        TcpListener::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let stopping = Stopping::default();
    let operators = observing.listen(config, store, stopping.clone()).await?;
    #[cfg(unix)]
    let control =
        folder.filter(|_| folder::store_kind(args, config) == StoreKind::Embedded).and_then(|folder| {
            let listening = Control::listen(folder.path(), accounts, observing.observer.clone());
            let unheard = "accounts can be changed only while this server is stopped";
            listening
                .inspect_err(|error| tracing::warn!(%error, "no socket in the data folder: {unheard}"))
                .ok()
        });
    // Before anybody can know that there is something to stop.
    let mut signals = Signals::new()?;
    AuditEvent::Started.tell();
    announce(address, tls.is_some(), operators, args.dev, &seeds)
        .map_err(|error| format!("cannot write to standard output: {error}"))?;
    let mut limits = config.http.connection_limits();
    if args.dev {
        limits.per_source = None;
    }
    let (second, told_again) = tokio::sync::oneshot::channel();
    let drain = Duration::from_secs(config.admin.drain_seconds);
    let stop = async move {
        signals.next().await;
        stopping.begin();
        AuditEvent::Stopping.tell();
        tokio::spawn(async move {
            signals.next().await;
            let _ = second.send(());
        });
        // A balancer that asks whether we are ready has so long to hear that we are not.
        tokio::time::sleep(drain).await;
    };
    let serving = async {
        let Some((tls, every)) = tls else { return serve(listener, login, limits, stop).await };
        let watching = tokio::spawn(tls.clone().watch(every));
        serve_tls(listener, login, limits, &tls, stop).await;
        watching.abort();
    };
    tokio::select! {
        () = serving => {}
        Ok(()) = told_again => tracing::warn!("told to stop twice: what was in progress is cut off"),
    }
    #[cfg(unix)]
    if let Some(control) = control {
        control.close().await;
    }
    Ok(())
}

/// The settings of all layers.
fn layered(args: &Args) -> Result<Layered, Problem> {
    let text = |path: &PathBuf| path.display().to_string();
    let kind = |kind: StoreKind| kind.to_possible_value().map(|value| value.get_name().to_owned());
    let flags = [
        ("--listen", "listen", args.listen.map(|address| address.to_string())),
        ("--accounts", "accounts", args.accounts.as_ref().map(text)),
        ("--data-dir", "store.data_dir", args.data_dir.as_ref().map(text)),
        ("--store", "store.kind", args.store.and_then(kind)),
        ("--store-url", "store.url", args.store_url.as_ref().map(|url| url.as_given().to_owned())),
    ];
    let flags: Vec<Flag> = flags
        .into_iter()
        .filter_map(|(name, key, value)| value.map(|value| Flag { name, key, value }))
        .collect();
    Layered::read(args.config.as_deref(), std::env::vars_os(), &flags).map_err(told)
}

/// A server and what goes with it.
struct Assembled {
    login: Login,
    seeds: Vec<Seed>,
    store: Arc<dyn Store>,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only a socket in the data folder is for it"))]
    accounts: Accounts,
    following: Option<Following>,
}

async fn assemble(
    args: &Args,
    config: &Config,
    folder: Option<&Path>,
    observing: &Observing,
) -> Result<Assembled, Problem> {
    let movable = args.dev.then(|| Arc::new(MovableClock::running()));
    let clock: Arc<dyn Clock> = match &movable {
        Some(clock) => clock.clone(),
        None => Arc::new(SystemClock),
    };
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let store = open_store(args, config, folder, clock.clone()).await?;
    let store: Arc<dyn Store> = Arc::new(MeasuredStore::new(store, observing.metrics.clone()));
    let passwords = pool(args, config, random.clone())?;
    observing.metrics.show_passwords(&passwords);
    let accounts = Accounts::new(store.clone(), passwords.clone());
    let seeds = seeds(args, config)?;
    for seed in &seeds {
        accounts.seed(seed).await.map_err(told)?;
    }

    let SigningKeys { ring, following } =
        signing_keys(args, config, folder, &store, clock.as_ref(), &random).await?;
    let mut settings = config.scheme.clone();
    if let Some(key) = &settings.web3mq.testnet_access_key {
        use secrecy::ExposeSecret as _;
        let key = config::resolve("scheme.web3mq.testnet_access_key", key).map_err(told)?;
        settings.web3mq.testnet_access_key = Some(key.expose_secret().to_owned());
    }
    if args.dev {
        settings.for_a_moving_clock();
    }
    let mut builder = Login::builder()
        .clock(clock)
        .random(random.clone())
        .observer(observing.observer.clone())
        .store(store.clone())
        .keys(ring)
        .issuer_name(&config.token.issuer)
        .session_limits(config.token.session.limits())
        .passwords(passwords)
        .limits(BodyLimits {
            bytes: config.http.body_limit,
            time: Duration::from_secs(config.http.body_seconds),
        });
    if !args.dev {
        builder = builder.client_limits(config.limits.rules());
    }
    builder = builder.proxies(config.proxy.proxies()).cors(config.cors.cors().map_err(told)?);
    builder = builder.all_schemes(&settings);
    if let Some(clock) = movable {
        let store = store.clone();
        let accounts = accounts.clone();
        builder = builder.dev(DevControls { clock, store, accounts, seeds: seeds.clone() });
    }
    Ok(Assembled { login: builder.build().map_err(told)?, seeds, store, accounts, following })
}

/// The pool that hashes passwords. One processor is left to everything else: with a hash on each, every other answer would
/// wait until the system takes a processor from one, which is longer than most answers take.
fn pool(args: &Args, config: &Config, random: Arc<dyn Random>) -> Result<Passwords, Problem> {
    let cost = lasting_cost(args, config)?;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = config.password.threads.unwrap_or_else(|| processors().saturating_sub(1));
    Passwords::start(cost, threads.max(1), config.password.queue, random).map_err(told)
}

/// What a hash costs, if that is enough for hashes that last.
fn lasting_cost(args: &Args, config: &Config) -> Result<Cost, Problem> {
    let cost = config.password.cost(if args.dev { Cost::CHEAP } else { Cost::FLOOR });
    if !args.dev && !cost.is_at_least_floor() {
        return Err(format!(
            "password: {} KiB and {} passes are less than argon2id needs: set memory_kib and passes to at least 19456 and 2 (or 12288 and 3, 9216 and 4, 7168 and 5), or use --dev",
            cost.memory_kib, cost.passes
        ));
    }
    Ok(cost)
}

/// Accounts from the file that was named; a development server without one has those everybody knows.
fn seeds(args: &Args, config: &Config) -> Result<Vec<Seed>, Problem> {
    let spec = Spec::embedded();
    match args.accounts.as_ref().or(config.accounts.as_ref()) {
        Some(path) => config::load_accounts(path, spec).map_err(told),
        None if args.dev => {
            let text = include_str!("../../fixtures/accounts.toml");
            config::parse_accounts(text, "fixtures/accounts.toml", spec).map_err(told)
        }
        None => Ok(Vec::new()),
    }
}

/// What tells the program to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Problem> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(told)?,
        })
    }

    /// Resolves on SIGTERM or ctrl-c.
    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "its place is in map_err")]
fn told(error: impl ToString) -> Problem {
    error.to_string()
}
