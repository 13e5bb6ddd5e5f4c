//! What is there to be copied fits the program.

use crate::program::countersign;
use std::collections::BTreeSet;
use std::path::Path;

fn workflow() -> serde_json::Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github-workflow.yml");
    let text = std::fs::read_to_string(file).expect("the example is there");
    serde_saphyr::from_str(&text).expect("the example is YAML")
}

#[test]
fn the_workflow_calls_the_program_with_flags_and_reports_that_it_has() {
    let workflow = workflow();
    let steps = workflow["jobs"]["conformance"]["steps"].as_array().expect("steps");
    let calls: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["run"].as_str())
        .filter(|run| run.starts_with("countersign conformance"))
        .collect();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    let help = countersign(&["conformance", "--help"]).stdout;
    let known: BTreeSet<&str> = help
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .filter(|word| word.starts_with("--"))
        .collect();
    for flag in call.split_whitespace().filter(|word| word.starts_with("--")) {
        assert!(known.contains(flag), "{flag} is no flag of conformance: {known:?}");
    }
    let kinds: Vec<&str> = call
        .split("--report ")
        .skip(1)
        .filter_map(|rest| rest.split_once('=').map(|(kind, _)| kind))
        .collect();
    assert!(kinds.contains(&"junit") && kinds.contains(&"sarif") && kinds.contains(&"md"), "{kinds:?}");
    for kind in kinds {
        let run = countersign(&["conformance", "--list", "--report", &format!("{kind}=x")]);
        assert_eq!(run.code, Some(0), "{kind}: {}", run.stderr);
    }
}
