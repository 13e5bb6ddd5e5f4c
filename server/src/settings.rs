//! Settings from all the places they may stand in: defaults, then the file, then the environment, then flags.
//!
//! A later place overrides an earlier one key by key. Every complaint names the place it is about, and an unknown name is
//! an error wherever it stands.

mod environment;
mod known;

use crate::config::{self, Config, ConfigError};
pub use environment::variable;
use known::known;
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use toml::{Table, Value};

/// Settings, and where each comes from.
#[derive(Debug, Clone)]
pub struct Layered {
    /// All of them together.
    pub config: Config,
    origins: BTreeMap<String, Origin>,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File(String),
    /// A flag.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
}

/// A setting that a flag gives.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag's name.
    pub name: &'static str,
    /// The key it sets, with dots.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// A setting as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key, with dots.
    pub key: String,
    /// The value as TOML, secrets hidden; nothing where there is none.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Layered {
    /// Puts the layers together.
    ///
    /// # Errors
    /// What is wrong in which layer, with the nearest known name where one is unknown.
    pub fn read(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &[Flag],
    ) -> Result<Self, ConfigError> {
        let known = known();
        let mut table = Table::new();
        let mut origins = BTreeMap::new();
        // A key that the file lacks may stand in the environment.
        let mut lacking = None;
        if let Some(path) = file {
            let (text, name) = (config::read(path)?, path.display().to_string());
            table = config::parse(&text, &name)?;
            if let Err(error) = config::parse::<Config>(&text, &name) {
                if !is_lack(&error) {
                    return Err(error);
                }
                lacking = Some(error);
            }
            for leaf in known.iter().filter(|leaf| get(&table, &leaf.path).is_some()) {
                origins.insert(leaf.key(), Origin::File(name.clone()));
            }
        }
        let variables = environment::read(variables, &known, &table)?;
        for (leaf, name, value) in variables {
            fits(&leaf.path, &value, &name)?;
            set(&mut table, &leaf.path, value);
            origins.insert(leaf.key(), Origin::Variable(name));
        }
        for Flag { name, key, value } in flags {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            let value = Value::String(value.clone());
            fits(&path, &value, name)?;
            set(&mut table, &path, value);
            origins.insert((*key).to_owned(), Origin::Flag(name));
        }
        let config = Config::deserialize(table).map_err(|error: toml::de::Error| {
            lacking.unwrap_or_else(|| ConfigError::Value {
                at: "the settings".into(),
                problem: config::readable(error.message()),
            })
        })?;
        Ok(Self { config, origins })
    }

    /// Every setting there is, secrets hidden, sorted by name.
    ///
    /// # Errors
    /// When the settings cannot be written down, which would be a mistake of ours.
    pub fn shown(&self) -> Result<Vec<Shown>, serde_json::Error> {
        let all = serde_json::to_value(&self.config)?;
        let shown = known().into_iter().map(|leaf| {
            let value = all.pointer(&format!("/{}", leaf.path.join("/"))).filter(|value| !value.is_null());
            let key = leaf.key();
            let origin = self.origins.get(&key).cloned().unwrap_or(Origin::Default);
            // What JSON and TOML write alike: numbers, texts, and lists of texts.
            Shown { key, value: value.map(ToString::to_string), origin }
        });
        Ok(shown.collect())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => write!(f, "environment: {name}"),
        }
    }
}

/// The JSON Schema of the configuration file.
#[must_use]
pub fn schema() -> serde_json::Value {
    known::schema()
}

/// Whether one value alone can stand there; the complaint is about the name of whoever gave it.
fn fits(path: &[String], value: &Value, name: &str) -> Result<(), ConfigError> {
    let mut table = Table::new();
    set(&mut table, path, value.clone());
    match Config::deserialize(table) {
        Err(error) if !error.message().starts_with(LACK) => {
            Err(ConfigError::Value { at: name.to_owned(), problem: config::readable(error.message()) })
        }
        _ => Ok(()),
    }
}

fn is_lack(error: &ConfigError) -> bool {
    matches!(error, ConfigError::Syntax { problem, .. } if problem.starts_with(LACK))
}

/// How the parser begins when a key is missing.
const LACK: &str = "missing field";

fn get<'t>(table: &'t Table, path: &[String]) -> Option<&'t Value> {
    let (last, tables) = path.split_last()?;
    let mut at = table;
    for name in tables {
        at = at.get(name)?.as_table()?;
    }
    at.get(last)
}

fn set(table: &mut Table, path: &[String], value: Value) {
    let Some((last, tables)) = path.split_last() else { return };
    let mut at = table;
    for name in tables {
        let entry = at.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
        // The file was read as settings before, so what must be a table is one.
        let Value::Table(inner) = entry else { return };
        at = inner;
    }
    at.insert(last.clone(), value);
}

#[cfg(test)]
mod tests {
    use super::known::Known;
    use super::*;
    use secrecy::ExposeSecret as _;

    struct Layers {
        folder: tempfile::TempDir,
    }

    impl Layers {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("c.toml"), text).unwrap();
            Self { folder }
        }

        fn read(&self, variables: &[(&str, &str)], flags: &[Flag]) -> Result<Layered, String> {
            let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
            Layered::read(Some(&self.folder.path().join("c.toml")), variables, flags)
                .map_err(|error| error.to_string())
        }
    }

    fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
        Layers::new(text).read(variables, &[]).unwrap_err()
    }

    #[test]
    fn later_layers_win_key_by_key_and_each_value_knows_its_own() {
        let layers = Layers::new("listen = \"127.0.0.1:1\"\n[store]\nkind = \"memory\"\nprefix = \"a\"\n");
        let flag = Flag { name: "--store", key: "store.kind", value: "redis".into() };
        let variables = [
            ("COUNTERSIGN_STORE_KIND", "embedded"),
            ("COUNTERSIGN_STORE_PREFIX", "b"),
            ("COUNTERSIGN_CORS_ORIGINS", "https://a.example, https://b.example"),
            ("COUNTERSIGN_HTTP_BODY_LIMIT", "9"),
            ("COUNTERSIGN_ADMIN_ALLOW_REMOTE", "true"),
            ("PATH", "x"),
        ];
        let layered = layers.read(&variables, &[flag]).unwrap();
        let config = &layered.config;
        assert_eq!(config.store.kind, Some(config::StoreKind::Redis));
        assert_eq!((config.store.prefix.as_str(), config.http.body_limit), ("b", 9));
        assert_eq!(config.cors.origins, ["https://a.example", "https://b.example"]);
        assert!(config.admin.allow_remote);
        let shown = layered.shown().unwrap();
        let of = |key: &str| {
            let one = shown.iter().find(|one| one.key == key).unwrap();
            (one.value.clone().unwrap_or_default(), one.origin.to_string())
        };
        assert_eq!(of("store.kind"), ("\"redis\"".into(), "--store".into()));
        assert_eq!(of("store.prefix"), ("\"b\"".into(), "environment: COUNTERSIGN_STORE_PREFIX".into()));
        assert!(of("listen").1.ends_with("c.toml"));
        assert_eq!(of("http.body_seconds"), ("10".into(), "default".into()));
        assert_eq!(of("tls.cert"), (String::new(), "default".into()));
    }

    #[test]
    fn a_table_may_be_put_together_from_several_layers() {
        let layers = Layers::new("[tls]\ncert = \"a.pem\"\n");
        let whole = layers.read(&[("COUNTERSIGN_TLS_KEY", "b.pem")], &[]).unwrap();
        let tls = whole.config.tls.unwrap();
        assert_eq!((tls.cert.to_str(), tls.key.to_str()), (Some("a.pem"), Some("b.pem")));
        let half = layers.read(&[], &[]).unwrap_err();
        assert!(half.ends_with("c.toml, line 1: missing field `key`"), "{half}");
        assert!(complaint("", &[("COUNTERSIGN_TLS_KEY", "b.pem")]).contains("missing field `cert`"));
    }

    #[test]
    fn every_complaint_names_its_layer() {
        let named = |variable: &str, value: &str| complaint("", &[(variable, value)]);
        assert!(
            complaint("[http]\nbody_limt = 1\n", &[]).contains("c.toml, line 2: unknown key `body_limt`")
        );
        assert_eq!(
            named("COUNTERSIGN_HTTP_BODY_LIMT", "1"),
            "COUNTERSIGN_HTTP_BODY_LIMT: there is no such setting, did you mean `COUNTERSIGN_HTTP_BODY_LIMIT`?"
        );
        assert_eq!(
            named("COUNTERSIGN_HTTP_BODY_LIMIT", "many"),
            "COUNTERSIGN_HTTP_BODY_LIMIT: must be a whole number"
        );
        assert!(named("COUNTERSIGN_HTTP_BODY_LIMIT", "-1").starts_with("COUNTERSIGN_HTTP_BODY_LIMIT: "));
        assert!(named("COUNTERSIGN_STORE_KIND", "memry").starts_with("COUNTERSIGN_STORE_KIND: "));
        assert!(named("COUNTERSIGN_LISTEN", "x").starts_with("COUNTERSIGN_LISTEN: "));
        assert!(named("COUNTERSIGN_ADMIN_ALLOW_REMOTE", "yes").ends_with("must be true or false"));
        assert!(named("COUNTERSIGN_LISTEN", "").ends_with("is empty: give it a value or unset it"));
        assert!(named("COUNTERSIGN_PROXY_TRUSTED", "10.0.0.0/33").starts_with("COUNTERSIGN_PROXY_TRUSTED: "));
    }

    #[test]
    fn secrets_may_be_in_files_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret").display().to_string();
        std::fs::write(&file, "canary-in-a-file\n").unwrap();
        let layers = Layers::new(
            "[store]\nurl = \"redis://:canary@x\"\n[scheme.web3mq]\ntestnet_access_key = \"canary\"\n",
        );
        let layered = layers.read(&[("COUNTERSIGN_TOKEN_SECRET_FILE", &file)], &[]).unwrap();
        let secret = layered.config.token.secret.as_ref().unwrap().resolve("token.secret").unwrap();
        assert_eq!(secret.expose_secret(), "canary-in-a-file");
        let shown = layered.shown().unwrap();
        let text = format!("{shown:?}");
        assert!(!text.contains("canary"), "{text}");
        let of = |key: &str| shown.iter().find(|one| one.key == key).unwrap().clone();
        assert_eq!(of("token.secret").value, Some(format!("\"file:{file}\"")));
        assert_eq!(of("token.secret").origin, Origin::Variable("COUNTERSIGN_TOKEN_SECRET_FILE".into()));
        assert_eq!(of("store.url").value.as_deref(), Some("\"(hidden)\""));
        let both = [("COUNTERSIGN_TOKEN_SECRET_FILE", "a"), ("COUNTERSIGN_TOKEN_SECRET", "b")];
        assert!(layers.read(&both, &[]).unwrap_err().contains("give only one"));
        let wrong = layers.read(&[("COUNTERSIGN_STORE_KIND_FILE", "a")], &[]).unwrap_err();
        assert!(wrong.contains("did you mean `COUNTERSIGN_STORE_KIND`?"), "{wrong}");
    }

    #[test]
    fn a_complaint_does_not_quote_a_secret() {
        for key in ["COUNTERSIGN_TOKEN_SECRET", "COUNTERSIGN_STORE_URL", "COUNTERSIGN_TOKEN_RING_SECRET"] {
            assert!(Layers::new("").read(&[(key, "canary")], &[]).is_ok(), "any text may be one");
        }
        let number = complaint("[token]\nsecret = 7919\n", &[]);
        assert!(!number.contains("7919"), "{number}");
    }

    #[test]
    fn variables_of_others_are_let_be() {
        let variables = [
            ("COUNTERSIGN_LOG", "trace"),
            ("COUNTERSIGN_CONFIG", "c.toml"),
            ("COUNTERSIGN_SERVICE_HOST", "10.0.0.1"),
            ("COUNTERSIGN_PORT", "tcp://10.0.0.1:80"),
            ("COUNTERSIGN_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("COUNTERSIGN_KEY_OF_MINE", "x"),
        ];
        assert!(
            Layers::new("[token]\nsecret = \"env:COUNTERSIGN_KEY_OF_MINE\"\n").read(&variables, &[]).is_ok()
        );
        assert!(complaint("", &variables).contains("COUNTERSIGN_KEY_OF_MINE"));
    }

    #[test]
    fn no_two_settings_have_the_same_variable() {
        let known = known();
        assert!(known.iter().any(|leaf: &Known| leaf.key() == "token.session.absolute_seconds"));
        let mut names: Vec<String> = known.iter().map(|leaf| variable(&leaf.path)).collect();
        names.extend(known.iter().filter(|leaf| leaf.secret).map(|leaf| variable(&leaf.path) + "_FILE"));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let secrets: Vec<String> = known.iter().filter(|leaf| leaf.secret).map(Known::key).collect();
        assert_eq!(
            secrets,
            ["scheme.web3mq.testnet_access_key", "store.url", "token.ring_secret", "token.secret"]
        );
    }
}
