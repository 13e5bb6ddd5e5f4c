//! Tokens that say nothing in many characters, and good ones written in another way than they were given out.

use super::refuse_all;
use crate::check::{Checks, Group};
use crate::jwt::{self, Jwt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_spec::Level;
use serde_json::json;

/// Adds the checks of signatures that are none, and of other spellings of good tokens.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a token with an empty proof of another algorithm is refused",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                refuse_all(cx, |_, token| {
                    let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                    empty_proofs()
                        .into_iter()
                        .map(|(alg, what, signature)| {
                            let forged = jwt.with_header(
                                |header| drop(header.insert("alg".to_owned(), json!(alg))),
                                &signature,
                            );
                            (format!("a token of the algorithm `{alg}` with {what} as its signature"), forged)
                        })
                        .collect()
                })
            },
        )
        .family("token-unread", 4);
    checks
        .add(Group::Token, "a token in another serialisation is refused", &["common.token.encoding"], |cx| {
            refuse_all(cx, |_, token| serialisations(token))
        })
        .family("token-unread", 4);
    checks
        .add(Group::Token, "a token with a vast header is refused", &["common.token.garbage"], |cx| {
            refuse_all(cx, |_, token| {
                // No longer than what every server takes as the value of a header.
                let deep = format!("{{\"alg\":\"HS256\",\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
                let many: Vec<String> = (0..300).map(|index| format!("\"{index}\":0")).collect();
                let many = format!("{{\"alg\":\"HS256\",{}}}", many.join(","));
                let number = format!("{{\"alg\":\"HS256\",\"a\":{}}}", "9".repeat(2_000));
                let claims = token.split('.').nth(1).unwrap_or("e30");
                [
                    ("1,000 arrays deep", deep),
                    ("of 300 members", many),
                    ("with a number of 2,000 digits", number),
                ]
                .map(|(what, header)| {
                    let forged = format!("{}.{claims}.AAAA", URL_SAFE_NO_PAD.encode(header));
                    (format!("a token whose header is {what}"), forged)
                })
                .into()
            })
        })
        .family("token-unread", 4);
    checks
        .add(Group::Token, "a token in another spelling is refused", &["common.token.one-spelling"], |cx| {
            refuse_all(cx, |_, token| spellings(token))
        })
        .at_most(Level::May)
        .family("token-unread", 5);
}

/// Signatures that careless verifiers of other algorithms take for good: zeros, the order of a group, the neutral point.
fn empty_proofs() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    /// Order of the group of P-256 (SEC 2 section 2.4.2).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut neutral = vec![0; 64];
    neutral[0] = 1;
    vec![
        ("ES256", "zeros", vec![0; 64]),
        ("ES256", "the group's order, twice,", [ORDER, ORDER].concat()),
        ("ES256", "zeros in DER", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("ES256", "one byte", vec![0]),
        ("ES384", "zeros", vec![0; 96]),
        ("ES512", "zeros", vec![0; 132]),
        ("ES256K", "zeros", vec![0; 64]),
        ("EdDSA", "zeros", vec![0; 64]),
        ("EdDSA", "the neutral point and zero", neutral),
        ("RS256", "zeros", vec![0; 256]),
        ("PS256", "zeros", vec![0; 256]),
        ("HS256", "zeros", vec![0; 32]),
        ("HS512", "zeros", vec![0; 64]),
    ]
}

/// The token as JSON (RFC 7515 section 7.2), and in the five parts of an encrypted one (RFC 7516 section 7.1).
fn serialisations(token: &str) -> Vec<(String, String)> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let flat = json!({ "protected": header, "payload": claims, "signature": signature });
    let general = json!({
        "payload": claims, "signatures": [{ "protected": header, "signature": signature }]
    });
    vec![
        ("a token in flattened JSON".to_owned(), flat.to_string()),
        ("a token in general JSON".to_owned(), general.to_string()),
        ("a token in five parts".to_owned(), format!("{header}..{claims}.{signature}.AAAA")),
        ("a token with its parts in another order".to_owned(), format!("{claims}.{header}.{signature}")),
    ]
}

/// Texts that lenient decoders of base64url read as the same bytes (RFC 7515 section 2 allows one).
/// Other spellings of a JWT, which careless readers take for the same; none of what is no JWT.
pub(in crate::checks) fn spellings(token: &str) -> Vec<(String, String)> {
    if Jwt::read(token).is_none() {
        return Vec::new();
    }
    let mut spellings = vec![
        ("a token with padding".to_owned(), format!("{token}=")),
        ("a token with a space in it".to_owned(), token.replacen('.', " .", 1)),
        ("a token in the other alphabet of base64".to_owned(), token.replace('-', "+").replace('_', "/")),
    ];
    if let Some(other) = unused_bits(token) {
        spellings.push(("a token with bits changed that mean nothing".to_owned(), other));
    }
    spellings
}

/// The token with another last character for the same bytes of the signature.
fn unused_bits(token: &str) -> Option<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let signature = token.rsplit('.').next()?;
    // Bits of the last character that belong to no byte.
    let unused = match signature.len() % 4 {
        2 => 0b1111,
        3 => 0b11,
        _ => return None,
    };
    let last = *signature.as_bytes().last()?;
    let value = ALPHABET.iter().position(|known| *known == last)?;
    let other = char::from(ALPHABET[value ^ (unused & 1)]);
    let kept = jwt::with_signature(token, &signature[..signature.len() - 1]);
    Some(format!("{kept}{other}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLQ";

    #[test]
    fn unused_bits_are_those_that_decoders_drop() {
        let other = unused_bits(TOKEN).unwrap();
        assert_ne!(other, TOKEN);
        assert_eq!(other.len(), TOKEN.len());
        let lenient = base64::engine::GeneralPurpose::new(
            &base64::alphabet::URL_SAFE,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_allow_trailing_bits(true)
                .with_encode_padding(false)
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
        );
        let signature = |token: &str| lenient.decode(token.rsplit('.').next().unwrap()).unwrap();
        assert_eq!(signature(&other), signature(TOKEN));
    }

    #[test]
    fn every_spelling_and_serialisation_differs_from_the_token() {
        assert_eq!(serialisations(TOKEN).len(), 4);
        assert!(serialisations(TOKEN).iter().chain(&spellings(TOKEN)[..2]).all(|(_, other)| other != TOKEN));
        assert!(serialisations("opaque").is_empty() && spellings("opaque").is_empty());
    }
}
