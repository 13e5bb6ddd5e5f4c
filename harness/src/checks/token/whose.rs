//! Whose data an operation shows follows from the token, and from nothing that stands beside it.

use crate::check::{Checks, Group};
use crate::checks::flow::served;
use crate::checks::refresh::who;
use crate::context::Context;
use crate::draft::Draft;
use crate::finding::Stop;
use crate::need::Need;
use countersign_spec::{Place, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Names by which servers ask for an account, beside those that the answer has.
const PARAMETERS: [&str; 7] = ["user_id", "userId", "uid", "id", "user", "username", "account"];
/// Headers in which gateways tell the servers behind them who is there.
const HEADERS: [&str; 5] =
    ["x-user-id", "x-user", "x-forwarded-user", "x-remote-user", "x-authenticated-user"];

/// Adds the check of each operation that shows something of the caller.
pub(super) fn add(checks: &mut Checks<'_>) {
    for operation in checks.scheme.operations.iter().filter(|operation| {
        crate::context::is_token_sink(operation) && operation.step != Step::Refresh && !operation.sibling
    }) {
        let name = operation.name.clone();
        let sentence = format!("{name} answers about the account of the token, whoever is named beside it");
        checks.needing(Need::SecondAccount).add(
            Group::Token,
            &sentence,
            &["common.flow.own-identity"],
            move |cx| about_the_token(cx, &name),
        );
    }
}

fn about_the_token(cx: &mut Context<'_>, name: &str) -> Result<(), Stop> {
    let operation = served(cx, name)?;
    let mine = cx.session()?;
    let other = cx.other_actor()?;
    let theirs = cx.log_in(&other)?;
    let mut answers = Vec::new();
    for session in [&mine, &theirs] {
        let draft = cx.authorized(operation, session);
        let answer = cx.send(operation, &draft)?;
        cx.control(&answer, &format!("asking {name} with a good token"))?;
        answers.push(who(&answer));
    }
    let [ours, foreign] = answers.as_slice() else { return Ok(()) };
    let foreign: BTreeMap<&String, &String> =
        foreign.iter().filter(|(name, value)| ours.get(*name).is_some_and(|own| own != *value)).collect();
    if foreign.is_empty() {
        return Err(Stop::NotApplicable(format!("nothing in the answer of {name} tells two accounts apart")));
    }
    for beside in [in_query, in_headers] {
        let mut draft = cx.authorized(operation, &mine);
        let said = beside(&mut draft, &foreign);
        let answer = cx.send(operation, &draft)?;
        let got = who(&answer);
        if answer.accepted() && foreign.iter().any(|(name, value)| got.get(*name) == Some(value)) {
            let did = format!("asked {name} with the own token and another account {said}");
            cx.found(&did, "an answer about the account of the token, or a refusal", &answer)?;
        }
    }
    Ok(())
}

fn in_query(draft: &mut Draft, foreign: &BTreeMap<&String, &String>) -> &'static str {
    let id = first(foreign);
    for name in PARAMETERS {
        draft.set(&Place::Query(name.to_owned()), json!(id));
    }
    for (name, value) in foreign {
        draft.set(&Place::Query((*name).clone()), json!(plain(value)));
    }
    "named in the query"
}

fn in_headers(draft: &mut Draft, foreign: &BTreeMap<&String, &String>) -> &'static str {
    let id = first(foreign);
    for name in HEADERS {
        draft.set_header(name, &id);
    }
    "named in headers of gateways"
}

/// What names the other account where a server has a name of its own for it.
fn first(foreign: &BTreeMap<&String, &String>) -> String {
    foreign.values().next().map(|value| plain(value)).unwrap_or_default()
}

/// A value as a parameter has it.
fn plain(value: &str) -> String {
    match serde_json::from_str(value) {
        Ok(Value::String(text)) => text,
        _ => value.to_owned(),
    }
}
