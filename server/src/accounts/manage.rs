//! What an operator does with accounts.

use super::index::Index;
use super::{AccountError, Accounts, MAX_PASSWORD, Record, Seed, Writing};
use crate::error::LoginError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An account as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its number within the scheme.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Whether it is refused.
    pub disabled: bool,
    /// Marks it carries.
    pub flags: BTreeSet<String>,
}

impl Accounts {
    /// All accounts of a scheme, by number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, scheme: &str) -> Result<Vec<Listed>, LoginError> {
        let mut listed = Vec::new();
        for name in Index::new(self.store.as_ref(), scheme).names().await? {
            let Some(record) = self.record(scheme, &name).await?.filter(|record| !record.removed) else {
                continue;
            };
            let Record { name, number, disabled, flags, .. } = record;
            listed.push(Listed { number, name, disabled, flags });
        }
        listed.sort_by_key(|one| one.number);
        Ok(listed)
    }

    /// Makes an account that is not there yet.
    ///
    /// # Errors
    /// [`AccountError::Exists`] when it is; otherwise as [`Self::seed`].
    pub async fn add(&self, seed: &Seed) -> Result<(), AccountError> {
        if self.write(seed, Writing::Add).await? {
            return Ok(());
        }
        Err(AccountError::Exists { scheme: seed.scheme.clone(), name: seed.name.clone() })
    }

    /// Lets a disabled account log in again; says whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enable(&self, scheme: &str, name: &str) -> Result<bool, LoginError> {
        self.change(scheme, name, |record| record.disabled = false).await
    }

    /// Gives an account another password and ends its sessions; says whether there is one.
    ///
    /// # Errors
    /// When the password cannot be one, or the store or the pool fails.
    pub async fn set_password(
        &self,
        scheme: &str,
        name: &str,
        password: &SecretString,
    ) -> Result<bool, AccountError> {
        let password = password.expose_secret();
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Err(AccountError::Password { scheme: scheme.to_owned(), name: name.to_owned() });
        }
        let changed = async {
            let hash = self.passwords.hash(password).await?.to_string();
            self.change(scheme, name, |record| record.password.clone_from(&hash)).await
        };
        let failed =
            |source| AccountError::Failed { scheme: scheme.to_owned(), name: name.to_owned(), source };
        changed.await.map_err(failed)
    }

    /// Removes an account and ends its sessions; says whether there was one.
    ///
    /// Its name is remembered, so that no session of the old account is ever one of a new account of that name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, scheme: &str, name: &str) -> Result<bool, LoginError> {
        let remove = |record: &mut Record| {
            record.removed = true;
            record.disabled = true;
            record.password.clear();
            record.flags.clear();
        };
        self.change(scheme, name, remove).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accounts, seed};
    use super::*;

    #[tokio::test]
    async fn accounts_are_added_once_listed_and_changed() {
        let accounts = accounts();
        for name in ["bob", "ada"] {
            accounts.add(&seed(name, "one")).await.unwrap();
        }
        let again = accounts.add(&seed("ada", "two")).await.unwrap_err();
        assert!(matches!(again, AccountError::Exists { .. }), "{again}");
        assert!(accounts.log_in("s", "ada", "two").await.is_err(), "it was left as it was");
        let names = async || {
            let listed = accounts.list("s").await.unwrap();
            listed.into_iter().map(|one| (one.number, one.name, one.disabled)).collect::<Vec<_>>()
        };
        assert_eq!(names().await, [(1, "bob".into(), false), (2, "ada".into(), false)]);
        assert!(accounts.disable("s", "bob").await.unwrap());
        assert_eq!(names().await[0], (1, "bob".into(), true));
        assert!(accounts.enable("s", "bob").await.unwrap());
        accounts.log_in("s", "bob", "one").await.unwrap();
        assert!(accounts.set_password("s", "bob", &"three".into()).await.unwrap());
        assert!(accounts.log_in("s", "bob", "one").await.is_err());
        accounts.log_in("s", "bob", "three").await.unwrap();
        assert!(!accounts.set_password("s", "nobody", &"three".into()).await.unwrap());
        assert!(accounts.set_password("s", "bob", &"".into()).await.is_err());
        assert!(accounts.list("other").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_removed_account_is_gone_and_its_name_s_next_owner_is_another() {
        let accounts = accounts();
        accounts.add(&seed("ada", "one")).await.unwrap();
        let before = accounts.log_in("s", "ada", "one").await.unwrap();
        assert!(accounts.remove("s", "ada").await.unwrap());
        for call in [accounts.remove("s", "ada").await, accounts.enable("s", "ada").await] {
            assert!(!call.unwrap());
        }
        assert!(accounts.log_in("s", "ada", "one").await.is_err());
        assert!(accounts.log_in("s", "ada", "").await.is_err());
        assert!(accounts.list("s").await.unwrap().is_empty());
        accounts.add(&seed("ada", "one")).await.unwrap();
        let after = accounts.log_in("s", "ada", "one").await.unwrap();
        assert!(after.epoch() > before.epoch(), "old sessions stay ended");
        assert_eq!((before.number, after.number), (1, 2));
        assert_eq!(accounts.list("s").await.unwrap().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_who_add_the_same_account_one_does() {
        let accounts = accounts();
        let adding: Vec<_> = (0..8)
            .map(|number| {
                let accounts = accounts.clone();
                tokio::spawn(async move { accounts.add(&seed("ada", &number.to_string())).await.is_ok() })
            })
            .collect();
        let mut added = 0;
        for one in adding {
            added += usize::from(one.await.unwrap());
        }
        assert_eq!(added, 1);
    }
}
