//! Faults of secrets in other characters, of patterns, of further members, and of names.

use super::accepts;
use super::credential::{Tried, secret_of};
use crate::fault::{Fault, check};
use crate::world::{Seen, query};
use countersign_spec::{ProofKind, Role, Scheme, Step};

/// A login that the fault takes for a right one.
type Takes = fn(&Seen<'_>) -> bool;

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let Some(login) = scheme.step(Step::Login).filter(|_| scheme.proof.kind == ProofKind::Secret) else {
        return Vec::new();
    };
    let id = scheme.id.as_str();
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, takes: Takes| {
        let trips = [check(id, "credential", sentence)];
        let fault = Fault::new(id, name, does, &trips, accepts(id, &login.name, takes));
        faults.push(if name.starts_with("foreign") { fault.accented() } else { fault });
    };
    add(
        "caps lock is forgiven",
        "a secret with the case of all its letters swapped is good",
        "a secret in another letter case is refused",
        |seen| {
            let swap = |c: char| {
                if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            };
            likened(seen, |text| text.chars().map(swap).collect(), str::to_owned)
        },
    );
    add(
        "secrets are cut to bytes",
        "secrets are compared by the low byte of each character",
        "a secret with characters that look alike is refused",
        |seen| {
            let low = |text: &str| {
                text.chars()
                    .map(|c| char::from(c.to_string().encode_utf16().next().unwrap_or(0).to_le_bytes()[0]))
                    .collect()
            };
            likened(seen, low, low)
        },
    );
    add(
        "invisible characters are dropped",
        "joiners and hyphens that nobody sees do not count",
        "a secret with invisible characters is refused",
        |seen| {
            let drop = |text: &str| text.replace(['\u{200d}', '\u{200b}', '\u{ad}'], "");
            likened(seen, drop, drop)
        },
    );
    add(
        "quotes and hyphens are dropped",
        "secrets are cleaned of what a filter against injection takes out",
        "a secret with marks that programs take out is refused",
        |seen| {
            let drop = |text: &str| text.replace(['-', '\'', '"', '\\'], "");
            likened(seen, drop, drop)
        },
    );
    add(
        "foreign characters are question marks",
        "characters beyond ASCII all count as a question mark",
        "a secret without its foreign characters is refused",
        |seen| {
            let replace = |text: &str| text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
            likened(seen, replace, replace)
        },
    );
    add(
        "secrets are decoded",
        "secrets are read as if they stood in an address",
        "a secret in an encoding is refused",
        |seen| {
            let decode = |text: &str| query(&format!("v={text}"), "v").unwrap_or_default();
            likened(seen, decode, str::to_owned)
        },
    );
    add(
        "secrets are expressions",
        "a secret is used as an expression",
        "a pattern that matches the secret is refused",
        |seen| Tried::read(seen).is_some_and(|tried| tried.right.is_some() && tried.secret == ".*"),
    );
    add(
        "a further member is a second factor",
        "whoever sends a member more is not asked for the secret",
        "a wrong secret with further members is refused",
        |seen| seen.body.as_object().is_some_and(|members| members.len() > 2),
    );
    add(
        "names end at NUL",
        "names are looked up as C strings",
        "a name that only resembles the accounts is refused",
        |seen| {
            Tried::read(seen).is_some_and(|tried| {
                let name = tried.name.split('\0').next().unwrap_or_default();
                let scheme = seen.at.map_or("", |(scheme, _)| scheme.id.as_str());
                secret_of(scheme, |known| known == name).is_some_and(|right| right == tried.secret)
            })
        },
    );
    add(
        "several names are looked up at once",
        "a list of names is searched for one whose secret is right",
        "a list of names is refused",
        |seen| seen.value(Role::Identifier).is_some_and(|value| value.is_array()),
    );
    add(
        "a refused login makes an account",
        "a name that is unknown is known the second time",
        "an account that does not exist is refused again",
        |seen| {
            let unknown = Tried::read(seen).filter(|tried| tried.right.is_none());
            unknown.is_some_and(|tried| seen.memory().count(&format!("{}/{}", tried.name, tried.secret)) > 1)
        },
    );
    faults
}

/// Whether the secret that is sent becomes the right one after these changes.
fn likened(seen: &Seen<'_>, given: impl Fn(&str) -> String, right: impl Fn(&str) -> String) -> bool {
    Tried::read(seen)
        .is_some_and(|tried| tried.right.is_some_and(|known| given(&tried.secret) == right(&known)))
}
