//! A change of accounts, as a value: carried out here, or sent to the server that has the store for itself.

use super::{found_scheme, told};
use crate::accounts::{Accounts, Listed, Seed};
use crate::audit::AuditEvent;
use crate::cli::Problem;
use countersign_spec::Spec;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is to be done with accounts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cli) enum Change {
    Add {
        who: Who,
        #[serde(with = "exposed")]
        password: SecretString,
        marks: BTreeSet<String>,
    },
    Disable(Who),
    Enable(Who),
    List {
        scheme: Option<String>,
    },
    Passwd {
        who: Who,
        #[serde(with = "exposed")]
        password: SecretString,
    },
    Remove(Who),
}

/// Which account.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Who {
    /// The scheme, such as ethgas
    #[arg(value_name = "SCHEME")]
    pub(super) scheme: String,
    /// The name that is logged in with
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Done {
    /// An account was changed; in words, for people.
    Changed { who: Who, change: String },
    /// The accounts of some schemes.
    Listed(Vec<(String, Vec<Listed>)>),
}

impl Change {
    /// Does it, and tells whoever watches.
    pub(in crate::cli) async fn carry_out(self, accounts: &Accounts) -> Result<Done, Problem> {
        let (who, change) = match self {
            Self::List { scheme } => return list(accounts, scheme.as_deref()).await,
            Self::Add { who, password, marks } => {
                found_scheme(&who.scheme)?;
                let Who { scheme, name } = who.clone();
                accounts.add(&Seed { scheme, name, password, flags: marks }).await.map_err(told)?;
                (who, "added")
            }
            Self::Disable(who) => (found(accounts.disable(&who.scheme, &who.name).await, who)?, "disabled"),
            Self::Enable(who) => (found(accounts.enable(&who.scheme, &who.name).await, who)?, "enabled"),
            Self::Passwd { who, password } => {
                let changed = accounts.set_password(&who.scheme, &who.name, &password).await;
                (found(changed, who)?, "given another password")
            }
            Self::Remove(who) => (found(accounts.remove(&who.scheme, &who.name).await, who)?, "removed"),
        };
        AuditEvent::AccountChanged { scheme: &who.scheme, name: &who.name, change }.tell();
        Ok(Done::Changed { who, change: change.to_owned() })
    }
}

async fn list(accounts: &Accounts, scheme: Option<&str>) -> Result<Done, Problem> {
    let with_accounts = Spec::embedded().schemes().iter().filter(|one| one.account.is_some());
    let mut listed = Vec::new();
    for one in with_accounts.filter(|one| scheme.is_none_or(|scheme| scheme == one.id)) {
        listed.push((one.id.clone(), accounts.list(&one.id).await.map_err(told)?));
    }
    Ok(Done::Listed(listed))
}

fn found(changed: Result<bool, impl ToString>, who: Who) -> Result<Who, Problem> {
    if changed.map_err(told)? {
        return Ok(who);
    }
    let Who { scheme, name } = who;
    Err(format!("{scheme} has no account `{}`: see `accounts list {scheme}`", name.escape_debug()))
}

/// A password on its way to the process that hashes it, through a socket that only its owner may open.
mod exposed {
    use secrecy::{ExposeSecret as _, SecretString};
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
        secret.expose_secret().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
        String::deserialize(deserializer).map(Into::into)
    }
}
