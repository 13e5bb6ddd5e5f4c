//! Redis and PostgreSQL behind TLS: who is believed, and what is said of those who are not.

use super::crash::production;
use super::private::{encrypted, private};
use super::process::{Program, command};
use super::stores::recovered;
use super::support::account;
use base64::Engine as _;
use bytes::Bytes;
use countersign_fixtures::stores::{Certificate, Kind, PrivateStore};
use countersign_server::env::{Clock, MovableClock, Timestamp};
use countersign_server::store::{
    CallLimits, Key, PostgresStore, Put, RedisStore, Space, Store, StoreError, StoreTls,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use secrecy::SecretString;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Somebody who signs certificates, and a folder with what he has signed.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "countersign test authority");
        let folder = tempfile::tempdir().unwrap();
        let ca = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
        std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this name and its key, in PEM.
    fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", cert.der()), pem("PRIVATE KEY", key.serialized_der()))
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn certificate(&self, name: &str, clients: Option<&Self>) -> Certificate {
        let (cert, key) = self.signed(name);
        Certificate { cert, key, clients: clients.map(|one| std::fs::read_to_string(one.ca()).unwrap()) }
    }

    /// Whoever believes this authority alone.
    fn believed(&self) -> StoreTls {
        StoreTls::load(Some(&self.ca()), None, None).unwrap()
    }

    /// The same, with a certificate of his own that this authority signed.
    fn known(&self, signer: &Self) -> StoreTls {
        let (cert, key) = signer.signed("countersign-server");
        let [cert_file, key_file] = ["own.pem", "own.key"].map(|name| self.folder.path().join(name));
        std::fs::write(&cert_file, cert).unwrap();
        std::fs::write(&key_file, key).unwrap();
        StoreTls::load(Some(&self.ca()), Some(&cert_file), Some(&key_file)).unwrap()
    }
}

/// As RFC 7468 writes it.
fn pem(what: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

async fn open(kind: Kind, url: &str, tls: &StoreTls) -> Result<Arc<dyn Store>, StoreError> {
    let limits = CallLimits { time: Duration::from_secs(20), ..CallLimits::default() };
    let clock: Arc<dyn Clock> = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_000)));
    let url = SecretString::from(url);
    Ok(match kind {
        Kind::Redis => Arc::new(RedisStore::open(&url, tls, "p", limits, clock).await?),
        Kind::Postgres => Arc::new(PostgresStore::open(&url, tls, 2, limits, clock).await?),
    })
}

/// What is said of a store that must not be believed; never its password.
async fn refused(private: &PrivateStore, kind: Kind, url: &str, tls: &StoreTls) -> String {
    let text = open(kind, url, tls).await.err().unwrap_or_else(|| panic!("{url} was believed")).to_string();
    assert!(!text.contains(private.password()) && text.lines().count() == 1, "{text}");
    text
}

const KINDS: [Kind; 2] = [Kind::Redis, Kind::Postgres];

#[tokio::test]
async fn a_store_is_believed_under_the_right_authority_and_under_no_other() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for kind in KINDS {
        let Some(private) = encrypted(kind, ours.certificate("127.0.0.1", None)) else { continue };
        let store = open(kind, &private.url(), &ours.believed()).await.unwrap();
        let key = Key::new(Space::Durable, "k");
        assert!(store.put(&key, Bytes::from_static(b"v"), Timestamp::NEVER, Put::New).await.unwrap());
        assert_eq!(store.get(&key).await.unwrap().as_deref(), Some(&b"v"[..]));

        let other = refused(&private, kind, &private.url(), &theirs.believed()).await;
        assert!(other.contains("127.0.0.1:") && other.contains("(store.ca names the authority"), "{other}");
        assert!(other.contains("UnknownIssuer") || other.contains("BadSignature"), "{other}");
        let system = refused(&private, kind, &private.url(), &StoreTls::default()).await;
        assert!(system.contains("store.ca"), "{system}");
        let clear = match kind {
            Kind::Redis => private.url().replace("rediss:", "redis:"),
            Kind::Postgres => private.url().replace("require", "disable"),
        };
        refused(&private, kind, &clear, &StoreTls::default()).await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_taken() {
    let authority = Authority::new();
    for kind in KINDS {
        let Some(private) = encrypted(kind, authority.certificate("db.example", None)) else { continue };
        let text = refused(&private, kind, &private.url(), &authority.believed()).await;
        assert!(text.contains("not valid for name") && text.contains("one of its names"), "{text}");
    }
}

#[tokio::test]
async fn a_store_that_asks_for_a_certificate_is_shown_one() {
    let (ours, clients) = (Authority::new(), Authority::new());
    for kind in KINDS {
        let certificate = ours.certificate("127.0.0.1", Some(&clients));
        let Some(private) = encrypted(kind, certificate) else { continue };
        open(kind, &private.url(), &ours.known(&clients)).await.unwrap().ping().await.unwrap();
        refused(&private, kind, &private.url(), &ours.believed()).await;
        refused(&private, kind, &private.url(), &ours.known(&ours)).await;
    }
}

#[tokio::test]
async fn a_store_without_tls_is_not_spoken_to_where_tls_was_asked_for() {
    let authority = Authority::new();
    for kind in KINDS {
        let Some(private) = private(kind) else { continue };
        let url = match kind {
            Kind::Redis => private.url().replace("redis:", "rediss:"),
            Kind::Postgres => private.url(),
        };
        let text = refused(&private, kind, &url, &authority.believed()).await;
        assert!(kind == Kind::Redis || text.contains("does not support TLS"), "{text}");
    }
}

#[tokio::test]
async fn an_encrypted_store_is_found_again_after_a_crash() {
    let authority = Authority::new();
    for kind in KINDS {
        let Some(mut private) = encrypted(kind, authority.certificate("127.0.0.1", None)) else { continue };
        let store = open(kind, &private.url(), &authority.believed()).await.unwrap();
        let key = Key::new(Space::Durable, "k");
        assert!(store.put(&key, Bytes::new(), Timestamp::NEVER, Put::New).await.unwrap());
        private.crash();
        assert!(store.get(&key).await.is_err());
        private.start_again().unwrap();
        recovered(store.as_ref()).await;
        assert!(store.get(&key).await.unwrap().is_some());
    }
}

#[test]
fn the_program_logs_in_over_an_encrypted_store() {
    let authority = Authority::new();
    let (username, password) = account("ethgas");
    for (kind, name) in [(Kind::Redis, "redis"), (Kind::Postgres, "postgres")] {
        let Some(private) = encrypted(kind, authority.certificate("127.0.0.1", None)) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("url");
        std::fs::write(&url, private.url()).unwrap();
        let store = format!(
            "[store]\nkind = \"{name}\"\nurl = \"file:{}\"\nca = \"{}\"\n",
            url.display(),
            authority.ca().display()
        );
        let arguments = production(folder.path(), &store);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let log = folder.path().join("log");
        let program = Program::tracing(&arguments, std::fs::File::create(&log).unwrap());
        let login =
            program.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
        assert_eq!(login.checked(), 200);
        drop(program);
        let log = std::fs::read_to_string(log).unwrap();
        assert!(!log.contains(private.password()), "{log}");
    }
}

/// What `check-config` complains of, with these settings of the store.
fn complaint(folder: &Path, store: &str) -> String {
    let file = folder.join("c.toml");
    std::fs::write(&file, format!("[store]\n{store}\n")).unwrap();
    let output = command(&["check-config", "--config"]).arg(&file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{store}: {text}");
    assert!(!text.contains("Hidden"), "{text}");
    text
}

#[test]
fn check_config_names_what_is_wrong_with_tls() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = format!("ca = \"{}\"", authority.ca().display());
    let redis = |url: &str, more: &str| format!("kind = \"redis\"\nurl = \"{url}\"\n{more}");
    let postgres = |url: &str, more: &str| format!("kind = \"postgres\"\nurl = \"{url}\"\n{more}");
    let cases = [
        (redis("redis://:Hidden@db.example", &ca), "write rediss:// for redis://"),
        (redis("rediss://:Hidden@db.example#insecure", ""), "#insecure is refused"),
        (
            redis("rediss://:Hidden@db.example", "ca = \"/nonexistent\""),
            "store.ca: /nonexistent has no certificate",
        ),
        (redis("rediss://:Hidden@db.example", "client_cert = \"/a\""), "without store.client_key"),
        (postgres("postgres://u:Hidden@db.example/d?sslmode=verify-full", ""), "which always verifies"),
        (postgres("postgres://u:Hidden@db.example/d?sslrootcert=a", ""), "stand in store.ca"),
        (postgres("postgres://u:Hidden@db.example/d?sslmode=disable", &ca), "leave one out"),
        (postgres("postgres://u:Hidden@db.example/d", "client_key = \"/a\""), "without store.client_cert"),
    ];
    for (store, expected) in cases {
        let text = complaint(folder.path(), &store);
        assert!(text.contains(expected), "{store}: {text}");
    }
}
