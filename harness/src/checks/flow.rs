//! The documented way works, from the login to the logout.

pub(super) mod identity;
pub(super) mod safely;
mod sessions;

use crate::check::{Checks, Group};
use crate::context::{Context, Session, is_token_sink};
use crate::finding::Stop;
use crate::gate::Failure;
use crate::need::Need;
use countersign_spec::{Level, Operation, Place, ProofKind, Role, Scheme, Step};
use serde_json::Value;

/// Logins of one wallet in a row: what a person does in a week or two.
const MANY: usize = 12;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    checks
        .add(
            Group::Flow,
            "the documented login works",
            &grounds(&["common.flow.login-works"], scheme.step(Step::Login)),
            |cx| {
                let gate = cx
                    .gate()
                    .ok_or_else(|| Stop::Inconclusive("nothing is known of the target".to_owned()))?;
                match gate.failure() {
                    None => Ok(()),
                    Some(Failure::Finding(finding)) => cx.tell((**finding).clone()),
                    Some(Failure::NoAccount(reason)) => Err(Stop::NotApplicable(reason.clone())),
                    Some(Failure::Inconclusive(reason)) => Err(Stop::Inconclusive(reason.clone())),
                }
            },
        )
        .without_login();
    checks.add(Group::Flow, "an account logs in again", &["common.flow.repeated-login-works"], |cx| {
        let actor = cx.actor()?;
        for time in 1..=2 {
            let attempt = cx.attempt(&actor)?;
            let answer = cx.send_attempt(&attempt)?;
            cx.must_accept(
                &answer,
                &format!("logged an account in that had logged in before, login {time} in a row"),
            )?;
        }
        Ok(())
    });
    if scheme.proof.kind == ProofKind::Eip191 {
        checks.add(Group::Flow, "a wallet logs in many times", &["common.flow.repeated-login-works"], |cx| {
            let actor = cx.actor()?;
            for time in 1..=MANY {
                let mut challenge = None;
                if let Ok(operation) = cx.step(Step::Challenge) {
                    let answer = cx.ask_challenge(operation, &actor)?;
                    cx.must_accept(
                        &answer,
                        &format!("asked for challenge {time} of a wallet that uses each"),
                    )?;
                    if !answer.accepted() {
                        continue;
                    }
                    challenge = answer.text(Role::Challenge);
                }
                let attempt = cx.attempt_with(&actor, challenge);
                let answer = cx.send_attempt(&attempt)?;
                cx.must_accept(&answer, &format!("logged a wallet in, login {time} in a row"))?;
            }
            Ok(())
        });
    }
    if scheme.step(Step::Challenge).is_some() {
        let rests_on = grounds(&["common.flow.challenge-works"], scheme.step(Step::Challenge));
        let check = checks.add(Group::Flow, "a challenge is given to a new wallet", &rests_on, |cx| {
            let operation = cx.step(Step::Challenge)?;
            let actor = cx.actor()?;
            let answer = cx.ask_challenge(operation, &actor)?;
            cx.must_accept(&answer, "asked for a challenge for a wallet never seen before")
        });
        check.family("challenge-answer", 1);
    }
    for operation in uses(scheme).filter(|operation| !operation.sibling) {
        let name = operation.name.clone();
        let sentence = format!("{} works after a login", operation.name);
        let check = checks.add(
            Group::Flow,
            &sentence,
            &grounds(&["common.flow.token-works"], Some(operation)),
            move |cx| {
                let operation = served(cx, &name)?;
                let session = cx.session()?;
                let draft = cx.authorized(operation, &session);
                let answer = cx.send(operation, &draft)?;
                cx.must_accept(&answer, &format!("logged in and asked {name} with what the login gave"))?;
                identity::says_who(cx, &session.actor, &answer)
            },
        );
        check.family(answered_family(operation), 1);
        let name = operation.name.clone();
        let sentence = format!("{name} tells one caller after the other of the caller");
        checks.needing(Need::SecondAccount).add(
            Group::Flow,
            &sentence,
            &["common.flow.own-identity"],
            move |cx| identity::one_after_the_other(cx, &name),
        );
    }
    if has_sink(scheme) {
        checks.add(
            Group::Flow,
            "a second login leaves the first session alive",
            &["common.flow.sessions-independent"],
            |cx| {
                let sink = first_sink(cx)?;
                let first = cx.session()?;
                let actor = first.actor.clone();
                cx.log_in(&actor)?;
                let answer = cx.present(sink, &actor, first.access.as_deref().unwrap_or_default())?;
                cx.must_accept(&answer, "logged in twice and used the first token")
            },
        );
        checks.needing(Need::SecondAccount).add(
            Group::Flow,
            "a login ends nobody elses session",
            &["common.flow.login-is-own"],
            |cx| {
                let sink = first_sink(cx)?;
                let mine = cx.session()?;
                let other = cx.other_actor()?;
                cx.log_in(&other)?;
                let answer = cx.present(sink, &mine.actor, mine.access.as_deref().unwrap_or_default())?;
                cx.must_accept(&answer, "logged one account in, then another, and used the first one's token")
            },
        );
    }
    if scheme.tokens.access.is_some() {
        checks.needing(Need::SecondAccount).add(
            Group::Flow,
            "two accounts never get the same token",
            &["common.flow.distinct-tokens"],
            |cx| {
                let mine = cx.session()?;
                let other = cx.other_actor()?;
                let theirs = cx.log_in(&other)?;
                if mine.access.is_some() && mine.access == theirs.access {
                    cx.found("logged two accounts in", "a token for each", &theirs.answer)?;
                }
                Ok(())
            },
        );
    }
    if scheme.refresh.is_some() {
        refresh(checks);
    }
    if scheme.step(Step::Logout).is_some() {
        logout(checks);
    }
    safely::add(checks);
    sessions::add(checks);
    if let Some(lookup) = scheme.step(Step::Lookup) {
        let rests_on = grounds(&["common.flow.lookup-follows-login"], Some(lookup));
        let check = checks.add(Group::Flow, "the look up knows who has logged in", &rests_on, |cx| {
            let operation = cx.step(Step::Lookup)?;
            let session = cx.session()?;
            let draft = cx.fill(operation, &session.actor, None);
            let answer = cx.send(operation, &draft)?;
            cx.must_accept(&answer, "logged a wallet in and looked it up")?;
            identity::says_who(cx, &session.actor, &answer)
        });
        check.family(answered_family(lookup), 1);
        let check = checks.add(
            Group::Flow,
            "the look up knows who has logged in since it was asked",
            &["common.flow.lookup-follows-login"],
            |cx| {
                let operation = cx.step(Step::Lookup)?;
                let actor = cx.other_actor()?;
                let draft = cx.fill(operation, &actor, None);
                // What it says of a stranger is another check's affair; here it is only asked for one.
                for _ in 0..2 {
                    cx.send(operation, &draft)?;
                }
                cx.log_in(&actor)?;
                let draft = cx.fill(operation, &actor, None);
                let answer = cx.send(operation, &draft)?;
                cx.must_accept(&answer, "looked a wallet up, logged it in, and looked it up again")?;
                identity::says_who(cx, &actor, &answer)
            },
        );
        check.family(answered_family(lookup), 2);
        let anchor = format!("{}.failure", lookup.name);
        let rests_on = ["common.flow.lookup-follows-login", anchor.as_str()];
        checks.add(Group::Flow, "the look up does not know who never logged in", &rests_on, |cx| {
            let operation = cx.step(Step::Lookup)?;
            // The first one may be the wallet of the profile, which has logged in.
            let stranger = cx.other_actor()?;
            let draft = cx.fill(operation, &stranger, None);
            for time in ["for the first time", "for the second time"] {
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("looked up a wallet that never logged in {time}"))?;
            }
            Ok(())
        });
    }
    other_ways(checks);
    checks.add(
        Group::Flow,
        "the login answer names who logged in",
        &["common.flow.own-identity"],
        identity::own_login,
    );
    if checks.scheme.proof.kind == ProofKind::Secret {
        checks.needing(Need::SecondAccount).add(
            Group::Flow,
            "a token says the same after others have logged in",
            &["common.flow.own-identity"],
            identity::says_no_more,
        );
    }
}

fn refresh(checks: &mut Checks<'_>) {
    let rests_on = grounds(&["common.flow.refresh-works"], checks.scheme.step(Step::Refresh));
    checks.add(Group::Flow, "a refresh works", &rests_on, |cx| {
        let (session, token) = refreshable(cx)?;
        let answer = cx.refresh_with(&session, &token)?;
        cx.must_accept(&answer, "logged in and refreshed")
    });
    if has_sink(checks.scheme) {
        checks.add(Group::Flow, "a refreshed token works", &["common.flow.refreshed-token-works"], |cx| {
            let (session, _) = refreshable(cx)?;
            let next = cx.refresh(&session)?;
            let sink = first_sink(cx)?;
            let token = next.access.unwrap_or_default();
            let answer = cx.present(sink, &session.actor, &token)?;
            cx.must_accept(&answer, &format!("refreshed and asked {} with the new token", sink.name))
        });
    }
    checks.add(
        Group::Flow,
        "a refreshed token is refreshed again",
        &["common.flow.chained-refresh-works"],
        |cx| {
            let (session, _) = refreshable(cx)?;
            let next = cx.refresh(&session)?;
            let token = next.refreshable(cx.scheme).unwrap_or_default().to_owned();
            let answer = cx.refresh_with(&next, &token)?;
            cx.must_accept(&answer, "refreshed and refreshed again with what the first refresh gave")
        },
    );
}

fn logout(checks: &mut Checks<'_>) {
    let rests_on = grounds(&["common.flow.logout-works"], checks.scheme.step(Step::Logout));
    let check = checks.add(Group::Flow, "a logout works", &rests_on, |cx| {
        let session = cx.session()?;
        let answer = cx.log_out(&session)?;
        cx.must_accept(&answer, "logged in and out again")
    });
    check.family("logout-answer", 1);
    if checks.scheme.refresh.is_some() {
        checks
            .add(Group::Flow, "a logout ends the refresh token", &["common.flow.logout-ends-refresh"], |cx| {
                let (session, token) = refreshable(cx)?;
                let out = cx.log_out(&session)?;
                cx.control(&out, "the logout")?;
                let after = cx.refresh_with(&session, &token)?;
                cx.must_refuse(&after, "logged out and refreshed with the token of that session")
            })
            .family("logout-refresh", 0);
    }
    if !has_sink(checks.scheme) {
        return;
    }
    checks
        .add(Group::Flow, "a logout ends the access token", &["common.flow.logout-ends-access"], |cx| {
            first_sink(cx)?;
            let session = cx.session()?;
            let token = session.access.clone().unwrap_or_default();
            for sink in cx.token_sinks() {
                let before = cx.present(sink, &session.actor, &token)?;
                cx.control(&before, &format!("asking {} before the logout", sink.name))?;
            }
            let out = cx.log_out(&session)?;
            cx.control(&out, "the logout")?;
            for sink in cx.token_sinks() {
                let after = cx.present(sink, &session.actor, &token)?;
                cx.must_refuse(&after, &format!("logged out and asked {} with the old token", sink.name))?;
            }
            Ok(())
        })
        .family("logout", 0);
    checks.needing(Need::SecondAccount).add(
        Group::Flow,
        "a logout ends nobody else's session",
        &["common.flow.logout-is-own"],
        |cx| {
            let sink = first_sink(cx)?;
            let mine = cx.session()?;
            let other = cx.other_actor()?;
            let theirs = cx.log_in(&other)?;
            let out = cx.log_out(&mine)?;
            cx.control(&out, "the logout")?;
            let answer = cx.present(sink, &other, theirs.access.as_deref().unwrap_or_default())?;
            cx.must_accept(&answer, "logged one account out and used another account's token")
        },
    );
    checks.add(
        Group::Flow,
        "a logout leaves other sessions of the account alive",
        &["common.flow.logout-spares-other-sessions"],
        |cx| {
            let sink = first_sink(cx)?;
            let first = cx.session()?;
            let actor = first.actor.clone();
            let second = cx.log_in(&actor)?;
            let out = cx.log_out(&first)?;
            cx.control(&out, "the logout")?;
            let answer = cx.present(sink, &actor, second.access.as_deref().unwrap_or_default())?;
            cx.must_accept(&answer, "logged one of two sessions out and used the other")
        },
    );
}

/// Shared clauses and every place of an operation's request that its working alone shows right: the operation, the request
/// as a whole, and what stands in headers and query.
fn grounds(shared: &[&str], operation: Option<&Operation>) -> Vec<String> {
    let mut grounds: Vec<String> = shared.iter().map(|id| (*id).to_owned()).collect();
    if let Some(operation) = operation {
        let name = &operation.name;
        grounds.push(name.clone());
        grounds.push(format!("{name}.request"));
        grounds.push(format!("{name}.request:header:authorization"));
        if operation.request.schema.is_some() {
            grounds.push(format!("{name}.request:header:content-type"));
        }
        let outside = operation
            .request
            .fields
            .iter()
            .filter(|field| !matches!(field.at, Place::Body(_) | Place::Header(_)));
        grounds.extend(outside.map(|field| format!("{name}.request:{}", field.at)));
    }
    grounds
}

/// Other ways to ask an operation: without a header that is optional, with one that means nothing, by another method.
fn other_ways(checks: &mut Checks<'_>) {
    for operation in &checks.scheme.operations {
        let name = operation.name.clone();
        if operation.request.schema.is_none() {
            let anchor = format!("{name}.request:header:content-type");
            let sentence = format!("{name} with a content type and no body works");
            let asked = name.clone();
            checks.add(
                Group::Flow,
                &sentence,
                &["common.form.content-type-parameters", &anchor],
                move |cx| {
                    let operation = served(cx, &asked)?;
                    let session = cx.session()?;
                    let mut draft = cx.authorized(operation, &session);
                    draft.set_header("content-type", "application/json");
                    let answer = cx.send(operation, &draft)?;
                    cx.must_accept(
                        &answer,
                        &format!("asked {asked} with Content-Type: application/json and no body"),
                    )
                },
            );
        }
        if operation.auth_optional {
            let anchor = format!("{name}.request:header:authorization");
            let sentence = format!("{name} without authorization works");
            checks
                .add(Group::Flow, &sentence, &["common.flow.refresh-works", &anchor], |cx| {
                    let (session, token) = refreshable(cx)?;
                    let (operation, mut draft) = cx.refresh_draft(&session, &token)?;
                    draft.headers.retain(|(name, _)| name != "authorization");
                    let answer = cx.send(operation, &draft)?;
                    cx.must_accept(&answer, "refreshed with the token in the body alone")
                })
                .at_most(Level::May);
        }
        for method in &operation.other_methods {
            let (asked, method) = (name.clone(), method.clone());
            let sentence = format!("{name} asked by {method} works");
            checks
                .add(Group::Flow, &sentence, &["common.flow.token-works", &name], move |cx| {
                    let operation = served(cx, &asked)?;
                    let session = cx.session()?;
                    let mut draft = cx.authorized(operation, &session);
                    draft.method.clone_from(&method);
                    let members: Vec<(String, String)> = std::mem::take(&mut draft.query);
                    for (name, value) in members {
                        // A time is a number in JSON.
                        let value = value.parse::<u64>().map_or(Value::String(value), Value::from);
                        draft.set(&Place::Body(format!("/{name}")), value);
                    }
                    let answer = cx.send(operation, &draft)?;
                    cx.must_accept(
                        &answer,
                        &format!("asked {asked} by {method} with its members in the body"),
                    )
                })
                .at_most(Level::May);
        }
    }
}

/// Operations that prove a login usable: they take the token or key and answer with something.
fn uses(scheme: &Scheme) -> impl Iterator<Item = &Operation> {
    scheme.operations.iter().filter(|operation| matches!(operation.step, Step::Protected | Step::Verify))
}

/// Checks that a spoilt answer of an operation can trip together.
pub(super) fn answered_family(operation: &Operation) -> &'static str {
    match operation.step {
        Step::Challenge => "challenge-answer",
        Step::Login => "login-answer",
        Step::Logout => "logout-answer",
        Step::Lookup => "lookup-answer",
        Step::Protected => "use-answer",
        Step::Refresh => "refresh-answer",
        Step::Verify => "verify-answer",
    }
}

/// Whether the document has an operation at which an access token can be tried.
pub(super) fn has_sink(scheme: &Scheme) -> bool {
    scheme.operations.iter().any(is_token_sink)
}

/// The operation of this name, if the target serves it.
pub(super) fn served<'t>(cx: &Context<'t>, name: &str) -> Result<&'t Operation, Stop> {
    let operation = cx
        .scheme
        .operation(name)
        .ok_or_else(|| Stop::NotApplicable(format!("the scheme has no operation {name}")))?;
    cx.served(operation)?;
    Ok(operation)
}

/// The first operation that takes the access token.
pub(super) fn first_sink<'t>(cx: &Context<'t>) -> Result<&'t Operation, Stop> {
    cx.token_sinks().first().copied().ok_or_else(|| {
        Stop::NotApplicable(
            "no operation of the document takes the access token, or the target serves none".to_owned(),
        )
    })
}

/// A session and the token it refreshes with.
pub(super) fn refreshable<'t>(cx: &mut Context<'t>) -> Result<(Session<'t>, String), Stop> {
    cx.step(Step::Refresh)?;
    let session = cx.session()?;
    let token = session
        .refreshable(cx.scheme)
        .ok_or_else(|| Stop::Inconclusive("the login gave no token to refresh with".to_owned()))?
        .to_owned();
    Ok((session, token))
}
