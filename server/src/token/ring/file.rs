//! A key ring in a file that nobody else can read.

use super::{KeptRing, RingError};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// `keys.json` in a folder. It is replaced as a whole, so a reader sees the old ring or the new one.
#[derive(Debug, Clone)]
pub struct KeyFile {
    folder: PathBuf,
    path: PathBuf,
}

/// Tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(SystemTime, u64, u64);

impl KeyFile {
    /// The file in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), path: folder.join("keys.json") }
    }

    /// How people call it.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The ring, if the file is there.
    ///
    /// # Errors
    /// When it can be read by others or makes no sense.
    pub fn load(&self) -> Result<Option<KeptRing>, RingError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let metadata = std::fs::metadata(&self.path).map_err(|error| self.failed(error))?;
        if readable_by_others(&metadata) {
            return Err(RingError::Open(self.place()));
        }
        KeptRing::read(&text, &self.place()).map(Some)
    }

    /// What the file is like now; nothing where there is none.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>, RingError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => {
                let modified = metadata.modified().map_err(|error| self.failed(error))?;
                Ok(Some(Stamp(modified, metadata.len(), identity(&metadata))))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Changes the ring, or makes it from nothing, while no other process does.
    ///
    /// # Errors
    /// When the file cannot be read, used or written, or what `change` says; then it is as before.
    pub fn update(
        &self,
        mut change: impl FnMut(Option<KeptRing>) -> Result<KeptRing, RingError>,
    ) -> Result<KeptRing, RingError> {
        let _turn = self.turn()?;
        let was = self.load()?;
        let serial = was.as_ref().map(KeptRing::serial);
        let ring = change(was)?;
        if serial != Some(ring.serial()) {
            self.write(&ring)?;
        }
        Ok(ring)
    }

    /// Held while the file is changed; the next in line gets it when this is dropped, or its process ends.
    fn turn(&self) -> Result<File, RingError> {
        let path = self.folder.join("keys.lock");
        let lock = private().create(true).truncate(false).open(&path).map_err(|error| self.failed(error))?;
        for _ in 0..TURNS {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => std::thread::sleep(TURN),
                Err(TryLockError::Error(error)) => return Err(self.failed(error)),
            }
        }
        Err(RingError::Busy(path.display().to_string()))
    }

    fn write(&self, ring: &KeptRing) -> Result<(), RingError> {
        // Under the lock, so that what is left of it belongs to a process that was killed.
        let draft = self.folder.join("keys.json.new");
        let failed = |error| self.failed(error);
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = private().create_new(true).open(&draft).map_err(failed)?;
        file.write_all(&ring.write()?).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&draft, &self.path).map_err(failed)?;
        sync_folder(&self.folder).map_err(failed)
    }

    fn failed(&self, source: std::io::Error) -> RingError {
        RingError::File { place: self.place(), source }
    }
}

/// How long a change by another process is waited for, in turns.
const TURNS: usize = 50;
const TURN: Duration = Duration::from_millis(100);

/// Opens for writing what nobody else may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn readable_by_others(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_: &Metadata) -> bool {
    false
}

/// The number of the file itself: a replacement within one tick of the clock is seen too.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> u64 {
    0
}

/// A new name of a file survives a crash only when its folder was flushed too.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{SystemRandom, Timestamp};
    use crate::token::TokenAlgorithm;

    fn fresh(was: Option<KeptRing>) -> Result<KeptRing, RingError> {
        match was {
            Some(ring) => Ok(ring),
            None => KeptRing::fresh(TokenAlgorithm::EdDsa, Timestamp::from_secs(1), &SystemRandom),
        }
    }

    #[test]
    fn a_ring_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path());
        assert!(file.load().unwrap().is_none());
        let made = file.update(fresh).unwrap();
        let stamp = file.stamp().unwrap();
        let found = file.update(fresh).unwrap();
        assert_eq!(made.keys()[0].kid(), found.keys()[0].kid());
        assert_eq!(file.stamp().unwrap(), stamp, "what did not change is not written");
    }

    #[test]
    fn a_refused_change_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path());
        let made = file.update(fresh).unwrap();
        let refused = file.update(|ring| {
            let mut ring = ring.unwrap();
            ring.rotate(Timestamp::from_secs(2), 1, false, &SystemRandom).map(|()| ring)
        });
        assert!(matches!(refused, Err(RingError::TooSoon(_))));
        assert_eq!(file.load().unwrap().unwrap().keys()[0].kid(), made.keys()[0].kid());
    }

    #[test]
    fn changes_at_the_same_moment_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path());
        file.update(fresh).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    file.update(|ring| {
                        let mut ring = ring.unwrap();
                        ring.rotate(Timestamp::from_secs(2), 1_000, true, &SystemRandom).map(|()| ring)
                    })
                    .unwrap();
                });
            }
        });
        let ring = file.load().unwrap().unwrap();
        assert_eq!((ring.serial(), ring.keys().len()), (9, 10), "none is lost");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path());
        file.update(fresh).unwrap();
        assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(file.load(), Err(RingError::Open(_))), "{mode:o}");
        }
    }
}
