//! The ways to break a subschema, so that `not` and its kin can be drawn from.

use super::Unsupported;
use super::expand::{Choice, Expansion, Item, only, strings};
use super::node::{ContainsRule, Fact, Kind, Kinds, NO_SCOPE, Ref};
use super::number::Bound;
use super::refs::SubId;
use serde_json::{Map, Value};

impl<'r> Expansion<'_, 'r> {
    /// The ways to break a subschema, one keyword each.
    pub(super) fn breakings(
        &mut self,
        sub: SubId,
        map: &'r Map<String, Value>,
    ) -> Result<Choice, Unsupported> {
        let mut ways: Choice = Vec::new();
        let of = |kind: Kind| Item::Fact(Fact::Kinds(Kinds::one(kind)));
        for (key, value) in map {
            if let Some(fact) = self.plain_fact(sub, map, key, value)? {
                ways.extend(opposite(fact));
                continue;
            }
            match key.as_str() {
                "$ref" | "$dynamicRef" => {
                    let to = self.reference(sub, key, value)?;
                    ways.push(vec![Item::Schema(Ref::no(to), NO_SCOPE)]);
                }
                "allOf" => {
                    for branch in self.branches(sub, key, value)? {
                        ways.push(vec![Item::Schema(Ref::no(branch), NO_SCOPE)]);
                    }
                }
                "anyOf" => {
                    let branches = self.branches(sub, key, value)?;
                    ways.push(only(&branches, &[], NO_SCOPE));
                }
                "oneOf" => {
                    let branches = self.branches(sub, key, value)?;
                    ways.push(only(&branches, &[], NO_SCOPE));
                    for first in 0..branches.len() {
                        for second in first + 1..branches.len() {
                            let both = [branches[first], branches[second]];
                            ways.push(both.iter().map(|to| Item::Schema(Ref::yes(*to), NO_SCOPE)).collect());
                        }
                    }
                }
                "not" => {
                    let to = self.subs.child(sub, value, &["not"]);
                    ways.push(vec![Item::Schema(Ref::yes(to), NO_SCOPE)]);
                }
                "if" => {
                    let test = self.subs.child(sub, value, &["if"]);
                    for (keyword, holds) in [("then", true), ("else", false)] {
                        if let Some(schema) = map.get(keyword) {
                            let to = self.subs.child(sub, schema, &[keyword]);
                            let test = Ref { sub: test, yes: holds };
                            ways.push(vec![
                                Item::Schema(test, NO_SCOPE),
                                Item::Schema(Ref::no(to), NO_SCOPE),
                            ]);
                        }
                    }
                }
                "required" => {
                    for name in strings(value) {
                        ways.push(vec![of(Kind::Object), Item::Fact(Fact::Forbidden(name))]);
                    }
                }
                "dependentRequired" => {
                    for (name, needs) in value.as_object().into_iter().flatten() {
                        for need in strings(needs) {
                            ways.push(vec![
                                of(Kind::Object),
                                Item::Fact(Fact::Required(name.clone())),
                                Item::Fact(Fact::Forbidden(need)),
                            ]);
                        }
                    }
                }
                "dependentSchemas" => {
                    for (name, schema) in value.as_object().into_iter().flatten() {
                        let to = self.subs.child(sub, schema, &[key, name]);
                        ways.push(vec![
                            of(Kind::Object),
                            Item::Fact(Fact::Required(name.clone())),
                            Item::Schema(Ref::no(to), NO_SCOPE),
                        ]);
                    }
                }
                "properties" => {
                    for (name, schema) in value.as_object().into_iter().flatten() {
                        let to = Ref::no(self.subs.child(sub, schema, &[key, name]));
                        ways.push(vec![of(Kind::Object), Item::Fact(Fact::Member(name.clone(), to))]);
                    }
                }
                "patternProperties" => {
                    for (source, schema) in value.as_object().into_iter().flatten() {
                        let to = Ref::no(self.subs.child(sub, schema, &[key, source]));
                        for name in self.subs.names_of(source).into_iter().take(2) {
                            ways.push(vec![of(Kind::Object), Item::Fact(Fact::Member(name, to))]);
                        }
                    }
                }
                "additionalProperties" => {
                    let to = Ref::no(self.subs.child(sub, value, &[key]));
                    let shape = self.map_shape(sub, map, NO_SCOPE);
                    let names = shape.properties.into_iter().map(|(name, _)| name).collect();
                    let patterns = shape.patterns.into_iter().map(|(source, _)| source).collect();
                    let extra = Fact::ExtraMember { names, patterns, to };
                    ways.push(vec![of(Kind::Object), Item::Fact(extra)]);
                }
                "propertyNames" => {
                    let to = Ref::no(self.subs.child(sub, value, &[key]));
                    ways.push(vec![of(Kind::Object), Item::Fact(Fact::BadName(to))]);
                }
                "unevaluatedProperties" => ways.push(vec![of(Kind::Object), Item::BrokenMembers(sub)]),
                "unevaluatedItems" => ways.push(vec![of(Kind::Array), Item::BrokenRest(sub)]),
                "prefixItems" | "items" => {
                    let shape = self.list_shape(sub, map, NO_SCOPE)?;
                    if key == "prefixItems" {
                        for (index, to) in shape.prefix.iter().enumerate() {
                            let item = Fact::Item(index, Ref::no(to.sub));
                            ways.push(vec![of(Kind::Array), Item::Fact(item)]);
                        }
                    } else if let Some(rest) = shape.rest {
                        for index in [shape.prefix.len(), shape.prefix.len() + 1] {
                            let item = Fact::Item(index, Ref::no(rest.sub));
                            ways.push(vec![of(Kind::Array), Item::Fact(item)]);
                        }
                    }
                }
                "contains" => {
                    let rule = self.contains(sub, map, value, NO_SCOPE);
                    if rule.least > 0 {
                        let fewer = ContainsRule { least: 0, most: Some(rule.least - 1), ..rule.clone() };
                        ways.push(vec![of(Kind::Array), Item::Fact(Fact::Contains(fewer))]);
                    }
                    if let Some(most) = rule.most {
                        let more = ContainsRule { least: most + 1, most: None, ..rule };
                        ways.push(vec![of(Kind::Array), Item::Fact(Fact::Contains(more))]);
                    }
                }
                _ => {}
            }
        }
        Ok(ways)
    }
}

/// The ways to break one plain demand.
fn opposite(fact: Fact) -> Choice {
    let one = |kinds: Kinds, fact: Fact| vec![vec![Item::Fact(Fact::Kinds(kinds)), Item::Fact(fact)]];
    let flip = |bound: Bound| Bound { open: !bound.open, ..bound };
    let below = |count: u64| count.checked_sub(1);
    let (string, array, object) =
        (Kinds::one(Kind::String), Kinds::one(Kind::Array), Kinds::one(Kind::Object));
    match fact {
        Fact::Kinds(kinds) => vec![vec![Item::Fact(Fact::Kinds(kinds.not()))]],
        Fact::Values(values) => {
            let facts = values.into_iter().map(|value| Item::Fact(Fact::NotValue(value)));
            vec![facts.collect()]
        }
        Fact::Low(bound) => one(Kinds::NUMBERS, Fact::High(flip(bound))),
        Fact::High(bound) => one(Kinds::NUMBERS, Fact::Low(flip(bound))),
        Fact::Multiple(by) => one(Kinds::NUMBERS, Fact::NotMultiple(by)),
        Fact::Shortest(count) => below(count).map_or_else(Vec::new, |n| one(string, Fact::Longest(n))),
        Fact::Longest(count) => one(string, Fact::Shortest(count.saturating_add(1))),
        Fact::Pattern(source, _) => one(string, Fact::Pattern(source, false)),
        Fact::Format(name, _) => one(string, Fact::Format(name, false)),
        Fact::FewestItems(count) => below(count).map_or_else(Vec::new, |n| one(array, Fact::MostItems(n))),
        Fact::MostItems(count) => one(array, Fact::FewestItems(count.saturating_add(1))),
        Fact::Unique(_) => one(array, Fact::Unique(false)),
        Fact::FewestMembers(count) => {
            below(count).map_or_else(Vec::new, |n| one(object, Fact::MostMembers(n)))
        }
        Fact::MostMembers(count) => one(object, Fact::FewestMembers(count.saturating_add(1))),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Generator;
    use super::super::run::draw_case;
    use serde_json::{Value, json};

    /// Every keyword alone, so that what breaks it can only be drawn by breaking it.
    #[test]
    fn every_keyword_can_be_broken() {
        let object = json!({ "type": "object" });
        let array = json!({ "type": "array" });
        for (kind, keyword) in [
            (&object, json!({ "required": ["a"] })),
            (&object, json!({ "properties": { "a": { "type": "string" } } })),
            (&object, json!({ "patternProperties": { "^x": { "type": "string" } } })),
            (&object, json!({ "properties": { "a": true }, "additionalProperties": false })),
            (&object, json!({ "propertyNames": { "maxLength": 2 } })),
            (&object, json!({ "minProperties": 2 })),
            (&object, json!({ "maxProperties": 2 })),
            (&object, json!({ "dependentRequired": { "a": ["b"] } })),
            (&object, json!({ "dependentSchemas": { "a": { "required": ["b"] } } })),
            (&object, json!({ "properties": { "a": true }, "unevaluatedProperties": false })),
            (&array, json!({ "items": { "type": "string" } })),
            (&array, json!({ "prefixItems": [{ "type": "string" }] })),
            (&array, json!({ "prefixItems": [true], "unevaluatedItems": false })),
            (&array, json!({ "contains": { "type": "string" } })),
            (&array, json!({ "contains": true, "minContains": 2, "maxContains": 3 })),
            (&array, json!({ "uniqueItems": true })),
            (&array, json!({ "minItems": 2, "maxItems": 3 })),
            (&array, json!({ "if": { "minItems": 1 }, "then": { "minItems": 3 } })),
            (&array, json!({ "oneOf": [{ "minItems": 1 }, { "maxItems": 1 }] })),
            (&array, json!({ "anyOf": [{ "minItems": 2 }, { "maxItems": 0 }] })),
        ] {
            // Everything else is held fast, so the value must break the keyword itself.
            let schema = json!({ "allOf": [kind, { "not": keyword }] });
            let generator = Generator::new(&schema).unwrap_or_else(|why| panic!("{keyword}: {why}"));
            for case in 0..20 {
                let value: Value = draw_case(1, "broken", case, &generator.valid()).expect("a value");
                assert!(generator.accepts(&value), "{keyword}: {value}");
            }
        }
    }
}
