//! Every setting there is, from the types that are read, so that no list of names can fall behind them.

use crate::config::Config;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
    /// Whether its value must not be shown.
    pub(super) secret: bool,
}

/// What a setting's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Number,
    Text,
    Truth,
}

impl Known {
    /// Its name, with dots.
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// The JSON Schema of the configuration file, with nothing in it that points elsewhere.
pub(super) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// All settings, sorted by name.
pub(super) fn known() -> Vec<Known> {
    let mut known = Vec::new();
    collect(&schema(), &mut Vec::new(), &mut known);
    known
}

fn collect(schema: &Value, path: &mut Vec<String>, known: &mut Vec<Known>) {
    // An optional table or choice is one of itself and null.
    let alternatives = schema["anyOf"].as_array();
    let schema = alternatives.and_then(|all| all.iter().find(|one| one["type"] != "null")).unwrap_or(schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            path.push(name.clone());
            collect(inner, path, known);
            path.pop();
        }
        return;
    }
    let is = |name: &str| match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    };
    let kind = match () {
        () if is("array") => Kind::List,
        () if is("boolean") => Kind::Truth,
        () if is("integer") => Kind::Number,
        () => Kind::Text,
    };
    known.push(Known { path: path.clone(), kind, secret: schema["writeOnly"] == true });
}
