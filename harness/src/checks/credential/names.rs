//! Names that only resemble an account's, and names that nobody has, twice.

use super::try_login;
use crate::check::{Checks, Group};
use crate::checks::refresh::same_account;
use crate::context::Context;
use crate::finding::Stop;
use crate::need::Need;
use serde_json::json;

/// Adds the checks of names.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "a name that only resembles the accounts is refused",
            &["common.credential.unknown-account"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                for (what, name) in resembling(&actor.identifier) {
                    let answer = try_login(cx, &json!(name), &json!(actor.password))?;
                    cx.must_refuse(
                        &answer,
                        &format!("logged in with the right secret and {what}, `{name:?}`"),
                    )?;
                }
                Ok(())
            },
        )
        .family("secret", 1);
    checks.add(
        Group::Credential,
        "a name in other letters is the same account or none",
        &["common.credential.one-account"],
        |cx| {
            let actor = cx.actor()?;
            let usual = cx.log_in(&actor)?;
            for (what, name) in spelt_otherwise(&actor.identifier) {
                let answer = try_login(cx, &json!(name), &json!(actor.password))?;
                if !answer.accepted() {
                    continue;
                }
                let session = Context::session_of(&actor, answer);
                let did = format!("logged an account in by its name, and by {what}, `{name:?}`");
                same_account(cx, &usual, &session, &did)?;
            }
            Ok(())
        },
    );
    checks
        .needing(Need::SecondAccount)
        .add(Group::Credential, "a list of names is refused", &["common.credential.own"], |cx| {
            let actor = cx.actor()?;
            cx.log_in(&actor)?;
            let other = cx.other_actor()?;
            // A list of one name is the name in some languages, and nobody gains by it.
            for names in
                [json!([other.identifier, actor.identifier]), json!([actor.identifier, other.identifier])]
            {
                let answer = try_login(cx, &names, &json!(actor.password))?;
                cx.must_refuse(&answer, "logged in as a list of two names with the secret of one")?;
            }
            Ok(())
        })
        .family("secret", 1);
    checks
        .add(
            Group::Credential,
            "an account that does not exist is refused again",
            &["common.credential.unknown-account"],
            |cx| {
                if cx.actor().is_err() {
                    return Err(Stop::NotApplicable("the profile names no account".to_owned()));
                }
                let name = format!("nobody-{}", cx.random_hex(8));
                let secret = format!("Wrong-{}", cx.random_hex(12));
                for time in ["for the first time", "for the second time", "for the third time"] {
                    let answer = try_login(cx, &json!(name), &json!(secret))?;
                    cx.must_refuse(
                        &answer,
                        &format!("logged an unknown name in {time}, with the same secret"),
                    )?;
                }
                Ok(())
            },
        )
        .family("secret", 1);
}

/// The name as people may write it as well. Whether that finds the account is a server's choice.
fn spelt_otherwise(name: &str) -> Vec<(&'static str, String)> {
    let mut names = vec![
        ("its name in capitals", name.to_uppercase()),
        ("its name in small letters", name.to_lowercase()),
        ("its name with a space behind it", format!("{name} ")),
        ("its name with a space before it", format!(" {name}")),
    ];
    names.retain(|(_, other)| other != name);
    names
}

/// Names that a careless look-up takes for this one.
fn resembling(name: &str) -> Vec<(&'static str, String)> {
    let kept = |count: usize| name.chars().take(count).collect::<String>();
    let length = name.chars().count();
    let mut names = vec![
        ("the name without its last character", kept(length.saturating_sub(1))),
        ("the first half of the name", kept(length / 2)),
        ("the name, NUL and a further letter", format!("{name}\0x")),
        (
            "the name with an underscore for its last character",
            format!("{}_", kept(length.saturating_sub(1))),
        ),
        ("the beginning of the name and a percent sign", format!("{}%", kept(length.saturating_sub(1)))),
        ("an expression that matches every name", ".*".to_owned()),
    ];
    names.retain(|(_, other)| !other.is_empty() && other != name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_resembling_name_is_the_name() {
        assert_eq!(resembling("alice").len(), 6);
        assert!(resembling("_").iter().all(|(_, other)| other != "_" && !other.is_empty()));
    }
}
