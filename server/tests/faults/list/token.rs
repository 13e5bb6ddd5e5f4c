//! Faults of tokens: believed unread, or saying what they should not.

#[path = "refresh.rs"]
pub(crate) mod refresh;

use super::accepts;
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::host::{SECRET, SEEDS};
use crate::world::{Seen, pointer_of, query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::jwt::Jwt;
use countersign_spec::{Role, Scheme, Step};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

type Make = Box<dyn Fn() -> Bend + Send + Sync>;

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    if scheme.tokens.access.is_none() {
        return Vec::new();
    }
    let mut list = List { id: scheme.id.clone(), faults: Vec::new() };
    believed(&mut list);
    spelled(&mut list);
    owned(&mut list);
    letters(scheme, &mut list);
    elsewhere(scheme, &mut list);
    contents(scheme, &mut list);
    refresh::add(scheme, &mut list);
    list.faults
}

struct List {
    id: String,
    faults: Vec<Fault>,
}

impl List {
    fn push(&mut self, name: &str, does: &str, checks: &[(&str, &str)], make: Make) -> bool {
        let trips: Vec<String> = checks
            .iter()
            .map(|(group, sentence)| check(&self.id, group, sentence))
            .filter(|name| exists(name))
            .collect();
        let any = !trips.is_empty();
        if any {
            self.faults.push(Fault::new(&self.id, name, does, &trips, make));
        }
        any
    }

    /// Lets in whatever is presented with a token for which this holds.
    fn believe(
        &mut self,
        name: &str,
        does: &str,
        checks: &[(&str, &str)],
        when: fn(&Seen<'_>, &str, Option<&Jwt>) -> bool,
    ) -> bool {
        let of = self.id.clone();
        let make = move || {
            let of = of.clone();
            Bend::decide(move |seen| {
                let here = seen.at.is_some_and(|(scheme, at)| scheme.id == of && takes_token(at.step));
                let token = seen.token().filter(|_| here);
                let lets = token.is_some_and(|token| when(seen, &token, Jwt::read(&token).as_ref()));
                if lets { Way::Accept } else { Way::Pass }
            })
        };
        self.push(name, does, checks, Box::new(make))
    }
}

fn takes_token(step: Step) -> bool {
    matches!(step, Step::Protected | Step::Verify | Step::Refresh | Step::Logout)
}

/// The published key of the fault that confuses public keys with secrets.
fn public_key() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32]) })
}

/// A token of ours whose first two parts are these.
fn has_input(seen: &Seen<'_>, jwt: &Jwt) -> bool {
    let input = format!("{}.", jwt.signing_input());
    seen.memory().issued.keys().any(|known| known.starts_with(&input))
}

/// A token of ours that carries these claims.
fn has_claims(seen: &Seen<'_>, jwt: &Jwt) -> bool {
    let part = format!(".{}.", jwt.text.split('.').nth(1).unwrap_or_default());
    seen.memory().issued.keys().any(|known| known.contains(&part))
}

/// A token of ours that ends in this signature.
fn has_signature(seen: &Seen<'_>, jwt: &Jwt) -> bool {
    let part = jwt.text.rsplit('.').next().unwrap_or_default();
    !part.is_empty() && seen.memory().issued.keys().any(|known| known.ends_with(part))
}

fn believed(list: &mut List) {
    list.believe(
        "tokens are not looked at",
        "whatever stands behind Bearer is good",
        &[
            ("token", "a token that was never issued is refused"),
            ("token", "a changed token is refused"),
            ("token", "a token with another signature is refused"),
            ("token", "a token with changed claims is refused"),
        ],
        |_, _, _| true,
    );
    list.believe(
        "what is no token is good",
        "an error of the parser is taken for a success",
        &[
            ("token", "a token that was never issued is refused"),
            ("refresh", "a refresh with a token that was never issued is refused"),
        ],
        |_, _, jwt| jwt.is_none(),
    );
    list.believe(
        "signatures of tokens are not verified",
        "claims are read and the signature is not",
        &[
            ("token", "a token with another signature is refused"),
            ("token", "a token with changed claims is refused"),
            ("token", "a changed token is refused"),
        ],
        |_, _, jwt| jwt.is_some(),
    );
    list.believe(
        "any signature over known claims is good",
        "a token is looked up by its first two parts",
        &[("token", "a token with another signature is refused")],
        |seen, _, jwt| jwt.is_some_and(|jwt| has_input(seen, jwt)),
    );
    list.believe(
        "the beginning of a signature is enough",
        "signatures are compared as far as they go",
        &[("token", "a token with another signature is refused")],
        |seen, token, _| {
            token.len() > 40 && seen.memory().issued.keys().any(|known| known.starts_with(token))
        },
    );
    list.believe(
        "claims are not protected",
        "a known signature is good under any claims",
        &[("token", "a token with changed claims is refused")],
        |seen, _, jwt| jwt.is_some_and(|jwt| has_signature(seen, jwt)),
    );
    list.believe(
        "headers are not protected",
        "a known signature is good under any header",
        &[("token", "a token with a changed header is refused")],
        |seen, _, jwt| jwt.is_some_and(|jwt| has_signature(seen, jwt) && has_claims(seen, jwt)),
    );
    list.believe(
        "alg none is accepted",
        "tokens of the algorithm none are good without a signature",
        &[("token", "a token without an algorithm is refused")],
        |_, _, jwt| jwt.is_some_and(|jwt| jwt.alg() == "none" && jwt.signature.is_empty()),
    );
    list.believe(
        "alg none in capitals is accepted",
        "only the very word none is refused",
        &[("token", "a token without an algorithm is refused")],
        |_, _, jwt| jwt.is_some_and(|jwt| jwt.alg() == "NONE" && jwt.signature.is_empty()),
    );
    list.believe(
        "a missing alg is accepted",
        "a token that names no algorithm needs no signature",
        &[("token", "a token without an algorithm is refused")],
        |_, _, jwt| jwt.is_some_and(|jwt| !jwt.header.contains_key("alg")),
    );
    list.believe(
        "unknown algorithms are skipped",
        "a token of an algorithm that is not known is not verified",
        &[("token", "a token of an unknown algorithm is refused")],
        |_, _, jwt| jwt.is_some_and(|jwt| !["HS256", "none"].contains(&jwt.alg()) && has_alg(jwt)),
    );
    list.believe(
        "a second key is secret",
        "tokens signed with the word secret are good as well",
        &[("token", "a token signed with a key that anybody knows is refused")],
        |_, _, jwt| jwt.is_some_and(|jwt| jwt.is_signed_with(b"secret")),
    );
    list.believe(
        "tokens bring their keys",
        "the key in a token's header is used to verify it",
        &[("token", "a token that brings its own key is refused")],
        |_, _, jwt| {
            jwt.is_some_and(|jwt| {
                let key = jwt.header.get("jwk").and_then(|jwk| jwk["k"].as_str());
                let key = key.and_then(|key| URL_SAFE_NO_PAD.decode(key).ok());
                key.is_some_and(|key| jwt.is_signed_with(&key))
            })
        },
    );
    list.believe(
        "kid is a file",
        "the key is read from the file that kid names",
        &[("token", "a token that brings its own key is refused")],
        |_, _, jwt| {
            jwt.is_some_and(|jwt| {
                jwt.header.get("kid").is_some_and(|kid| kid == "/dev/null") && jwt.is_signed_with(b"")
            })
        },
    );
    list.believe(
        "further parts are not looked at",
        "what follows a good token is dropped",
        &[("token", "a token with something added is refused")],
        |seen, token, _| {
            seen.memory().issued.keys().any(|known| token.len() > known.len() && token.starts_with(known))
        },
    );
    list.believe(
        "the first of two tokens counts",
        "a list of tokens is read as its first",
        &[("token", "a token with something added is refused")],
        |seen, token, _| {
            token.split_once(',').is_some_and(|(first, _)| seen.memory().issued.contains_key(first))
        },
    );
    let of = list.id.clone();
    list.push(
        "the public key is a secret",
        "keys are published, and a token signed by HMAC with one is good",
        &[("token", "a token signed with a public key is refused")],
        Box::new(move || {
            let of = of.clone();
            Bend::decide(move |seen| {
                if seen.req.path == "/.well-known/jwks.json" {
                    return super::say(&json!({ "keys": [public_key()] }));
                }
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
                let jwt = seen.token().and_then(|token| Jwt::read(&token)).filter(|_| here);
                let raw = [7; 32];
                if jwt.is_some_and(|jwt| jwt.is_signed_with(&raw)) { Way::Accept } else { Way::Pass }
            })
        }),
    );
}

fn has_alg(jwt: &Jwt) -> bool {
    jwt.header.get("alg").is_some_and(|alg| {
        alg.as_str().is_some_and(|alg| !alg.is_empty() && !alg.eq_ignore_ascii_case("none"))
    })
}

/// Where a token is looked for, and whose.
fn elsewhere(scheme: &Scheme, list: &mut List) {
    let id = scheme.id.as_str();
    for operation in &scheme.operations {
        list.push(
            &format!("{} needs no token", operation.name),
            &format!("{} answers whoever asks without a token", operation.name),
            &[
                ("token", &format!("{} without a token is refused", operation.name)),
                (
                    "refresh",
                    if operation.step == Step::Refresh {
                        "a refresh without a token is refused"
                    } else {
                        "none"
                    },
                ),
            ],
            Box::new(accepts(id, &operation.name, |seen| {
                seen.token().is_none_or(|token| token.is_empty())
                    && takes_token(seen.at.map_or(Step::Login, |at| at.1.step))
            })),
        );
    }
    let of = scheme.id.clone();
    list.push(
        "any word before a token",
        "Basic and Digest are taken for Bearer",
        &[("token", "a token under another scheme word is refused")],
        Box::new(move || {
            let of = of.clone();
            Bend::rewrite(move |seen, req| {
                let word = seen.req.header("authorization").and_then(|value| value.split_once(' '));
                if let Some((_, token)) = word
                    && seen.at.is_some_and(|(scheme, _)| scheme.id == of)
                {
                    req.set_header("authorization", &format!("Bearer {token}"));
                }
            })
        }),
    );
    let of = scheme.id.clone();
    list.push(
        "tokens in the query",
        "a token is looked for in the query as well",
        &[("token", "a token in the query is refused")],
        Box::new(move || {
            let of = of.clone();
            Bend::rewrite(move |seen, req| {
                let text = seen.req.query.clone().unwrap_or_default();
                if let Some(token) = query(&text, "access_token").or_else(|| query(&text, "token"))
                    && seen.at.is_some_and(|(scheme, _)| scheme.id == of)
                {
                    req.set_header("authorization", &format!("Bearer {token}"));
                }
            })
        }),
    );
    let of = scheme.id.clone();
    list.push(
        "the word Bearer must be written so",
        "bearer in lower case is refused",
        &[("token", "bearer in lower case is accepted")],
        Box::new(move || {
            let of = of.clone();
            Bend::decide(move |seen| {
                let lower = seen.req.header("authorization").is_some_and(|value| value.starts_with("bearer"));
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
                if lower && here { Way::Refuse } else { Way::Pass }
            })
        }),
    );
    let other = if scheme.id == "ethgas" { "cbs" } else { "ethgas" };
    let added = list.believe(
        "tokens of other schemes are good",
        "a token is verified and its scheme is not looked at",
        &[
            ("token", "a token of another scheme is refused"),
            ("refresh", "a refresh with a token of another scheme is refused"),
        ],
        |seen, token, _| {
            let own = seen.at.map(|(scheme, _)| scheme.id.as_str());
            seen.memory().issued.get(token).is_some_and(|issued| Some(issued.scheme.as_str()) != own)
        },
    );
    if added && let Some(fault) = list.faults.pop() {
        list.faults.push(fault.beside(other));
    }
}

/// Changes the claims of tokens as they leave; the server knows them back.
fn claims(scheme: &Scheme, change: fn(&Seen<'_>, &mut Map<String, Value>)) -> Make {
    let of = scheme.id.clone();
    Box::new(move || {
        let of = of.clone();
        Bend::tokens(move |seen, token| {
            let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
            match Jwt::read(token).filter(|_| here) {
                Some(jwt) => jwt.with_claims(|claims| change(seen, claims)),
                None => token.to_owned(),
            }
        })
    })
}

fn contents(scheme: &Scheme, list: &mut List) {
    list.push(
        "tokens live longer than they should",
        "the end in a token is an hour later than stated",
        &[("token", "the stated lifetime is the documented one")],
        claims(scheme, |_, claims| shift(claims, &["exp", "access_expired_at"], 3_600)),
    );
    list.push(
        "tokens live much longer than they should",
        "the end in a token is a month later than stated",
        &[("token", "the stated lifetime is the documented one")],
        claims(scheme, |_, claims| shift(claims, &["exp", "access_expired_at"], 30 * 86_400)),
    );
    list.push(
        "tokens were issued yesterday",
        "all times in a token are a day early",
        &[("token", "the times in a token are those of its issue")],
        claims(scheme, |_, claims| shift(claims, &TIMES, -86_400)),
    );
    list.push(
        "tokens are issued tomorrow",
        "all times in a token are a day late",
        &[("token", "the times in a token are those of its issue")],
        claims(scheme, |_, claims| shift(claims, &TIMES, 86_400)),
    );
    let of = scheme.id.clone();
    list.push(
        "tokens do not say when they end",
        "neither tokens nor answers name an end",
        &[("token", "a token says when it ends")],
        Box::new(move || {
            let (of, answered) = (of.clone(), of.clone());
            let Bend { after, .. } = Bend::after(move |seen, resp| {
                let Some((_, operation)) = seen.at.filter(|(scheme, _)| scheme.id == answered) else {
                    return;
                };
                let pointer = pointer_of(operation, Role::ExpiresIn).unwrap_or_default();
                let mut body = resp.json();
                let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
                let members = body.pointer_mut(parent).and_then(Value::as_object_mut);
                if members.is_some_and(|members| members.remove(name).is_some()) {
                    resp.set_json(&body);
                }
            });
            let edit = Bend::tokens(move |seen, token| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
                let Some(jwt) = Jwt::read(token).filter(|_| here) else { return token.to_owned() };
                jwt.with_claims(|claims| claims.retain(|name, _| !name.contains("exp")))
            });
            Bend { after, ..edit }
        }),
    );
    let of = scheme.id.clone();
    list.push(
        "another end is told",
        "operations say that a token ends an hour later than it does",
        &[("token", "an operation that says when a token ends says it right")],
        Box::new(move || {
            let of = of.clone();
            Bend::after(move |seen, resp| {
                let Some((_, operation)) = seen.at.filter(|(scheme, _)| scheme.id == of) else { return };
                let Some(pointer) = pointer_of(operation, Role::ExpiresAt) else { return };
                let mut body = resp.json();
                let end = body.pointer(pointer).and_then(Value::as_i64);
                if let (Some(end), Some(place)) = (end, body.pointer_mut(pointer)) {
                    *place = json!(end + 3_600);
                    resp.set_json(&body);
                }
            })
        }),
    );
    list.push(
        "the claims clients read are missing",
        "tokens have no access_expired_at",
        &[("token", "a token has the claims its clients read")],
        claims(scheme, |_, claims| claims.retain(|name, _| !name.starts_with("access_"))),
    );
    let of = scheme.id.clone();
    list.push(
        "tokens are random text",
        "a token is hex of chance",
        &[("token", "a token is a jwt that can be read")],
        Box::new(move || {
            let of = of.clone();
            Bend::tokens(move |seen, token| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
                if here { super::opaque(token) } else { token.to_owned() }
            })
        }),
    );
    list.push(
        "tokens name the secret",
        "a token has a claim with the account's password",
        &[("token", "a token holds no secret of the account")],
        claims(scheme, |seen, claims| {
            let name = seen.text(Role::Identifier).unwrap_or_default();
            let seed = SEEDS.iter().find(|seed| seed.name == name);
            let secret =
                seed.map_or_else(|| "none".to_owned(), |seed| seed.password.expose_secret().to_owned());
            claims.insert("password".to_owned(), json!(secret));
        }),
    );
    list.push(
        "tokens name everybody alike",
        "identity claims are the same for all accounts",
        &[("token", "a token names the account it was given to")],
        identity(scheme, |_| true),
    );
    let of = scheme.id.clone();
    list.push(
        "tokens are signed with a sample key",
        "tokens are signed with the word changeme",
        &[("token", "the signing key is not on a list of common keys")],
        Box::new(move || {
            let of = of.clone();
            Bend::tokens(move |seen, token| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
                Jwt::read(token)
                    .filter(|_| here)
                    .map_or_else(|| token.to_owned(), |jwt| jwt.resigned(b"changeme", |_| (), |_| ()))
            })
        }),
    );
}

const TIMES: [&str; 7] =
    ["exp", "iat", "nbf", "orig_iat", "access_expired_at", "access_issued_at", "created_at"];

fn shift(claims: &mut Map<String, Value>, names: &[&str], by: i64) {
    for name in names {
        if let Some(at) = claims.get(*name).and_then(Value::as_i64) {
            claims.insert((*name).to_owned(), json!(at + by));
        }
    }
}

/// Identity claims that are the same for everybody, in answers of steps for which this holds.
fn identity(scheme: &Scheme, when: fn(Step) -> bool) -> Make {
    let of = scheme.id.clone();
    let names: Vec<String> =
        scheme.tokens.access.as_ref().map(|access| access.identity_claims.clone()).unwrap_or_default();
    Box::new(move || {
        let (of, names) = (of.clone(), names.clone());
        Bend::tokens(move |seen, token| {
            let here = seen.at.is_some_and(|(scheme, at)| scheme.id == of && when(at.step));
            let Some(jwt) = Jwt::read(token).filter(|_| here) else { return token.to_owned() };
            jwt.with_claims(|claims| {
                for name in &names {
                    if claims.contains_key(name) {
                        claims.insert(name.clone(), json!("everybody"));
                    }
                }
            })
        })
    })
}

/// Signatures that are none, and good tokens written in another way.
fn spelled(list: &mut List) {
    list.believe(
        "zeros are a signature",
        "zeros verify under every key of another algorithm",
        &[("token", "a token with an empty proof of another algorithm is refused")],
        |_, _, jwt| {
            jwt.is_some_and(|jwt| jwt.alg() == "ES256" && jwt.signature.iter().all(|byte| *byte == 0))
        },
    );
    list.believe(
        "tokens are read as JSON",
        "tokens in JSON are good whatever they hold",
        &[("token", "a token in another serialisation is refused")],
        |_, token, _| token.starts_with('{'),
    );
    list.believe(
        "vast headers are not read",
        "a token whose header is too long to read is good",
        &[("token", "a token with a vast header is refused")],
        |_, token, _| token.len() > 1_000 && token.ends_with(".AAAA"),
    );
    list.believe(
        "tokens are decoded leniently",
        "padding and white space in a token are dropped",
        &[("token", "a token in another spelling is refused")],
        |seen, token, _| {
            let plain = token.replace([' ', '='], "");
            plain.len() != token.len() && seen.memory().issued.contains_key(&plain)
        },
    );
    list.believe(
        "addresses in tokens are asked",
        "the key is fetched from where the token says",
        &[("token", "a token that says where its key lies makes nobody fetch it")],
        |_, _, jwt| {
            let address = jwt.and_then(|jwt| jwt.header.get("jku")?.as_str()).and_then(|url| {
                url.strip_prefix("http://")?.split('/').next()?.parse::<std::net::SocketAddr>().ok()
            });
            if let Some(address) = address {
                // Asking is the fault; what comes back is not believed.
                drop(std::net::TcpStream::connect(address));
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            false
        },
    );
}

/// Wrong tokens under the right key.
fn owned(list: &mut List) {
    list.believe(
        "the last of two claims counts",
        "a claim that stands twice is read as its last",
        &[("token", "a well signed token with a claim twice is refused")],
        |_, token, jwt| {
            let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap_or_default());
            let claims = String::from_utf8_lossy(&claims.unwrap_or_default()).into_owned();
            claims.matches("\"exp\":").count() > 1 && jwt.is_some_and(|jwt| jwt.is_signed_with(SECRET))
        },
    );
}

/// Accounts by the letters of an address.
fn letters(scheme: &Scheme, list: &mut List) {
    list.push(
        "each spelling is an account",
        "an address with capitals is another account",
        &[("proof", "an address in another letter case is the same account")],
        claims(scheme, |seen, claims| {
            let address = seen.text(Role::Address).unwrap_or_default();
            if address.bytes().skip(2).any(|byte| byte.is_ascii_uppercase()) {
                claims.insert("user_id".to_owned(), json!(4_711));
            }
        }),
    );
}
