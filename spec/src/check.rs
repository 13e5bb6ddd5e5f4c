//! What no schema can say of a scheme: that names resolve, and that roles stand where the steps need them.

mod proof;

use crate::{
    Auth, Clause, Encoding, Example, Field, Operation, Place, RefreshTakes, Role, Scheme, Step,
    error::{Mistakes, did_you_mean},
    load::name_of,
};
use std::collections::BTreeSet;

/// Adds every mistake of a scheme whose files could be read. `broken` names schemas already complained of.
pub(crate) fn scheme(
    folder: &str,
    scheme: &Scheme,
    common: &[Clause],
    broken: &BTreeSet<String>,
    mistakes: &mut Mistakes,
) {
    let path = format!("{folder}/scheme.toml");
    if scheme.id != name_of(folder) {
        let problem =
            format!("`{}` differs from its folder `{}`: name them alike", scheme.id, name_of(folder));
        mistakes.add(&path, "id", problem);
    }
    schemas(&path, scheme, broken, mistakes);
    let mut names = BTreeSet::new();
    let mut routes = BTreeSet::new();
    for operation in &scheme.operations {
        let key = format!("operation[{}]", operation.name);
        if !names.insert(operation.name.as_str()) {
            mistakes.add(&path, &key, "stands twice: operations have names of their own");
        }
        let methods = std::iter::once(&operation.method).chain(&operation.other_methods);
        for method in methods {
            for route in std::iter::once(&operation.path).chain(&operation.other_paths) {
                if !routes.insert((method, route)) {
                    let problem = format!("{method} {route} is taken by another operation or stands twice");
                    mistakes.add(&path, &key, problem);
                }
            }
        }
        for problem in operation_problems(scheme, operation) {
            mistakes.add(&path, &key, problem);
        }
    }
    for (key, problem) in proof::problems(scheme).into_iter().chain(refresh_problems(scheme)) {
        mistakes.add(&path, key, problem);
    }
    if scheme.step(Step::Login).is_none() {
        mistakes.add(&path, "operation", "none has step = \"login\": a login scheme needs one");
    }
    clauses(&format!("{folder}/clauses.toml"), scheme, common, mistakes);
    for example in &scheme.examples {
        self::example(&format!("{folder}/examples/{}", example.file), scheme, example, mistakes);
    }
}

/// Schemas are there, used, and have the members that roles and envelope point to.
fn schemas(path: &str, scheme: &Scheme, broken: &BTreeSet<String>, mistakes: &mut Mistakes) {
    let known: Vec<&str> = scheme.schemas.keys().map(String::as_str).collect();
    let mut used = BTreeSet::new();
    let mut need = |key: String, file: &str, pointers: Vec<&str>, mistakes: &mut Mistakes| {
        used.insert(file.to_owned());
        let Some(schema) = scheme.schema(file) else {
            if !broken.contains(file) {
                let near = did_you_mean(file, &known);
                mistakes.add(path, &key, format!("`{file}` is not in schemas/{near}"));
            }
            return;
        };
        let members = schema.members();
        for pointer in pointers.into_iter().filter(|pointer| !members.contains(*pointer)) {
            let words: Vec<&str> = members.iter().map(String::as_str).collect();
            let near = did_you_mean(pointer, &words);
            mistakes.add(path, &key, format!("{pointer} is no member in schemas/{file}{near}"));
        }
    };
    let codes = scheme.envelope.code.iter().map(String::as_str).collect();
    need("envelope.failure_schema".to_owned(), &scheme.envelope.failure_schema, codes, mistakes);
    for operation in &scheme.operations {
        let key = |part: &str| format!("operation[{}].{part}", operation.name);
        if let Some(file) = &operation.request.schema {
            need(key("request"), file, body_pointers(&operation.request.fields), mistakes);
        }
        let success = &operation.success;
        need(key("success"), &success.schema, body_pointers(&success.fields), mistakes);
    }
    for file in scheme.schemas.keys().filter(|file| !used.contains(*file)) {
        mistakes.add(path, "schemas", format!("{file} is used by no operation: use it or delete it"));
    }
}

fn body_pointers(fields: &[Field]) -> Vec<&str> {
    fields
        .iter()
        .filter_map(|field| match &field.at {
            Place::Body(pointer) => Some(pointer.as_str()),
            Place::Header(_) | Place::Query(_) => None,
        })
        .collect()
}

fn operation_problems(scheme: &Scheme, operation: &Operation) -> Vec<String> {
    let mut problems = Vec::new();
    let mut need = |bad: bool, problem: &str| {
        if bad {
            problems.push(problem.to_owned());
        }
    };
    let body = operation.request.schema.is_some();
    need(
        (operation.auth == Auth::Signed) != operation.signed.is_some(),
        "auth = \"signed\" and operation.signed go together",
    );
    need(
        operation.auth == Auth::Signed && operation.request_field(Role::Signature).is_none(),
        "auth = \"signed\" needs a request field with role \"signature\"",
    );
    let auths = std::iter::once(operation.auth).chain(operation.variants.iter().map(|variant| variant.auth));
    for auth in auths {
        need(
            auth == Auth::Access && scheme.tokens.access.is_none(),
            "asks for an access token, but there is no [tokens.access]",
        );
        need(
            auth == Auth::Refresh && scheme.tokens.refresh.is_none(),
            "asks for a refresh token, but there is no [tokens.refresh]",
        );
    }
    need(
        operation.auth_optional && operation.auth == Auth::None,
        "auth_optional says that auth may be left out, but there is none",
    );
    need(
        body && operation.request.encodings.is_empty(),
        "has request.schema but no request.encodings: name at least \"json\"",
    );
    need(
        !body && operation.request.encodings.contains(&Encoding::Form),
        "has request.encodings but no request.schema",
    );
    need(
        !body && operation.variants.iter().any(|variant| variant.body),
        "has a variant with a body, but no request.schema",
    );
    need(
        operation.step == Step::Challenge && operation.success_field(Role::Challenge).is_none(),
        "a challenge step needs a field with role \"challenge\" in its success",
    );
    need(
        operation.step == Step::Login
            && scheme.tokens.access.is_some()
            && operation.success_field(Role::AccessToken).is_none(),
        "a login with tokens needs a field with role \"access_token\" in its success",
    );
    need(
        operation.step == Step::Verify && operation.success_field(Role::Valid).is_none(),
        "a verify step needs a field with role \"valid\" in its success",
    );
    problems.extend(field_problems(operation));
    problems
}

fn field_problems(operation: &Operation) -> Vec<String> {
    let mut problems = Vec::new();
    let fields = &operation.request.fields;
    let names: Vec<&str> = fields.iter().map(|field| field.at.name()).collect();
    for field in fields {
        if matches!(field.at, Place::Body(_)) && operation.request.schema.is_none() {
            problems.push(format!("{} stands in a body, but there is no request.schema", field.at));
        }
        if field.role == Role::Constant && field.value.is_none() {
            problems.push(format!("{} is constant but has no value", field.at));
        }
        let template = field.value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        for name in placeholders(template).into_iter().filter(|name| !names.contains(name)) {
            let near = did_you_mean(name, &names);
            problems.push(format!("{} speaks of {{{name}}}, which is no request field{near}", field.at));
        }
    }
    for (part, fields) in [("request", fields), ("success", &operation.success.fields)] {
        let mut seen = BTreeSet::new();
        for field in fields.iter().filter(|field| !seen.insert(&field.at)) {
            problems.push(format!("{} stands twice in {part}.fields", field.at));
        }
    }
    let places: BTreeSet<&Place> = fields.iter().map(|field| &field.at).collect();
    for place in operation.signed.iter().flat_map(|signed| &signed.over) {
        if !places.contains(place) {
            problems.push(format!("signs {place}, which is no request field"));
        }
    }
    problems
}

fn refresh_problems(scheme: &Scheme) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let step = scheme.step(Step::Refresh);
    if step.is_some() != scheme.refresh.is_some() {
        problems
            .push(("refresh", "an operation with step = \"refresh\" and [refresh] go together".to_owned()));
    }
    let Some(refresh) = &scheme.refresh else { return problems };
    if refresh.window.is_some() != refresh.window_from.is_some() {
        problems.push(("refresh.window", "goes together with refresh.window_from".to_owned()));
    }
    if refresh.takes == RefreshTakes::Refresh {
        if scheme.tokens.refresh.is_none() {
            problems.push(("refresh.takes", "\"refresh\" needs [tokens.refresh]".to_owned()));
        }
        let presented = |operation: &Operation| {
            operation.request_field(Role::RefreshToken).is_some() || operation.auth == Auth::Refresh
        };
        if step.is_some_and(|operation| !presented(operation)) {
            let problem = "\"refresh\" needs a refresh operation with a field of role \"refresh_token\" or with \
                           auth = \"refresh\"";
            problems.push(("refresh.takes", problem.to_owned()));
        }
    }
    problems
}

/// The names in braces of a template, in order.
fn placeholders(template: &str) -> Vec<&str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

fn clauses(path: &str, scheme: &Scheme, common: &[Clause], mistakes: &mut Mistakes) {
    let shared: Vec<&str> = common.iter().map(|clause| clause.id.as_str()).collect();
    for clause in &scheme.clauses {
        for id in clause.refines.iter().filter(|id| !shared.contains(&id.as_str())) {
            let near = did_you_mean(id, &shared);
            mistakes.add(path, &clause.id, format!("refines `{id}`, which is no shared clause{near}"));
        }
        for anchor in &clause.about {
            if let Some(problem) = anchor_problem(scheme, anchor) {
                mistakes.add(path, &clause.id, format!("is about `{}`: {problem}", anchor.0));
            }
        }
    }
}

fn anchor_problem(scheme: &Scheme, anchor: &crate::Anchor) -> Option<String> {
    let Some(operation) = scheme.operation(anchor.operation()) else {
        let known: Vec<&str> = scheme.operations.iter().map(|operation| operation.name.as_str()).collect();
        let near = did_you_mean(anchor.operation(), &known);
        return Some(format!("no operation has that name{near}"));
    };
    let target = anchor.target()?;
    let schema = match anchor.part()? {
        "request" => operation.request.schema.as_deref(),
        "success" => Some(operation.success.schema.as_str()),
        _ => Some(scheme.envelope.failure_schema.as_str()),
    };
    if target.starts_with('/') {
        let members = schema.and_then(|file| scheme.schema(file)).map(crate::Schema::members)?;
        let words: Vec<&str> = members.iter().map(String::as_str).collect();
        return (!words.contains(&target))
            .then(|| format!("the schema has no such member{}", did_you_mean(target, &words)));
    }
    if let Some(name) = target.strip_prefix("query:") {
        let known = operation.request.fields.iter().any(|field| field.at == Place::Query(name.to_owned()));
        return (!known).then(|| "the operation has no such query parameter".to_owned());
    }
    (target == "status" && anchor.part() == Some("request")).then(|| "a request has no status".to_owned())
}

fn example(path: &str, scheme: &Scheme, example: &Example, mistakes: &mut Mistakes) {
    let Some(operation) = scheme.operation(&example.operation) else {
        let known: Vec<&str> = scheme.operations.iter().map(|operation| operation.name.as_str()).collect();
        let near = did_you_mean(&example.operation, &known);
        return mistakes.add(path, "operation", format!("`{}` is no operation{near}", example.operation));
    };
    let (statuses, answer) = if example.success {
        (&operation.success.status, &operation.success.schema)
    } else {
        (&scheme.envelope.failure_status, &scheme.envelope.failure_schema)
    };
    if !statuses.iter().any(|pattern| pattern.matches(example.response.status)) {
        let problem = format!("{} is no status of this outcome", example.response.status);
        mistakes.add(path, "response.status", problem);
    }
    let mut bodies = vec![("response.body", answer, &example.response.body)];
    // The request of a refusal may be the very thing that is wrong.
    if let (Some(schema), Some(body), true) =
        (&operation.request.schema, &example.request.body, example.success)
    {
        bodies.push(("request.body", schema, body));
    }
    for (key, file, body) in bodies {
        let complaints = scheme.schema(file).map(|schema| schema.complaints(body)).unwrap_or_default();
        for (pointer, problem) in complaints {
            mistakes.add(path, &format!("{key}{pointer}"), format!("{problem} ({file})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_in_order() {
        assert_eq!(placeholders("{a}:{b_c} and {d"), ["a", "b_c"]);
        assert!(placeholders("plain").is_empty());
    }
}
