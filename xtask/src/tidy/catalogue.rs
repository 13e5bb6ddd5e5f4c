//! Checks that the catalogue of attacks names must exist, or it would promise what nobody tries.

use super::{Complaint, Tree};

/// The page with the table.
const PAGE: &str = "spec/CATALOGUE.md";

/// Every pattern of the page that fits no check. A check stands there without its scheme; `*` stands for any text.
pub(super) fn check(tree: &Tree, checks: &[(&str, &[String])]) -> Vec<Complaint> {
    let Some(text) = tree.text(PAGE) else {
        return vec![Complaint::new(PAGE, None, "is missing: it says which checks try which attack")];
    };
    let names: Vec<&str> =
        checks.iter().filter_map(|(name, _)| name.split_once("::")).map(|(_, rest)| rest).collect();
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for pattern in line.split('`').skip(1).step_by(2).filter(|word| word.contains("::")) {
            if !names.iter().any(|name| fits(name, pattern)) {
                let what = format!("names `{pattern}`, which is no check of any scheme; correct the name");
                complaints.push(Complaint::new(PAGE, number, what));
            }
        }
    }
    complaints
}

/// Whether the text is the pattern, each `*` of which stands for any text.
fn fits(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|after| {
            (0..=after.len()).filter(|at| after.is_char_boundary(*at)).any(|at| fits(&after[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{plant, said};
    use super::*;

    #[test]
    fn patterns_fit_as_shells_do() {
        for (text, pattern) in
            [("a-b", "a-b"), ("a-b-c", "a-*-c"), ("a", "*"), ("a-b", "*-b"), ("a--c", "a-*-c")]
        {
            assert!(fits(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("a-b", "a"), ("a-b-c", "a-*-d"), ("", "a*")] {
            assert!(!fits(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn a_row_that_names_no_check_is_told_with_its_line() {
        let checks: [(&str, &[String]); 1] = [("cbs::token::a-changed-token-is-refused", &[])];
        let page = "# x\n| y | `token::a-*-is-refused`, `token::none` | `may` |\n";
        let (_folder, tree) = plant(&[(PAGE, page)]);
        let said = said(&check(&tree, &checks));
        assert_eq!(
            said,
            "spec/CATALOGUE.md:2: names `token::none`, which is no check of any scheme; correct the name\n"
        );
        let (_folder, empty) = plant(&[("README.md", "")]);
        assert_eq!(check(&empty, &checks).len(), 1);
    }
}
