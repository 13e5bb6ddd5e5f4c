//! How a server is asked to change what it has for itself: a socket in its data folder.
//!
//! Whoever may write the store's file may change accounts without asking anybody, so the socket asks for no more: it is in
//! the same folder, only the server's own user may open it, and root. Each connection brings one change, as a line of
//! JSON, and is given one answer.

#[cfg(unix)]
mod listen;

use super::Problem;
use super::accounts::{Change, Done};
#[cfg(unix)]
pub(super) use listen::Control;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::time::Duration;

/// Where a server with this data folder listens.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

/// A change with a password of 1,024 bytes, each of which JSON may write in six.
#[cfg(unix)]
const LONGEST: u64 = 16 * 1024;
/// For a change to arrive, and for its answer to be taken.
#[cfg(unix)]
const TRANSFER: Duration = Duration::from_secs(10);
/// For the answer to come: passwords are hashed in turn with those of logins.
#[cfg(unix)]
const ANSWER: Duration = Duration::from_secs(60);

/// A server that listens.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Running {
    stream: std::os::unix::net::UnixStream,
    path: PathBuf,
}

/// The server that has this folder, if one runs.
#[cfg(unix)]
pub(super) fn find(folder: &Path) -> Result<Option<Running>, Problem> {
    use std::io::ErrorKind;
    let path = path(folder);
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(Running { stream, path })),
        // Nobody was here, somebody was and crashed, or the path is too long for a socket.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::InvalidInput
            ) =>
        {
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(format!(
            "{} is not open to this user: call this as the user that the server runs as, or as root",
            path.display()
        )),
        Err(error) => Err(format!("{}: the running server cannot be asked: {error}", path.display())),
    }
}

#[cfg(unix)]
impl Running {
    /// Has it make the change.
    pub(super) fn ask(mut self, change: &Change) -> Result<Done, Problem> {
        use std::io::{Read as _, Write as _};
        let failed = |cause: &dyn std::fmt::Display| {
            format!("{}: the running server did not say whether it did so: {cause}", self.path.display())
        };
        let line = serde_json::to_vec(change).map(zeroize::Zeroizing::new).map_err(|error| failed(&error))?;
        let mut answer = Vec::new();
        self.stream
            .set_write_timeout(Some(TRANSFER))
            .and_then(|()| self.stream.set_read_timeout(Some(ANSWER)))
            .and_then(|()| self.stream.write_all(&line))
            .and_then(|()| self.stream.write_all(b"\n"))
            .and_then(|()| self.stream.read_to_end(&mut answer))
            .map_err(|error| failed(&error))?;
        let answer: Result<Done, Problem> =
            serde_json::from_slice(&answer).map_err(|error| failed(&error))?;
        answer
    }
}

/// Nobody can be found where there are no such sockets.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) enum Running {}

#[cfg(not(unix))]
pub(super) fn find(_: &Path) -> Result<Option<Running>, Problem> {
    Ok(None)
}

#[cfg(not(unix))]
impl Running {
    pub(super) fn ask(self, _: &Change) -> Result<Done, Problem> {
        match self {}
    }
}
