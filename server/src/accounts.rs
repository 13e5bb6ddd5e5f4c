//! Accounts that exist before a login, for schemes whose proof is a password.

mod index;
mod manage;

use crate::client::Source;
use crate::env::Timestamp;
use crate::error::{Denied, LoginError};
use crate::password::{MAX_PASSWORD, PasswordHash, Passwords};
use crate::store::tables::{key, read, write};
use crate::store::{Key, Put, Space, Store};
use bytes::Bytes;
use index::Index;
pub use manage::Listed;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeSet;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization as _;

/// An account as a scheme sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, as it was created.
    pub name: String,
    /// Its number within the scheme, from 1 and never given twice.
    pub number: u64,
    epoch: u64,
    flags: BTreeSet<String>,
}

impl Account {
    /// How often all its sessions were ended; sessions from before the last time are over.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the account carries this mark.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }
}

/// An account that shall exist.
#[derive(Clone)]
pub struct Seed {
    /// The scheme.
    pub scheme: String,
    /// The name.
    pub name: String,
    /// The password.
    pub password: secrecy::SecretString,
    /// Marks it carries.
    pub flags: BTreeSet<String>,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seed").field("scheme", &self.scheme).field("name", &self.name).finish_non_exhaustive()
    }
}

/// An account could not be created.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is such an account already.
    #[error("{scheme} has an account `{name}` already: give that another password with `accounts passwd`")]
    Exists {
        /// The scheme.
        scheme: String,
        /// The name.
        name: String,
    },
    /// The store or the hashing pool failed.
    #[error("the account `{name}` of {scheme} could not be stored: {source}")]
    Failed {
        /// The scheme.
        scheme: String,
        /// The name.
        name: String,
        /// Why.
        source: LoginError,
    },
    /// Another account's name looks the same.
    #[error(
        "the account name `{name}` of {scheme} is too much like `{other}`: they differ only in case or in how they are written"
    )]
    LooksLike {
        /// The scheme.
        scheme: String,
        /// The name.
        name: String,
        /// The other.
        other: String,
    },
    /// The password cannot be one.
    #[error("the password of `{name}` of {scheme} must have between 1 and {MAX_PASSWORD} bytes")]
    Password {
        /// The scheme.
        scheme: String,
        /// The name.
        name: String,
    },
    /// The name cannot be one.
    #[error("an account name of {scheme} must have between 1 and {MAX_NAME} bytes")]
    Name {
        /// The scheme.
        scheme: String,
    },
}

/// Bytes a name may have.
pub const MAX_NAME: usize = 256;

/// The accounts of all schemes.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    passwords: Passwords,
}

/// What is kept about an account, written without the names of its members, as it is read with every request of a session.
#[derive(Deserialize)]
struct Record {
    name: String,
    number: u64,
    password: String,
    #[serde(default)]
    disabled: bool,
    /// Gone; kept so that its number and epoch are not another's.
    #[serde(default)]
    removed: bool,
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    flags: BTreeSet<String>,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // All of it, so that whoever adds a member has to add it here; in the order that it and `Stands` are read in.
        let Self { name, number, password, disabled, removed, epoch, flags } = self;
        (name, number, password, disabled, removed, epoch, flags).serialize(serializer)
    }
}

/// Whether a write may change an account that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Add,
    Seed,
}

impl Record {
    fn account(self) -> Account {
        Account { name: self.name, number: self.number, epoch: self.epoch, flags: self.flags }
    }
}

impl Accounts {
    /// Accounts in this store, their passwords hashed by this pool.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>, passwords: Passwords) -> Self {
        Self { store, passwords }
    }

    /// The same accounts, for a caller whose passwords wait in the line of this source.
    #[must_use]
    pub fn on_behalf_of(&self, source: Source) -> Self {
        Self { store: self.store.clone(), passwords: self.passwords.on_behalf_of(source) }
    }

    /// The account of this name, if the password is its own. Its hash is made anew where it cost less than hashes do by now.
    ///
    /// # Errors
    /// [`Denied::Credentials`] alike for a wrong password, an unknown name and a disabled account, each after one hash
    /// through the same queue; or that the store or the pool cannot serve.
    pub async fn log_in(&self, scheme: &str, name: &str, password: &str) -> Result<Account, LoginError> {
        let refused = |reason: &'static str| LoginError::new(Denied::Credentials, reason);
        //= common.credential.empty
        //= common.credential.hostile-text
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Err(refused("the password is longer or shorter than any"));
        }
        let stored = match name.len() {
            0..=MAX_NAME => self.store.get(&account_key(scheme, name)).await?,
            _ => None,
        };
        let record = stored.as_deref().map(read::<Record>).transpose()?.filter(|record| !record.removed);
        let hash = record.as_ref().and_then(|record| PasswordHash::parse(&record.password));
        //= common.credential.no-enumeration
        //= common.credential.no-enumeration-headers
        //= common.credential.unknown-account
        let matches = self.passwords.matches(hash.as_ref(), password).await?;
        match record {
            None => Err(refused("unknown name")),
            //= common.credential.wrong
            Some(_) if !matches => Err(refused("wrong password")),
            Some(record) if record.disabled => Err(refused("the account is disabled")),
            Some(mut record) => {
                let outdated = hash.is_some_and(|hash| self.passwords.is_outdated(&hash));
                if let (true, Some(was)) = (outdated, stored) {
                    record = self.strengthen(scheme, was, record, password).await;
                }
                Ok(record.account())
            }
        }
    }

    /// Hashes a password anew and keeps that, unless the record has changed meanwhile. What fails here is tried again at
    /// the next login and is no reason to refuse this one.
    async fn strengthen(&self, scheme: &str, was: Bytes, mut record: Record, password: &str) -> Record {
        let stronger = async {
            record.password = self.passwords.hash(password).await?.to_string();
            let key = account_key(scheme, &record.name);
            self.store.swap(&key, was, write(&record)?, Timestamp::NEVER).await?;
            Ok::<_, LoginError>(())
        };
        if let Err(error) = stronger.await {
            tracing::debug!(%error, "a password was not hashed anew");
        }
        record
    }

    /// The account of this name, if it may log in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, scheme: &str, name: &str) -> Result<Option<Account>, LoginError> {
        Ok(self.record(scheme, name).await?.filter(|record| !record.disabled).map(Record::account))
    }

    /// Refuses the account from now on and ends its sessions; says whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disable(&self, scheme: &str, name: &str) -> Result<bool, LoginError> {
        self.change(scheme, name, |record| record.disabled = true).await
    }

    /// Ends all sessions of the account; says whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_sessions(&self, scheme: &str, name: &str) -> Result<bool, LoginError> {
        self.change(scheme, name, |_| {}).await
    }

    /// Changes the account and begins another epoch, in the same write: whatever ends sessions costs one write, however
    /// many there are, and no session can begin between the two.
    async fn change(
        &self,
        scheme: &str,
        name: &str,
        change: impl Fn(&mut Record),
    ) -> Result<bool, LoginError> {
        let key = key(Space::Durable, "account", scheme, &[name]);
        for _ in 0..ATTEMPTS {
            let Some(was) = self.store.get(&key).await? else { return Ok(false) };
            let mut record: Record = read(&was)?;
            if record.removed {
                return Ok(false);
            }
            record.epoch += 1;
            change(&mut record);
            if self.store.swap(&key, was, write(&record)?, Timestamp::NEVER).await? {
                return Ok(true);
            }
        }
        Err(LoginError::internal("an account changed too often"))
    }

    /// Makes the account exist with this password and these marks; what is so already stays untouched. Another password
    /// than before ends all sessions.
    ///
    /// # Errors
    /// When name or password cannot be one, when another name looks the same, or when the store or the pool fails.
    pub async fn seed(&self, seed: &Seed) -> Result<(), AccountError> {
        self.write(seed, Writing::Seed).await.map(drop)
    }

    /// Writes an account; says whether it may, which only [`Writing::Add`] may not.
    async fn write(&self, seed: &Seed, writing: Writing) -> Result<bool, AccountError> {
        use secrecy::ExposeSecret as _;
        let Seed { scheme, name, password, .. } = seed;
        let password = password.expose_secret();
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(AccountError::Name { scheme: scheme.clone() });
        }
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Err(AccountError::Password { scheme: scheme.clone(), name: name.clone() });
        }
        let failed = |source| AccountError::Failed { scheme: scheme.clone(), name: name.clone(), source };
        if let Some(other) = self.claim(scheme, name).await.map_err(failed)? {
            return Err(AccountError::LooksLike { scheme: scheme.clone(), name: name.clone(), other });
        }
        self.store_record(seed, writing).await.map_err(failed)
    }

    /// Writes the account. Replicas that start together all seed: whoever loses finds what the winner wrote.
    async fn store_record(&self, seed: &Seed, writing: Writing) -> Result<bool, LoginError> {
        let Seed { scheme, name, password, flags } = seed;
        let password = secrecy::ExposeSecret::expose_secret(password);
        let key = key(Space::Durable, "account", scheme, &[name]);
        for _ in 0..ATTEMPTS {
            let was = self.store.get(&key).await?;
            let present: Option<Record> = was.as_deref().map(read).transpose()?;
            let mut same = false;
            // Somebody new who has the name of somebody gone is another, and no session of the old one is theirs.
            let gone = present.as_ref().filter(|record| record.removed).map(|record| record.epoch + 1);
            let present = present.filter(|record| !record.removed);
            if let Some(record) = &present {
                if writing == Writing::Add {
                    return Ok(false);
                }
                let hash = PasswordHash::parse(&record.password);
                same = self.passwords.matches(hash.as_ref(), password).await?;
                if same && record.flags == *flags {
                    return Ok(true);
                }
            }
            let number = match &present {
                Some(record) => record.number,
                None => {
                    self.store
                        .bump(&Key::new(Space::Durable, &format!("serial/{scheme}")), Timestamp::NEVER)
                        .await?
                }
            };
            Index::new(self.store.as_ref(), scheme).enter(name, number).await?;
            let record = Record {
                name: name.clone(),
                number,
                password: self.passwords.hash(password).await?.to_string(),
                disabled: present.as_ref().is_some_and(|record| record.disabled),
                removed: false,
                epoch: present
                    .map_or_else(|| gone.unwrap_or_default(), |record| record.epoch + u64::from(!same)),
                flags: flags.clone(),
            };
            //= common.credential.own
            //= common.credential.injection
            let value = write(&record)?;
            let stored = match was {
                None => self.store.put(&key, value, Timestamp::NEVER, Put::New).await?,
                Some(was) => self.store.swap(&key, was, value, Timestamp::NEVER).await?,
            };
            if stored {
                return Ok(true);
            }
        }
        Err(LoginError::internal("an account changed too often"))
    }

    /// Takes the folded form of a name; answers who holds it if that is another.
    async fn claim(&self, scheme: &str, name: &str) -> Result<Option<String>, LoginError> {
        let key = key(Space::Durable, "folded", scheme, &[&folded(name)]);
        if self.store.put(&key, write(&name)?, Timestamp::NEVER, Put::New).await? {
            return Ok(None);
        }
        let holder = self.store.get(&key).await?.map(|bytes| read::<String>(&bytes)).transpose()?;
        Ok(holder.filter(|holder| holder != name))
    }

    async fn record(&self, scheme: &str, name: &str) -> Result<Option<Record>, LoginError> {
        if name.len() > MAX_NAME {
            return Ok(None);
        }
        let key = account_key(scheme, name);
        self.store.get(&key).await?.map(|bytes| read(&bytes)).transpose()
    }
}

/// Whether sessions of accounts may go on: what the issuer asks of accounts, and all it can.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    store: Arc<dyn Store>,
}

impl Standing {
    pub(crate) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The present epoch of the account; nothing where it is disabled or gone.
    pub(crate) async fn epoch(&self, scheme: &str, name: &str) -> Result<Option<u64>, LoginError> {
        let stored = self.store.get(&account_key(scheme, name)).await?;
        let stands = stored.map(|bytes| read::<Stands>(&bytes)).transpose()?;
        Ok(stands.filter(|stands| !stands.disabled).map(|stands| stands.epoch))
    }
}

/// What of a [`Record`] decides whether sessions go on. Asked with every request of a session, so no more is read.
#[derive(Deserialize)]
struct Stands {
    #[serde(rename = "name")]
    _name: IgnoredAny,
    #[serde(rename = "number")]
    _number: IgnoredAny,
    #[serde(rename = "password")]
    _password: IgnoredAny,
    #[serde(default)]
    disabled: bool,
    #[serde(default, rename = "removed")]
    _removed: IgnoredAny,
    #[serde(default)]
    epoch: u64,
    #[serde(default, rename = "flags")]
    _flags: IgnoredAny,
}

/// Changes by others that a caller sits out.
const ATTEMPTS: usize = 16;

fn account_key(scheme: &str, name: &str) -> Key {
    key(Space::Durable, "account", scheme, &[name])
}

/// Names that people would take for the same have the same folded form. Used to refuse the second, never to log in.
fn folded(name: &str) -> String {
    let upper: String = name.nfkc().flat_map(char::to_uppercase).collect();
    upper.chars().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests;
