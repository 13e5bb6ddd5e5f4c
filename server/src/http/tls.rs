//! TLS that ends in this process, with a certificate that may change while it runs.

use crate::pem;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// A certificate and its key, read from two PEM files; TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
///
/// Cloning is cheap; all clones are the same pair.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    pair: Arc<Pair>,
}

/// The pair in force, for the handshakes that begin from now on.
struct Pair {
    cert: PathBuf,
    key: PathBuf,
    /// The files as they were just before they were first read, so that no change goes unseen.
    first: Stamp,
    now: RwLock<Arc<CertifiedKey>>,
}

/// A certificate and key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or has nothing of that kind in it.
    #[error("tls.{key}: {path} has no {what} in PEM that can be read: {cause}")]
    File {
        /// `cert` or `key`.
        key: &'static str,
        /// The file.
        path: String,
        /// What it should have.
        what: &'static str,
        /// Why it has not.
        cause: String,
    },
    /// They do not belong together, or are of no kind that is known.
    #[error(
        "the key in {key} is not that of the first certificate in {cert}, or is of no known kind: {cause}"
    )]
    Pair {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
        /// Why.
        cause: String,
    },
    /// The cryptography lacks what TLS needs.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of that one.
    ///
    /// # Errors
    /// When a file cannot be read or the two do not belong together.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let first = stamp(cert, key);
        let now = RwLock::new(Arc::new(read(cert, key)?));
        let pair = Arc::new(Pair { cert: cert.to_owned(), key: key.to_owned(), first, now });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(pair.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), pair })
    }

    /// Reads both files again. Connections that are open keep what they have; where it fails, so does everybody else.
    ///
    /// # Errors
    /// As [`Self::load`]; the pair in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(read(&self.pair.cert, &self.pair.key)?);
        *self.pair.now.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Reloads when a file has changed, looked at every so often, and on SIGHUP, which from this call on no longer ends the
    /// process. The future never ends.
    ///
    /// A pair that is being written is looked at again once it has changed further.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn watch(self, every: Duration) -> impl Future<Output = ()> + Send {
        #[cfg(unix)]
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        async move {
            let mut seen = self.pair.first;
            loop {
                #[cfg(unix)]
                let asked = async {
                    match &mut hangup {
                        Some(hangup) => hangup.recv().await,
                        None => std::future::pending().await,
                    }
                };
                #[cfg(not(unix))]
                let asked = std::future::pending::<Option<()>>();
                let forced = tokio::select! {
                    _ = asked => true,
                    () = tokio::time::sleep(every) => false,
                };
                let stamp = self.stamp().await;
                if forced || stamp != seen {
                    seen = stamp;
                    self.reload_and_tell().await;
                }
            }
        }
    }

    async fn reload_and_tell(&self) {
        let tls = self.clone();
        match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => tracing::info!("the certificate was read anew"),
            Ok(Err(error)) => tracing::error!(%error, "the certificate in force stays"),
            Err(error) => tracing::error!(%error, "the certificate in force stays"),
        }
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    async fn stamp(&self) -> Stamp {
        let pair = self.pair.clone();
        tokio::task::spawn_blocking(move || stamp(&pair.cert, &pair.key)).await.unwrap_or_default()
    }
}

/// What changes when one of two files does.
type Stamp = [Option<(SystemTime, u64)>; 2];

fn stamp(cert: &Path, key: &Path) -> Stamp {
    [cert, key].map(|path| {
        let data = std::fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len()))
    })
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("cert", &self.cert).field("key", &self.key).finish_non_exhaustive()
    }
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let file = |name, path: &Path, what, cause: String| TlsError::File {
        key: name,
        path: path.display().to_string(),
        what,
        cause,
    };
    let bytes = |path| std::fs::read(path).map(Zeroizing::new).map_err(|error| error.to_string());
    let chain = bytes(cert)
        .and_then(|pem| pem::certificates(&pem))
        .map_err(|cause| file("cert", cert, "certificate", cause))?;
    let secret = bytes(key)
        .and_then(|pem| pem::private_key(&pem))
        .map_err(|cause| file("key", key, "private key", cause))?;
    CertifiedKey::from_der(chain, secret, &rustls::crypto::ring::default_provider()).map_err(|error| {
        TlsError::Pair {
            cert: cert.display().to_string(),
            key: key.display().to_string(),
            cause: error.to_string(),
        }
    })
}
