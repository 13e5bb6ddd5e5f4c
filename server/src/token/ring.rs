//! A key ring that is kept: in a file beside an embedded store, or sealed in a store that replicas share.
//!
//! A key is made, published as the next one, signs, only checks what it signed, and is dropped when the last of that has
//! ended; or it is revoked and refused at once. The next key always exists already when a rotation makes it sign, so
//! nobody meets a token whose key they have not had time to learn.

mod file;
mod follow;
mod record;
mod sealed;

pub use file::KeyFile;
pub use follow::{Follower, Following};
pub use record::{KeptKey, KeptRing, KeptState};
pub use sealed::SealedRing;

use super::local::KeyError;
use crate::env::RandomError;
use crate::store::StoreError;
use std::time::Duration;

/// A key ring cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// It was read and makes no sense.
    #[error("the keys in {place} cannot be used: {problem}")]
    Broken {
        /// Where it is kept.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// Somebody else is changing it and does not finish.
    #[error(
        "another process is changing the keys in {0}: try again, and if it lasts, see which process holds {0}"
    )]
    Busy(String),
    /// A file cannot be read or written.
    #[error("the keys in {place}: {source}")]
    File {
        /// The file.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// It can be read by others.
    #[error("the signing keys in {0} can be read by others: run `chmod 600 {0}`")]
    Open(String),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// It is older than the one in use: somebody put back what had been replaced, perhaps to bring a revoked key back.
    #[error("the keys in {0} are older than those in use and are not taken")]
    RolledBack(String),
    /// The secret it was sealed with is another, or its bytes were changed.
    #[error(
        "the keys in {0} were sealed with another token.ring_secret or for another token.issuer, or were changed"
    )]
    Sealed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The next key was published a short while ago.
    #[error(
        "the next key has not been published for long enough: those who keep the published keys may not know it for \
         another {0} seconds; wait, or add --now if the present key must stop signing at once"
    )]
    TooSoon(u64),
    /// No key has this name.
    #[error("there is no key `{kid}`; the keys are {known}")]
    Unknown {
        /// The name.
        kid: String,
        /// All names.
        known: String,
    },
    /// The secret to seal with is too weak.
    #[error("token.ring_secret: {0}")]
    Weak(KeyError),
}

/// Where a key ring is kept.
#[derive(Debug, Clone)]
pub enum RingHome {
    /// In a file.
    File(KeyFile),
    /// In a store, sealed.
    Sealed(SealedRing),
}

impl RingHome {
    /// How often a running server looks for a change.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(1),
            // Half of `SPREAD`, so that a look may fail once.
            Self::Sealed(_) => Duration::from_secs(5),
        }
    }

    /// The ring, if one was made.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub async fn load(&self) -> Result<Option<KeptRing>, RingError> {
        match self {
            Self::File(file) => file.load(),
            Self::Sealed(sealed) => Ok(sealed.load().await?.map(|(ring, _)| ring)),
        }
    }

    /// Changes the ring, or makes it from nothing. Callers at the same moment take turns. Where the ring is a file this
    /// blocks for the time of two writes, so a server calls it only before it serves.
    ///
    /// # Errors
    /// When it cannot be read, used or written, or what `change` says; then nothing was changed.
    pub async fn update(
        &self,
        change: impl FnMut(Option<KeptRing>) -> Result<KeptRing, RingError>,
    ) -> Result<KeptRing, RingError> {
        match self {
            Self::File(file) => file.update(change),
            Self::Sealed(sealed) => sealed.update(change).await,
        }
    }
}
