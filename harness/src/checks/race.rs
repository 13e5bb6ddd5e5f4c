//! At the same moment: one challenge, one refresh token, many callers.

mod forks;
mod sessions;

use super::challenge::ways::ways;
use super::refresh::who;
use crate::check::{Checks, Group};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::jwt::Jwt;
use crate::need::Need;
use countersign_spec::{RefreshTakes, Role, Step};

/// Requests that are sent at once.
const CALLERS: usize = 8;
/// How often a race is run before it counts as well ended.
const ROUNDS: usize = 4;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.step(Step::Challenge).is_some() {
        checks
            .add(
                Group::Race,
                "one challenge logs in one of several callers",
                &["common.challenge.one-winner"],
                |cx| {
                    for way in ways(cx)? {
                        for _ in 0..ROUNDS {
                            let actor = cx.actor()?;
                            let attempt = way.attempt(cx, &actor, None)?;
                            let (operation, draft) = cx.write_attempt(&attempt)?;
                            let answers = cx.send_together(operation, &vec![draft; CALLERS]);
                            let winners: Vec<&Answer<'_>> =
                                answers.iter().filter(|answer| answer.accepted()).collect();
                            if winners.len() > 1 {
                                let got = format!("{} of them succeeded", winners.len());
                                let did = format!(
                                    "sent the same login {CALLERS} times at the same moment{}",
                                    way.said
                                );
                                let exchanges = [winners[0].exchange.clone(), winners[1].exchange.clone()];
                                cx.found_in(&did, "at most one success", &got, &exchanges)?;
                            }
                        }
                    }
                    Ok(())
                },
            )
            .family("challenge-use", 1);
    }
    let rotates =
        checks.scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    if rotates {
        forks::add(checks);
    }
    checks.needing(Need::SecondAccount).add(
        Group::Race,
        "answers belong to their requests",
        &["common.flow.own-identity"],
        own_answers,
    );
    for operation in
        checks.scheme.operations.iter().filter(|operation| {
            matches!(operation.step, Step::Protected | Step::Verify) && !operation.sibling
        })
    {
        let name = operation.name.clone();
        let sentence = format!("{name} answers each caller about the caller");
        checks.needing(Need::SecondAccount).add(
            Group::Race,
            &sentence,
            &["common.flow.own-identity"],
            move |cx| own_uses(cx, &name),
        );
    }
    sessions::add(checks);
}

/// Several accounts log in at once; each answer must speak of its own.
fn own_answers(cx: &mut Context<'_>) -> Result<(), Stop> {
    let mut actors = vec![cx.actor()?];
    match cx.other_actor() {
        Ok(other) => actors.push(other),
        Err(stop) => return Err(stop),
    }
    let claims: Vec<String> =
        cx.scheme.tokens.access.as_ref().map(|access| access.identity_claims.clone()).unwrap_or_default();
    // What each account's answer says when nobody else asks.
    let mut alone = Vec::new();
    for actor in &actors {
        let session = cx.log_in(actor)?;
        alone.push(fingerprint(&session.answer, &claims));
    }
    if alone[0] == alone[1] {
        return Err(Stop::NotApplicable("the answers of two accounts cannot be told apart".to_owned()));
    }
    for _ in 0..ROUNDS {
        let mut drafts = Vec::new();
        let mut owners = Vec::new();
        let mut login = None;
        for index in 0..CALLERS {
            let attempt = cx.attempt(&actors[index % 2].clone())?;
            let (operation, draft) = cx.write_attempt(&attempt)?;
            login = Some(operation);
            drafts.push(draft);
            owners.push(index % 2);
        }
        let Some(operation) = login else { return Ok(()) };
        let answers = cx.send_together(operation, &drafts);
        for (answer, owner) in answers.iter().zip(owners).filter(|(answer, _)| answer.accepted()) {
            let seen = fingerprint(answer, &claims);
            if seen != alone[owner] {
                let got = format!("an answer that says {seen:?} in place of {:?}", alone[owner]);
                let did = format!("logged two accounts in, {CALLERS} times at the same moment");
                let exchange = std::slice::from_ref(&answer.exchange);
                cx.found_in(&did, "each answer to speak of its own account", &got, exchange)?;
            }
        }
    }
    Ok(())
}

/// Several callers use their sessions at once; each answer must speak of its own account.
fn own_uses(cx: &mut Context<'_>, name: &str) -> Result<(), Stop> {
    let operation = super::flow::served(cx, name)?;
    let first = cx.actor()?;
    let second = cx.other_actor()?;
    let sessions = [cx.log_in(&first)?, cx.log_in(&second)?];
    let mut alone = Vec::new();
    for session in &sessions {
        let draft = cx.authorized(operation, session);
        let answer = cx.send(operation, &draft)?;
        cx.control(&answer, &format!("asking {name} alone"))?;
        alone.push(who(&answer));
    }
    if alone[0] == alone[1] {
        return Err(Stop::NotApplicable("the answers of two accounts cannot be told apart".to_owned()));
    }
    for round in 0..2 * ROUNDS {
        let drafts: Vec<_> =
            (0..CALLERS).map(|index| cx.authorized(operation, &sessions[index % 2])).collect();
        let answers = if round % 2 == 0 {
            cx.send_together(operation, &drafts)
        } else {
            // In turns on one connection, where a mix-up has another cause.
            let mut answers = Vec::new();
            for draft in &drafts {
                answers.push(cx.send(operation, draft)?);
            }
            answers
        };
        for (index, answer) in answers.iter().enumerate().filter(|(_, answer)| answer.accepted()) {
            let seen = who(answer);
            if seen != alone[index % 2] {
                let got = format!("{seen:?} in place of {:?}", alone[index % 2]);
                let did = format!("asked {name} for two accounts, {CALLERS} times");
                let exchange = std::slice::from_ref(&answer.exchange);
                cx.found_in(&did, "each answer to speak of its own caller", &got, exchange)?;
            }
        }
    }
    Ok(())
}

/// What an answer says of whose it is: identity claims and echoed members.
fn fingerprint(answer: &Answer<'_>, claims: &[String]) -> Vec<(String, String)> {
    let mut says = Vec::new();
    if let Some(jwt) = answer.text(Role::AccessToken).and_then(|token| Jwt::read(&token)) {
        for claim in claims {
            if let Some(value) = jwt.claims.get(claim) {
                says.push((claim.clone(), value.to_string()));
            }
        }
    }
    for role in [Role::Identifier, Role::Address] {
        if let Some(value) = answer.value(role) {
            says.push((format!("{role:?}"), value.to_string().to_ascii_lowercase()));
        }
    }
    says
}
