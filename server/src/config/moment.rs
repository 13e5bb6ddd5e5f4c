//! A moment that an operator writes down.

use crate::env::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A moment, as RFC 3339 writes it: `2027-01-31T00:00:00Z`, in quotes or, in TOML, without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(jiff::Timestamp);

impl Moment {
    /// The same for clocks; what lies before 1970 is 1970.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(u64::try_from(self.0.as_millisecond()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment such as 2027-01-31T00:00:00Z")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
        text.parse().map(Moment).map_err(|_| {
            E::custom(format!("`{text}` is no moment with its offset, such as 2027-01-31T00:00:00Z"))
        })
    }

    /// How TOML hands over a moment that stands in it without quotes.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Moment, A::Error> {
        let written = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&written.to_string())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        at: Moment,
    }

    #[test]
    fn a_moment_is_read_with_quotes_and_without() {
        for written in ["\"2027-01-31T01:00:00+01:00\"", "2027-01-31T01:00:00+01:00", "2027-01-31T00:00:00Z"]
        {
            let file: File = toml::from_str(&format!("at = {written}")).unwrap();
            assert_eq!(file.at.timestamp(), Timestamp::from_secs(1_801_353_600), "{written}");
            assert_eq!(serde_json::to_string(&file.at).unwrap(), "\"2027-01-31T00:00:00Z\"");
        }
        for wrong in ["2027-01-31", "\"tomorrow\"", "\"2027-01-31T00:00:00\"", "1"] {
            let error = toml::from_str::<File>(&format!("at = {wrong}")).err().unwrap().to_string();
            assert!(error.contains("2027-01-31T00:00:00Z"), "{wrong}: {error}");
        }
    }
}
