//! The address of a target.

/// Where a target listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Whether to speak TLS.
    pub tls: bool,
    /// Host without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path before every path of a document; empty or `/api` without a slash at its end.
    pub prefix: String,
}

impl Base {
    /// Reads `http://host:port/prefix`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: http::Uri = url.trim().parse().map_err(|problem| format!("`{url}` is no URL: {problem}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("`{url}` must start with http:// or https://")),
        };
        let host =
            uri.host().filter(|host| !host.is_empty()).ok_or_else(|| format!("`{url}` names no host"))?;
        if uri.query().is_some() {
            return Err(format!("`{url}` must not hold a query"));
        }
        Ok(Self {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The value of the Host header.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    /// The whole URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}{path}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_into_their_parts() {
        let base = Base::parse("http://127.0.0.1:8080/api/").unwrap();
        assert_eq!((base.tls, base.port, base.prefix.as_str()), (false, 8080, "/api"));
        assert_eq!(base.url("/login"), "http://127.0.0.1:8080/api/login");
        assert_eq!(Base::parse("https://[::1]").unwrap().authority(), "[::1]");
        for bad in ["127.0.0.1:80", "ftp://host", "http://", "http://h/?a=1"] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }
}
