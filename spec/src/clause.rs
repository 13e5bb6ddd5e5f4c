//! One statement of a document, a standard or a real client, and where it stands.

use serde::{Deserialize, Serialize};

/// How binding a clause is; also what fails a run (`--level`).
///
/// Ordered from advice to duty, so `clause.level >= Level::Should` reads as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Advice: hardening and what is debatable. Never fails a run by default.
    May,
    /// The opposite would be a vulnerability with a consequence, or would break a known client.
    Should,
    /// The document says it.
    Must,
}

/// What a clause rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Behaviour of a real client or server of the API, captured or read.
    Client,
    /// The login document itself.
    Document,
    /// An RFC, EIP or comparable standard.
    Standard,
}

/// One statement, in a sentence of our own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// `<scheme>.<subject>.<meaning>`: lower case, hyphens inside a word, never a number for a position.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// What it rests on.
    pub basis: Basis,
    /// Document and section, RFC and section, or repository and path.
    pub source: String,
    /// The statement.
    pub says: String,
    /// Places of the wire it speaks of, so that checks made from schemas find it. Where several clauses are about a
    /// member, the first one states its form.
    #[serde(default)]
    pub about: Vec<Anchor>,
    /// Ids of shared clauses that this one states for its scheme, with its own level and source. Clauses of a scheme that
    /// refine the same one have the same level.
    #[serde(default)]
    pub refines: Vec<String>,
    /// Why nothing can or need check it.
    #[serde(default)]
    pub except: Option<String>,
}

/// A place on the wire: `login`, `login.request:/username`, `login.request:header:didkey`, `login.success:/data/token`,
/// `login.failure:/code`, `login.success:status`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Anchor(pub String);

impl Anchor {
    /// The operation's name, before the first dot.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// What follows the operation's name: `request`, `success` or `failure`, if anything.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        let rest = self.0.split_once('.')?.1;
        Some(rest.split_once(':').map_or(rest, |(part, _)| part))
    }

    /// The member, header or aspect after the colon.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.0.split_once('.')?.1.split_once(':').map(|(_, target)| target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchor_parts_are_read_apart() {
        let anchor = Anchor("login.request:header:didkey".into());
        assert_eq!(anchor.operation(), "login");
        assert_eq!(anchor.part(), Some("request"));
        assert_eq!(anchor.target(), Some("header:didkey"));
        assert_eq!(Anchor("login".into()).part(), None);
    }

    #[test]
    fn levels_are_ordered_from_advice_to_duty() {
        assert!(Level::May < Level::Should && Level::Should < Level::Must);
    }
}
