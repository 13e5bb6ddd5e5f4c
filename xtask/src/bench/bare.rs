//! Running the parts, and the harness, as processes of their own.

use super::Run;
use crate::torture::server::{Home, Server};
use std::path::Path;
use std::process::{Command, Stdio};

/// Milliseconds that recoveries and commits are counted for.
const MILLIS: u64 = 1_500;

/// A bare server that answers so many bytes, on core 0.
pub(super) fn server(run: &Run, bytes: usize) -> Result<Server, String> {
    let arguments = ["bench-part", "hyper", &bytes.to_string()].map(str::to_owned);
    Home::of(&run.own, arguments.to_vec())?.on_cores("0").start()
}

/// Seconds of CPU of one recovery, on core 0.
pub(super) fn recovery(run: &Run) -> Result<f64, String> {
    let mut command = on_cores(run, "0", &run.own);
    let millis = run.count(usize::try_from(MILLIS).unwrap_or(1_000)).to_string();
    let (count, cpu) = two(command.args(["bench-part", "recover", &millis]))?;
    Ok(cpu / count)
}

/// Commits per second into a database in this folder.
pub(super) fn commits(run: &Run, folder: &Path) -> Result<f64, String> {
    let millis = run.count(usize::try_from(MILLIS).unwrap_or(1_000)).to_string();
    let mut command = on_cores(run, &run.cores, &run.own);
    let (count, seconds) = two(command.args(["bench-part", "commits"]).arg(folder).arg(millis))?;
    Ok(count / seconds)
}

/// Requests and seconds of a default run, as its last line states them.
pub(super) fn conformance(run: &Run) -> Result<(f64, f64), String> {
    let mut command = on_cores(run, &run.cores, Path::new(&crate::cargo::program()));
    command.current_dir(&run.root).env_remove("CARGO_MANIFEST_DIR").args([
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--",
        "conformance",
    ]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .rev()
        .find_map(summary)
        .ok_or_else(|| format!("the harness gave no summary ({})", output.status))
}

/// The figures before ` requests in ` and behind it.
fn summary(line: &str) -> Option<(f64, f64)> {
    let (before, after) = line.split_once(" requests in ")?;
    let requests = before.rsplit(' ').next()?.replace(',', "").parse().ok()?;
    let seconds = after.split(' ').next()?.parse().ok()?;
    Some((requests, seconds))
}

/// A command that is kept on these cores, if there is a `taskset`; this program itself is kept off core 0.
pub(super) fn on_cores(run: &Run, cores: &str, program: &Path) -> Command {
    if !run.has_taskset {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program);
    command
}

/// Two numbers that a part prints.
fn two(command: &mut Command) -> Result<(f64, f64), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("a part of the bench could not be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(one)), Some(Ok(other))) if one > 0.0 && other > 0.0 => Ok((one, other)),
        _ => Err(format!(
            "a part of the bench gave no figures: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_the_harness_is_read() {
        let line = "http://x: conforms; 12 checks judged, 3 advice, 4321 requests in 6.5 s, seed 1";
        assert_eq!(summary(line), Some((4321.0, 6.5)));
        assert_eq!(summary("nothing"), None);
    }
}
