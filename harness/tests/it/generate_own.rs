//! The generator against our own schemas: every one of them, without exception.

use countersign::generate::run::draw_case;
use countersign::generate::wire::{Mode, recheck, sent};
use countersign::generate::{Generator, seed_of};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn schemas() -> Vec<PathBuf> {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec");
    let mut folders = vec![spec.join("schemes"), spec.join("common")];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_schema = path.extension().is_some_and(|ext| ext == "json")
                && path.parent().is_some_and(|parent| parent.ends_with("schemas"));
            if path.is_dir() {
                folders.push(path);
            } else if is_schema {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

#[test]
fn values_are_drawn_for_every_schema_and_judged_as_they_are_written() {
    let all = schemas();
    assert!(all.len() >= 7, "only {} schemas found", all.len());
    for path in all {
        let text = std::fs::read_to_string(&path).expect("a file");
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        // A validator of its own, so that the generator's is not judge in its own case.
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .expect("a schema");
        let accepts = |value: &Value| validator.is_valid(value);
        let name = path.display();
        let generator = Generator::new(&schema).unwrap_or_else(|why| panic!("{name}: {why}"));
        let valid = sent(generator.valid());
        for case in 0..40 {
            let drawn = draw_case(1, "valid", case, &valid).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(recheck(&drawn.bytes, accepts, Mode::Valid), "{name}: {drawn:?}");
        }
        let mutations = generator.mutations();
        assert!(!mutations.is_empty(), "{name}: no way to be invalid");
        for mutation in mutations {
            let strategy = sent(mutation.strategy);
            for case in 0..3 {
                let drawn = draw_case(1, mutation.name, case, &strategy)
                    .unwrap_or_else(|why| panic!("{name}: {} {}: {why}", mutation.name, mutation.at));
                assert!(recheck(&drawn.bytes, accepts, Mode::Invalid), "{name}: {drawn:?}");
            }
        }
        for edge in generator.edges() {
            let case = draw_case(1, edge.label, 0, &edge.strategy)
                .unwrap_or_else(|why| panic!("{name}: {} {}: {why}", edge.label, edge.at));
            assert_eq!(accepts(&case.value), case.valid, "{name}: {case:?}");
        }
    }
}

#[test]
fn a_seed_means_the_same_in_every_version() {
    // A change of these changes what every recorded seed draws.
    let hex: String =
        seed_of(1, "ethgas::form::example", 2).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "84280893a9217243afcd1030a7056f4ecf36ad97e0e75a4745cf6b66408d73d0");
}
