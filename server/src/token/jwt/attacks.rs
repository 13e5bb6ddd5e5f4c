//! What attackers try on a token, one table for each part of it. All is well signed where that is possible.

use super::tests::{NOW, claims, forged, read, text};
use super::*;
use crate::token::keys::{KeyRing, KeyState, RingKey, SPREAD};
use crate::token::local::{LocalKey, test_secret};
use std::sync::Arc;

/// Every key of the ring under which tokens are good.
fn keys() -> [LocalKey; 3] {
    [
        LocalKey::hs256(&test_secret(1)).unwrap(),
        LocalKey::ed25519(&[2; 32]),
        LocalKey::es256(&[3; 32]).unwrap(),
    ]
}

fn header(key: &LocalKey) -> String {
    format!(r#"{{"typ":"JWT","alg":"{}","kid":"{}"}}"#, key.algorithm(), key.kid())
}

fn payload() -> String {
    Value::Object(claims()).to_string()
}

fn refused_header(key: &LocalKey, header: &str) {
    assert!(read(&forged(key, header, &payload())).is_err(), "{}: {header}", key.algorithm());
}

#[test]
fn no_key_takes_the_algorithm_of_another() {
    for key in keys() {
        assert!(read(&forged(&key, &header(&key), &payload())).is_ok(), "the forger makes good ones");
        let own = key.algorithm();
        for alg in [
            "none", "None", "NONE", "nOnE", "none ", "", "HS256", "HS384", "HS512", "EdDSA", "Ed25519",
            "ES256", "ES256K", "ES384", "RS256", "PS256", "hs256", "eddsa",
        ] {
            if alg != own {
                refused_header(&key, &header(&key).replace(&format!("\"{own}\""), &format!("\"{alg}\"")));
            }
        }
        for alg in ["null", "1", "true", "[]", "{}", "[\"HS256\"]"] {
            refused_header(&key, &header(&key).replace(&format!("\"{own}\""), alg));
        }
        for other in keys() {
            if other.kid() != key.kid() {
                refused_header(&key, &header(&other));
                refused_header(&key, &header(&key).replace(key.kid(), other.kid()));
                refused_header(&key, &header(&other).replace(other.kid(), key.kid()));
            }
        }
    }
}

#[test]
fn a_public_key_is_no_secret_in_any_form_it_is_published_in() {
    for public in keys() {
        let Some(bytes) = public.public_key() else { continue };
        let jwk = Value::Object(public.public_jwk().unwrap()).to_string();
        let spki = match public.algorithm() {
            "EdDSA" => {
                [&data_encoding::HEXLOWER.decode(b"302a300506032b6570032100").unwrap(), bytes].concat()
            }
            _ => {
                let prefix = b"3059301306072a8648ce3d020106082a8648ce3d030107034200";
                [&data_encoding::HEXLOWER.decode(prefix).unwrap(), bytes].concat()
            }
        };
        let base64 = data_encoding::BASE64.encode(&spki);
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
        let forms = [
            bytes.to_vec(),
            spki,
            format!("{pem}\n").into_bytes(),
            pem.into_bytes(),
            base64.into_bytes(),
            jwk.into_bytes(),
            data_encoding::HEXLOWER.encode(bytes).into_bytes(),
        ];
        for form in forms {
            let forger = LocalKey::hs256(&form).unwrap();
            for alg in ["HS256", public.algorithm()] {
                let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{}"}}"#, public.kid());
                refused_header(&forger, &header);
            }
        }
    }
}

#[test]
fn a_name_of_a_key_is_only_compared() {
    for key in keys() {
        let kid = key.kid();
        let vast = "k".repeat(5_000);
        let names = [
            "\"\"".to_owned(),
            "null".into(),
            "0".into(),
            format!("[\"{kid}\"]"),
            format!("{{\"kid\":\"{kid}\"}}"),
            format!("\"{kid} \""),
            format!("\" {kid}\""),
            format!("\"{kid}\\u0000\""),
            format!("\"{}\"", kid.to_uppercase()),
            format!("\"{}\"", &kid[1..]),
            format!("\"{vast}\""),
            "\"../../../../dev/null\"".into(),
            "\"/proc/self/environ\"".into(),
            "\"file:///etc/passwd\"".into(),
            "\"https://attacker.example/jwks.json\"".into(),
            "\"' OR '1'='1\"".into(),
            "\"x' UNION SELECT 'key\"".into(),
            "\"; cat /etc/passwd\"".into(),
            "\"*\"".into(),
            "\"%00\"".into(),
        ];
        for name in names {
            let text = header(&key).replace(&format!("\"{kid}\""), &name);
            refused_header(&key, &text);
        }
        refused_header(&key, &header(&key).replace(&format!(",\"kid\":\"{kid}\""), ""));
    }
}

#[test]
fn nothing_in_a_header_says_how_to_check() {
    let attacker = LocalKey::es256(&[9; 32]).unwrap();
    let mut jwk = attacker.public_jwk().unwrap();
    jwk.insert("kid".into(), keys()[2].kid().into());
    let jwk = Value::Object(jwk).to_string();
    for key in keys() {
        for member in [
            format!("\"jwk\":{jwk}"),
            "\"jku\":\"https://attacker.example/jwks.json\"".into(),
            "\"jku\":\"http://127.0.0.1/.well-known/jwks.json\"".into(),
            "\"x5u\":\"https://attacker.example/chain.pem\"".into(),
            "\"x5c\":[\"MIIB\"]".into(),
            "\"x5t\":\"AA\"".into(),
            "\"x5t#S256\":\"AA\"".into(),
            "\"crit\":[]".into(),
            "\"crit\":[\"exp\"],\"exp\":1".into(),
            "\"crit\":[\"b64\"],\"b64\":false".into(),
            "\"crit\":[\"b64\"],\"b64\":true".into(),
            "\"b64\":false".into(),
            "\"zip\":\"DEF\"".into(),
            "\"cty\":\"JWT\"".into(),
            "\"enc\":\"A128GCM\"".into(),
            "\"epk\":{}".into(),
            "\"p2c\":2147483647".into(),
            "\"iss\":\"us\"".into(),
            "\"\":\"\"".into(),
        ] {
            let text = header(&key).replacen('{', &format!("{{{member},"), 1);
            refused_header(&key, &text);
            refused_header(&attacker, &text);
        }
    }
}

#[test]
fn members_given_twice_are_refused_whichever_is_good() {
    let key = &keys()[0];
    for member in [
        "\"typ\":\"JWT\"",
        "\"alg\":\"HS256\"",
        "\"alg\":\"none\"",
        "\"kid\":\"x\"",
        "\"\\u0061lg\":\"HS256\"",
    ] {
        let good = header(key);
        refused_header(key, &good.replacen('{', &format!("{{{member},"), 1));
        refused_header(key, &good.replacen('}', &format!(",{member}}}"), 1));
    }
    for member in [
        "\"sub\":\"eve\"",
        "\"exp\":9999999999",
        "\"aud\":\"scheme\"",
        "\"use\":\"access\"",
        "\"\\u0073ub\":\"eve\"",
    ] {
        let good = payload();
        let last = format!("{},{member}}}", &good[..good.len() - 1]);
        for text in [good.replacen('{', &format!("{{{member},"), 1), last] {
            assert!(read(&forged(key, &header(key), &text)).is_err(), "{text}");
        }
    }
}

#[test]
fn types_are_exact() {
    for key in keys() {
        for typ in [
            "\"jwt\"",
            "\"at+jwt\"",
            "\"application/jwt\"",
            "\"JWT \"",
            "\"JOSE\"",
            "\"\"",
            "null",
            "[\"JWT\"]",
        ] {
            refused_header(&key, &header(&key).replace("\"JWT\"", typ));
        }
        refused_header(&key, &header(&key).replace("\"typ\":\"JWT\",", ""));
    }
}

#[test]
fn numbers_that_are_no_time_are_never_taken_for_no_end() {
    let key = &keys()[0];
    let good = payload();
    let exp = format!("\"exp\":{}", NOW + 60);
    assert!(good.contains(&exp));
    for number in [
        "null",
        "true",
        "false",
        "\"\"",
        "\"never\"",
        "\"NaN\"",
        "\"1800000000\"",
        "\"Infinity\"",
        "-1",
        "-0",
        "0.0",
        "1.8e9",
        "1800000000.0",
        "1800000000.5",
        "1e300",
        "1e999",
        "-1e300",
        "253402300800",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "[1800000000]",
        "{}",
        "NaN",
        "0x6b49d200",
        "01800000000",
        "+1800000000",
    ] {
        let text = good.replace(&exp, &format!("\"exp\":{number}"));
        assert!(read(&forged(key, &header(key), &text)).is_err(), "exp {number}");
    }
    let text = good.replace(&format!(",{exp}"), "").replace(&format!("{exp},"), "");
    assert!(!text.contains("exp") && read(&forged(key, &header(key), &text)).is_err(), "no exp");
}

#[test]
fn what_is_not_one_strict_object_is_refused() {
    let key = &keys()[0];
    let (head, good) = (header(key), payload());
    let wrong = |text: &str| {
        vec![
            format!("{text} x"),
            format!("{text}{text}"),
            format!("{text},"),
            format!("{text}\0"),
            format!("\u{feff}{text}"),
            format!("[{text}]"),
            format!("\"{}\"", text.replace('"', "\\\"")),
            text.replace('"', "'"),
            text.replacen('{', "{/**/", 1),
            text[..text.len() - 1].to_owned(),
            format!("{},}}", &text[..text.len() - 1]),
            format!("{},\"a\":{}{}}}", &text[..text.len() - 1], "[".repeat(60), "]".repeat(60)),
            String::new(),
            "null".into(),
            "{}".into(),
        ]
    };
    for text in wrong(&good) {
        assert!(read(&forged(key, &head, &text)).is_err(), "{text}");
    }
    for text in wrong(&head) {
        assert!(read(&forged(key, &text, &good)).is_err(), "{text}");
    }
}

#[test]
fn other_serialisations_are_no_tokens() {
    for key in keys() {
        let token = encode(&Writer::new(&key), text(&claims()).as_bytes()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let (head, body, signature) = (parts[0], parts[1], parts[2]);
        for text in [
            format!(r#"{{"protected":"{head}","payload":"{body}","signature":"{signature}"}}"#),
            format!(
                r#"{{"payload":"{body}","signatures":[{{"protected":"{head}","signature":"{signature}"}}]}}"#
            ),
            format!("{head}..{signature}"),
            format!("{head}.{body}.{signature}.{body}.{signature}"),
            format!("{token}.{token}"),
            format!("{token},{token}"),
            format!("Bearer {token}"),
            format!("\"{token}\""),
            format!(".{head}.{body}.{signature}"),
            format!("{head}.{body}.."),
            "....".into(),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}

#[test]
fn each_part_has_one_spelling() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for key in keys() {
        // A claim of each length, so that every part is seen with two, four and no spare bits at its end.
        for pad in ["", "x", "xx"] {
            let mut claims = claims();
            claims.insert("pad".into(), pad.into());
            let token = encode(&Writer::new(&key), text(&claims).as_bytes()).unwrap();
            assert!(read(&token).is_ok());
            let parts: Vec<&str> = token.split('.').collect();
            for (place, part) in parts.iter().enumerate() {
                let spare = match part.len() % 4 {
                    2 => 15,
                    3 => 3,
                    _ => 0,
                };
                let last = ALPHABET.find(part.chars().last().unwrap()).unwrap();
                let mut twins: Vec<String> = (1..=spare)
                    .map(|bits| {
                        format!("{}{}", &part[..part.len() - 1], &ALPHABET[last ^ bits..=(last ^ bits)])
                    })
                    .collect();
                twins.extend([format!("{part}="), format!("{part}=="), format!("{part}%3D")]);
                twins.extend([
                    format!("{part}\n"),
                    format!(" {part}"),
                    format!("{part}\t"),
                    format!("{part}\0"),
                ]);
                twins.extend([format!("{}\r\n{}", &part[..4], &part[4..]), format!("{}{part}", &part[..1])]);
                twins.extend([part.replace('-', "+"), part.replace('_', "/")]);
                for twin in twins.into_iter().filter(|twin| twin != part) {
                    let mut changed: Vec<&str> = parts.clone();
                    changed[place] = &twin;
                    assert!(read(&changed.join(".")).is_err(), "part {place}: {twin:?}");
                }
            }
        }
    }
}

#[test]
fn no_single_character_of_a_token_can_be_changed() {
    let key = &keys()[0];
    let token = encode(&Writer::new(key), text(&claims()).as_bytes()).unwrap();
    for place in 0..token.len() {
        for other in "AQgwBCDEF01_-.=+/ \0".chars() {
            if !token[place..].starts_with(other) {
                let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
                assert!(read(&changed).is_err(), "{other:?} at {place}");
            }
        }
        let shorter = format!("{}{}", &token[..place], &token[place + 1..]);
        assert!(read(&shorter).is_err(), "without {place}");
    }
}

#[test]
fn vast_tokens_are_refused_before_anything_is_read() {
    let key = &keys()[0];
    for members in [100, 1_000, 10_000] {
        let many: String = (0..members).map(|number| format!("\"m{number}\":{number},")).collect();
        let head = header(key).replacen('{', &format!("{{{many}"), 1);
        assert!(read(&forged(key, &head, &payload())).is_err(), "{members} members");
    }
    let mut claims = claims();
    claims.insert("pad".into(), "x".repeat(LONGEST).into());
    assert!(read(&encode(&Writer::new(key), text(&claims).as_bytes()).unwrap()).is_err());
}

#[test]
fn a_retired_key_is_good_inside_its_overlap_and_a_revoked_one_never() {
    let [old, current, _] = keys();
    let token = encode(&Writer::new(&old), text(&claims()).as_bytes()).unwrap();
    let since = Timestamp::from_secs(NOW);
    let others = vec![RingKey { signer: Arc::new(old), state: KeyState::Retiring { since } }];
    let ring = KeyRing::of(Keys::new(Arc::new(current), others));
    let at = |now: u64| {
        let now = Timestamp::from_secs(now);
        let expected = Expected { issuer: "us", audience: "scheme", r#use: "access", now, longest: 60 };
        decode(&ring.now(), &token, &expected).is_ok()
    };
    assert!(at(NOW) && at(NOW + 60 + SPREAD) && !at(NOW + 61 + SPREAD));
    ring.replace(Keys::new(Arc::new(LocalKey::ed25519(&[2; 32])), Vec::new()));
    assert!(!at(NOW), "a key that is no longer in the ring checks nothing");
}
