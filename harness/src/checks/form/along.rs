//! What a caller sends along does not come back as what the server says.

use super::{good_request, members_of};
use crate::check::{Checks, Group};
use crate::context::{Answer, Context};
use crate::draft::{Draft, plain_text};
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::{Operation, Place, Role, Step};
use serde_json::{Map, Value, json};

/// A site that is nobody's (RFC 2606).
const ELSEWHERE: &str = "https://elsewhere.example/landing";
/// Names under which frameworks take where to go next from a caller.
const NEXT: [&str; 6] = ["redirect", "redirect_uri", "redirect_url", "next", "return_to", "callback"];
/// Claims that OAuth and OpenID Connect let a caller ask for, and what describes the caller's machine.
const OFFERED: [&str; 10] =
    ["aud", "azp", "client_id", "device", "device_id", "lang", "locale", "nonce", "scope", "scp"];
/// A number that no answer holds by chance.
const NUMBER: u32 = 1_987_654_321;

/// Adds the check for each operation that gives something out.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    if operation.request.schema.is_none() || !matches!(operation.step, Step::Login | Step::Refresh) {
        return;
    }
    let name = operation.name.clone();
    let sentence = format!("{name} takes nothing of its answer from the request");
    checks.add(Group::Form, &sentence, &["common.form.answer-is-the-servers"], move |cx| {
        let before = claims_before(cx, &name)?;
        for way in [Way::Members, Way::Query, Way::Headers] {
            let (operation, mut draft) = good_request(cx, &name)?;
            let along = members_along(cx, operation, &draft, &before);
            way.add(&mut draft, &along);
            let answer = cx.send(operation, &draft)?;
            for taken in [taken_over(&along, &answer), claims_taken(&along, &before, &answer)].concat() {
                let did = format!("asked {name} with everything right and {} along", way.what());
                let got = format!("{taken}; {}", answer.exchange.got());
                let expected = "an answer in which nothing of it stands";
                cx.found_in(&did, expected, &got, std::slice::from_ref(&answer.exchange))?;
            }
        }
        Ok(())
    });
}

/// How it is sent along.
#[derive(Debug, Clone, Copy)]
enum Way {
    Members,
    Query,
    Headers,
}

impl Way {
    const fn what(self) -> &'static str {
        match self {
            Self::Members => "members named like those of the answer",
            Self::Query => "parameters named like the members of the answer",
            Self::Headers => "headers that name another site",
        }
    }

    fn add(self, draft: &mut Draft, along: &[Along]) {
        for one in along {
            match self {
                Self::Members => draft.set(&Place::Body(format!("/{}", one.name)), one.value.clone()),
                Self::Query if one.value.is_object() || one.value.is_array() => {}
                Self::Query => draft.query.push((one.name.clone(), plain_text(&one.value))),
                Self::Headers => {}
            }
        }
        if matches!(self, Self::Headers) {
            for name in ["x-forwarded-host", "x-original-url", "referer"] {
                draft.set_header(
                    name,
                    if name == "x-forwarded-host" { "elsewhere.example" } else { ELSEWHERE },
                );
            }
        }
    }
}

/// A member that is sent along, and where it would stand in an answer.
#[derive(Debug, Clone)]
struct Along {
    name: String,
    value: Value,
    /// In the body of a success.
    at: Option<String>,
    /// In the claims of a token.
    claim: bool,
}

/// The claims of a token that the operation gives when nothing is sent along.
fn claims_before(cx: &mut Context<'_>, name: &str) -> Result<Map<String, Value>, Stop> {
    let (operation, draft) = good_request(cx, name)?;
    let answer = cx.send(operation, &draft)?;
    cx.control(&answer, &format!("asking {name} with everything right"))?;
    Ok(answer
        .text(Role::AccessToken)
        .and_then(|token| Jwt::read(&token))
        .map(|jwt| jwt.claims)
        .unwrap_or_default())
}

/// Another value of the same type, which no server would choose.
fn another(value: &Value, text: &str) -> Value {
    match value {
        Value::String(_) => json!(text),
        Value::Number(_) => json!(NUMBER),
        Value::Bool(is) => json!(!is),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), another(value, text)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| another(item, text)).collect(),
        Value::Null => Value::Null,
    }
}

/// Values that are no object, each with its place and the last name in it.
fn leaves(value: &Value, at: &str, name: &str, into: &mut Vec<(String, String, Value)>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| leaves(value, &format!("{at}/{name}"), name, into));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, item)| leaves(item, &format!("{at}/{nth}"), name, into));
        }
        Value::Null => {}
        other => into.push((at.to_owned(), name.to_owned(), other.clone())),
    }
}

fn leaves_of(claims: &Map<String, Value>) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    leaves(&Value::Object(claims.clone()), "", "", &mut found);
    found
}

fn members_along(
    cx: &mut Context<'_>,
    operation: &Operation,
    draft: &Draft,
    before: &Map<String, Value>,
) -> Vec<Along> {
    let sent = |name: &str| {
        let in_body =
            draft.body.as_ref().and_then(Value::as_object).is_some_and(|body| body.contains_key(name));
        in_body || operation.request.fields.iter().any(|field| field.at.name() == name)
    };
    let mut along: Vec<Along> = Vec::new();
    let members = cx.scheme.schema(&operation.success.schema).map(|schema| members_of(&schema.value));
    let redirect = operation.success_field(Role::Redirect).map(|field| field.at.to_string());
    for member in members.unwrap_or_default() {
        let name = member.pointer.rsplit('/').next().unwrap_or_default().to_owned();
        let value = match member.schema["type"].as_str() {
            _ if redirect.as_ref() == Some(&member.pointer) => json!(ELSEWHERE),
            Some("integer" | "number") => json!(NUMBER),
            Some("string") => json!(format!("along-{}", cx.random_hex(8))),
            _ => continue,
        };
        along.push(Along { name, value, at: Some(member.pointer), claim: false });
    }
    let text = format!("along-{}", cx.random_hex(8));
    let wholes = before.iter().map(|(name, value)| (name.clone(), value.clone()));
    let parts = leaves_of(before).into_iter().map(|(_, name, value)| (name, value));
    for (name, value) in wholes.chain(parts).filter(|(name, _)| !OFFERED.contains(&name.as_str())) {
        along.push(Along { name, value: another(&value, &text), at: None, claim: true });
    }
    for claim in cx.scheme.tokens.access.iter().flat_map(|access| {
        access.expiry_claims.iter().chain(&access.issued_claims).chain(&access.identity_claims)
    }) {
        along.push(Along { name: claim.clone(), value: json!(NUMBER), at: None, claim: true });
    }
    for name in NEXT {
        along.push(Along { name: name.to_owned(), value: json!(ELSEWHERE), at: None, claim: false });
    }
    let mut known = std::collections::BTreeSet::new();
    along.retain(|one| !sent(&one.name) && known.insert(one.name.clone()));
    along
}

/// What of it stands in an answer where the server should speak: in a documented member, or as the way to go.
fn taken_over(along: &[Along], answer: &Answer<'_>) -> Vec<String> {
    let body = answer.exchange.json.as_ref();
    let at = |pointer: &str| body.and_then(|body| body.pointer(pointer));
    let redirect = answer.operation.success_field(Role::Redirect).map(|field| field.at.to_string());
    let members = along.iter().filter(|one| one.at != redirect).filter_map(|one| {
        let pointer = one.at.as_deref()?;
        (at(pointer) == Some(&one.value)).then(|| format!("{pointer} is {}", one.value))
    });
    let away = redirect.as_ref().and_then(|pointer| {
        let text = at(pointer)?.as_str()?;
        text.contains("elsewhere.example").then(|| format!("{pointer} is `{text}`"))
    });
    let location = answer
        .exchange
        .header("location")
        .filter(|value| value.contains("elsewhere.example"))
        .map(|value| format!("the header Location is {value}"));
    members.chain(away).chain(location).collect()
}

/// Which claims of the access token have the values that were sent along.
fn claims_taken(along: &[Along], before: &Map<String, Value>, answer: &Answer<'_>) -> Vec<String> {
    let Some(jwt) = answer.text(Role::AccessToken).and_then(|token| Jwt::read(&token)) else {
        return Vec::new();
    };
    let mut sent = Vec::new();
    for one in along.iter().filter(|one| one.claim) {
        leaves(&one.value, &format!("/{}", one.name), &one.name, &mut sent);
    }
    let claims = Value::Object(before.clone());
    let taken = |(at, name, value): &(String, String, Value)| {
        let changed = claims.pointer(at) != Some(value);
        changed && sent.iter().any(|(_, known, other)| known == name && other == value)
    };
    let all = leaves_of(&jwt.claims).into_iter().filter(taken);
    all.map(|(at, _, value)| format!("the token's claim `{}` is {value}", at.trim_start_matches('/')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_value_has_the_type_and_differs_in_every_leaf() {
        let claims = json!({ "exp": 5, "attributes": { "role": "0", "on": true }, "list": ["a"] });
        let other = another(&claims, "x");
        assert_eq!(
            other,
            json!({ "exp": NUMBER, "attributes": { "role": "x", "on": false }, "list": ["x"] })
        );
        let names: Vec<String> =
            leaves_of(claims.as_object().unwrap()).into_iter().map(|(at, _, _)| at).collect();
        assert_eq!(names, ["/attributes/on", "/attributes/role", "/exp", "/list/0"]);
    }
}
