//! Who asks: an account of the profile, or a wallet with its login key.

use crate::profile::Account;
use crate::wallet::{LoginKey, Wallet};
use rand::Rng;
use secrecy::ExposeSecret;

/// Somebody who can log in.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Wallet, where the proof is a signature. Schemes with a shared secret leave it unused.
    pub wallet: Wallet,
    /// Key that a login registers, where the scheme has one.
    pub login_key: LoginKey,
    /// Name, user id or application id.
    pub identifier: String,
    /// Shared secret.
    pub password: String,
    /// What the secret is called in a shell.
    pub variable: String,
    /// How the address is written.
    pub address: String,
}

impl Actor {
    /// A wallet never seen before, with a name and a login key of its own.
    pub fn fresh_wallet(rng: &mut impl Rng) -> Self {
        Self::of_wallet(Wallet::random(rng), rng)
    }

    /// A given wallet, with a fresh name and login key.
    pub fn of_wallet(wallet: Wallet, rng: &mut impl Rng) -> Self {
        let mut name = [0_u8; 28];
        rng.fill_bytes(&mut name);
        let address = wallet.lower_address();
        Self {
            login_key: LoginKey::random(rng),
            identifier: format!("user:{}", data_encoding::HEXLOWER.encode(&name)),
            password: String::new(),
            variable: String::new(),
            address,
            wallet,
        }
    }

    /// An account of the profile.
    pub fn of_account(account: &Account, scheme: &str, rng: &mut impl Rng) -> Self {
        let mut actor = Self::fresh_wallet(rng);
        actor.identifier.clone_from(&account.identifier);
        account.password.expose_secret().clone_into(&mut actor.password);
        actor.variable = variable(account, scheme);
        actor
    }
}

/// What the secret of an account is called in a shell.
#[must_use]
pub fn variable(account: &Account, scheme: &str) -> String {
    account.variable.clone().unwrap_or_else(|| format!("{}_PASSWORD", scheme.to_ascii_uppercase()))
}
