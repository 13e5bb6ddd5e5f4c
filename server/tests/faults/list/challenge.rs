//! Faults of challenges: guessable, bound to nobody, used more than once.

use super::{accepts, refuses};
use crate::bend::Bend;
use crate::fault::{Fault, check, exists};
use crate::host::Parts;
use crate::world::Seen;
use bytes::Bytes;
use countersign_server::env::{Random, RandomError, Timestamp};
use countersign_server::store::{Call, Key, Put, Store};
use countersign_spec::{Role, Scheme, Step};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let (Some(_), Some(login)) = (scheme.step(Step::Challenge), scheme.step(Step::Login)) else {
        return Vec::new();
    };
    let id = scheme.id.as_str();
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentences: &[&str], make: Box<dyn Fn() -> Bend + Send + Sync>| {
        let named = |sentence: &&str| {
            let group = if sentence.contains("several callers") {
                "race"
            } else if sentence.contains("written differently") {
                "proof"
            } else {
                "challenge"
            };
            check(id, group, sentence)
        };
        let trips: Vec<String> = sentences.iter().map(named).filter(|name| exists(name)).collect();
        let mut fault = Fault::new(id, name, does, &trips, make);
        // A challenge that is given twice is good once: logins fail here and there.
        fault.broad = name == "challenges repeat";
        faults.push(fault);
    };
    add(
        "challenges repeat",
        "every challenge is the first one",
        &["every challenge is a new one", "challenges follow no pattern"],
        Box::new(|| {
            Bend::after(|seen, resp| {
                if seen.step() == Some(Step::Challenge)
                    && seen.is_success(resp)
                    && seen.memory().count("given") > 4
                    && let Some(first) = seen.first()
                {
                    *resp = first;
                }
            })
        }),
    );
    add(
        "challenges count",
        "randomness is a counter",
        &["challenges follow no pattern"],
        Box::new(|| Bend::parts(|parts: &mut Parts| parts.random = Arc::new(Counting::default()))),
    );
    add(
        "challenges are bound to nobody",
        "a challenge given to one wallet logs another in",
        &["a challenge of another wallet is refused"],
        Box::new(accepts(id, &login.name, |seen| {
            let challenge = challenge_of(seen);
            seen.memory().notes.contains_key(&challenge)
        })),
    );
    add(
        "challenges in texts are bound to nobody",
        "a challenge given to one wallet logs another in, if it stands in a text",
        &["a challenge of another wallet is refused"],
        Box::new(accepts(id, &login.name, |seen| {
            let Some(signed) = super::proof::Signed::read(seen) else { return false };
            let address = signed.address.to_ascii_lowercase();
            let right = signed.signed(&super::proof::personal(signed.text.as_bytes()));
            let others = |(known, owner): (&String, &String)| {
                *owner != address && !known.starts_with("newest/") && signed.text.contains(known.as_str())
            };
            right && signed.text.contains('\n') && seen.memory().notes.iter().any(others)
        })),
    );
    add(
        "challenges are not looked up",
        "any text that the wallet signed is good",
        &["a challenge that was never given is refused", "a changed challenge is refused"],
        Box::new(accepts(id, &login.name, |_| true)),
    );
    add(
        "the beginning of a challenge is enough",
        "challenges are compared as far as the given one goes",
        &["a changed challenge is refused"],
        Box::new(accepts(id, &login.name, |seen| {
            let given = challenge_of(seen);
            let memory = seen.memory();
            given.len() > 4
                && memory.notes.keys().any(|known| known.len() > given.len() && known.starts_with(&given))
        })),
    );
    add(
        "only the newest challenge is good",
        "a further challenge ends the earlier ones",
        &["a further challenge leaves the earlier one usable"],
        Box::new(refuses(id, &login.name, |seen| {
            let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
            let challenge = challenge_of(seen);
            let memory = seen.memory();
            memory.notes.get(&format!("newest/{address}")).is_some_and(|newest| *newest != challenge)
        })),
    );
    add(
        "challenges are used again and again",
        "the store hands a challenge out and keeps it",
        &["a used challenge is refused", "one challenge logs in one of several callers"],
        Box::new(|| {
            Bend::parts(|parts: &mut Parts| {
                parts.store = Arc::new(Lenient { inner: parts.store.clone() });
            })
        }),
    );
    add(
        "challenges are mostly zeros",
        "five bytes of eight are zero",
        &["challenges hold enough chance"],
        Box::new(|| Bend::parts(|parts: &mut Parts| parts.random = Arc::new(Thinned(parts.random.clone())))),
    );
    add(
        "any guess is a challenge",
        "any challenge that the wallet signed is good",
        &["a neighbour of a challenge is refused", "a challenge in another spelling is refused"],
        Box::new(accepts(id, &login.name, |_| true)),
    );
    add(
        "twins are new logins",
        "what was used is the signature, not the challenge",
        &["a used challenge under the twin of its signature is refused"],
        Box::new(accepts(id, &login.name, |seen| {
            let written = seen.text(Role::Signature).unwrap_or_default();
            written
                .get(66..67)
                .is_some_and(|digit| ('8'..='f').contains(&digit.chars().next().unwrap_or('0')))
        })),
    );
    // What the challenges that were given are, and to whom.
    for fault in &mut faults {
        let make = std::mem::replace(&mut fault.make, Box::new(Bend::default));
        fault.make = Box::new(move || {
            let bend = make();
            if bend.decide.is_none() {
                return bend;
            }
            Bend {
                after: Some(Box::new(|seen, resp| {
                    let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == Step::Challenge) else {
                        return;
                    };
                    let pointer = crate::world::pointer_of(operation, Role::Challenge).unwrap_or("/none");
                    let body = resp.json();
                    let Some(given) = body.pointer(pointer).and_then(serde_json::Value::as_str) else {
                        return;
                    };
                    let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
                    let mut memory = seen.memory();
                    memory.notes.insert(format!("newest/{address}"), given.to_owned());
                    memory.notes.insert(given.to_owned(), address);
                })),
                ..bend
            }
        });
    }
    faults
}

/// The challenge that a login answers, which may also be the text that is signed.
fn challenge_of(seen: &Seen<'_>) -> String {
    seen.text(Role::Challenge).or_else(|| seen.text(Role::SignedText)).unwrap_or_default()
}

/// Bytes of which each sixteen are told apart by a counter alone.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        for part in buffer.chunks_mut(16) {
            let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            let length = part.len().min(number.len());
            let (zeros, end) = part.split_at_mut(part.len() - length);
            zeros.fill(0);
            end.copy_from_slice(&number[number.len() - length..]);
        }
        Ok(())
    }
}

/// Good bytes of which most become zero.
#[derive(Debug)]
struct Thinned(Arc<dyn Random>);

impl Random for Thinned {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        self.0.fill(buffer)?;
        buffer.iter_mut().filter(|byte| **byte < 160).for_each(|byte| *byte = 0);
        Ok(())
    }
}

/// A store that keeps what is taken or removed.
#[derive(Debug)]
struct Lenient {
    inner: Arc<dyn Store>,
}

impl Store for Lenient {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.inner.put(key, value, until, mode)
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.inner.get(key)
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.inner.get(key)
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.inner.swap(key, was, value, until)
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.inner.bump(key, until)
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        // Nothing is asked for: the caller believes that it is gone.
        let _stays = key;
        Call::now(Ok(()))
    }

    fn clear(&self) -> Call<'_, ()> {
        self.inner.clear()
    }

    fn ping(&self) -> Call<'_, ()> {
        self.inner.ping()
    }
}
