//! Random numbers that are used once and are no secret: the names of requests and of signed tokens, and challenges, which
//! whoever asks is told.

use crate::env::{Random, RandomError, random_bytes};
use std::sync::{Arc, Mutex, PoisonError};

/// Gives out nonces, none of them twice.
///
/// Random bytes for many are drawn at once: to ask the operating system costs as much as a fifth of a small answer. Nobody
/// sees one before it is used, so nobody can predict it. Secrets are drawn when they are needed, and never kept in advance.
///
/// Clones draw from the same.
#[derive(Clone)]
pub(crate) struct Nonces {
    random: Arc<dyn Random>,
    drawn: Arc<Mutex<Vec<[u8; BYTES]>>>,
}

/// Bytes of a nonce.
pub(crate) const BYTES: usize = 16;
/// Nonces that are drawn at once.
const AT_ONCE: usize = 64;

/// Not what was drawn: it has yet to be used.
impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

impl Nonces {
    /// Nonces from this chance.
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, drawn: Arc::default() }
    }

    /// A nonce that nobody else is given.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub(crate) fn draw(&self) -> Result<[u8; BYTES], RandomError> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nonce) = drawn.pop() {
            return Ok(nonce);
        }
        let bytes: [u8; BYTES * AT_ONCE] = random_bytes(self.random.as_ref())?;
        let (first, others) = bytes.as_chunks().0.split_first().ok_or(RandomError)?;
        drawn.extend_from_slice(others);
        Ok(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemRandom;
    use std::collections::BTreeSet;

    #[test]
    fn no_nonce_comes_twice_whichever_clone_gives_it() {
        let nonces = Nonces::new(Arc::new(SystemRandom));
        let other = nonces.clone();
        let drawn: BTreeSet<_> =
            (0..3 * AT_ONCE).flat_map(|_| [nonces.draw().unwrap(), other.draw().unwrap()]).collect();
        assert_eq!(drawn.len(), 6 * AT_ONCE);
    }
}
