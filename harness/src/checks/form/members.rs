//! Members of a request, one by one.

use super::{good_request, members_of, words};
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use countersign_spec::{Level, Operation, Place, Role, Schema, Step};
use serde_json::{Value, json};

/// Adds the checks of members left out, null, of another type, empty.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation, schema: &Schema) {
    for member in members_of(&schema.value) {
        let at = Place::Body(member.pointer.clone());
        let Some(field) = operation.request.fields.iter().find(|field| field.at == at) else { continue };
        let role = field.role;
        let anchor = format!("{}.request:{}", operation.name, member.pointer);
        let name = operation.name.clone();
        let called = words(&member.pointer);
        // A refresh token in the body may be optional beside the header: then leaving it out proves nothing.
        if member.required {
            let (place, name) = (at.clone(), name.clone());
            let sentence = format!("{name} without {called} is refused");
            let check = checks
                .add(Group::Form, &sentence, &["common.form.required-member", &anchor], move |cx| {
                    let (operation, mut draft) = good_request(cx, &name)?;
                    draft.remove(&place);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("asked {name} without the member {place}"))?;
                    if operation.step != Step::Login || operation.request_field(Role::Signature).is_none() {
                        return Ok(());
                    }
                    // Left out before signing as well, so that nothing but its absence is wrong.
                    let actor = cx.actor()?;
                    let mut attempt = cx.attempt(&actor)?;
                    attempt.without.push(place.clone());
                    attempt.optional = false;
                    let (operation, mut draft) = cx.write_attempt(&attempt)?;
                    draft.remove(&place);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(
                        &answer,
                        &format!("asked {name} without the member {place}, computed and signed accordingly"),
                    )
                })
                .family("members", 0);
            // Whom to look up must be said; a server that answers without the rest harms nobody.
            if operation.step == Step::Lookup && !matches!(role, Role::Address | Role::Identifier) {
                check.at_most(Level::May);
            }
        } else if field.role == Role::Note {
            let (place, name) = (at.clone(), name.clone());
            let sentence = format!("{name} with the optional {called} works");
            checks.add(Group::Form, &sentence, &["common.form.optional-member", &anchor], move |cx| {
                let (operation, mut draft) = good_request(cx, &name)?;
                draft.set(&place, json!("https://app.example.org/picture.png"));
                let answer = cx.send(operation, &draft)?;
                cx.must_accept(&answer, &format!("asked {name} with the optional member {place}"))?;
                // It may be refused; that nothing fails over it, the rules for every exchange say.
                for length in [300, 5_000, 70_000] {
                    let (operation, mut draft) = good_request(cx, &name)?;
                    draft.set(&place, json!("n".repeat(length)));
                    cx.send(operation, &draft)?;
                }
                Ok(())
            });
        }
        let proves = matches!(
            role,
            Role::Identifier
                | Role::Password
                | Role::Address
                | Role::Signature
                | Role::SignedText
                | Role::RefreshToken
                | Role::Timestamp
                | Role::PublicKey
        );
        if !proves || operation.step == Step::Challenge || operation.step == Step::Lookup {
            continue;
        }
        if !matches!(role, Role::Timestamp) {
            let (place, name) = (at.clone(), name.clone());
            let sentence = format!("{name} with a null {called} is refused");
            checks
                .add(Group::Form, &sentence, &["common.form.null-member", &anchor], move |cx| {
                    let (operation, mut draft) = good_request(cx, &name)?;
                    draft.set(&place, Value::Null);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("asked {name} with null as {place}"))
                })
                .at_most(Level::Should)
                .family("members", 1);
        }
        let may_be_empty = role == Role::Identifier && operation.request_field(Role::Signature).is_some();
        if !matches!(role, Role::Timestamp) && !may_be_empty {
            let (place, name) = (at.clone(), name.clone());
            let sentence = format!("{name} with an empty {called} is refused");
            checks
                .add(Group::Form, &sentence, &["common.form.empty-member", &anchor], move |cx| {
                    let (operation, mut draft) = good_request(cx, &name)?;
                    draft.set(&place, json!(""));
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("asked {name} with an empty text as {place}"))
                })
                .at_most(Level::Should)
                .family("members", 1);
        }
        let (place, name) = (at, name);
        let sentence = format!("{name} with another type of {called} is refused");
        checks
            .add(Group::Form, &sentence, &["common.form.mistyped-member", &anchor], move |cx| {
                let (operation, good) = good_request(cx, &name)?;
                let right = good.body.as_ref().and_then(|body| match &place {
                    Place::Body(pointer) => body.pointer(pointer).cloned(),
                    _ => None,
                });
                for wrong in wrong_types(right.as_ref()) {
                    let mut draft = good.clone();
                    draft.set(&place, wrong.clone());
                    let answer = cx.send(operation, &draft)?;
                    let kind = kind_of(&wrong);
                    cx.must_refuse(&answer, &format!("asked {name} with {kind} as {place}"))?;
                }
                if role == Role::Timestamp && operation.request_field(Role::Signature).is_some() {
                    mistyped_times(cx, operation, &place)?;
                }
                Ok(())
            })
            .at_most(Level::Should)
            .family("members", 2);
    }
}

/// Times that are no whole number of the document's unit, in a login that was computed and signed with them, so that nothing
/// else is wrong with it.
fn mistyped_times(cx: &mut Context<'_>, operation: &Operation, place: &Place) -> Result<(), Stop> {
    if operation.step != Step::Login {
        return Ok(());
    }
    let now = u64::try_from(cx.target.now().as_millis()).unwrap_or(u64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact")]
    let fraction = now as f64 + 0.5;
    for wrong in [json!(now.to_string()), json!(fraction), json!(-1)] {
        let actor = cx.actor()?;
        let mut attempt = cx.attempt(&actor)?;
        attempt.before.push((place.clone(), wrong.clone()));
        let answer = cx.send_attempt(&attempt)?;
        let did =
            format!("asked {} with {wrong} as {place}, computed and signed accordingly", operation.name);
        cx.must_refuse(&answer, &did)?;
    }
    Ok(())
}

/// Values of other JSON types; none of them could be read as the right one.
fn wrong_types(right: Option<&Value>) -> Vec<Value> {
    let mut wrong = vec![json!(true), json!({}), json!([])];
    match right {
        Some(Value::Number(_)) => wrong.extend([json!("soon"), json!(-1.5)]),
        _ => wrong.extend([json!(0), json!(12_345.678), json!({ "$ne": "" })]),
    }
    wrong
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Object(members) if members.is_empty() => "an object".to_owned(),
        other => other.to_string(),
    }
}
