//! Random names of what is no secret: requests, and tokens that are signed.

use crate::env::{Random, RandomError, random_bytes};
use std::sync::{Arc, Mutex, PoisonError};

/// Gives out names, none of them twice.
///
/// A name is no secret, so random bytes for many are drawn at once: to ask the operating system costs as much as a fifth
/// of a small answer. Secrets are drawn when they are needed, and never kept in advance.
///
/// Clones draw from the same.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    random: Arc<dyn Random>,
    drawn: Arc<Mutex<Vec<[u8; BYTES]>>>,
}

/// Bytes of a name.
pub(crate) const BYTES: usize = 16;
/// Names that are drawn at once.
const AT_ONCE: usize = 64;

impl Names {
    /// Names from this chance.
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, drawn: Arc::default() }
    }

    /// A name that nobody else is given.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub(crate) fn draw(&self) -> Result<[u8; BYTES], RandomError> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = drawn.pop() {
            return Ok(name);
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
    fn no_name_comes_twice_whichever_clone_gives_it() {
        let names = Names::new(Arc::new(SystemRandom));
        let other = names.clone();
        let drawn: BTreeSet<_> =
            (0..3 * AT_ONCE).flat_map(|_| [names.draw().unwrap(), other.draw().unwrap()]).collect();
        assert_eq!(drawn.len(), 6 * AT_ONCE);
    }
}
