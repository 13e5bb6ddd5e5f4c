//! Digests of secrets as servers keep them without salt, in the letters in which they are shown.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use md5::Md5;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The unsalted digests of one secret.
#[derive(Debug, Clone)]
pub struct Digests {
    hex: Vec<(&'static str, String)>,
    base64: Vec<(&'static str, String)>,
}

impl Digests {
    /// Of this secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let all: [(&'static str, Vec<u8>); 5] = [
            ("MD5", Md5::digest(bytes).to_vec()),
            ("SHA-1", digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()),
            ("SHA-256", Sha256::digest(bytes).to_vec()),
            ("SHA-384", Sha384::digest(bytes).to_vec()),
            ("SHA-512", Sha512::digest(bytes).to_vec()),
        ];
        let hex = all.iter().map(|(name, bytes)| (*name, HEXLOWER.encode(bytes))).collect();
        let base64 = all.iter().flat_map(|(name, bytes)| {
            [BASE64_NOPAD.encode(bytes), BASE64URL_NOPAD.encode(bytes), BASE64.encode(bytes)]
                .map(|text| (*name, text))
        });
        Self { hex, base64: base64.collect() }
    }

    /// Which of them stands in a text.
    #[must_use]
    pub fn within(&self, text: &str) -> Option<(&'static str, &str)> {
        let lower = text.to_ascii_lowercase();
        // JSON may write a slash with an escape.
        let plain = text.replace("\\/", "/");
        let hex = self.hex.iter().find(|(_, digest)| lower.contains(digest.as_str()));
        let found = hex.or_else(|| self.base64.iter().find(|(_, digest)| plain.contains(digest.as_str())));
        found.map(|(name, digest)| (*name, digest.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_any_usual_letters() {
        let digests = Digests::of("password");
        for (text, name) in [
            ("want 5F4DCC3B5AA765D61D8327DEB882CF99", "MD5"),
            ("{SHA}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "SHA-1"),
            ("{\"hash\":\"W6ph5Mm5Pz8GgiULbPgzG37mj9g=\"}", "SHA-1"),
            ("XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg", "SHA-256"),
        ] {
            assert_eq!(digests.within(text).map(|(name, _)| name), Some(name), "{text}");
        }
        assert!(digests.within("5f4dcc3b5aa765d61d8327deb882cf98").is_none());
    }
}
