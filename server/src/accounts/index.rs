//! Which accounts there are: a store finds by name and lists nothing, so the names are kept a second time.
//!
//! They stand in pages by number, so that adding one writes little however many there are.

use crate::env::Timestamp;
use crate::error::LoginError;
use crate::store::tables::{key, read, write};
use crate::store::{Key, Put, Space, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::time::Duration;

/// The names of one scheme's accounts.
#[derive(Debug)]
pub(super) struct Index<'a> {
    store: &'a dyn Store,
    scheme: &'a str,
}

/// Accounts of one page.
const PAGE: u64 = 256;
/// Changes by others that a caller sits out.
const ATTEMPTS: usize = 64;

impl<'a> Index<'a> {
    pub(super) fn new(store: &'a dyn Store, scheme: &'a str) -> Self {
        Self { store, scheme }
    }

    /// Adds a name, before its account is written: a name without an account is harmless, the opposite is not.
    pub(super) async fn enter(&self, name: &str, number: u64) -> Result<(), LoginError> {
        let page = number / PAGE;
        self.change(&self.page(page), |names: &mut BTreeSet<String>| names.insert(name.to_owned())).await?;
        let raise = |pages: &mut u64| {
            let rises = *pages <= page;
            *pages = (*pages).max(page + 1);
            rises
        };
        self.change(&self.pages(), raise).await
    }

    /// All names that were ever entered, each once.
    pub(super) async fn names(&self) -> Result<BTreeSet<String>, LoginError> {
        let pages: u64 = self.read(&self.pages()).await?.unwrap_or_default();
        let mut names = BTreeSet::new();
        for page in 0..pages {
            names.extend(self.read::<BTreeSet<String>>(&self.page(page)).await?.unwrap_or_default());
        }
        Ok(names)
    }

    async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, LoginError> {
        self.store.get(key).await?.map(|bytes| read(&bytes)).transpose()
    }

    /// Writes what `change` makes of the value, unless it says that nothing changed.
    async fn change<T: Default + Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        change: impl Fn(&mut T) -> bool,
    ) -> Result<(), LoginError> {
        for lost in 0..ATTEMPTS {
            let was = self.store.get(key).await?;
            let mut value: T = was.as_deref().map(read).transpose()?.unwrap_or_default();
            if !change(&mut value) {
                return Ok(());
            }
            let value = write(&value)?;
            let stored = match was {
                None => self.store.put(key, value, Timestamp::NEVER, Put::New).await?,
                Some(was) => self.store.swap(key, was, value, Timestamp::NEVER).await?,
            };
            if stored {
                return Ok(());
            }
            let_others_go_first(lost).await;
        }
        Err(LoginError::internal("the list of accounts changed too often"))
    }

    fn page(&self, page: u64) -> Key {
        key(Space::Durable, "account-page", self.scheme, &[&page.to_string()])
    }

    fn pages(&self) -> Key {
        key(Space::Durable, "account-pages", self.scheme, &[])
    }
}

/// Lets others go first after a change of somebody else's made one fail, `lost` times before.
///
/// Many accounts may be added at once, and who tries again at once may lose for as long as the others do the same. The first
/// times only the turn is passed on; after that there is a wait, at random, or those who met would meet again.
async fn let_others_go_first(lost: usize) {
    if lost < 8 {
        return tokio::task::yield_now().await;
    }
    let mut share = [0];
    // Without randomness they may meet once more, which does no harm.
    let _ = getrandom::fill(&mut share);
    tokio::time::sleep(Duration::from_micros(8 * u64::from(share[0]))).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemClock;
    use crate::store::MemoryStore;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn names_of_all_pages_are_found_also_when_many_enter_at_once() {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let entering: Vec<_> = (1..=600u64)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    Index::new(store.as_ref(), "s").enter(&format!("n{number}"), number).await
                })
            })
            .collect();
        for entered in entering {
            entered.await.unwrap().unwrap();
        }
        let index = Index::new(store.as_ref(), "s");
        index.enter("n1", 600).await.unwrap();
        let names = index.names().await.unwrap();
        assert_eq!(names.len(), 600);
        assert!(names.contains("n1") && names.contains("n600"));
        assert!(Index::new(store.as_ref(), "other").names().await.unwrap().is_empty());
    }
}
