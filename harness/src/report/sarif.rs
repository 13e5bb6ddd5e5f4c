//! SARIF 2.1.0 (OASIS), which code hosts show as alerts: a rule for each check, a result for each finding.

use super::model::{CheckResult, Exchange, Finding, Message, Run, Verdict, level_word};
use super::text;
use countersign_spec::Level;
use serde_json::{Map, Value, json};

/// Where its schema is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Writes the report.
#[must_use]
pub fn write(run: &Run) -> String {
    let rules: Vec<Value> = run.checks.iter().map(|check| rule(check, run)).collect();
    let results: Vec<Value> = run.findings.iter().map(|finding| result(finding, run)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": run.tool.name,
                "version": run.tool.version,
                "semanticVersion": run.tool.version,
                "rules": rules,
            }},
            "invocations": [invocation(run)],
            "results": results,
            "columnKind": "unicodeCodePoints",
            "properties": { "seed": run.seed, "url": run.url, "verdict": run.verdict },
        }],
    });
    format!("{log:#}\n")
}

fn invocation(run: &Run) -> Value {
    let finished = run.exit == 0 || !matches!(run.verdict, Verdict::Unreachable | Verdict::NotJudged);
    let mut invocation = json!({
        "executionSuccessful": finished,
        "exitCode": run.exit,
        "exitCodeDescription": run.says,
        "commandLine": format!("{} {} --seed {}", run.program, run.target_flags, run.seed),
        "startTimeUtc": run.started_at,
    });
    // What failed the run without being a finding.
    if run.verdict != Verdict::Violates && run.exit != 0 {
        invocation["toolExecutionNotifications"] =
            json!([{ "level": "error", "message": { "text": run.says } }]);
    }
    invocation
}

fn rule(check: &CheckResult, run: &Run) -> Value {
    let clauses: Vec<&super::model::Clause> = check.clauses.iter().filter_map(|id| run.clause(id)).collect();
    let says: Vec<String> =
        clauses.iter().map(|clause| format!("{} ({})", clause.says, clause.source)).collect();
    let help: Vec<String> = clauses
        .iter()
        .map(|clause| {
            format!("{} [{}]: {} ({})", clause.id, level_word(clause.level), clause.says, clause.source)
        })
        .collect();
    let sources: Vec<&str> = clauses.iter().map(|clause| clause.source.as_str()).collect();
    json!({
        "id": check.name,
        "shortDescription": { "text": check.sentence },
        "fullDescription": { "text": says.first().unwrap_or(&check.sentence) },
        "help": { "text": help.join("\n") },
        "defaultConfiguration": { "level": level(check.level) },
        "properties": {
            "tags": [check.scheme, check.group],
            "level": level_word(check.level),
            "clauses": check.clauses,
            "sources": sources,
        },
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "error",
        Level::Should => "warning",
        Level::May => "note",
    }
}

fn result(finding: &Finding, run: &Run) -> Value {
    let mut result = json!({
        "ruleId": finding.check,
        "kind": "fail",
        "level": level(finding.level),
        "message": { "text": format!(
            "{}; expected {}; got {}", finding.did, finding.expected, finding.got
        )},
        "locations": [location(finding, run)],
        // One cause of one check is one alert, in whichever run it comes.
        "partialFingerprints": { "countersign/v1": finding.fingerprint.as_ref().unwrap_or(&finding.check) },
        "properties": {
            "again": finding.again,
            "curl": finding.curl,
            "variables": finding.variables,
            "folded": finding.folded,
            "evidence": text::evidence(finding),
        },
    });
    if let Some(index) = run.checks.iter().position(|check| check.name == finding.check) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(exchange) = finding.exchanges.last() {
        result["webRequest"] = request(exchange);
        result["webResponse"] = response(exchange);
    }
    if let Some(reason) = &finding.declared {
        result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    result
}

/// The URL of the last exchange; an API has no file and no line.
fn location(finding: &Finding, run: &Run) -> Value {
    let exchange = finding.exchanges.last();
    let operation = exchange.map_or_else(
        || finding.scheme.clone(),
        |exchange| format!("{} {}", exchange.method, exchange.operation),
    );
    json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(exchange.map_or(&run.url, |last| &last.url)) } },
        "logicalLocations": [{ "fullyQualifiedName": operation, "kind": "resource" }],
    })
}

/// A URL in which nothing is left that a URI must not hold: a placeholder for a secret may stand in it, and an attack.
fn uri(url: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte);
    let mut uri = String::with_capacity(url.len());
    let whole = url.split_once('#').map_or(url, |(before, _)| before);
    for (index, byte) in whole.bytes().enumerate() {
        let next = whole.as_bytes().get(index + 1..index + 3);
        let escape = byte == b'%' && !next.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        // Brackets belong to an IPv6 host alone, right behind the scheme.
        let host = matches!(byte, b'[' | b']')
            && whole.get(..index).is_some_and(|before| before.matches('/').count() == 2);
        if (allowed(byte) && !escape) || host {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn request(exchange: &Exchange) -> Value {
    let mut request = json!({
        "protocol": "HTTP",
        "version": "1.1",
        "target": exchange.url,
        "method": exchange.method,
        "headers": headers(&exchange.request),
    });
    if exchange.request.bytes > 0 {
        request["body"] = json!({ "text": exchange.request.body });
    }
    request
}

fn response(exchange: &Exchange) -> Value {
    let Some(message) = &exchange.response else {
        return json!({ "noResponseReceived": true, "properties": { "error": exchange.error } });
    };
    json!({
        "protocol": "HTTP",
        "version": "1.1",
        "statusCode": exchange.status,
        "headers": headers(message),
        "body": { "text": message.body },
    })
}

/// SARIF knows one value for a name: values of the same name are joined, as HTTP allows.
fn headers(message: &Message) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for header in &message.headers {
        let joined = match headers.get(&header.name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {}", header.value),
            None => header.value.clone(),
        };
        headers.insert(header.name.clone(), json!(joined));
    }
    Value::Object(headers)
}
