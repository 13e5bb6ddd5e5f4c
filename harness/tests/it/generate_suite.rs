//! The generator against the required draft 2020-12 schemas of the JSON-Schema-Test-Suite.
//!
//! For every schema it can draw for, valid values must validate, and mutated and other invalid values must
//! not. The rest is listed with its reason. The table is committed; a change of it is a change to explain.

use countersign::generate::run::draw_case;
use countersign::generate::{Generator, Reason};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Values drawn for each schema and mode.
const VALUES: u32 = 25;
/// Mutations and edges of each schema that values are drawn for, spread over all of them.
const CHANGED: usize = 60;

/// How one schema of the suite fared.
#[derive(Default)]
struct Fate {
    valid: bool,
    invalid: bool,
    mutations: usize,
    edges: usize,
    listed: Vec<String>,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents the suite serves at this address, as its own README says.
fn remotes() -> Vec<(String, Value)> {
    let root = here("suite/remotes");
    let mut folders = vec![root.clone()];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).expect("below").display().to_string();
                all.push((format!("http://localhost:1234/draft2020-12/{name}"), read(&path)));
            }
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn judge(schema: &Value, tests: &[Value], remotes: &[(String, Value)], formats_matter: bool) -> Fate {
    let mut fate = Fate::default();
    let generator = match Generator::with_documents(schema, remotes.to_vec()) {
        Ok(generator) => generator,
        Err(why) => {
            if why.reason == Reason::Unsatisfiable {
                let accepted = tests.iter().any(|test| test["valid"] == true);
                assert!(!accepted, "called unsatisfiable, but the suite has a valid value: {schema}");
                fate.listed.push("unsatisfiable".to_owned());
            } else {
                fate.listed.push(format!("declined: {why}"));
            }
            return fate;
        }
    };
    for test in tests.iter().filter(|_| !formats_matter) {
        let said = generator.accepts(&test["data"]);
        assert_eq!(test["valid"], said, "the validator differs from the suite: {schema}\n{}", test["data"]);
    }
    let valid = generator.valid();
    for case in 0..VALUES {
        match draw_case(1, "valid", case, &valid) {
            Ok(value) => assert!(generator.accepts(&value), "valid mode: {schema}\n{value}"),
            Err(why) => fate.listed.push(format!("valid: {why}")),
        }
    }
    fate.valid = fate.listed.is_empty();
    let refused = tests.iter().any(|test| test["valid"] == false);
    match generator.invalid() {
        Some(invalid) => {
            fate.invalid = true;
            for case in 0..VALUES {
                match draw_case(1, "invalid", case, &invalid) {
                    Ok(value) => assert!(!generator.accepts(&value), "invalid mode: {schema}\n{value}"),
                    Err(why) => fate.listed.push(format!("invalid: {why}")),
                }
            }
        }
        None if refused && !formats_matter => fate.listed.push("no invalid value found".to_owned()),
        None => {}
    }
    let mutations = generator.mutations();
    fate.mutations = mutations.len();
    for mutation in spread(&mutations) {
        match draw_case(1, mutation.name, 0, &mutation.strategy) {
            Ok(value) => {
                assert!(!generator.accepts(&value), "{} {}: {schema}\n{value}", mutation.name, mutation.at);
            }
            Err(why) => fate.listed.push(format!("{} {}: {why}", mutation.name, mutation.at)),
        }
    }
    let edges = generator.edges();
    fate.edges = edges.len();
    for edge in spread(&edges) {
        match draw_case(1, edge.label, 0, &edge.strategy) {
            Ok(case) => assert_eq!(generator.accepts(&case.value), case.valid, "{}: {schema}", edge.label),
            Err(why) => fate.listed.push(format!("edge {} {}: {why}", edge.label, edge.at)),
        }
    }
    fate
}

/// Some of many, evenly spread.
fn spread<T>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(CHANGED).max(1))
}

#[test]
fn the_required_schemas_of_the_suite() {
    let remotes = remotes();
    let mut files: Vec<PathBuf> = std::fs::read_dir(here("suite/draft2020-12"))
        .expect("the suite")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let (mut rows, mut notes) = (String::new(), String::new());
    let mut sums = [0_usize; 7];
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut counts = [0_usize; 7];
        for case in read(&file).as_array().expect("cases") {
            let tests = case["tests"].as_array().expect("tests");
            let fate = judge(&case["schema"], tests, &remotes, name == "format");
            let unsatisfiable = fate.listed.iter().any(|why| why == "unsatisfiable");
            let declined = !fate.valid && !unsatisfiable;
            counts[0] += 1;
            counts[1] += usize::from(fate.valid);
            counts[2] += usize::from(unsatisfiable);
            counts[3] += usize::from(declined);
            counts[4] += usize::from(fate.invalid);
            counts[5] += fate.mutations;
            counts[6] += fate.edges;
            for why in fate.listed {
                let _ =
                    writeln!(notes, "{name}: {}: {why}", case["description"].as_str().unwrap_or_default());
            }
        }
        row(&mut rows, &name, counts);
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    row(&mut rows, "all", sums);
    let table = format!(
        "JSON-Schema-Test-Suite, draft 2020-12, required schemas. Valid: values are drawn and validate. None: proven to\n\
         have no value. Declined: no values are drawn. Invalid: values of the invalid mode are drawn and fail.\n\n\
         {:<24}{:>8}{:>8}{:>8}{:>10}{:>9}{:>11}{:>8}\n{rows}\nListed with the reason:\n{notes}",
        "keyword", "schemas", "valid", "none", "declined", "invalid", "mutations", "edges"
    );
    let path = here("it/generate-suite.txt");
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        std::fs::write(&path, &table).expect("the table is written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table,
        "tests/it/generate-suite.txt differs; run with COUNTERSIGN_BLESS=1 to write it, and explain the change:\n{table}"
    );
}

fn row(rows: &mut String, name: &str, counts: [usize; 7]) {
    let [schemas, valid, none, declined, invalid, mutations, edges] = counts;
    let _ = writeln!(
        rows,
        "{name:<24}{schemas:>8}{valid:>8}{none:>8}{declined:>10}{invalid:>9}{mutations:>11}{edges:>8}"
    );
}
