//! The way to a finding as a script for any POSIX shell that has curl.

use super::chain::{Chain, Link};
use crate::exchange::cut;
use crate::redact::Secrets;
use crate::report::curl;
use crate::report::model::Finding;
use crate::report::transport::Transport;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A body beyond this many bytes is more than one argument of a program may hold.
const LONGEST_BODY: usize = 100_000;

/// What a script says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The target's URL.
    pub url: &'a str,
    /// How the target is reached.
    pub transport: &'a Transport,
    /// Seed of the run.
    pub seed: u64,
    /// Whether requests were sent at the same moment, which a script cannot.
    pub raced: bool,
}

/// Writes the script.
#[must_use]
pub fn write(finding: &Finding, chain: &Chain, about: About<'_>) -> String {
    let mut steps = String::new();
    let mut secrets = chain.secrets.clone();
    secrets.add(&chain.base, "$URL");
    let mut required = Vec::new();
    let mut known: BTreeSet<String> = ["URL".to_owned()].into();
    for (index, link) in chain.steps.iter().enumerate() {
        let text = step(index + 1, link, &secrets, about.transport);
        let made = link.signs.iter().map(|sign| sign.variable.clone());
        known.extend(made);
        known.extend(link.takes.iter().map(|taking| taking.variable.clone()));
        for variable in curl::variables(&text) {
            if !known.contains(&variable)
                && !OWN.contains(&variable.as_str())
                && !required.contains(&variable)
            {
                required.push(variable);
            }
        }
        steps.push_str(&text);
    }
    let mut script = String::from("#!/bin/sh\n");
    for line in head(finding, chain, about) {
        let _ = writeln!(script, "# {line}");
    }
    let _ =
        writeln!(script, "set -u\nURL=${{URL:-{}}}", curl::quote(about.url.trim_end_matches('/'), &none()));
    for variable in &required {
        let _ = writeln!(script, ": \"${{{variable}:?{}}}\"", meaning(variable, chain.account.as_deref()));
    }
    if chain.steps.iter().any(|link| !link.signs.is_empty()) {
        script.push_str(SIGNER);
    }
    script.push_str(HELPERS);
    script.push_str(&steps);
    let last = chain.steps.last().and_then(|link| link.exchange.status());
    script.push_str(&ending(finding, last));
    script
}

/// Variables that the script itself sets.
const OWN: [&str; 5] = ["COUNTERSIGN", "FOLDER", "NAMES", "STATUS", "TEXT"];

/// What makes signatures.
const SIGNER: &str = "COUNTERSIGN=${COUNTERSIGN:-countersign}
command -v \"$COUNTERSIGN\" >/dev/null || {
    echo \"a wallet has to sign: put countersign on the PATH, or set COUNTERSIGN to it\" >&2
    exit 2
}
";

/// What every script needs: a folder for the answer, and ways to read it.
const HELPERS: &str = r#"command -v curl >/dev/null || { echo "curl is needed, and not on the PATH" >&2; exit 2; }
FOLDER=$(mktemp -d) || exit 2
trap 'rm -rf "$FOLDER"' EXIT
# The text in the member of this name of the last answer.
member() {
    tr -d '\r\n' <"$FOLDER/answer" | sed -n 's/.*"'"$1"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p'
}
# Ends where an answer lacks what the next request needs.
needed() {
    [ -n "$2" ] && return
    echo "the answer has no text in \"$1\": HTTP $STATUS $(cat "$FOLDER/answer")" >&2
    exit 2
}
show() { echo "   < HTTP $STATUS $(head -c 2000 "$FOLDER/answer" 2>/dev/null)"; }

"#;

fn none() -> Secrets {
    Secrets::default()
}

fn head(finding: &Finding, chain: &Chain, about: About<'_>) -> Vec<String> {
    let mut lines = vec![
        finding.check.clone(),
        format!("Found by countersign {} at {}, seed {}.", env!("CARGO_PKG_VERSION"), about.url, about.seed),
        "Run it with: sh repeat.sh. URL=... sends it elsewhere.".to_owned(),
        "Exit: 0 the last status is that of the finding; 1 it is not; 2 it could not be tried.".to_owned(),
    ];
    if chain.cut {
        lines.push(
            "The way to this finding is longer than what stands here: --replay case.json walks all of it."
                .to_owned(),
        );
    }
    if about.raced {
        lines.push(
            "The run sent requests at the same moment. Here they go one after the other, which may not"
                .to_owned(),
        );
        lines.push("show it: --replay case.json sends them together.".to_owned());
    }
    // A line break of the target's would end the comment.
    lines.iter().map(|line| one_line(line)).collect()
}

fn step(number: usize, link: &Link, secrets: &Secrets, transport: &Transport) -> String {
    let exchange = &link.exchange;
    let mut text = String::new();
    let title = format!(
        "{number}. {}: {} {}",
        exchange.operation,
        exchange.request.method,
        cut(&secrets.hide(&exchange.request.path), 200)
    );
    let _ = writeln!(text, "echo {}", curl::quote(&one_line(&title), &none()));
    for sign in &link.signs {
        let _ = writeln!(text, "TEXT={}", sign.text);
        let _ = writeln!(
            text,
            "{}=$(\"$COUNTERSIGN\" sign personal --key {} --text \"$TEXT\") || exit 2",
            sign.variable, sign.key
        );
    }
    let call = curl::call(exchange, secrets, transport, LONGEST_BODY);
    let _ = writeln!(
        text,
        "STATUS=$({}curl -sS -o \"$FOLDER/answer\" -w '%{{http_code}}' {}\n)",
        call.fed_by, call.arguments
    );
    if link.shown {
        text.push_str("show\n");
    }
    for taking in &link.takes {
        let name =
            taking.pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let quoted = curl::quote(&name, &none());
        let _ = writeln!(text, "{}=$(member {quoted})", taking.variable);
        let _ = writeln!(text, "needed {quoted} \"${}\"", taking.variable);
    }
    text.push('\n');
    text
}

fn ending(finding: &Finding, status: Option<u16>) -> String {
    let mut text = String::new();
    for (label, value) in [("did", &finding.did), ("expected", &finding.expected), ("got", &finding.got)] {
        let line = cut(&one_line(value), 600);
        let _ = writeln!(text, "printf '%-9s %s\\n' {label} {}", curl::quote(&line, &none()));
    }
    let known = status.map_or_else(|| "000".to_owned(), |status| status.to_string());
    let _ = write!(
        text,
        "printf '%-9s %s\\n' now \"HTTP $STATUS\"\n\
         if [ \"$STATUS\" = {known} ]; then\n    \
         echo 'The last status is that of the finding.'\nelse\n    \
         echo 'The last status is not {known}, as it was in the finding.'\n    exit 1\nfi\n"
    );
    text
}

/// What somebody has to set a variable to.
fn meaning(variable: &str, account: Option<&str>) -> String {
    let form = [
        ("_AS_JSON_IN_JSON_ASCII", "as JSON in JSON with escapes for all but ASCII"),
        ("_AS_JSON_ASCII_IN_JSON", "as JSON in JSON with escapes for all but ASCII"),
        ("_AS_JSON_ASCII", "as it stands in JSON, with escapes for all but ASCII"),
        ("_AS_JSON_IN_JSON", "as it stands in JSON within JSON"),
        ("_AS_JSON", "as it stands in JSON, without the quotes around it"),
        ("_PERCENT_ENCODED", "percent-encoded"),
    ]
    .into_iter()
    .find_map(|(suffix, form)| variable.strip_suffix(suffix).map(|stem| (stem, form)));
    if let Some((stem, form)) = form {
        return format!("set it to {stem} {form}");
    }
    if let Some(meaning) = Transport::meaning(variable) {
        return meaning.to_owned();
    }
    if let Some(header) = variable.strip_prefix("HEADER_") {
        return format!(
            "set it to the value of http.headers in the profile that this name is made of: {header}"
        );
    }
    if variable.ends_with("_TOKEN") {
        return "only the program makes this token: countersign conformance --replay case.json".to_owned();
    }
    if variable.ends_with("_WALLET") {
        return "set it to the private key of the wallet in the profile".to_owned();
    }
    // What stands in the message of an expansion must not be one itself, nor end it.
    let plain = |c: &char| c.is_alphanumeric() || " .-_@:/".contains(*c);
    match account {
        Some(name) => format!("set it to the secret of {}", name.chars().filter(plain).collect::<String>()),
        None => "set it to this secret of the profile, or of fixtures/accounts.toml".to_owned(),
    }
}

/// Control characters as spaces.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
