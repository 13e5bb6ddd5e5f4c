//! Values that are computed from members and stand in the signed text.

use super::refuse;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::Draft;
use crate::finding::Stop;
use crate::flow::Derive;
use crate::wallet::{LoginKey, Wallet};
use countersign_spec::{Level, Operation, Place, Role, Step};
use serde_json::{Value, json};

/// Characters of a computed value: 28 bytes in hex.
const DIGITS: usize = 56;

/// Adds the checks of computed values, where the scheme has some.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.proof.derived.is_empty() {
        return;
    }
    for (sentence, clause, how, did) in [
        (
            "a value computed with another hash is refused",
            "common.proof.hash-function",
            Derive::SiblingHash,
            "computed the value in the text with the hash's pre-standard sibling",
        ),
        (
            "a value computed with an older hash is refused",
            "common.proof.hash-function",
            Derive::OlderHash,
            "computed the value in the text with an older hash of the same length",
        ),
        (
            "a value computed in another order is refused",
            "common.proof.derived-value",
            Derive::Reversed,
            "computed the value in the text over the members in reverse order",
        ),
        (
            "a value that is right in its beginning only is refused",
            "common.proof.derived-value",
            Derive::Beginning,
            "wrote a value into the text of which only the first eight characters are right",
        ),
    ] {
        checks
            .add(Group::Proof, sentence, &[clause], move |cx| {
                refuse(cx, did, move |_, attempt| attempt.derive = how)
            })
            .family("derived", 1);
    }
    checks
        .add(
            Group::Proof,
            "a value computed with two members swapped is refused",
            &["common.proof.derived-value"],
            |cx| {
                let members =
                    cx.scheme.proof.derived.values().map(|derived| derived.of.len()).max().unwrap_or(0);
                for at in 1..members {
                    let did = format!(
                        "computed the value in the text with its members {at} and {} swapped",
                        at + 1
                    );
                    refuse(cx, &did, |_, attempt| attempt.derive = Derive::Swapped(at))?;
                }
                Ok(())
            },
        )
        .family("derived", 1);
    checks
        .add(
            Group::Proof,
            "a value with one character changed is refused",
            &["common.proof.derived-value"],
            |cx| {
                for at in (0..DIGITS).step_by(9) {
                    let did = format!(
                        "wrote a value into the text of which character {} of {DIGITS} is wrong",
                        at + 1
                    );
                    refuse(cx, &did, |_, attempt| attempt.derive = Derive::OneOff(at))?;
                }
                Ok(())
            },
        )
        .family("derived", 1);
    checks
        .add(Group::Proof, "a value cut short is refused", &["common.proof.derived-value"], |cx| {
            for length in [0, 1, 8, 16, DIGITS / 2, DIGITS - 1] {
                let did = format!("wrote only the first {length} characters of the value into the text");
                refuse(cx, &did, |_, attempt| attempt.derive = Derive::Cut(length))?;
            }
            Ok(())
        })
        .family("derived", 1);
    checks
        .add(
            Group::Proof,
            "a value computed without one of its members is refused",
            &["common.proof.derived-value"],
            |cx| {
                let members: Vec<Place> =
                    cx.scheme.proof.derived.values().flat_map(|derived| derived.of.clone()).collect();
                for (at, place) in members.iter().enumerate() {
                    let did = format!("computed the value in the text without {place}");
                    refuse(cx, &did, |_, attempt| attempt.derive = Derive::Without(at))?;
                }
                Ok(())
            },
        )
        .family("derived", 1);
    checks
        .add(
            Group::Proof,
            "a computed value in upper case is refused",
            &["common.proof.derived-value"],
            |cx| {
                refuse(cx, "wrote the computed value in upper case", |_, attempt| {
                    attempt.derive = Derive::UpperCase
                })
            },
        )
        .at_most(Level::May);
    checks
        .add(
            Group::Proof,
            "a text without the computed value is refused",
            &["common.proof.derived-value"],
            |cx| {
                let placeholders: Vec<String> =
                    cx.scheme.proof.derived.keys().map(|name| format!("{{{name}}}")).collect();
                refuse(cx, "signed a text that lacks the computed value", move |cx, attempt| {
                    if let Some(form) = &mut attempt.form {
                        for placeholder in &placeholders {
                            form.template = form.template.replace(placeholder, &cx.random_hex(28));
                        }
                    }
                })
            },
        )
        .family("derived", 0);
    checks
        .add(
            Group::Proof,
            "any text of the wallet in place of the documented one is refused",
            &["common.proof.derived-value"],
            |cx| {
                refuse(cx, "signed a text of a few words", |_, attempt| {
                    if let Some(form) = &mut attempt.form {
                        form.template = "I log in.".to_owned();
                    }
                })
            },
        )
        .family("derived", 0);
    checks
        .add(
            Group::Proof,
            "members split at another character are refused",
            &["common.proof.derived-value"],
            split_elsewhere,
        )
        .family("derived", 1);
    other_kinds(checks);
    let bound: Vec<Place> = checks.scheme.proof.binds.clone();
    for place in bound {
        let sentence = format!(
            "{} that does not belong to the computed value is refused",
            place.name().to_ascii_lowercase().replace('_', " ")
        );
        let anchor = checks
            .scheme
            .step(Step::Login)
            .map(|login| format!("{}.request:{place}", login.name))
            .unwrap_or_default();
        let place = place.clone();
        checks
            .add(Group::Proof, &sentence, &["common.proof.derived-value", &anchor], move |cx| {
                let actor = cx.actor()?;
                // A good one goes first: a target that remembers good signatures must not take them for more.
                let (operation, mut draft) = plain_login(cx, &actor)?;
                let right = draft.body.as_ref().and_then(|body| match &place {
                    Place::Body(pointer) => body.pointer(pointer).cloned(),
                    _ => None,
                });
                let role =
                    operation.request.fields.iter().find(|field| field.at == place).map(|field| field.role);
                let Some(right) = right else { return Ok(()) };
                let mut others = vec![
                    ("a value one character away", near(&right)),
                    ("another value", another(cx, &right, role)),
                ];
                if matches!(role, Some(Role::Identifier | Role::PublicKey)) {
                    others.push(("a value with another middle", middle(&right)));
                    others.push(("a value with another beginning", beginning(&right)));
                }
                // What another account really uses, which a look at known values alone would let pass.
                let neighbour = cx.other_actor()?;
                cx.log_in(&neighbour)?;
                if role == Some(Role::Constant) {
                    let text = right.as_str().unwrap_or_default();
                    others.extend([
                        ("nothing", json!("")),
                        ("the value in upper case", json!(text.to_ascii_uppercase())),
                        ("a longer value", json!(format!("{text}ereum"))),
                    ]);
                }
                match role {
                    Some(Role::Identifier) => {
                        others.push(("another account's value", json!(neighbour.identifier)));
                        others.extend(alike(right.as_str().unwrap_or_default()));
                    }
                    Some(Role::Address) => others.push(("another account's value", json!(neighbour.address))),
                    Some(Role::PublicKey) => {
                        others.push(("another account's value", json!(neighbour.login_key.public_hex())))
                    }
                    _ => {}
                }
                for (what, wrong) in others {
                    if wrong == right {
                        continue;
                    }
                    draft.set(&place, wrong.clone());
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(
                        &answer,
                        &format!("changed {place} to {what} after computing and signing"),
                    )?;
                    let fresh = cx.actor()?;
                    let mut attempt = cx.attempt(&fresh)?;
                    attempt.derive_with.push((place.clone(), wrong));
                    let answer = cx.send_attempt(&attempt)?;
                    cx.must_refuse(
                        &answer,
                        &format!(
                            "computed the value in the text with {what} as {place}, and signed that text"
                        ),
                    )?;
                }
                Ok(())
            })
            .family("derived", 1);
    }
}

/// Words that the document fixes have no other value, not even where everything is computed and signed with it.
fn other_kinds(checks: &mut Checks<'_>) {
    let Some(login) = checks.scheme.step(Step::Login) else { return };
    let schema = login.request.schema.as_ref().and_then(|file| checks.scheme.schema(file));
    let fixed = |place: &Place| match (schema, place) {
        (Some(schema), Place::Body(pointer)) => {
            let member = schema.value.pointer(&format!("/properties{pointer}"));
            member.is_some_and(|member| member.get("const").or_else(|| member.get("enum")).is_some())
        }
        _ => false,
    };
    let places: Vec<Place> = checks.scheme.proof.binds.iter().filter(|place| fixed(place)).cloned().collect();
    for place in places {
        let anchor = format!("{}.request:{place}", login.name);
        let word = place.name().to_ascii_lowercase().replace('_', " ");
        checks
            .add(
                Group::Proof,
                &format!("a login with an unknown {word} is refused although it is signed"),
                &[anchor],
                move |cx| {
                    let kind = format!("x{}", cx.random_hex(3));
                    let did =
                        format!("logged in with `{kind}` as {place}, computed and signed as it was sent");
                    refuse(cx, &did, |_, attempt| {
                        attempt.before.push((place.clone(), json!(kind)));
                        // Headers that repeat it would name another kind.
                        attempt.optional = false;
                    })
                },
            )
            .at_most(Level::Should)
            .family("derived", 2);
    }
}

/// A login that was let in, without the headers that repeat its members where the target asks for none: they would give a
/// changed member away.
fn plain_login<'t>(cx: &mut Context<'t>, actor: &Actor) -> Result<(&'t Operation, Draft), Stop> {
    let mut attempt = cx.attempt(actor)?;
    attempt.optional = false;
    let (operation, draft) = cx.write_attempt(&attempt)?;
    if cx.send(operation, &draft)?.accepted() {
        return Ok((operation, draft));
    }
    let attempt = cx.attempt(actor)?;
    let (operation, draft) = cx.write_attempt(&attempt)?;
    let answer = cx.send(operation, &draft)?;
    cx.control(&answer, "a login with everything right")?;
    Ok((operation, draft))
}

/// The value is computed over members without separators: a character that moves from one to the next changes neither it
/// nor the signature, only who logs in with what.
fn split_elsewhere(cx: &mut Context<'_>) -> Result<(), Stop> {
    let lists: Vec<Vec<Place>> = cx.scheme.proof.derived.values().map(|derived| derived.of.clone()).collect();
    for pair in lists.iter().flat_map(|list| list.windows(2)) {
        let [left, right] = pair else { continue };
        if takes_anything(cx, left)? || takes_anything(cx, right)? {
            continue;
        }
        for forward in [true, false] {
            let actor = cx.actor()?;
            let (operation, mut draft) = plain_login(cx, &actor)?;
            let (Some(a), Some(b)) = (draft.text(left), draft.text(right)) else { continue };
            let joined = format!("{a}{b}");
            let at = if forward { a.len().saturating_sub(1) } else { a.len() + 1 };
            let (Some(a), Some(b)) = (joined.get(..at), joined.get(at..)) else { continue };
            for (place, text) in [(left, a), (right, b)] {
                // Numbers stay numbers.
                let number = draft.value(place).is_some_and(|value| value.is_number());
                let value = text.parse::<u64>().ok().filter(|_| number && !text.starts_with('0'));
                draft.set(place, value.map_or_else(|| json!(text), |number| json!(number)));
            }
            let answer = cx.send(operation, &draft)?;
            let did = format!("logged in, then moved a character between {left} and {right}");
            cx.must_refuse(&answer, &did)?;
        }
    }
    Ok(())
}

/// Whether a word that the document fixes may be any other here: then it is no part of who logs in with what.
fn takes_anything(cx: &mut Context<'_>, place: &Place) -> Result<bool, Stop> {
    let operation = cx.step(Step::Login)?;
    let fields = &operation.request.fields;
    if !fields.iter().any(|field| field.at == *place && field.role == Role::Constant) {
        return Ok(false);
    }
    let actor = cx.actor()?;
    let mut attempt = cx.attempt(&actor)?;
    attempt.optional = false;
    attempt.before.push((place.clone(), json!("anything")));
    Ok(cx.send_attempt(&attempt)?.accepted())
}

/// A value of the same kind that differs in its last character.
fn near(right: &Value) -> Value {
    match right {
        // Of times an earlier one: a later one may be that of the next request.
        Value::Number(number) => json!(number.as_u64().unwrap_or_default().saturating_sub(1)),
        Value::String(text) => {
            let mut characters: Vec<char> = text.chars().collect();
            match characters.last_mut() {
                Some(last) => *last = if *last == '0' { '1' } else { '0' },
                None => characters.push('0'),
            }
            json!(characters.into_iter().collect::<String>())
        }
        other => other.clone(),
    }
}

/// Texts that careless code takes for this one.
fn alike(right: &str) -> [(&'static str, Value); 5] {
    let wide: String = right
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xfee0).filter(|_| c.is_ascii_graphic()).unwrap_or(c))
        .collect();
    [
        ("the value and a character beyond ASCII", json!(format!("{right}\u{e9}"))),
        ("the value and a space", json!(format!("{right} "))),
        ("the value in upper case", json!(right.to_ascii_uppercase())),
        ("the value in wide letters", json!(wide)),
        ("the value, NUL and a letter", json!(format!("{right}\0x"))),
    ]
}

/// A text that differs in the middle.
fn middle(right: &Value) -> Value {
    other_at(right, right.as_str().unwrap_or_default().chars().count() / 2)
}

/// A text that differs in its first character.
fn beginning(right: &Value) -> Value {
    other_at(right, 0)
}

/// A text that differs in this character.
fn other_at(right: &Value, at: usize) -> Value {
    let mut characters: Vec<char> = right.as_str().unwrap_or_default().chars().collect();
    if let Some(character) = characters.get_mut(at) {
        *character = if *character == '0' { '1' } else { '0' };
    }
    json!(characters.into_iter().collect::<String>())
}

/// Another value of the same kind.
fn another(cx: &mut Context<'_>, right: &Value, role: Option<Role>) -> Value {
    match (role, right) {
        (Some(Role::Address), _) => json!(Wallet::random(&mut cx.rng).lower_address()),
        (Some(Role::PublicKey), _) => json!(LoginKey::random(&mut cx.rng).public_hex()),
        (_, Value::Number(number)) => json!(number.as_u64().unwrap_or_default() + 86_400_000),
        (Some(Role::Identifier), Value::String(_)) => json!(format!("user:{}", cx.random_hex(28))),
        (_, Value::String(text)) => json!(format!("{text}x")),
        (_, other) => other.clone(),
    }
}
