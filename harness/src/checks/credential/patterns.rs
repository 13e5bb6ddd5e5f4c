//! Patterns that match the right secret, and wrong secrets in company: neither is the secret.

use super::exact::variants_once;
use super::try_login;
use crate::check::{Checks, Group};
use countersign_spec::{Level, Place, Role, Step};
use serde_json::{Value, json};

/// Adds the checks of patterns and of further members.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "a pattern that matches the secret is refused",
            &["common.credential.exact"],
            |cx| {
                variants_once(cx, |secret| {
                    let length = secret.chars().count();
                    vec![
                        ("an expression that matches everything", ".*", ".*".to_owned()),
                        ("an expression that matches any text", "^.+$", "^.+$".to_owned()),
                        (
                            "an expression that matches the secret",
                            "^$PASSWORD$",
                            format!("^{}$", escaped(secret)),
                        ),
                        ("underscores as long as the secret", "_", "_".repeat(length)),
                        (
                            "the secret's first letter and a percent sign",
                            "${PASSWORD:0:1}%",
                            beginning(secret, '%'),
                        ),
                        (
                            "the secret's first letter and an asterisk",
                            "${PASSWORD:0:1}*",
                            beginning(secret, '*'),
                        ),
                    ]
                })
            },
        )
        .at_most(Level::Should)
        .family("secret", 1);
    checks
        .add(
            Group::Credential,
            "a wrong secret with further members is refused",
            &["common.credential.wrong"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                let operation = cx.step(Step::Login)?;
                let secret = format!("wrong-{}", cx.random_hex(12));
                for (name, value) in [
                    ("remember", json!(true)),
                    ("otp", json!("000000")),
                    ("token", json!("0123456789abcdef")),
                    ("admin", json!(true)),
                    ("x-countersign", json!("1")),
                ] {
                    let mut draft = cx.draft(operation);
                    for (role, text) in [(Role::Identifier, &actor.identifier), (Role::Password, &secret)] {
                        if let Some(field) = operation.request_field(role) {
                            draft.set(&field.at, json!(text));
                        }
                    }
                    draft.set(&Place::Body(format!("/{name}")), value);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("sent a wrong secret and a member `{name}` beside it"))?;
                }
                let both = try_login(cx, &json!(actor.identifier), &Value::Array(vec![json!(secret)]))?;
                cx.must_refuse(&both, "sent a list of one wrong secret")
            },
        )
        .family("secret", 1);
}

/// The text as an expression that matches it and nothing else.
fn escaped(text: &str) -> String {
    regex_syntax::escape(text)
}

fn beginning(text: &str, rest: char) -> String {
    text.chars().take(1).chain([rest]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_escaped_as_an_expression() {
        assert_eq!(escaped("a.b"), r"a\.b");
        assert_eq!(beginning("secret", '%'), "s%");
    }
}
