//! A finding as plain text, for reports that have a place for some.

use super::model::{Exchange, Finding, Message, Run};
use crate::confirm;
use crate::exchange::cut;
use std::fmt::Write as _;

/// Characters of a body that a person would read in a list of failures.
const LONGEST_BODY: usize = 2_000;

/// The finding with the clauses it rests on.
#[must_use]
pub fn finding(finding: &Finding, run: &Run) -> String {
    let mut text = format!("{} [{}]\n", finding.sentence, super::model::level_word(finding.level));
    for clause in finding.clauses.iter().filter_map(|id| run.clause(id)) {
        let _ = writeln!(text, "clause    {}: {} ({})", clause.id, clause.says, clause.source);
    }
    text.push_str(&evidence(finding));
    text
}

/// What was done, expected and seen, and how to see it again.
#[must_use]
pub fn evidence(finding: &Finding) -> String {
    let mut text = String::new();
    let mut entry = |label: &str, said: &str| {
        for (index, line) in said.lines().enumerate() {
            let _ = writeln!(text, "{:<9} {line}", if index == 0 { label } else { "" });
        }
    };
    entry("did", &finding.did);
    entry("expected", &finding.expected);
    entry("got", &finding.got);
    let differences: Vec<String> = finding.differences.iter().map(ToString::to_string).collect();
    entry("differs", &differences.join("\n"));
    if let Some(hint) = &finding.hint {
        entry("hint", hint);
    }
    if let Some(reason) = &finding.declared {
        entry("declared", reason);
    }
    for exchange in &finding.exchanges {
        entry("exchange", self::exchange(exchange).trim_end());
    }
    if let Some(times) = finding.reproducible {
        entry("tried", &confirm::says(times));
    }
    if let Some(curl) = &finding.curl {
        entry("curl", curl);
    }
    if !finding.variables.is_empty() {
        entry("with", &export(&finding.variables));
    }
    entry("again", &finding.again);
    if !finding.folded.is_empty() {
        entry("like", &format!("the same cause trips or blocks {}", finding.folded.join(", ")));
    }
    text
}

/// The line of a shell that sets what a command needs.
#[must_use]
pub fn export(variables: &[String]) -> String {
    let set: Vec<String> = variables.iter().map(|name| format!("{name}=…")).collect();
    format!("export {}", set.join(" "))
}

/// Request and answer in the form of HTTP/1.1, each line marked with its direction.
#[must_use]
pub fn exchange(exchange: &Exchange) -> String {
    let mut text = format!("> {} {}\n", exchange.method, exchange.url);
    message(&mut text, '>', &exchange.request);
    if let Some(status) = exchange.status {
        let _ = writeln!(text, "< HTTP {status}");
    }
    if let Some(response) = &exchange.response {
        message(&mut text, '<', response);
    }
    if let Some(error) = &exchange.error {
        let _ = writeln!(text, "< {error}");
    }
    text
}

fn message(text: &mut String, direction: char, message: &Message) {
    for header in &message.headers {
        let _ = writeln!(text, "{direction} {}: {}", header.name, header.value);
    }
    if !message.body.is_empty() {
        let _ = writeln!(text, "{direction}");
        for line in cut(&message.body, LONGEST_BODY).lines() {
            let _ = writeln!(text, "{direction} {line}");
        }
    }
}
