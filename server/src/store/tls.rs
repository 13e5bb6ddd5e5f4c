//! TLS to a store on another machine: whose certificates are believed, and what we show of ourselves.
//!
//! A certificate is always verified, its name too. There is no switch for anything less.

use super::StoreError;
use crate::pem;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Whom to believe that he is the store, and who we say we are. Used where the address of a store asks for TLS.
///
/// By default whoever the system believes, and nobody.
///
/// ```
/// use countersign_server::store::StoreTls;
///
/// let alone = StoreTls::load(None, Some("client.pem".as_ref()), None).unwrap_err();
/// assert_eq!(alone.to_string(), "store.client_cert is given without store.client_key: give both or none");
/// ```
#[derive(Clone, Default)]
pub struct StoreTls {
    ca: Option<Vec<u8>>,
    own: Option<Own>,
}

/// A certificate of ours and its key, in PEM.
#[derive(Clone)]
struct Own {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// Files for TLS that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreTlsError {
    /// Half a pair.
    #[error("store.{given} is given without store.{missing}: give both or none")]
    Alone {
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// A file cannot be read, or has nothing of that kind in it.
    #[error("store.{key}: {path} has no {what} in PEM that can be read: {cause}")]
    File {
        /// The setting, without its table.
        key: &'static str,
        /// The file.
        path: String,
        /// What it should have.
        what: &'static str,
        /// Why it has not.
        cause: String,
    },
    /// The system believes nobody, and nobody was named.
    #[error(
        "this system has no certificates of authorities ({0}): install them (on Debian: apt-get install ca-certificates), or name the store's own with store.ca"
    )]
    NoRoots(String),
    /// The pair does not belong together, or is of no kind that is known.
    #[error("store.client_key is not the key of store.client_cert, or is of no known kind: {0}")]
    Pair(String),
    /// The cryptography lacks what TLS needs.
    #[error("TLS to the store cannot be set up: {0}")]
    Setup(String),
}

impl StoreTls {
    /// Reads certificates of authorities, and a certificate of our own with its key for stores that ask for one. All are
    /// PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or is something else, and when the certificate and the key do not belong together.
    pub fn load(
        ca: Option<&Path>,
        client_cert: Option<&Path>,
        client_key: Option<&Path>,
    ) -> Result<Self, StoreTlsError> {
        let alone = |given, missing| Err(StoreTlsError::Alone { given, missing });
        let own = match (client_cert, client_key) {
            (None, None) => None,
            (Some(_), None) => return alone("client_cert", "client_key"),
            (None, Some(_)) => return alone("client_key", "client_cert"),
            (Some(cert), Some(key)) => Some(Own {
                cert: read("client_cert", "certificate", cert, |pem| pem::certificates(pem).map(drop))?,
                key: read("client_key", "private key", key, |pem| pem::private_key(pem).map(drop))?.into(),
            }),
        };
        let anchors = |pem: &[u8]| anchors(pem).map(drop);
        let ca = ca.map(|path| read("ca", "certificate", path, anchors)).transpose()?;
        let tls = Self { ca, own };
        if tls.is_given() {
            tls.config()?;
        }
        Ok(tls)
    }

    /// Whether anybody gave anything, which makes sense only where TLS is spoken.
    pub(super) const fn is_given(&self) -> bool {
        self.ca.is_some() || self.own.is_some()
    }

    /// How to speak TLS.
    pub(super) fn config(&self) -> Result<ClientConfig, StoreTlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| StoreTlsError::Setup(error.to_string()))?
            .with_root_certificates(self.roots()?);
        let Some(own) = &self.own else { return Ok(builder.with_no_client_auth()) };
        let chain = pem::certificates(&own.cert).map_err(StoreTlsError::Pair)?;
        let key = pem::private_key(&own.key).map_err(StoreTlsError::Pair)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| StoreTlsError::Pair(error.to_string()))
    }

    fn roots(&self) -> Result<RootCertStore, StoreTlsError> {
        if let Some(ca) = &self.ca {
            return anchors(ca).map_err(StoreTlsError::Setup);
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems keep some that no verifier takes.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let cause = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
            return Err(StoreTlsError::NoRoots(cause));
        }
        Ok(roots)
    }

    /// The same for the library that talks to Redis.
    #[cfg(feature = "redis")]
    pub(super) fn certificates(&self) -> redis::TlsCertificates {
        redis::TlsCertificates {
            client_tls: self.own.as_ref().map(|own| redis::ClientTlsConfig {
                client_cert: own.cert.clone(),
                client_key: own.key.to_vec(),
            }),
            root_cert: self.ca.clone(),
        }
    }
}

impl fmt::Debug for StoreTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ca, own) = (self.ca.is_some(), self.own.is_some());
        f.debug_struct("StoreTls").field("ca", &ca).field("own", &own).finish()
    }
}

impl From<StoreTlsError> for StoreError {
    fn from(error: StoreTlsError) -> Self {
        Self::new("set up TLS", &error)
    }
}

/// What to look at after an error of this text, where it is about a certificate.
pub(super) fn hint(error: &str) -> &'static str {
    // Neither library gives the error itself away: it is within errors of input and output.
    if error.contains("invalid peer certificate") {
        return " (store.ca names the authority that signed it, and the host in store.url must be one of its names)";
    }
    if error.contains("CertificateRequired") || error.contains("HandshakeFailure") {
        return " (it may ask for a certificate of ours: store.client_cert and store.client_key)";
    }
    ""
}

/// Says that others may read along, where that is so.
pub(super) fn warn_in_clear(host: &str, instead: &str) {
    if leaves(host) {
        tracing::warn!(
            host,
            "what is said to the store can be read on its way, the password and the sessions: {instead} in store.url"
        );
    }
}

/// Whether what is sent to this host leaves the machine.
fn leaves(host: &str) -> bool {
    host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn anchors(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for one in pem::certificates(pem)? {
        roots.add(one).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn read(
    key: &'static str,
    what: &'static str,
    path: &Path,
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<Vec<u8>, StoreTlsError> {
    let failed = |cause| StoreTlsError::File { key, path: path.display().to_string(), what, cause };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    check(&pem).map_err(failed)?;
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_on_this_machine_may_go_in_the_clear() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1"] {
            assert!(!leaves(host), "{host}");
        }
        for host in ["10.0.0.1", "::2", "db.example", "localhost.example", "127.0.0.1.example"] {
            assert!(leaves(host), "{host}");
        }
    }

    #[test]
    fn files_that_are_something_else_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/");
        let [one, key, other] = ["one.crt", "one.key", "two.key"].map(|name| Path::new(own).join(name));
        let empty = file("empty.pem", b"");
        let text = |ca, cert, key| StoreTls::load(ca, cert, key).unwrap_err().to_string();
        assert!(
            text(Some(&empty), None, None)
                .ends_with("empty.pem has no certificate in PEM that can be read: there is none")
        );
        assert!(text(Some(Path::new("/nonexistent")), None, None).starts_with("store.ca: /nonexistent"));
        assert!(text(Some(&key), None, None).starts_with("store.ca: "));
        assert!(text(None, Some(&one), Some(&empty)).contains("empty.pem has no private key"));
        assert!(text(None, None, Some(&key)).contains("without store.client_cert"));
        assert!(text(Some(&one), Some(&one), Some(&other)).starts_with("store.client_key is not the key"));
        let whole = StoreTls::load(Some(&one), Some(&one), Some(&key)).unwrap();
        assert_eq!(format!("{whole:?}"), "StoreTls { ca: true, own: true }");
        let _ = std::fs::remove_dir_all(folder);
    }
}
