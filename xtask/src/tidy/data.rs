//! Every data file of spec and fixtures parses.

use super::{Complaint, Tree};

/// The files that do not, with the place where reading stopped.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for folder in ["fixtures/", "spec/"] {
        for file in tree.files(folder, ".toml") {
            let text = tree.text(file).unwrap_or_default();
            if let Err(error) = text.parse::<toml::Table>() {
                let line =
                    error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
                complaints.push(Complaint::new(file, line, format!("is no TOML: {}", error.message())));
            }
        }
        for file in tree.files(folder, ".json") {
            let text = tree.text(file).unwrap_or_default();
            if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
                complaints.push(Complaint::new(file, error.line(), format!("is no JSON: {error}")));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{plant, said};
    use super::*;

    #[test]
    fn files_that_do_not_parse_are_named_with_their_line() {
        let (_folder, tree) = plant(&[
            ("spec/good.toml", "a = 1\n"),
            ("spec/bad.toml", "a = 1\nb =\n"),
            ("fixtures/good.json", "{}"),
            ("fixtures/bad.json", "{\n  \"a\": ,\n}"),
            ("server/other.json", "not ours"),
        ]);
        let said = said(&check(&tree));
        assert!(said.contains("spec/bad.toml:2: is no TOML"), "{said}");
        assert!(said.contains("fixtures/bad.json:2: is no JSON"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}
