//! What a scheme folder lacks to be judged well. It loads all the same: a check that finds no clause would be mere advice.

use crate::{Clause, Operation, Place, Schema, Scheme, SpecError};
use std::collections::{BTreeMap, BTreeSet};

/// What is missing from a scheme that loads: clauses about places on the wire, examples, agreement between clauses.
///
/// Files are named below the scheme's folder, as in the loader's own mistakes.
#[must_use]
pub fn gaps(scheme: &Scheme) -> Vec<SpecError> {
    let mut gaps = Vec::new();
    for operation in &scheme.operations {
        for anchor in anchors(scheme, operation) {
            if scheme.clauses_about(&anchor).next().is_none() {
                let problem = format!("no clause is about it: write one with about = [\"{anchor}\"]");
                gaps.push(gap(scheme, "clauses.toml", &anchor, problem));
            }
        }
        for (success, what) in [(true, "success"), (false, "refusal")] {
            let shown = scheme
                .examples
                .iter()
                .any(|example| example.operation == operation.name && example.success == success);
            if !shown {
                let problem = format!("no example shows a {what}: add one with success = {success}");
                gaps.push(gap(scheme, "examples", &operation.name, problem));
            }
        }
    }
    let mut levels: BTreeMap<&str, &Clause> = BTreeMap::new();
    let mut said: BTreeMap<&str, &Clause> = BTreeMap::new();
    for clause in &scheme.clauses {
        for shared in &clause.refines {
            let first = *levels.entry(shared).or_insert(clause);
            if first.level != clause.level {
                let problem =
                    format!("refines {shared} as {} does, with another level: give both one", first.id);
                gaps.push(gap(scheme, "clauses.toml", &clause.id, problem));
            }
        }
        if let Some(first) = said.insert(&clause.says, clause) {
            let problem = format!("says what {} says: keep one of them", first.id);
            gaps.push(gap(scheme, "clauses.toml", &clause.id, problem));
        }
    }
    gaps
}

fn gap(scheme: &Scheme, file: &str, key: &str, problem: String) -> SpecError {
    SpecError { file: format!("{}/{file}", scheme.id), key: key.to_owned(), problem }
}

/// Whether a schema names a member only to say that it must not be there.
fn forbids(schema: &Schema, pointer: &str) -> bool {
    let below = pointer.replace('/', "/properties/");
    schema.value.pointer(&below) == Some(&serde_json::Value::Bool(false))
}

/// Every place of an operation that something can be checked at. Checks made from schemas find their clause by it.
fn anchors(scheme: &Scheme, operation: &Operation) -> BTreeSet<String> {
    let mut targets = vec![("success", "status".to_owned()), ("failure", "status".to_owned())];
    for (part, file) in [
        ("request", operation.request.schema.as_ref()),
        ("success", Some(&operation.success.schema)),
        ("failure", Some(&scheme.envelope.failure_schema)),
    ] {
        let Some(schema) = file.and_then(|file| scheme.schema(file)) else { continue };
        let allowed = schema.members().into_iter().filter(|pointer| !forbids(schema, pointer));
        targets.extend(allowed.map(|pointer| (part, pointer)));
    }
    let outside = operation.request.fields.iter().filter(|field| !matches!(field.at, Place::Body(_)));
    targets.extend(outside.map(|field| ("request", field.at.to_string())));
    let places = targets.into_iter().map(|(part, target)| format!("{}.{part}:{target}", operation.name));
    places.chain([operation.name.clone()]).collect()
}
