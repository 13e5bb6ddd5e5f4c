//! Accounts that the profile marks: they log in as any other does, and what their answers say is theirs alone.

use super::place;
use crate::check::{Checks, Group};
use crate::checks::credential::enumeration::{differences, wrong_secret};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::judge;
use crate::need::Need;
use countersign_spec::{ProofKind, Role, Step};
use serde_json::Value;

const DID: &str = "logged in, with everything right, an account that the profile marks";

/// Adds the checks of marked accounts.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    let flags = scheme.account.as_ref().is_some_and(|account| !account.flags.is_empty());
    let Some(login) = scheme.step(Step::Login).filter(|_| flags && scheme.proof.kind == ProofKind::Secret)
    else {
        return;
    };
    let whole = [format!("{}.success", login.name), "common.flow.login-works".to_owned()];
    checks
        .needing(Need::MarkedAccount)
        .add(Group::Form, "a marked account is logged in like any other", &whole, like_any_other)
        .family("marked-login", 0);
    let Some(field) = login.success_field(Role::Redirect) else { return };
    let redirect = ["common.form.success-body".to_owned(), format!("{}.success:{}", login.name, field.at)];
    checks
        .needing(Need::MarkedAccount)
        .add(Group::Form, "where somebody is sent is a text or null", &redirect, text_or_null)
        .family("marked-login", 1);
    checks.needing(Need::MarkedAccount).add(
        Group::Form,
        "where one account is sent the next one is not",
        &["common.form.redirect-is-own"],
        not_sticky,
    );
    checks.needing(Need::MarkedAccount).add(
        Group::Form,
        "a wrong secret of a marked account is refused like any other",
        &["common.credential.no-enumeration"],
        refused_alike,
    );
}

fn login_of<'t>(cx: &mut Context<'t>) -> Result<Answer<'t>, Stop> {
    let actor = cx.flagged_actor()?;
    let attempt = cx.attempt(&actor)?;
    cx.send_attempt(&attempt)
}

fn like_any_other(cx: &mut Context<'_>) -> Result<(), Stop> {
    let usual = cx.session()?;
    let answer = login_of(cx)?;
    cx.must_accept(&answer, DID)?;
    if !answer.accepted() {
        return Ok(());
    }
    let success = &answer.operation.success;
    let status = answer.exchange.status().unwrap_or_default();
    let body = answer.exchange.json.clone().unwrap_or_default();
    if !success.status.iter().any(|pattern| pattern.matches(status))
        || !judge::code_says_success(cx.scheme, &body)
    {
        cx.found(DID, &judge::describe_success(cx.scheme, answer.operation), &answer)?;
    }
    let Some(schema) = cx.scheme.schema(&success.schema) else { return Ok(()) };
    // What is wrong with every login is said by the checks of logins.
    let known = schema.complaints(&usual.answer.exchange.json.clone().unwrap_or_default());
    let redirect = redirect_of(&answer).map(|(pointer, _)| pointer);
    for (pointer, problem) in schema.complaints(&body) {
        if known.iter().any(|(at, other)| *at == pointer && *other == problem)
            || redirect.as_ref() == Some(&pointer)
        {
            continue;
        }
        let expected = format!("a body as {} says", success.schema);
        let got = format!("{}: {problem}; {}", place(&pointer), answer.exchange.got());
        cx.found_in(DID, &expected, &got, std::slice::from_ref(&answer.exchange))?;
    }
    Ok(())
}

/// The place of the redirect in an answer, and what stands there.
fn redirect_of(answer: &Answer<'_>) -> Option<(String, Value)> {
    let field = answer.operation.success_field(Role::Redirect)?;
    Some((field.at.to_string(), answer.value(Role::Redirect)?))
}

fn text_or_null(cx: &mut Context<'_>) -> Result<(), Stop> {
    let usual = cx.session()?.answer;
    let marked = login_of(cx)?;
    for (answer, did) in [(usual, "logged an ordinary account in"), (marked, DID)] {
        let Some((pointer, value)) = redirect_of(&answer) else { continue };
        if !(value.is_string() || value.is_null()) {
            let got = format!("{pointer} is {value}; {}", answer.exchange.got());
            let expected = format!("{pointer} as a string or null, or no such member");
            cx.found_in(did, &expected, &got, std::slice::from_ref(&answer.exchange))?;
        }
        tells_no_token(cx, &answer, &value)?;
    }
    Ok(())
}

/// The way to where somebody is sent must not tell the tokens. Where it leads is the target's own: whoever serves its pages
/// may have another name than whoever serves the API.
fn tells_no_token(cx: &Context<'_>, answer: &Answer<'_>, redirect: &Value) -> Result<(), Stop> {
    let text = redirect.as_str().unwrap_or_default();
    let tokens = [Role::AccessToken, Role::RefreshToken].into_iter().filter_map(|role| answer.text(role));
    let telling = tokens.into_iter().any(|token| token.len() >= 8 && text.contains(&token));
    if telling {
        cx.found(DID, "a redirect without tokens", answer)?;
    }
    Ok(())
}

/// Whether an account is sent anywhere.
fn is_sent(redirect: Option<&Value>) -> bool {
    redirect.is_some_and(|value| !value.is_null() && *value != "" && *value != false)
}

fn not_sticky(cx: &mut Context<'_>) -> Result<(), Stop> {
    // Before any check has logged a marked account in.
    let before = cx.gate().is_some_and(|gate| is_sent(gate.first_redirect()));
    let marked = login_of(cx)?;
    cx.control(&marked, "a login of an account that the profile marks")?;
    let usual = cx.session()?.answer;
    if !before && is_sent(usual.value(Role::Redirect).as_ref()) {
        let did = "logged in an account that the profile marks, and then an ordinary one";
        let expected = "the ordinary one to be sent nowhere, as before";
        let got = usual.exchange.got();
        cx.found_in(did, expected, &got, &[marked.exchange, usual.exchange])?;
    }
    Ok(())
}

fn refused_alike(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (usual, marked) = (cx.actor()?, cx.flagged_actor()?);
    let mut stranger = marked.clone();
    stranger.password = format!("wrong-{}", cx.random_hex(12));
    let attempt = cx.attempt(&stranger)?;
    let answer = cx.send_attempt(&attempt)?;
    cx.must_refuse(&answer, "logged an account that the profile marks in with a random secret")?;
    let usual = [wrong_secret(cx, &usual.identifier)?, wrong_secret(cx, &usual.identifier)?];
    let marked = [wrong_secret(cx, &marked.identifier)?, wrong_secret(cx, &marked.identifier)?];
    for what in differences(cx, usual.each_ref(), marked.each_ref()) {
        let [usual, marked] = [&usual[0], &marked[0]].map(|answer| answer.exchange.clone());
        let got = format!("{what}: {} against {}", usual.got(), marked.got());
        let did = "sent wrong secrets of an ordinary account and of one that the profile marks";
        cx.found_in(did, "the same status and the same body", &got, &[usual, marked])?;
    }
    Ok(())
}
