//! Secrets that are not the account's, and names that are nobody's.

use super::try_login;
use crate::check::{Checks, Group};
use crate::finding::Stop;
use crate::need::Need;
use serde_json::{Value, json};

/// Wrong secrets that everybody may type before the right one.
const FEW: u32 = 3;

/// Adds the checks of wrong secrets and unknown names.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(Group::Credential, "a wrong secret is refused", &["common.credential.wrong"], |cx| {
            let actor = cx.actor()?;
            cx.log_in(&actor)?;
            let secret = format!("wrong-{}", cx.random_hex(12));
            let answer = try_login(cx, &json!(actor.identifier), &json!(secret))?;
            cx.must_refuse(&answer, "logged a known account in with a random secret")
        })
        .family("secret", 0);
    checks
        .add(
            Group::Credential,
            "an account that does not exist is refused",
            &["common.credential.unknown-account"],
            |cx| {
                let actor = cx.actor()?;
                let name = format!("nobody-{}", cx.random_hex(8));
                let secret = format!("wrong-{}", cx.random_hex(12));
                let answer = try_login(cx, &json!(name), &json!(secret))?;
                cx.must_refuse(&answer, "logged an unknown name in with a random secret")?;
                let answer = try_login(cx, &json!(name), &json!(actor.password))?;
                cx.must_refuse(&answer, "logged an unknown name in with a known account's secret")
            },
        )
        .family("secret", 1);
    checks
        .needing(Need::SecondAccount)
        .add(Group::Credential, "another account's secret is refused", &["common.credential.own"], |cx| {
            let actor = cx.actor()?;
            let other = cx.other_actor()?;
            cx.log_in(&actor)?;
            let answer = try_login(cx, &json!(actor.identifier), &json!(other.password))?;
            cx.must_refuse(&answer, "logged one account in with another account's secret")
        })
        .family("secret", 1);
    checks
        .add(
            Group::Credential,
            "the name in place of the secret is refused",
            &["common.credential.wrong"],
            |cx| {
                let actor = cx.actor()?;
                let answer = try_login(cx, &json!(actor.identifier), &json!(actor.identifier))?;
                cx.must_refuse(&answer, "sent the account's name as its secret")
            },
        )
        .family("secret", 1);
    checks
        .add(Group::Credential, "an empty secret is refused", &["common.credential.empty"], |cx| {
            let actor = cx.actor()?;
            cx.log_in(&actor)?;
            for (what, secret) in [
                ("an empty secret", json!("")),
                ("a space as secret", json!(" ")),
                ("null as secret", Value::Null),
            ] {
                let answer = try_login(cx, &json!(actor.identifier), &secret)?;
                cx.must_refuse(&answer, &format!("logged a known account in with {what}"))?;
            }
            Ok(())
        })
        .family("secret", 1);
    checks.add(
        Group::Credential,
        "a wrong secret ends no session of the account",
        &["common.credential.refusal-leaves-account"],
        |cx| {
            let actor = cx.actor()?;
            for (wrong, did) in [(false, "before"), (true, "after")] {
                let session = cx.log_in(&actor)?;
                if wrong {
                    let secret = format!("wrong-{}", cx.random_hex(12));
                    let answer = try_login(cx, &json!(actor.identifier), &json!(secret))?;
                    cx.must_refuse(&answer, "logged a known account in with a random secret")?;
                }
                let did = format!("used a session {did} somebody tried a wrong secret on its account");
                let sink = cx.token_sinks().first().copied();
                let answer = match (sink, session.access.clone(), session.refreshable(cx.scheme)) {
                    (Some(sink), Some(token), _) => cx.present(sink, &actor, &token)?,
                    (_, _, Some(token)) => {
                        let token = token.to_owned();
                        cx.refresh_with(&session, &token)?
                    }
                    _ => return Err(Stop::NotApplicable("nothing takes the tokens of a session".to_owned())),
                };
                if wrong {
                    cx.must_accept(&answer, &did)?;
                } else {
                    cx.control(&answer, "using a session")?;
                }
            }
            Ok(())
        },
    );
    checks
        .add(
            Group::Credential,
            "one wrong attempt does not cost the owner a login",
            &["common.credential.refusal-leaves-account"],
            |cx| {
                for nth in 0..3 {
                    let actor = match cx.nth_actor(nth) {
                        Ok(actor) => actor,
                        Err(stop) if nth == 0 => return Err(stop),
                        Err(_) => break,
                    };
                    cx.log_in(&actor)?;
                    let secret = format!("wrong-{}", cx.random_hex(12));
                    try_login(cx, &json!(actor.identifier), &json!(secret))?;
                    let answer = try_login(cx, &json!(actor.identifier), &json!(actor.password))?;
                    cx.must_accept(&answer, "logged in with the right secret after a single wrong one")?;
                }
                Ok(())
            },
        )
        // Wrong secrets that other checks try meanwhile would count, too.
        .alone()
        .about_lockout();
    checks
        .add(
            Group::Credential,
            "a few wrong attempts do not keep the owner out",
            &["common.credential.refusal-leaves-account"],
            |cx| {
                if let Some(known) = cx.gate().and_then(|gate| gate.mistake()) {
                    let mut finding = known.clone();
                    finding.check.clone_from(&cx.check);
                    // After one that does, a few more say nothing.
                    return cx.tell(finding);
                }
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                for _ in 0..FEW {
                    let secret = format!("wrong-{}", cx.random_hex(12));
                    try_login(cx, &json!(actor.identifier), &json!(secret))?;
                }
                let wrong = cx.target.lockouts.wrong(&cx.scheme.id, &actor.identifier);
                let answer = try_login(cx, &json!(actor.identifier), &json!(actor.password))?;
                if !answer.accepted() && wrong > FEW {
                    return Err(Stop::Inconclusive(format!(
                        "the account was tried with {wrong} wrong secrets in a row, some of them by other checks"
                    )));
                }
                cx.must_accept(&answer, &format!("logged in with the right secret after {FEW} wrong ones"))
            },
        )
        .about_lockout()
        // Wrong secrets of others would come between.
        .alone();
}
