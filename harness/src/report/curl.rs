//! A command that repeats an exchange when it is pasted into a shell; secrets stand as variables.

use super::transport::Transport;
use crate::client::WireBody;
use crate::exchange::Exchange;
use crate::redact::Secrets;

/// Bodies beyond this many bytes do not fit on a command line that a person would paste.
const LONGEST_BODY: usize = 4_000;

/// The command, on one line.
#[must_use]
pub fn command(exchange: &Exchange, secrets: &Secrets, transport: &Transport) -> String {
    let call = call(exchange, secrets, transport, LONGEST_BODY);
    format!("{}curl -sS -i {}", call.fed_by, call.arguments)
}

/// A call of curl in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What writes the body into a pipe, where it does not fit on a command line as text; else empty.
    pub fed_by: String,
    /// Everything after `curl` and what is to be printed.
    pub arguments: String,
}

/// The call that sends a request, with bodies of at most so many bytes.
#[must_use]
pub fn call(exchange: &Exchange, secrets: &Secrets, transport: &Transport, longest: usize) -> Call {
    let request = &exchange.request;
    let (mut parts, mut fed_by) = (transport.flags().to_vec(), String::new());
    if request.method != "GET" {
        parts.push(format!("-X {}", quote(&request.method, secrets)));
    }
    parts.push(quote(&exchange.url, secrets));
    for (name, value) in &request.headers {
        if name == "accept" {
            continue;
        }
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        parts.push(format!("-H {}", quote(&header, secrets)));
    }
    if matches!(request.body, WireBody::Pieces(..)) {
        parts.push("-H 'Transfer-Encoding: chunked'".to_owned());
    }
    if request.body != WireBody::None {
        let bytes = request.body.bytes();
        match std::str::from_utf8(&bytes) {
            _ if bytes.len() > longest => parts.push(format!(
                "--data-binary @BODY  # a body of {} bytes, which the command to run again sends",
                bytes.len()
            )),
            Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n') => {
                parts.push(format!("--data-binary {}", quote(text, secrets)));
            }
            _ => {
                // No shell passes every byte in an argument; octal escapes every printf knows.
                let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
                fed_by = format!("printf '{escaped}' | ");
                parts.push("--data-binary @-".to_owned());
            }
        }
    }
    Call { fed_by, arguments: parts.join(" ") }
}

/// The text as one word of a shell: plain parts in single quotes, secrets as variables in double quotes.
#[must_use]
pub fn quote(text: &str, secrets: &Secrets) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    secrets
        .split(text)
        .into_iter()
        .map(|piece| match piece {
            Ok(plain) => format!("'{}'", plain.replace('\'', r"'\''")),
            Err(expression) => format!("\"{}\"", for_any_shell(expression)),
        })
        .collect()
}

/// The text as one word of a shell, in quotes only where it needs them.
#[must_use]
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    quote(text, &Secrets::default())
}

/// An expression over a variable as every POSIX shell understands it: letter cases and first characters are bash's alone.
fn for_any_shell(expression: &str) -> String {
    let (Some(open), Some(close)) = (expression.find("${"), expression.find('}')) else {
        return expression.to_owned();
    };
    let (before, inner, after) =
        (&expression[..open], &expression[open + 2..close], &expression[close + 1..]);
    let first = inner.split_once(":0:").filter(|(_, count)| count.bytes().all(|byte| byte.is_ascii_digit()));
    let changed = if let Some(name) = inner.strip_suffix("^^") {
        format!("$(printf %s \"${name}\" | awk '{{ print toupper($0) }}')")
    } else if let Some(name) = inner.strip_suffix(",,") {
        format!("$(printf %s \"${name}\" | awk '{{ print tolower($0) }}')")
    } else if let Some((name, count)) = first {
        format!("$(printf %.{count}s \"${name}\")")
    } else {
        return expression.to_owned();
    };
    format!("{before}{changed}{after}")
}

/// The variables a command needs, in order.
#[must_use]
pub fn variables(command: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = command;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        let after = after.strip_prefix('{').unwrap_or(after);
        let name: String =
            after.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_' || c.is_ascii_digit()).collect();
        if name.len() > 1 && !names.contains(&name) {
            names.push(name);
        }
        rest = &rest[at + 1..];
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{WireRequest, WireResponse};
    use std::time::Duration;

    fn exchange(body: &str) -> Exchange {
        let request = WireRequest {
            method: "POST".into(),
            path: "/login".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: WireBody::Whole(body.to_owned().into()),
        };
        let response =
            WireResponse { status: 200, headers: Vec::new(), body: "".into(), elapsed: Duration::ZERO };
        Exchange::new("login", "http://127.0.0.1:1/login".into(), request, Ok(response))
    }

    #[test]
    fn secrets_are_variables_and_the_rest_is_quoted() {
        let mut secrets = Secrets::default();
        secrets.add("open sesame", "$ALICE_PASSWORD");
        let command =
            command(&exchange(r#"{"p":"open sesame","n":"it's"}"#), &secrets, &Transport::default());
        assert!(command.contains(r#"'{"p":"'"$ALICE_PASSWORD"'","n":"it'\''s"}'"#), "{command}");
        assert!(!command.contains("open sesame"));
        assert_eq!(variables(&command), ["ALICE_PASSWORD"]);
    }

    #[test]
    fn expressions_are_those_of_any_shell() {
        let check = |expression: &str, expected: &str| {
            let mut secrets = Secrets::default();
            secrets.add("altered", expression);
            let script = format!("printf %s {}", quote("altered", &secrets));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .env("WORD", "Open Sesame")
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{script}");
        };
        check("${WORD^^}", "OPEN SESAME");
        check("${WORD,,}", "open sesame");
        check("${WORD:0:4}*", "Open*");
        check("${WORD%?}", "Open Sesam");
        check(" ${WORD}", " Open Sesame");
    }

    #[test]
    fn the_shell_reads_back_what_was_sent() {
        let mut secrets = Secrets::default();
        secrets.add("open sesame", "$ALICE_PASSWORD");
        let body = r#"{"p":"open sesame","n":"it's \"$HOME\" `x`"}"#;
        let command = command(&exchange(body), &secrets, &Transport::default());
        let word = command.split_once("--data-binary ").unwrap().1;
        let script = format!("printf %s {word}");
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("ALICE_PASSWORD", "open sesame")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), body);
    }
}
