//! Faults of used challenges, of wallets that resemble another, and of texts that are changed before they are hashed.

use super::proof::{Signed, personal, prefixed};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Scheme, Step};
use sha3::{Digest as _, Keccak256};

/// What becomes of a login that reads so.
type Decide = fn(&Seen<'_>, &Signed) -> Way;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, group: &str, sentence: &str, decide: Decide| {
        let trips = check(&scheme.id, group, sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || bent(scheme, decide)));
        }
    };
    add(
        "a failure frees a challenge",
        "a failed attempt with a used challenge makes it good again",
        "challenge",
        "a used challenge is refused after a failed attempt",
        |seen, login| {
            let freed = seen.memory().notes.contains_key(&format!("freed/{}", login.text));
            accept_if(freed && is_right(login))
        },
    );
    add(
        "signatures are used once, as they are written",
        "what is remembered of a login is the text of its signature",
        "challenge",
        "a used challenge under its signature rewritten is refused",
        |seen, login| {
            let used = seen.memory().notes.get(&format!("used/{}", login.text)).cloned();
            accept_if(used.is_some_and(|written| written != login.written) && is_right(login))
        },
    );
    add(
        "texts that logged in are remembered",
        "a text that logged in once is let in under any signature",
        "proof",
        "a text that logged in before is refused without its signature",
        |seen, login| accept_if(seen.memory().notes.contains_key(&format!("used/{}", login.text))),
    );
    add(
        "what logged in once is not computed again",
        "members are not held against a text that logged in before",
        "proof",
        "members split at another character are refused",
        |seen, login| accept_if(seen.memory().notes.contains_key(&format!("used/{}", login.text))),
    );
    add(
        "challenges are compared without letter case",
        "a challenge in capitals is good, however often",
        "challenge",
        "a challenge in other letters is good once",
        |_, login| accept_if(login.text.bytes().any(|byte| byte.is_ascii_uppercase()) && is_right(login)),
    );
    add(
        "challenges in texts are kept",
        "a challenge inside a text is not used up",
        "challenge",
        "a used challenge is refused in every text",
        |_, login| accept_if(login.text.len() > 64 && is_right(login)),
    );
    for (group, sentence) in [
        ("challenge", "a challenge that was never given is refused"),
        ("challenge", "a changed challenge is refused"),
        ("challenge", "a neighbour of a challenge is refused"),
        ("challenge", "a used challenge is refused after a failed attempt"),
        ("challenge", "a used challenge stays used when others are given"),
        ("race", "one challenge logs in one of several callers"),
        ("time", "a challenge is refused after a day"),
    ] {
        let name = format!("challenges in texts are not looked up so {sentence} fails");
        let does = "any challenge is good in a text that the wallet signed";
        add(&name, does, group, sentence, |_, login| accept_if(login.text.contains('\n') && is_right(login)));
    }
    add(
        "labels are read as they are written and lengths in characters",
        "a text with other labels is refused, and one beyond ASCII is hashed with its length in characters",
        "proof",
        "a text is signed as it is written",
        |_, login| {
            let text = &login.text;
            if text.contains("nonce:") {
                return Way::Refuse;
            }
            let counted = Keccak256::digest(prefixed(text.as_bytes(), text.chars().count()));
            accept_if(!text.is_ascii() && login.signed(&counted.into()))
        },
    );
    add(
        "addresses are compared by their first byte",
        "the signer is compared with the address by the first byte",
        "proof",
        "a signature by a wallet with a similar address is refused",
        |_, login| {
            let signer = login.signer(&personal(login.text.as_bytes())).unwrap_or_default();
            accept_if(signer.get(..4) == login.address.to_ascii_lowercase().get(..4))
        },
    );
    add(
        "addresses are compared by their last byte",
        "the signer is compared with the address by the last byte",
        "proof",
        "a signature by a wallet with a similar address is refused",
        |_, login| {
            let signer = login.signer(&personal(login.text.as_bytes())).unwrap_or_default();
            accept_if(!signer.is_empty() && signer.get(40..) == login.address.to_ascii_lowercase().get(40..))
        },
    );
    add(
        "texts are lower-cased",
        "a text with capitals is hashed in lower case",
        "proof",
        "a text is signed as it is written",
        |_, login| refuse_if(login.text.contains("Sign In")),
    );
    add(
        "texts are cut to ASCII",
        "a text beyond ASCII is hashed without what it has beyond",
        "proof",
        "a text is signed as it is written",
        |_, login| refuse_if(!login.text.is_ascii()),
    );
    faults
}

const fn accept_if(condition: bool) -> Way {
    if condition { Way::Accept } else { Way::Pass }
}

const fn refuse_if(condition: bool) -> Way {
    if condition { Way::Refuse } else { Way::Pass }
}

/// Whether the named wallet signed the text.
fn is_right(login: &Signed) -> bool {
    login.signed(&personal(login.text.as_bytes()))
}

/// Decides so on logins, and remembers which texts have logged somebody in, and which failed afterwards.
fn bent(of: &'static Scheme, decide: Decide) -> Bend {
    let login = move |seen: &Seen<'_>| {
        let here = seen.at.is_some_and(|(scheme, at)| scheme.id == of.id && at.step == Step::Login);
        Signed::read(seen).filter(|_| here)
    };
    Bend {
        decide: Some(Box::new(move |seen| login(seen).map_or(Way::Pass, |login| decide(seen, &login)))),
        after: Some(Box::new(move |seen, resp| {
            let Some(login) = login(seen) else { return };
            let used = format!("used/{}", login.text);
            let mut memory = seen.memory();
            if !memory.notes.contains_key(&used) {
                drop(memory);
                if seen.is_success(resp) {
                    seen.memory().notes.insert(used, login.written);
                }
            } else if !is_right(&login) {
                memory.notes.insert(format!("freed/{}", login.text), String::new());
            }
        })),
        ..Bend::default()
    }
}
