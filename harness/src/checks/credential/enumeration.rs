//! Whether a name exists is not told to whoever lacks its secret.

use super::try_login;
use crate::check::{Checks, Group};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::judge;
use countersign_spec::{Place, Role};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Adds the checks that compare the refusals of a known and an unknown name.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "a wrong secret and an unknown account are answered alike",
            &["common.credential.no-enumeration"],
            |cx| {
                let [known, known_again, unknown, unknown_again] = four_refusals(cx)?;
                documents_unknown(cx, &unknown)?;
                for what in differences(cx, [&known, &known_again], [&unknown, &unknown_again]) {
                    let got = format!(
                        "{what}; for a known name: {}; for an unknown one: {}",
                        known.exchange.got(),
                        unknown.exchange.got()
                    );
                    let did = "logged in with a wrong secret, twice for a known and twice for unknown names";
                    let exchanges = [&known, &unknown].map(|answer| answer.exchange.clone());
                    cx.found_in(did, "the same status and the same body", &got, &exchanges)?;
                }
                Ok(())
            },
        )
        .family("enumeration", 0);
    checks
        .add(
            Group::Credential,
            "a wrong secret and an unknown account have the same headers",
            &["common.credential.no-enumeration-headers"],
            |cx| {
                let [known, known_again, unknown, unknown_again] = four_refusals(cx)?;
                documents_unknown(cx, &unknown)?;
                let names = |answer: &Answer<'_>| -> BTreeSet<String> {
                    let headers = answer
                        .exchange
                        .outcome
                        .as_ref()
                        .map(|response| response.headers.clone())
                        .unwrap_or_default();
                    let passing = [
                        "set-cookie",
                        "retry-after",
                        "connection",
                        "keep-alive",
                        "date",
                        "content-length",
                        "transfer-encoding",
                    ];
                    let telling = |name: &String| {
                        !passing.contains(&name.as_str())
                            && !name.contains("ratelimit")
                            && !name.contains("rate-limit")
                    };
                    headers.into_iter().map(|(name, _)| name).filter(telling).collect()
                };
                let (left, right) = (names(&known), names(&unknown));
                let passing: BTreeSet<String> = [(&left, &known_again), (&right, &unknown_again)]
                    .into_iter()
                    .flat_map(|(one, other)| {
                        one.symmetric_difference(&names(other)).cloned().collect::<Vec<_>>()
                    })
                    .collect();
                // What comes and goes for one name tells nothing.
                let difference: Vec<&String> =
                    left.symmetric_difference(&right).filter(|name| !passing.contains(*name)).collect();
                let value = |answer: &Answer<'_>, name: &str| answer.exchange.header(name).map(str::to_owned);
                let told = left.intersection(&right).filter(|name| *name != "etag").filter_map(|name| {
                    let known =
                        value(&known, name).filter(|one| Some(one) == value(&known_again, name).as_ref())?;
                    let unknown = value(&unknown, name)
                        .filter(|one| Some(one) == value(&unknown_again, name).as_ref())?;
                    (known != unknown)
                        .then(|| format!("{name} is `{known}` for a known name and `{unknown}` else"))
                });
                let exchanges = [&known, &unknown].map(|answer| answer.exchange.clone());
                for got in told {
                    let did = "logged in with a wrong secret, twice for a known and twice for unknown names";
                    cx.found_in(did, "the same headers", &got, &exchanges)?;
                }
                if !difference.is_empty() {
                    let got = format!("only one of them has {difference:?}");
                    let did = "logged in with a wrong secret, once for a known and once for an unknown name";
                    cx.found_in(did, "the same headers", &got, &exchanges)?;
                }
                Ok(())
            },
        )
        .family("enumeration", 1);
    checks
        .add(
            Group::Credential,
            "an odd wrong secret and an unknown account are answered alike",
            &["common.credential.no-enumeration"],
            odd_secrets,
        )
        .family("enumeration", 1);
}

/// Wrong secrets of kinds that some servers look at after they have looked the account up.
fn odd_secrets(cx: &mut Context<'_>) -> Result<(), Stop> {
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    let random = cx.random_hex(513);
    let long = |length: usize| random.chars().cycle().take(length).collect::<String>();
    for (what, secret) in [
        ("of 65 characters", long(65)),
        ("of 129 characters", long(129)),
        ("of 257 characters", long(257)),
        ("of 1,025 characters", long(1_025)),
        ("that is empty", String::new()),
        ("with control characters", format!("wrong\u{1}\u{7f}\u{0}{}", long(8))),
    ] {
        let known = try_login(cx, &json!(actor.identifier), &json!(secret))?;
        let stranger = stranger_like(cx, &actor.identifier);
        let unknown = try_login(cx, &json!(stranger), &json!(secret))?;
        // That nothing is let in, and nothing fails, is other checks' affair.
        let refused = |answer: &Answer<'_>| answer.verdict == judge::Verdict::Refused;
        if !refused(&known) || !refused(&unknown) {
            continue;
        }
        documents_unknown(cx, &unknown)?;
        if differences(cx, [&known, &known], [&unknown, &unknown]).is_empty() {
            // A right login in between, so that no number of wrong ones locks the account.
            cx.log_in(&actor)?;
            continue;
        }
        let known_again = try_login(cx, &json!(actor.identifier), &json!(secret))?;
        let stranger = stranger_like(cx, &actor.identifier);
        let unknown_again = try_login(cx, &json!(stranger), &json!(secret))?;
        let exchanges = [known.exchange.clone(), unknown.exchange.clone()];
        for told in differences(cx, [&known, &known_again], [&unknown, &unknown_again]) {
            let got = format!(
                "{told}; for a known name: {}; for an unknown one: {}",
                known.exchange.got(),
                unknown.exchange.got()
            );
            let did = format!(
                "logged in with a wrong secret {what}, twice for a known and twice for unknown names"
            );
            let expected = "the same status and the same body";
            cx.found_in(&did, expected, &got, &exchanges)?;
        }
        cx.log_in(&actor)?;
    }
    Ok(())
}

/// Refusals of a wrong secret: two for a known name and two for names that nobody has.
fn four_refusals<'t>(cx: &mut Context<'t>) -> Result<[Answer<'t>; 4], Stop> {
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    let (one, other) = (stranger_like(cx, &actor.identifier), stranger_like(cx, &actor.identifier));
    Ok([
        wrong_secret(cx, &actor.identifier)?,
        wrong_secret(cx, &actor.identifier)?,
        wrong_secret(cx, &one)?,
        wrong_secret(cx, &other)?,
    ])
}

/// A login with a random secret, which has to be refused.
pub(in crate::checks) fn wrong_secret<'t>(cx: &mut Context<'t>, name: &str) -> Result<Answer<'t>, Stop> {
    let secret = format!("wrong-{}", cx.random_hex(12));
    let answer = try_login(cx, &json!(name), &json!(secret))?;
    if answer.verdict != judge::Verdict::Refused {
        return Err(Stop::Inconclusive(
            "a wrong secret or name is not refused, as other checks say".to_owned(),
        ));
    }
    Ok(answer)
}

/// What tells two kinds of refusals apart: only what both refusals of a kind have in common counts. Those of different status
/// are not compared any further.
pub(in crate::checks) fn differences(
    cx: &Context<'_>,
    left: [&Answer<'_>; 2],
    right: [&Answer<'_>; 2],
) -> Vec<String> {
    let outlines = |kind: [&Answer<'_>; 2]| kind.map(|answer| outline(cx, answer));
    telling(&outlines(left), &outlines(right))
}

type Outline = (Option<u16>, Vec<(String, String)>);

fn telling(left: &[Outline; 2], right: &[Outline; 2]) -> Vec<String> {
    let status = |kind: &[Outline; 2]| (kind[0].0 == kind[1].0).then_some(kind[0].0).flatten();
    if let (Some(one), Some(other)) = (status(left), status(right))
        && one != other
    {
        return vec![format!("HTTP {one} against HTTP {other}")];
    }
    let members = |of: &Outline| of.1.iter().cloned().collect::<BTreeMap<_, _>>();
    let [left, right] = [left, right].map(|kind| [members(&kind[0]), members(&kind[1])]);
    // The value that a kind has at a place each time; `None` where it never has one.
    let stable = |kind: &[BTreeMap<String, String>; 2], at: &String| {
        let values = kind.each_ref().map(|members| members.get(at).cloned());
        let [first, second] = values;
        (first == second).then_some(first)
    };
    let places: BTreeSet<&String> = left.iter().chain(&right).flat_map(BTreeMap::keys).collect();
    let differs = |at: &&String| match (stable(&left, at), stable(&right, at)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    };
    places.into_iter().filter(differs).map(|at| format!("{at} differs")).collect()
}

/// Whether the API documents the code with which an unknown account was refused: telling it is then the document's will.
///
/// # Errors
/// Not applicable where it does.
pub(super) fn documents_unknown(cx: &Context<'_>, answer: &Answer<'_>) -> Result<(), Stop> {
    let envelope = &cx.scheme.envelope;
    let body = answer.exchange.json.as_ref();
    let code = body
        .and_then(|body| envelope.code.iter().find_map(|pointer| body.pointer(pointer)))
        .and_then(Value::as_i64);
    if code.is_some_and(|code| envelope.unknown_account_codes.contains(&code)) {
        return Err(Stop::NotApplicable(
            "the API documents a code of its own for an unknown account".to_owned(),
        ));
    }
    Ok(())
}

/// A name of the same length and kind, so that only its existence differs.
pub(super) fn stranger_like(cx: &mut Context<'_>, name: &str) -> String {
    let random = cx.random_hex(name.len());
    name.chars()
        .zip(random.chars())
        .map(|(old, new)| if old.is_ascii_alphanumeric() { new } else { old })
        .collect()
}

/// Status, and every member but those that differ from request to request anyway.
fn outline(cx: &Context<'_>, answer: &Answer<'_>) -> Outline {
    fn walk(value: &Value, at: &str, into: &mut Vec<(String, String)>) {
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| walk(value, &format!("{at}/{name}"), into))
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, value)| walk(value, &format!("{at}/{index}"), into)),
            other => into.push((at.to_owned(), other.to_string())),
        }
    }
    let mut members = Vec::new();
    match &answer.exchange.json {
        Some(body) => walk(body, "", &mut members),
        None => members.push((String::new(), answer.exchange.text())),
    }
    let telling: Vec<&String> = cx.scheme.envelope.code.iter().chain(&cx.scheme.envelope.message).collect();
    for (pointer, value) in &mut members {
        let passing = [
            "time",
            "timestamp",
            "request_id",
            "requestid",
            "trace",
            "traceid",
            "trace_id",
            "id",
            "date",
            "path",
        ];
        let name = pointer.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if passing.contains(&name.as_str()) && !telling.iter().any(|known| *known == pointer) {
            value.clear();
        }
        // A text that quotes the name it was sent tells nothing of whether the name exists.
        for sent in sent_names(answer) {
            *value = value.replace(&sent, "");
        }
    }
    (answer.exchange.status(), members)
}

fn sent_names(answer: &Answer<'_>) -> Vec<String> {
    let body: Value = serde_json::from_slice(&answer.exchange.request.body.bytes()).unwrap_or_default();
    let field = answer.operation.request_field(Role::Identifier);
    let name = field.and_then(|field| match &field.at {
        Place::Body(pointer) => body.pointer(pointer).and_then(Value::as_str).map(str::to_owned),
        _ => None,
    });
    name.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(data: &str) -> Outline {
        (Some(401), vec![("/code".to_owned(), "401".to_owned()), ("/data".to_owned(), data.to_owned())])
    }

    #[test]
    fn only_what_is_the_same_each_time_tells_anything() {
        let alike = [outline("a"), outline("a")];
        let none: [&str; 0] = [];
        assert_eq!(telling(&alike, &[outline("b"), outline("b")]), ["/data differs"]);
        assert_eq!(telling(&alike, &[outline("b"), outline("c")]), none);
        assert_eq!(telling(&[outline("b"), outline("d")], &alike), none);
        let bare = || (Some(401), vec![("/code".to_owned(), "401".to_owned())]);
        assert_eq!(telling(&alike, &[bare(), bare()]), ["/data differs"]);
        assert_eq!(telling(&[outline("b"), outline("d")], &[bare(), bare()]), none);
        let absent = || (Some(404), Vec::new());
        assert_eq!(telling(&[bare(), bare()], &[absent(), absent()]), ["HTTP 401 against HTTP 404"]);
        let coded = || (Some(401), vec![("/code".to_owned(), "404".to_owned())]);
        assert_eq!(telling(&alike, &[coded(), coded()]), ["/code differs", "/data differs"]);
    }
}
