//! Reads an answer by the scheme's envelope: success is what its clients take for one, not merely status 200.

use crate::exchange::Exchange;
use countersign_spec::{Operation, Role, Scheme};
use serde_json::Value;

/// What an answer amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The envelope says success, or a token was handed out.
    Accepted,
    /// A refusal in whatever words.
    Refused,
    /// A server error, or no answer at all.
    Broken,
}

/// Judges an answer to an operation.
#[must_use]
pub fn judge(scheme: &Scheme, operation: &Operation, exchange: &Exchange) -> Verdict {
    let Some(status) = exchange.status() else { return Verdict::Broken };
    if holds_token(operation, exchange)
        || (says_success(scheme, exchange) && !says_invalid(operation, exchange))
    {
        return Verdict::Accepted;
    }
    if status >= 500 { Verdict::Broken } else { Verdict::Refused }
}

/// Whether status and result code are those of a success.
#[must_use]
pub fn says_success(scheme: &Scheme, exchange: &Exchange) -> bool {
    exchange.status().is_some_and(|status| (200..300).contains(&status))
        && exchange.json.as_ref().is_some_and(|body| code_says_success(scheme, body))
}

/// Whether the result code is that of a success; where a success carries none, whether there is none.
#[must_use]
pub fn code_says_success(scheme: &Scheme, body: &Value) -> bool {
    let codes: Vec<&Value> =
        scheme.envelope.code.iter().filter_map(|pointer| body.pointer(pointer)).collect();
    if scheme.envelope.success_codes.is_empty() {
        return codes.is_empty() && body.is_object();
    }
    !codes.is_empty()
        && codes
            .iter()
            .all(|code| code.as_i64().is_some_and(|code| scheme.envelope.success_codes.contains(&code)))
}

/// Whether a member meant for a token holds one, or a header that is named for one.
#[must_use]
pub fn holds_token(operation: &Operation, exchange: &Exchange) -> bool {
    [Role::AccessToken, Role::RefreshToken]
        .iter()
        .any(|role| text_of(operation, exchange, *role).is_some_and(|token| token.len() >= 8))
        || gives_token(exchange)
}

/// Whether a header of the answer is named for a token and holds a JWT that was not sent.
fn gives_token(exchange: &Exchange) -> bool {
    let Ok(response) = &exchange.outcome else { return false };
    let named = |name: &str| (name.contains("token") || name == "authorization") && !name.contains("srf");
    let is_jwt = |value: &str| value.len() > 40 && value.starts_with("ey") && value.matches('.').count() == 2;
    let sent = |token: &str| exchange.request.headers.iter().any(|(_, value)| value.contains(token));
    response.headers.iter().filter(|(name, _)| named(name)).any(|(_, value)| {
        let token = value.rsplit(' ').next().unwrap_or_default();
        is_jwt(token) && !sent(token)
    })
}

/// The text in the answer's member of this role.
#[must_use]
pub fn text_of<'a>(operation: &Operation, exchange: &'a Exchange, role: Role) -> Option<&'a str> {
    value_of(operation, exchange, role)?.as_str()
}

/// The answer's member of this role.
#[must_use]
pub fn value_of<'a>(operation: &Operation, exchange: &'a Exchange, role: Role) -> Option<&'a Value> {
    match &operation.success_field(role)?.at {
        countersign_spec::Place::Body(pointer) => exchange.json.as_ref()?.pointer(pointer),
        _ => None,
    }
}

/// A verification that succeeds in saying no.
fn says_invalid(operation: &Operation, exchange: &Exchange) -> bool {
    value_of(operation, exchange, Role::Valid) == Some(&Value::Bool(false))
}

/// All acceptable forms of a refusal, for findings.
#[must_use]
pub fn describe_refusal(scheme: &Scheme) -> String {
    let envelope = &scheme.envelope;
    let statuses: Vec<String> = envelope.failure_status.iter().map(ToString::to_string).collect();
    let code = envelope.code.iter().map(|pointer| pointer.trim_start_matches('/').replace('/', "."));
    let code = code.collect::<Vec<_>>().join(" or ");
    let condition = if envelope.success_codes.is_empty() {
        format!("{code} and no token")
    } else if envelope.code_is_status {
        format!("{code} equal to the status")
    } else {
        let codes: Vec<String> = envelope.success_codes.iter().map(ToString::to_string).collect();
        format!("{code} other than {}", codes.join(", "))
    };
    format!("a refusal: HTTP {}, with {condition}", statuses.join(" or "))
}

/// What a success looks like, for findings.
#[must_use]
pub fn describe_success(scheme: &Scheme, operation: &Operation) -> String {
    let statuses: Vec<String> = operation.success.status.iter().map(ToString::to_string).collect();
    let code = match (&scheme.envelope.code.first(), scheme.envelope.success_codes.first()) {
        (Some(pointer), Some(code)) => format!(" with {} {code}", pointer.trim_start_matches('/')),
        (Some(pointer), None) => format!(" without a member {}", pointer.trim_start_matches('/')),
        (None, _) => String::new(),
    };
    format!("a success: HTTP {}{code}, a body as {} says", statuses.join(" or "), operation.success.schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{WireBody, WireRequest, WireResponse};
    use countersign_spec::Spec;
    use std::time::Duration;

    fn answer(status: u16, body: &str) -> Exchange {
        let request = WireRequest {
            method: "POST".into(),
            path: "/".into(),
            headers: Vec::new(),
            body: WireBody::None,
        };
        let response = WireResponse {
            status,
            headers: Vec::new(),
            body: body.to_owned().into(),
            elapsed: Duration::ZERO,
        };
        Exchange::new("login", String::new(), request, Ok(response))
    }

    fn check(scheme: &str, status: u16, body: &str, expected: Verdict) {
        let scheme = Spec::embedded().scheme(scheme).unwrap();
        let operation = scheme.step(countersign_spec::Step::Login).unwrap();
        assert_eq!(
            judge(scheme, operation, &answer(status, body)),
            expected,
            "{} {status} {body}",
            scheme.id
        );
    }

    #[test]
    fn the_envelope_decides() {
        check("swapchat", 200, r#"{"code":0,"msg":"","data":null}"#, Verdict::Accepted);
        check("swapchat", 200, r#"{"code":7,"msg":"no","data":null}"#, Verdict::Refused);
        check("ethgas", 401, r#"{"code":401,"message":"Unauthorized"}"#, Verdict::Refused);
        check("ethgas", 200, r#"{"code":401,"message":"Unauthorized"}"#, Verdict::Refused);
        check("nftrainbow", 200, r#"{"expire":"x","token":"y"}"#, Verdict::Accepted);
        check("nftrainbow", 200, r#"{"code":40100,"message":"no"}"#, Verdict::Refused);
        check("cbs", 200, r#"{"code":0,"result":{"code":5}}"#, Verdict::Refused);
        check("cbs", 500, "oops", Verdict::Broken);
    }

    #[test]
    fn a_token_in_a_refusal_is_an_entry_all_the_same() {
        let body = r#"{"code":401,"message":"no","data":{"accessToken":"aaaa.bbbb.cccc"}}"#;
        check("ethgas", 401, body, Verdict::Accepted);
    }
}
