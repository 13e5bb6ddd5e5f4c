//! What holds for every refusal, whatever it was for: the members of the envelope that are there are as documented.
//!
//! Only requests that an operation can read are looked at. How a framework answers what is no JSON, or a path that is not
//! there, is its own affair, but that it is no success.

use crate::context::Context;
use crate::exchange::{Exchange, is_json_type};
use crate::hygiene::Rule;
use crate::judge;
use countersign_spec::{Level, Operation, Schema, Scheme};
use serde_json::Value;

/// What is wrong with a refusal: the rule, what was expected, and what came.
#[must_use]
pub fn complaints(
    cx: &Context<'_>,
    operation: &Operation,
    exchange: &Exchange,
) -> Vec<(Rule, String, String)> {
    let refused = judge::judge(cx.scheme, operation, exchange) == judge::Verdict::Refused;
    let (Some(status), Some(body)) = (exchange.status(), &exchange.json) else { return Vec::new() };
    if !refused || !is_asked(cx, operation, exchange) {
        return Vec::new();
    }
    let envelope = &cx.scheme.envelope;
    let mut complaints = Vec::new();
    let codes = envelope.code.iter().filter_map(|pointer| Some((pointer, body.pointer(pointer)?)));
    let codes: Vec<(&String, &Value)> = codes.collect();
    for (pointer, code) in &codes {
        if status >= 400 && code.as_i64().is_some_and(|code| envelope.success_codes.contains(&code)) {
            let expected = format!("another code than that of a success in a refusal by HTTP {status}");
            complaints.push((
                Rule::RefusalSuccess,
                expected,
                format!("{pointer} is {code}; {}", exchange.got()),
            ));
        }
    }
    if codes.is_empty() || is_a_frameworks(body) || !is_readable(exchange) {
        return complaints;
    }
    if envelope.code_is_status
        && let Some((pointer, code)) = codes.first()
        && let Some(code) = code.as_i64()
        && code != i64::from(status)
        && !envelope.success_codes.contains(&code)
    {
        let expected = format!("{pointer} to equal the HTTP status, {status}");
        complaints.push((Rule::RefusalCode, expected, format!("{pointer} is {code}; {}", exchange.got())));
    }
    if envelope.code_begins_with_status
        && let Some((pointer, code)) = codes.first()
        && code.as_i64().is_some_and(|code| begins_otherwise(code, status))
    {
        let expected = format!("{pointer} to be {status}, or five digits that begin with it");
        let got = format!("{pointer} is {code}; {}", exchange.got());
        complaints.push((Rule::RefusalCodeBegins, expected, got));
    }
    if let Some((pointer, problem)) = mistyped(cx.scheme, operation, body) {
        let expected = format!("{pointer} as {} says, where it is there", envelope.failure_schema);
        complaints.push((
            Rule::RefusalMembers,
            expected,
            format!("{pointer}: {problem}; {}", exchange.got()),
        ));
    }
    complaints
}

/// Whether a code names another status than the answer has. One that names none is the server's own; one that names 400 goes
/// with any status of that class, whose general one it is (RFC 9110 section 15).
fn begins_otherwise(code: i64, status: u16) -> bool {
    let named = match code {
        400..=599 => code,
        40_000..=59_999 => code / 100,
        _ => return false,
    };
    // That a refusal has such a status at all is another check's affair.
    status >= 400 && named != i64::from(status) && !(named == 400 && status < 500)
}

/// Whether a refusal is the operation's own word on a request that it could read.
#[must_use]
pub fn is_plain(cx: &Context<'_>, operation: &Operation, exchange: &Exchange) -> bool {
    is_asked(cx, operation, exchange)
        && is_readable(exchange)
        && exchange.json.as_ref().is_some_and(|body| body.is_object() && !is_a_frameworks(body))
}

/// Whether the request was for this operation: by its path and its method.
fn is_asked(cx: &Context<'_>, operation: &Operation, exchange: &Exchange) -> bool {
    let request = &exchange.request;
    let path = request.path.split('?').next().unwrap_or_default();
    let methods = std::iter::once(&operation.method).chain(&operation.other_methods);
    path == cx.path(operation) && methods.into_iter().any(|method| *method == request.method)
}

/// Whether the request was well formed: no body, or a JSON object that says so.
fn is_readable(exchange: &Exchange) -> bool {
    let body = exchange.request.body.bytes();
    let media = exchange.request.headers.iter().find(|(name, _)| name == "content-type");
    body.is_empty()
        || media.is_some_and(|(_, value)| is_json_type(value))
            && serde_json::from_slice::<Value>(&body).is_ok_and(|body| body.is_object())
}

/// Whether a body is what frameworks answer on their own: they write the status into it under another name than the
/// documents do.
fn is_a_frameworks(body: &Value) -> bool {
    body.get("statusCode").is_some_and(Value::is_number)
}

/// The first member of a refusal that is there and not as its schema says.
fn mistyped(scheme: &Scheme, operation: &Operation, body: &Value) -> Option<(String, String)> {
    let schema = scheme.schema(&scheme.envelope.failure_schema)?;
    members(&schema.value, "", body).into_iter().find_map(|(pointer, rule, value)| {
        // What the payload of a refusal is may be left open; then it is nobody's to complain about.
        let open = scheme.envelope.data.as_ref() == Some(&pointer)
            && scheme
                .clauses_about(&format!("{}.failure:{pointer}", operation.name))
                .all(|clause| clause.level == Level::May);
        if open {
            return None;
        }
        let complaints = Schema::compile("member", rule).ok()?.complaints(value);
        complaints.into_iter().next().map(|(_, problem)| (pointer, problem))
    })
}

/// Members of a schema that a body has, each with its own rule.
fn members<'b>(schema: &Value, at: &str, body: &'b Value) -> Vec<(String, Value, &'b Value)> {
    let mut found = Vec::new();
    for (name, rule) in schema["properties"].as_object().into_iter().flatten() {
        let Some(value) = body.get(name) else { continue };
        let pointer = format!("{at}/{name}");
        let mut own = rule.clone();
        if let Some(keywords) = own.as_object_mut() {
            // Their own entries speak of them.
            keywords.retain(|keyword, _| keyword != "properties" && keyword != "required");
        }
        found.push((pointer.clone(), own, value));
        found.extend(members(rule, &pointer, value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_spec::{Spec, Step};

    fn problem(scheme: &str, body: &str) -> Option<String> {
        let scheme = Spec::embedded().scheme(scheme).unwrap();
        let login = scheme.step(Step::Login).unwrap();
        mistyped(scheme, login, &serde_json::from_str(body).unwrap()).map(|(pointer, _)| pointer)
    }

    #[test]
    fn members_that_are_there_are_held_to_their_types() {
        for (scheme, body, pointer) in [
            ("nftrainbow", r#"{"code":400,"message":["a"]}"#, "/message"),
            ("nftrainbow", r#"{"code":null,"message":"a"}"#, "/code"),
            ("ethgas", r#"{"code":401,"message":""}"#, "/message"),
            ("ethgas", r#"{"code":401,"message":"a","data":{}}"#, "/data"),
            ("swapchat", r#"{"code":7,"msg":"a","data":"None"}"#, "/data"),
            ("cbs", r#"{"code":400,"result":{"code":400,"desc":{}}}"#, "/result/desc"),
            ("cbs", r#"{"code":0,"result":{"code":400}}"#, "/code"),
        ] {
            assert_eq!(problem(scheme, body).as_deref(), Some(pointer), "{scheme} {body}");
        }
    }

    #[test]
    fn what_is_missing_or_left_open_is_nothing_to_complain_about() {
        for (scheme, body) in [
            ("nftrainbow", r#"{"code":400}"#),
            ("nftrainbow", r#"{"code":400,"message":"a","data":{"a":1}}"#),
            ("web3mq", r#"{"code":7,"msg":"a","data":"gone"}"#),
            ("cbs", r#"{"code":401,"message":"a","result":null}"#),
            ("ethgas", r#"{"code":422,"message":"a","data":null,"trace":[]}"#),
        ] {
            assert_eq!(problem(scheme, body), None, "{scheme} {body}");
        }
    }

    #[test]
    fn codes_name_the_status_of_their_answer() {
        for (code, status) in [(401, 401), (40_104, 401), (40_000, 422), (400, 415), (7, 403), (60_012, 403)]
        {
            assert!(!begins_otherwise(code, status), "{code} {status}");
        }
        for (code, status) in [(40_101, 403), (401, 403), (40_101, 400), (50_000, 401)] {
            assert!(begins_otherwise(code, status), "{code} {status}");
        }
    }

    #[test]
    fn a_frameworks_own_body_is_known() {
        let own = r#"{"statusCode":400,"code":"FST_ERR_VALIDATION","message":"body must have …"}"#;
        assert!(is_a_frameworks(&serde_json::from_str(own).unwrap()));
        assert!(!is_a_frameworks(&serde_json::from_str(r#"{"code":400}"#).unwrap()));
    }
}
