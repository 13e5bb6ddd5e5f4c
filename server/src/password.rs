//! Passwords: argon2id on threads of its own, with a queue that ends.
//!
//! A hash costs some twenty milliseconds and as many megabytes by design. Without a bound, a few hundred callers would
//! take the machine; so work beyond the queue is refused at once, and everything else stays quick. Memory for hashes is
//! that of one hash for each thread, whatever is asked.
//!
//! Sources take turns in the queue, so one that fills it keeps nobody else out.

mod queue;

use crate::client::Source;
use crate::env::{Random, random_bytes};
use crate::error::{Fault, LoginError};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64_simd::STANDARD_NO_PAD;
use queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Bytes a password may have. Compared as received: no trimming, folding or normalising.
pub const MAX_PASSWORD: usize = 1_024;

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// What OWASP recommends for argon2id: 19 MiB, two passes, one lane.
    pub const FLOOR: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// For development only: quick, and worth nothing against a thief.
    pub const CHEAP: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    /// Whether it is no less than OWASP recommends for argon2id: with less memory more passes are needed (Password Storage
    /// Cheat Sheet).
    #[must_use]
    pub fn is_at_least_floor(self) -> bool {
        let floor = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
        floor.iter().any(|(memory_kib, passes)| self.memory_kib >= *memory_kib && self.passes >= *passes)
    }

    /// Whether the other asks for more of something and less of nothing.
    const fn is_below(self, other: Self) -> bool {
        let no_more =
            self.memory_kib <= other.memory_kib && self.passes <= other.passes && self.lanes <= other.lanes;
        let same =
            self.memory_kib == other.memory_kib && self.passes == other.passes && self.lanes == other.lanes;
        no_more && !same
    }

    fn params(self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH)).ok()
    }
}

/// The hash of a password, with all that is needed to compare another against it.
///
/// Written in the PHC string format, which other argon2 libraries read.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    cost: Cost,
    salt: [u8; SALT],
    hash: [u8; HASH],
}

impl PasswordHash {
    /// Reads the PHC string.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let mut numbers = costs
            .split(',')
            .zip(["m=", "t=", "p="])
            .map(|(text, name)| text.strip_prefix(name)?.parse().ok());
        let cost = Cost { memory_kib: numbers.next()??, passes: numbers.next()??, lanes: numbers.next()?? };
        cost.params()?;
        let salt = STANDARD_NO_PAD.decode_to_vec(salt).ok()?.try_into().ok()?;
        let hash = STANDARD_NO_PAD.decode_to_vec(hash).ok()?.try_into().ok()?;
        parts.next().is_none().then_some(Self { cost, salt, hash })
    }

    /// What it cost.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }
}

impl std::fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, hash) =
            (STANDARD_NO_PAD.encode_to_string(self.salt), STANDARD_NO_PAD.encode_to_string(self.hash));
        write!(f, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// The pool that hashes. Its threads end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Passwords {
    cost: Cost,
    pool: Arc<Pool>,
    /// In whose line work waits.
    source: Source,
    random: Arc<dyn Random>,
    /// Compared against where there is no account, so that its absence costs what its presence does.
    nobody: Arc<PasswordHash>,
}

impl Passwords {
    /// A pool of so many threads, before which so many callers may wait.
    ///
    /// # Errors
    /// When the cost is outside argon2's limits, or a thread cannot be started.
    pub fn start(
        cost: Cost,
        threads: usize,
        waiting: usize,
        random: Arc<dyn Random>,
    ) -> Result<Self, LoginError> {
        cost.params()
            .ok_or_else(|| LoginError::internal("the cost of passwords is outside argon2's limits"))?;
        let pool = Arc::new(Pool { queue: Arc::new(Queue::new(waiting)), shed: AtomicU64::new(0) });
        for number in 0..threads.max(1) {
            let queue = pool.queue.clone();
            std::thread::Builder::new()
                .name(format!("countersign-hash-{number}"))
                .spawn(move || work(&queue))
                .map_err(|error| LoginError::internal(format!("no thread for passwords: {error}")))?;
        }
        let nobody =
            PasswordHash { cost, salt: random_bytes(random.as_ref())?, hash: random_bytes(random.as_ref())? };
        Ok(Self { cost, pool, source: Source::UNKNOWN, random, nobody: Arc::new(nobody) })
    }

    /// The same pool, for work that this source asks for.
    #[must_use]
    pub fn on_behalf_of(&self, source: Source) -> Self {
        Self { source, ..self.clone() }
    }

    /// Hashes that wait for a thread now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.queue.waiting()
    }

    /// Hashes that were refused because too many waited.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.pool.shed.load(Ordering::Relaxed)
    }

    /// Whether a hash was made when hashes cost less, so that it should be made anew while its password is at hand.
    #[must_use]
    pub const fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.cost.is_below(self.cost)
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the queue is full and nobody has more in it.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash, LoginError> {
        let salt = random_bytes(self.random.as_ref())?;
        let hash = self.derive(self.cost, salt, password).await?;
        Ok(PasswordHash { cost: self.cost, salt, hash })
    }

    /// Whether the password is the one that was hashed. Without a hash it costs the same and is not.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the queue is full and nobody has more in it.
    pub async fn matches(&self, hash: Option<&PasswordHash>, password: &str) -> Result<bool, LoginError> {
        let against = hash.unwrap_or(&self.nobody);
        let derived = self.derive(against.cost, against.salt, password).await?;
        //= common.credential.exact
        Ok(bool::from(derived.ct_eq(&against.hash)) && hash.is_some())
    }

    async fn derive(&self, cost: Cost, salt: [u8; SALT], password: &str) -> Result<[u8; HASH], LoginError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { cost, salt, password: Zeroizing::new(password.as_bytes().to_vec()), reply };
        if let Some(shed) = self.pool.queue.push(self.source, job) {
            self.pool.shed.fetch_add(1, Ordering::Relaxed);
            // Perhaps this work, perhaps that of a source with more of it; either is told by its own reply.
            let busy = LoginError::new(Fault::Busy { retry_after: 1 }, "the queue for passwords is full");
            let _ = shed.reply.send(Err(busy));
        }
        answer.await.map_err(|_| LoginError::internal("a password was not hashed"))?
    }
}

const SALT: usize = 16;
const HASH: usize = 32;

#[derive(Debug)]
struct Pool {
    queue: Arc<Queue<Job>>,
    /// Hashes that found no place.
    shed: AtomicU64,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

struct Job {
    cost: Cost,
    salt: [u8; SALT],
    password: Zeroizing<Vec<u8>>,
    reply: oneshot::Sender<Result<[u8; HASH], LoginError>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("cost", &self.cost).finish_non_exhaustive()
    }
}

fn work(queue: &Queue<Job>) {
    // One buffer for the life of the thread: getting fresh memory costs a third of the hash.
    let mut memory = Vec::new();
    while let Some(job) = queue.pop() {
        // Who has hung up while waiting needs no answer.
        if !job.reply.is_closed() {
            let hash = derive(job.cost, &job.salt, &job.password, &mut memory);
            let _ = job.reply.send(hash);
        }
    }
}

fn derive(
    cost: Cost,
    salt: &[u8],
    password: &[u8],
    memory: &mut Vec<Block>,
) -> Result<[u8; HASH], LoginError> {
    let params = cost.params().ok_or_else(|| LoginError::internal("a stored hash has an impossible cost"))?;
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let mut hash = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut hash, &mut memory[..blocks])
        .map_err(|error| LoginError::internal(format!("argon2 failed: {error}")))?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemRandom;
    use crate::error::Why;

    fn pool(threads: usize, waiting: usize) -> Passwords {
        Passwords::start(Cost::CHEAP, threads, waiting, Arc::new(SystemRandom)).unwrap()
    }

    #[test]
    fn the_reference_vector_of_argon2id_is_met_also_with_a_used_buffer() {
        let cost = Cost { memory_kib: 256, passes: 2, lanes: 1 };
        let mut memory = Vec::new();
        derive(Cost::CHEAP, b"another salt", b"another", &mut memory).unwrap();
        let hash = derive(cost, b"somesalt", b"password", &mut memory).unwrap();
        let expected = "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe";
        assert_eq!(data_encoding::HEXLOWER.encode(&hash), expected);
    }

    #[tokio::test]
    async fn only_the_exact_bytes_match() {
        let pool = pool(1, 16);
        let hash = pool.hash("correct horse").await.unwrap();
        assert!(pool.matches(Some(&hash), "correct horse").await.unwrap());
        for wrong in ["", "correct hors", "correct horse ", "Correct horse", "correct horse\0"] {
            assert!(!pool.matches(Some(&hash), wrong).await.unwrap(), "{wrong:?}");
        }
        assert!(!pool.matches(None, "correct horse").await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_is_read_back_as_written() {
        let hash = pool(1, 16).hash("x").await.unwrap();
        let text = hash.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{text}");
        assert_eq!(PasswordHash::parse(&text), Some(hash));
        for bad in
            ["", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=64,t=1$AA$AA", &format!("{text}$")]
        {
            assert!(PasswordHash::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_floor_is_any_of_the_pairs_that_are_recommended() {
        let cost = |memory_kib, passes| Cost { memory_kib, passes, lanes: 1 };
        for enough in [Cost::FLOOR, cost(47_104, 1), cost(7_168, 5), cost(65_536, 3)] {
            assert!(enough.is_at_least_floor(), "{enough:?}");
        }
        for little in [Cost::CHEAP, cost(19_455, 2), cost(19_456, 1), cost(7_167, 50)] {
            assert!(!little.is_at_least_floor(), "{little:?}");
        }
    }

    #[tokio::test]
    async fn a_hash_is_outdated_when_the_cost_rose_and_not_when_it_fell() {
        let hash = pool(1, 16).hash("x").await.unwrap();
        let start = |cost| Passwords::start(cost, 1, 16, Arc::new(SystemRandom)).unwrap();
        assert!(start(Cost { memory_kib: 128, ..Cost::CHEAP }).is_outdated(&hash));
        assert!(start(Cost { passes: 2, ..Cost::CHEAP }).is_outdated(&hash));
        assert!(!start(Cost::CHEAP).is_outdated(&hash));
        assert!(!start(Cost { memory_kib: 32, passes: 9, lanes: 1 }).is_outdated(&hash), "neither is more");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn beyond_the_queue_work_is_refused_at_once() {
        let slow = Cost { memory_kib: 8 * 1024, passes: 2, lanes: 1 };
        let pool = Passwords::start(slow, 1, 2, Arc::new(SystemRandom)).unwrap();
        let callers: Vec<_> = (0..32)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.matches(None, "x").await })
            })
            .collect();
        let (mut served, mut refused) = (0, 0);
        for caller in callers {
            match caller.await.unwrap() {
                Ok(matched) => {
                    assert!(!matched);
                    served += 1;
                }
                Err(error) => {
                    assert_eq!(error.why(), Why::Fault(Fault::Busy { retry_after: 1 }));
                    refused += 1;
                }
            }
        }
        assert!(served >= 1 && refused >= 1, "{served} served, {refused} refused");
    }
}
