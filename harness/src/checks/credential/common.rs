//! Names and secrets that every attacker tries first: none of them may open a door by itself.

use super::try_login;
use crate::check::{Checks, Group};
use serde_json::json;

/// Names that products ship with (OWASP ASVS 5.0, 6.3.2), and names that only begin like one.
const NAMES: [&str; 9] =
    ["admin", "administrator", "root", "test", "test1", "test-user", "guest", "demo", "debug"];
/// Secrets that products ship with, or that let a developer in.
const SECRETS: [&str; 12] = [
    "password",
    "Password1!",
    "123456",
    "12345678",
    "admin",
    "root",
    "test",
    "secret",
    "letmein",
    "changeme",
    "master",
    "debug",
];
/// Wrong secrets in a row before the right one clears the count.
const IN_A_ROW: usize = 2;

/// Adds the checks of common names and secrets.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "a name that products ship with is refused",
            &["common.credential.no-defaults"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                for name in NAMES {
                    for (what, secret) in [
                        ("a random secret", format!("Wrong-{}", cx.random_hex(12))),
                        ("itself as the secret", name.to_owned()),
                    ] {
                        let answer = try_login(cx, &json!(name), &json!(secret))?;
                        cx.must_refuse(&answer, &format!("logged `{name}` in with {what}"))?;
                    }
                }
                Ok(())
            },
        )
        .family("secret", 1);
    checks
        .add(
            Group::Credential,
            "a secret that products ship with is refused",
            &["common.credential.no-defaults"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                for (index, secret) in SECRETS.iter().filter(|secret| **secret != actor.password).enumerate()
                {
                    if index > 0 && index % IN_A_ROW == 0 {
                        cx.log_in(&actor)?;
                    }
                    let answer = try_login(cx, &json!(actor.identifier), &json!(secret))?;
                    cx.must_refuse(&answer, &format!("logged a known account in with `{secret}`"))?;
                }
                Ok(())
            },
        )
        .family("secret", 1);
}
