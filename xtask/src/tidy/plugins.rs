//! Every module of a scheme is in the server's visible list.

use super::{Complaint, Tree};
use std::collections::BTreeSet;

const LIST: &str = "server/src/schemes.rs";
const FOLDER: &str = "server/src/schemes/";

/// Every module in the folder that `all()` does not name.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let modules: BTreeSet<&str> =
        tree.files(FOLDER, ".rs").filter_map(|file| file[FOLDER.len()..].split(['/', '.']).next()).collect();
    if modules.is_empty() {
        return Vec::new();
    }
    let text = tree.text(LIST).unwrap_or_default();
    let Some(list) = body_of_all(&text) else {
        return vec![Complaint::new(
            LIST,
            None,
            "has no `fn all(`: the list of schemes must be there to be read",
        )];
    };
    modules
        .into_iter()
        .filter(|module| !names_of(&text, module).iter().any(|name| holds(list, name)))
        .map(|module| {
            Complaint::new(
                LIST,
                None,
                format!("`all()` names nothing of the module `{module}`, so its scheme is not served; add it to the list"),
            )
        })
        .collect()
}

/// The text between the braces of `fn all`.
fn body_of_all(text: &str) -> Option<&str> {
    let from = text.find("fn all(")?;
    let open = from + text[from..].find('{')?;
    let mut depth = 0;
    for (at, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[open..open + at]);
        }
    }
    None
}

/// What the list may call a module's scheme: `module::…`, or a name that the file imports from the module.
fn names_of(text: &str, module: &str) -> Vec<String> {
    let mut names = vec![format!("{module}::")];
    for statement in text.split(';') {
        let Some((_, path)) = statement.rsplit_once("use ") else { continue };
        let path = path.trim().trim_start_matches("self::");
        let Some(imported) = path.strip_prefix(module).and_then(|rest| rest.strip_prefix("::")) else {
            continue;
        };
        let words = imported.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        names.extend(words.map(str::to_owned));
    }
    names
}

/// Whether the name stands in the text as a word of its own.
fn holds(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].ends_with(is_word);
        let after = name.ends_with(is_word) && text[at + name.len()..].starts_with(is_word);
        !before && !after
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{plant, said};
    use super::*;

    #[test]
    fn a_module_outside_the_list_is_named() {
        let list = "mod cbs;\nmod web3mq;\nmod magic_link;\npub use web3mq::{Settings, Web3mq};\npub use magic_link::Link;\n\n\
                    pub fn all() -> Vec<X> {\n    vec![X::new(cbs::Cbs), y(Web3mq::new()), z(Linked)]\n}\n\
                    fn other() { magic_link::x() }\n";
        let (_folder, tree) = plant(&[
            (LIST, list),
            ("server/src/schemes/cbs.rs", ""),
            ("server/src/schemes/web3mq/text.rs", ""),
            ("server/src/schemes/magic_link.rs", ""),
        ]);
        let said = said(&check(&tree));
        assert!(said.contains("the module `magic_link`") && said.lines().count() == 1, "{said}");
    }

    #[test]
    fn a_missing_list_is_named_and_no_schemes_are_no_fault() {
        let (_folder, tree) = plant(&[("server/src/schemes/cbs.rs", "")]);
        assert!(said(&check(&tree)).contains("has no `fn all(`"));
        let (_folder, tree) = plant(&[("server/src/lib.rs", "")]);
        assert_eq!(check(&tree), []);
    }
}
