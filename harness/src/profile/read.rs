//! How the text of a profile becomes one.

use super::{
    Account, Clock, Deviation, Http, Identity, Profile, SchemeProfile, SigningKeys, Version, keys, nearest,
};
use crate::proxy::Proxy;
use countersign_spec::{Encoding, Level, Role, Scheme, Spec, Step};
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;
use std::time::Duration;
use toml::{Table, Value};

/// Reads a profile, and tells secrets that are not there apart from mistakes.
pub(super) fn read(
    text: &str,
    name: &str,
    folder: &Path,
    spec: &Spec,
) -> Result<(Profile, Vec<Unresolved>), Vec<String>> {
    let table: Table = text.parse().map_err(|problem| vec![format!("{name} is no TOML: {problem}")])?;
    let mut reader = Reader { name, folder, errors: Vec::new(), unresolved: Vec::new() };
    let profile = reader.profile(&table, spec);
    if reader.errors.is_empty() {
        return Ok((profile, reader.unresolved));
    }
    let unresolved = reader.unresolved.iter().map(|secret| format!("{name}: {secret}"));
    reader.errors.extend(unresolved);
    Err(reader.errors)
}

/// A secret that stands elsewhere and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The key that names it.
    pub key: String,
    /// Why it is not there and how to mend that.
    pub why: String,
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

struct Reader<'a> {
    name: &'a str,
    folder: &'a Path,
    errors: Vec<String>,
    unresolved: Vec<Unresolved>,
}

impl Reader<'_> {
    fn complain(&mut self, key: &str, problem: &str) {
        self.errors.push(format!("{}: {key}: {problem}", self.name));
    }

    fn profile(&mut self, table: &Table, spec: &Spec) -> Profile {
        self.only(table, "", &keys::below(""));
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
            fail_on_inconclusive: self.flag(table, "", "fail_on_inconclusive"),
            ..Profile::default()
        };
        if let Some(http) = self.table(table, "", "http") {
            profile.http = self.http(http);
        }
        if let Some(clock) = self.table(table, "", "clock") {
            self.only(clock, "clock", &keys::below("clock"));
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
                self.only(table, &key, &keys::below("token.ID"));
                if let Some((hs256, _)) = self.secret(table, &key, "hs256") {
                    profile.keys.insert(id.clone(), SigningKeys { hs256 });
                }
            }
        }
        profile.deviations = self.deviations(table);
        let credentials = self.table(table, "", "http").and_then(|http| self.text(http, "http", "wfc"));
        if let Some(path) = credentials
            && let Err(problems) = profile.add_credentials(&self.folder.join(path), spec)
        {
            problems.0.iter().for_each(|problem| self.complain("http.wfc", problem));
        }
        profile
    }

    fn http(&mut self, table: &Table) -> Http {
        self.only(table, "http", &keys::below("http"));
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
        match self.text(table, "http", "version").as_deref() {
            None | Some("1.1") => {}
            Some("2") => http.version = Version::Http2,
            Some(other) => self.complain("http.version", &format!("`{other}`: write \"1.1\" or \"2\"")),
        }
        http.identity = self.identity(table);
        if let Some((proxy, _)) = self.secret(table, "http", "proxy")
            && !proxy.expose_secret().is_empty()
        {
            match Proxy::parse(proxy.expose_secret()) {
                Ok(proxy) => http.proxy = Some(proxy),
                Err(problem) => self.complain("http.proxy", problem),
            }
        }
        if let Some(headers) = self.table(table, "http", "headers") {
            for (name, _) in headers {
                if let Some((value, _)) = self.secret(headers, "http.headers", name) {
                    http.headers.push((name.to_ascii_lowercase(), value));
                }
            }
        }
        http
    }

    /// A certificate and its key, which mean nothing without each other.
    fn identity(&mut self, table: &Table) -> Option<Identity> {
        let certificate = self.text(table, "http", "client_cert").and_then(|path| {
            let path = self.folder.join(path);
            let problem = match std::fs::read(&path) {
                Ok(certificate) => return Some((certificate, path)),
                Err(problem) => problem,
            };
            self.complain("http.client_cert", &format!("{}: {problem}", path.display()));
            None
        });
        // A key is never written into a profile, so that a text without a prefix can only be a path.
        let given = table.get("client_key").and_then(Value::as_str);
        let key = match given.filter(|text| !text.starts_with("env:") && !text.starts_with("file:")) {
            Some(path) => Some(self.secret_file("http.client_key", path)),
            None => self.secret(table, "http", "client_key").map(|(key, _)| key),
        };
        for (name, other, what) in [
            ("client_key", "client_cert", "a certificate needs its key"),
            ("client_cert", "client_key", "a key needs its certificate"),
        ] {
            if table.contains_key(other) && !table.contains_key(name) {
                self.complain(&format!("http.{name}"), &format!("is missing: {what}"));
            }
        }
        let (certificate, certificate_file) = certificate?;
        let file = given.filter(|text| !text.starts_with("env:"));
        let key_file = file.map(|path| self.folder.join(path.strip_prefix("file:").unwrap_or(path)));
        Some(Identity { certificate, certificate_file, key: key?, key_file })
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
        let mut known = keys::below("scheme.ID");
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
        if let Some(words) = self.table(table, &key, "words") {
            let names: Vec<&str> = scheme.proof.words.keys().map(String::as_str).collect();
            let key = format!("{key}.words");
            self.only(words, &key, &names);
            for name in names {
                if let Some(word) = self.text(words, &key, name) {
                    profile.words.insert(name.to_owned(), word);
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
                fields.flags.iter().filter(|flag| self.flag(table, key, flag)).cloned().collect();
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

    fn flag(&mut self, table: &Table, at: &str, key: &str) -> bool {
        match table.get(key) {
            None => false,
            Some(Value::Boolean(flag)) => *flag,
            Some(_) => {
                self.complain(&join(at, key), "must be true or false");
                false
            }
        }
    }

    /// A text that may stand elsewhere: `env:NAME` or `file:PATH`; with the variable's name where it is one.
    fn secret(&mut self, table: &Table, at: &str, key: &str) -> Option<(SecretString, Option<String>)> {
        let text = self.text(table, at, key)?;
        if let Some(name) = text.strip_prefix("env:") {
            let value = std::env::var(name).unwrap_or_else(|_| {
                let why = format!("the environment has no variable {name}: set it");
                self.unresolved.push(Unresolved { key: join(at, key), why });
                String::new()
            });
            return Some((value.into(), Some(name.to_owned())));
        }
        if let Some(path) = text.strip_prefix("file:") {
            return Some((self.secret_file(&join(at, key), path), None));
        }
        Some((text.into(), None))
    }

    /// The content of a file without the line's end; empty where it is not there.
    fn secret_file(&mut self, key: &str, path: &str) -> SecretString {
        let path = self.folder.join(path);
        let value = std::fs::read_to_string(&path).unwrap_or_else(|problem| {
            let why = format!("{}: {problem}", path.display());
            self.unresolved.push(Unresolved { key: key.to_owned(), why });
            String::new()
        });
        value.trim_end_matches(['\r', '\n']).to_owned().into()
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// Reads `5s`, `800ms` or `2m`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
    .filter(|duration| !duration.is_zero())
}
