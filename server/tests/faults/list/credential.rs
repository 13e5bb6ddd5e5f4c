//! Faults of names and secrets: compared in part, after a change, or not at all.

use super::{accepts, refuses};
use crate::bend::Bend;
use crate::fault::{Fault, check, exists};
use crate::host::SEEDS;
use crate::world::Seen;
use countersign_spec::{ProofKind, Role, Scheme, Step};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;

/// What a login sends, and what the account it names has for a secret.
pub(super) struct Tried {
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) right: Option<String>,
    scheme: &'static str,
}

impl Tried {
    pub(super) fn read(seen: &Seen<'_>) -> Option<Self> {
        let name = seen.text(Role::Identifier)?;
        let secret = seen.text(Role::Password)?;
        let scheme = seen.at?.0.id.as_str();
        let right = secret_of(scheme, |known| known == name);
        Some(Self { name, secret, right, scheme })
    }
}

pub(super) fn secret_of(scheme: &str, is: impl Fn(&str) -> bool) -> Option<String> {
    let seed = SEEDS.iter().find(|seed| seed.scheme == scheme && is(&seed.name))?;
    Some(seed.password.expose_secret().to_owned())
}

fn is_anybodys(scheme: &str, secret: &str) -> bool {
    SEEDS.iter().any(|seed| seed.scheme == scheme && seed.password.expose_secret() == secret)
}

fn folded(text: &str) -> String {
    let plain = |c: char| match c {
        'à'..='å' => 'a',
        'À'..='Å' => 'A',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'Ò'..='Ö' => 'O',
        'Ù'..='Ü' => 'U',
        'Ñ' => 'N',
        'ñ' => 'n',
        other => other,
    };
    text.chars().map(plain).collect()
}

/// A secret that the fault takes for the right one.
type Takes = fn(&str, &str) -> bool;

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    if scheme.proof.kind != ProofKind::Secret {
        return faults;
    }
    let Some(login) = scheme.step(Step::Login) else { return faults };
    let id = scheme.id.as_str();
    let comparisons: [(&str, &str, &[&str], Takes); 11] = [
        (
            "the secret is not looked at",
            "a known name is enough",
            &[
                "a wrong secret is refused",
                "another account's secret is refused",
                "the name in place of the secret is refused",
                "a secret changed in the middle is refused",
                "the beginning of a secret is refused",
                "a secret with more behind it is refused",
                "hostile text is refused like a wrong secret",
                "a query in place of name or secret is refused",
            ],
            |_, _| true,
        ),
        (
            "a beginning of the secret is enough",
            "secrets are compared as far as the given one goes",
            &["the beginning of a secret is refused"],
            |given, right| !given.is_empty() && right.starts_with(given),
        ),
        (
            "the first eight characters are enough",
            "secrets are cut to eight characters",
            &["a secret with more behind it is refused", "the beginning of a secret is refused"],
            |given, right| given.chars().take(8).eq(right.chars().take(8)),
        ),
        (
            "what follows the secret is not looked at",
            "secrets are compared as far as the right one goes",
            &["a secret with more behind it is refused"],
            |given, right| given.starts_with(right),
        ),
        (
            "a secret ends at NUL",
            "secrets are compared as C strings",
            &["a secret with more behind it is refused"],
            |given, right| given.split('\0').next() == Some(right),
        ),
        (
            "secrets are compared by length and first letter",
            "a digest that mixes too little",
            &["a secret changed in the middle is refused"],
            |given, right| given.len() == right.len() && given.chars().next() == right.chars().next(),
        ),
        (
            "secrets are compared as sets of characters",
            "the order of characters is not looked at",
            &["a secret changed in the middle is refused"],
            |given, right| {
                let sorted = |text: &str| {
                    let mut all: Vec<char> = text.chars().collect();
                    all.sort_unstable();
                    all
                };
                sorted(given) == sorted(right)
            },
        ),
        (
            "letter case of secrets is not looked at",
            "secrets are lower-cased before they are compared",
            &["a secret in another letter case is refused"],
            |given, right| given.to_lowercase() == right.to_lowercase(),
        ),
        (
            "secrets are trimmed",
            "white space around secrets is dropped",
            &["a secret with white space around it is refused"],
            |given, right| given.trim() == right.trim(),
        ),
        (
            "accents are not looked at",
            "secrets are folded to ASCII before they are compared",
            &["a secret with characters that look alike is refused"],
            |given, right| folded(given) == folded(right),
        ),
        (
            "secrets are normalised",
            "secrets are brought into one form (NFKC) before they are compared",
            &["a secret in another unicode form is refused"],
            |given, right| given.nfkc().eq(right.nfkc()),
        ),
    ];
    let named = |sentences: &[&str]| -> Vec<String> {
        let names = sentences.iter().map(|sentence| check(id, "credential", sentence));
        names.filter(|name| exists(name)).collect()
    };
    for (name, does, sentences, takes) in comparisons {
        let make = accepts(id, &login.name, move |seen| {
            Tried::read(seen)
                .is_some_and(|tried| tried.right.is_some_and(|right| takes(&tried.secret, &right)))
        });
        let fault = Fault::new(id, name, does, &named(sentences), make);
        faults.push(if name.starts_with("accents") { fault.accented() } else { fault });
    }
    let mut add = |name: &str, does: &str, sentence: &str, when: fn(&Seen<'_>) -> bool| {
        let make = accepts(id, &login.name, when);
        let fault = Fault::new(id, name, does, &named(&[sentence]), make);
        faults.push(if name.starts_with("72") { fault.accented() } else { fault });
    };
    add(
        "72 bytes of a secret are enough",
        "secrets are cut to 72 bytes, as bcrypt does",
        "a secret cut at the limit of a hash is refused",
        |seen| {
            Tried::read(seen).is_some_and(|tried| {
                tried.right.is_some_and(|right| tried.secret.bytes().take(72).eq(right.bytes().take(72)))
            })
        },
    );
    add(
        "letter case of names is not looked at",
        "names are lower-cased before they are looked up",
        "a name in another letter case is refused",
        |seen| {
            Tried::read(seen).is_some_and(|tried| {
                let right = secret_of(tried.scheme, |known| known.eq_ignore_ascii_case(&tried.name));
                right.is_some_and(|right| right == tried.secret)
            })
        },
    );
    add(
        "any account's secret is good",
        "a secret is looked up without its name",
        "another account's secret is refused",
        |seen| Tried::read(seen).is_some_and(|tried| is_anybodys(tried.scheme, &tried.secret)),
    );
    add(
        "unknown names are let in",
        "an account is made for whoever asks",
        "an account that does not exist is refused",
        |seen| Tried::read(seen).is_some_and(|tried| tried.right.is_none()),
    );
    add(
        "the name is a secret",
        "the name opens its account",
        "the name in place of the secret is refused",
        |seen| Tried::read(seen).is_some_and(|tried| tried.name == tried.secret),
    );
    add(
        "an empty secret is good",
        "nothing, white space and null open accounts",
        "an empty secret is refused",
        |seen| {
            seen.value(Role::Password).is_some_and(|value| match value {
                Value::String(text) => text.trim().is_empty(),
                other => other.is_null(),
            })
        },
    );
    add(
        "secrets are pasted into a query",
        "a quote in a secret ends the query's text",
        "a query in place of name or secret is refused",
        |seen| Tried::read(seen).is_some_and(|tried| tried.secret.contains("' OR '1'='1")),
    );
    add(
        "objects are operators",
        "an object as the secret is handed to the database",
        "a query in place of name or secret is refused",
        |seen| seen.value(Role::Password).is_some_and(|value| value.is_object()),
    );
    add(
        "long secrets are let in",
        "a secret longer than its buffer is not compared",
        "hostile text is refused like a wrong secret",
        |seen| Tried::read(seen).is_some_and(|tried| tried.secret.len() >= 1_000),
    );
    faults.push(Fault::new(
        id,
        "names are looked up in an object",
        "a name that every object has ends in HTTP 500",
        &named(&["words of programs are refused like any other name or secret"]),
        {
            let id = id.to_owned();
            move || {
                let id = id.clone();
                Bend::after(move |seen, resp| {
                    let name = Tried::read(seen).map(|tried| tried.name);
                    if seen.at.is_some_and(|(at, _)| at.id == id) && name.as_deref() == Some("constructor") {
                        resp.status = http::StatusCode::INTERNAL_SERVER_ERROR;
                    }
                })
            }
        },
    ));
    let mut locks = Fault::new(
        id,
        "three wrong secrets lock the owner out",
        "three wrong secrets in a row end an account",
        &named(&["a few wrong attempts do not keep the owner out"]),
        refuses(id, &login.name, |seen| {
            let Some(tried) = Tried::read(seen) else { return false };
            let mut memory = seen.memory();
            if tried.right.as_ref() == Some(&tried.secret) {
                memory.counts.get(&tried.name).is_some_and(|wrong| *wrong >= 3)
            } else {
                memory.count(&tried.name);
                false
            }
        }),
    );
    // Once the account is locked, nothing else works with it.
    locks.broad = true;
    faults.push(locks);
    let mut locks = Fault::new(
        id,
        "the first right secret after a wrong one is refused",
        "what a wrong secret leaves behind is taken for the next one's",
        &named(&["one wrong attempt does not cost the owner a login"]),
        refuses(id, &login.name, |seen| {
            let Some(tried) = Tried::read(seen) else { return false };
            let mut memory = seen.memory();
            let key = format!("wrong before/{}", tried.name);
            if tried.right.as_ref() == Some(&tried.secret) {
                memory.notes.remove(&key).is_some()
            } else {
                memory.notes.insert(key, String::new());
                false
            }
        }),
    );
    locks.broad = true;
    faults.push(locks);
    let mut locks = Fault::new(
        id,
        "eight wrong secrets lock the owner out",
        "eight wrong secrets in a row end an account",
        &named(&["many wrong attempts do not keep the owner out"]),
        refuses(id, &login.name, |seen| {
            let Some(tried) = Tried::read(seen) else { return false };
            let mut memory = seen.memory();
            if tried.right.as_ref() == Some(&tried.secret) {
                memory.counts.get(&tried.name).is_some_and(|wrong| *wrong >= 8)
            } else {
                memory.count(&tried.name);
                false
            }
        }),
    );
    locks.broad = true;
    faults.push(locks);
    enumeration(scheme, &login.name, &mut faults);
    faults
}

fn enumeration(scheme: &Scheme, login: &str, faults: &mut Vec<Fault>) {
    let message = scheme.envelope.message.first().cloned().unwrap_or_default();
    for (name, does, sentence, header) in [
        (
            "unknown names are told by the text",
            "the refusal of an unknown name has a text of its own",
            "a wrong secret and an unknown account are answered alike",
            false,
        ),
        (
            "unknown names are told by a header",
            "the refusal of an unknown name has a header more",
            "a wrong secret and an unknown account have the same headers",
            true,
        ),
    ] {
        let (of, login, message) = (scheme.id.clone(), login.to_owned(), message.clone());
        let trips = [check(&scheme.id, "credential", sentence)];
        faults.push(Fault::new(&scheme.id, name, does, &trips, move || {
            let (of, login, message) = (of.clone(), login.clone(), message.clone());
            Bend::after(move |seen, resp| {
                let unknown = Tried::read(seen).is_some_and(|tried| tried.right.is_none());
                if !seen.is(&of, &login) || !unknown {
                    return;
                }
                if header {
                    resp.set_header("x-account", "unknown");
                    return;
                }
                let mut body = resp.json();
                if let Some(place) = body.pointer_mut(&message) {
                    *place = json!("there is no such account");
                }
                resp.set_json(&body);
            })
        }));
    }
}
