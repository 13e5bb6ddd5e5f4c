//! `target.toml`: where the target is, who may log in, what it can do, and what is known to be wrong with it.
//!
//! Unknown keys are mistakes, named with the nearest known one, because a misspelt key would silently switch checks off.
//! [`keys::KEYS`] lists every key with its meaning.
//!
#![doc = include_str!("../docs/profile.md")]

pub mod keys;
mod read;
pub mod wfc;

pub use crate::deviation::Deviation;
pub use read::Unresolved;

use crate::proxy::Proxy;
use countersign_spec::{Encoding, Level, Spec};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// What of a file of credentials was not used, and why, a line each.
    pub notes: Vec<String>,
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
    /// Version of HTTP, known beforehand.
    pub version: Version,
    /// PEM file of further trust anchors.
    pub ca: Option<PathBuf>,
    /// What to show to a target that asks for a certificate.
    pub identity: Option<Identity>,
    /// What every connection is tunnelled through.
    pub proxy: Option<Proxy>,
    /// Headers added to every request.
    pub headers: Vec<(String, SecretString)>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            rate: None,
            concurrency: 8,
            version: Version::Http1,
            ca: None,
            identity: None,
            proxy: None,
            headers: Vec::new(),
        }
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, else by prior knowledge.
    Http2,
}

/// A client's certificate and its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate chain.
    pub certificate: Vec<u8>,
    /// Where it was read from.
    pub certificate_file: PathBuf,
    /// The key.
    pub key: SecretString,
    /// Where it was read from; none where it came from the environment.
    pub key_file: Option<PathBuf>,
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
    /// Words of signed texts, where the target's own differ from the scheme's: its domain, its URI.
    pub words: BTreeMap<String, String>,
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
        let (profile, unresolved) = Self::parse_leniently(text, name, folder, spec)?;
        if unresolved.is_empty() {
            return Ok(profile);
        }
        Err(ProfileErrors(unresolved.into_iter().map(|secret| format!("{name}: {secret}")).collect()))
    }

    /// Reads a profile whose secrets may not be there yet: those that are not stand as empty texts, and are returned.
    ///
    /// # Errors
    /// Every other mistake, each naming its key.
    pub fn parse_leniently(
        text: &str,
        name: &str,
        folder: &Path,
        spec: &Spec,
    ) -> Result<(Self, Vec<Unresolved>), ProfileErrors> {
        read::read(text, name, folder, spec).map_err(ProfileErrors)
    }

    /// Takes what it can use from credentials in the form of Web Fuzzing Commons; accounts of its own go first.
    ///
    /// # Errors
    /// A file that is not there or not of that form.
    pub fn add_credentials(&mut self, path: &Path, spec: &Spec) -> Result<(), ProfileErrors> {
        let named = |problem: String| ProfileErrors(vec![format!("{}: {problem}", path.display())]);
        let text = std::fs::read_to_string(path).map_err(|problem| named(problem.to_string()))?;
        wfc::apply(&text, &path.display().to_string(), self, spec).map_err(named)
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
    fn both_parts_of_a_certificate_are_wanted() {
        let errors = parse("[http]\nclient_cert = \"c.pem\"").unwrap_err().0;
        assert!(errors.iter().any(|line| line.contains("http.client_key: is missing")), "{errors:#?}");
        let errors = parse("[http]\nclient_key = \"/nowhere/k.pem\"").unwrap_err().0;
        assert!(errors.iter().any(|line| line.contains("http.client_cert: is missing")), "{errors:#?}");
        assert!(errors.iter().any(|line| line.contains("http.client_key: /nowhere/k.pem")), "{errors:#?}");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        let errors = parse("[http]\nproxy = \"https://me:hunter22@proxy\"").unwrap_err().to_string();
        assert!(errors.contains("http.proxy") && !errors.contains("hunter22"), "{errors}");
    }

    #[test]
    fn secrets_that_are_not_there_are_told_one_by_one() {
        let text = "[http.headers]\nx-key = \"env:COUNTERSIGN_SURELY_UNSET\"\ny-key = \"file:/nowhere/key\"";
        let (profile, unresolved) =
            Profile::parse_leniently(text, "t", Path::new("."), Spec::embedded()).unwrap();
        assert_eq!(profile.http.headers.len(), 2);
        let keys: Vec<&str> = unresolved.iter().map(|secret| secret.key.as_str()).collect();
        assert_eq!(keys, ["http.headers.x-key", "http.headers.y-key"]);
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let text = "[[scheme.ethgas.account]]\nusername = \"a\"\npassword = \"open sesame\"";
        assert!(!format!("{:?}", parse(text).unwrap()).contains("open sesame"));
    }
}
