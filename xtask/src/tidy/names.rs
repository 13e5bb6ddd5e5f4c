//! Names of checks: spelling, uniqueness, and the clauses they cite.

use super::{Complaint, is_word};
use std::collections::BTreeSet;

/// The groups of `--group`.
const GROUPS: [&str; 11] = [
    "challenge",
    "credential",
    "flow",
    "form",
    "hygiene",
    "proof",
    "race",
    "refresh",
    "robustness",
    "time",
    "token",
];

/// Every name that is misspelt or there twice, and every check that cites no clause or one that is none.
pub(super) fn check(checks: &[(&str, &[String])], clauses: &BTreeSet<String>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, cited) in checks {
        let mut complain = |what: String| {
            complaints.push(Complaint::new("harness", None, format!("check `{name}`: {what}")))
        };
        if let Some(wrong) = misspelt(name) {
            complain(wrong);
        }
        if !seen.insert(*name) {
            complain("is there twice; two checks cannot be told apart by name".into());
        }
        if cited.is_empty() {
            complain("cites no clause, so nobody can say what it holds a server to".into());
        }
        for clause in cited.iter().filter(|clause| !clauses.contains(*clause)) {
            complain(format!("cites `{clause}`, which is no clause of spec/**/clauses.toml"));
        }
    }
    complaints
}

fn misspelt(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split("::").collect();
    let [scheme, group, sentence] = parts[..] else {
        return Some("write `scheme::group::sentence-with-hyphens`".into());
    };
    if !is_word(scheme) || !is_word(sentence) {
        return Some("scheme and sentence are lower-case words with hyphens".into());
    }
    (!GROUPS.contains(&group)).then(|| format!("`{group}` is no group; there are {}", GROUPS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::said;
    use super::*;

    fn check_all(names: &[&str], cited: &str) -> String {
        let cited: Vec<String> = cited.split_whitespace().map(str::to_owned).collect();
        let checks: Vec<(&str, &[String])> = names.iter().map(|name| (*name, cited.as_slice())).collect();
        said(&check(&checks, &BTreeSet::from(["cbs.a.b".to_owned()])))
    }

    #[test]
    fn a_good_name_passes() {
        assert_eq!(check_all(&["cbs::form::a-missing-user-is-refused"], "cbs.a.b"), "");
    }

    #[test]
    fn bad_names_and_citations_are_named() {
        for (name, cited, expected) in [
            ("cbs::form", "cbs.a.b", "write `scheme::group::"),
            ("cbs::form::Missing", "cbs.a.b", "lower-case"),
            ("cbs::form::two words", "cbs.a.b", "lower-case"),
            ("cbs::login::x", "cbs.a.b", "`login` is no group"),
            ("cbs::form::x", "", "cites no clause"),
            ("cbs::form::x", "cbs.gone", "cites `cbs.gone`"),
        ] {
            let said = check_all(&[name], cited);
            assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
        }
        assert!(check_all(&["cbs::form::x", "cbs::form::x"], "cbs.a.b").contains("twice"));
    }
}
