//! Five public login documents as data, and the small crate that reads them.
//!
//! A scheme is a folder: `scheme.toml` (operations, roles, proof, tokens), `clauses.toml` (every statement of the
//! document and what it rests on), `schemas/*.json` (JSON Schema 2020-12, one per body) and `examples/*.json`.
//! [`Spec::embedded`] holds the five folders this crate ships, which its tests have proven; [`Spec::load`] reads folders of
//! your own, checks all of it and reports every mistake at once, each with its file and key.
//!
//! This crate knows nothing of servers or of judging: it has no idea what a request is. Both sides read it, and share
//! nothing else.
//!
//! ```
//! let spec = countersign_spec::Spec::embedded();
//! let login = spec.scheme("ethgas").unwrap().operation("login").unwrap();
//! assert_eq!(login.path, "/api/v1/user/login");
//! ```

mod check;
mod clause;
mod error;
mod gaps;
mod load;
mod meta;
mod schema;
mod scheme;

pub mod openapi;

pub use clause::{Anchor, Basis, Clause, Level};
pub use error::{SpecError, SpecErrors};
pub use gaps::gaps;
pub use schema::{Example, Schema};
pub use scheme::{
    AccountFields, Auth, Concat, Derived, Encoding, Envelope, Expiry, Field, KeySignature, Operation,
    Outcome, Place, Proof, ProofKind, Refresh, RefreshTakes, Request, Role, Scheme, StatusPattern, Step,
    Text, Token, TokenFormat, Tokens, Unit, Variant,
};

/// A set of schemes with the clauses they share.
///
/// Every scheme in it has passed the loader's checks, the embedded ones in this crate's tests: references resolve, roles
/// stand where the steps need them, and examples validate against their schemas.
#[derive(Debug, Clone)]
pub struct Spec {
    schemes: Vec<Scheme>,
    common: Vec<Clause>,
}

impl Spec {
    /// The five documents this crate ships.
    ///
    /// They are read, not checked: a unit test has put the same bytes through every check. Schemas are compiled when
    /// something is first held against them.
    ///
    /// # Panics
    /// Never in a released build: a unit test reads the same folders.
    #[must_use]
    pub fn embedded() -> &'static Self {
        load::embedded()
    }

    /// The same, read anew: no schema of it is compiled yet.
    ///
    /// # Panics
    /// As [`Spec::embedded`].
    #[must_use]
    pub fn embedded_anew() -> Self {
        load::embedded_anew()
    }

    /// Reads schemes from a folder: either one scheme (the folder holds `scheme.toml`) or a folder of scheme folders.
    /// The shared clauses are the ones this crate ships.
    ///
    /// # Errors
    /// All mistakes found in all files, each with its file and key.
    pub fn load(folder: &std::path::Path) -> Result<Self, SpecErrors> {
        load::from_folder(folder)
    }

    /// The schemes, ordered by the number of their document.
    #[must_use]
    pub fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// The scheme of this id.
    #[must_use]
    pub fn scheme(&self, id: &str) -> Option<&Scheme> {
        self.schemes.iter().find(|scheme| scheme.id == id)
    }

    /// Clauses that standards impose on every scheme that has the roles they speak of; ids start with `common.`.
    #[must_use]
    pub fn common(&self) -> &[Clause] {
        &self.common
    }

    /// The clause of this id, shared or of a scheme.
    #[must_use]
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.common
            .iter()
            .chain(self.schemes.iter().flat_map(|scheme| &scheme.clauses))
            .find(|clause| clause.id == id)
    }

    pub(crate) fn new(mut schemes: Vec<Scheme>, common: Vec<Clause>) -> Self {
        schemes.sort_by(|a, b| (&a.document, &a.id).cmp(&(&b.document, &b.id)));
        Self { schemes, common }
    }
}
