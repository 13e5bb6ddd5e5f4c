//! `cargo xtask tidy`: what no compiler checks about the shape of the workspace.

mod catalogue;
mod clauses;
mod data;
mod directions;
mod names;
mod paths;
mod plugins;
mod tree;

pub(crate) use clauses::citations;
pub(crate) use tree::Tree;

use crate::{FOUND, cargo, unusable};
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
Rules:
  directions  who may depend on whom (README.md, code map)
  tree        the top level is fixed; no file names a path of one machine
  paths       every path that README.md and .github/CONTRIBUTING.md name exists
  data        every TOML and JSON file of spec and fixtures parses
  clauses     clause ids are spelt well and unique; citations name one
  checks      check names are spelt well and unique, and cite clauses
  catalogue   every check that spec/CATALOGUE.md names exists
  plugins     every module in server/src/schemes is in the list of all()

All complaints are shown at once. Exit: 0 tidy; 1 not; 2 no reading.";

/// Something untidy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Complaint {
    file: String,
    line: Option<usize>,
    /// What is wrong and how it is mended.
    what: String,
}

impl Complaint {
    fn new(file: impl Into<String>, line: impl Into<Option<usize>>, what: impl Into<String>) -> Self {
        Self { file: file.into(), line: line.into(), what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Applies every rule and shows all complaints.
pub(crate) fn run(root: &Path) -> ExitCode {
    let complaints = match complaints(root) {
        Ok(complaints) => complaints,
        Err(error) => return unusable(&error),
    };
    for complaint in &complaints {
        anstream::eprintln!("{complaint}");
    }
    match complaints.len() {
        0 => {
            anstream::println!("tidy");
            ExitCode::SUCCESS
        }
        count => {
            anstream::println!("{count} untidy {}", if count == 1 { "place" } else { "places" });
            ExitCode::from(FOUND)
        }
    }
}

fn complaints(root: &Path) -> Result<Vec<Complaint>, String> {
    let tree = Tree::read(root)?;
    let metadata =
        cargo::metadata(root).map_err(|error| format!("cargo could not describe the workspace: {error}"))?;
    let known = clauses::ids(&tree);
    let entries = countersign::catalogue(countersign_spec::Spec::embedded());
    let names: Vec<(&str, &[String])> =
        entries.iter().map(|check| (check.name.as_str(), check.clauses.as_slice())).collect();
    let mut complaints = directions::check(&directions::uses(&metadata));
    complaints.extend(tree::check(&tree));
    complaints.extend(paths::check(&tree));
    complaints.extend(data::check(&tree));
    complaints.extend(clauses::check(&tree));
    complaints.extend(names::check(&names, &known));
    complaints.extend(catalogue::check(&tree, &names));
    complaints.extend(plugins::check(&tree));
    complaints.sort();
    complaints.dedup();
    Ok(complaints)
}

/// Whether a text is lower-case words and digits joined by single hyphens, and no bare number: ids say what they mean,
/// never where they stand.
fn is_word(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.split('-').all(plain) && text.chars().any(|c| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_with_single_hyphens_and_no_bare_numbers() {
        for good in ["secret", "single-use", "eip-191", "sha3"] {
            assert!(is_word(good), "{good}");
        }
        for bad in ["", "Secret", "single_use", "single--use", "-a", "a-", "12", "1-2", "a b"] {
            assert!(!is_word(bad), "{bad}");
        }
    }

    #[test]
    fn a_complaint_names_file_and_line() {
        assert_eq!(Complaint::new("a/b.toml", 3, "is wrong").to_string(), "a/b.toml:3: is wrong");
        assert_eq!(Complaint::new("a/b.toml", None, "is wrong").to_string(), "a/b.toml: is wrong");
    }
}
