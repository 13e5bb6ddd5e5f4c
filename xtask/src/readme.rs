//! The README's curl examples, pasted: each must answer as the README prints.

use crate::cargo;
use crate::local_server::{LocalServer, Store};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The address the README speaks of.
const WRITTEN: &str = "http://127.0.0.1:8080";
/// Stands for any text, or any end of one.
const ELLIPSIS: char = '…';

/// Runs every example against a server of its own.
pub(crate) fn run(root: &Path) -> ExitCode {
    match complaints(root) {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for complaint in complaints {
                anstream::eprintln!("{complaint}");
            }
            ExitCode::from(crate::FOUND)
        }
        Err(error) => crate::unusable(&error),
    }
}

fn complaints(root: &Path) -> Result<Vec<String>, String> {
    let text =
        std::fs::read_to_string(root.join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let examples = examples(&text);
    if examples.is_empty() {
        return Ok(vec!["README.md has no curl example that is followed by its answer".to_owned()]);
    }
    let binary = cargo::tested_server(root)?;
    let server = LocalServer::start(&binary, Store::MEMORY)?;
    let mut complaints = Vec::new();
    for example in &examples {
        let command = example.command.replace(WRITTEN, server.url());
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(root)
            .output()
            .map_err(|error| format!("no shell could be started: {error}"))?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let outcome = match serde_json::from_str::<Value>(&answer) {
            Ok(answer) => difference(&example.answer, &answer, ""),
            Err(_) => Some(format!(
                "it answers no JSON; curl says: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        };
        match outcome {
            None => anstream::println!("README.md:{}: as printed", example.line),
            Some(what) => {
                complaints.push(format!("README.md:{}: {what}; the whole answer: {answer}", example.line))
            }
        }
    }
    Ok(complaints)
}

/// A command and the answer printed below it.
#[derive(Debug, PartialEq)]
struct Example {
    line: usize,
    command: String,
    answer: Value,
}

/// Every `sh` block that calls curl, with the `json` block that follows it.
fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut command: Option<(usize, String)> = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((line, text)) = lines.next() {
        let Some(kind) = text.strip_prefix("```").filter(|kind| !kind.is_empty()) else { continue };
        let block: Vec<&str> =
            lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
        let block = block.join("\n");
        match kind {
            "sh" => command = block.contains("curl ").then_some((line + 1, block)),
            "json" => {
                if let (Some((line, command)), Ok(answer)) = (command.take(), serde_json::from_str(&block)) {
                    found.push(Example { line, command, answer });
                }
            }
            _ => command = None,
        }
    }
    found
}

/// The first place where the answer is not as printed.
fn difference(printed: &Value, answer: &Value, at: &str) -> Option<String> {
    match (printed, answer) {
        (Value::Object(printed), Value::Object(answer)) => {
            if let Some(more) = answer.keys().find(|key| !printed.contains_key(*key)) {
                return Some(format!("the answer has `{at}/{more}`, which is not printed"));
            }
            printed.iter().find_map(|(key, printed)| match answer.get(key) {
                Some(answer) => difference(printed, answer, &format!("{at}/{key}")),
                None => Some(format!("the answer lacks `{at}/{key}`")),
            })
        }
        (Value::String(printed), Value::String(answer)) => match printed.strip_suffix(ELLIPSIS) {
            Some(start) if answer.len() > start.len() && answer.starts_with(start) => None,
            None if printed == answer => None,
            _ => Some(format!("`{at}` is not as printed")),
        },
        _ => (printed != answer).then(|| format!("`{at}` is {answer} and not {printed}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_readme_has_an_example_for_each_scheme() {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
        let examples = examples(&text);
        assert_eq!(examples.len(), countersign_spec::Spec::embedded().schemes().len());
        assert!(examples.iter().all(|example| example.command.contains(WRITTEN)));
        // An account that is not in the file would make the README lie.
        for secret in [
            &countersign_fixtures::accounts().ethgas[0].password,
            &countersign_fixtures::accounts().nftrainbow[0].app_secret,
            &countersign_fixtures::accounts().cbs[0].password,
        ] {
            assert!(examples.iter().any(|example| example.command.contains(secret.as_str())), "{secret}");
        }
    }

    #[test]
    fn the_profile_of_the_readme_can_be_used() {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
        let profile = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        // The variables are the reader's.
        let profile = profile.replace("env:ALICE_PASSWORD", "a secret").replace("env:JWT_SECRET", "a key");
        let spec = countersign_spec::Spec::embedded();
        let read = countersign::profile::Profile::parse(&profile, "README.md", Path::new("."), spec).unwrap();
        let checks = countersign::catalogue(spec);
        for deviation in &read.deviations {
            assert!(checks.iter().any(|check| check.name == deviation.check), "{}", deviation.check);
        }
        assert_eq!(read.deviations.len(), 1);
    }

    #[test]
    fn only_curl_blocks_with_an_answer_are_examples() {
        let text = "```sh\ncargo x\n```\n```json\n{}\n```\n\n```sh\ncurl a\n```\nwords\n```json\n{\"a\":1}\n```\n```sh\ncurl b\n```\n";
        assert_eq!(
            examples(text),
            [Example { line: 9, command: "curl a".into(), answer: json!({ "a": 1 }) }]
        );
    }

    #[test]
    fn answers_are_compared_member_by_member() {
        let printed = json!({ "code": 0, "data": { "token": "ey…" } });
        let check = |answer: Value| difference(&printed, &answer, "");
        assert_eq!(check(json!({ "code": 0, "data": { "token": "eyJ" } })), None);
        for (answer, expected) in [
            (json!({ "code": 1, "data": { "token": "eyJ" } }), "`/code` is 1 and not 0"),
            (json!({ "code": 0, "data": { "token": "abc" } }), "`/data/token` is not as printed"),
            (json!({ "code": 0, "data": { "token": "ey" } }), "`/data/token` is not as printed"),
            (json!({ "code": 0, "data": null }), "`/data` is null"),
            (json!({ "code": 0 }), "lacks `/data`"),
            (json!({ "code": 0, "data": { "token": "eyJ" }, "more": 1 }), "has `/more`"),
        ] {
            let said = check(answer).unwrap();
            assert!(said.contains(expected), "{said}");
        }
    }
}
