//! The server's end of the socket.

use super::{ANSWER, Change, LONGEST, TRANSFER, path};
use crate::accounts::Accounts;
use crate::cli::Problem;
use crate::observer::Observer;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Changes at once.
const CALLERS: u32 = 4;

/// Listens until it is closed or dropped.
#[derive(Debug)]
pub(in crate::cli) struct Control {
    path: PathBuf,
    room: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl Control {
    /// Listens in this folder, whose store must be ours: whatever socket is there is then nobody's.
    ///
    /// # Errors
    /// When no socket can be there.
    pub(in crate::cli) fn listen(folder: &Path, accounts: Accounts, observer: Observer) -> io::Result<Self> {
        let path = path(folder);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        // Between the two lines above others may have got in, so each caller is looked at, too.
        let owner = std::fs::metadata(&path)?.uid();
        let room = Arc::new(Semaphore::new(CALLERS as usize));
        let accepting = tokio::spawn(accept(listener, room.clone(), owner, accounts, observer));
        Ok(Self { path, room, accepting })
    }

    /// Takes no further changes and waits for those that were begun.
    pub(in crate::cli) async fn close(self) {
        self.accepting.abort();
        let _ = timeout(TRANSFER, self.room.acquire_many(CALLERS)).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
        // What stays is found to be nobody's by the next server here.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(
    listener: UnixListener,
    room: Arc<Semaphore>,
    owner: u32,
    accounts: Accounts,
    observer: Observer,
) {
    loop {
        let Ok(held) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: the connections that are open will end.
                tracing::warn!(%error, "a change of accounts could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (accounts, observer) = (accounts.clone(), observer.clone());
        tokio::spawn(async move {
            let served = observer.watch(serve(stream, owner, &accounts, &observer)).await;
            if let Err(error) = served {
                tracing::warn!(%error, "a change of accounts ended early");
            }
            drop(held);
        });
    }
}

async fn serve(
    mut stream: UnixStream,
    owner: u32,
    accounts: &Accounts,
    observer: &Observer,
) -> io::Result<()> {
    let caller = stream.peer_cred()?.uid();
    if caller != owner && caller != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {caller} is not ours")));
    }
    let mut line = zeroize::Zeroizing::new(Vec::new());
    timeout(TRANSFER, BufReader::new((&mut stream).take(LONGEST)).read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice::<Change>(&line) {
        Ok(_) if observer.refuses() => Err(
            "the audit log cannot be written, and audit.required is set: nothing was changed, see audit.file"
                .into(),
        ),
        Ok(change) => match timeout(ANSWER, change.carry_out(accounts)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("it took longer than {} s; see whether it is done", ANSWER.as_secs())),
        },
        Err(_) => Err::<_, Problem>(
            "the running server does not understand this program: call the one that it was started from"
                .into(),
        ),
    };
    let answer = serde_json::to_vec(&answer)?;
    timeout(TRANSFER, stream.write_all(&answer)).await?
}
