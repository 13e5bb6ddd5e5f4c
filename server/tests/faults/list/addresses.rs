//! Faults of addresses that may be written in several ways, in texts, at logins and at look-ups.

use super::proof::{Signed, personal};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Role, Scheme, Step};

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, step: Step, way: fn(&Seen<'_>) -> Way| {
        let trips = check(&scheme.id, "proof", sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || {
                Bend::decide(move |seen| {
                    let here = seen.at.is_some_and(|(at, now)| at.id == scheme.id && now.step == step);
                    if here { way(seen) } else { Way::Pass }
                })
            }));
        }
    };
    add(
        "the text must repeat the address letter by letter",
        "a text with the checksum of an address that is written in lower case beside it is refused",
        "an address with its checksum in the text and in lower case beside it is accepted",
        Step::Login,
        |seen| {
            let Some(signed) = Signed::read(seen) else { return Way::Pass };
            if signed.text.contains(&signed.address) { Way::Pass } else { Way::Refuse }
        },
    );
    add(
        "the address in the text is not read",
        "a text that names another wallet is good",
        "a text that names another wallet is refused",
        Step::Login,
        |seen| {
            let right = Signed::read(seen).is_some_and(|s| s.signed(&personal(s.text.as_bytes())));
            if right { Way::Accept } else { Way::Pass }
        },
    );
    add(
        "the signer is held against the text",
        "whoever the text names and signs it is let in under any address",
        "another wallet's signature over a text that names it is refused",
        Step::Login,
        |seen| {
            let names_signer = Signed::read(seen).is_some_and(|signed| {
                let signer = signed.signer(&personal(signed.text.as_bytes()));
                signer.is_some_and(|signer| signed.text.to_ascii_lowercase().contains(&signer))
            });
            if names_signer { Way::Accept } else { Way::Pass }
        },
    );
    add(
        "the signer is looked for in the text",
        "a text that names the right wallet is good under the signature of any other that it mentions",
        "another wallet's signature over a text that names it is refused",
        Step::Login,
        |seen| {
            let mentions_signer = Signed::read(seen).is_some_and(|signed| {
                let signer = signed.signer(&personal(signed.text.as_bytes()));
                let named = signed.text.to_ascii_lowercase();
                let by_line = named.lines().any(|line| line.trim() == signed.address.to_ascii_lowercase());
                by_line && signer.is_some_and(|signer| named.contains(&signer))
            });
            if mentions_signer { Way::Accept } else { Way::Pass }
        },
    );
    add(
        "the signer is held against a header",
        "whoever a header names and signs the text is let in under any address",
        "another wallet's signature under headers that name it is refused",
        Step::Login,
        |seen| {
            let signed = Signed::read(seen);
            let signer = signed.and_then(|signed| signed.signer(&personal(signed.text.as_bytes())));
            let named = seen.req.header("didkey").map(str::to_ascii_lowercase).unwrap_or_default();
            if signer.is_some_and(|signer| named.ends_with(&signer)) { Way::Accept } else { Way::Pass }
        },
    );
    add(
        "look-ups compare addresses letter by letter",
        "an address with capitals is not found",
        "an address is looked up in every letter case",
        Step::Lookup,
        |seen| if capitals(seen) { Way::Refuse } else { Way::Pass },
    );
    add(
        "accounts are kept by the letters of the address",
        "an address in other letters than at its first login is refused",
        "a login with the address in other letters is of the same account",
        Step::Login,
        |seen| {
            let address = seen.text(Role::Address).unwrap_or_default();
            let mut memory = seen.memory();
            let first =
                memory.notes.entry(address.to_ascii_lowercase()).or_insert_with(|| address.clone()).clone();
            if first == address { Way::Pass } else { Way::Refuse }
        },
    );
    faults
}

fn capitals(seen: &Seen<'_>) -> bool {
    seen.text(Role::Address).is_some_and(|text| text.bytes().skip(2).any(|byte| byte.is_ascii_uppercase()))
}
