//! `countersign schema`: what this program writes for others, as JSON Schema.

use super::CONFORMS;
use std::io::Write as _;

/// What has a schema.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Form {
    /// What `--report json=FILE` writes
    Report,
    /// What `--report ndjson=FILE` writes: a line
    Events,
}

/// The verb.
pub(super) fn run(form: Form) -> u8 {
    let text = match form {
        Form::Report => crate::report::json::schema(),
        Form::Events => crate::report::ndjson::schema(),
    };
    // Whoever reads may have seen enough and be gone.
    drop(std::io::stdout().write_all(text.as_bytes()));
    CONFORMS
}
