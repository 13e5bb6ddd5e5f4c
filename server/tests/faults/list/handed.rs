//! Faults that only tokens signed with the right key show.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::host::SECRET;
use crate::world::Seen;
use countersign::jwt::{Hmac, Jwt};
use countersign_spec::{Scheme, Step};

/// Whether a well-signed token is let in for what it says.
type Lets = fn(&Seen<'_>, &Scheme, &Jwt) -> bool;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, lets: Lets| {
        let trips = check(&scheme.id, "token", sentence);
        if !exists(&trips) {
            return;
        }
        faults.push(Fault::new(&scheme.id, name, does, &[trips], move || {
            Bend::decide(move |seen| {
                let here = seen.at.is_some_and(|(at, operation)| {
                    at.id == scheme.id
                        && matches!(operation.step, Step::Protected | Step::Verify | Step::Refresh)
                });
                let jwt = seen.token().filter(|_| here).and_then(|token| Jwt::read(&token));
                let jwt = jwt.filter(is_signed);
                if jwt.is_some_and(|jwt| lets(seen, scheme, &jwt)) { Way::Accept } else { Way::Pass }
            })
        }));
    };
    add(
        "ends are not looked at",
        "a token is verified and its end is not read",
        "a well signed token that has expired is refused",
        |_, _, jwt| is_sha256(jwt),
    );
    add(
        "tokens are refreshed whatever their age",
        "a token is verified and its issue is not read",
        "a well signed token past its refresh window is refused",
        |seen, scheme, jwt| {
            let issued = scheme.tokens.access.iter().flat_map(|access| &access.issued_claims);
            seen.step() == Some(Step::Refresh) && issued.clone().any(|claim| jwt.seconds(claim).is_some())
        },
    );
    add(
        "a missing issue is now",
        "a token that does not say when it was issued counts as new",
        "a well signed token of no known issue is not refreshed",
        |_, scheme, jwt| {
            let mut issued = scheme.tokens.access.iter().flat_map(|access| &access.issued_claims);
            !issued.any(|claim| jwt.claims.contains_key(claim))
        },
    );
    add(
        "what is no end is none",
        "an end that is no number means for ever",
        "a well signed token whose end is no number is refused",
        |_, _, jwt| !jwt.claims.get("exp").is_some_and(serde_json::Value::is_number),
    );
    add(
        "beginnings are not looked at",
        "a token is good before it begins",
        "a well signed token from the future is refused",
        |_, _, jwt| jwt.claims.contains_key("nbf"),
    );
    add(
        "audiences are not looked at",
        "a token for anybody is good",
        "a well signed token for somebody else is refused",
        |_, _, jwt| jwt.claims.get("aud").is_some_and(|aud| aud.to_string().contains("other.example")),
    );
    add(
        "issuers are not looked at",
        "a token by anybody who has the key is good",
        "a well signed token for somebody else is refused",
        |_, _, jwt| jwt.claims.get("iss").is_some_and(|iss| iss.to_string().contains("other.example")),
    );
    add(
        "audiences are compared in their beginning",
        "a token for somebody whose name begins with the own one is good",
        "a well signed token for somebody else is refused",
        |_, _, jwt| jwt.claims.get("aud").is_some_and(|aud| aud.to_string().contains(".other.example")),
    );
    add(
        "issuers are looked for in the own name",
        "a token by an issuer whose name is a part of the own one is good",
        "a well signed token for somebody else is refused",
        |seen, _, jwt| {
            let named = |jwt: &Jwt| jwt.claims.get("iss").and_then(|iss| iss.as_str()).map(str::to_owned);
            let tokens: Vec<String> = seen.memory().issued.keys().cloned().collect();
            let own = tokens.iter().find_map(|token| named(&Jwt::read(token)?));
            named(jwt).zip(own).is_some_and(|(given, own)| own != given && own.contains(&given))
        },
    );
    add(
        "nobody has a session",
        "a token that names no account is good",
        "a well signed token of nobody is refused",
        |_, _, jwt| !jwt.claims.contains_key("sub"),
    );
    add(
        "any HMAC is good",
        "the algorithm is taken from the token, as long as it is an HMAC",
        "a well signed token of another kind is refused",
        |_, _, jwt| jwt.alg() == "HS512",
    );
    add(
        "extensions are not looked at",
        "crit is a header like any other",
        "a well signed token of another kind is refused",
        |_, _, jwt| jwt.header.contains_key("crit"),
    );
    faults
}

fn is_sha256(jwt: &Jwt) -> bool {
    jwt.alg() == "HS256"
}

fn is_signed(jwt: &Jwt) -> bool {
    [Hmac::Sha256, Hmac::Sha384, Hmac::Sha512]
        .iter()
        .any(|mac| mac.of(jwt.signing_input().as_bytes(), SECRET) == jwt.signature)
}
