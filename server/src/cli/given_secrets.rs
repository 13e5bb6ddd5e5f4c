//! Secrets for tokens that the operator gives: one signs, others are still taken.
//!
//! Those in files are looked at again and again, so that a secret is replaced without a restart.

use super::{Problem, told};
use crate::audit::AuditEvent;
use crate::config::{Config, Moment, Secret, TokenAlgorithm};
use crate::observer;
use crate::token::ring::Following;
use crate::token::{KeyRing, KeyState, Keys, LocalKey, RingKey};
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Where the secrets are.
#[derive(Debug, Clone)]
pub(super) struct GivenSecrets {
    signing: Secret,
    accepted: Vec<Secret>,
    until: Option<Moment>,
}

impl GivenSecrets {
    /// Those of the configuration; nothing where keys are made instead.
    pub(super) fn of(config: &Config) -> Result<Option<Self>, Problem> {
        let token = &config.token;
        let Some(signing) = token.secret.clone() else {
            let stray = !token.accepted_secrets.is_empty() || token.accepted_until.is_some();
            return match stray {
                true => Err("token.accepted_secrets and token.accepted_until go with token.secret; keys that are made are rotated with `countersign-server keys rotate`".into()),
                false => Ok(None),
            };
        };
        if token.algorithm != TokenAlgorithm::Hs256 {
            return Err(
                "token.secret goes with token.algorithm = \"HS256\"; leave it out to have keys made".into()
            );
        }
        if token.ring_secret.is_some() {
            return Err(
                "token.secret is the one key, token.ring_secret seals keys that are made: give only one"
                    .into(),
            );
        }
        if token.accepted_until.is_some() && token.accepted_secrets.is_empty() {
            return Err("token.accepted_until goes with token.accepted_secrets: leave it out".into());
        }
        let accepted = token.accepted_secrets.clone();
        Ok(Some(Self { signing, accepted, until: token.accepted_until }))
    }

    /// Reads them.
    pub(super) fn keys(&self) -> Result<Keys, Problem> {
        let signing = key(SIGNING, &self.signing)?.ok_or_else(|| format!("{SIGNING} is empty"))?;
        let state = KeyState::Accepted { until: self.until.map(Moment::timestamp) };
        let mut others = Vec::new();
        for secret in &self.accepted {
            // An empty file is how the last one is taken away under a running server.
            if let Some(key) = key(ACCEPTED, secret)? {
                others.push(RingKey { signer: Arc::new(key), state });
            }
        }
        Ok(Keys::new(Arc::new(signing), others))
    }

    /// The files they are in, each with its setting.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let accepted = self.accepted.iter().map(|secret| (ACCEPTED, secret));
        let all = std::iter::once((SIGNING, &self.signing)).chain(accepted);
        all.filter_map(|(name, secret)| secret.file().map(|path| (name, path)))
    }

    /// Hands what changes in the files to the ring, for as long as what this returns is held; nothing where no secret is
    /// in a file.
    pub(super) fn follow(self, ring: KeyRing) -> Option<Following> {
        self.files().next()?;
        Some(Following::of(observer::carry(self.run(ring))))
    }

    async fn run(self, ring: KeyRing) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = ring.now().names();
        let mut told = String::new();
        loop {
            every.tick().await;
            let secrets = self.clone();
            let read = tokio::task::spawn_blocking(move || secrets.keys()).await;
            match read.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(keys) => {
                    told.clear();
                    let names = keys.names();
                    // A file may be half written: what is the same at two looks is meant.
                    let settled = std::mem::replace(&mut seen, names.clone()) == names;
                    if settled && ring.now().names() != names {
                        ring.replace(keys);
                        AuditEvent::KeysChanged { signing: ring.now().current().kid() }.tell();
                    }
                }
                // Once, not every second for as long as it lasts.
                Err(problem) if problem != told => {
                    tracing::error!(
                        problem,
                        "the secrets for tokens could not be read again; those in use stay"
                    );
                    told = problem;
                }
                Err(_) => {}
            }
        }
    }
}

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(1);
const SIGNING: &str = "token.secret";
const ACCEPTED: &str = "token.accepted_secrets";

/// The key of a secret; nothing where the secret is empty.
fn key(name: &str, secret: &Secret) -> Result<Option<LocalKey>, Problem> {
    let text = secret.resolve(name).map_err(told)?;
    if text.expose_secret().is_empty() {
        return Ok(None);
    }
    LocalKey::hs256(text.expose_secret().as_bytes()).map(Some).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Result<Option<GivenSecrets>, Problem> {
        let config: Config = toml::from_str(text).unwrap();
        GivenSecrets::of(&config)
    }

    const ONE: &str = "a secret of 36 letters for tests one";
    const TWO: &str = "a secret of 36 letters for tests two";

    #[test]
    fn one_signs_and_the_others_are_taken_until_their_time_is_over() {
        let text = format!(
            "[token]\nsecret = \"{ONE}\"\naccepted_secrets = [\"{TWO}\", \"{ONE}\", \"\"]\naccepted_until = 2027-01-31T00:00:00Z\n"
        );
        let keys = given(&text).unwrap().unwrap().keys().unwrap();
        let [one, two] = [ONE, TWO].map(|secret| LocalKey::hs256(secret.as_bytes()).unwrap());
        let name = |key: LocalKey| crate::token::Signer::kid(&key).to_owned();
        let (one, two) = (name(one), name(two));
        assert_eq!(keys.current().kid(), one);
        assert_eq!(keys.find(&one).unwrap().state, KeyState::Current, "it is also named among the others");
        let KeyState::Accepted { until: Some(until) } = keys.find(&two).unwrap().state else { panic!() };
        assert_eq!(until.secs(), 1_801_353_600);
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let secret = format!("secret = \"{ONE}\"\n");
        for (text, expected) in [
            (format!("accepted_secrets = [\"{TWO}\"]"), "go with token.secret"),
            ("accepted_until = 2027-01-31T00:00:00Z".to_owned(), "go with token.secret"),
            (format!("{secret}accepted_until = 2027-01-31T00:00:00Z"), "goes with token.accepted_secrets"),
            (format!("{secret}algorithm = \"ES256\""), "HS256"),
            (format!("{secret}ring_secret = \"{TWO}\""), "give only one"),
        ] {
            let problem = given(&format!("[token]\n{text}\n")).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        assert!(given("").unwrap().is_none());
        let weak = given(&format!("[token]\n{secret}accepted_secrets = [\"secret\"]\n")).unwrap().unwrap();
        let problem = weak.keys().unwrap_err();
        assert!(
            problem.starts_with("token.accepted_secrets: ") && problem.contains("openssl rand"),
            "{problem}"
        );
    }
}
