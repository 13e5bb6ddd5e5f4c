//! Faults of timing: what an answer does not say, its time does.

use crate::bend::Bend;
use crate::fault::{Fault, check, exists};
use crate::host::SEEDS;
use crate::world::Seen;
use countersign_spec::{Role, Scheme, Step};
use std::time::Duration;

/// What makes the difference: less than a password hash takes on most servers.
const LONGER: Duration = Duration::from_millis(20);

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: (&str, &str), when: fn(&Seen<'_>) -> bool| {
        let trips = check(&scheme.id, sentence.0, sentence.1);
        if !exists(&trips) {
            return;
        }
        let of = scheme.id.clone();
        faults.push(Fault::new(&scheme.id, name, does, &[trips], move || {
            let of = of.clone();
            Bend::delay(move |seen| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of);
                if here && when(seen) { LONGER } else { Duration::ZERO }
            })
        }));
    };
    let refusals = ("credential", "a wrong secret and an unknown account take the same time");
    add("known names take longer", "a secret is hashed for known names only", refusals, |seen| {
        seen.step() == Some(Step::Login) && is_known(seen)
    });
    add("unknown names take longer", "an unknown name is looked for elsewhere too", refusals, |seen| {
        seen.step() == Some(Step::Login) && !is_known(seen)
    });
    let challenges = ("challenge", "a known and an unknown wallet are given challenges in the same time");
    add("new wallets take longer", "a new wallet is written down first", challenges, |seen| {
        seen.step() == Some(Step::Challenge) && !has_logged_in(seen)
    });
    add("known wallets take longer", "a known wallet's account is read first", challenges, |seen| {
        seen.step() == Some(Step::Challenge) && has_logged_in(seen)
    });
    faults
}

fn is_known(seen: &Seen<'_>) -> bool {
    let name = seen.text(Role::Identifier);
    SEEDS
        .iter()
        .any(|seed| seen.at.is_some_and(|(at, _)| at.id == seed.scheme) && Some(&seed.name) == name.as_ref())
}

fn has_logged_in(seen: &Seen<'_>) -> bool {
    let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
    seen.memory().issued.values().any(|issued| issued.account == address)
}
