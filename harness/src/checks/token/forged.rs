//! Signatures, claims, algorithms and keys that somebody other than the issuer chose.

use super::{guess, keys, own_keys, refuse_all};
use crate::check::{Checks, Group};
use crate::finding::Stop;
use crate::jwt::{self, Jwt};
use countersign_spec::Scheme;
use serde_json::{Map, Value, json};

/// Adds the checks of other signatures, claims, algorithms and keys.
pub(super) fn signatures(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a token with another signature is refused",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                refuse_all(cx, |cx, token| {
                    let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                    let key = cx.random_hex(32);
                    vec![
                        ("a token without its signature".to_owned(), jwt::with_signature(token, "")),
                        (
                            "a token with the first 4 characters of its signature".to_owned(),
                            beginning(token, 4),
                        ),
                        (
                            "a token with the first 20 characters of its signature".to_owned(),
                            beginning(token, 20),
                        ),
                        (
                            "a token with the first 40 characters of its signature".to_owned(),
                            beginning(token, 40),
                        ),
                        (
                            "a token with an invented signature".to_owned(),
                            jwt::with_invented_signature(token),
                        ),
                        (
                            "a token signed with another key".to_owned(),
                            jwt.resigned(key.as_bytes(), |_| (), |_| ()),
                        ),
                    ]
                })
            },
        )
        .family("token-unread", 3);
    checks
        .add(
            Group::Token,
            "a token with changed claims is refused",
            &["common.token.claims-protected"],
            |cx| {
                let claims: Vec<String> = claims_of(cx.scheme);
                refuse_all(cx, |_, token| {
                    let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                    let mut forgeries = vec![(
                        "a token that lives longer under its old signature".to_owned(),
                        jwt.with_claims(|claims| {
                            for claim in ["exp", "access_expired_at"] {
                                if let Some(Value::Number(number)) = claims.get(claim) {
                                    let later = number.as_i64().unwrap_or_default() + 86_400;
                                    claims.insert(claim.to_owned(), json!(later));
                                }
                            }
                        }),
                    )];
                    for claim in claims.iter().filter(|claim| jwt.claims.contains_key(*claim)) {
                        let forged = jwt.with_claims(|claims| {
                            let other = match claims.get(claim) {
                                Some(Value::Number(number)) => json!(number.as_i64().unwrap_or_default() + 1),
                                _ => json!("admin"),
                            };
                            claims.insert(claim.clone(), other);
                        });
                        forgeries.push((
                            format!("a token with another `{claim}` under its old signature"),
                            forged,
                        ));
                    }
                    forgeries
                })
            },
        )
        .family("token-unread", 3);
    checks
        .add(Group::Token, "a token without an algorithm is refused", &["common.token.algorithm"], |cx| {
            refuse_all(cx, |_, token| {
                let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                let mut forgeries = Vec::new();
                for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
                    let with =
                        |header: &mut Map<String, Value>| drop(header.insert("alg".to_owned(), json!(alg)));
                    forgeries.push((
                        format!("an unsigned token of the algorithm `{alg}`"),
                        jwt.with_header(with, b""),
                    ));
                    let kept = jwt.signature.clone();
                    forgeries.push((
                        format!("a token of the algorithm `{alg}` with its old signature"),
                        jwt.with_header(with, &kept),
                    ));
                }
                let without = jwt.with_header(|header| drop(header.remove("alg")), b"");
                forgeries.push(("an unsigned token that names no algorithm".to_owned(), without));
                for alg in [Value::Null, json!(0), json!(["none"]), json!({ "none": true })] {
                    let what = format!("an unsigned token of the algorithm {alg}");
                    let odd = jwt.with_header(|header| drop(header.insert("alg".to_owned(), alg)), b"");
                    forgeries.push((what, odd));
                }
                forgeries
            })
        })
        .family("token-unread", 4);
    checks
        .add(
            Group::Token,
            "a token signed with a key that anybody knows is refused",
            &["common.token.strong-key"],
            |cx| {
                refuse_all(cx, |_, token| {
                    let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                    // Where the target's own key is on the list, the next check says so better.
                    keys::listed()
                        .take(6)
                        .chain([""])
                        .filter(|key| !jwt.is_signed_with(key.as_bytes()))
                        .map(|key| {
                            (
                                format!("a token signed with the key `{key}`"),
                                jwt.resigned(key.as_bytes(), |_| (), |_| ()),
                            )
                        })
                        .collect()
                })
            },
        )
        .family("token-unread", 4);
    checks.add(
        Group::Token,
        "the signing key is not on a list of common keys",
        &["common.token.strong-key"],
        |cx| {
            let session = cx.session()?;
            let tokens = [session.access.clone(), session.refresh.clone()];
            let host = cx.target.client().base().host.clone();
            let mut read = false;
            for jwt in tokens.into_iter().flatten().filter_map(|token| Jwt::read(&token)) {
                let Some((key, tried)) = guess::key_of(&jwt, keys::candidates(cx.scheme, &host)) else {
                    continue;
                };
                read = true;
                if let Some(key) = key {
                    let got = format!("the token is signed with {key}, so that anybody can make tokens");
                    let did = format!("looked for the key of a token among common ones, {tried} tries");
                    let exchange = std::slice::from_ref(&session.answer.exchange);
                    cx.found_in(&did, "a key that nobody can guess", &got, exchange)?;
                }
            }
            if read {
                Ok(())
            } else {
                Err(Stop::NotApplicable("no token is a JWT signed with a shared secret".to_owned()))
            }
        },
    );
    checks
        .add(
            Group::Token,
            "a token that brings its own key is refused",
            &["common.token.header-keys"],
            |cx| {
                refuse_all(cx, |cx, token| {
                    let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                    let key = cx.random_hex(32);
                    let encoded = base64_url(key.as_bytes());
                    let mut forgeries = vec![(
                        "a token that carries the key it is signed with (jwk)".to_owned(),
                        jwt.resigned(
                            key.as_bytes(),
                            |header| {
                                drop(header.insert("jwk".to_owned(), json!({ "kty": "oct", "k": encoded })))
                            },
                            |_| (),
                        ),
                    )];
                    forgeries.extend(own_keys::forgeries(&jwt));
                    for kid in [
                        "../../../../../../dev/null",
                        "/dev/null",
                        "' UNION SELECT 'key' -- ",
                        "http://127.0.0.1:9/key",
                        "\u{0}",
                        "",
                    ] {
                        for key in ["", "key"] {
                            let forged = jwt.resigned(
                                key.as_bytes(),
                                |header| drop(header.insert("kid".to_owned(), json!(kid))),
                                |_| (),
                            );
                            forgeries.push((
                                format!(
                                    "a token whose kid is `{}` signed with `{key}`",
                                    kid.escape_default()
                                ),
                                forged,
                            ));
                        }
                    }
                    forgeries
                })
            },
        )
        .family("token-unread", 4);
}

/// A header under the old signature, and public keys taken for secrets.
pub(super) fn confused(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a token with a changed header is refused",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                refuse_all(cx, |_, token| {
                    let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                    let kept = jwt.signature.clone();
                    let added =
                        jwt.with_header(|header| drop(header.insert("x".to_owned(), json!(1))), &kept);
                    let typed = jwt.with_header(
                        |header| drop(header.insert("typ".to_owned(), json!("jwt+changed"))),
                        &kept,
                    );
                    vec![
                        ("a token with a header member added under its old signature".to_owned(), added),
                        ("a token with another typ under its old signature".to_owned(), typed),
                    ]
                })
            },
        )
        .family("token-unread", 3);
    checks
        .add(Group::Token, "a token of an unknown algorithm is refused", &["common.token.algorithm"], |cx| {
            refuse_all(cx, |_, token| {
                let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                let mut forgeries = Vec::new();
                for alg in
                    ["HS1", "HS384", "HS512", "XX256", "ES256", "ES256K", "EdDSA", "hs256", "RS256", "PS256"]
                        .iter()
                        .filter(|alg| **alg != jwt.alg())
                {
                    let kept = jwt.signature.clone();
                    for (how, signature) in [("no signature", Vec::new()), ("its old signature", kept)] {
                        let forged = jwt.with_header(
                            |header| drop(header.insert("alg".to_owned(), json!(alg))),
                            &signature,
                        );
                        forgeries.push((format!("a token of the algorithm `{alg}` with {how}"), forged));
                    }
                }
                forgeries
            })
        })
        .family("token-unread", 4);
    checks
        .add(Group::Token, "a token signed with a public key is refused", &["common.token.algorithm"], |cx| {
            let keys = crate::jwks::public_keys(cx);
            if keys.is_empty() {
                return Err(Stop::NotApplicable(
                    "the target publishes no keys at /.well-known/jwks.json".to_owned(),
                ));
            }
            refuse_all(cx, |_, token| {
                let Some(jwt) = Jwt::read(token) else { return Vec::new() };
                keys.iter()
                    .map(|(what, key)| {
                        let forged = jwt.resigned(key, |_| (), |_| ());
                        (format!("a token signed by HMAC with the target's public key as {what}"), forged)
                    })
                    .collect()
            })
        })
        .family("token-unread", 4);
}

/// The token with so many characters of its last part.
fn beginning(token: &str, kept: usize) -> String {
    token
        .rsplit_once('.')
        .map_or_else(String::new, |(input, last)| format!("{input}.{}", last.get(..kept).unwrap_or(last)))
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn claims_of(scheme: &Scheme) -> Vec<String> {
    let access = scheme.tokens.access.as_ref();
    let mut claims: Vec<String> = access.map(|token| token.identity_claims.clone()).unwrap_or_default();
    for common in ["sub", "id", "user_id", "role", "username"] {
        if !claims.iter().any(|claim| claim == common) {
            claims.push(common.to_owned());
        }
    }
    claims
}
