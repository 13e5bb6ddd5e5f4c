//! What stands on the wire: members one by one, statuses, content types, and what a request may look like.
//!
//! The checks are made from the schemas and operations of the spec, so that a scheme that exists as data only has them too.

mod accept;
mod along;
mod answers;
mod bodies;
mod bytes;
mod flagged;
mod members;
mod paths;
mod refusals;
mod strict;
mod writing;

use super::flow::{refreshable, served};
use crate::check::Checks;
use crate::context::{Answer, Context};
use crate::draft::Draft;
use crate::finding::Stop;
use countersign_spec::{Operation, Schema, Step};
use serde_json::{Map, Value};

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    // What another page describes has answers and methods of its own, some of which may change something.
    for operation in checks.scheme.operations.iter().filter(|operation| !operation.sibling) {
        answers::add(checks, operation);
        refusals::add(checks, operation);
        if let Some(file) = &operation.request.schema
            && let Some(schema) = checks.scheme.schema(file)
        {
            members::add(checks, operation, schema);
            bodies::add(checks, operation);
            along::add(checks, operation);
        }
        bodies::routing(checks, operation);
    }
    writing::add(checks);
    accept::add(checks);
    paths::add(checks);
    flagged::add(checks);
    strict::add(checks);
    bytes::add(checks);
    answers::redirects(checks);
}

/// A member of a schema with its own subschema.
#[derive(Debug, Clone)]
struct Member {
    pointer: String,
    required: bool,
    schema: Value,
}

impl Member {
    /// Whether anything could contradict it: it has to be there, or not everything may stand in it.
    fn says_something(&self) -> bool {
        self.required || demands(&self.schema)
    }

    fn judge(&self, cx: &Context<'_>, answer: &Answer<'_>, did: &str) -> Result<(), Stop> {
        let body = answer.exchange.json.as_ref();
        let (parent, name) = self.pointer.rsplit_once('/').unwrap_or_default();
        let Some(Value::Object(members)) = body.and_then(|body| body.pointer(parent)) else {
            // The parent's own check says so.
            return Ok(());
        };
        let found = |what: &str| {
            let wanted = format!("{} as {}", self.pointer, self.schema);
            let got = format!("{what}; {}", answer.exchange.got());
            cx.found_in(did, &wanted, &got, std::slice::from_ref(&answer.exchange))
        };
        let Some(value) = members.get(name) else {
            return if self.required { found("no such member") } else { Ok(()) };
        };
        let schema = Schema::compile("member", self.schema.clone()).map_err(Stop::Inconclusive)?;
        for (_, problem) in schema.complaints(value) {
            let shown = if value.is_string() || value.is_object() || value.is_array() {
                String::new()
            } else {
                format!(" ({value})")
            };
            found(&format!("{problem}{shown}"))?;
        }
        Ok(())
    }
}

/// Every member under `properties`, objects before what stands in them.
fn members_of(schema: &Value) -> Vec<Member> {
    fn walk(schema: &Value, at: &str, into: &mut Vec<Member>) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, sub) in schema["properties"].as_object().into_iter().flatten() {
            let pointer = format!("{at}/{name}");
            let own = match sub {
                Value::Object(keywords) if keywords.contains_key("properties") => skeleton(sub),
                other => other.clone(),
            };
            into.push(Member {
                pointer: pointer.clone(),
                required: required.contains(&name.as_str()),
                schema: own,
            });
            walk(sub, &pointer, into);
        }
    }
    let mut members = Vec::new();
    walk(schema, "", &mut members);
    members
}

/// The schema without what the members' own checks look at.
fn skeleton(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let kept = keywords
                .iter()
                .filter(|(name, _)| !["properties", "required"].contains(&name.as_str()) && !is_note(name))
                .map(|(name, value)| (name.clone(), value.clone()));
            Value::Object(kept.collect::<Map<String, Value>>())
        }
        other => other.clone(),
    }
}

/// Whether a schema refuses anything at all.
fn demands(schema: &Value) -> bool {
    match schema {
        Value::Bool(allows) => !allows,
        Value::Object(keywords) => keywords.keys().any(|name| !is_note(name)),
        _ => true,
    }
}

/// Keywords that say something to people only.
fn is_note(keyword: &str) -> bool {
    ["title", "description", "examples", "default", "$id", "$schema", "$comment"].contains(&keyword)
}

/// `/data/accessToken` as `data accesstoken`: names are lower case.
fn words(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', " ").to_ascii_lowercase()
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
}

fn asked(operation: &str) -> String {
    format!("asked {operation} with everything right")
}

/// A request to an operation that would succeed as it stands.
fn good_request<'t>(cx: &mut Context<'t>, name: &str) -> Result<(&'t Operation, Draft), Stop> {
    let operation = served(cx, name)?;
    match operation.step {
        Step::Login => {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            cx.write_attempt(&attempt)
        }
        Step::Refresh => {
            let (session, token) = refreshable(cx)?;
            let (operation, draft) = cx.refresh_draft(&session, &token)?;
            if draft.body.is_none() {
                let reason = "the target takes the refresh token in Authorization and no body".to_owned();
                return Err(Stop::NotApplicable(reason));
            }
            Ok((operation, draft))
        }
        Step::Challenge => {
            let actor = cx.actor()?;
            Ok((operation, cx.fill(operation, &actor, None)))
        }
        Step::Lookup => {
            // Of somebody who is known: a stranger would be refused however the request looks.
            let session = cx.session()?;
            let draft = cx.fill(operation, &session.actor, None);
            let answer = cx.send(operation, &draft)?;
            cx.control(&answer, "looking up who has logged in")?;
            Ok((operation, draft))
        }
        _ => {
            let session = cx.session()?;
            let draft = cx.authorized(operation, &session);
            Ok((operation, draft))
        }
    }
}

/// A login with everything right, and whose it is.
pub(super) fn right_login<'t>(
    cx: &mut Context<'t>,
) -> Result<(&'t Operation, Draft, crate::actor::Actor), Stop> {
    let actor = cx.actor()?;
    let attempt = cx.attempt(&actor)?;
    let (operation, draft) = cx.write_attempt(&attempt)?;
    Ok((operation, draft, actor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_listed_with_what_stands_in_them() {
        let schema = json!({
            "required": ["data"],
            "properties": { "data": { "type": "object", "required": ["token"], "properties": { "token": { "type": "string" } } } }
        });
        let pointers: Vec<String> = members_of(&schema).into_iter().map(|member| member.pointer).collect();
        assert_eq!(pointers, ["/data", "/data/token"]);
    }
}
