//! TLS on a socket, with a client that trusts one certificate.

use super::http2;
use super::support::Server;
use countersign_server::http::tls::Tls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");

/// A folder with a pair that a test may replace.
struct Pair(tempfile::TempDir);

impl Pair {
    fn of(name: &str) -> Self {
        let pair = Self(tempfile::tempdir().unwrap());
        pair.put("cert.pem", &format!("{name}.crt"));
        pair.put("key.pem", &format!("{name}.key"));
        pair
    }

    fn put(&self, file: &str, from: &str) {
        std::fs::copy(Path::new(FOLDER).join(from), self.0.path().join(file)).unwrap();
    }

    fn tls(&self) -> Tls {
        Tls::load(&self.0.path().join("cert.pem"), &self.0.path().join("key.pem")).unwrap()
    }
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A connection that trusts this certificate and no other, its handshake done.
fn connect(
    address: SocketAddr,
    trusted: &str,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<Secure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(Path::new(FOLDER).join(trusted)).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn head_of(stream: &mut Secure) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut said = Vec::new();
    while !said.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1_024];
        let read = stream.read(&mut part)?;
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8(said).unwrap().to_ascii_lowercase())
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

#[test]
fn both_versions_and_both_protocols_are_served() {
    let server = Server::encrypted(&Pair::of("one").tls());
    for version in BOTH {
        let mut stream = connect(server.address, "one.crt", &["http/1.1"], &[version]).unwrap();
        let head = head_of(&mut stream).unwrap();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("strict-transport-security: max-age=31536000"), "{head}");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let mut stream = connect(server.address, "one.crt", &["h2", "http/1.1"], BOTH).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(http2::ask(&mut stream), Some(0x88));
    assert!(connect(server.address, "two.crt", &[], BOTH).is_err(), "another certificate");
}

#[test]
fn a_new_pair_serves_new_connections_and_a_bad_one_changes_nothing() {
    let pair = Pair::of("one");
    let tls = pair.tls();
    let server = Server::encrypted(&tls);
    let mut open = connect(server.address, "one.crt", &[], BOTH).unwrap();
    head_of(&mut open).unwrap();
    pair.put("cert.pem", "two.crt");
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("cert.pem"), "{error}");
    std::fs::write(pair.0.path().join("key.pem"), "no key").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.starts_with("tls.key: ") && error.contains("no private key"), "{error}");
    connect(server.address, "one.crt", &[], BOTH).unwrap();
    pair.put("key.pem", "two.key");
    tls.reload().unwrap();
    connect(server.address, "two.crt", &[], BOTH).unwrap();
    assert!(connect(server.address, "one.crt", &[], BOTH).is_err());
    assert!(head_of(&mut open).unwrap().starts_with("http/1.1 200"), "open connections stay");
}

#[test]
fn a_changed_pair_is_found_without_being_told() {
    let pair = Pair::of("one");
    let tls = pair.tls();
    let server = Server::encrypted(&tls);
    server.spawn(async move { tls.watch(Duration::from_millis(10)).await });
    connect(server.address, "one.crt", &[], BOTH).unwrap();
    pair.put("key.pem", "two.key");
    pair.put("cert.pem", "two.crt");
    let found = (0..2_000).any(|_| connect(server.address, "two.crt", &[], BOTH).is_ok());
    assert!(found);
}

#[test]
fn who_does_not_shake_hands_is_cut_off_while_others_are_served() {
    let server = Server::encrypted(&Pair::of("one").tls());
    let mut silent = TcpStream::connect(server.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    head_of(&mut connect(server.address, "one.crt", &[], BOTH).unwrap()).unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "nothing is answered in the clear");
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[cfg(unix)]
#[test]
fn the_program_serves_over_tls_and_reads_its_pair_anew_on_sighup() {
    let pair = Pair::of("one");
    let folder = pair.0.path().display().to_string();
    let config = pair.0.path().join("c.toml");
    let text =
        format!("[tls]\ncert = \"{folder}/cert.pem\"\nkey = \"{folder}/key.pem\"\nwatch_seconds = 3600\n");
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign-server"))
        // Meant for the tests: a server knows no such setting.
        .env_remove("COUNTERSIGN_REQUIRE_ALL")
        .args(["--listen", "127.0.0.1:0", "--store", "memory", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.strip_prefix("countersign-server listening on https://").unwrap().parse().unwrap();
    let before = connect(address, "one.crt", &[], BOTH).is_ok();
    pair.put("key.pem", "two.key");
    pair.put("cert.pem", "two.crt");
    let still = connect(address, "one.crt", &[], BOTH).is_ok();
    let told = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success();
    let found = (0..2_000).any(|_| connect(address, "two.crt", &[], BOTH).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((before, still, told, found), (true, true, true, true));
}
