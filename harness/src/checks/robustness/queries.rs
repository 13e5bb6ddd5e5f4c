//! Queries as callers mistype them: parameters twice, as lists, without value, wrongly escaped.

use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::{Draft, percent};
use crate::finding::Stop;
use crate::judge::{self, Verdict};
use countersign_spec::{Operation, Place, Role};

/// Adds the checks of operations that take their members from the query.
pub(super) fn add(checks: &mut Checks<'_>) {
    let reads_query = |operation: &Operation| !names(operation).is_empty();
    for operation in checks.scheme.operations.iter().filter(|operation| reads_query(operation)) {
        let name = operation.name.clone();
        let sentence = format!("{name} with an odd query is answered");
        let anchors = ["common.hygiene.no-server-error", "common.flow.own-identity"];
        checks.add(Group::Robustness, &sentence, &anchors, move |cx| odd(cx, &name));
    }
}

/// Names of the operation's parameters.
fn names(operation: &Operation) -> Vec<(String, Role)> {
    let fields = operation.request.fields.iter();
    fields
        .filter_map(|field| match &field.at {
            Place::Query(name) => Some((name.clone(), field.role)),
            _ => None,
        })
        .collect()
}

fn odd(cx: &mut Context<'_>, name: &str) -> Result<(), Stop> {
    let Some(operation) = cx.scheme.operations.iter().find(|operation| operation.name == name) else {
        return Ok(());
    };
    cx.served(operation)?;
    let session = cx.session()?;
    let right = cx.authorized(operation, &session);
    let answer = cx.send(operation, &right)?;
    cx.control(&answer, "the same request with a plain query")?;
    let other = cx.other_actor()?;
    cx.log_in(&other)?;
    for (parameter, role) in names(operation) {
        let foreign = match role {
            Role::Identifier => other.identifier.clone(),
            _ => "1".to_owned(),
        };
        for (what, draft) in oddities(&right, &parameter, &foreign) {
            let answer = cx.send(operation, &draft)?;
            if answer.verdict == Verdict::Broken {
                let did = format!("sent {what}");
                cx.found(&did, &judge::describe_refusal(cx.scheme), &answer)?;
            }
            let named = answer.text(Role::Identifier);
            let theirs = named.is_some_and(|name| name == other.identifier)
                || answer.exchange.text().to_ascii_lowercase().contains(&other.wallet.lower_address());
            if answer.accepted() && theirs {
                let did = format!("sent {what}, signed by one account and naming another");
                cx.found(&did, "a refusal, or an answer about the account that signed", &answer)?;
            }
        }
    }
    Ok(())
}

/// The request with one parameter of its query written oddly. The whole query stands in the path, as it is meant.
fn oddities(right: &Draft, parameter: &str, foreign: &str) -> Vec<(String, Draft)> {
    let pairs = |own: &dyn Fn(&str, &str) -> String| -> Draft {
        let mut draft = right.clone();
        let query: Vec<String> = right
            .query
            .iter()
            .map(|(name, value)| {
                let (name, value) = (percent(name), percent(value));
                if name == parameter { own(&name, &value) } else { format!("{name}={value}") }
            })
            .filter(|pair| !pair.is_empty())
            .collect();
        draft.query.clear();
        draft.path = format!("{}?{}", right.path, query.join("&"));
        draft
    };
    let foreign = percent(foreign);
    vec![
        (format!("{parameter} twice"), pairs(&|name, value| format!("{name}={value}&{name}={value}"))),
        (
            format!("{parameter} twice, another value first"),
            pairs(&|name, value| format!("{name}={foreign}&{name}={value}")),
        ),
        (
            format!("{parameter} twice, another value last"),
            pairs(&|name, value| format!("{name}={value}&{name}={foreign}")),
        ),
        (format!("{parameter} as a list"), pairs(&|name, value| format!("{name}[]={value}"))),
        (format!("{parameter} as an object"), pairs(&|name, value| format!("{name}[a]={value}"))),
        (format!("{parameter} without a value"), pairs(&|name, _| name.to_owned())),
        (format!("{parameter} with nothing behind its sign"), pairs(&|name, _| format!("{name}="))),
        (format!("no {parameter}"), pairs(&|_, _| String::new())),
        (format!("{parameter} with half an escape"), pairs(&|name, value| format!("{name}={value}%"))),
        (
            format!("{parameter} with an escape that is no UTF-8"),
            pairs(&|name, value| format!("{name}={value}%ff%c0%80")),
        ),
        (format!("{parameter} with a NUL"), pairs(&|name, value| format!("{name}={value}%00"))),
        (
            format!("{parameter} of 4,000 characters"),
            pairs(&|name, _| format!("{name}={}", "9".repeat(4_000))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oddity_differs_and_keeps_the_rest() {
        let mut draft = Draft::new("x", "GET", "/x");
        draft.query = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
        let plain = draft.write(Vec::new()).path;
        let list = oddities(&draft, "a", "7");
        assert!(list.iter().all(|(_, odd)| odd.write(Vec::new()).path != plain));
        assert!(list.iter().all(|(_, odd)| odd.write(Vec::new()).path.ends_with("b=2")));
    }
}
