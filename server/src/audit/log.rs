//! Where audit events are written: by a thread of its own, to a file that is only appended to.
//!
//! Nobody who logs in waits for the disk. The queue ends; what finds no place in it is lost, counted, and the loss is
//! itself written down as soon as something can be.

use super::record::Record;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// An audit log that is open.
///
/// Cloning is cheap; all clones are the same log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    Reopen,
    End,
}

/// What lines go to.
#[derive(Debug)]
enum Target {
    File { path: PathBuf, file: File },
    Stdout,
}

impl AuditLog {
    /// Opens a file, or standard output where the path is `-`. So many events may wait to be written.
    ///
    /// # Errors
    /// When the file can be neither opened nor made, or no thread started.
    pub fn open(path: &Path, queue: usize) -> io::Result<Self> {
        let target = if path == Path::new("-") {
            Target::Stdout
        } else {
            Target::File { path: path.to_owned(), file: append(path)? }
        };
        let (sender, receiver) = sync_channel(queue.max(1));
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { target, lost: lost.clone(), told: 0, failing: false };
        let thread = std::thread::Builder::new()
            .name("countersign-audit".into())
            .spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, lost, writer: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Hands an event to the writer, or loses and counts it where too many wait.
    pub(crate) fn write(&self, record: &Record<'_>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.sender.try_send(Message::Line(record.line()))
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that could not be written since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Opens the file again, for whoever has moved the old one away. Waits where the queue is full.
    pub fn reopen(&self) {
        // Without a writer nothing is open.
        let _ = self.sender.send(Message::Reopen);
    }

    /// Writes what waits, has the disk keep it, and ends. What comes afterwards is lost and counted.
    pub fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = self.sender.send(Message::End);
            let _ = writer.join();
        }
    }
}

#[derive(Debug)]
struct Writer {
    target: Target,
    lost: Arc<AtomicU64>,
    /// Losses that stand in the log already.
    told: u64,
    /// Whether the last attempt failed, which is logged once.
    failing: bool,
}

/// Bytes that are written at once at most.
const BATCH: usize = 64 * 1024;

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Ok(first) = receiver.recv() {
            let mut lines = 0;
            let mut next = Some(first);
            let mut end = false;
            let mut reopen = false;
            while let Some(message) = next.take() {
                match message {
                    Message::Line(line) => {
                        batch.extend_from_slice(&line);
                        lines += 1;
                    }
                    Message::Reopen => reopen = true,
                    Message::End => end = true,
                }
                if batch.len() < BATCH && !end && !reopen {
                    next = receiver.try_recv().ok();
                }
            }
            self.put(&mut batch, lines);
            if reopen {
                self.reopen();
            }
            if end {
                if let Target::File { file, .. } = &self.target {
                    // What cannot be flushed was written all the same.
                    let _ = file.sync_all();
                }
                return;
            }
        }
    }

    /// Writes a batch whole, so that lines of two programs never mix, and empties it.
    fn put(&mut self, batch: &mut Vec<u8>, lines: u64) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.told {
            batch.extend_from_slice(&Record::lost(lost - self.told).line());
        }
        let written = if batch.is_empty() { Ok(()) } else { self.target.write(batch) };
        batch.clear();
        match written {
            Ok(()) => {
                self.told = lost;
                self.failing = false;
            }
            Err(error) => {
                self.lost.fetch_add(lines, Ordering::Relaxed);
                if !self.failing {
                    tracing::error!(%error, "audit events cannot be written and are lost");
                }
                self.failing = true;
            }
        }
    }

    fn reopen(&mut self) {
        let Target::File { path, file } = &mut self.target else { return };
        match append(path) {
            Ok(fresh) => *file = fresh,
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the audit file could not be opened again; the old one is used");
            }
        }
    }
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.write_all(bytes),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
        }
    }
}

/// A file that is only appended to, and that only its owner may read.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::super::{Act, AuditEvent};
    use super::*;

    fn record(subject: &str) -> Record<'_> {
        Record::of(&AuditEvent::LoggedIn(Act { scheme: "s", operation: "o", subject }), None, None)
    }

    fn subjects(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["subject"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn events_are_appended_to_a_private_file_and_a_moved_one_is_followed_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path, 8).unwrap();
        log.write(&record("a"));
        log.close();
        let log = AuditLog::open(&path, 8).unwrap();
        log.write(&record("b"));
        log.reopen();
        let moved = folder.path().join("old");
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.write(&record("c"));
        log.close();
        assert_eq!([subjects(&moved), subjects(&path)].concat(), ["a", "b", "c"]);
        assert_eq!(log.lost(), 0);
        log.write(&record("d"));
        assert_eq!(log.lost(), 1, "it is closed");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_finds_no_place_is_counted_and_the_loss_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (sender, receiver) = sync_channel(2);
        let lost = Arc::new(AtomicU64::new(0));
        let log = AuditLog { sender, lost: lost.clone(), writer: Arc::default() };
        for subject in ["a", "b", "c", "d", "e"] {
            log.write(&record(subject));
        }
        assert_eq!(log.lost(), 3);
        drop(log);
        let target = Target::File { path: path.clone(), file: append(&path).unwrap() };
        Writer { target, lost, told: 0, failing: false }.run(&receiver);
        assert_eq!(subjects(&path), ["a", "b", ""]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().last().unwrap().contains("\"event\":\"lost\",\"cause\":\"3\""), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_loses_events_and_stops_nobody() {
        let log = AuditLog::open(Path::new("/dev/full"), 8).unwrap();
        log.write(&record("a"));
        log.close();
        assert_eq!(log.lost(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_is_an_error_at_the_start() {
        assert!(AuditLog::open(Path::new("/nonexistent/audit.jsonl"), 8).is_err());
    }
}
