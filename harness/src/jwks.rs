//! Public keys of a target, in every form in which a careless verifier might take one for a shared secret.

use crate::client::{WireBody, WireRequest};
use crate::context::Context;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// The keys a target publishes, as bytes, each with the name of its form. Empty where it publishes none.
#[must_use]
pub fn public_keys(cx: &Context<'_>) -> Vec<(String, Vec<u8>)> {
    let request = WireRequest {
        method: "GET".to_owned(),
        path: "/.well-known/jwks.json".to_owned(),
        headers: cx.target.extra_headers(),
        body: WireBody::None,
    };
    let Ok(Ok(response)) = cx.target.send(&request) else { return Vec::new() };
    let set: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let keys = set["keys"].as_array().cloned().unwrap_or_default();
    keys.iter().flat_map(forms).collect()
}

fn forms(key: &Value) -> Vec<(String, Vec<u8>)> {
    let part = |name: &str| {
        key[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default()
    };
    let (raw, spki) = match key["kty"].as_str() {
        Some("OKP") => (part("x"), sequence(&[sequence(&[ED25519.to_vec()]), bit_string(&part("x"))])),
        Some("EC") => {
            let point = [vec![4], part("x"), part("y")].concat();
            let spki = sequence(&[sequence(&[EC.to_vec(), P256.to_vec()]), bit_string(&point)]);
            (point, spki)
        }
        Some("RSA") => {
            let numbers = sequence(&[integer(&part("n")), integer(&part("e"))]);
            let spki = sequence(&[sequence(&[RSA.to_vec(), vec![5, 0]]), bit_string(&numbers)]);
            (part("n"), spki)
        }
        _ => return Vec::new(),
    };
    let encoded = STANDARD.encode(&spki);
    let lines: Vec<String> =
        encoded.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    vec![
        ("PEM".to_owned(), pem.clone().into_bytes()),
        ("PEM with a final line feed".to_owned(), format!("{pem}\n").into_bytes()),
        ("DER".to_owned(), spki),
        ("raw bytes".to_owned(), raw),
        ("JWK text".to_owned(), key.to_string().into_bytes()),
    ]
}

// Object identifiers of RFC 8410, RFC 5480 and RFC 8017, as DER.
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
const EC: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tagged(0x03, &[&[0], bytes].concat())
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    tagged(0x02, &[sign, bytes].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = vec![tag];
    if length < 0x80 {
        der.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        der.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
        der.extend(bytes);
    }
    der.extend_from_slice(content);
    der
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_ed25519_key_has_the_der_of_rfc_8410() {
        // RFC 8410 section 10.1, the example's public key.
        let x = STANDARD.decode("GWrB9FIbV1D+YQcuZdCQJP3nWzWZ94BeSWdpYAnW1wQ").ok();
        let x = x.unwrap_or_else(|| STANDARD.decode("GWrB9FIbV1D+YQcuZdCQJP3nWzWZ94BeSWdpYAnW1wQ=").unwrap());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&x) });
        let der = forms(&key).into_iter().find(|(form, _)| form == "DER").unwrap().1;
        assert_eq!(der[..12], [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]);
        assert_eq!(der.len(), 44);
    }

    #[test]
    fn long_lengths_take_more_bytes() {
        assert_eq!(tagged(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tagged(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
