//! Holds a record against its snapshots, in a process of its own: insta is told by variables whether it may write.

use super::status;
use crate::{FOUND, unusable};
use clap::Args;
use countersign::record::folder::Folder;
use countersign::record::transcript::Transcript;
use insta::comparator::{Comparator, DefaultComparator};
use std::collections::BTreeSet;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A part of `snapshot` that it starts itself.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A record, such as `--record` of the harness leaves
    #[arg(long, value_name = "DIR")]
    record: PathBuf,
    /// Where the snapshots are
    #[arg(long, value_name = "DIR")]
    snapshots: PathBuf,
    /// Whether insta was told to write
    #[arg(long)]
    write: bool,
    /// Ask for each change whether it is meant
    #[arg(long, conflicts_with = "write")]
    ask: bool,
    /// Hold only these against theirs, such as `ethgas/login`
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// The command that does this part, with insta's variables as they have to be whatever a developer or a CI has set.
pub(super) fn command(own: &Path, record: &Path, snapshots: &Path, write: bool) -> Command {
    let mut command = Command::new(own);
    command.arg("snapshot-part").arg("--record").arg(record).arg("--snapshots").arg(snapshots);
    for other in ["INSTA_PENDING_DIR", "INSTA_REQUIRE_FULL_MATCH"] {
        command.env_remove(other);
    }
    // It passes whatever it finds, and goes on to the next; what it found is noted below.
    command.env("INSTA_FORCE_PASS", "1");
    if write {
        command.arg("--write").env("INSTA_UPDATE", "always").env("INSTA_OUTPUT", "none");
    } else {
        command.env("INSTA_UPDATE", "no").env("INSTA_OUTPUT", "diff");
    }
    command
}

/// Does the part.
pub(crate) fn run(options: &Options) -> ExitCode {
    match held(options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => unusable(&error),
    }
}

fn held(options: &Options) -> Result<u8, String> {
    let record = Folder::open(&options.record)?;
    let schemes: Vec<String> = record.schemes().iter().cloned().collect();
    let transcripts = record.read(&schemes)?;
    let mut accepted = Vec::new();
    let (mut changed, mut kept) = (0, 0);
    for transcript in &transcripts {
        let name = name(transcript);
        if !options.only.is_empty() && !options.only.contains(&name) {
            continue;
        }
        kept += 1;
        if is_held(transcript, &options.snapshots)? {
            continue;
        }
        changed += 1;
        if options.write {
            anstream::println!("wrote {name}.snap");
        } else if options.ask && is_meant(&name)? {
            accepted.push(name);
        }
    }
    let leftover =
        if options.only.is_empty() { leftover(&options.snapshots, &transcripts)? } else { Vec::new() };
    for path in &leftover {
        let shown = path.strip_prefix(&options.snapshots).unwrap_or(path).display();
        if !options.write {
            anstream::println!("{shown} belongs to no flow; `cargo xtask snapshot` removes it");
            continue;
        }
        std::fs::remove_file(path).map_err(|error| format!("{shown} could not be removed: {error}"))?;
        anstream::println!("removed {shown}");
    }
    if !accepted.is_empty() {
        write_only(options, &accepted)?;
    }
    let open = changed - accepted.len() + leftover.len();
    if options.write || open == 0 {
        anstream::println!("snapshots as the server is: {kept}");
        return Ok(0);
    }
    anstream::println!("snapshots that are not as the server is: {open} of {}", kept + leftover.len());
    Ok(FOUND)
}

/// Compares a flow with its snapshot; insta shows the difference, or writes.
fn is_held(transcript: &Transcript, snapshots: &Path) -> Result<bool, String> {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(snapshots.join(&transcript.scheme));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let same = Noting::default();
    settings.set_comparator(Box::new(same.clone()));
    let text = transcript.write();
    // Insta panics where a snapshot cannot be written. Nothing of ours is left half done by that.
    let asserted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(transcript.flow.as_str(), text));
    }));
    match asserted {
        Ok(()) => Ok(same.0.load(Ordering::Relaxed)),
        Err(_) => Err(format!("insta could not hold {}; what it said stands above", name(transcript))),
    }
}

/// Compares as insta does and notes whether all was the same; where there is no snapshot, nobody asks.
#[derive(Debug, Clone, Default)]
struct Noting(Arc<AtomicBool>);

impl Comparator for Noting {
    fn matches(&self, reference: &insta::Snapshot, test: &insta::Snapshot) -> bool {
        let same = DefaultComparator.matches(reference, test);
        self.0.store(same, Ordering::Relaxed);
        same
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(self.clone())
    }
}

fn is_meant(name: &str) -> Result<bool, String> {
    let mut out = std::io::stdout();
    let mut answer = String::new();
    let asked = write!(out, "{name}: is this meant? [y/N] ")
        .and_then(|()| out.flush())
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    asked.map_err(|error| format!("nobody could be asked: {error}"))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Lets insta write what was accepted, which this process was not told to do.
fn write_only(options: &Options, accepted: &[String]) -> Result<(), String> {
    let own = crate::cargo::own_program()?;
    let mut command = command(&own, &options.record, &options.snapshots, true);
    for name in accepted {
        command.arg("--only").arg(name);
    }
    match status(&mut command)? {
        0 => Ok(()),
        code => Err(format!("what was accepted could not be written (exit {code})")),
    }
}

/// Snapshots of flows that are gone.
fn leftover(snapshots: &Path, transcripts: &[Transcript]) -> Result<Vec<PathBuf>, String> {
    let wanted: BTreeSet<PathBuf> =
        transcripts.iter().map(|transcript| snapshots.join(name(transcript) + ".snap")).collect();
    let mut found = BTreeSet::new();
    let folders = std::fs::read_dir(snapshots).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|path| path.is_dir()) {
        let files = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        found.extend(
            files
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|end| end == "snap")),
        );
    }
    Ok(found.difference(&wanted).cloned().collect())
}

fn name(transcript: &Transcript) -> String {
    format!("{}/{}", transcript.scheme, transcript.flow)
}
