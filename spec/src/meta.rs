//! The meta schemas of the TOML files: every key that may stand in them, so that a misspelt one is named with its path.

use crate::{
    Schema,
    error::{Mistakes, did_you_mean},
};
use jsonschema::error::ValidationErrorKind;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;

/// What `scheme.toml` may hold.
pub(crate) static SCHEME: LazyLock<Schema> =
    LazyLock::new(|| meta("scheme.schema.json", include_str!("../meta/scheme.schema.json")));

/// What `clauses.toml` may hold.
pub(crate) static CLAUSES: LazyLock<Schema> =
    LazyLock::new(|| meta("clauses.schema.json", include_str!("../meta/clauses.schema.json")));

/// Parses, holds against the meta schema (all complaints), then reads into the type (first complaint, of which none is
/// left where the meta schema says what the type says).
pub(crate) fn read_toml<T: DeserializeOwned>(
    path: &str,
    text: &str,
    meta: &Schema,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let table: toml::Table = text
        .parse()
        .map_err(|problem| mistakes.add(path, "file", format!("is no TOML: {problem}").trim_end()))
        .ok()?;
    let value = serde_json::to_value(&table)
        .map_err(|problem| mistakes.add(path, "file", problem.to_string()))
        .ok()?;
    let before = mistakes.len();
    complain(path, meta, &value, mistakes);
    if mistakes.len() > before {
        return None;
    }
    T::deserialize(value).map_err(|problem| mistakes.add(path, "file", problem.to_string())).ok()
}

#[expect(
    clippy::expect_used,
    reason = "the meta schemas are constants of this crate and proved by its own tests"
)]
fn meta(name: &str, text: &str) -> Schema {
    let value = serde_json::from_str(text).expect("a meta schema is JSON");
    Schema::compile(name, value).expect("a meta schema compiles")
}

/// Every way in which the value breaks its meta schema, one mistake for each misspelt or missing key.
fn complain(path: &str, meta: &Schema, value: &Value, mistakes: &mut Mistakes) {
    for error in meta.errors(value) {
        let key = key_path(value, error.instance_path().as_str());
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = siblings(&meta.value, error.schema_path().as_str());
                for name in unexpected {
                    mistakes.add(
                        path,
                        &below(name),
                        format!("is no key of this table{}", did_you_mean(name, &known)),
                    );
                }
            }
            ValidationErrorKind::Required { property } => {
                mistakes.add(path, &below(property.as_str().unwrap_or_default()), "is missing");
            }
            ValidationErrorKind::Enum { options } => {
                let known: Vec<&str> =
                    options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let word = error.instance().as_str().unwrap_or_default();
                let near = did_you_mean(word, &known);
                mistakes.add(path, &key, format!("`{word}` is none of {}{near}", known.join(", ")));
            }
            _ => mistakes.add(path, if key.is_empty() { "file" } else { &key }, error.to_string()),
        }
    }
}

/// The keys that stand beside the `additionalProperties` at this place of a meta schema.
fn siblings<'a>(meta: &'a Value, schema_path: &str) -> Vec<&'a str> {
    let table = schema_path.rsplit_once('/').map_or("", |(table, _)| table);
    meta.pointer(table)
        .and_then(|table| table.get("properties")?.as_object())
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// A JSON pointer as people read TOML: `/operation/0/auth` becomes `operation[login].auth`.
fn key_path(root: &Value, pointer: &str) -> String {
    let mut path = String::new();
    let mut here = Some(root);
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let in_array = here.is_some_and(Value::is_array);
        here = here.and_then(|value| match value {
            Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            other => other.get(&name),
        });
        if in_array {
            let called =
                here.and_then(|item| ["name", "id", "at"].iter().find_map(|key| item.get(key)?.as_str()));
            let _ = write!(path, "[{}]", called.unwrap_or(part));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&name);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_name_tables_by_their_name() {
        let value =
            json!({ "operation": [{ "name": "login", "auth": "x" }, { "path": "/" }], "a": { "b": 1 } });
        assert_eq!(key_path(&value, "/operation/0/auth"), "operation[login].auth");
        assert_eq!(key_path(&value, "/operation/1/path"), "operation[1].path");
        assert_eq!(key_path(&value, "/a/b"), "a.b");
        assert_eq!(key_path(&value, ""), "");
    }

    /// A table that may hold anything would swallow misspelt keys.
    #[test]
    fn every_table_of_the_meta_schemas_is_closed() {
        fn check(at: &str, schema: &Value) {
            if schema.get("type") == Some(&json!("object")) {
                assert!(schema.get("additionalProperties").is_some(), "{at} is open");
            }
            for (key, value) in schema.as_object().into_iter().flatten() {
                check(&format!("{at}/{key}"), value);
            }
        }
        check("scheme", &SCHEME.value);
        check("clauses", &CLAUSES.value);
    }
}
