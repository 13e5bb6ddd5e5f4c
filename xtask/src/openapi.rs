//! `cargo xtask openapi`: the schemes as OpenAPI documents, committed.

use crate::generated::Generated;
use crate::{FOUND, unusable};
use countersign_spec::Spec;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The documents are spec/openapi/<scheme>.json, made from spec/schemes/<scheme>.
They are committed; a change of them is a change of the documented API.

Exit: 0 written, or all fresh; 1 with --check: a file is stale; 2 no writing.";

const FOLDER: &str = "spec/openapi";

/// Writes or compares all documents; a document of a scheme that is gone is removed or named.
pub(crate) fn run(root: &Path, check: bool) -> ExitCode {
    let documents = documents(Spec::embedded());
    let leftover = leftover(root, &documents);
    if check {
        let stale: Vec<&str> =
            documents.iter().filter(|file| !file.is_fresh(root)).map(|file| file.path.as_str()).collect();
        for path in &stale {
            anstream::eprintln!("{path} is stale: run `cargo xtask openapi` and commit it");
        }
        for path in &leftover {
            anstream::eprintln!(
                "{path} belongs to no scheme: run `cargo xtask openapi` and commit its removal"
            );
        }
        let fresh = stale.is_empty() && leftover.is_empty();
        if fresh {
            anstream::println!("{} documents are fresh", documents.len());
        }
        return if fresh { ExitCode::SUCCESS } else { ExitCode::from(FOUND) };
    }
    for file in &documents {
        match file.write(root) {
            Ok(true) => anstream::println!("wrote {}", file.path),
            Ok(false) => {}
            Err(error) => return unusable(&error),
        }
    }
    for path in &leftover {
        match std::fs::remove_file(root.join(path)) {
            Ok(()) => anstream::println!("removed {path}"),
            Err(error) => return unusable(&format!("{path} could not be removed: {error}")),
        }
    }
    ExitCode::SUCCESS
}

fn documents(spec: &Spec) -> Vec<Generated> {
    spec.schemes()
        .iter()
        .map(|scheme| Generated {
            path: format!("{FOLDER}/{}.json", scheme.id),
            text: format!("{:#}\n", countersign_spec::openapi::document(scheme)),
        })
        .collect()
}

fn leftover(root: &Path, documents: &[Generated]) -> Vec<String> {
    let wanted: BTreeSet<&str> = documents.iter().map(|file| file.path.as_str()).collect();
    let Ok(folder) = std::fs::read_dir(root.join(FOLDER)) else { return Vec::new() };
    let mut found: Vec<String> = folder
        .flatten()
        .map(|entry| format!("{FOLDER}/{}", entry.file_name().to_string_lossy()))
        .filter(|path| !wanted.contains(path.as_str()))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_missing_and_leftover_documents_are_found_and_mended() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(run(root.path(), true), ExitCode::from(FOUND));
        assert_eq!(run(root.path(), false), ExitCode::SUCCESS);
        assert_eq!(run(root.path(), true), ExitCode::SUCCESS);
        std::fs::write(root.path().join("spec/openapi/cbs.json"), "{}\n").unwrap();
        assert_eq!(run(root.path(), true), ExitCode::from(FOUND));
        assert_eq!(run(root.path(), false), ExitCode::SUCCESS);
        std::fs::write(root.path().join("spec/openapi/gone.json"), "{}\n").unwrap();
        assert_eq!(run(root.path(), true), ExitCode::from(FOUND));
        assert_eq!(run(root.path(), false), ExitCode::SUCCESS);
        assert_eq!(run(root.path(), true), ExitCode::SUCCESS);
    }
}
