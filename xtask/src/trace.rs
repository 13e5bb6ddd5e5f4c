//! `cargo xtask trace`: every clause and its fate.

use crate::generated::Generated;
use crate::tidy::{Tree, citations};
use crate::{FOUND, unusable};
use countersign::CheckEntry;
use countersign_spec::{Basis, Clause, Level, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The table is spec/trace.txt. A clause is checked by a check of the harness,
cited in the server by a comment `//= clause-id`, or excepted in clauses.toml
with a reason. The file holds no line numbers: it moves only when coverage does.

Exit: 0 every clause has a fate and the file is written or fresh; 1 a clause has
none, has two that contradict, or with --check: the file is stale; 2 no reading
or writing.";

const PATH: &str = "spec/trace.txt";

/// Writes or compares the table and counts the clauses without a fate.
pub(crate) fn run(root: &Path, check: bool) -> ExitCode {
    let tree = match Tree::read(root) {
        Ok(tree) => tree,
        Err(error) => return unusable(&error),
    };
    let spec = Spec::embedded();
    let table = table(spec, &countersign::catalogue(spec), &cited_in_server(&tree));
    let file = Generated { path: PATH.into(), text: table.text };
    let mut complaints = Vec::new();
    if check {
        if !file.is_fresh(root) {
            let place = file.first_difference(root).map_or_else(String::new, |line| format!(":{line}"));
            complaints.push(format!("{PATH}{place} is stale: run `cargo xtask trace` and commit it"));
        }
    } else if let Err(error) = file.write(root) {
        return unusable(&error);
    }
    complaints.extend(
        table
            .contradicted
            .iter()
            .map(|id| format!("{id} is excepted, yet a check cites it: take `except` out of its clause")),
    );
    complaints.extend(table.fateless.iter().map(|id| format!("{id} has no fate")));
    if !table.fateless.is_empty() {
        complaints.push(
            "a clause has a fate once a check of the harness cites it, a comment `//= clause-id` in the server does, or \
             its `except` in clauses.toml says why nothing can"
                .to_owned(),
        );
    }
    for complaint in &complaints {
        anstream::eprintln!("{complaint}");
    }
    anstream::println!("{}", table.summary);
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

/// Clause id to the server's files that cite it.
fn cited_in_server(tree: &Tree) -> BTreeMap<String, BTreeSet<String>> {
    let mut cited: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for citation in citations(tree).into_iter().filter(|citation| citation.file.starts_with("server/")) {
        cited.entry(citation.clause).or_default().insert(citation.file);
    }
    cited
}

#[derive(Debug)]
struct Table {
    text: String,
    summary: String,
    fateless: Vec<String>,
    contradicted: Vec<String>,
}

fn table(spec: &Spec, catalogue: &[CheckEntry], cited: &BTreeMap<String, BTreeSet<String>>) -> Table {
    let mut checked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in catalogue {
        for clause in &entry.clauses {
            checked.entry(clause).or_default().insert(&entry.name);
        }
    }
    let (mut body, mut fateless, mut contradicted) = (String::new(), Vec::new(), Vec::new());
    let (mut clauses, mut by_check, mut only_cited, mut excepted) = (0, 0, 0, 0);
    let sections = [("common", spec.common())]
        .into_iter()
        .chain(spec.schemes().iter().map(|scheme| (scheme.id.as_str(), scheme.clauses.as_slice())));
    for (section, all) in sections {
        line(&mut body, format_args!("\n## {section}"));
        for clause in all {
            clauses += 1;
            line(&mut body, format_args!("{} ({}, {})", clause.id, level(clause), basis(clause)));
            let checks = checked.get(clause.id.as_str());
            let files = cited.get(&clause.id);
            for check in checks.into_iter().flatten() {
                line(&mut body, format_args!("    checked by {check}"));
            }
            for file in files.into_iter().flatten() {
                line(&mut body, format_args!("    cited in {file}"));
            }
            if let Some(reason) = &clause.except {
                line(&mut body, format_args!("    excepted: {reason}"));
            }
            match (checks, files, &clause.except) {
                (Some(_), _, Some(_)) => contradicted.push(clause.id.clone()),
                (Some(_), _, None) => by_check += 1,
                (None, _, Some(_)) => excepted += 1,
                (None, Some(_), None) => only_cited += 1,
                (None, None, None) => {
                    line(&mut body, format_args!("    WITHOUT A FATE"));
                    fateless.push(clause.id.clone());
                }
            }
        }
    }
    let summary = format!(
        "{clauses} clauses: {by_check} checked, {only_cited} only cited, {excepted} excepted, {} without a fate; \
         {} checks",
        fateless.len(),
        catalogue.len(),
    );
    let text = format!("# Every clause and its fate. Written by `cargo xtask trace`.\n# {summary}\n{body}");
    Table { text, summary, fateless, contradicted }
}

/// Writing to a text cannot fail.
fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{what}");
}

fn level(clause: &Clause) -> &'static str {
    match clause.level {
        Level::Must => "must",
        Level::Should => "should",
        Level::May => "may",
    }
}

fn basis(clause: &Clause) -> &'static str {
    match clause.basis {
        Basis::Client => "client",
        Basis::Document => "document",
        Basis::Standard => "standard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEME: &str = r#"
        [[clause]]
        id = "ethgas.a.checked"
        [[clause]]
        id = "ethgas.a.cited"
        [[clause]]
        id = "ethgas.a.excepted"
        except = "nobody can see it"
        [[clause]]
        id = "ethgas.a.forgotten"
    "#;

    /// The embedded scheme's folder with clauses of the test's own.
    fn spec(clauses: &str) -> Spec {
        let folder = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/schemes/ethgas");
        let to = folder.path().join("ethgas");
        for inner in ["schemas", "examples"] {
            std::fs::create_dir_all(to.join(inner)).unwrap();
            for file in std::fs::read_dir(from.join(inner)).unwrap().map(Result::unwrap) {
                std::fs::copy(file.path(), to.join(inner).join(file.file_name())).unwrap();
            }
        }
        std::fs::copy(from.join("scheme.toml"), to.join("scheme.toml")).unwrap();
        let rest =
            "level = \"must\"\nbasis = \"document\"\nsource = \"document 002\"\nsays = \"It is so.\"\n";
        let full: String = clauses
            .lines()
            .map(|line| if line.contains("id =") { format!("{line}\n{rest}") } else { format!("{line}\n") })
            .collect();
        std::fs::write(to.join("clauses.toml"), full).unwrap();
        Spec::load(folder.path()).unwrap()
    }

    fn entry(name: &str, clause: &str) -> CheckEntry {
        CheckEntry {
            name: name.into(),
            clauses: vec![clause.into()],
            level: Level::Must,
            sentence: "It is so.".into(),
            needs: Vec::new(),
        }
    }

    #[test]
    fn every_fate_is_told_and_a_missing_one_is_counted() {
        let cited =
            BTreeMap::from([("ethgas.a.cited".to_owned(), BTreeSet::from(["server/src/x.rs".to_owned()]))]);
        let table = table(&spec(SCHEME), &[entry("ethgas::form::it-is-so", "ethgas.a.checked")], &cited);
        assert!(table.fateless.contains(&"ethgas.a.forgotten".to_owned()));
        let own = table.text.split("## ethgas\n").nth(1).unwrap();
        let expected = "\
ethgas.a.checked (must, document)
    checked by ethgas::form::it-is-so
ethgas.a.cited (must, document)
    cited in server/src/x.rs
ethgas.a.excepted (must, document)
    excepted: nobody can see it
ethgas.a.forgotten (must, document)
    WITHOUT A FATE
";
        assert_eq!(own, expected);
    }

    #[test]
    fn an_exception_that_is_checked_is_a_contradiction() {
        let table = table(&spec(SCHEME), &[entry("ethgas::form::x", "ethgas.a.excepted")], &BTreeMap::new());
        assert_eq!(table.contradicted, ["ethgas.a.excepted"]);
    }
}
