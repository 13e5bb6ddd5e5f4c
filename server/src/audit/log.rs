//! Where audit events are written: by a thread of its own, to a file that is only appended to.
//!
//! Nobody who logs in waits for the disk. What cannot be written now waits, up to a number of events and of bytes, and is
//! tried again each second. What finds no place is lost, counted, and the loss is itself written down as soon as
//! something can be. Whoever must not lose anything asks [`AuditLog::is_in_trouble`] before he does what is to be told.

use super::queue::{Job, Queue};
use super::record::Record;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// An audit log that is open.
///
/// Cloning is cheap; all clones are the same log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    queue: Arc<Queue>,
    failing: Arc<AtomicBool>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What lines go to.
#[derive(Debug)]
enum Target {
    File { path: PathBuf, file: File },
    Stdout,
}

impl AuditLog {
    /// Opens a file, or standard output where the path is `-`. So many events may wait to be written, and so many KiB.
    ///
    /// # Errors
    /// When the file can be neither opened nor made, or no thread started.
    pub fn open(path: &Path, queue: usize) -> io::Result<Self> {
        let target = if path == Path::new("-") {
            Target::Stdout
        } else {
            Target::File { path: path.to_owned(), file: append(path)? }
        };
        let queue = Arc::new(Queue::new(queue.max(1)));
        let failing = Arc::new(AtomicBool::new(false));
        let writer = Writer::new(target, queue.clone(), failing.clone());
        let thread =
            std::thread::Builder::new().name("countersign-audit".into()).spawn(move || writer.run())?;
        Ok(Self { queue, failing, writer: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Hands an event to the writer, or loses and counts it where too many wait.
    pub(crate) fn write(&self, record: &Record<'_>) {
        self.queue.push(record.line());
    }

    /// Events that could not be written since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// Events that wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Whether the last attempt to write failed. What waits is tried again.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Whether what happens now might not be written: the last attempt failed, or half of the places are taken.
    #[must_use]
    pub fn is_in_trouble(&self) -> bool {
        self.is_failing() || self.queue.is_half_full()
    }

    /// Opens the file again, for whoever has moved the old one away.
    pub fn reopen(&self) {
        self.queue.reopen();
    }

    /// Writes what waits, has the disk keep it, and ends. What cannot be written then is lost and counted, and so is what
    /// comes afterwards.
    pub fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.queue.close();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

#[derive(Debug)]
struct Writer {
    target: Target,
    queue: Arc<Queue>,
    failing: Arc<AtomicBool>,
    /// Whole lines, of which this many bytes are written.
    batch: Vec<u8>,
    written: usize,
    /// Losses that the log tells of once the batch is written.
    telling: u64,
}

impl Writer {
    fn new(target: Target, queue: Arc<Queue>, failing: Arc<AtomicBool>) -> Self {
        // What a crash has left half written shall not spoil the first line of ours.
        let batch = if target.is_torn() { b"\n".to_vec() } else { Vec::new() };
        Self { target, queue, failing, batch, written: 0, telling: 0 }
    }

    fn run(mut self) {
        loop {
            let job = if self.is_behind() {
                self.queue.wait_to_try_again()
            } else {
                self.queue.wait_for_lines(&mut self.batch, self.telling)
            };
            let tried = match job {
                Job::Reopen => self.reopen(),
                Job::Write { lost } => {
                    if lost > self.telling && !self.is_behind() {
                        self.batch.extend_from_slice(&Record::lost(lost - self.telling).line());
                        self.telling = lost;
                    }
                    Ok(())
                }
                Job::End => return self.end(),
            };
            let tried = tried.and_then(|()| self.put());
            self.tell(tried);
        }
    }

    /// Whether a batch was tried and could not be written whole.
    fn is_behind(&self) -> bool {
        self.failing.load(Ordering::Relaxed) && !self.batch.is_empty()
    }

    fn put(&mut self) -> io::Result<()> {
        write_on(&mut self.target, &self.batch, &mut self.written)?;
        self.target.flush()?;
        self.batch.clear();
        self.written = 0;
        Ok(())
    }

    /// Says that it fails, and that it no longer does; each once.
    fn tell(&self, tried: io::Result<()>) {
        let failed = tried.is_err();
        let failed_before = self.failing.swap(failed, Ordering::Relaxed);
        match tried {
            Err(error) if !failed_before => {
                tracing::error!(%error, "the audit log cannot be written; events wait, are tried again each second, and are lost once too many wait");
            }
            Ok(()) if failed_before => {
                tracing::warn!(lost = self.queue.lost(), "the audit log is written again");
            }
            _ => {}
        }
    }

    /// Goes on in another file, with the whole of a line that was begun in the old one.
    fn reopen(&mut self) -> io::Result<()> {
        let Target::File { path, file } = &mut self.target else { return Ok(()) };
        match append(path) {
            Ok(fresh) => *file = fresh,
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the audit file could not be opened again; the old one is used");
                return Ok(());
            }
        }
        let whole = self.batch[..self.written].iter().rposition(|byte| *byte == b'\n');
        self.written = whole.map_or(0, |at| at + 1);
        Ok(())
    }

    /// Tries what is left once more. Whoever stops the program waits for this.
    fn end(mut self) {
        self.queue.drain(&mut self.batch);
        match self.put() {
            Ok(()) => {
                if let Target::File { file, .. } = &self.target {
                    // What cannot be flushed was written all the same.
                    let _ = file.sync_all();
                }
            }
            Err(error) => {
                let unwritten = self.batch[self.written..].split_inclusive(|byte| *byte == b'\n');
                let lines = unwritten.filter(|line| line.len() > 1).count();
                self.queue.lose(u64::try_from(lines).unwrap_or(u64::MAX));
                tracing::error!(%error, lost = self.queue.lost(), "audit events were not written and are lost");
            }
        }
    }
}

impl Target {
    /// Whether the last line there has no end.
    fn is_torn(&self) -> bool {
        let Self::File { path, .. } = self else { return false };
        let last = || {
            let mut file = File::open(path)?;
            // Of something else than a file, which has no end, nothing is read.
            if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
                return Ok(b'\n');
            }
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            Ok::<_, io::Error>(last[0])
        };
        last().is_ok_and(|last| last != b'\n')
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write(bytes),
            Self::Stdout => io::stdout().lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { .. } => Ok(()),
            Self::Stdout => io::stdout().lock().flush(),
        }
    }
}

/// Writes what is not written yet, and says how far it came also where it fails.
fn write_on(out: &mut impl Write, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match out.write(&bytes[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
mod tests;
