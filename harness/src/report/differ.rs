//! Where an answer differs from the documented example of what was expected instead.
//!
//! Shapes are compared, not values: members that are missing or more, types that changed, and the result code, whose value
//! tells success from refusal. It says nothing where the finding expected neither a success nor a refusal as documented.

use super::model::Difference;
use crate::exchange::{Exchange, cut};
use crate::finding::Finding;
use crate::judge;
use crate::redact::Secrets;
use countersign_spec::{Operation, Scheme};
use serde_json::Value;

/// More would be no small diff; whoever needs it all has the bodies.
const MOST: usize = 12;

/// Characters of a pointer: names of members come from the target.
const LONGEST: usize = 80;

/// The differences, gravest first: status, then the body from the top.
#[must_use]
pub fn differences(finding: &Finding, scheme: &Scheme, secrets: &Secrets) -> Vec<Difference> {
    let compared = finding.exchanges.last().and_then(|exchange| {
        let operation = scheme.operation(&exchange.operation)?;
        let success = expects_success(finding, scheme, operation)?;
        compare(exchange, scheme, operation, success)
    });
    let mut differences = compared.unwrap_or_default();
    differences.truncate(MOST);
    for difference in &mut differences {
        difference.at = cut(&secrets.hide(&difference.at), LONGEST);
        difference.got = difference.got.take().map(|got| cut(&secrets.hide(&got), LONGEST));
    }
    differences
}

/// Whether the finding expected the documented success, or the documented refusal, or neither.
fn expects_success(finding: &Finding, scheme: &Scheme, operation: &Operation) -> Option<bool> {
    let body = format!("a body as {} says", operation.success.schema);
    if finding.expected == judge::describe_success(scheme, operation) || finding.expected == body {
        Some(true)
    } else {
        (finding.expected == judge::describe_refusal(scheme)).then_some(false)
    }
}

fn compare(
    exchange: &Exchange,
    scheme: &Scheme,
    operation: &Operation,
    success: bool,
) -> Option<Vec<Difference>> {
    let example = scheme
        .examples
        .iter()
        .find(|example| example.operation == operation.name && example.success == success)?;
    let status = exchange.status()?;
    let patterns = if success { &operation.success.status } else { &scheme.envelope.failure_status };
    let mut differences = Vec::new();
    if !patterns.iter().any(|pattern| pattern.matches(status)) {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        differences.push(Difference {
            at: "status".to_owned(),
            expected: Some(patterns.join(" or ")),
            got: Some(status.to_string()),
        });
    }
    let documented = &example.response.body;
    match &exchange.json {
        Some(body) => {
            code(&mut differences, scheme, success, body);
            walk(&mut differences, "", documented, body);
        }
        None => differences.push(Difference {
            at: "body".to_owned(),
            expected: Some(kind(documented).to_owned()),
            got: Some(if exchange.text().is_empty() { "empty" } else { "no JSON" }.to_owned()),
        }),
    }
    Some(differences)
}

/// The result code, where its value says the opposite of what was expected.
fn code(found: &mut Vec<Difference>, scheme: &Scheme, success: bool, body: &Value) {
    let codes: Vec<String> = scheme.envelope.success_codes.iter().map(ToString::to_string).collect();
    if codes.is_empty() {
        // Whether there is a code at all is what tells them apart, which is told as a member.
        return;
    }
    for at in &scheme.envelope.code {
        let Some(got) = body.pointer(at).map(ToString::to_string) else { continue };
        if codes.contains(&got) != success {
            let known = codes.join(" or ");
            let expected = if success { known } else { format!("other than {known}") };
            found.push(Difference { at: at.clone(), expected: Some(expected), got: Some(got) });
        }
    }
}

fn walk(found: &mut Vec<Difference>, at: &str, documented: &Value, got: &Value) {
    if found.len() > MOST {
        return;
    }
    match (documented, got) {
        (Value::Object(documented), Value::Object(members)) => {
            for (name, value) in documented {
                let at = format!("{at}/{}", escape(name));
                match members.get(name) {
                    Some(got) => walk(found, &at, value, got),
                    None => found.push(Difference { at, expected: Some(kind(value).to_owned()), got: None }),
                }
            }
            for (name, value) in members.iter().filter(|(name, _)| !documented.contains_key(*name)) {
                let at = format!("{at}/{}", escape(name));
                found.push(Difference { at, expected: None, got: Some(kind(value).to_owned()) });
            }
        }
        // What lists hold differs from run to run; the first entry stands for all.
        (Value::Array(documented), Value::Array(items)) => {
            if let (Some(documented), Some(got)) = (documented.first(), items.first()) {
                walk(found, &format!("{at}/0"), documented, got);
            }
        }
        _ if kind(documented) != kind(got) => found.push(Difference {
            at: at.to_owned(),
            expected: Some(kind(documented).to_owned()),
            got: Some(kind(got).to_owned()),
        }),
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A name as part of a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{WireBody, WireRequest, WireResponse};
    use countersign_spec::{Spec, Step};
    use serde_json::json;
    use std::sync::Arc;
    use std::time::Duration;

    fn check(expects_success: bool, status: u16, body: &Value, expected: &[&str]) {
        let scheme = Spec::embedded().scheme("ethgas").unwrap();
        let operation = scheme.step(Step::Login).unwrap();
        let request = WireRequest {
            method: "POST".into(),
            path: "/".into(),
            headers: Vec::new(),
            body: WireBody::None,
        };
        let response = WireResponse {
            status,
            headers: Vec::new(),
            body: body.to_string().into(),
            elapsed: Duration::ZERO,
        };
        let exchange = Exchange::new(&operation.name, String::new(), request, Ok(response));
        let mut secrets = Secrets::default();
        secrets.add("open sesame", "$PASSWORD");
        let finding = Finding {
            check: String::new(),
            did: String::new(),
            expected: if expects_success {
                judge::describe_success(scheme, operation)
            } else {
                judge::describe_refusal(scheme)
            },
            got: String::new(),
            hint: None,
            exchanges: vec![Arc::new(exchange)],
            secrets: secrets.clone(),
            ..Finding::default()
        };
        let shown: Vec<String> =
            differences(&finding, scheme, &secrets).iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_body_of_another_shape_is_told_member_by_member() {
        let body = json!({ "code": 200, "message": "ok", "data": { "accessToken": 7, "open sesame": true } });
        check(
            true,
            200,
            &body,
            &[
                "~ /data/accessToken: string -> number",
                "- /data/expiresIn: number",
                "- /data/refreshToken: string",
                "+ /data/$PASSWORD: boolean",
            ],
        );
    }

    #[test]
    fn a_success_in_place_of_a_refusal_differs_in_status_and_code() {
        let body = json!({ "code": 200, "message": "ok", "data": null });
        check(false, 200, &body, &["~ status: 4xx -> 200", "~ /code: other than 200 -> 200"]);
    }

    #[test]
    fn the_documented_answer_does_not_differ() {
        let scheme = Spec::embedded().scheme("ethgas").unwrap();
        let example =
            scheme.examples.iter().find(|example| example.operation == "login" && example.success).unwrap();
        check(true, example.response.status, &example.response.body, &[]);
    }
}
