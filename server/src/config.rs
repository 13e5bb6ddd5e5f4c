//! The configuration file, and the accounts file beside it.
//!
//! Every key is known or an error that names the nearest one: a misspelt limit that is silently ignored is no limit.

mod admin;
mod audit;
mod cors;
mod http;
mod limits;
mod log;
mod moment;
mod password;
mod proxy;
mod secret;
mod store;
mod tls;
mod token;

use crate::accounts::Seed;
use crate::schemes::Settings;
use countersign_spec::{Scheme, Spec};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use admin::AdminConfig;
pub use audit::AuditConfig;
pub use cors::CorsConfig;
pub use http::HttpConfig;
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat, LogLevel};
pub use moment::Moment;
pub use password::PasswordConfig;
pub use proxy::ProxyConfig;
pub use secret::Secret;
pub(crate) use secret::hidden;
pub use store::{StoreConfig, StoreKind, StoreUrl};
pub use tls::TlsConfig;
pub use token::{SessionConfig, TokenAlgorithm, TokenConfig};

/// `countersign.toml`. Every key may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address to listen on.
    pub listen: Option<SocketAddr>,
    /// File with accounts to seed.
    pub accounts: Option<PathBuf>,
    /// `[store]`
    pub store: StoreConfig,
    /// `[token]`
    pub token: TokenConfig,
    /// `[password]`
    pub password: PasswordConfig,
    /// `[http]`
    pub http: HttpConfig,
    /// `[cors]`
    pub cors: CorsConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[proxy]`
    pub proxy: ProxyConfig,
    /// `[tls]`
    pub tls: Option<TlsConfig>,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[audit]`
    pub audit: AuditConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[scheme.ID]`
    pub scheme: Settings,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An account table is wrong.
    #[error("{file}: [[scheme.{scheme}.account]] number {number}: {problem}")]
    Account {
        /// The file.
        file: String,
        /// The scheme.
        scheme: String,
        /// Which of its accounts, from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no TOML, or a value is of the wrong kind.
    #[error("{file}, line {line}: {problem}")]
    Syntax {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A value that points elsewhere points at nothing.
    #[error("{at}: {problem}")]
    Value {
        /// The key.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a configuration file.
///
/// # Errors
/// What is wrong, with file and line, and the nearest known key where one is unknown.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    parse(&read(path)?, &path.display().to_string())
}

/// Reads the accounts of an accounts file or a profile; other tables of a profile are not looked at.
///
/// # Errors
/// What is wrong, with file, scheme and the number of the account.
pub fn load_accounts(path: &Path, spec: &Spec) -> Result<Vec<Seed>, ConfigError> {
    parse_accounts(&read(path)?, &path.display().to_string(), spec)
}

/// The text of a value: in place, or from `env:NAME` or `file:PATH`.
///
/// # Errors
/// When the variable or the file is not there.
pub fn resolve(at: &str, value: &str) -> Result<SecretString, ConfigError> {
    let failed = |problem: String| ConfigError::Value { at: at.to_owned(), problem };
    if let Some(name) = value.strip_prefix("env:") {
        return std::env::var(name)
            .map(Into::into)
            .map_err(|_| failed(format!("the environment variable {name} is not set or not text")));
    }
    if let Some(path) = value.strip_prefix("file:") {
        let text = std::fs::read_to_string(path)
            .map_err(|error| failed(format!("{path} cannot be read: {error}")))?;
        return Ok(text.trim_end_matches(['\r', '\n']).into());
    }
    Ok(value.into())
}

/// Accounts in this text.
///
/// # Errors
/// As [`load_accounts`].
pub fn parse_accounts(text: &str, file: &str, spec: &Spec) -> Result<Vec<Seed>, ConfigError> {
    let root: toml::Table = parse(text, file)?;
    let mut seeds = Vec::new();
    let Some(toml::Value::Table(schemes)) = root.get("scheme") else { return Ok(seeds) };
    for (id, table) in schemes {
        let Some(accounts) = table.get("account") else { continue };
        let problem = |number, problem: String| ConfigError::Account {
            file: file.to_owned(),
            scheme: id.clone(),
            number,
            problem,
        };
        let Some(scheme) = spec.scheme(id) else {
            let known: Vec<&str> = spec.schemes().iter().map(|scheme| scheme.id.as_str()).collect();
            return Err(problem(1, format!("there is no such scheme{}", nearest(id, &known))));
        };
        let accounts = accounts.as_array().ok_or_else(|| problem(1, "write it as [[...]]".into()))?;
        for (index, account) in accounts.iter().enumerate() {
            let account = account.as_table().ok_or_else(|| problem(index + 1, "it is no table".into()))?;
            seeds.push(seed(scheme, account).map_err(|text| problem(index + 1, text))?);
        }
    }
    Ok(seeds)
}

fn seed(scheme: &Scheme, table: &toml::Table) -> Result<Seed, String> {
    let fields = scheme.account.as_ref().ok_or("the scheme has no accounts: its wallets need none")?;
    let known: Vec<&str> = [&fields.identifier, &fields.password]
        .into_iter()
        .chain(&fields.flags)
        .map(|name| name.as_str())
        .collect();
    if let Some(unknown) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("unknown key `{unknown}`{}", nearest(unknown, &known)));
    }
    let text = |name: &str| {
        let value = table.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
        let value = value.as_str().ok_or_else(|| format!("`{name}` must be text"))?;
        resolve(name, value).map_err(|error| error.to_string())
    };
    let mut flags = BTreeSet::new();
    for flag in &fields.flags {
        match table.get(flag) {
            None | Some(toml::Value::Boolean(false)) => {}
            Some(toml::Value::Boolean(true)) => {
                flags.insert(flag.clone());
            }
            Some(_) => return Err(format!("`{flag}` must be true or false")),
        }
    }
    let name = secrecy::ExposeSecret::expose_secret(&text(&fields.identifier)?).to_owned();
    Ok(Seed { scheme: scheme.id.clone(), name, password: text(&fields.password)?, flags })
}

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let file = path.display().to_string();
    std::fs::read_to_string(path).map_err(|source| ConfigError::File { file, source })
}

pub(crate) fn parse<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        ConfigError::Syntax { file: file.to_owned(), line, problem: readable(error.message()) }
    })
}

/// The parser's words, shortened to the nearest key where it lists all that it knows.
///
/// Taking the known keys from its message keeps them from drifting away from the types above.
pub(crate) fn readable(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match (message.starts_with("unknown field"), quoted.split_first()) {
        (true, Some((unknown, known))) => format!("unknown key `{unknown}`{}", nearest(unknown, known)),
        _ => message.trim().replace('\n', " "),
    }
}

pub(crate) fn nearest(word: &str, known: &[&str]) -> String {
    let best =
        known.iter().max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)));
    best.map_or_else(String::new, |best| format!(", did you mean `{best}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Cost;
    use secrecy::ExposeSecret as _;

    fn complaint(text: &str) -> String {
        parse::<Config>(text, "c.toml").unwrap_err().to_string()
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "listen = \"127.0.0.1:1\"\n[store]\nkind = \"memory\"\n[token]\nalgorithm = \"EdDSA\"\n\
                    [password]\nqueue = 3\n[http]\nbody_limit = 9\n[scheme.ethgas]\naccess_lifetime = 60\n";
        let config: Config = parse(text, "c.toml").unwrap();
        assert_eq!(config.store.kind, Some(StoreKind::Memory));
        assert_eq!(config.token.algorithm, TokenAlgorithm::EdDsa);
        assert_eq!(config.scheme.ethgas.access_lifetime, 60);
        assert_eq!(config.password.cost(Cost::FLOOR), Cost::FLOOR);
    }

    #[test]
    fn the_files_in_the_readme_are_read() {
        let readme = include_str!("../../README.md");
        let texts = readme.split("# countersign.toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let configs: Vec<Config> = texts.map(|text| parse(text, "README.md").unwrap()).collect();
        assert!(configs.len() > 1);
        let config = configs.iter().find(|config| !config.cors.origins.is_empty()).unwrap();
        assert!(config.tls.is_some() && config.proxy.proxies().trusts([10, 1, 2, 3].into()));
        assert!(config.cors.cors().is_ok());
        let rules = |limits: &LimitsConfig| format!("{:?}", limits.rules());
        assert_eq!(rules(&config.limits), rules(&LimitsConfig::default()), "what it calls the defaults");
    }

    #[test]
    fn limits_of_0_are_off() {
        let text = "[limits]\nclient_per_second = 0\npair_attempts = 0\naccount_attempts = 0\n";
        let rules = parse::<Config>(text, "c.toml").unwrap().limits.rules();
        assert!(rules.client.is_none() && rules.scheme.is_none() && rules.attempts.is_none());
        let one = parse::<Config>("[limits]\npair_attempts = 0\n", "c.toml").unwrap().limits.rules();
        assert_eq!(one.attempts.map(|rules| (rules.pair, rules.account)), Some((u64::MAX, 100)));
    }

    #[test]
    fn unknown_keys_name_the_nearest_known_one() {
        assert_eq!(
            complaint("[http]\nbody_limt = 1\n"),
            "c.toml, line 2: unknown key `body_limt`, did you mean `body_limit`?"
        );
        assert!(complaint("lissten = \"x\"").contains("did you mean `listen`?"));
        assert!(complaint("[scheme.etgas]\n").contains("did you mean `ethgas`?"));
        assert!(complaint("[store]\nkind = \"memry\"").contains("memory"));
        assert!(complaint("listen = ").starts_with("c.toml, line 1: "));
    }

    #[test]
    fn accounts_are_read_and_their_mistakes_named() {
        let spec = Spec::embedded();
        let text = "[[scheme.ethgas.account]]\nusername = \"a\"\npassword = \" p \"\n[token.ethgas]\nhs256 = \"x\"\n";
        let seeds = parse_accounts(text, "a.toml", spec).unwrap();
        assert_eq!((seeds[0].name.as_str(), seeds[0].password.expose_secret()), ("a", " p "));
        let wrong = |text: &str| parse_accounts(text, "a.toml", spec).unwrap_err().to_string();
        let unknown = wrong("[[scheme.ethgas.account]]\nusername = \"a\"\npasword = \"p\"\n");
        assert_eq!(
            unknown,
            "a.toml: [[scheme.ethgas.account]] number 1: unknown key `pasword`, did you mean `password`?"
        );
        assert!(wrong("[[scheme.ethgas.account]]\nusername = \"a\"\n").ends_with("`password` is missing"));
        assert!(wrong("[[scheme.etgas.account]]\nusername = \"a\"\n").contains("did you mean `ethgas`?"));
        assert!(wrong("[[scheme.swapchat.account]]\nusername = \"a\"\n").contains("has no accounts"));
        let unset =
            wrong("[[scheme.ethgas.account]]\nusername = \"a\"\npassword = \"env:COUNTERSIGN_TEST_UNSET\"\n");
        assert!(unset.contains("COUNTERSIGN_TEST_UNSET"));
    }
}
