//! The catalogue of checks as a page of Markdown: a table for each scheme.

use crate::check::Check;
use countersign_spec::{Level, Scheme, Spec};
use std::fmt::Write as _;

/// Every check of a specification with its level, its clauses, the source of the first and what it needs.
#[must_use]
pub fn page(spec: &Spec) -> String {
    let schemes: Vec<(&Scheme, Vec<Check>)> =
        spec.schemes().iter().map(|scheme| (scheme, crate::checks::of_scheme(spec, scheme))).collect();
    let count: usize = schemes.iter().map(|(_, checks)| checks.len()).sum();
    let mut text = format!(
        "# Every check\n\n\
         {count} checks, as `countersign catalogue` prints them. `countersign explain NAME` has the words of all clauses that a\n\
         check rests on. What a check **needs** is given by the profile, beyond a login that works; without it, it is skipped and\n\
         says so.\n"
    );
    for (scheme, checks) in &schemes {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "\n## {}: {}, {} checks\n", scheme.id, cell(&scheme.document), checks.len());
        text.push_str("| check | level | clauses | source of the first | needs |\n|---|---|---|---|---|\n");
        for check in checks {
            text.push_str(&row(check, spec));
        }
    }
    text
}

fn row(check: &Check, spec: &Spec) -> String {
    let clauses: Vec<String> = check.clauses.iter().map(|id| format!("`{id}`")).collect();
    let source = check.clauses.first().and_then(|id| spec.clause(id)).map(|clause| clause.source.as_str());
    let needs: Vec<&str> = check.needs.iter().map(|need| need.words()).collect();
    let level = match check.level {
        Level::Must => "must",
        Level::Should => "should",
        Level::May => "may",
    };
    format!(
        "| `{}` | {level} | {} | {} | {} |\n",
        check.name,
        clauses.join(", "),
        cell(source.unwrap_or_default()),
        if needs.is_empty() { "–".to_owned() } else { needs.join(", ") }
    )
}

/// A text that ends no cell and no row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_one_row_of_five_cells() {
        let spec = Spec::embedded();
        let page = page(spec);
        for check in crate::checks::all(spec) {
            let start = format!("| `{}` | ", check.name);
            let rows: Vec<&str> = page.lines().filter(|line| line.starts_with(&start)).collect();
            let [row] = rows.as_slice() else { panic!("{}: {rows:?}", check.name) };
            let cells: Vec<&str> = row.split(" | ").collect();
            assert_eq!(cells.len(), 5, "{row}");
            assert!(cells[3].len() > 3, "no source: {row}");
            assert_eq!(cells[4] == "– |", check.needs.is_empty(), "{row}");
        }
    }

    #[test]
    fn a_cell_ends_neither_itself_nor_its_row() {
        assert_eq!(cell("a | b\nc"), "a \\| b c");
    }
}
