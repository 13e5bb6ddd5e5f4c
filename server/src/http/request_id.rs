//! A name for each request, which its answer and its log lines share.

use crate::env::Random;
use crate::nonces::{self, Nonces};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// The header's name.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names requests.
#[derive(Debug)]
pub(crate) struct RequestIds(Nonces);

impl RequestIds {
    /// Names from this chance.
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self(Nonces::new(random))
    }

    /// The name a trusted proxy gave, if it is a sensible one, or else a new one; nothing where chance fails.
    ///
    /// What a stranger sends is not taken: he could make his requests look like somebody else's in the logs.
    pub(super) fn of(&self, headers: &HeaderMap, from_proxy: bool) -> Option<HeaderValue> {
        if from_proxy {
            let mut values = headers.get_all(X_REQUEST_ID).iter();
            if let (Some(value), None) = (values.next(), values.next())
                && is_sensible(value.as_bytes())
            {
                return Some(value.clone());
            }
        }
        let mut text = [0; 2 * nonces::BYTES];
        data_encoding::HEXLOWER.encode_mut(&self.0.draw().ok()?, &mut text);
        HeaderValue::from_bytes(&text).ok()
    }
}

fn is_sensible(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=64).contains(&value.len()) && value.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemRandom;

    #[test]
    fn a_proxy_s_name_is_kept_when_it_is_sensible_and_a_stranger_s_never() {
        let ids = RequestIds::new(Arc::new(SystemRandom));
        let read = |values: &[&str], from_proxy| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            ids.of(&headers, from_proxy).unwrap().to_str().unwrap().to_owned()
        };
        let is_new = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert_eq!(read(&["a-B_7.c"], true), "a-B_7.c");
        assert!(is_new(&read(&["a-B_7.c"], false)));
        let long = "x".repeat(65);
        for odd in ["", "a b", "a\tb", "é", "a\"b", "a=1", &long] {
            assert!(is_new(&read(&[odd], true)), "{odd}");
        }
        assert!(is_new(&read(&["one", "two"], true)));
        assert_ne!(read(&[], true), read(&[], true));
    }
}
