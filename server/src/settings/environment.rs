//! `COUNTERSIGN_…` variables.

use super::known::{Kind, Known};
use crate::config::{self, ConfigError};
use std::collections::BTreeSet;
use std::ffi::OsString;
use toml::{Table, Value};

/// How the variables of settings begin.
const PREFIX: &str = "COUNTERSIGN_";
/// Variables that are read elsewhere.
const OTHERS: [&str; 2] = ["COUNTERSIGN_CONFIG", "COUNTERSIGN_LOG"];
/// What Kubernetes tells every program in a namespace with a service named `countersign`.
const LINKS: [&str; 3] = ["COUNTERSIGN_SERVICE_", "COUNTERSIGN_PORT_", "COUNTERSIGN_PORT"];

/// The variable of a setting: `COUNTERSIGN_STORE_KIND` for `store.kind`.
#[must_use]
pub fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_ascii_uppercase())
}

/// The settings among the variables, with their names, sorted by those.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    known: &[Known],
    file: &Table,
) -> Result<Vec<(Known, String, Value)>, ConfigError> {
    let failed = |at: &str, problem: String| ConfigError::Value { at: at.to_owned(), problem };
    let mut ours = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if OTHERS.contains(&name) || is_link(name) {
            continue;
        }
        let value = value.into_string().map_err(|_| failed(name, "is not text".into()))?;
        ours.push((name.to_owned(), value));
    }
    ours.sort_unstable();
    // A secret may stand in a variable of any name that the settings give.
    let mut pointed = BTreeSet::new();
    references(&Value::Table(file.clone()), &mut pointed);
    pointed.extend(ours.iter().filter_map(|(_, value)| value.strip_prefix("env:")).map(str::to_owned));

    let mut found: Vec<(Known, String, Value)> = Vec::new();
    for (name, value) in ours {
        let Some((leaf, in_file)) = setting(&name, known) else {
            if pointed.contains(&name) {
                continue;
            }
            let names: Vec<String> = known.iter().map(|leaf| variable(&leaf.path)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(failed(&name, format!("there is no such setting{}", config::nearest(&name, &names))));
        };
        if value.is_empty() {
            return Err(failed(&name, "is empty: give it a value or unset it".into()));
        }
        if let Some((_, other, _)) = found.iter().find(|(other, ..)| other == leaf) {
            return Err(failed(&name, format!("says the same as {other}: give only one")));
        }
        let value =
            if in_file { Ok(Value::String(format!("file:{value}"))) } else { typed(leaf.kind, value) };
        let value = value.map_err(|problem| failed(&name, problem.to_owned()))?;
        found.push((leaf.clone(), name, value));
    }
    Ok(found)
}

/// The setting a variable is for, and whether it names a file with the value.
fn setting<'k>(name: &str, known: &'k [Known]) -> Option<(&'k Known, bool)> {
    let of = |name: &str| known.iter().find(|leaf| variable(&leaf.path) == name);
    let in_file = || name.strip_suffix("_FILE").and_then(of).filter(|leaf| leaf.secret);
    of(name).map(|leaf| (leaf, false)).or_else(|| in_file().map(|leaf| (leaf, true)))
}

fn is_link(name: &str) -> bool {
    LINKS.iter().any(|link| name == *link || (link.ends_with('_') && name.starts_with(link)))
}

fn typed(kind: Kind, text: String) -> Result<Value, &'static str> {
    match kind {
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        Kind::Number => text.parse().map(Value::Integer).map_err(|_| "must be a whole number"),
        Kind::Text => Ok(Value::String(text)),
        Kind::Truth => text.parse().map(Value::Boolean).map_err(|_| "must be true or false"),
    }
}

/// The variables that values point to with `env:`.
fn references(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(text.strip_prefix("env:").map(str::to_owned)),
        Value::Table(table) => table.values().for_each(|inner| references(inner, names)),
        Value::Array(values) => values.iter().for_each(|inner| references(inner, names)),
        _ => {}
    }
}
