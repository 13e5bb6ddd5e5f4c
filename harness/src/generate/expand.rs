//! From subschemas to alternatives: what `anyOf`, `oneOf`, `not`, `if` and their kin leave to choose is
//! laid out, everything else is merged.
//!
//! A negation is pushed inwards until it stands at a single keyword, so `not` can be drawn from as well as
//! anything else. The number of alternatives is bounded; what is cut off is only less variety, since every
//! value is checked against the whole schema in the end.

use super::node::{ContainsRule, Fact, Kind, Kinds, ListShape, MapShape, NO_SCOPE, Node, Ref};
use super::number::Bound;
use super::refs::{SubId, Subs};
use super::{Reason, Unsupported};
use serde_json::{Map, Value};

/// Alternatives of one place in a value.
const ALTERNATIVES: usize = 48;
/// Steps taken to find them, at one place and at all places of a schema.
const STEPS: usize = 3_000;
/// See [`STEPS`]; a small place still gets this many when the rest is spent.
const LAST_STEPS: usize = 40;

/// A demand, or a choice among demands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Term {
    One(Ref),
    Or(Vec<Ref>),
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    /// A subschema that applies to the value, within a scope of annotations.
    Schema(Ref, usize),
    /// A subschema that holds but for its `unevaluatedProperties`, which is broken.
    BrokenMembers(SubId),
    /// A subschema that holds but for its `unevaluatedItems`, which is broken.
    BrokenRest(SubId),
    Fact(Fact),
}

/// Ways to go on; one of them is taken.
pub(super) type Choice = Vec<Vec<Item>>;

#[derive(Debug, Clone, Default)]
struct Work {
    todo: Vec<Item>,
    choices: Vec<Choice>,
    node: Node,
    seen: Vec<Ref>,
}

/// Lays out the alternatives of one place.
pub(super) struct Expansion<'s, 'r> {
    pub(super) subs: &'s mut Subs<'r>,
    steps: usize,
    out: Vec<Node>,
    /// Whether alternatives were left out.
    pub(super) cut: bool,
}

impl<'s, 'r> Expansion<'s, 'r> {
    /// The alternatives for a value that meets all terms.
    ///
    /// # Errors
    /// A keyword that cannot be read.
    pub(super) fn of(
        subs: &'s mut Subs<'r>,
        terms: &[Term],
        left: &mut usize,
    ) -> Result<(Vec<Node>, bool), Unsupported> {
        let mut work = Work::default();
        for term in terms {
            match term {
                Term::One(to) => work.todo.push(Item::Schema(*to, NO_SCOPE)),
                Term::Or(any) => {
                    work.choices.push(any.iter().map(|to| vec![Item::Schema(*to, NO_SCOPE)]).collect());
                }
            }
        }
        let steps = STEPS.min(*left).max(LAST_STEPS);
        let mut expansion = Self { subs, steps, out: Vec::new(), cut: false };
        expansion.run(work, ALTERNATIVES)?;
        *left = left.saturating_sub(steps - expansion.steps);
        Ok((expansion.out, expansion.cut))
    }

    fn run(&mut self, mut work: Work, budget: usize) -> Result<(), Unsupported> {
        while let Some(item) = work.todo.pop() {
            if self.steps == 0 {
                self.cut = true;
                return Ok(());
            }
            self.steps -= 1;
            self.item(item, &mut work)?;
            if work.node.kinds.is_empty() {
                return Ok(());
            }
        }
        // The narrowest choice first: it fails soonest.
        let Some(next) = (0..work.choices.len()).min_by_key(|&i| work.choices[i].len()) else {
            let mut node = work.node;
            if node.settle() {
                self.out.push(node);
            }
            return Ok(());
        };
        let options = work.choices.swap_remove(next);
        let (count, before) = (options.len(), self.out.len());
        for (number, option) in options.into_iter().enumerate() {
            let used = self.out.len() - before;
            let share = budget.saturating_sub(used) / (count - number);
            if budget <= used {
                self.cut = true;
                break;
            }
            let mut branch = work.clone();
            branch.todo = option;
            self.run(branch, share.max(1))?;
        }
        Ok(())
    }

    fn item(&mut self, item: Item, work: &mut Work) -> Result<(), Unsupported> {
        match item {
            Item::Fact(fact) => work.node.add(fact),
            Item::Schema(to, scope) => {
                if work.seen.contains(&to) && (!to.yes || !self.annotates(to.sub)) {
                    return Ok(());
                }
                if work.seen.iter().filter(|seen| **seen == to).count() > 3 {
                    return Ok(());
                }
                work.seen.push(to);
                match self.subs.schema(to.sub) {
                    Value::Bool(holds) => {
                        if *holds != to.yes {
                            work.node.add(Fact::Kinds(Kinds::ALL.not()));
                        }
                    }
                    Value::Object(map) if to.yes => {
                        let own = open_scope(work, scope);
                        self.keep(to.sub, map, own, Lacking::Nothing, work)?;
                    }
                    Value::Object(map) => {
                        let ways = self.breakings(to.sub, map)?;
                        work.choices.push(ways);
                    }
                    _ => return Err(self.bad(to.sub, "", "is neither an object nor a boolean")),
                }
            }
            Item::BrokenMembers(sub) | Item::BrokenRest(sub) => {
                let Value::Object(map) = self.subs.schema(sub) else { return Ok(()) };
                let own = open_scope(work, NO_SCOPE);
                let members = matches!(item, Item::BrokenMembers(_));
                let (keyword, lacking) = if members {
                    ("unevaluatedProperties", Lacking::Members)
                } else {
                    ("unevaluatedItems", Lacking::Items)
                };
                self.keep(sub, map, own, lacking, work)?;
                if let Some(schema) = map.get(keyword) {
                    let to = Ref::no(self.subs.child(sub, schema, &[keyword]));
                    work.node.add(if members {
                        Fact::LooseMember { scope: own, to }
                    } else {
                        Fact::LooseItem { scope: own, to }
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether what the subschema looks at may matter to an `unevaluated…` around it.
    fn annotates(&self, sub: SubId) -> bool {
        matches!(self.subs.schema(sub), Value::Object(map) if map.keys().any(|key| matches!(key.as_str(),
            "properties" | "patternProperties" | "additionalProperties" | "unevaluatedProperties"
            | "prefixItems" | "items" | "contains" | "unevaluatedItems")))
    }

    /// Adds everything a subschema demands.
    fn keep(
        &mut self,
        sub: SubId,
        map: &'r Map<String, Value>,
        scope: usize,
        lacking: Lacking,
        work: &mut Work,
    ) -> Result<(), Unsupported> {
        for (key, value) in map {
            if let Some(fact) = self.plain_fact(sub, map, key, value)? {
                work.node.add(fact);
                continue;
            }
            match key.as_str() {
                "$ref" | "$dynamicRef" => {
                    let to = self.reference(sub, key, value)?;
                    work.todo.push(Item::Schema(Ref::yes(to), scope));
                }
                "allOf" => {
                    for branch in self.branches(sub, key, value)? {
                        work.todo.push(Item::Schema(Ref::yes(branch), scope));
                    }
                }
                "anyOf" => {
                    let branches = self.branches(sub, key, value)?;
                    work.choices
                        .push(branches.iter().map(|to| vec![Item::Schema(Ref::yes(*to), scope)]).collect());
                }
                "oneOf" => {
                    let branches = self.branches(sub, key, value)?;
                    work.choices
                        .push((0..branches.len()).map(|one| only(&branches, &[one], scope)).collect());
                }
                "not" => {
                    let to = self.subs.child(sub, value, &["not"]);
                    work.todo.push(Item::Schema(Ref::no(to), NO_SCOPE));
                }
                "if" => {
                    let test = self.subs.child(sub, value, &["if"]);
                    let mut ways = [
                        vec![Item::Schema(Ref::yes(test), scope)],
                        vec![Item::Schema(Ref::no(test), NO_SCOPE)],
                    ];
                    for (way, keyword) in ways.iter_mut().zip(["then", "else"]) {
                        if let Some(schema) = map.get(keyword) {
                            let to = self.subs.child(sub, schema, &[keyword]);
                            way.push(Item::Schema(Ref::yes(to), scope));
                        }
                    }
                    if map.contains_key("then") || map.contains_key("else") || self.annotates(test) {
                        work.choices.push(ways.to_vec());
                    }
                }
                "required" => {
                    for name in strings(value) {
                        work.node.add(Fact::Required(name));
                    }
                }
                "dependentRequired" => {
                    for (name, needs) in value.as_object().into_iter().flatten() {
                        work.node.add(Fact::Needs(name.clone(), strings(needs)));
                    }
                }
                "dependentSchemas" => {
                    for (name, schema) in value.as_object().into_iter().flatten() {
                        let to = self.subs.child(sub, schema, &[key, name]);
                        work.choices.push(vec![
                            vec![Item::Fact(Fact::Forbidden(name.clone()))],
                            vec![
                                Item::Fact(Fact::Kinds(Kinds::one(Kind::Object))),
                                Item::Fact(Fact::Required(name.clone())),
                                Item::Schema(Ref::yes(to), scope),
                            ],
                        ]);
                    }
                }
                "propertyNames" => {
                    let to = self.subs.child(sub, value, &[key]);
                    work.node.add(Fact::Names(Ref::yes(to)));
                }
                "contains" => {
                    let rule = self.contains(sub, map, value, scope);
                    work.node.add(Fact::Contains(rule));
                }
                "unevaluatedProperties" if !matches!(lacking, Lacking::Members) => {
                    let to = Ref::yes(self.subs.child(sub, value, &[key]));
                    work.node.map.unevaluated.push((scope, to));
                }
                "unevaluatedItems" if !matches!(lacking, Lacking::Items) => {
                    let to = Ref::yes(self.subs.child(sub, value, &[key]));
                    work.node.list.unevaluated.push((scope, to));
                }
                _ => {}
            }
        }
        if ["properties", "patternProperties", "additionalProperties"]
            .iter()
            .any(|key| map.contains_key(*key))
        {
            let shape = self.map_shape(sub, map, scope);
            work.node.map.shapes.push(shape);
        }
        if ["prefixItems", "items"].iter().any(|key| map.contains_key(*key)) {
            let shape = self.list_shape(sub, map, scope)?;
            work.node.list.shapes.push(shape);
        }
        Ok(())
    }

    /// The demand of a keyword that needs no subschema.
    pub(super) fn plain_fact(
        &self,
        sub: SubId,
        map: &Map<String, Value>,
        key: &str,
        value: &Value,
    ) -> Result<Option<Fact>, Unsupported> {
        let number = || match value {
            Value::Number(number) => Ok(number),
            _ => Err(self.bad(sub, key, "is no number")),
        };
        let count =
            || value.as_f64().map(|n| n.max(0.0) as u64).ok_or_else(|| self.bad(sub, key, "is no number"));
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| self.bad(sub, key, "is no text"));
        Ok(Some(match key {
            "type" => Fact::Kinds(match value {
                Value::String(name) => Kinds::named(name),
                Value::Array(names) => names
                    .iter()
                    .filter_map(Value::as_str)
                    .fold(Kinds::ALL.not(), |all, name| all.or(Kinds::named(name))),
                _ => return Err(self.bad(sub, key, "is neither a text nor a list")),
            }),
            "const" => Fact::Values(vec![value.clone()]),
            "enum" => match value {
                Value::Array(values) => Fact::Values(values.clone()),
                _ => return Err(self.bad(sub, key, "is no list")),
            },
            "minimum" => Fact::Low(Bound::new(number()?, false)),
            "exclusiveMinimum" => Fact::Low(Bound::new(number()?, true)),
            "maximum" => Fact::High(Bound::new(number()?, false)),
            "exclusiveMaximum" => Fact::High(Bound::new(number()?, true)),
            "multipleOf" => Fact::Multiple(number()?.clone()),
            "minLength" => Fact::Shortest(count()?),
            "maxLength" => Fact::Longest(count()?),
            "pattern" => Fact::Pattern(text()?, true),
            "format" => Fact::Format(text()?, true),
            "minItems" => Fact::FewestItems(count()?),
            "maxItems" => Fact::MostItems(count()?),
            "uniqueItems" if value.as_bool() == Some(true) => Fact::Unique(true),
            "minProperties" => Fact::FewestMembers(count()?),
            "maxProperties" => Fact::MostMembers(count()?),
            // Without `contains` they say nothing; with it they are read there.
            "minContains" | "maxContains" if map.contains_key("contains") => return Ok(None),
            _ => return Ok(None),
        }))
    }

    pub(super) fn contains(
        &mut self,
        sub: SubId,
        map: &Map<String, Value>,
        value: &'r Value,
        scope: usize,
    ) -> ContainsRule {
        let count = |key: &str| map.get(key).and_then(Value::as_f64).map(|n| n.max(0.0) as u64);
        ContainsRule {
            scope,
            of: self.subs.child(sub, value, &["contains"]),
            least: count("minContains").unwrap_or(1),
            most: count("maxContains"),
        }
    }

    pub(super) fn map_shape(&mut self, sub: SubId, map: &'r Map<String, Value>, scope: usize) -> MapShape {
        let mut named = |keyword: &str| -> Vec<(String, Ref)> {
            let of = map.get(keyword).and_then(Value::as_object).into_iter().flatten();
            of.map(|(name, schema)| (name.clone(), Ref::yes(self.subs.child(sub, schema, &[keyword, name]))))
                .collect()
        };
        let (properties, patterns) = (named("properties"), named("patternProperties"));
        let additional = map
            .get("additionalProperties")
            .map(|schema| Ref::yes(self.subs.child(sub, schema, &["additionalProperties"])));
        MapShape { scope, properties, patterns, additional }
    }

    pub(super) fn list_shape(
        &mut self,
        sub: SubId,
        map: &'r Map<String, Value>,
        scope: usize,
    ) -> Result<ListShape, Unsupported> {
        let prefix = match map.get("prefixItems") {
            Some(value) => self.branches(sub, "prefixItems", value)?.into_iter().map(Ref::yes).collect(),
            None => Vec::new(),
        };
        let rest = map.get("items").map(|schema| Ref::yes(self.subs.child(sub, schema, &["items"])));
        Ok(ListShape { scope, prefix, rest })
    }

    pub(super) fn branches(
        &mut self,
        sub: SubId,
        key: &str,
        value: &'r Value,
    ) -> Result<Vec<SubId>, Unsupported> {
        let Value::Array(branches) = value else { return Err(self.bad(sub, key, "is no list")) };
        Ok(branches
            .iter()
            .enumerate()
            .map(|(index, schema)| self.subs.child(sub, schema, &[key, &index.to_string()]))
            .collect())
    }

    pub(super) fn reference(&mut self, sub: SubId, key: &str, value: &Value) -> Result<SubId, Unsupported> {
        match value.as_str() {
            Some(reference) => self.subs.target(sub, key, reference),
            None => Err(self.bad(sub, key, "is no text")),
        }
    }

    fn bad(&self, sub: SubId, key: &str, why: &'static str) -> Unsupported {
        Unsupported {
            keyword: key.to_owned(),
            pointer: self.subs.pointer(sub).to_owned(),
            reason: Reason::NoSchema(why.to_owned()),
        }
    }
}

/// What of a subschema is left out while the rest is kept.
#[derive(Clone, Copy)]
enum Lacking {
    Nothing,
    Members,
    Items,
}

fn open_scope(work: &mut Work, within: usize) -> usize {
    work.node.scopes.push(within);
    work.node.scopes.len() - 1
}

/// The chosen branches hold and no other does.
pub(super) fn only(branches: &[SubId], chosen: &[usize], scope: usize) -> Vec<Item> {
    let holds = |index: usize| chosen.contains(&index);
    let side = |(index, to): (usize, &SubId)| {
        Item::Schema(Ref { sub: *to, yes: holds(index) }, if holds(index) { scope } else { NO_SCOPE })
    };
    branches.iter().enumerate().map(side).collect()
}

pub(super) fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alternatives(schema: &Value, yes: bool) -> Vec<Node> {
        let mut subs = Subs::new(schema, None).expect("a schema");
        let root = Ref { sub: Subs::ROOT, yes };
        Expansion::of(&mut subs, &[Term::One(root)], &mut 10_000).expect("alternatives").0
    }

    #[test]
    fn what_leaves_no_choice_is_one_alternative() {
        let schema =
            json!({ "type": "string", "minLength": 2, "allOf": [{ "maxLength": 5 }, { "minLength": 3 }] });
        let nodes = alternatives(&schema, true);
        assert_eq!(nodes.len(), 1);
        assert_eq!((nodes[0].text.least, nodes[0].text.most), (3, Some(5)));
    }

    #[test]
    fn exactly_one_branch_is_kept_and_the_others_are_broken() {
        let schema = json!({ "oneOf": [{ "type": "integer" }, { "type": "number", "minimum": 5 }] });
        let nodes = alternatives(&schema, true);
        assert!(nodes.iter().any(|n| n.kinds == Kinds::one(Kind::Integer) && n.number.high.is_some()));
        assert!(nodes.iter().any(|n| n.kinds == Kinds::one(Kind::Fraction) && n.number.low.is_some()));
        assert!(nodes.iter().all(|n| n.kinds != Kinds::NUMBERS));
    }

    #[test]
    fn a_broken_object_breaks_one_keyword() {
        let schema =
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } } });
        let nodes = alternatives(&schema, false);
        assert!(nodes.iter().any(|n| !n.kinds.has(Kind::Object)));
        assert!(nodes.iter().any(|n| n.map.forbidden.contains("a")));
        assert!(nodes.iter().any(|n| n.map.members.iter().any(|(name, to)| name == "a" && !to.yes)));
    }

    #[test]
    fn nothing_is_left_of_a_contradiction() {
        assert!(alternatives(&json!({ "allOf": [{ "const": 1 }, { "const": 2 }] }), true).is_empty());
        assert!(alternatives(&json!(true), false).is_empty());
        assert!(alternatives(&json!({ "not": {} }), true).is_empty());
        assert!(alternatives(&json!({ "oneOf": [true, true] }), true).is_empty());
    }

    #[test]
    fn choices_do_not_explode() {
        let branch = json!({ "anyOf": [{ "minimum": 1 }, { "maximum": 2 }, { "multipleOf": 3 }] });
        let schema = json!({ "allOf": vec![branch; 12] });
        let nodes = alternatives(&schema, true);
        assert!(!nodes.is_empty() && nodes.len() <= ALTERNATIVES);
    }
}
