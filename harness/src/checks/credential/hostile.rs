//! Queries, operators and hostile text in place of name or secret.

use super::try_login;
use crate::check::{Checks, Group};
use crate::checks::hygiene::PROGRAMS;
use crate::context::Context;
use crate::finding::Stop;
use crate::judge::{self, Verdict};
use countersign_spec::{Role, Step};
use serde_json::{Value, json};

/// Adds the checks of hostile names and secrets.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "a query in place of name or secret is refused",
            &["common.credential.injection"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                let name = json!(actor.identifier);
                for query in [
                    "' OR '1'='1",
                    "' OR '1'='1' -- ",
                    "\" or \"\"=\"",
                    "*",
                    "%",
                    "*)(uid=*))(|(uid=*",
                    "{{7*7}}",
                    "${7*7}",
                ] {
                    let answer = try_login(cx, &name, &json!(query))?;
                    cx.must_refuse(&answer, &format!("sent `{query}` as the secret"))?;
                }
                for suffix in ["' -- ", "'--", "' #", "'/*", "' OR '1'='1' -- "] {
                    let answer = try_login(cx, &json!(format!("{}{suffix}", actor.identifier)), &json!("x"))?;
                    cx.must_refuse(&answer, &format!("sent the name with `{suffix}` behind it"))?;
                }
                for operator in [
                    json!({ "$ne": "" }),
                    json!({ "$gt": "" }),
                    json!({ "$regex": ".*" }),
                    json!({ "$exists": true }),
                    json!([actor.password.clone()]),
                ] {
                    let answer = try_login(cx, &name, &operator)?;
                    cx.must_refuse(&answer, "sent an operator or list in place of the secret")?;
                    let answer = try_login(cx, &operator, &json!(actor.password))?;
                    cx.must_refuse(&answer, "sent an operator or list in place of the name")?;
                }
                let answer = try_login(cx, &json!([actor.identifier]), &json!(actor.password))?;
                cx.must_refuse(&answer, "sent a list with the name in place of the name")?;
                let start: String = actor.identifier.chars().take(4).collect();
                for pattern in ["*", "%", ".*"] {
                    let answer = try_login(cx, &json!(format!("{start}{pattern}")), &json!(actor.password))?;
                    cx.must_refuse(&answer, &format!("sent the beginning of the name and `{pattern}`"))?;
                }
                let mut characters = actor.password.chars();
                if let Some(first) = characters.next() {
                    let (name, rest) = (format!("{}{first}", actor.identifier), characters.as_str());
                    cx.secrets.add(rest, "${PASSWORD#?}");
                    let answer = try_login(cx, &json!(name), &json!(rest))?;
                    cx.must_refuse(
                        &answer,
                        "moved the first character of the secret to the end of the name",
                    )?;
                }
                nobody(cx)
            },
        )
        .family("secret", 1);
    checks
        .add(
            Group::Credential,
            "hostile text is refused like a wrong secret",
            &["common.credential.hostile-text"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                let mut texts: Vec<(&str, String)> = vec![
                    ("a secret of 1,000 letters", "a".repeat(1_000)),
                    ("a secret of 10,000 letters", "a".repeat(10_000)),
                    ("a secret of 65 letters", "b".repeat(65)),
                    ("a secret of 73 letters", "c".repeat(73)),
                    ("a non-ASCII secret of 71 characters", "é".repeat(71)),
                    ("a non-ASCII secret", "пароль-密码-🔑".to_owned()),
                    ("a secret with control characters", "a\u{0}b\u{1}c\u{7f}".to_owned()),
                    ("a secret with direction marks", "\u{202e}drowssap\u{2066}".to_owned()),
                    ("a secret of combining marks", "e\u{301}".repeat(300)),
                ];
                texts.extend([129, 257, 513].map(|length| ("a longer secret", "d".repeat(length))));
                for (what, secret) in texts {
                    let answer = try_login(cx, &json!(actor.identifier), &json!(secret))?;
                    cx.must_refuse(&answer, &format!("sent {what}"))?;
                    let answer = try_login(cx, &json!(secret), &json!("x"))?;
                    cx.must_refuse(&answer, &format!("sent {what} as the name"))?;
                }
                Ok(())
            },
        )
        .family("secret", 1);
    checks
        .add(
            Group::Credential,
            "words of programs are refused like any other name or secret",
            &["common.credential.hostile-text"],
            |cx| {
                let actor = cx.actor()?;
                for (index, text) in PROGRAMS.into_iter().enumerate() {
                    // Now and then the right secret, so that nobody takes it for guessing.
                    if index % 2 == 0 {
                        cx.log_in(&actor)?;
                    }
                    for (name, secret) in [(actor.identifier.as_str(), text), (text, "x"), (text, text)] {
                        let answer = try_login(cx, &json!(name), &json!(secret))?;
                        let did = format!("logged in as `{name}` with the secret `{secret}`");
                        cx.must_refuse(&answer, &did)?;
                        if answer.verdict == Verdict::Broken {
                            cx.found(&did, &judge::describe_refusal(cx.scheme), &answer)?;
                        }
                    }
                }
                Ok(())
            },
        )
        .family("secret", 1);
}

/// Names that the language itself gives to something are nobody's, with any secret and with none.
fn nobody(cx: &mut Context<'_>) -> Result<(), Stop> {
    let login = cx.step(Step::Login)?;
    for name in PROGRAMS.iter().take(5) {
        for secret in [None, Some(Value::Null), Some(json!("")), Some(json!({}))] {
            let mut draft = cx.draft(login);
            for (role, value) in [(Role::Identifier, Some(json!(name))), (Role::Password, secret.clone())] {
                if let (Some(field), Some(value)) = (login.request_field(role), value) {
                    draft.set(&field.at, value);
                }
            }
            let answer = cx.send(login, &draft)?;
            let shown =
                secret.map_or_else(|| "no secret".to_owned(), |secret| format!("the secret {secret}"));
            cx.must_refuse(&answer, &format!("logged `{name}` in with {shown}"))?;
        }
    }
    Ok(())
}
