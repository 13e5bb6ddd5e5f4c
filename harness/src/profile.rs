//! `target.toml`: where the target is, who may log in, what it can do, and what is known to be wrong with it.
//!
//! Unknown keys are mistakes, named with the nearest known one, because a misspelt key would silently switch checks off.

pub use crate::deviation::Deviation;

use countersign_spec::{Encoding, Level, Role, Scheme, Spec, Step};
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// A target and what is known of it.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// Where it is.
    pub url: Option<String>,
    /// What fails the run.
    pub fail_on: Option<Level>,
    /// Whether an inconclusive check fails the run.
    pub fail_on_inconclusive: bool,
    /// How to speak to it.
    pub http: Http,
    /// How to move its clock.
    pub clock: Option<Clock>,
    /// What is known for each scheme.
    pub schemes: BTreeMap<String, SchemeProfile>,
    /// Keys the owner of the target hands over, by scheme.
    pub keys: BTreeMap<String, SigningKeys>,
    /// Known departures.
    pub deviations: Vec<Deviation>,
}

/// How to speak to a target.
#[derive(Debug, Clone)]
pub struct Http {
    /// Time limit of one exchange.
    pub timeout: Duration,
    /// Requests a second, at most.
    pub rate: Option<u32>,
    /// Checks that run at the same time.
    pub concurrency: usize,
    /// PEM file of further trust anchors.
    pub ca: Option<PathBuf>,
    /// Headers added to every request.
    pub headers: Vec<(String, SecretString)>,
}

impl Default for Http {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), rate: None, concurrency: 8, ca: None, headers: Vec::new() }
    }
}

/// A clock that can be moved.
#[derive(Debug, Clone)]
pub struct Clock {
    /// `POST {"advance_seconds": N}` goes here.
    pub advance: String,
    /// `POST` here forgets all state and the shift.
    pub reset: Option<String>,
}

/// What is known for one scheme.
#[derive(Debug, Clone, Default)]
pub struct SchemeProfile {
    /// Paths by operation name.
    pub paths: BTreeMap<String, String>,
    /// Accounts that may log in.
    pub accounts: Vec<Account>,
    /// Encoding of bodies, where it is not the documented one.
    pub body: Option<Encoding>,
    /// A wallet's key, where fresh wallets are not let in.
    pub wallet: Option<SecretString>,
    /// Values for members the document leaves to the operator, such as an access key.
    pub constants: BTreeMap<String, String>,
}

/// An account that exists on the target.
#[derive(Debug, Clone)]
pub struct Account {
    /// Name.
    pub identifier: String,
    /// Secret.
    pub password: SecretString,
    /// What the secret is called in a shell, such as `ALICE_PASSWORD`.
    pub variable: Option<String>,
    /// What is special about it.
    pub flags: BTreeSet<String>,
}

/// A signing key of the target.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    /// Secret for HMAC-SHA256.
    pub hs256: SecretString,
}

/// A profile that cannot be used; every mistake, a line each.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ProfileErrors(pub Vec<String>);

impl Profile {
    /// Reads a profile from a file; `file:` secrets are relative to it.
    ///
    /// # Errors
    /// Every mistake, each naming its key.
    pub fn read(path: &Path, spec: &Spec) -> Result<Self, ProfileErrors> {
        let text = std::fs::read_to_string(path)
            .map_err(|problem| ProfileErrors(vec![format!("profile {}: {problem}", path.display())]))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&text, &path.display().to_string(), folder, spec)
    }

    /// Reads a profile from its text.
    ///
    /// # Errors
    /// Every mistake, each naming its key.
    pub fn parse(text: &str, name: &str, folder: &Path, spec: &Spec) -> Result<Self, ProfileErrors> {
        let table: Table =
            text.parse().map_err(|problem| ProfileErrors(vec![format!("{name} is no TOML: {problem}")]))?;
        let mut reader = Reader { name, folder, errors: Vec::new() };
        let profile = reader.profile(&table, spec);
        if reader.errors.is_empty() { Ok(profile) } else { Err(ProfileErrors(reader.errors)) }
    }

    /// What is known for a scheme; an empty one where the profile says nothing.
    #[must_use]
    pub fn scheme(&self, id: &str) -> SchemeProfile {
        self.schemes.get(id).cloned().unwrap_or_default()
    }

    /// Takes the accounts of another profile for every scheme for which this one has none.
    pub fn fill_accounts(&mut self, other: &Self) {
        for (id, scheme) in &other.schemes {
            let mine = self.schemes.entry(id.clone()).or_default();
            if mine.accounts.is_empty() {
                mine.accounts.clone_from(&scheme.accounts);
            }
        }
    }
}

struct Reader<'a> {
    name: &'a str,
    folder: &'a Path,
    errors: Vec<String>,
}

impl Reader<'_> {
    fn complain(&mut self, key: &str, problem: &str) {
        self.errors.push(format!("{}: {key}: {problem}", self.name));
    }

    fn profile(&mut self, table: &Table, spec: &Spec) -> Profile {
        let known =
            ["url", "fail_on", "fail_on_inconclusive", "http", "clock", "scheme", "token", "deviation"];
        self.only(table, "", &known);
        let fail_on = self.text(table, "", "fail_on").and_then(|level| match level.as_str() {
            "must" => Some(Level::Must),
            "should" => Some(Level::Should),
            "may" => Some(Level::May),
            _ => {
                self.complain("fail_on", &format!("`{level}` is no level: write must, should or may"));
                None
            }
        });
        let mut profile = Profile {
            url: self.text(table, "", "url"),
            fail_on,
            fail_on_inconclusive: self.flag(table, "fail_on_inconclusive"),
            ..Profile::default()
        };
        if let Some(http) = self.table(table, "", "http") {
            profile.http = self.http(http);
        }
        if let Some(clock) = self.table(table, "", "clock") {
            self.only(clock, "clock", &["advance", "reset"]);
            match self.text(clock, "clock", "advance") {
                Some(advance) => {
                    let reset = self.text(clock, "clock", "reset");
                    profile.clock = Some(Clock { advance, reset });
                }
                None => self.complain("clock.advance", "is missing: the path that moves the clock"),
            }
        }
        if let Some(schemes) = self.table(table, "", "scheme") {
            let ids: Vec<&str> = spec.schemes().iter().map(|scheme| scheme.id.as_str()).collect();
            self.only(schemes, "scheme", &ids);
            for scheme in spec.schemes() {
                if let Some(table) = self.table(schemes, "scheme", &scheme.id) {
                    let scheme_profile = self.scheme(table, scheme);
                    profile.schemes.insert(scheme.id.clone(), scheme_profile);
                }
            }
        }
        if let Some(tokens) = self.table(table, "", "token") {
            let ids: Vec<&str> = spec.schemes().iter().map(|scheme| scheme.id.as_str()).collect();
            self.only(tokens, "token", &ids);
            for (id, _) in tokens {
                let Some(table) = self.table(tokens, "token", id) else { continue };
                let key = format!("token.{id}");
                self.only(table, &key, &["hs256"]);
                if let Some((hs256, _)) = self.secret(table, &key, "hs256") {
                    profile.keys.insert(id.clone(), SigningKeys { hs256 });
                }
            }
        }
        profile.deviations = self.deviations(table);
        profile
    }

    fn http(&mut self, table: &Table) -> Http {
        self.only(table, "http", &["timeout", "rate", "concurrency", "ca", "headers"]);
        let mut http = Http::default();
        if let Some(text) = self.text(table, "http", "timeout") {
            match duration(&text) {
                Some(timeout) => http.timeout = timeout,
                None => {
                    self.complain("http.timeout", &format!("`{text}` is no time: write \"5s\" or \"800ms\""))
                }
            }
        }
        if let Some(rate) = self.number(table, "http", "rate") {
            http.rate = Some(rate);
        }
        if let Some(concurrency) = self.number(table, "http", "concurrency") {
            http.concurrency = concurrency as usize;
        }
        http.ca = self.text(table, "http", "ca").map(|path| self.folder.join(path));
        if let Some(headers) = self.table(table, "http", "headers") {
            for (name, _) in headers {
                if let Some((value, _)) = self.secret(headers, "http.headers", name) {
                    http.headers.push((name.to_ascii_lowercase(), value));
                }
            }
        }
        http
    }

    fn scheme(&mut self, table: &Table, scheme: &Scheme) -> SchemeProfile {
        let key = format!("scheme.{}", scheme.id);
        let constants: Vec<&str> = scheme
            .step(Step::Login)
            .map(|login| login.request.fields.as_slice())
            .unwrap_or_default()
            .iter()
            .filter(|field| field.role == Role::Constant)
            .map(|field| field.at.name())
            .collect();
        let mut known = vec!["paths", "account", "body", "wallet"];
        known.extend(&constants);
        self.only(table, &key, &known);
        let mut profile = SchemeProfile::default();
        if let Some(paths) = self.table(table, &key, "paths") {
            let names: Vec<&str> =
                scheme.operations.iter().map(|operation| operation.name.as_str()).collect();
            let key = format!("{key}.paths");
            self.only(paths, &key, &names);
            for name in names {
                if let Some(path) = self.text(paths, &key, name) {
                    if path.starts_with('/') {
                        profile.paths.insert(name.to_owned(), path);
                    } else {
                        self.complain(&format!("{key}.{name}"), "must start with /");
                    }
                }
            }
        }
        profile.body = self.text(table, &key, "body").and_then(|body| match body.as_str() {
            "json" => Some(Encoding::Json),
            "form" => Some(Encoding::Form),
            _ => {
                self.complain(&format!("{key}.body"), &format!("`{body}` is neither json nor form"));
                None
            }
        });
        profile.wallet = self.secret(table, &key, "wallet").map(|(wallet, _)| wallet);
        for name in constants {
            if let Some((value, _)) = self.secret(table, &key, name) {
                profile.constants.insert(name.to_owned(), value.expose_secret().to_owned());
            }
        }
        if let Some(accounts) = table.get("account") {
            profile.accounts = self.accounts(accounts, &format!("{key}.account"), scheme);
        }
        profile
    }

    fn accounts(&mut self, value: &Value, key: &str, scheme: &Scheme) -> Vec<Account> {
        let Some(fields) = &scheme.account else {
            self.complain(key, "this scheme has no accounts: its wallets register themselves");
            return Vec::new();
        };
        let Some(tables) = value.as_array() else {
            self.complain(key, &format!("write [[{key}]] tables"));
            return Vec::new();
        };
        let mut known = vec![fields.identifier.as_str(), fields.password.as_str()];
        known.extend(fields.flags.iter().map(String::as_str));
        let mut accounts = Vec::new();
        for table in tables {
            let Some(table) = table.as_table() else {
                self.complain(key, &format!("write [[{key}]] tables"));
                continue;
            };
            self.only(table, key, &known);
            for name in [&fields.identifier, &fields.password] {
                if !table.contains_key(name) {
                    self.complain(&format!("{key}.{name}"), "is missing");
                }
            }
            let identifier = self.secret(table, key, &fields.identifier);
            let password = self.secret(table, key, &fields.password);
            let flags: Vec<String> =
                fields.flags.iter().filter(|flag| self.flag(table, flag)).cloned().collect();
            if let (Some((identifier, _)), Some((password, variable))) = (identifier, password) {
                accounts.push(Account {
                    identifier: identifier.expose_secret().to_owned(),
                    password,
                    variable,
                    flags: flags.into_iter().collect(),
                });
            }
        }
        accounts
    }

    fn deviations(&mut self, table: &Table) -> Vec<Deviation> {
        let (deviations, mistakes) = crate::deviation::read(table);
        mistakes.iter().for_each(|(key, problem)| self.complain(key, problem));
        deviations
    }

    /// Complains of every key that is not known, with the nearest one that is.
    fn only(&mut self, table: &Table, at: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let place = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            let hint = match nearest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.complain(&place, &format!("is not known; {hint}"));
        }
    }

    fn table<'t>(&mut self, table: &'t Table, at: &str, key: &str) -> Option<&'t Table> {
        let value = table.get(key)?;
        if value.as_table().is_none() {
            self.complain(&join(at, key), "must be a table");
        }
        value.as_table()
    }

    fn text(&mut self, table: &Table, at: &str, key: &str) -> Option<String> {
        let value = table.get(key)?;
        if value.as_str().is_none() {
            self.complain(&join(at, key), "must be a text in quotes");
        }
        value.as_str().map(str::to_owned)
    }

    fn number(&mut self, table: &Table, at: &str, key: &str) -> Option<u32> {
        let value = table.get(key)?;
        let number =
            value.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        if number.is_none() {
            self.complain(&join(at, key), "must be a whole number above zero");
        }
        number
    }

    fn flag(&mut self, table: &Table, key: &str) -> bool {
        match table.get(key) {
            None => false,
            Some(Value::Boolean(flag)) => *flag,
            Some(_) => {
                self.complain(key, "must be true or false");
                false
            }
        }
    }

    /// A text that may stand elsewhere: `env:NAME` or `file:PATH`; with the variable's name where it is one.
    fn secret(&mut self, table: &Table, at: &str, key: &str) -> Option<(SecretString, Option<String>)> {
        let text = self.text(table, at, key)?;
        if let Some(name) = text.strip_prefix("env:") {
            return match std::env::var(name) {
                Ok(value) => Some((value.into(), Some(name.to_owned()))),
                Err(_) => {
                    self.complain(&join(at, key), &format!("the environment has no variable {name}: set it"));
                    None
                }
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            let path = self.folder.join(path);
            return match std::fs::read_to_string(&path) {
                Ok(value) => Some((value.trim_end_matches(['\r', '\n']).to_owned().into(), None)),
                Err(problem) => {
                    self.complain(&join(at, key), &format!("{}: {problem}", path.display()));
                    None
                }
            };
        }
        Some((text.into(), None))
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// The nearest known word, unless none is near.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3)
        .map(|(_, candidate)| candidate)
}

/// Reads `5s`, `800ms` or `2m`.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..split].parse().ok()?;
    match &text[split..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        _ => None,
    }
    .filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Profile, ProfileErrors> {
        Profile::parse(text, "target.toml", Path::new("."), Spec::embedded())
    }

    #[test]
    fn a_full_profile_is_read() {
        let profile = parse(
            r#"
            url = "http://127.0.0.1:8080"
            fail_on = "must"
            [http]
            timeout = "800ms"
            rate = 200
            [clock]
            advance = "/__clock"
            [scheme.ethgas]
            paths = { refresh = "/r" }
            [[scheme.ethgas.account]]
            username = "ada"
            password = "correct"
            [scheme.web3mq]
            testnet_access_key = "k"
            [[deviation]]
            check = "ethgas::flow::login-works"
            reason = "being mended"
            "#,
        )
        .unwrap();
        assert_eq!(profile.fail_on, Some(Level::Must));
        assert_eq!(profile.http.timeout, Duration::from_millis(800));
        assert_eq!(profile.schemes["ethgas"].accounts[0].identifier, "ada");
        assert_eq!(profile.schemes["web3mq"].constants["testnet_access_key"], "k");
        assert_eq!(profile.deviations.len(), 1);
    }

    #[test]
    fn a_misspelt_key_is_named_with_the_nearest_known_one() {
        let errors = parse("[htpp]\ntimeout = \"1s\"\n[scheme.ethgas]\npath = {}").unwrap_err().0;
        assert_eq!(errors[0], "target.toml: htpp: is not known; did you mean `http`?");
        assert_eq!(errors[1], "target.toml: scheme.ethgas.path: is not known; did you mean `paths`?");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let text = "[[scheme.ethgas.account]]\nusername = \"a\"\npassword = \"env:COUNTERSIGN_SURELY_UNSET\"";
        assert!(parse(text).unwrap_err().0[0].contains("COUNTERSIGN_SURELY_UNSET"));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let text = "[[scheme.ethgas.account]]\nusername = \"a\"\npassword = \"open sesame\"";
        assert!(!format!("{:?}", parse(text).unwrap()).contains("open sesame"));
    }
}
