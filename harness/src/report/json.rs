//! The whole run in JSON, as `countersign schema report` describes it.

use super::model::Run;

/// Writes the report.
///
/// # Errors
/// Numbers that JSON does not know; a run holds none.
pub fn write(run: &Run) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(run).map_err(|problem| problem.to_string())?;
    text.push('\n');
    Ok(text)
}

/// The schema of such a report (JSON Schema 2020-12), from the types it is written from.
#[must_use]
pub fn schema() -> String {
    published(schemars::schema_for!(Run), "A run of Countersign")
}

/// A schema as it is published.
pub(super) fn published(mut schema: schemars::Schema, title: &str) -> String {
    schema.insert("title".to_owned(), title.into());
    let mut text = format!("{:#}", schema.to_value());
    text.push('\n');
    text
}
