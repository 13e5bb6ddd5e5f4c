//! Calling cargo, and where the workspace is.

use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A call of the cargo that called us, in the workspace.
pub(crate) fn command(root: &Path) -> Command {
    let mut command = Command::new(program());
    // `cargo run` set it for us. Build scripts that watch it, as ring's does, would be run again, and half of all
    // dependencies be built again, whenever cargo is called by us after it was called by hand.
    command.current_dir(root).env_remove("CARGO_MANIFEST_DIR");
    command
}

/// The folder of the workspace.
///
/// # Errors
/// Why there is none, for people.
pub(crate) fn workspace_root() -> Result<PathBuf, String> {
    // `cargo run` and `cargo test` set it; it saves a call of cargo.
    if let Some(own) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
        && let Some(root) = own.parent()
        && root.join("xtask").is_dir()
        && root.join("Cargo.toml").is_file()
    {
        return Ok(root.to_owned());
    }
    let description = metadata(Path::new("."))
        .map_err(|error| format!("this is no Countersign workspace; run it from the clone: {error}"))?;
    description["workspace_root"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| "cargo names no workspace".to_owned())
}

/// What cargo says of the workspace's own packages (`cargo metadata`, format 1).
///
/// # Errors
/// Why it says nothing, in cargo's words.
pub(crate) fn metadata(root: &Path) -> Result<Value, String> {
    let output = command(root)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo's description cannot be read: {error}"))
}

/// Builds the reference server, with these flags of cargo, such as for its features, and says where its binary is. What cargo has
/// to say goes to standard error.
///
/// # Errors
/// Why it could not be built, for people; the compiler has said the rest by then.
pub(crate) fn build_server(root: &Path, flags: &[&str]) -> Result<PathBuf, String> {
    build(root, "countersign-server", flags)
}

/// As [`build_server`], of a package whose binary has its name.
///
/// # Errors
/// As [`build_server`].
pub(crate) fn build(root: &Path, package: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let mut arguments = vec!["build", "--quiet", "--package", package, "--bin", package];
    arguments.extend(flags);
    built(root, package, &arguments)
}

/// The server that the step `test` built for the tests, with all features: asked for in the same words, it is there already.
///
/// # Errors
/// As [`build_server`].
pub(crate) fn tested_server(root: &Path) -> Result<PathBuf, String> {
    built(root, "countersign-server", &["test", "--quiet", "--workspace", "--all-features", "--no-run"])
}

/// Calls cargo with these arguments and says where the binary of this name is.
fn built(root: &Path, name: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let mut child = command(root)
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    let mut binary = None;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            // A binary is built a second time for the tests in it.
            if message["reason"] == "compiler-artifact"
                && message["target"]["name"] == name
                && message["profile"]["test"] == false
                && let Some(path) = message["executable"].as_str()
            {
                binary = Some(path.into());
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cargo was lost: {error}"))?;
    if !status.success() {
        return Err(format!("{name} could not be built ({status}); the compiler's messages stand above"));
    }
    binary.ok_or_else(|| format!("cargo built no {name}; does its Cargo.toml still have that binary?"))
}

/// This program, to be started again. A step that built it anew has put another file in its place.
///
/// # Errors
/// Why it has no path.
pub(crate) fn own_program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    if own.exists() {
        return Ok(own);
    }
    // So Linux calls the file that was there before.
    let name = own.to_string_lossy().into_owned();
    Ok(name.strip_suffix(" (deleted)").map_or(own, PathBuf::from))
}

/// The cargo that called us.
pub(crate) fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
