//! What a login scheme is: operations with roles, an envelope, a proof, tokens.
//!
//! Checks and servers ask for roles and never for member names, so that a scheme made of data alone is understood.

mod operation;
mod place;

pub use operation::{Auth, Encoding, KeySignature, Operation, Outcome, Request, Step, Variant};
pub use place::{Field, Place, Role, Unit};

use crate::{Clause, Example, Schema};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// One login scheme, as its folder states it.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// Lower-case id; also the folder's name.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Number and title of the public document.
    pub document: String,
    /// One sentence: who proves what and gets what.
    pub summary: String,
    /// How success and failure are told apart.
    pub envelope: Envelope,
    /// What a caller proves and how.
    pub proof: Proof,
    /// What a caller holds afterwards; both absent where a scheme registers a key instead.
    pub tokens: Tokens,
    /// How a new token is had, where one can be.
    pub refresh: Option<Refresh>,
    /// Members of an account, where accounts exist before a login.
    pub account: Option<AccountFields>,
    /// How a wallet becomes known, where a server may ask for that before its first login.
    pub registration: Option<Registration>,
    /// The operations, in the order of the flow.
    pub operations: Vec<Operation>,
    /// The clauses of this scheme.
    pub clauses: Vec<Clause>,
    /// Schemas by file name.
    pub schemas: BTreeMap<String, Schema>,
    /// Example exchanges by file name.
    pub examples: Vec<Example>,
}

impl Scheme {
    /// The operation of this name.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The first operation that takes this step of the flow.
    #[must_use]
    pub fn step(&self, step: Step) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.step == step)
    }

    /// The schema of this file name. The loader has checked that references resolve.
    #[must_use]
    pub fn schema(&self, file: &str) -> Option<&Schema> {
        self.schemas.get(file)
    }

    /// The clause of this id.
    #[must_use]
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == id)
    }

    /// The clauses that speak of exactly this place.
    pub fn clauses_about<'a>(&'a self, anchor: &'a str) -> impl Iterator<Item = &'a Clause> {
        self.clauses.iter().filter(move |clause| clause.about.iter().any(|about| about.0 == anchor))
    }

    /// The clauses that state this shared clause for the scheme.
    pub fn clauses_refining<'a>(&'a self, common: &'a str) -> impl Iterator<Item = &'a Clause> {
        self.clauses.iter().filter(move |clause| clause.refines.iter().any(|id| id == common))
    }
}

/// How an answer says whether it succeeded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// JSON pointers to a result code. A success needs at least one to be present, and every one present to hold a
    /// success value; empty `success_codes` turns this round: a success carries no code at all.
    pub code: Vec<String>,
    /// Values of the code that mean success.
    #[serde(default)]
    pub success_codes: Vec<i64>,
    /// Whether the code of a failure repeats the HTTP status.
    #[serde(default)]
    pub code_is_status: bool,
    /// Whether the code of a failure is the HTTP status or a number of five digits that begins with it.
    #[serde(default)]
    pub code_begins_with_status: bool,
    /// Codes that the API documents for an account that does not exist: telling it is then the document's will.
    #[serde(default)]
    pub unknown_account_codes: Vec<i64>,
    /// JSON pointers to the text for people; the first is the documented one.
    pub message: Vec<String>,
    /// JSON pointer to the payload, where the envelope has one.
    #[serde(default)]
    pub data: Option<String>,
    /// HTTP statuses a refusal may have.
    pub failure_status: Vec<StatusPattern>,
    /// Schema of a refusal.
    pub failure_schema: String,
}

/// `200` or a class such as `4xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusPattern {
    /// Every status of this hundred.
    Class(u16),
    /// This status only.
    Exactly(u16),
}

impl StatusPattern {
    /// Whether the status falls under it.
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Class(hundred) => status / 100 == hundred,
            Self::Exactly(exact) => status == exact,
        }
    }

    /// Reads `200` or `4xx`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|status| (100..=599).contains(status)).map(Self::Exactly)
    }
}

impl std::fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Class(hundred) => write!(f, "{hundred}xx"),
            Self::Exactly(exact) => write!(f, "{exact}"),
        }
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is no status: write \"200\" or \"4xx\""))
        })
    }
}

/// What a caller proves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The kind of proof.
    pub kind: ProofKind,
    /// The text a wallet signs; needed for [`ProofKind::Eip191`].
    #[serde(default)]
    pub text: Option<Text>,
    /// Other texts that known clients sign.
    #[serde(default)]
    pub other_texts: Vec<Text>,
    /// Request members computed from others.
    #[serde(default)]
    pub derived: BTreeMap<String, Derived>,
    /// Request members (by place) that the proof binds: changing one after signing must break it.
    #[serde(default)]
    pub binds: Vec<Place>,
    /// Words that stand in texts as they are, by placeholder: the site's own domain and URI, a version, a chain. A profile
    /// may give a target's own.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// Placeholders whose word the server compares with its own, each with the clause that says so: a text with another
    /// word there is refused, however well it is signed.
    #[serde(default)]
    pub judged: BTreeMap<String, String>,
    /// Seconds from `{issued_at}` to `{expires_at}`.
    #[serde(default)]
    pub text_lifetime: Option<u64>,
}

/// How possession is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// An Ethereum wallet signs a text (EIP-191, version byte 0x45).
    Eip191,
    /// The request carries a shared secret.
    Secret,
}

/// A text to sign, with placeholders in braces.
///
/// Placeholders: `{challenge}`, `{challenge_hex}` (hex of its ASCII bytes), `{address}` (as the request writes it),
/// `{address_checksum}` (EIP-55), `{uri}`, `{domain}`, `{issued_at}` and `{expires_at}` (RFC 3339, UTC, seconds),
/// `{issued_at_dmy}` (DD/MM/YYYY hh:mm), and every name under `proof.derived` and `proof.words`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What the form is called in findings.
    pub name: String,
    /// The template. A text that is only `{challenge}` is the bare challenge.
    pub template: String,
}

/// A value computed from other members of the same request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The hash, written in lower-case hex.
    pub hash: Concat,
    /// Members whose texts are joined without separators, numbers in decimal.
    pub of: Vec<Place>,
}

/// Hashes a derived value may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concat {
    /// FIPS-202 SHA3-224 (not Keccak).
    #[serde(rename = "sha3-224")]
    Sha3_224,
    /// FIPS-202 SHA3-256.
    #[serde(rename = "sha3-256")]
    Sha3_256,
    /// Keccak-256 as Ethereum uses it.
    #[serde(rename = "keccak-256")]
    Keccak256,
    /// SHA-256.
    #[serde(rename = "sha-256")]
    Sha256,
}

/// The tokens of a scheme.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// What authorises requests.
    #[serde(default)]
    pub access: Option<Token>,
    /// What is exchanged for a new access token.
    #[serde(default)]
    pub refresh: Option<Token>,
    /// Whether the scheme word of `Authorization` is matched in any letter case (RFC 9110 section 11.1).
    #[serde(default)]
    pub bearer_any_case: bool,
}

/// One kind of token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whether the document promises a JWT.
    pub format: TokenFormat,
    /// Documented lifetime in seconds.
    pub lifetime: u64,
    /// Whether the document leaves the number to configuration, so that only agreement with itself is required.
    #[serde(default)]
    pub lifetime_configurable: bool,
    /// Claims that say when it ends, the binding one first.
    #[serde(default)]
    pub expiry_claims: Vec<String>,
    /// Claims that say when it was issued.
    #[serde(default)]
    pub issued_claims: Vec<String>,
    /// Claims its clients read and that must therefore be there.
    #[serde(default)]
    pub required_claims: Vec<String>,
    /// Claims that name the account; learnt once, they must not change or belong to another.
    #[serde(default)]
    pub identity_claims: Vec<String>,
}

/// Whether a token can be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// Nothing is promised.
    Any,
    /// Three base64url parts (RFC 7519).
    Jwt,
}

/// How a new token is had.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Which token is presented.
    pub takes: RefreshTakes,
    /// Seconds during which an access token can be refreshed, counted as `window_from` says.
    #[serde(default)]
    pub window: Option<u64>,
    /// What the window is counted from.
    #[serde(default)]
    pub window_from: Option<Expiry>,
    /// Whether a token past its expiry but inside the window is refreshed: the clients of the API rely on it.
    #[serde(default)]
    pub accepts_expired: bool,
    /// Whether the answer may hold no token, the presented one living on.
    #[serde(default)]
    pub answer_may_lack_token: bool,
    /// Whether each token can be used once.
    #[serde(default)]
    pub rotates: bool,
}

/// Which token a refresh takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshTakes {
    /// The access token itself.
    Access,
    /// A refresh token of its own.
    Refresh,
}

/// Where a window starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expiry {
    /// When the token expired.
    Expiry,
    /// When the token was issued.
    Issue,
}

/// A request by which a wallet becomes known. It is sent where a target refuses wallets that it has never seen, and is not
/// judged itself: the login documents do not speak of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// What is sent.
    pub fields: Vec<Field>,
}

/// Members of an account in a profile or accounts file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFields {
    /// Member that names the account.
    pub identifier: String,
    /// Member that holds the secret.
    pub password: String,
    /// Optional yes-or-no members that mark an account as special; checks that do not ask for one leave it alone.
    #[serde(default)]
    pub flags: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_patterns_match_their_class() {
        assert!(StatusPattern::parse("4xx").unwrap().matches(422));
        assert!(!StatusPattern::parse("200").unwrap().matches(201));
        assert!(StatusPattern::parse("9xx").is_none());
    }
}
