//! The way to a target: straight or through a proxy, with or without TLS, HTTP/1.1 or HTTP/2.

use super::Base;
use super::sender::Sender;
use crate::profile::{Http, Version};
use crate::proxy::Proxy;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret as _;
use std::io::{Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How connections of one client are made.
pub(super) struct Route {
    version: Version,
    proxy: Option<Proxy>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Route {
    /// Prepares; nothing is sent.
    pub(super) fn new(base: &Base, http: &Http) -> Result<Self, String> {
        let tls = if base.tls { Some(connector(&base.host, http)?) } else { None };
        Ok(Self { version: http.version, proxy: http.proxy.clone(), tls })
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// A connection that takes requests.
    pub(super) async fn open(&self, base: &Base) -> Result<Sender, String> {
        let (host, port) = self.first_hop(base);
        let mut stream = TcpStream::connect((host, port)).await.map_err(|error| self.unreached(&error))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        if let Some(proxy) = &self.proxy {
            let broke = |error: std::io::Error| proxy.refused(&format!("broke off: {error}"));
            stream.write_all(&proxy.request(&base.host, base.port)).await.map_err(broke)?;
            let mut answer = Vec::new();
            // Byte by byte: what follows the answer is the target's.
            let verdict = loop {
                answer.push(stream.read_u8().await.map_err(broke)?);
                if let Some(verdict) = proxy.verdict(&answer) {
                    break verdict;
                }
            };
            verdict?;
        }
        let begun = match &self.tls {
            Some((connector, name)) => {
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(|error| format!("TLS: {}", advice(&error.to_string())))?;
                if self.version == Version::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(
                        "http.version is 2, which the target does not offer over TLS (ALPN)".to_owned()
                    );
                }
                self.begin(stream).await
            }
            None => self.begin(stream).await,
        };
        begun.map_err(|error| error.to_string())
    }

    async fn begin<S>(&self, stream: S) -> Result<Sender, hyper::Error>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        match self.version {
            Version::Http1 => Sender::one(stream).await,
            Version::Http2 => Sender::two(stream).await,
        }
    }

    /// A connection for raw bytes, without TLS.
    pub(super) fn open_blocking(&self, base: &Base, within: Duration) -> Result<std::net::TcpStream, String> {
        let (host, port) = self.first_hop(base);
        let mut addresses = (host, port).to_socket_addrs().map_err(|error| error.to_string())?;
        let address = addresses.next().ok_or_else(|| "the name has no address".to_owned())?;
        let mut stream =
            std::net::TcpStream::connect_timeout(&address, within).map_err(|error| self.unreached(&error))?;
        let Some(proxy) = &self.proxy else { return Ok(stream) };
        let broke = |error: std::io::Error| proxy.refused(&format!("broke off: {error}"));
        stream.set_read_timeout(Some(within)).map_err(broke)?;
        stream.write_all(&proxy.request(&base.host, base.port)).map_err(broke)?;
        let mut answer = Vec::new();
        let verdict = loop {
            let mut byte = [0];
            stream.read_exact(&mut byte).map_err(broke)?;
            answer.extend(byte);
            if let Some(verdict) = proxy.verdict(&answer) {
                break verdict;
            }
        };
        verdict.map(|()| stream)
    }

    /// Where the first connection goes.
    fn first_hop<'a>(&'a self, base: &'a Base) -> (&'a str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&base.host, base.port),
        }
    }

    fn unreached(&self, error: &std::io::Error) -> String {
        match &self.proxy {
            Some(proxy) => proxy.refused(&format!("cannot be reached: {error}")),
            None => error.to_string(),
        }
    }
}

/// What went wrong with TLS, with the key that may mend it.
pub(super) fn advice(text: &str) -> String {
    if text.contains("UnknownIssuer") {
        return format!("{text}: name its authority's file as http.ca");
    }
    if text.contains("CertificateRequired") || text.contains("HandshakeFailure") {
        return format!("{text}: the target may want a certificate, http.client_cert and http.client_key");
    }
    text.to_owned()
}

fn connector(host: &str, http: &Http) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = &http.ca {
        let unreadable = |problem: String| format!("http.ca: {}: {problem}", path.display());
        let mut found = false;
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            found = true;
        }
        if !found {
            return Err(unreadable("holds no certificate in PEM".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let mut config = match &http.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&identity.certificate)
                .collect::<Result<_, _>>()
                .map_err(|error| format!("http.client_cert: {error}"))?;
            if chain.is_empty() {
                return Err("http.client_cert: holds no certificate in PEM".to_owned());
            }
            // What the reader of PEM says never quotes what it read.
            let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes())
                .map_err(|error| format!("http.client_key: {error}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("http.client_cert and http.client_key do not fit: {error}"))?
        }
    };
    if http.version == Version::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("url: `{host}`: {error}"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
