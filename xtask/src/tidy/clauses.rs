//! Clause ids: spelling, uniqueness, and citations that name one.

use super::{Complaint, Tree, is_word};
use std::collections::{BTreeMap, BTreeSet};

/// How a line cites a clause; the id follows.
const CITES: &str = "//= ";

/// A comment that says which clause the line below honours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    /// File.
    pub(crate) file: String,
    /// Line, counted from one.
    pub(crate) line: usize,
    /// Clause id.
    pub(crate) clause: String,
}

/// Every citation in a Rust file.
pub(crate) fn citations(tree: &Tree) -> Vec<Citation> {
    let mut found = Vec::new();
    for file in tree.files("", ".rs") {
        for (line, text) in (1..).zip(tree.text(file).unwrap_or_default().lines()) {
            if let Some(clause) = text.trim_start().strip_prefix(CITES) {
                found.push(Citation { file: file.to_owned(), line, clause: clause.trim().to_owned() });
            }
        }
    }
    found
}

/// Every clause id.
pub(super) fn ids(tree: &Tree) -> BTreeSet<String> {
    clauses(tree).into_iter().map(|clause| clause.id).collect()
}

/// Ids that are misspelt or there twice, and citations of what is no clause.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for clause in clauses(tree) {
        if let Some(wrong) = misspelt(&clause.id, &clause.section) {
            complaints.push(Complaint::new(&clause.file, clause.line, format!("`{}`: {wrong}", clause.id)));
        }
        let place = format!("{}:{}", clause.file, clause.line);
        if let Some(before) = first.get(&clause.id) {
            let what = format!("`{}` is there twice, first at {before}; rename one", clause.id);
            complaints.push(Complaint::new(&clause.file, clause.line, what));
        } else {
            first.insert(clause.id, place);
        }
    }
    for citation in citations(tree).into_iter().filter(|citation| !first.contains_key(&citation.clause)) {
        let what =
            format!("cites `{}`, which is no clause; the ids stand in spec/**/clauses.toml", citation.clause);
        complaints.push(Complaint::new(citation.file, citation.line, what));
    }
    complaints
}

fn misspelt(id: &str, section: &str) -> Option<String> {
    let mut words = id.split('.');
    if words.next() != Some(section) {
        return Some(format!("a clause of this file begins with `{section}.`"));
    }
    let rest: Vec<&str> = words.collect();
    if rest.is_empty() {
        return Some(format!("write `{section}.subject.meaning`"));
    }
    let wrong = rest.iter().find(|word| !is_word(word))?;
    Some(format!("`{wrong}` is not lower-case words with hyphens that say what is meant (no bare number)"))
}

struct Found {
    file: String,
    line: usize,
    /// What the id must begin with: `common`, or the folder's name.
    section: String,
    id: String,
}

/// The ids in the order of the files. A file that does not parse has none; the rule on data names it.
fn clauses(tree: &Tree) -> Vec<Found> {
    let mut found = Vec::new();
    for file in tree.files("spec/", "/clauses.toml") {
        let section = file.rsplit('/').nth(1).unwrap_or_default();
        let text = tree.text(file).unwrap_or_default();
        let Ok(table) = text.parse::<toml::Table>() else { continue };
        let ids = table
            .get("clause")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|clause| clause.get("id")?.as_str());
        // The nth clause's id stands on the nth line that begins with `id`.
        let lines = (1..).zip(text.lines()).filter(|(_, line)| {
            line.trim_start().strip_prefix("id").is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        for (id, (line, _)) in ids.zip(lines) {
            found.push(Found { file: file.to_owned(), line, section: section.to_owned(), id: id.to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{plant, said};
    use super::*;

    fn toml(ids: &[&str]) -> String {
        ids.iter().map(|id| format!("[[clause]]\nid = \"{id}\"\n\n")).collect()
    }

    #[test]
    fn good_ids_and_citations_pass() {
        let (_folder, tree) = plant(&[
            ("spec/common/clauses.toml", &toml(&["common.token.no-none"])),
            ("spec/schemes/cbs/clauses.toml", &toml(&["cbs.login.works", "cbs.login.user.required"])),
            ("server/src/a.rs", "fn a() {\n    //= cbs.login.works\n}\n"),
        ]);
        assert_eq!(said(&check(&tree)), "");
        let found = Citation { file: "server/src/a.rs".into(), line: 2, clause: "cbs.login.works".into() };
        assert_eq!(citations(&tree), [found]);
    }

    #[test]
    fn misspelt_and_doubled_ids_are_named_with_their_line() {
        let (_folder, tree) = plant(&[
            ("spec/common/clauses.toml", &toml(&["cbs.token.x"])),
            (
                "spec/schemes/cbs/clauses.toml",
                &toml(&["cbs.Login.works", "cbs.login.3", "cbs.a.b", "cbs.a.b", "cbs"]),
            ),
        ]);
        let said = said(&check(&tree));
        for expected in [
            "spec/common/clauses.toml:2: `cbs.token.x`: a clause of this file begins with `common.`",
            "spec/schemes/cbs/clauses.toml:2: `cbs.Login.works`: `Login` is not",
            "spec/schemes/cbs/clauses.toml:5: `cbs.login.3`: `3` is not",
            "spec/schemes/cbs/clauses.toml:11: `cbs.a.b` is there twice, first at spec/schemes/cbs/clauses.toml:8",
            "spec/schemes/cbs/clauses.toml:14: `cbs`: write `cbs.subject.meaning`",
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_citation_of_no_clause_is_named() {
        let (_folder, tree) = plant(&[
            ("spec/schemes/cbs/clauses.toml", &toml(&["cbs.a.b"])),
            ("server/src/a.rs", "\n    //= cbs.a.gone\n"),
        ]);
        assert!(said(&check(&tree)).contains("server/src/a.rs:2: cites `cbs.a.gone`"));
    }
}
