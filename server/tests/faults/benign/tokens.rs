//! Other tokens than the reference server's.

use super::Benign;
use crate::bend::Bend;
use crate::list::opaque;
use crate::list::token::refresh::each_its_own;
use crate::world::{Seen, pointer_of};
use countersign::jwt::Jwt;
use countersign_spec::{Role, Step, TokenFormat};
use serde_json::{Map, Value, json};

/// Another header, under a signature of this many bytes.
fn signed(alg: &'static str, length: usize) -> Benign {
    Benign::new(&format!("tokens signed by {alg}"), move || {
        Bend::tokens(move |_, token| {
            let Some(jwt) = Jwt::read(token) else { return token.to_owned() };
            let signature: Vec<u8> = jwt.signature.iter().copied().cycle().take(length).collect();
            jwt.with_header(|header| drop(header.insert("alg".to_owned(), json!(alg))), &signature)
        })
    })
}

/// A server whose refresh tokens are exchanged until their session ends: what was exchanged before is taken for the
/// session's newest token.
fn refreshes_again() -> Bend {
    let newest = |seen: &Seen<'_>, token: &str| {
        let memory = seen.memory();
        let mut newest = token.to_owned();
        while let Some(next) = memory.notes.get(&format!("next {newest}")) {
            newest.clone_from(next);
        }
        newest
    };
    Bend {
        rewrite: Bend::rewrite(move |seen, req| {
            if seen.step() != Some(Step::Refresh) {
                return;
            }
            let Some(token) = seen.token() else { return };
            let newest = newest(seen, &token);
            if newest == token {
                return;
            }
            if seen.bearer.as_deref() == Some(&token) {
                req.set_header("authorization", &format!("Bearer {newest}"));
            }
            if seen.text(Role::RefreshToken).is_some() {
                let body = String::from_utf8_lossy(&req.body).replace(&token, &newest);
                req.body = body.into();
                req.headers.remove("content-length");
            }
        })
        .rewrite,
        after: Bend::after(|seen, resp| {
            let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == Step::Refresh) else { return };
            let body = resp.json();
            let next = pointer_of(operation, Role::RefreshToken)
                .and_then(|pointer| body.pointer(pointer))
                .and_then(Value::as_str);
            if let (Some(token), Some(next)) = (seen.token(), next)
                && token != next
            {
                seen.memory().notes.insert(format!("next {token}"), next.to_owned());
            }
        })
        .after,
        ..each_its_own()
    }
}

fn claims(name: &str, change: fn(&Seen<'_>, &mut Map<String, Value>)) -> Benign {
    Benign::new(name, move || {
        Bend::tokens(move |seen, token| {
            let jwt = Jwt::read(token);
            jwt.map_or_else(|| token.to_owned(), |jwt| jwt.with_claims(|claims| change(seen, claims)))
        })
    })
}

pub(super) fn all() -> Vec<Benign> {
    vec![
        signed("RS256", 256),
        signed("ES256", 64),
        signed("EdDSA", 64),
        signed("HS512", 64),
        signed("PS256", 256),
        Benign::new("tokens without a kid", || {
            Bend::tokens(|_, token| {
                let Some(jwt) = Jwt::read(token) else { return token.to_owned() };
                let signature = jwt.signature.clone();
                jwt.with_header(|header| header.retain(|name, _| name == "alg"), &signature)
            })
        }),
        Benign::new("tokens that are random text where documents allow it", || {
            Bend::tokens(|seen, token| {
                let free = seen
                    .at
                    .and_then(|(scheme, _)| scheme.tokens.access.as_ref())
                    .is_some_and(|access| access.format == TokenFormat::Any);
                if free { opaque(token) } else { token.to_owned() }
            })
        }),
        claims("further claims", |_, claims| {
            claims.insert("roles".to_owned(), json!(["user"]));
            claims.insert("iss".to_owned(), json!("https://login.example"));
        }),
        claims("audiences as lists", |_, claims| {
            drop(claims.insert("aud".to_owned(), json!(["app", "web"])))
        }),
        claims("times with fractions", |_, claims| {
            for name in ["iat", "exp", "nbf"] {
                if let Some(at) = claims.get(name).and_then(Value::as_i64) {
                    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
                    claims.insert(name.to_owned(), json!(at as f64 + 0.25));
                }
            }
        }),
        claims("tokens that begin a minute early", |_, claims| {
            if let Some(at) = claims.get("iat").and_then(Value::as_i64) {
                claims.insert("nbf".to_owned(), json!(at - 60));
            }
        }),
        Benign::new("refresh tokens that do not rotate", || {
            Bend::tokens(|seen, token| {
                let renews = seen.step() == Some(Step::Refresh);
                let refresh = seen.memory().issued.get(token).is_some_and(|issued| issued.refresh);
                match seen.text(Role::RefreshToken).or_else(|| seen.bearer.clone()) {
                    Some(presented) if renews && refresh => presented,
                    _ => token.to_owned(),
                }
            })
        }),
        Benign::new("refresh tokens that are exchanged as often as they are shown", refreshes_again),
    ]
}
