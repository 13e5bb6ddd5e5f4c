//! The five folders are complete: nothing on the wire without a clause, no operation without examples.

use countersign_spec::Spec;
use std::path::Path;

/// Nothing on the wire is without a clause, no operation without examples, and no two clauses disagree.
#[test]
fn nothing_is_missing_from_a_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let examples = Spec::load(&folder).unwrap();
    for scheme in Spec::embedded().schemes().iter().chain(examples.schemes()) {
        let gaps: Vec<String> = countersign_spec::gaps(scheme).iter().map(ToString::to_string).collect();
        assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    }
}

#[test]
fn sources_name_the_document_where_a_clause_rests_on_it() {
    for scheme in Spec::embedded().schemes() {
        let named =
            scheme.clauses.iter().filter(|clause| clause.source.starts_with(&scheme.document)).count();
        assert!(named * 2 > scheme.clauses.len(), "{}: {named} of {}", scheme.id, scheme.clauses.len());
        // A scheme begun by `cargo xtask new-scheme` has yet to grow.
        let numbered = scheme.document.starts_with(|first: char| first.is_ascii_digit());
        assert!(!numbered || scheme.clauses.len() >= 60, "{}: {} clauses", scheme.id, scheme.clauses.len());
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
