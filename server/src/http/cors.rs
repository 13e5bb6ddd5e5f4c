//! Which pages of other origins may call from a browser.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, header};
use http_body_util::Full;
use std::time::Duration;

/// An allow-list of origins, compared as whole texts. By default it is empty, and browsers keep other pages out.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
    any: bool,
    credentials: bool,
    /// `Access-Control-Allow-Headers`
    headers: Option<HeaderValue>,
    /// `Access-Control-Max-Age`
    max_age: Option<HeaderValue>,
}

/// A list that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorsError {
    /// Any origin could act for whoever is logged in.
    #[error("cors.origins: `*` does not go with credentials = true: name the origins")]
    AnyWithCredentials,
    /// A header's name is none.
    #[error("cors.headers: `{0}` is no header's name")]
    Header(String),
    /// An origin is written as no browser sends it.
    #[error(
        "cors.origins: `{0}` is no origin: write it as browsers do, https://app.example or http://localhost:3000, in lower case, without a path and without the usual port"
    )]
    Origin(String),
}

impl Cors {
    /// Lets pages of these origins call, with these headers beside `Authorization` and `Content-Type`. An origin `*` is
    /// any. With credentials a browser also sends its cookies and passwords.
    ///
    /// # Errors
    /// When an origin or a header is none, or any origin may call with credentials.
    pub fn new(
        origins: &[String],
        headers: &[String],
        credentials: bool,
        max_age: Duration,
    ) -> Result<Self, CorsError> {
        let any = origins.iter().any(|origin| origin == "*");
        if any && credentials {
            return Err(CorsError::AnyWithCredentials);
        }
        let mut list = Vec::new();
        for origin in origins.iter().filter(|origin| *origin != "*") {
            let value = HeaderValue::from_str(origin).ok().filter(|_| is_origin(origin));
            list.push(value.ok_or_else(|| CorsError::Origin(origin.clone()))?);
        }
        let mut names = "authorization, content-type".to_owned();
        for name in headers {
            let name: HeaderName = name.parse().map_err(|_| CorsError::Header(name.clone()))?;
            names.push_str(", ");
            names.push_str(name.as_str());
        }
        Ok(Self {
            origins: list,
            any,
            credentials,
            headers: HeaderValue::from_str(&names).ok(),
            max_age: Some(HeaderValue::from(max_age.as_secs())),
        })
    }

    /// The answer to a browser that asks whether it may ask; nothing for any other request, or from an origin that may
    /// not, which is answered as if nobody had asked.
    pub(super) fn preflight(&self, head: &Parts, methods: &str) -> Option<Response<Full<Bytes>>> {
        let asks = head.method == Method::OPTIONS
            && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || self.allowed(head.headers.get(header::ORIGIN)).is_none() {
            return None;
        }
        let mut response = super::problem::no_content(methods);
        let headers = response.headers_mut();
        if let Ok(methods) = HeaderValue::from_str(methods) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.extend(self.headers.clone().map(|names| (header::ACCESS_CONTROL_ALLOW_HEADERS, names)));
        headers.extend(self.max_age.clone().map(|age| (header::ACCESS_CONTROL_MAX_AGE, age)));
        Some(response)
    }

    /// Says on an answer whether a page of this origin may read it.
    pub(super) fn mark(&self, origin: Option<&HeaderValue>, response: &mut Response<Full<Bytes>>) {
        if self.origins.is_empty() && !self.any {
            return;
        }
        let headers = response.headers_mut();
        // Also where no origin was sent: a cache must not give that answer to a page.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(allowed) = self.allowed(origin) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// What stands for this origin in `Access-Control-Allow-Origin`. `null` is the origin of many pages and never allowed.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.iter().find(|allowed| *allowed == origin).cloned()
    }
}

/// Headers that a page may read beside those that every page may.
const EXPOSED: &str = "retry-after, www-authenticate, x-request-id";

/// Whether a browser writes an origin like this (RFC 6454 section 6.2): scheme, host in lower case, port if not the usual.
fn is_origin(text: &str) -> bool {
    let (usual, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => ("443", rest),
        (_, Some(rest)) => ("80", rest),
        _ => return false,
    };
    let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._[]:".contains(&byte);
    let host_is_good =
        !host.is_empty() && host.bytes().all(plain) && (host.starts_with('[') || !host.contains(':'));
    let port_is_good = port.is_none_or(|port| {
        port != usual && port.parse::<u16>().is_ok_and(|number| number.to_string() == port)
    });
    host_is_good && port_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Result<Cors, CorsError> {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Cors::new(&origins, &["X-App".to_owned()], credentials, Duration::from_secs(600))
    }

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for good in [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:1",
            "https://[::1]:8443",
            "http://[::1]",
        ] {
            assert!(cors(&[good], true).is_ok(), "{good}");
        }
        for bad in [
            "",
            "null",
            "app.example",
            "https://",
            "https://App.example",
            "https://app.example/",
            "https://app.example:443",
            "http://app.example:80",
            "https://*.example",
            "ftp://x",
            "https://u@x",
            "https://x:0443",
            "https://x:70000",
            "https://a:b:1",
        ] {
            assert!(matches!(cors(&[bad], false), Err(CorsError::Origin(_))), "{bad}");
        }
        assert!(matches!(cors(&["*"], true), Err(CorsError::AnyWithCredentials)));
        assert!(cors(&["*"], false).is_ok());
        assert!(matches!(
            Cors::new(&[], &["a b".to_owned()], false, Duration::ZERO),
            Err(CorsError::Header(_))
        ));
    }

    #[test]
    fn only_the_very_origin_is_allowed() {
        let list = cors(&["https://app.example"], true).unwrap();
        let allowed = |origin: &str| list.allowed(Some(&HeaderValue::from_str(origin).unwrap()));
        assert_eq!(allowed("https://app.example").unwrap(), "https://app.example");
        for other in [
            "null",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.example",
            "https://evil-app.example",
            "https://sub.app.example",
            "https://APP.example",
            "*",
        ] {
            assert!(allowed(other).is_none(), "{other}");
        }
        assert!(list.allowed(None).is_none());
    }
}
