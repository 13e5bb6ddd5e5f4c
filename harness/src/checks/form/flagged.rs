//! Accounts that the profile marks: they log in as any other does, and what their answers say is theirs alone.

use super::place;
use crate::check::{Checks, Group};
use crate::checks::credential::enumeration::{difference, wrong_secret};
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
    let success = &answer.operation.success;
    let status = answer.exchange.status().unwrap_or_default();
    let body = answer.exchange.json.clone().unwrap_or_default();
    if !success.status.iter().any(|pattern| pattern.matches(status))
        || !judge::code_says_success(cx.scheme, &body)
    {
        return Err(cx.found(DID, &judge::describe_success(cx.scheme, answer.operation), &answer));
    }
    let Some(schema) = cx.scheme.schema(&success.schema) else { return Ok(()) };
    // What is wrong with every login is said by the checks of logins.
    let of = |body: &Value| schema.complaints(body).into_iter().collect::<Vec<_>>();
    let known = of(&usual.answer.exchange.json.clone().unwrap_or_default());
    let redirect = redirect_of(&answer).map(|(pointer, _)| pointer);
    let own = of(&body).into_iter().find(|(pointer, problem)| {
        !known.iter().any(|(at, other)| at == pointer && other == problem)
            && redirect.as_ref() != Some(pointer)
    });
    match own {
        None => Ok(()),
        Some((pointer, problem)) => {
            let expected = format!("a body as {} says", success.schema);
            let got = format!("{}: {problem}; {}", place(&pointer), answer.exchange.got());
            Err(cx.finding(DID, &expected, &got, &[answer.exchange]).into())
        }
    }
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
        if let Some((pointer, value)) = redirect_of(&answer)
            && !(value.is_string() || value.is_null())
        {
            let got = format!("{pointer} is {value}; {}", answer.exchange.got());
            let expected = format!("{pointer} as a string or null, or no such member");
            return Err(cx.finding(did, &expected, &got, &[answer.exchange]).into());
        }
        if let Some((_, value)) = redirect_of(&answer) {
            tells_no_token(cx, &answer, &value)?;
        }
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
        let expected = "a redirect without tokens";
        let exchange = std::slice::from_ref(&answer.exchange);
        return Err(cx.finding(DID, expected, &answer.exchange.got(), exchange).into());
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
        return Err(cx.finding(did, expected, &got, &[marked.exchange, usual.exchange]).into());
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
    if let Some(what) = difference(cx, usual.each_ref(), marked.each_ref()) {
        let ([usual, _], [marked, _]) = (usual, marked);
        let got = format!("{what}: {} against {}", usual.exchange.got(), marked.exchange.got());
        let did = "sent wrong secrets of an ordinary account and of one that the profile marks";
        let expected = "the same status and the same body";
        return Err(cx.finding(did, expected, &got, &[usual.exchange, marked.exchange]).into());
    }
    Ok(())
}
