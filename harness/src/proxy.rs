//! An HTTP proxy that tunnels connections by CONNECT (RFC 9110 section 9.3.6), without a socket of its own: what to write and
//! what the answer means, for those who hold one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// Longest answer to a CONNECT that is read.
pub(crate) const LONGEST_ANSWER: usize = 16_384;

/// A proxy, and how it knows us.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Host without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    authorization: Option<SecretString>,
}

impl Proxy {
    /// Reads `http://host:port` or `http://user:password@host:port`; user and password may be percent-encoded.
    ///
    /// # Errors
    /// How it is to be written; never what was, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const FORM: &str = "write http://host:port or http://user:password@host:port";
        let rest = url.trim().strip_prefix("http://").ok_or(FORM)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let authority: http::uri::Authority = place.parse().map_err(|_| FORM)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().ok_or(FORM)?;
        if host.is_empty() {
            return Err(FORM);
        }
        let authorization = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let pair = [unescape(name), b":".to_vec(), unescape(password)].concat();
            SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
        });
        Ok(Self { host: host.to_owned(), port, authorization })
    }

    /// The proxy for people; never its credentials.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    /// Whether it wants to know who we are.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    /// The request for a tunnel to a host.
    #[must_use]
    pub fn request(&self, host: &str, port: u16) -> Vec<u8> {
        let place = authority(host, port);
        let mut head = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str(&format!("proxy-authorization: {}\r\n", authorization.expose_secret()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// What has come of an answer means: nothing yet, a tunnel, or why there is none.
    pub(crate) fn verdict(&self, answer: &[u8]) -> Option<Result<(), String>> {
        let whole = answer.ends_with(b"\r\n\r\n");
        if !whole && answer.len() < LONGEST_ANSWER {
            return None;
        }
        let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default());
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        Some(match status.and_then(|status| status.parse::<u16>().ok()) {
            Some(200..=299) if whole => Ok(()),
            Some(407) => Err(self.refused("wants credentials (HTTP 407): give http.proxy a user:password@")),
            Some(status) => Err(self.refused(&format!("answered CONNECT with HTTP {status}"))),
            None => Err(self.refused("answered CONNECT with something that is no HTTP")),
        })
    }

    /// A sentence about this proxy that says which key names it.
    pub(crate) fn refused(&self, what: &str) -> String {
        format!("the proxy {} (http.proxy) {what}", self.authority())
    }
}

/// Host and port as CONNECT wants them, always with the port.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Percent-encoded text as bytes; what is no code stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|code| data_encoding::HEXLOWER_PERMISSIVE.decode(code).ok());
        match (first, code.as_deref()) {
            (b'%', Some([byte])) => {
                bytes.push(*byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_asked_for_a_tunnel() {
        let proxy = Proxy::parse("http://me:p%40ss@[::1]:3128/").unwrap();
        assert_eq!(proxy.authority(), "[::1]:3128");
        let asked = String::from_utf8(proxy.request("target.example", 443)).unwrap();
        assert!(
            asked.starts_with("CONNECT target.example:443 HTTP/1.1\r\nhost: target.example:443\r\n"),
            "{asked}"
        );
        assert!(asked.contains(&format!("Basic {}\r\n", STANDARD.encode("me:p@ss"))), "{asked}");
        assert!(!format!("{proxy:?}").contains(&STANDARD.encode("me:p@ss")));
        for bad in [
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://:3128",
            "socks5://p:1",
            "http://a b:1",
        ] {
            assert!(Proxy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_is_a_tunnel_or_a_reason() {
        let proxy = Proxy::parse("http://me:hunter22@proxy:1").unwrap();
        assert_eq!(proxy.verdict(b"HTTP/1.1 200 Connection est"), None);
        assert_eq!(proxy.verdict(b"HTTP/1.1 200 OK\r\nvia: p\r\n\r\n"), Some(Ok(())));
        for (answer, says) in [
            (&b"HTTP/1.1 407 No\r\n\r\n"[..], "wants credentials"),
            (b"HTTP/1.0 503 No\r\n\r\n", "HTTP 503"),
            (b"SSH-2.0\r\n\r\n", "no HTTP"),
        ] {
            let reason = proxy.verdict(answer).unwrap().unwrap_err();
            assert!(reason.contains(says) && !reason.contains("hunter22"), "{reason}");
        }
        assert!(proxy.verdict(&vec![b'a'; LONGEST_ANSWER]).unwrap().is_err());
    }
}
