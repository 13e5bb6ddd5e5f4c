//! Whose an answer is: members that echo the caller, claims of the token, and what operations say of its bearer.

use crate::actor::Actor;
use crate::checks::refresh::who;
use crate::context::{Answer, Context, Session};
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::{Place, ProofKind, Role, Step};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Holds the members that echo the caller against the caller.
pub(in crate::checks) fn says_who(cx: &Context<'_>, caller: &Actor, answer: &Answer<'_>) -> Result<(), Stop> {
    let operation = answer.operation;
    for field in &operation.success.fields {
        let Place::Body(pointer) = &field.at else { continue };
        let body = answer.exchange.json.as_ref();
        let Some(value) = body.and_then(|body| body.pointer(pointer)).filter(|value| !value.is_null()) else {
            continue;
        };
        let text = crate::draft::plain_text(value);
        let sent = operation.request_field(field.role).is_some();
        let (wrong, expected) = match field.role {
            Role::Address => (!text.eq_ignore_ascii_case(&caller.address), &caller.address),
            // A name is only compared where it was sent: some servers answer with a number of their own.
            Role::Identifier if sent || operation.step == Step::Lookup => {
                (text != caller.identifier, &caller.identifier)
            }
            _ => continue,
        };
        if wrong {
            let did = format!("asked {} as {expected}", operation.name);
            cx.found(&did, &format!("{pointer} to name the caller: {expected}"), answer)?;
        }
    }
    Ok(())
}

/// Logs an account in twice, then another, then the first one again: what each login gives is its own account's.
pub(super) fn own_login(cx: &mut Context<'_>) -> Result<(), Stop> {
    let actor = cx.actor()?;
    let mut callers = vec![actor.clone(), actor.clone()];
    // One account alone can show a mix-up only with itself.
    callers.extend(cx.other_actor().ok());
    callers.push(actor.clone());
    let mut before: Option<(BTreeMap<String, String>, Session<'_>)> = None;
    for caller in callers {
        let session = cx.log_in(&caller)?;
        says_who(cx, &caller, &session.answer)?;
        let names = named(cx, &session)?;
        if caller.identifier != actor.identifier {
            if let Some((known, first)) = &before {
                told_apart(cx, (known, first), (&names, &session))?;
            }
            continue;
        }
        let Some((known, first)) = &before else {
            before = Some((names, session));
            continue;
        };
        // A name that is new each time says nothing; that none stays says that the account is another.
        let changed = |(name, value): (&String, &String)| names.get(name).is_none_or(|now| now != value);
        if !known.is_empty() && known.iter().all(changed) {
            let shown = |names: &BTreeMap<String, String>| {
                names.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
            };
            let got = format!("first {}, then {}", shown(known), shown(&names));
            let exchanges = [&first.answer.exchange, &session.answer.exchange].map(std::sync::Arc::clone);
            let did = "logged one account in several times, and another one in between";
            cx.found_in(did, "the same account each time", &got, &exchanges)?;
        }
    }
    Ok(())
}

/// A wallet is an account of its own: what names it in a token names no other one.
fn told_apart(
    cx: &Context<'_>,
    (known, first): (&BTreeMap<String, String>, &Session<'_>),
    (names, second): (&BTreeMap<String, String>, &Session<'_>),
) -> Result<(), Stop> {
    // A program may have accounts that share the name of a customer.
    if cx.scheme.proof.kind != ProofKind::Eip191 {
        return Ok(());
    }
    let empty = ["null", "\"\"", "0"];
    let same = known.iter().filter(|(name, value)| {
        name.starts_with("claim ") && names.get(*name) == Some(value) && !empty.contains(&value.as_str())
    });
    for (name, value) in same {
        let got = format!("the {name} is {value} for both");
        let exchanges = [&first.answer.exchange, &second.answer.exchange].map(std::sync::Arc::clone);
        cx.found_in("logged two wallets in", "tokens that tell them apart", &got, &exchanges)?;
    }
    Ok(())
}

/// What names the account of a session: claims of its token, and members of what operations answer to it.
pub(in crate::checks) fn named<'t>(
    cx: &mut Context<'t>,
    session: &Session<'t>,
) -> Result<BTreeMap<String, String>, Stop> {
    let mut names = BTreeMap::new();
    if let Some(jwt) = session.access.as_deref().and_then(Jwt::read) {
        for claim in cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims) {
            if let Some(value) = jwt.claims.get(claim) {
                names.insert(format!("claim {claim}"), value.to_string());
            }
        }
    }
    for sink in cx.token_sinks().into_iter().filter(|sink| sink.step != Step::Refresh) {
        let answer = cx.present(sink, &session.actor, session.access.as_deref().unwrap_or_default())?;
        if answer.accepted() {
            let says = who(&answer).into_iter();
            names.extend(says.map(|(name, value)| (format!("{} {name}", sink.name), value)));
        }
    }
    Ok(names)
}

/// How many accounts are told apart. An answer that was kept may be that of whichever asked last.
const ACCOUNTS: usize = 4;

/// Asks an operation for one account after the other: no answer may hold what names another one.
pub(super) fn one_after_the_other(cx: &mut Context<'_>, name: &str) -> Result<(), Stop> {
    let operation = super::served(cx, name)?;
    let most = if cx.scheme.proof.kind == ProofKind::Eip191 { 2 } else { ACCOUNTS };
    let mut sessions = vec![cx.session()?];
    let other = cx.other_actor()?;
    sessions.push(cx.log_in(&other)?);
    for nth in 2..most {
        let Ok(actor) = cx.nth_actor(nth) else { break };
        sessions.push(cx.log_in(&actor)?);
    }
    let names: Vec<BTreeSet<String>> = sessions.iter().map(|session| marks(cx, session)).collect();
    for (turn, session) in sessions.iter().enumerate().chain([(0, &sessions[0])]) {
        let draft = cx.authorized(operation, session);
        let answer = cx.send(operation, &draft)?;
        cx.control(&answer, &format!("asking {name}"))?;
        let told = who(&answer);
        let foreign =
            |value: &String| names.iter().any(|marks| marks.contains(value)) && !names[turn].contains(value);
        for (member, value) in told.iter().filter(|(_, value)| foreign(value)) {
            let did = format!("asked {name} for {} accounts, one after the other", sessions.len());
            let got = format!("{member} is {value}, which names another account: {}", answer.exchange.got());
            let exchange = std::slice::from_ref(&answer.exchange);
            cx.found_in(&did, "an answer about the caller", &got, exchange)?;
        }
    }
    Ok(())
}

/// Values that name the account of a session, as JSON: its own name, and the identity claims of its token.
fn marks(cx: &Context<'_>, session: &Session<'_>) -> BTreeSet<String> {
    let actor = &session.actor;
    let mut marks = BTreeSet::from([json!(actor.identifier).to_string(), json!(actor.address).to_string()]);
    if let Some(jwt) = session.access.as_deref().and_then(Jwt::read) {
        let claims = cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims);
        marks.extend(claims.filter_map(|claim| Some(jwt.claims.get(claim)?.to_string())));
    }
    // Small numbers are also those of roles, pages and the like.
    marks.retain(|mark| mark.len() >= 5);
    marks
}

/// Holds what the very first token of an account said in lists and objects against what it says after others have logged in.
pub(super) fn says_no_more(cx: &mut Context<'_>) -> Result<(), Stop> {
    let Some((name, first)) = cx
        .gate()
        .and_then(|gate| gate.first_claims())
        .map(|(name, claims)| (name.to_owned(), claims.clone()))
    else {
        return Err(Stop::NotApplicable("the token is opaque: it is no JWT".to_owned()));
    };
    cx.other_actor()?;
    let mut mine = None;
    for nth in 0.. {
        match cx.nth_actor(nth) {
            Ok(actor) if actor.identifier == name => mine = Some(actor),
            Ok(other) => drop(cx.log_in(&other)?),
            Err(_) => break,
        }
    }
    let Some(mine) = mine else {
        return Err(Stop::NotApplicable("each login is another account's".to_owned()));
    };
    let (once, again) = (cx.log_in(&mine)?, cx.log_in(&mine)?);
    let (Some(left), Some(right)) =
        (once.access.as_deref().and_then(Jwt::read), again.access.as_deref().and_then(Jwt::read))
    else {
        return Ok(());
    };
    // What differs from one login to the next may well count or name sessions.
    for (claim, value) in first.iter().filter(|(_, value)| value.is_array() || value.is_object()) {
        let now = left.claims.get(claim);
        if now != right.claims.get(claim) || now == Some(value) {
            continue;
        }
        let now = now.map_or_else(|| "absent".to_owned(), ToString::to_string);
        let got = format!("`{claim}` was {value} at the account's first login and is {now}");
        let exchange = std::slice::from_ref(&again.answer.exchange);
        let did = "logged an account in before and after others";
        cx.found_in(did, "a token that says the same of its account", &got, exchange)?;
    }
    Ok(())
}
