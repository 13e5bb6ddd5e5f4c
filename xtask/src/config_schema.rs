//! `cargo xtask config-schema`: the form of the server's configuration file, committed.

use crate::generated::Generated;
use crate::{FOUND, cargo, unusable};
use std::path::Path;
use std::process::{Command, ExitCode};

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The file is server/countersign.schema.json, as `countersign-server
config-schema` prints it. Editors complete and check countersign.toml with it.

Exit: 0 written, or fresh; 1 with --check: it is stale; 2 no writing.";

const FILE: &str = "server/countersign.schema.json";

/// Builds the server, and writes or compares what it prints.
pub(crate) fn run(root: &Path, check: bool) -> ExitCode {
    match printed(root) {
        Ok(text) => settle(root, text, check),
        Err(error) => unusable(&error),
    }
}

fn printed(root: &Path) -> Result<String, String> {
    let binary = cargo::tested_server(root)?;
    let output = Command::new(&binary)
        .arg("config-schema")
        .output()
        .map_err(|error| format!("{} could not be started: {error}", binary.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    String::from_utf8(output.stdout).map_err(|_| "the server printed a schema that is no text".to_owned())
}

fn settle(root: &Path, text: String, check: bool) -> ExitCode {
    let file = Generated { path: FILE.to_owned(), text };
    if check {
        if file.is_fresh(root) {
            anstream::println!("{FILE} is fresh");
            return ExitCode::SUCCESS;
        }
        anstream::eprintln!("{FILE} is stale: run `cargo xtask config-schema` and commit it");
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
    fn a_stale_schema_is_found_and_mended() {
        let root = tempfile::tempdir().unwrap();
        let settle = |text: &str, check| settle(root.path(), text.to_owned(), check);
        assert_eq!(settle("{}\n", true), ExitCode::from(FOUND));
        assert_eq!(settle("{}\n", false), ExitCode::SUCCESS);
        assert_eq!(settle("{}\n", true), ExitCode::SUCCESS);
        assert_eq!(settle("{\"a\":1}\n", true), ExitCode::from(FOUND));
    }
}
