//! A JSON Schema 2020-12 with its compiled validator, and examples that must pass one.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// One schema file: the text as data, and a validator that is compiled once, by whoever validates first.
#[derive(Clone)]
pub struct Schema {
    /// File name, such as `login-request.json`.
    pub file: String,
    /// The schema itself.
    pub value: Value,
    validator: Arc<OnceLock<jsonschema::Validator>>,
}

impl Schema {
    /// Compiles a schema; formats are asserted.
    ///
    /// # Errors
    /// What makes it no valid schema.
    pub fn compile(file: &str, value: Value) -> Result<Self, String> {
        jsonschema::draft202012::meta::validate(&value)
            .map_err(|error| format!("{} at {}", error, error.instance_path()))?;
        let validator = build(&value).map_err(|error| error.to_string())?;
        Ok(Self { file: file.to_owned(), value, validator: Arc::new(OnceLock::from(validator)) })
    }

    /// Takes a schema that is known to be one; its validator waits until somebody needs it.
    pub(crate) fn proven(file: &str, value: Value) -> Self {
        Self { file: file.to_owned(), value, validator: Arc::default() }
    }

    /// Whether the validator is there already. Whoever only reads names never needs one.
    #[must_use]
    pub fn is_compiled(&self) -> bool {
        self.validator.get().is_some()
    }

    #[expect(
        clippy::expect_used,
        reason = "only schemas of this crate wait, and its own tests compile them all"
    )]
    fn validator(&self) -> &jsonschema::Validator {
        self.validator.get_or_init(|| build(&self.value).expect("a schema that was proven compiles"))
    }

    /// Whether the instance validates.
    #[must_use]
    pub fn accepts(&self, instance: &Value) -> bool {
        self.validator().is_valid(instance)
    }

    /// Every complaint about the instance: JSON pointer and text, which quotes no value.
    #[must_use]
    pub fn complaints(&self, instance: &Value) -> Vec<(String, String)> {
        self.validator()
            .iter_errors(instance)
            .map(|error| (error.instance_path().to_string(), error.masked_with("the value").to_string()))
            .collect()
    }

    /// Every member the schema speaks of, as a JSON pointer: `properties` at any depth, also those of alternatives and
    /// of local references. Items of arrays are not entered.
    #[must_use]
    pub fn members(&self) -> BTreeSet<String> {
        let mut members = BTreeSet::new();
        collect_members(&self.value, &self.value, "", 0, &mut members);
        members
    }

    pub(crate) fn errors<'a>(&'a self, instance: &'a Value) -> jsonschema::ErrorIterator<'a> {
        self.validator().iter_errors(instance)
    }
}

fn build(schema: &Value) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
}

/// Deep enough for any answer, and an end for references that lead in a circle.
const DEPTH: usize = 16;

fn collect_members(root: &Value, schema: &Value, at: &str, depth: usize, members: &mut BTreeSet<String>) {
    if depth > DEPTH {
        return;
    }
    for (name, below) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        collect_members(root, below, &pointer, depth + 1, members);
        members.insert(pointer);
    }
    let lists =
        ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let singles = ["if", "then", "else"].into_iter().filter_map(|key| schema.get(key));
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    for alternative in lists.chain(singles).chain(target.and_then(|pointer| root.pointer(pointer))) {
        collect_members(root, alternative, at, depth + 1, members);
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").field("file", &self.file).finish_non_exhaustive()
    }
}

/// One example exchange, with values of our own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// File name, filled in by the loader.
    #[serde(skip)]
    pub file: String,
    /// One sentence.
    pub summary: String,
    /// The operation it belongs to.
    pub operation: String,
    /// Whether the answer is a success.
    pub success: bool,
    /// What is sent: headers and query as objects of texts, body as it stands.
    pub request: ExampleRequest,
    /// What comes back.
    pub response: ExampleResponse,
}

/// The request of an example.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleRequest {
    /// Headers that matter.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Query parameters.
    #[serde(default)]
    pub query: std::collections::BTreeMap<String, String>,
    /// Body, where there is one.
    #[serde(default)]
    pub body: Option<Value>,
}

/// The answer of an example.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers that matter.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Body.
    pub body: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_found_in_alternatives_and_references() {
        let schema = Schema::compile(
            "x.json",
            json!({
                "properties": { "data": { "anyOf": [{ "$ref": "#/$defs/token" }, { "type": "null" }] }, "a/b": true },
                "$defs": { "token": { "properties": { "token": { "type": "string" }, "next": { "$ref": "#" } } } }
            }),
        )
        .unwrap();
        let members = schema.members();
        for pointer in ["/data", "/data/token", "/data/next/data", "/a~1b"] {
            assert!(members.contains(pointer), "{pointer}");
        }
        assert!(!members.contains("/token"));
    }

    #[test]
    fn a_complaint_quotes_no_value() {
        let schema =
            Schema::compile("x.json", json!({ "properties": { "secret": { "maxLength": 3 } } })).unwrap();
        let complaints = schema.complaints(&json!({ "secret": "hunter2" }));
        assert_eq!(complaints.len(), 1);
        assert_eq!(complaints[0].0, "/secret");
        assert!(!complaints[0].1.contains("hunter2"));
    }
}
