//! Accounts that a target locks after wrong secrets, which is its right: what a check saw of a locked account says nothing.
//!
//! Wrong secrets are counted by account. A check that leaves an account with several of them in a row, or that found a
//! refusal, has to show afterwards that the account still works; where it does not, the check ends without a verdict, and so
//! does every later one with that account.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Wrong secrets in a row from which on a target may have locked the account: fewer lock nobody out.
pub const SEVERAL: u32 = 3;

/// What was tried on the accounts of a target.
#[derive(Debug, Default)]
pub struct Lockouts {
    accounts: Mutex<BTreeMap<(String, String), Account>>,
}

#[derive(Debug, Default)]
struct Account {
    wrong: u32,
    locked: Option<String>,
}

impl Lockouts {
    /// A wrong secret was refused.
    pub fn failed(&self, scheme: &str, name: &str) {
        self.with(scheme, name, |account| account.wrong += 1);
    }

    /// The right one was accepted.
    pub fn succeeded(&self, scheme: &str, name: &str) {
        self.with(scheme, name, |account| *account = Account::default());
    }

    /// The right one was refused after several wrong ones.
    pub fn locked(&self, scheme: &str, name: &str, got: &str) {
        self.with(scheme, name, |account| {
            let wrong = account.wrong;
            account.locked = Some(format!(
                "the target has locked the account `{name}` after {wrong} wrong secrets in a row: with everything right, a \
                 login gets {got}"
            ));
        });
    }

    /// Wrong secrets in a row.
    #[must_use]
    pub fn wrong(&self, scheme: &str, name: &str) -> u32 {
        self.with(scheme, name, |account| account.wrong)
    }

    /// Why nothing can be said with this account, if so.
    #[must_use]
    pub fn why(&self, scheme: &str, name: &str) -> Option<String> {
        self.with(scheme, name, |account| account.locked.clone())
    }

    /// The target has forgotten all of it.
    pub fn forget(&self) {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn with<T>(&self, scheme: &str, name: &str, act: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        act(accounts.entry((scheme.to_owned(), name.to_owned())).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_secrets_count_until_the_right_one() {
        let lockouts = Lockouts::default();
        (0..4).for_each(|_| lockouts.failed("s", "a"));
        assert_eq!((lockouts.wrong("s", "a"), lockouts.wrong("s", "b"), lockouts.wrong("t", "a")), (4, 0, 0));
        lockouts.locked("s", "a", "HTTP 423");
        let why = lockouts.why("s", "a").unwrap();
        assert!(why.contains("4 wrong secrets") && why.ends_with("HTTP 423"), "{why}");
        lockouts.succeeded("s", "a");
        assert_eq!((lockouts.wrong("s", "a"), lockouts.why("s", "a")), (0, None));
    }
}
