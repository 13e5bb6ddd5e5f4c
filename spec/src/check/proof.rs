//! What a proof needs: roles at the login, and texts whose placeholders mean something.

use super::placeholders;
use crate::{Place, ProofKind, Role, Scheme, Step, error::did_you_mean};
use std::collections::BTreeSet;

/// Placeholders that every text may use; the names under `proof.derived` join them.
const PLACEHOLDERS: [&str; 9] = [
    "challenge",
    "challenge_hex",
    "address",
    "address_checksum",
    "uri",
    "domain",
    "issued_at",
    "issued_at_dmy",
    "expires_at",
];

/// Placeholders that change with every login, so that no word can be given for them.
const MOVING: [&str; 6] =
    ["challenge", "challenge_hex", "address", "address_checksum", "issued_at", "issued_at_dmy"];

/// What is wrong with the proof and its texts.
pub(super) fn problems(scheme: &Scheme) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let Some(login) = scheme.step(Step::Login) else { return problems };
    let mut need = |role: Role, name: &str| {
        if login.request_field(role).is_none() {
            let problem = format!("needs a request field with role \"{name}\" at the login");
            problems.push(("proof.kind", problem));
        }
    };
    match scheme.proof.kind {
        ProofKind::Eip191 => {
            // A text that names its signer is as good as a member that does.
            let named = scheme.proof.text.as_ref().is_some_and(|text| text.template.contains("{address"));
            if !named || login.request_field(Role::SignedText).is_none() {
                need(Role::Address, "address");
            }
            need(Role::Signature, "signature");
            if scheme.proof.text.is_none() {
                let problem = "is missing: an eip191 proof needs the template that is signed".to_owned();
                problems.push(("proof.text", problem));
            }
        }
        ProofKind::Secret => {
            need(Role::Identifier, "identifier");
            need(Role::Password, "password");
            if scheme.account.is_none() {
                let problem = "is missing: a secret proof needs the names of an account's members".to_owned();
                problems.push(("account", problem));
            }
        }
    }
    let known: BTreeSet<&Place> = login.request.fields.iter().map(|field| &field.at).collect();
    let derived = scheme.proof.derived.values().flat_map(|derived| &derived.of);
    let places = scheme.proof.binds.iter().map(|place| ("proof.binds", place));
    for (key, place) in places.chain(derived.map(|place| ("proof.derived", place))) {
        if !known.contains(place) {
            problems.push((key, format!("{place} is no request field of the login")));
        }
    }
    problems.extend(text_problems(scheme));
    problems
}

/// Placeholders have a meaning, words are used, and what is judged can be told apart.
fn text_problems(scheme: &Scheme) -> Vec<(&'static str, String)> {
    let proof = &scheme.proof;
    let mut problems = Vec::new();
    let meant: Vec<&str> = PLACEHOLDERS
        .into_iter()
        .chain(proof.derived.keys().map(String::as_str))
        .chain(proof.words.keys().map(String::as_str))
        .collect();
    let mut used = BTreeSet::new();
    for text in proof.text.iter().chain(&proof.other_texts) {
        for name in placeholders(&text.template) {
            used.insert(name);
            if !meant.contains(&name) {
                let near = did_you_mean(name, &meant);
                problems.push(("proof.text", format!("`{}` has no meaning for {{{name}}}{near}", text.name)));
            }
        }
    }
    for name in proof.words.keys().map(String::as_str) {
        if MOVING.contains(&name) || name == "expires_at" || proof.derived.contains_key(name) {
            let problem = format!("{name} is not fixed: it changes from login to login");
            problems.push(("proof.words", problem));
        } else if !used.contains(name) {
            problems.push(("proof.words", format!("no text has {{{name}}}: use it or delete it")));
        }
    }
    let own: Vec<&str> = proof.text.iter().flat_map(|text| placeholders(&text.template)).collect();
    for (name, clause) in &proof.judged {
        let name = name.as_str();
        if !own.contains(&name) {
            let near = did_you_mean(name, &own);
            problems.push(("proof.judged", format!("the text has no {{{name}}}{near}")));
        } else if MOVING.contains(&name) || proof.derived.contains_key(name) {
            let problem = format!("{name} is the caller's own and is judged without being named here");
            problems.push(("proof.judged", problem));
        }
        match scheme.clause(clause) {
            Some(clause) if clause.except.is_some() => {
                let problem = format!("{name} rests on `{}`, which is excepted from checks", clause.id);
                problems.push(("proof.judged", problem));
            }
            Some(_) => {}
            None => {
                let known: Vec<&str> = scheme.clauses.iter().map(|clause| clause.id.as_str()).collect();
                let near = did_you_mean(clause, &known);
                problems
                    .push(("proof.judged", format!("{name} rests on `{clause}`, which is no clause{near}")));
            }
        }
    }
    if used.contains("expires_at") != proof.text_lifetime.is_some() {
        problems.push(("proof.text_lifetime", "goes together with {expires_at} in a text".to_owned()));
    }
    problems
}
