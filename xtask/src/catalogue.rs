//! `cargo xtask catalogue`: every check as a page to read, committed.

use crate::generated::Generated;
use crate::{FOUND, unusable};
use countersign_spec::Spec;
use std::path::Path;
use std::process::ExitCode;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The page is harness/docs/checks.md, as `countersign catalogue` prints it. It is
committed: what a change of a clause or a check does to the rest is seen there.

Exit: 0 written, or fresh; 1 with --check: it is stale; 2 no writing.";

const FILE: &str = "harness/docs/checks.md";

/// Writes or compares the page.
pub(crate) fn run(root: &Path, check: bool) -> ExitCode {
    let file = Generated { path: FILE.to_owned(), text: countersign::listing::table::page(Spec::embedded()) };
    if check {
        if file.is_fresh(root) {
            anstream::println!("{FILE} is fresh");
            return ExitCode::SUCCESS;
        }
        let line = file.first_difference(root).map(|line| format!(":{line}")).unwrap_or_default();
        anstream::eprintln!("{FILE}{line} is stale: run `cargo xtask catalogue` and commit it");
        return ExitCode::from(FOUND);
    }
    match file.write(root) {
        Ok(true) => anstream::println!("wrote {FILE}"),
        Ok(false) => {}
        Err(error) => return unusable(&error),
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_a_stale_page_are_found_and_mended() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(run(root.path(), true), ExitCode::from(FOUND));
        assert_eq!(run(root.path(), false), ExitCode::SUCCESS);
        assert_eq!(run(root.path(), true), ExitCode::SUCCESS);
        std::fs::write(root.path().join(FILE), "# Every check\n").unwrap();
        assert_eq!(run(root.path(), true), ExitCode::from(FOUND));
    }
}
