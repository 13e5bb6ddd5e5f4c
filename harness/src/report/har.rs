//! The HTTP Archive format, version 1.2: the exchanges of all findings, for tools that show and repeat traffic.
//!
//! Each finding is a page, so that viewers group its exchanges. What HAR wants and nobody measured is -1, as it says.

use super::model::{Exchange, Finding, Message, Run};
use serde_json::{Value, json};

/// Writes the report.
#[must_use]
pub fn write(run: &Run) -> String {
    let pages: Vec<Value> = run.findings.iter().map(|finding| page(finding, run)).collect();
    let entries: Vec<Value> = run
        .findings
        .iter()
        .flat_map(|finding| finding.exchanges.iter().map(move |exchange| entry(finding, exchange)))
        .collect();
    let log = json!({
        "log": {
            "version": "1.2",
            "creator": { "name": run.tool.name, "version": run.tool.version },
            "pages": pages,
            "entries": entries,
            "comment": format!("{}: {}; seed {}", run.url, run.says, run.seed),
        }
    });
    format!("{log:#}\n")
}

fn page(finding: &Finding, run: &Run) -> Value {
    let first = finding.exchanges.first();
    json!({
        "id": finding.check,
        "title": format!("{}: expected {}; got {}", finding.did, finding.expected, finding.got),
        "startedDateTime": first.map_or(&run.started_at, |exchange| &exchange.started_at),
        "pageTimings": {},
    })
}

fn entry(finding: &Finding, exchange: &Exchange) -> Value {
    let took = exchange.milliseconds.unwrap_or(0.0);
    let mut entry = json!({
        "pageref": finding.check,
        "startedDateTime": exchange.started_at,
        "time": took,
        "request": request(exchange),
        "response": response(exchange),
        "cache": {},
        // Measured as a whole: from the first byte sent to the last received.
        "timings": { "send": 0, "wait": took, "receive": 0 },
        "comment": exchange.operation,
    });
    if let Some(error) = &exchange.error {
        // As browsers write it.
        entry["_error"] = json!(error);
    }
    entry
}

fn request(exchange: &Exchange) -> Value {
    let message = &exchange.request;
    let mut request = json!({
        "method": exchange.method,
        "url": exchange.url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(message),
        "queryString": query(&exchange.url),
        "headersSize": -1,
        "bodySize": message.bytes,
    });
    if message.bytes > 0 {
        let media = message.header("content-type").unwrap_or("application/octet-stream");
        request["postData"] = json!({ "mimeType": media, "text": message.body });
    }
    request
}

/// The answer; where none came, status 0, as browsers write it.
fn response(exchange: &Exchange) -> Value {
    let none = Message { headers: Vec::new(), body: String::new(), bytes: 0 };
    let message = exchange.response.as_ref().unwrap_or(&none);
    json!({
        "status": exchange.status.unwrap_or(0),
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(message),
        "content": {
            "size": message.bytes,
            "mimeType": message.header("content-type").unwrap_or("x-unknown"),
            "text": message.body,
        },
        "redirectURL": message.header("location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": if exchange.response.is_some() { json!(message.bytes) } else { json!(-1) },
    })
}

fn headers(message: &Message) -> Vec<Value> {
    message.headers.iter().map(|header| json!({ "name": header.name, "value": header.value })).collect()
}

/// The parameters as they stand in the URL.
fn query(url: &str) -> Vec<Value> {
    let Some((_, query)) = url.split_once('?') else { return Vec::new() };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({ "name": name, "value": value })
        })
        .collect()
}
