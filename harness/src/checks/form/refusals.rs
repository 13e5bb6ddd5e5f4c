//! What a refusal looks like: the documented envelope, an allowed status, the headers a clause asks for.

use super::{Member, members_of, place, skeleton, words};
use crate::check::{Checks, Group};
use crate::checks::flow::served;
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::judge::{self, Verdict};
use countersign_spec::{Auth, Level, Operation, Role, Schema, Step};
use serde_json::Value;

/// A refusal is told in the documented envelope, with an allowed status, and never looks like a success.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    if operation.step == Step::Challenge || operation.step == Step::Lookup {
        return;
    }
    let Some(schema) = checks.scheme.schema(&checks.scheme.envelope.failure_schema) else { return };
    for member in members_of(&schema.value).into_iter().filter(Member::says_something) {
        let operation_name = name.clone();
        let anchor = format!("{name}.failure:{}", member.pointer);
        let sentence = format!("a refusal of {name} has {} as documented", words(&member.pointer));
        checks
            .add(Group::Form, &sentence, &["common.form.failure-body", &anchor], move |cx| {
                let answer = refused(cx, &operation_name)?;
                // What is no JSON object is found by the check of the whole.
                if answer.exchange.json.as_ref().is_some_and(Value::is_object) {
                    member.judge(cx, &answer, &refused_how(&operation_name))?;
                }
                Ok(())
            })
            .family(family_of(operation), 1);
    }
    let skeleton = skeleton(&schema.value);
    let operation_name = name.clone();
    let anchor = format!("{name}.failure");
    let sentence = format!("a refusal of {name} is told in the documented envelope");
    checks
        .add(
            Group::Form,
            &sentence,
            &["common.form.failure-body", "common.form.failure-is-no-success", &anchor],
            move |cx| {
                let answer = refused(cx, &operation_name)?;
                let (did, expected) = (refused_how(&operation_name), judge::describe_refusal(cx.scheme));
                let Some(body) = &answer.exchange.json else {
                    return cx.found(&did, &expected, &answer);
                };
                let schema = Schema::compile("failure", skeleton.clone()).map_err(Stop::Inconclusive)?;
                for (pointer, problem) in schema.complaints(body) {
                    let got = format!("{}: {problem}; {}", place(&pointer), answer.exchange.got());
                    cx.found_in(&did, &expected, &got, std::slice::from_ref(&answer.exchange))?;
                }
                if judge::code_says_success(cx.scheme, body) {
                    return cx.found(&did, &expected, &answer);
                }
                if cx.scheme.envelope.code_is_status {
                    let code = cx.scheme.envelope.code.first().and_then(|pointer| body.pointer(pointer));
                    if code.and_then(Value::as_i64) != answer.exchange.status().map(i64::from) {
                        cx.found(&did, "the code to equal the HTTP status", &answer)?;
                    }
                }
                Ok(())
            },
        )
        .family(family_of(operation), 0);
    let operation_name = name.clone();
    let anchor = format!("{name}.failure:status");
    let sentence = format!("a refusal of {name} has an allowed status");
    checks.add(Group::Form, &sentence, &["common.form.failure-status", &anchor], move |cx| {
        let answer = refused(cx, &operation_name)?;
        let status = answer.exchange.status().unwrap_or_default();
        if !cx.scheme.envelope.failure_status.iter().any(|pattern| pattern.matches(status)) {
            let expected = judge::describe_refusal(cx.scheme);
            cx.found(&refused_how(&operation_name), &expected, &answer)?;
        }
        Ok(())
    });
    headers_of_refusal(checks, operation);
    without_token(checks, operation);
    let operation_name = name.clone();
    let sentence = format!("a refusal of {name} is declared as json");
    checks
        .add(Group::Form, &sentence, &["common.form.json-answers"], move |cx| {
            let answer = refused(cx, &operation_name)?;
            if answer.exchange.json.is_some() && !answer.exchange.declares_json() {
                let got =
                    answer.exchange.header("content-type").unwrap_or("no Content-Type at all").to_owned();
                let expected = "Content-Type: application/json, with or without parameters";
                cx.found_in(&refused_how(&operation_name), expected, &got, &[answer.exchange])?;
            }
            Ok(())
        })
        .family(family_of(operation), 1);
}

/// Who comes without a token is told so in words, and not sent to a page.
fn without_token(checks: &mut Checks<'_>, operation: &Operation) {
    let asks = matches!(operation.auth, Auth::Access | Auth::Refresh) || operation.step == Step::Refresh;
    if !asks {
        return;
    }
    let name = operation.name.clone();
    let anchor = format!("{name}.failure");
    let sentence = format!("{name} without a token is refused in words");
    checks
        .add(Group::Form, &sentence, &["common.form.failure-body", &anchor], move |cx| {
            let operation = served(cx, &name)?;
            let actor = cx.actor()?;
            let draft = cx.fill(operation, &actor, None);
            let answer = cx.send(operation, &draft)?;
            let Some(status) = answer.exchange.status().filter(|_| answer.verdict == Verdict::Refused) else {
                let reason = format!("{name} does not refuse a request without a token, as other checks say");
                return Err(Stop::Inconclusive(reason));
            };
            if (300..400).contains(&status) || !says_why(cx, &answer) {
                let did = format!("asked {name} without a token");
                cx.found(&did, "a refusal that says why, and no redirect", &answer)?;
            }
            Ok(())
        })
        .at_most(Level::Should)
        .family(family_of(operation), 2);
}

/// Whether a refusal has a text for people, in whichever member: frameworks have names of their own for it.
fn says_why(cx: &Context<'_>, answer: &Answer<'_>) -> bool {
    const USUAL: [&str; 7] =
        ["/message", "/msg", "/detail", "/error", "/desc", "/title", "/error_description"];
    let Some(body) = answer.exchange.json.as_ref().filter(|body| body.is_object()) else {
        return !answer.exchange.text().trim().is_empty();
    };
    let message = cx.scheme.envelope.message.iter().map(String::as_str);
    let required = cx.scheme.schema(&cx.scheme.envelope.failure_schema).is_some_and(|schema| {
        let names = schema.value["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut names = names.map(|name| format!("/{name}"));
        names.any(|name| cx.scheme.envelope.message.contains(&name))
    });
    let said = |value: &Value| match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    };
    !required || message.chain(USUAL).any(|pointer| body.pointer(pointer).is_some_and(said))
}

/// Headers of a refusal that a clause speaks of.
fn headers_of_refusal(checks: &mut Checks<'_>, operation: &Operation) {
    let prefix = format!("{}.failure:header:", operation.name);
    let anchors = checks.scheme.clauses.iter().flat_map(|clause| &clause.about);
    let headers: Vec<String> =
        anchors.filter_map(|anchor| anchor.0.strip_prefix(&prefix)).map(str::to_owned).collect();
    for header in headers {
        let name = operation.name.clone();
        let sentence = format!("an unauthorised {name} is answered with {header}");
        checks.add(Group::Form, &sentence, &[format!("{prefix}{header}")], move |cx| {
            let answer = refused(cx, &name)?;
            if answer.exchange.status() == Some(401) && answer.exchange.header(&header).is_none() {
                let expected = format!("a header {header}");
                cx.found_in(&refused_how(&name), &expected, "no such header", &[answer.exchange])?;
            }
            Ok(())
        });
    }
}

fn family_of(operation: &Operation) -> &'static str {
    match operation.step {
        Step::Login => "refused-login",
        Step::Refresh => "refused-refresh",
        Step::Logout => "refused-logout",
        Step::Verify => "refused-verify",
        _ => "refused-use",
    }
}

fn refused_how(operation: &str) -> String {
    format!("asked {operation} with a wrong proof or token")
}

/// A refusal of an operation, for its form; whether it is refused at all is another check's affair.
fn refused<'t>(cx: &mut Context<'t>, name: &str) -> Result<Answer<'t>, Stop> {
    let operation = served(cx, name)?;
    let answer = match operation.step {
        Step::Login => {
            let actor = cx.actor()?;
            let mut attempt = cx.attempt(&actor)?;
            if operation.request_field(Role::Password).is_some() {
                attempt.actor.password = format!("not-{}", cx.random_hex(8));
            } else {
                attempt.signer = Some(crate::wallet::Wallet::random(&mut cx.rng));
            }
            cx.send_attempt(&attempt)?
        }
        Step::Refresh => {
            let session = cx.session()?;
            let garbage = format!("garbage-{}", cx.random_hex(24));
            cx.refresh_with(&session, &garbage)?
        }
        _ => {
            let session = cx.session()?;
            let mut draft = cx.authorized(operation, &session);
            if operation.auth == Auth::Signed {
                let stranger = crate::wallet::LoginKey::random(&mut cx.rng);
                cx.sign_request(operation, &mut draft, &stranger);
            } else {
                let garbage = format!("garbage-{}", cx.random_hex(24));
                draft.authorize(&garbage);
            }
            cx.send(operation, &draft)?
        }
    };
    if answer.accepted() {
        return Err(Stop::Inconclusive(format!(
            "{name} accepts a wrong proof or token, as another check says"
        )));
    }
    if answer.exchange.status().is_none() || answer.exchange.status() >= Some(500) {
        return Err(Stop::Inconclusive(format!(
            "{name} fails on a wrong proof or token, as a hygiene check says"
        )));
    }
    Ok(answer)
}
