//! What a success looks like: its members, the whole of it, its status, its media type.

use super::{Member, asked, demands, members_of, place, skeleton, words};
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::checks::flow::{answered_family, served};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::judge;
use countersign_spec::{Level, Operation, Role, Schema, Step};
use serde_json::Value;

/// One check for each member of a success, one for the rest of its schema, one each for status and content type.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    let Some(schema) = checks.scheme.schema(&operation.success.schema) else { return };
    for member in members_of(&schema.value).into_iter().filter(Member::says_something) {
        let anchor = format!("{name}.success:{}", member.pointer);
        let sentence = format!("the answer of {name} has {} as documented", words(&member.pointer));
        let operation_name = name.clone();
        let is_code = checks.scheme.envelope.code.contains(&member.pointer);
        let check = checks
            .add(Group::Form, &sentence, &["common.form.success-body", &anchor], move |cx| {
                let wanted = if is_code { is_success_but_for_its_code } else { is_accepted };
                for answer in answers_that(cx, &operation_name, wanted)? {
                    member.judge(cx, &answer, &asked(&operation_name))?;
                }
                Ok(())
            })
            .at_least(Level::Should);
        if is_code {
            check.family(answered_family(operation), 0);
        }
    }
    let skeleton = skeleton(&schema.value);
    // What is no object is no success at all; a token makes an entry of an answer whose code says otherwise.
    let mut beyond_object = skeleton.clone();
    if beyond_object["type"] == "object"
        && let Some(keywords) = beyond_object.as_object_mut()
    {
        keywords.remove("type");
    }
    if demands(&beyond_object) || gives_token(operation) {
        whole(checks, operation, skeleton);
    }
    let operation_name = name.clone();
    let anchor = format!("{name}.success:status");
    let sentence = format!("a success of {name} has the documented status");
    checks.add(Group::Form, &sentence, &["common.form.success-status", &anchor], move |cx| {
        for answer in good_answers(cx, &operation_name)? {
            let allowed = &answer.operation.success.status;
            let status = answer.exchange.status().unwrap_or_default();
            if !allowed.iter().any(|pattern| pattern.matches(status)) {
                let expected =
                    allowed.iter().map(|pattern| format!("HTTP {pattern}")).collect::<Vec<_>>().join(" or ");
                cx.found(&asked(&operation_name), &expected, &answer)?;
            }
        }
        Ok(())
    });
    let operation_name = name.clone();
    let sentence = format!("a success of {name} is declared as json");
    checks.add(Group::Form, &sentence, &["common.form.json-answers"], move |cx| {
        for answer in good_answers(cx, &operation_name)? {
            if !answer.exchange.declares_json() {
                let got =
                    answer.exchange.header("content-type").unwrap_or("no Content-Type at all").to_owned();
                let expected = "Content-Type: application/json, with or without parameters";
                cx.found_in(&asked(&operation_name), expected, &got, &[answer.exchange])?;
            }
        }
        Ok(())
    });
}

/// What is left of the schema, and a code that goes with the rest.
fn whole(checks: &mut Checks<'_>, operation: &Operation, skeleton: Value) {
    let name = operation.name.clone();
    let anchor = format!("{name}.success");
    let sentence = format!("the answer of {name} is as documented on the whole");
    checks
        .add(Group::Form, &sentence, &["common.form.success-body", &anchor], move |cx| {
            let schema = Schema::compile("success", skeleton.clone()).map_err(Stop::Inconclusive)?;
            for answer in answers_that(cx, &name, is_accepted)? {
                let body = answer.exchange.json.clone().unwrap_or_default();
                if !judge::says_success(cx.scheme, &answer.exchange) {
                    let expected = judge::describe_success(cx.scheme, answer.operation);
                    cx.found(&asked(&name), &expected, &answer)?;
                }
                for (pointer, problem) in schema.complaints(&body) {
                    let expected = format!("a body as {} says", answer.operation.success.schema);
                    let got = format!("{}: {problem}; {}", place(&pointer), answer.exchange.got());
                    let exchange = std::slice::from_ref(&answer.exchange);
                    cx.found_in(&asked(&name), &expected, &got, exchange)?;
                }
            }
            Ok(())
        })
        .family(answered_family(operation), 1);
}

fn gives_token(operation: &Operation) -> bool {
    [Role::AccessToken, Role::RefreshToken].iter().any(|role| operation.success_field(*role).is_some())
}

/// A redirect is told only to whom it concerns.
pub(super) fn redirects(checks: &mut Checks<'_>) {
    let Some(login) = checks.scheme.step(Step::Login) else { return };
    let Some(field) = login.success_field(Role::Redirect) else { return };
    let anchor = format!("{}.success:{}", login.name, field.at);
    let name = login.name.clone();
    checks
        .add(
            Group::Form,
            "an account without duties is not sent elsewhere",
            &["common.form.success-body", &anchor],
            move |cx| {
                for answer in good_answers(cx, &name)? {
                    if answer
                        .value(Role::Redirect)
                        .is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty()))
                    {
                        cx.found("logged an ordinary account in", "no redirect, or null", &answer)?;
                    }
                }
                Ok(())
            },
        )
        .at_most(Level::May);
}

/// Whether the target let the request in.
fn is_accepted(_: &Context<'_>, answer: &Answer<'_>) -> bool {
    answer.accepted()
}

/// Whether an answer is a success by every sign but its code, which is missing or no number: a code that is a number says
/// itself what the answer is.
fn is_success_but_for_its_code(cx: &Context<'_>, answer: &Answer<'_>) -> bool {
    if answer.accepted() {
        return true;
    }
    let success = &answer.operation.success;
    let status = answer.exchange.status().unwrap_or_default();
    let (Some(schema), Some(code)) =
        (cx.scheme.schema(&success.schema), cx.scheme.envelope.success_codes.first())
    else {
        return false;
    };
    let Some(mut body) = answer.exchange.json.clone() else { return false };
    for pointer in &cx.scheme.envelope.code {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(Value::Object(members)) = body.pointer_mut(parent)
            && !members.get(name).is_some_and(Value::is_i64)
        {
            members.insert(name.to_owned(), Value::from(*code));
        }
    }
    success.status.iter().any(|pattern| pattern.matches(status))
        && judge::code_says_success(cx.scheme, &body)
        && schema.accepts(&body)
}

/// Two answers of an operation to what is right, from different callers where the profile allows.
fn good_answers<'t>(cx: &mut Context<'t>, name: &str) -> Result<Vec<Answer<'t>>, Stop> {
    answers_that(cx, name, is_accepted)
}

fn answers_that<'t>(
    cx: &mut Context<'t>,
    name: &str,
    wanted: fn(&Context<'_>, &Answer<'_>) -> bool,
) -> Result<Vec<Answer<'t>>, Stop> {
    let operation = served(cx, name)?;
    let mut answers = Vec::new();
    for nth in 0..2 {
        let actor = if nth == 0 { cx.actor()? } else { cx.other_actor().or_else(|_| cx.actor())? };
        let answer = good_answer(cx, operation, &actor)?;
        if !wanted(cx, &answer) {
            let got = cx.secrets.hide(&answer.exchange.got());
            return Err(Stop::Inconclusive(format!(
                "{name} refuses what is right, as its flow check says: {got}"
            )));
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn good_answer<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    actor: &Actor,
) -> Result<Answer<'t>, Stop> {
    match operation.step {
        Step::Challenge => cx.ask_challenge(operation, actor),
        Step::Login => {
            let attempt = cx.attempt(actor)?;
            cx.send_attempt(&attempt)
        }
        Step::Refresh => {
            let session = cx.log_in(actor)?;
            let token = session.refreshable(cx.scheme).unwrap_or_default().to_owned();
            cx.refresh_with(&session, &token)
        }
        Step::Lookup | Step::Protected | Step::Verify | Step::Logout => {
            let session = cx.log_in(actor)?;
            let draft = cx.authorized(operation, &session);
            cx.send(operation, &draft)
        }
    }
}
