//! The durable default: one file, written by one thread that commits whatever has queued up together.
//!
//! Durable entries live in redb. Ephemeral ones live in memory only, so a crash can never bring a used challenge back.

use super::memory::count;
use super::{Call, Key, MemoryStore, Put, Space, Store, StoreError};
use crate::env::{Clock, Timestamp};
use bytes::Bytes;
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// Keeps durable entries in a file and survives `kill -9`.
///
/// Writes queue up for one thread, which puts all that wait into one transaction: the price of the disk's flush is
/// shared. Reads go straight to the last committed state.
#[derive(Debug)]
pub struct EmbeddedStore {
    clock: Arc<dyn Clock>,
    latest: Arc<Latest>,
    database: Arc<Database>,
    ephemeral: MemoryStore,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When the file cannot be opened: rights, another process, or a file of another kind.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        make_private(path).map_err(|error| StoreError::new("open its file", &error))?;
        let database = Database::create(path).map_err(|error| StoreError::new("open its file", &error))?;
        let opened = database.begin_write().map_err(|error| StoreError::new("open its file", &error))?;
        prepare(&opened).map_err(|error| StoreError::new("open its tables", &error))?;
        opened.commit().map_err(|error| StoreError::new("open its tables", &error))?;

        let database = Arc::new(database);
        let latest = Arc::new(Latest::default());
        latest.renew(&database);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("countersign-store".into())
            .spawn({
                let (database, latest, clock) = (database.clone(), latest.clone(), clock.clone());
                move || write(&database, &latest, clock.as_ref(), queue)
            })
            .map_err(|error| StoreError::new("start its writer", &error))?;
        let ephemeral = MemoryStore::new(clock.clone());
        Ok(Self { clock, latest, database, ephemeral, jobs: Some(jobs), writer: Some(writer) })
    }

    async fn ask(&self, key: &Key, act: Act) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(|| StoreError::new("write", &"it is closed"))?;
        let job = Job { name: key.name().clone(), act, reply };
        jobs.send(job).await.map_err(|_| StoreError::new("write", &"its writer has stopped"))?;
        answer.await.map_err(|_| StoreError::new("write", &"its writer has stopped"))?
    }

    fn read(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let read = |table: &Entries| {
            let found = table.get(key.name().as_ref())?;
            let now = self.clock.now();
            Ok(found.and_then(|guard| {
                let (until, value) = guard.value();
                (Timestamp::from_millis(until) > now).then(|| Bytes::copy_from_slice(value))
            }))
        };
        self.latest.with(&self.database, read).map_err(|error: redb::Error| StoreError::new("read", &error))
    }
}

/// Makes the file where there is none, for its owner alone: hashes of passwords are in it.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

impl Store for EmbeddedStore {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        match key.space() {
            Space::Ephemeral => self.ephemeral.put(key, value, until, mode),
            Space::Durable => {
                Call::later(async move { Ok(self.ask(key, Act::Put { value, until, mode }).await?.done) })
            }
        }
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        match key.space() {
            Space::Ephemeral => self.ephemeral.get(key),
            Space::Durable => Call::now(self.read(key)),
        }
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        match key.space() {
            Space::Ephemeral => self.ephemeral.take(key),
            Space::Durable => Call::later(async move { Ok(self.ask(key, Act::Take).await?.value) }),
        }
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        match key.space() {
            Space::Ephemeral => self.ephemeral.swap(key, was, value, until),
            Space::Durable => {
                Call::later(async move { Ok(self.ask(key, Act::Swap { was, value, until }).await?.done) })
            }
        }
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        match key.space() {
            Space::Ephemeral => self.ephemeral.bump(key, until),
            Space::Durable => Call::later(async move {
                Ok(self.ask(key, Act::Bump { until }).await?.value.as_deref().map_or(0, count))
            }),
        }
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        match key.space() {
            Space::Ephemeral => self.ephemeral.remove(key),
            Space::Durable => Call::later(async move { self.ask(key, Act::Remove).await.map(|_| ()) }),
        }
    }

    fn clear(&self) -> Call<'_, ()> {
        Call::later(async move {
            self.ephemeral.clear().await?;
            self.ask(&Key::new(Space::Durable, ""), Act::Clear).await.map(|_| ())
        })
    }

    fn ping(&self) -> Call<'_, ()> {
        // A commit would wait for the disk; that the writer lives and the file can be read is what matters.
        let writes = match &self.jobs {
            Some(jobs) if !jobs.is_closed() => Ok(()),
            _ => Err(StoreError::new("write", &"its writer has stopped")),
        };
        let answer = writes.and_then(|()| self.read(&Key::new(Space::Durable, "ping")).map(|_| ()));
        Call::now(answer)
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // It has nothing left to wait for, and the file must be closed when this returns.
            let _ = writer.join();
        }
    }
}

const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("entries");
/// Keys by when they end, so that what has ended is found without a scan.
const ENDS: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("ends");
/// Callers that may wait for the writer before the next one waits for room.
const QUEUE: usize = 4_096;
/// Changes put into one transaction at most.
const BATCH: usize = 256;
/// Ended entries dropped with each transaction at most.
const SWEEP: usize = 64;

type Entries = ReadOnlyTable<&'static str, (u64, &'static [u8])>;

/// The last committed state, open for reading. To open it costs more than to read from it, and between two commits it is
/// always the same.
#[derive(Default)]
struct Latest(RwLock<Option<Entries>>);

impl std::fmt::Debug for Latest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Latest").finish_non_exhaustive()
    }
}

impl Latest {
    /// Puts the present state in its place: after each commit and before anybody is told of it. Where that fails nothing
    /// is kept, so that no state from before is read.
    fn renew(&self, database: &Database) {
        let present = open(database).ok();
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), present);
        drop(before);
    }

    fn with<T>(
        &self,
        database: &Database,
        read: impl FnOnce(&Entries) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Some(entries) => read(entries),
            None => read(&open(database)?),
        }
    }
}

fn open(database: &Database) -> Result<Entries, redb::Error> {
    Ok(database.begin_read()?.open_table(ENTRIES)?)
}

#[derive(Debug)]
struct Job {
    name: Arc<str>,
    act: Act,
    reply: oneshot::Sender<Result<Answer, StoreError>>,
}

#[derive(Debug)]
enum Act {
    Bump { until: Timestamp },
    Clear,
    Put { value: Bytes, until: Timestamp, mode: Put },
    Remove,
    Swap { was: Bytes, value: Bytes, until: Timestamp },
    Take,
}

#[derive(Debug, Default)]
struct Answer {
    done: bool,
    value: Option<Bytes>,
}

fn prepare(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(ENTRIES)?;
    transaction.open_table(ENDS)?;
    Ok(())
}

fn write(database: &Database, latest: &Latest, clock: &dyn Clock, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        let committed = commit(database, clock.now(), &jobs);
        // Also after a failure: what became of it is then as the file says.
        latest.renew(database);
        match committed {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    // A caller that has gone away has no use for the answer; the change stands.
                    let _ = job.reply.send(Ok(answer));
                }
            }
            Err(error) => {
                let error = StoreError::new("commit", &error);
                for job in jobs {
                    let _ = job.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

/// All changes in one transaction, each seeing those before it.
fn commit(database: &Database, now: Timestamp, jobs: &[Job]) -> Result<Vec<Answer>, redb::Error> {
    let transaction = database.begin_write()?;
    let mut answers = Vec::with_capacity(jobs.len());
    {
        let mut tables =
            Tables { entries: transaction.open_table(ENTRIES)?, ends: transaction.open_table(ENDS)?, now };
        for job in jobs {
            answers.push(tables.apply(&job.name, &job.act)?);
        }
        tables.sweep()?;
    }
    transaction.commit()?;
    Ok(answers)
}

struct Tables<'txn> {
    entries: Table<'txn, &'static str, (u64, &'static [u8])>,
    ends: Table<'txn, (u64, &'static str), ()>,
    now: Timestamp,
}

impl Tables<'_> {
    fn apply(&mut self, name: &str, act: &Act) -> Result<Answer, redb::Error> {
        let present = self.get(name)?;
        let mut answer = Answer::default();
        match act {
            Act::Bump { until } => {
                let (count, until) = match &present {
                    Some((ends, value)) => (count(value).saturating_add(1), *ends),
                    None => (1, *until),
                };
                self.insert(name, &count.to_be_bytes(), until)?;
                answer.value = Some(Bytes::copy_from_slice(&count.to_be_bytes()));
            }
            Act::Clear => {
                self.entries.retain(|_, _| false)?;
                self.ends.retain(|_, ()| false)?;
            }
            Act::Put { value, until, mode } => {
                answer.done = *mode == Put::Replace || present.is_none();
                if answer.done {
                    self.insert(name, value, *until)?;
                }
            }
            Act::Remove => self.remove(name)?,
            Act::Swap { was, value, until } => {
                answer.done = present.is_some_and(|(_, present)| present == was);
                if answer.done {
                    self.insert(name, value, *until)?;
                }
            }
            Act::Take => {
                self.remove(name)?;
                answer.value = present.map(|(_, value)| value);
            }
        }
        Ok(answer)
    }

    fn get(&self, name: &str) -> Result<Option<(Timestamp, Bytes)>, redb::Error> {
        Ok(self.entries.get(name)?.and_then(|guard| {
            let (until, value) = guard.value();
            let until = Timestamp::from_millis(until);
            (until > self.now).then(|| (until, Bytes::copy_from_slice(value)))
        }))
    }

    fn insert(&mut self, name: &str, value: &[u8], until: Timestamp) -> Result<(), redb::Error> {
        self.remove(name)?;
        self.entries.insert(name, (until.millis(), value))?;
        if until != Timestamp::NEVER {
            self.ends.insert((until.millis(), name), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), redb::Error> {
        let until = self.entries.remove(name)?.map(|guard| guard.value().0);
        if let Some(until) = until {
            self.ends.remove((until, name))?;
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), redb::Error> {
        let ended: Vec<String> = self
            .ends
            .range(..(self.now.millis().saturating_add(1), ""))?
            .take(SWEEP)
            .map(|found| found.map(|(key, _)| key.value().1.to_owned()))
            .collect::<Result<_, _>>()?;
        for name in ended {
            self.remove(&name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{MovableClock, SystemClock};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn passes_the_suite() {
        let folder = tempfile::tempdir().unwrap();
        let mut serial = 0;
        super::super::suite::run(async |clock| {
            serial += 1;
            let path = folder.path().join(format!("{serial}.redb"));
            EmbeddedStore::open(&path, clock).unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn durable_entries_survive_reopening_and_ephemeral_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let (durable, ephemeral) = (Key::new(Space::Durable, "kept"), Key::new(Space::Ephemeral, "lost"));
        {
            let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
            for key in [&durable, &ephemeral] {
                store.put(key, Bytes::from_static(b"v"), Timestamp::NEVER, Put::New).await.unwrap();
            }
        }
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
        assert_eq!(store.get(&durable).await.unwrap().as_deref(), Some(b"v".as_slice()));
        assert_eq!(store.get(&ephemeral).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_second_opening_of_the_same_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let _first = EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
        assert!(EmbeddedStore::open(&path, Arc::new(SystemClock)).is_err());
    }

    #[tokio::test]
    async fn ended_entries_leave_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1)));
        let store = EmbeddedStore::open(&folder.path().join("store.redb"), clock.clone()).unwrap();
        for n in 0..10 {
            let key = Key::new(Space::Durable, &format!("ends/{n}"));
            store.put(&key, Bytes::new(), Timestamp::from_secs(5), Put::New).await.unwrap();
        }
        clock.advance(std::time::Duration::from_secs(10));
        store.put(&Key::new(Space::Durable, "new"), Bytes::new(), Timestamp::NEVER, Put::New).await.unwrap();
        let reading = store.database.begin_read().unwrap();
        assert_eq!(redb::ReadableTableMetadata::len(&reading.open_table(ENTRIES).unwrap()).unwrap(), 1);
    }
}
