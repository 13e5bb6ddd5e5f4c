//! What a check needs beyond a login that works. A check says so where it is added; what is not met is the reason why it is
//! skipped, and what `doctor` counts.

use crate::client::Base;
use crate::profile::{Profile, Version};
use countersign_spec::{ProofKind, Scheme};
use secrecy::ExposeSecret as _;

/// Secrets of more bytes than this are cut by bcrypt.
pub(crate) const HASHED_BYTES: usize = 72;

/// Something that the profile has to give, or must leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Two accounts, where accounts log in.
    SecondAccount,
    /// An account that is marked.
    MarkedAccount,
    /// An account whose secret is longer than what a common hash reads.
    LongSecret,
    /// An account whose secret has characters beyond ASCII.
    ForeignSecret,
    /// A wallet that nobody has seen before.
    FreshWallet,
    /// A clock that can be moved.
    Clock,
    /// The key that signs the target's tokens.
    Key,
    /// Requests written by hand: HTTP/1.1 without TLS.
    PlainHttp,
}

impl Need {
    /// Every need, in the order in which one would see to them.
    pub const ALL: [Self; 8] = [
        Self::SecondAccount,
        Self::MarkedAccount,
        Self::LongSecret,
        Self::ForeignSecret,
        Self::FreshWallet,
        Self::Clock,
        Self::Key,
        Self::PlainHttp,
    ];

    /// What would meet it for a scheme, as an advice.
    #[must_use]
    pub fn advice(self, scheme: &Scheme) -> String {
        let id = &scheme.id;
        let flags = scheme.account.as_ref().map(|fields| fields.flags.join(" or ")).unwrap_or_default();
        match self {
            Self::SecondAccount => format!("add another [[scheme.{id}.account]] without a mark"),
            Self::MarkedAccount => format!("add a [[scheme.{id}.account]] with {flags} = true"),
            Self::LongSecret => {
                format!("add a [[scheme.{id}.account]] with a secret of more than {HASHED_BYTES} bytes")
            }
            Self::ForeignSecret => {
                format!("add a [[scheme.{id}.account]] with letters beyond ASCII in its secret")
            }
            Self::FreshWallet => format!("leave scheme.{id}.wallet out where any wallet is let in"),
            Self::Clock => {
                "let a test build of the target move its clock, and name the path as clock.advance".to_owned()
            }
            Self::Key => format!("hand over the key that signs tokens as token.{id}.hs256, if it is HS256"),
            Self::PlainHttp => "judge a listener of plain HTTP/1.1 as well".to_owned(),
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::SecondAccount => "a second account",
            Self::MarkedAccount => "a marked account",
            Self::LongSecret => "an account with a long secret",
            Self::ForeignSecret => "an account with a secret beyond ASCII",
            Self::FreshWallet => "wallets that have never logged in",
            Self::Clock => "a clock that can be moved",
            Self::Key => "the key that signs tokens",
            Self::PlainHttp => "plain HTTP/1.1",
        }
    }

    /// Why the profile does not meet it for a scheme, as a sentence; nothing where it does.
    #[must_use]
    pub fn unmet(self, profile: &Profile, scheme: &Scheme) -> Option<String> {
        let id = &scheme.id;
        let known = profile.schemes.get(id);
        let accounts = known.map(|known| known.accounts.as_slice()).unwrap_or_default();
        let usual = || accounts.iter().filter(|account| account.flags.is_empty());
        let by_secret = scheme.proof.kind == ProofKind::Secret;
        match self {
            Self::SecondAccount if by_secret && usual().count() < 2 => {
                Some(format!("the profile has no [[scheme.{id}.account]] for it: it needs a second account"))
            }
            Self::MarkedAccount if accounts.iter().all(|account| account.flags.is_empty()) => {
                let flags = scheme.account.as_ref().map(|fields| fields.flags.join(" or "));
                Some(format!("the profile marks no account with {}", flags.unwrap_or_default()))
            }
            Self::LongSecret
                if by_secret && !usual().any(|one| one.password.expose_secret().len() > HASHED_BYTES) =>
            {
                Some(format!("no account of the profile has a secret of more than {HASHED_BYTES} bytes"))
            }
            Self::ForeignSecret
                if by_secret && usual().all(|one| one.password.expose_secret().is_ascii()) =>
            {
                Some("no account of the profile has a secret with characters beyond ASCII".to_owned())
            }
            Self::FreshWallet if known.is_some_and(|known| known.wallet.is_some()) => {
                Some("the profile names the wallet that logs in, which has done so before".to_owned())
            }
            Self::Clock if profile.clock.is_none() => Some("the profile names no [clock] to move".to_owned()),
            Self::Key if !profile.keys.contains_key(id) => {
                Some(format!("the profile hands over no key of the target as [token.{id}]"))
            }
            Self::PlainHttp if profile.http.version == Version::Http2 => {
                Some("raw requests are written in HTTP/1.1, and http.version is 2".to_owned())
            }
            Self::PlainHttp if profile.url.as_deref().is_some_and(is_https) => {
                Some("raw requests are written to plain HTTP only".to_owned())
            }
            _ => None,
        }
    }
}

fn is_https(url: &str) -> bool {
    Base::parse(url).is_ok_and(|base| base.tls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_spec::Spec;
    use std::path::Path;

    #[test]
    fn each_need_is_met_by_what_it_names_and_by_nothing_else() {
        let spec = Spec::embedded();
        let account = "[[scheme.cbs.account]]\nuser = \"a\"\npassword = ";
        let long = "ü".repeat(40);
        let all = format!(
            "url = \"http://h\"\n[clock]\nadvance = \"/a\"\n[token.cbs]\nhs256 = \"k\"\n{account}\"{long}\"\n{account}\"b\"\n\
             {account}\"c\"\nmust_change_password = true\n"
        );
        let poor = format!("url = \"https://h\"\n{account}\"b\"\n[scheme.swapchat]\nwallet = \"01\"\n");
        let read = |text: &str| Profile::parse(text, "t", Path::new("."), spec).unwrap();
        let (all, poor) = (read(&all), read(&poor));
        for need in Need::ALL {
            let id = if need == Need::FreshWallet { "swapchat" } else { "cbs" };
            let scheme = spec.scheme(id).unwrap();
            assert_eq!(need.unmet(&all, scheme), None, "{need:?}");
            assert!(need.unmet(&poor, scheme).is_some(), "{need:?}");
        }
    }
}
