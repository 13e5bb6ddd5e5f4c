//! Of two names in one login, the one whose proof it is counts, or none.

use crate::check::{Checks, Group};
use crate::checks::flow::identity;
use crate::checks::refresh::who;
use crate::context::{Context, Session};
use crate::draft::{Draft, Writing};
use crate::finding::Stop;
use crate::need::Need;
use countersign_spec::{Encoding, Field, Place, ProofKind, Role, Scheme, Step};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Adds the check of a login that names two accounts.
pub(super) fn add(checks: &mut Checks<'_>) {
    if names(checks.scheme).is_empty() {
        return;
    }
    checks.needing(Need::SecondAccount).add(
        Group::Credential,
        "a login that names two accounts never opens the other one",
        &["common.credential.own"],
        |cx| {
            let (mine, other) = (cx.actor()?, cx.other_actor()?);
            let foreign = cx.log_in(&other)?;
            let theirs = told(cx, &foreign)?;
            let own = cx.log_in(&mine)?;
            let ours = told(cx, &own)?;
            let tells = |(name, value): (&String, &String)| ours.get(name).is_some_and(|own| own != value);
            if !theirs.iter().any(tells) {
                let reason = "nothing that a login gives tells two accounts apart".to_owned();
                return Err(Stop::NotApplicable(reason));
            }
            for field in names(cx.scheme) {
                for own_first in [false, true] {
                    let attempt = cx.attempt(&mine)?;
                    let (operation, mut draft) = cx.write_attempt(&attempt)?;
                    if draft.writing != Writing::Plain(Encoding::Json) {
                        let reason = "logins of this target are no JSON".to_owned();
                        return Err(Stop::NotApplicable(reason));
                    }
                    let foreign = match field.role {
                        Role::Address => json!(other.address),
                        _ => json!(other.identifier),
                    };
                    let Some(body) = twice(&draft, field.at.name(), &foreign, own_first) else { continue };
                    draft.writing = Writing::Bytes(body);
                    let answer = cx.send(operation, &draft)?;
                    if !answer.accepted() {
                        continue;
                    }
                    let session = Context::session_of(&mine, answer);
                    let got = told(cx, &session)?;
                    let taken = got.iter().find(|(name, value)| {
                        theirs.get(*name) == Some(value) && ours.get(*name).is_some_and(|own| own != *value)
                    });
                    if let Some((name, value)) = taken {
                        let order = if own_first { "last" } else { "first" };
                        let did = format!(
                            "logged an account in with its own proof, and {} twice, another account's {order}",
                            field.at.name()
                        );
                        let got = format!("a session of the other account: {name} is {value}");
                        let expected = "a refusal, or a session of the account whose proof it is";
                        let exchange = std::slice::from_ref(&session.answer.exchange);
                        cx.found_in(&did, expected, &got, exchange)?;
                    }
                }
            }
            Ok(())
        },
    );
}

/// Members of the login's body that name an account.
fn names(scheme: &Scheme) -> Vec<Field> {
    let wanted = match scheme.proof.kind {
        ProofKind::Secret => Role::Identifier,
        _ => Role::Address,
    };
    let login = scheme.step(Step::Login).map(|login| login.request.fields.as_slice()).unwrap_or_default();
    let top = |at: &Place| matches!(at, Place::Body(pointer) if pointer.matches('/').count() == 1);
    login.iter().filter(|field| field.role == wanted && top(&field.at)).cloned().collect()
}

/// Whose a session is: what its token and operations say, and what the login's answer does.
fn told<'t>(cx: &mut Context<'t>, session: &Session<'t>) -> Result<BTreeMap<String, String>, Stop> {
    let mut names = identity::named(cx, session)?;
    let says = who(&session.answer).into_iter();
    names.extend(says.map(|(name, value)| (format!("{} {name}", session.answer.operation.name), value)));
    Ok(names)
}

/// The members with one of them at the beginning and again at the end.
fn twice(draft: &Draft, name: &str, foreign: &Value, own_first: bool) -> Option<Vec<u8>> {
    let members = draft.body.as_ref()?.as_object()?;
    let own = members.get(name)?;
    let rest: Map<String, Value> =
        members.iter().filter(|(known, _)| *known != name).map(|(k, v)| (k.clone(), v.clone())).collect();
    let rest = Value::Object(rest).to_string();
    let rest = rest.strip_prefix('{')?.strip_suffix('}')?;
    let name = json!(name);
    let (first, last) = if own_first { (own, foreign) } else { (foreign, own) };
    Some(format!("{{{name}:{first},{rest},{name}:{last}}}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stands_at_both_ends() {
        let mut draft = Draft::new("login", "POST", "/");
        draft.body = Some(json!({ "user": "a", "password": "p" }));
        let body = twice(&draft, "user", &json!("b"), false).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), r#"{"user":"b","password":"p","user":"a"}"#);
    }
}
