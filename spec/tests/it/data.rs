//! The five folders are complete: nothing on the wire without a clause, no operation without examples.

use countersign_spec::{Clause, Operation, Place, Scheme, Spec};
use std::collections::{BTreeMap, BTreeSet};

/// Checks made from schemas find their clause by its place, so every place needs one.
#[test]
fn every_place_on_the_wire_has_a_clause() {
    let mut silent = Vec::new();
    for scheme in Spec::embedded().schemes() {
        for anchor in scheme.operations.iter().flat_map(|operation| anchors(scheme, operation)) {
            if scheme.clauses_about(&anchor).next().is_none() {
                silent.push(format!("{}: {anchor}", scheme.id));
            }
        }
    }
    assert!(silent.is_empty(), "no clause is about\n{}", silent.join("\n"));
}

fn anchors(scheme: &Scheme, operation: &Operation) -> Vec<String> {
    let mut targets = vec![("success", "status".to_owned()), ("failure", "status".to_owned())];
    let request = operation.request.schema.as_ref();
    for (part, file) in [
        ("request", request),
        ("success", Some(&operation.success.schema)),
        ("failure", Some(&scheme.envelope.failure_schema)),
    ] {
        let schema = file.map(|file| scheme.schema(file).expect("the loader resolves schemas"));
        targets.extend(schema.into_iter().flat_map(|schema| schema.members()).map(|pointer| (part, pointer)));
    }
    let outside = operation.request.fields.iter().filter(|field| !matches!(field.at, Place::Body(_)));
    targets.extend(outside.map(|field| ("request", field.at.to_string())));
    let places = targets.into_iter().map(|(part, target)| format!("{}.{part}:{target}", operation.name));
    places.chain([operation.name.clone()]).collect()
}

#[test]
fn every_operation_is_shown_to_succeed_and_to_be_refused() {
    for scheme in Spec::embedded().schemes() {
        for operation in &scheme.operations {
            for success in [true, false] {
                assert!(
                    scheme
                        .examples
                        .iter()
                        .any(|example| example.operation == operation.name && example.success == success),
                    "{}: {} has no example with success = {success}",
                    scheme.id,
                    operation.name
                );
            }
        }
    }
}

/// A shared check takes its level from the clauses that refine its own; two levels would leave it undecided.
#[test]
fn clauses_that_refine_the_same_one_agree_on_its_level() {
    for scheme in Spec::embedded().schemes() {
        let mut levels: BTreeMap<&str, &Clause> = BTreeMap::new();
        for clause in &scheme.clauses {
            for shared in &clause.refines {
                let first = *levels.entry(shared).or_insert(clause);
                assert_eq!(first.level, clause.level, "{shared}: {} and {}", first.id, clause.id);
            }
        }
    }
}

#[test]
fn no_statement_stands_twice_in_a_scheme() {
    for scheme in Spec::embedded().schemes() {
        let mut seen = BTreeSet::new();
        for clause in &scheme.clauses {
            assert!(seen.insert(&clause.says), "{} repeats another clause", clause.id);
        }
    }
}

#[test]
fn sources_name_the_document_where_a_clause_rests_on_it() {
    for scheme in Spec::embedded().schemes() {
        let named =
            scheme.clauses.iter().filter(|clause| clause.source.starts_with(&scheme.document)).count();
        assert!(named * 2 > scheme.clauses.len(), "{}: {named} of {}", scheme.id, scheme.clauses.len());
        assert!(scheme.clauses.len() >= 60, "{}: {} clauses", scheme.id, scheme.clauses.len());
    }
}

#[test]
fn a_clause_is_found_by_its_id_whoever_owns_it() {
    let spec = Spec::embedded();
    for id in ["common.refresh.reuse", "ethgas.refresh.reuse"] {
        assert_eq!(spec.clause(id).map(|clause| clause.id.as_str()), Some(id));
    }
    assert!(spec.clause("ethgas.refresh.nothing").is_none());
    let refining = spec.scheme("ethgas").unwrap().clauses_refining("common.refresh.reuse");
    assert_eq!(refining.map(|clause| clause.id.as_str()).collect::<Vec<_>>(), ["ethgas.refresh.reuse"]);
}

/// Where a refusal shares its status with a success, only the body tells them apart.
#[test]
fn no_answer_is_a_success_and_a_refusal() {
    for scheme in Spec::embedded().schemes() {
        let refusal = scheme.schema(&scheme.envelope.failure_schema).unwrap();
        for example in &scheme.examples {
            let operation = scheme.operation(&example.operation).unwrap();
            let success = scheme.schema(&operation.success.schema).unwrap();
            let body = &example.response.body;
            assert_eq!(success.accepts(body), example.success, "{}/{}", scheme.id, example.file);
            assert_eq!(refusal.accepts(body), !example.success, "{}/{}", scheme.id, example.file);
        }
    }
}
