//! Faults of the documented way: refused steps, sessions that meddle, answers that belong to somebody else.

use super::{decides, refuses};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, pointer_of};
use countersign_spec::{Role, Scheme, Step};
use serde_json::{Value, json};

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let id = scheme.id.as_str();
    let mut faults = Vec::new();
    let mut add =
        |name: &str, does: &str, sentences: &[String], make: Box<dyn Fn() -> Bend + Send + Sync>| {
            let named = |sentence: &String| {
                let group =
                    if sentence.contains("each caller") || sentence.contains("belong to their requests") {
                        "race"
                    } else if sentence.contains("refresh between") {
                        "refresh"
                    } else {
                        "flow"
                    };
                check(id, group, sentence)
            };
            let trips: Vec<String> = sentences.iter().map(named).filter(|name| exists(name)).collect();
            if !trips.is_empty() {
                let mut fault = Fault::new(id, name, does, &trips, make);
                // Where nobody gets in, nothing else can hold.
                fault.broad = name == "every second login refused"
                    || [Step::Login, Step::Challenge].iter().any(|step| {
                        scheme.step(*step).is_some_and(|at| name == format!("{} refuses everybody", at.name))
                    });
                faults.push(fault);
            }
        };
    let Some(login) = scheme.step(Step::Login) else { return faults };
    add(
        "every second login refused",
        "each account's second login, fourth login and so on are refused",
        &["an account logs in again".to_owned()],
        Box::new(refuses(id, &login.name, |seen| {
            let account = seen.account().unwrap_or_default();
            let named = !account.is_empty();
            named && seen.memory().count(&account) % 2 == 0
        })),
    );
    add(
        "ten logins are all there are",
        "an account logs in ten times and never again",
        &["a wallet logs in many times".to_owned()],
        Box::new(refuses(id, &login.name, |seen| {
            let account = seen.account().unwrap_or_default();
            let named = !account.is_empty();
            named && seen.memory().count(&account) > 10
        })),
    );
    for operation in &scheme.operations {
        let name = &operation.name;
        let works = match operation.step {
            Step::Challenge => vec!["a challenge is given to a new wallet".to_owned()],
            Step::Lookup => vec!["the look up knows who has logged in".to_owned()],
            Step::Logout => vec!["a logout works".to_owned()],
            Step::Refresh => vec!["a refresh works".to_owned()],
            Step::Login => vec!["the documented login works".to_owned()],
            Step::Protected | Step::Verify => vec![format!("{name} works after a login")],
        };
        // The first challenge shows the way in; without it the login is what does not work.
        let late = operation.step == Step::Challenge;
        add(
            &format!("{name} refuses everybody"),
            &format!("{name} refuses what is right"),
            &works,
            Box::new(refuses(id, name, move |seen| !late || seen.memory().count("asked") > 1)),
        );
        add(
            &format!("{name} refuses a content type without a body"),
            &format!("{name} refuses requests that declare a body they do not have"),
            &[format!("{name} with a content type and no body works")],
            Box::new(refuses(id, name, |seen| {
                seen.req.body.is_empty() && seen.req.header("content-type").is_some()
            })),
        );
        add(
            &format!("{name} needs authorization"),
            &format!("{name} refuses a token in the body alone"),
            &[format!("{name} without authorization works")],
            Box::new(refuses(id, name, |seen| seen.bearer.is_none())),
        );
        for method in &operation.other_methods {
            let wanted = method.clone();
            add(
                &format!("{name} is not served by {method}"),
                &format!("{name} refuses {method}"),
                &[format!("{name} asked by {} works", method.to_ascii_lowercase())],
                Box::new(refuses(id, name, move |seen| seen.req.method.as_str() == wanted)),
            );
        }
    }
    add(
        "a login ends earlier sessions",
        "only the newest token of an account is good",
        &["a second login leaves the first session alive".to_owned()],
        Box::new(uses(|seen, token| {
            let memory = seen.memory();
            memory.issued.get(token).is_some_and(|issued| {
                let latest = memory.latest.get(&format!("{}/{}", issued.scheme, issued.account));
                !issued.refresh && latest.is_some_and(|latest| latest != token)
            })
        })),
    );
    add(
        "a login ends everybody's sessions",
        "a login ends the sessions of all other accounts",
        &["a login ends nobody elses session".to_owned()],
        Box::new(uses(|seen, token| {
            let memory = seen.memory();
            let Some(own) = memory.issued.get(token).filter(|own| !own.refresh) else { return false };
            memory.issued.values().any(|other| {
                other.scheme == own.scheme && other.account != own.account && other.number > own.number
            })
        })),
    );
    let (name, of) = (login.name.clone(), id.to_owned());
    add(
        "logins are answered one late",
        "each login is answered with the answer of the login before it",
        &["the login answer names who logged in".to_owned()],
        Box::new(move || {
            let (of, name) = (of.clone(), name.clone());
            Bend::after(move |seen, resp| {
                if !seen.is(&of, &name) || !seen.is_success(resp) {
                    return;
                }
                let own = resp.json().to_string();
                if let Some(late) = seen.memory().notes.insert("late".to_owned(), own) {
                    resp.set_body(late);
                }
            })
        }),
    );
    let name = login.name.clone();
    let of = id.to_owned();
    add(
        "logins are answered from a cache",
        "every login is answered with the first login's answer",
        &if login.success_field(Role::Address).is_some() {
            vec!["the login answer names who logged in".to_owned()]
        } else {
            vec!["two accounts never get the same token".to_owned()]
        },
        Box::new(move || {
            let (of, name) = (of.clone(), name.clone());
            Bend::after(move |seen, resp| {
                if seen.is(&of, &name)
                    && seen.is_success(resp)
                    && let Some(first) = seen.first()
                {
                    *resp = first;
                }
            })
        }),
    );
    add(
        "refreshed tokens do not work",
        "tokens of a refresh are refused wherever they are used",
        &["a refreshed token works".to_owned(), "a refreshed token is refreshed again".to_owned()],
        Box::new(|| Bend {
            decide: Some(Box::new(|seen| {
                let token = seen.token().unwrap_or_default();
                if seen.memory().notes.contains_key(&token) { Way::Refuse } else { Way::Pass }
            })),
            after: Some(Box::new(|seen, resp| {
                let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == Step::Refresh) else { return };
                for role in [Role::AccessToken, Role::RefreshToken] {
                    let pointer = pointer_of(operation, role).unwrap_or("/none");
                    if let Some(token) = resp.json().pointer(pointer).and_then(Value::as_str) {
                        seen.memory().notes.insert(token.to_owned(), "refreshed".to_owned());
                    }
                }
            })),
            ..Bend::default()
        }),
    );
    if let Some(logout) = scheme.step(Step::Logout) {
        add(
            "a logout does nothing",
            "a logout is answered and not carried out",
            &["a logout ends the access token".to_owned(), "a logout ends the refresh token".to_owned()],
            Box::new(decides(id, &logout.name, |seen| seen.bearer.is_some(), || Way::Pretend)),
        );
        for (name, does, sentence, everybody) in [
            (
                "a logout ends all sessions",
                "a logout ends the sessions of all accounts",
                "a logout ends nobody else's session",
                true,
            ),
            (
                "a logout ends the account's sessions",
                "a logout ends every session of the account",
                "a logout leaves other sessions of the account alive",
                false,
            ),
        ] {
            add(name, does, &[sentence.to_owned()], Box::new(move || logout_ends(everybody)));
        }
    }
    if let Some(lookup) = scheme.step(Step::Lookup) {
        add(
            "the look up knows everybody",
            "a look up answers for wallets that never logged in",
            &["the look up does not know who never logged in".to_owned()],
            Box::new(super::accepts(id, &lookup.name, |_| true)),
        );
    }
    mixed(scheme, &mut add);
    faults
}

/// Refuses what is presented with a token for which this holds.
fn uses(
    when: impl Fn(&Seen<'_>, &str) -> bool + Send + Sync + Clone + 'static,
) -> impl Fn() -> Bend + Send + Sync {
    move || {
        let when = when.clone();
        Bend::decide(move |seen| {
            let refuse = seen.token().is_some_and(|token| when(seen, &token));
            if refuse { Way::Refuse } else { Way::Pass }
        })
    }
}

fn logout_ends(everybody: bool) -> Bend {
    Bend {
        decide: Some(Box::new(move |seen| {
            let Some(token) = seen.token() else { return Way::Pass };
            let memory = seen.memory();
            let Some(issued) = memory.issued.get(&token) else { return Way::Pass };
            let whose = if everybody { "all" } else { issued.account.as_str() };
            let ended = memory.counts.get(&format!("ended/{whose}")).copied().unwrap_or_default();
            if (issued.number as u64) < ended { Way::Refuse } else { Way::Pass }
        })),
        after: Some(Box::new(move |seen, resp| {
            if seen.step() != Some(Step::Logout) || !seen.is_success(resp) {
                return;
            }
            let account = seen.account().unwrap_or_default();
            let whose = if everybody { "all" } else { account.as_str() };
            let mut memory = seen.memory();
            let now = memory.issued.len() as u64;
            memory.counts.insert(format!("ended/{whose}"), now);
        })),
        ..Bend::default()
    }
}

type Add<'a> = dyn FnMut(&str, &str, &[String], Box<dyn Fn() -> Bend + Send + Sync>) + 'a;

/// Answers that belong to other requests.
fn mixed(scheme: &Scheme, add: &mut Add<'_>) {
    for operation in &scheme.operations {
        let (of, name) = (scheme.id.clone(), operation.name.clone());
        let sentences = match operation.step {
            Step::Login => vec!["answers belong to their requests".to_owned()],
            Step::Protected | Step::Verify => vec![format!("{name} answers each caller about the caller")],
            _ => continue,
        };
        add(
            &format!("{name} mixes answers up"),
            &format!("while several requests are answered, {name} gives all of them one answer"),
            &sentences,
            Box::new(move || {
                let (of, name) = (of.clone(), name.clone());
                Bend {
                    after: Some(Box::new(move |seen, resp| {
                        if !seen.is(&of, &name) || !seen.is_success(resp) {
                            return;
                        }
                        let mut body = resp.json();
                        let alone = seen.inside() < 3;
                        let mut memory = seen.memory();
                        if alone {
                            memory.notes.insert("answer".to_owned(), body.to_string());
                        } else if let Some(kept) = memory.notes.get("answer") {
                            body = serde_json::from_str(kept).unwrap_or_else(|_| json!({}));
                            resp.set_json(&body);
                        }
                    })),
                    wait: Some(std::time::Duration::from_millis(3)),
                    ..Bend::default()
                }
            }),
        );
    }
    let of = scheme.id.clone();
    add(
        "a refresh gives the newest token",
        "a refresh answers with the token that was given out last, whoever asks",
        &["a refresh between other logins gives the own account".to_owned()],
        Box::new(move || {
            let of = of.clone();
            Bend::after(move |seen, resp| {
                let Some((scheme, operation)) = seen.at.filter(|(scheme, _)| scheme.id == of) else { return };
                let Some(pointer) = pointer_of(operation, Role::AccessToken) else { return };
                let mut body = resp.json();
                let Some(place) = body.pointer_mut(pointer) else { return };
                match operation.step {
                    Step::Login => {
                        let token = place.as_str().unwrap_or_default().to_owned();
                        seen.memory().notes.insert(scheme.id.clone(), token);
                    }
                    Step::Refresh => {
                        if let Some(token) = seen.memory().notes.get(&scheme.id) {
                            *place = json!(token);
                        }
                        resp.set_json(&body);
                    }
                    _ => {}
                }
            })
        }),
    );
}
