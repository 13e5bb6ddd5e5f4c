//! Faults that somebody else's doings show: a slow client, a wrong secret, another spelling, other logins, other challenges.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::front::Entry;
use crate::host::SECRET;
use crate::world::Seen;
use countersign::draft::set_pointer;
use countersign::jwt::Jwt;
use countersign_spec::{Place, Role, Scheme, Step};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// How a server is bent that serves this scheme.
type Make = fn(&'static Scheme) -> Bend;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let all: [(&str, &str, &str, &str, Make); 11] = [
        (
            "bodies are read one at a time",
            "whoever sends a body slowly keeps all others waiting",
            "robustness",
            "a login is answered while another one arrives slowly",
            |_| Bend { one_body_at_a_time: true, ..Bend::default() },
        ),
        (
            "finds no header in capitals",
            "what stands under AUTHORIZATION is not found",
            "robustness",
            "a token under a header name in any letter case works",
            |_| {
                Bend::bytes(|opening| {
                    let capitals = opening.fields().any(|line| line.starts_with("AUTHORIZATION:"));
                    if capitals { Entry::Refused } else { Entry::Open }
                })
            },
        ),
        (
            "a wrong secret ends sessions",
            "a wrong secret ends every session of its account",
            "credential",
            "a wrong secret ends no session of the account",
            wrong_secrets_end_sessions,
        ),
        (
            "the name sent is the name told",
            "names are found in any letter case, and tokens name them as they were sent",
            "credential",
            "a name in other letters is the same account or none",
            names_as_sent,
        ),
        (
            "roles are collected",
            "a token names everybody who has logged in so far",
            "flow",
            "a token says the same after others have logged in",
            roles_collected,
        ),
        (
            "a new challenge frees the old one",
            "a used challenge is good again once its wallet has asked for another",
            "challenge",
            "a used challenge stays used when others are given",
            freed_by_the_next,
        ),
        (
            "names are kept in small letters",
            "of two names that differ in letter case the later one replaces the earlier",
            "proof",
            "names that differ in letter case are two accounts or one is refused",
            names_folded,
        ),
        (
            "names are cut",
            "of two names that share 128 characters the later one replaces the earlier",
            "proof",
            "long names that are almost alike are two accounts or one is refused",
            |of| names_kept(of, |name| name.chars().take(128).collect()),
        ),
        (
            "ends of names are compared",
            "of two names that end in the same 128 characters the later one replaces the earlier",
            "proof",
            "long names that are almost alike are two accounts or one is refused",
            |of| names_kept(of, |name| name.chars().rev().take(128).collect()),
        ),
        (
            "whoever asks for a name meanwhile has it too",
            "a free name is given to all who ask for it at the same moment",
            "race",
            "wallets that take one name at the same moment do not share it",
            shared_while_asked_for,
        ),
        (
            "times on screens are held against the clock",
            "a text that shows another hour than that of UTC is refused",
            "proof",
            "a text with the time of any zone is accepted",
            hours_compared,
        ),
    ];
    let mut faults = Vec::new();
    for operation in &scheme.operations {
        let sentence = format!("{} without a proof behind one with it is refused", operation.name);
        let trips = check(&scheme.id, "robustness", &sentence);
        if exists(&trips) {
            let name = format!("{} is proven once for a connection", operation.name);
            let does = "who was let in once on a connection is let in on it without a proof";
            let make = || Bend { trusts_connections: true, ..Bend::default() };
            faults.push(Fault::new(&scheme.id, &name, does, &[trips], make));
        }
    }
    for (name, does, group, sentence, make) in all {
        let trips = check(&scheme.id, group, sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || make(scheme)));
        }
    }
    faults
}

fn is_step(seen: &Seen<'_>, of: &Scheme, step: Step) -> bool {
    seen.at.is_some_and(|(scheme, operation)| scheme.id == of.id && operation.step == step)
}

fn wrong_secrets_end_sessions(of: &'static Scheme) -> Bend {
    Bend {
        after: Some(Box::new(move |seen, resp| {
            let account = seen.account().filter(|_| is_step(seen, of, Step::Login) && !seen.is_success(resp));
            let Some(account) = account else { return };
            let mut memory = seen.memory();
            let tokens = memory.issued.iter().filter(|(_, issued)| issued.account == account);
            let ended: Vec<String> = tokens.map(|(token, _)| format!("ended {token}")).collect();
            memory.notes.extend(ended.into_iter().map(|note| (note, String::new())));
        })),
        ..Bend::decide(|seen| {
            let ended =
                seen.token().is_some_and(|token| seen.memory().notes.contains_key(&format!("ended {token}")));
            if ended { Way::Refuse } else { Way::Pass }
        })
    }
}

/// The account's name as the server knows it, whatever letters are sent.
fn known(of: &Scheme, sent: &str) -> Option<String> {
    let mut seeds = crate::host::SEEDS.iter().filter(|seed| seed.scheme == of.id);
    seeds.find(|seed| seed.name.eq_ignore_ascii_case(sent.trim())).map(|seed| seed.name.to_string())
}

fn names_as_sent(of: &'static Scheme) -> Bend {
    let rewrite = move |seen: &Seen<'_>, req: &mut crate::bend::Req| {
        let name = seen.text(Role::Identifier).filter(|_| is_step(seen, of, Step::Login));
        let (Some(name), Some((_, operation))) = (name, seen.at) else { return };
        let field = operation.request_field(Role::Identifier);
        if let (Some(known), Some(Place::Body(pointer))) = (known(of, &name), field.map(|field| &field.at)) {
            let mut body = req.json();
            set_pointer(&mut body, pointer, json!(known));
            req.set_json(&body);
        }
    };
    Bend {
        rewrite: Some(Box::new(rewrite)),
        ..Bend::tokens(move |seen, token| {
            let name = seen.text(Role::Identifier).filter(|_| is_step(seen, of, Step::Login));
            let jwt = Jwt::read(token).filter(|_| name.is_some());
            let Some((name, jwt)) = name.zip(jwt) else { return token.to_owned() };
            let named = of.tokens.access.iter().flat_map(|access| &access.identity_claims);
            let named: Vec<&String> = named.filter(|claim| jwt.claims.contains_key(*claim)).collect();
            jwt.resigned(
                SECRET,
                |_| (),
                |claims| {
                    for claim in &named {
                        claims.insert((*claim).clone(), json!(name));
                    }
                },
            )
        })
    }
}

fn roles_collected(of: &'static Scheme) -> Bend {
    Bend::tokens(move |seen, token| {
        let jwt = Jwt::read(token).filter(|_| is_step(seen, of, Step::Login));
        let Some(jwt) = jwt else { return token.to_owned() };
        let name = seen.account().unwrap_or_default();
        let mut memory = seen.memory();
        memory.notes.insert(format!("role {name}"), String::new());
        let mut roles: Vec<String> =
            memory.notes.keys().filter_map(|note| note.strip_prefix("role ")).map(str::to_owned).collect();
        drop(memory);
        roles.sort();
        jwt.resigned(SECRET, |_| (), |claims| drop(claims.insert("roles".to_owned(), json!(roles))))
    })
}

fn freed_by_the_next(of: &'static Scheme) -> Bend {
    Bend {
        after: Some(Box::new(move |seen, resp| {
            if !seen.is_success(resp) {
                return;
            }
            let body = String::from_utf8_lossy(&seen.req.body).into_owned();
            let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
            if is_step(seen, of, Step::Login) {
                seen.memory().notes.insert(format!("used {body}"), address);
            } else if is_step(seen, of, Step::Challenge) {
                seen.memory().notes.insert(format!("asked {address}"), String::new());
            }
        })),
        ..Bend::decide(move |seen| {
            let body = format!("used {}", String::from_utf8_lossy(&seen.req.body));
            let memory = seen.memory();
            let free = memory
                .notes
                .get(&body)
                .is_some_and(|address| memory.notes.contains_key(&format!("asked {address}")));
            if free && is_step(seen, of, Step::Login) { Way::Accept } else { Way::Pass }
        })
    }
}

fn names_folded(of: &'static Scheme) -> Bend {
    names_kept(of, str::to_lowercase)
}

/// Of two names that are kept alike only the one that was let in last is known.
fn names_kept(of: &'static Scheme, kept: fn(&str) -> String) -> Bend {
    let note = move |name: &str| format!("owner of {}", kept(name));
    Bend {
        after: Some(Box::new(move |seen, resp| {
            let name = seen
                .text(Role::Identifier)
                .filter(|_| is_step(seen, of, Step::Login) && seen.is_success(resp));
            if let Some(name) = name {
                seen.memory().notes.insert(note(&name), name);
            }
        })),
        ..Bend::decide(move |seen| {
            let name = seen.text(Role::Identifier).filter(|_| is_step(seen, of, Step::Protected));
            let replaced = name.is_some_and(|name| {
                seen.memory().notes.get(&note(&name)).is_some_and(|known| *known != name)
            });
            if replaced { Way::Refuse } else { Way::Pass }
        })
    }
}

fn hours_compared(of: &'static Scheme) -> Bend {
    Bend::decide(move |seen| {
        let text = seen.text(Role::SignedText).filter(|_| is_step(seen, of, Step::Login));
        let now = jiff::Timestamp::now();
        let near = [now, now - jiff::SignedDuration::from_hours(1)]
            .map(|time| time.strftime("%d/%m/%Y %H:").to_string());
        match text {
            Some(text) if !near.iter().any(|hour| text.contains(hour.as_str())) => Way::Refuse,
            _ => Way::Pass,
        }
    })
}

/// How long a name counts as being asked for; two requests at the same moment are a few of these apart.
const MEANWHILE: u128 = 300;

fn shared_while_asked_for(of: &'static Scheme) -> Bend {
    Bend::decide(move |seen| {
        let Some(name) = seen.text(Role::Identifier) else { return Way::Pass };
        let (asked, shared) = (format!("asked {name}"), format!("shared {name}"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let mut memory = seen.memory();
        if is_step(seen, of, Step::Login) {
            let before =
                memory.notes.insert(asked, now.to_string()).and_then(|text| text.parse::<u128>().ok());
            if before.is_some_and(|before| now - before < MEANWHILE) {
                memory.notes.insert(shared, String::new());
                return Way::Accept;
            }
            return Way::Pass;
        }
        let shared = memory.notes.contains_key(&shared);
        if shared && is_step(seen, of, Step::Protected) { Way::Accept } else { Way::Pass }
    })
}
