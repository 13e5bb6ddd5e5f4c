//! Paths named in prose must exist, so that the map stays true.

use super::{Complaint, Tree};

/// The documents whose paths are checked.
const DOCUMENTS: [&str; 2] = ["README.md", ".github/CONTRIBUTING.md"];
/// What the first part of a path of ours can be.
const TOPS: [&str; 9] =
    [".cargo", ".ci", ".config", ".github", "fixtures", "harness", "server", "spec", "xtask"];

/// Every path that is named and not there. `<id>` and `*` stand for any one name.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for document in DOCUMENTS {
        let Some(text) = tree.text(document) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            for path in named(line).into_iter().filter(|path| !exists(tree, path)) {
                let what = format!("names `{path}`, which does not exist; correct the path or the sentence");
                complaints.push(Complaint::new(document, number, what));
            }
        }
    }
    complaints
}

/// What looks like a path of ours: words with a slash whose first part is one of ours, and files at the top.
fn named(line: &str) -> Vec<String> {
    let apart = |c: char| {
        c.is_whitespace() || matches!(c, '`' | '(' | ')' | '[' | ']' | '"' | '\'' | ',' | ';' | '|' | '=')
    };
    line.split(apart)
        .map(|word| word.trim_end_matches(['.', ':', '*', '!', '?']).trim_start_matches('*'))
        .map(|word| word.strip_prefix("../").unwrap_or(word))
        .filter(|word| match word.split_once('/') {
            Some((top, _)) => TOPS.contains(&top),
            None => {
                matches!(word.rsplit_once('.'), Some(("README" | "CHANGELOG" | "CONTRIBUTING", "md")))
                    || word.starts_with("LICENSE-")
            }
        })
        .filter(|word| !word.contains("://"))
        .map(str::to_owned)
        .collect()
}

fn exists(tree: &Tree, path: &str) -> bool {
    if !path.contains(['<', '*']) {
        return tree.has(path) || (!path.contains('/') && tree.has(&format!(".github/{path}")));
    }
    let pattern: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    tree.all().any(|file| {
        let parts: Vec<&str> = file.split('/').collect();
        parts.len() >= pattern.len()
            && pattern.iter().zip(&parts).all(|(pattern, part)| matches(pattern, part))
    })
}

/// Whether the name fits a pattern in which `<…>` and `*` stand for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let (start, end) = match (pattern.find(['<', '*']), pattern.rfind(['>', '*'])) {
        (Some(first), Some(last)) if first <= last => (&pattern[..first], &pattern[last + 1..]),
        _ => return pattern == name,
    };
    name.len() > start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{plant, said};
    use super::*;

    #[test]
    fn paths_that_exist_pass_in_every_spelling() {
        let readme = "See `server/src/lib.rs`, spec/schemes/<id>/scheme.toml, spec/schemes/*/clauses.toml, `fixtures/`\n\
                      and [the licence](LICENSE-MIT). Not paths: and/or, https://example.com/server/x, `/healthz`.\n";
        let (_folder, tree) = plant(&[
            ("README.md", readme),
            ("LICENSE-MIT", ""),
            ("server/src/lib.rs", ""),
            ("spec/schemes/cbs/scheme.toml", ""),
            ("spec/schemes/cbs/clauses.toml", ""),
            ("fixtures/accounts.toml", ""),
        ]);
        assert_eq!(said(&check(&tree)), "");
    }

    #[test]
    fn paths_that_are_gone_are_named_with_their_line() {
        let readme = "# Title\n\n- **`server/src/gone.rs`** holds it\n- spec/schemes/<id>/gone.toml\n- see LICENSE-GPL.\n";
        let (_folder, tree) = plant(&[("README.md", readme), ("spec/schemes/cbs/scheme.toml", "")]);
        let said = said(&check(&tree));
        for expected in [
            "README.md:3: names `server/src/gone.rs`",
            "README.md:4: names `spec/schemes/<id>/gone.toml`",
            "README.md:5: names `LICENSE-GPL`",
        ] {
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(said.lines().count(), 3, "{said}");
    }
}
