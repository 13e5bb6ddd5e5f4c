//! `countersign diff`: what changed between two runs.

use super::{CONFORMS, Failure, VIOLATES};
use crate::diff::{Change, Diff, Weight, diff};
use crate::report::model::{self, FORMAT, Run};
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const HELP: &str = "\
Compares check by check: verdicts, levels, fingerprints, and which checks came
to a verdict at all. A check that was judged and now is not, because it is
skipped, inconclusive, blocked or gone, is a change for the worse like a new
violation. What is below the level that fails the second run, or tolerated by
its profile, is shown and is not worse.

Exit codes:
  0  nothing is worse
  1  something is: a new violation, or a check that is no longer judged
  2  a file cannot be used";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// Report of the earlier run: conformance --report json=FILE
    before: PathBuf,
    /// Report of the later run
    after: PathBuf,
    /// How to write the comparison
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) fn run(options: &Options) -> Result<u8, Failure> {
    let (before, after) = (read(&options.before)?, read(&options.after)?);
    let found = diff(&before, &after);
    let text = match options.format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&found);
            json.map_err(|problem| Failure::usage(problem.to_string()))? + "\n"
        }
        Format::Text => page(&found),
    };
    drop(anstream::stdout().write_all(text.as_bytes()));
    Ok(if found.worse { VIOLATES } else { CONFORMS })
}

/// Reads the JSON report of a run.
pub(super) fn read(path: &Path) -> Result<Run, Failure> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|problem| Failure::usage(format!("{shown}: {problem}")))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|problem| {
        Failure::usage(format!(
            "{shown} is no JSON: {problem}; give a report that conformance --report json=FILE wrote"
        ))
    })?;
    // Said before what a newer form has is called a mistake.
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    match format {
        Some(format) if format != u64::from(FORMAT) => {
            return Err(Failure::usage(format!(
                "{shown} is a report of format {format}, and this program reads {FORMAT}"
            )));
        }
        _ => {}
    }
    serde_json::from_value(value).map_err(|problem| {
        Failure::usage(format!(
            "{shown} is no report of a run: {problem}; give one that conformance --report json=FILE wrote"
        ))
    })
}

fn page(found: &Diff) -> String {
    let mut page = String::new();
    let sections = [
        (Weight::Worse, "Worse"),
        (Weight::Notable, "Worse, but advice or tolerated"),
        (Weight::Better, "Better"),
        (Weight::Other, "Changed"),
    ];
    for (weight, title) in sections {
        let changes: Vec<&Change> = found.changes.iter().filter(|change| change.weight == weight).collect();
        if changes.is_empty() {
            continue;
        }
        let _ = writeln!(page, "{title} ({})", changes.len());
        for change in changes {
            let level = model::level_word(change.level);
            let _ = writeln!(page, "  {level:<6} {}", change.check);
            let _ = writeln!(page, "         {} -> {}", change.before, change.after);
            for note in change.note.iter().flat_map(|note| note.split("; ")) {
                let note: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                let _ = writeln!(page, "         {}", crate::exchange::cut(&note, 400));
            }
        }
        page.push('\n');
    }
    for remark in &found.remarks {
        let _ = writeln!(page, "note: {remark}");
    }
    let says = match (found.worse, found.changes.len()) {
        (_, 0) => "nothing changed".to_owned(),
        (true, _) => format!(
            "{} changed for the worse",
            found.changes.iter().filter(|change| change.weight == Weight::Worse).count()
        ),
        (false, changed) => format!("{changed} changed, none for the worse"),
    };
    let _ = writeln!(page, "{says}; {} ended as before", found.unchanged);
    page
}
