//! `--record` and `--compare`: the flags of `conformance` that keep what a target says on the wire.

use super::{CONFORMS, Failure, NOTHING, UNREACHABLE, VIOLATES};
use crate::exchange::cut;
use crate::record::compare::{Change, compare};
use crate::record::folder::{Folder, Written};
use crate::record::transcript::Transcript;
use crate::record::{Recording, record};
use crate::target::Target;
use anstyle::AnsiColor;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What is done with the wire format.
#[derive(Debug, Clone, Args)]
// Another struct of this name is flattened beside it.
#[group(skip)]
pub(super) struct Options {
    /// Keep what the target says on the wire, redacted, as text in this
    /// folder: a fixed tour of each scheme, taken before the checks
    #[arg(long, value_name = "DIR", help_heading = "Wire format")]
    record: Option<PathBuf>,
    /// Take the tour and say what has changed since the record in this
    /// folder; a change fails the run
    #[arg(long, value_name = "DIR", help_heading = "Wire format")]
    compare: Option<PathBuf>,
    /// With --record or --compare: take the tour and judge nothing
    #[arg(long, help_heading = "Wire format")]
    tour_only: bool,
}

/// Folders that can be used, and what is compared with.
#[derive(Debug, Default)]
pub(super) struct Wire {
    schemes: Vec<String>,
    record: Option<Folder>,
    compare: Option<(Folder, Vec<Transcript>)>,
}

/// What the tour showed.
#[derive(Debug, Default)]
pub(super) struct Tour {
    recording: Recording,
    recorded: Option<(PathBuf, Written)>,
    compared: Option<(PathBuf, Vec<Change>)>,
}

impl Options {
    /// Whether only the tour is wanted.
    pub(super) fn is_tour_only(&self) -> bool {
        self.tour_only
    }

    /// Opens the folders, for a run of these schemes.
    ///
    /// # Errors
    /// Which folder cannot be used, and why.
    pub(super) fn open(&self, schemes: &[String]) -> Result<Wire, Failure> {
        let usage = |flag: &'static str| move |problem: String| Failure::usage(format!("{flag}: {problem}"));
        if self.tour_only && self.record.is_none() && self.compare.is_none() {
            return Err(Failure::usage("--tour-only: what for? Give --record DIR or --compare DIR with it"));
        }
        let record = self.record.as_deref().map(Folder::prepare).transpose().map_err(usage("--record"))?;
        let compare = match &self.compare {
            Some(path) => {
                let folder = Folder::open(path).map_err(usage("--compare"))?;
                let missing: Vec<&str> =
                    schemes.iter().filter(|id| !folder.schemes().contains(*id)).map(String::as_str).collect();
                if !missing.is_empty() {
                    let known: Vec<String> =
                        folder.schemes().iter().map(|scheme| format!("--scheme {scheme}")).collect();
                    return Err(usage("--compare")(format!(
                        "{} holds nothing of {}; compare what it holds ({}), or record again",
                        path.display(),
                        missing.join(", "),
                        known.join(" ")
                    )));
                }
                let before = folder.read(schemes).map_err(usage("--compare"))?;
                Some((folder, before))
            }
            None => None,
        };
        Ok(Wire { schemes: schemes.to_vec(), record, compare })
    }
}

impl Wire {
    /// Takes the tour, where one is wanted, and writes the record.
    ///
    /// # Errors
    /// Why there is no tour, or no record.
    pub(super) fn tour(self, target: &Target) -> Result<Tour, Failure> {
        if self.record.is_none() && self.compare.is_none() {
            return Ok(Tour::default());
        }
        // A target of its own: what the tour does is no part of what the checks are held against.
        let own = Target::new(
            target.spec.clone(),
            self.schemes.clone(),
            target.profile.clone(),
            target.seed,
            target.cases,
        )
        .map_err(Failure::usage)?;
        let recording = record(&own, &self.schemes).map_err(|problem| {
            let gone = target.client().greet(Duration::from_secs(3)).is_err();
            let code = if gone { UNREACHABLE } else { NOTHING };
            Failure { code, text: format!("{problem}; nothing was recorded or compared") }
        })?;
        let unrecorded: Vec<&(String, String)> =
            recording.left_out.iter().chain(&recording.refused).collect();
        let failed = match &self.compare {
            Some(_) => recording.left_out.first(),
            None if unrecorded.len() == self.schemes.len() => unrecorded.first().copied(),
            None => None,
        };
        if let Some((scheme, reason)) = failed {
            let text = format!("{scheme}: {reason}; nothing was recorded or compared");
            return Err(Failure { code: NOTHING, text });
        }
        let compared = self
            .compare
            .map(|(folder, before)| (folder.path().to_owned(), compare(&before, &recording.transcripts)));
        let recorded = match self.record {
            Some(mut folder) => {
                let is_whole = |id: &String| !unrecorded.iter().any(|(known, _)| known == id);
                let schemes: Vec<String> = self.schemes.into_iter().filter(is_whole).collect();
                let transcripts = recording.transcripts.iter().filter(|flow| schemes.contains(&flow.scheme));
                let written = folder
                    .write(&schemes, &transcripts.cloned().collect::<Vec<_>>())
                    .map_err(|problem| Failure::usage(format!("--record: {problem}")))?;
                Some((folder.path().to_owned(), written))
            }
            None => None,
        };
        Ok(Tour { recording, recorded, compared })
    }
}

impl Tour {
    /// What it has to add to the verdict of a run.
    pub(super) fn says(&self) -> Option<&'static str> {
        let changed = self.compared.as_ref().is_some_and(|(_, changes)| !changes.is_empty());
        changed.then_some("; the wire format has changed since the record")
    }

    /// Tells what the tour showed; the exit code is that of the tour alone.
    pub(super) fn tell(&self, out: &mut dyn Write) -> u8 {
        // Whoever reads may have seen enough and be gone.
        drop(self.write(out));
        if self.says().is_some() { VIOLATES } else { CONFORMS }
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let (bad, good) = (AnsiColor::Red.on_default().bold(), AnsiColor::Green.on_default().bold());
        let Recording { left_out, refused, .. } = &self.recording;
        let not = if self.recorded.is_some() { "not recorded" } else { "not toured whole" };
        for (scheme, reason) in left_out.iter().chain(refused) {
            writeln!(out, "{scheme}: {not}: {}", cut(reason, 300))?;
        }
        let count = self.recording.transcripts.len();
        if let Some((folder, changes)) = &self.compared {
            let (style, says) = match changes.len() {
                0 => (good, "unchanged".to_owned()),
                1 => (bad, "1 change".to_owned()),
                many => (bad, format!("{many} changes")),
            };
            let shown = folder.display();
            writeln!(out, "{style}wire format: {says}{style:#} since {shown} ({count} flows compared)")?;
            for change in changes {
                let title = change.step.as_ref().map(|(_, title)| format!("  ({title})")).unwrap_or_default();
                writeln!(out, "  {change}{title}")?;
            }
            if !changes.is_empty() && self.recorded.is_none() && refused.is_empty() {
                writeln!(out, "if that is meant, record it: --record {shown}")?;
            }
        }
        if let Some((folder, written)) = &self.recorded {
            let Written { written, unchanged, removed } = written;
            writeln!(
                out,
                "recorded in {}: {written} flows written, {unchanged} unchanged, {removed} removed",
                folder.display()
            )?;
        }
        Ok(())
    }
}
