//! What one alternative of a schema demands of a value: all its keywords merged.

use super::number::{Bound, NumberRules};
use super::refs::SubId;
use super::text::TextRules;
use serde_json::Value;
use std::collections::BTreeSet;

/// A subschema to be kept, or to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ref {
    pub(super) sub: SubId,
    pub(super) yes: bool,
}

impl Ref {
    pub(super) fn yes(sub: SubId) -> Self {
        Self { sub, yes: true }
    }

    pub(super) fn no(sub: SubId) -> Self {
        Self { sub, yes: false }
    }
}

/// A kind of value. Whole numbers and others are told apart, for `integer` is one of the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Fraction,
    String,
    Array,
    Object,
}

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Fraction, Self::String, Self::Array, Self::Object];

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if super::number::whole(number).is_some() => Self::Integer,
            Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => Self::Integer,
            Value::Number(_) => Self::Fraction,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const ALL: Self = Self(0x7f);
    pub(super) const NUMBERS: Self = Self(1 << Kind::Integer as u8 | 1 << Kind::Fraction as u8);

    pub(super) fn one(kind: Kind) -> Self {
        Self(1 << kind as u8)
    }

    /// The kinds a name of `type` stands for; none if it is no such name.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "null" => Self::one(Kind::Null),
            "boolean" => Self::one(Kind::Boolean),
            "integer" => Self::one(Kind::Integer),
            "number" => Self::NUMBERS,
            "string" => Self::one(Kind::String),
            "array" => Self::one(Kind::Array),
            "object" => Self::one(Kind::Object),
            _ => Self(0),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

/// `prefixItems` and `items` of one subschema.
#[derive(Debug, Clone)]
pub(super) struct ListShape {
    pub(super) scope: usize,
    pub(super) prefix: Vec<Ref>,
    pub(super) rest: Option<Ref>,
}

/// How many items must match.
#[derive(Debug, Clone)]
pub(super) struct ContainsRule {
    pub(super) scope: usize,
    pub(super) of: SubId,
    pub(super) least: u64,
    pub(super) most: Option<u64>,
}

/// What is demanded of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct ListRules {
    pub(super) least: u64,
    pub(super) most: Option<u64>,
    pub(super) unique: bool,
    pub(super) repeated: bool,
    pub(super) shapes: Vec<ListShape>,
    pub(super) contains: Vec<ContainsRule>,
    pub(super) at: Vec<(usize, Ref)>,
    pub(super) unevaluated: Vec<(usize, Ref)>,
}

/// `properties`, `patternProperties` and `additionalProperties` of one subschema.
#[derive(Debug, Clone)]
pub(super) struct MapShape {
    pub(super) scope: usize,
    pub(super) properties: Vec<(String, Ref)>,
    pub(super) patterns: Vec<(String, Ref)>,
    pub(super) additional: Option<Ref>,
}

/// What is demanded of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct MapRules {
    pub(super) least: u64,
    pub(super) most: Option<u64>,
    pub(super) required: BTreeSet<String>,
    pub(super) forbidden: BTreeSet<String>,
    pub(super) shapes: Vec<MapShape>,
    pub(super) names: Vec<Ref>,
    pub(super) bad_names: Vec<Ref>,
    pub(super) needs: Vec<(String, Vec<String>)>,
    pub(super) members: Vec<(String, Ref)>,
    pub(super) unevaluated: Vec<(usize, Ref)>,
}

/// One thing demanded; each concerns values of its own kind only.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    Kinds(Kinds),
    Values(Vec<Value>),
    NotValue(Value),
    Low(Bound),
    High(Bound),
    Multiple(serde_json::Number),
    NotMultiple(serde_json::Number),
    Shortest(u64),
    Longest(u64),
    Pattern(String, bool),
    Format(String, bool),
    FewestItems(u64),
    MostItems(u64),
    Unique(bool),
    Contains(ContainsRule),
    Item(usize, Ref),
    /// Some item that no keyword of the scope has looked at.
    LooseItem {
        scope: usize,
        to: Ref,
    },
    FewestMembers(u64),
    MostMembers(u64),
    Required(String),
    Forbidden(String),
    Needs(String, Vec<String>),
    Member(String, Ref),
    Names(Ref),
    BadName(Ref),
    /// Some member that is neither named nor matched.
    ExtraMember {
        names: Vec<String>,
        patterns: Vec<String>,
        to: Ref,
    },
    /// Some member that no keyword of the scope has looked at.
    LooseMember {
        scope: usize,
        to: Ref,
    },
}

/// The merged demands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kinds: Kinds,
    pub(super) values: Option<Vec<Value>>,
    pub(super) excluded: Vec<Value>,
    pub(super) number: NumberRules,
    pub(super) text: TextRules,
    pub(super) list: ListRules,
    pub(super) map: MapRules,
    /// The scope each scope lies in; the subschemas that apply to the same value.
    pub(super) scopes: Vec<usize>,
    /// Facts that need the whole node before they can be placed.
    pub(super) later: Vec<Fact>,
}

/// A scope of nothing: what is demanded by a negation leaves no annotations.
pub(super) const NO_SCOPE: usize = usize::MAX;

impl Default for Node {
    fn default() -> Self {
        Self {
            kinds: Kinds::ALL,
            values: None,
            excluded: Vec::new(),
            number: NumberRules::default(),
            text: TextRules::default(),
            list: ListRules::default(),
            map: MapRules::default(),
            scopes: Vec::new(),
            later: Vec::new(),
        }
    }
}

impl Node {
    /// Adds one demand.
    pub(super) fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Kinds(kinds) => self.kinds = self.kinds.and(kinds),
            Fact::Values(values) => {
                self.values = Some(match self.values.take() {
                    None => values,
                    Some(now) => {
                        now.into_iter().filter(|value| values.iter().any(|v| same(v, value))).collect()
                    }
                });
            }
            Fact::NotValue(value) => self.excluded.push(value),
            Fact::Low(bound) => self.number.raise(bound),
            Fact::High(bound) => self.number.lower(bound),
            Fact::Multiple(by) => self.number.multiples.push(by),
            Fact::NotMultiple(by) => self.number.not_multiples.push(by),
            Fact::Shortest(count) => self.text.least = self.text.least.max(count),
            Fact::Longest(count) => narrow(&mut self.text.most, count),
            Fact::Pattern(source, true) => push_new(&mut self.text.patterns, source),
            Fact::Pattern(source, false) => push_new(&mut self.text.not_patterns, source),
            Fact::Format(name, true) => push_new(&mut self.text.formats, name),
            Fact::Format(name, false) => push_new(&mut self.text.not_formats, name),
            Fact::FewestItems(count) => self.list.least = self.list.least.max(count),
            Fact::MostItems(count) => narrow(&mut self.list.most, count),
            Fact::Unique(true) => self.list.unique = true,
            Fact::Unique(false) => {
                self.list.repeated = true;
                self.list.least = self.list.least.max(2);
            }
            Fact::Contains(rule) => {
                self.list.least = self.list.least.max(rule.least);
                self.list.contains.push(rule);
            }
            Fact::Item(index, to) => {
                self.list.least = self.list.least.max(index as u64 + 1);
                self.list.at.push((index, to));
            }
            Fact::FewestMembers(count) => self.map.least = self.map.least.max(count),
            Fact::MostMembers(count) => narrow(&mut self.map.most, count),
            Fact::Required(name) => {
                self.map.required.insert(name);
            }
            Fact::Forbidden(name) => {
                self.map.forbidden.insert(name);
            }
            Fact::Needs(name, needs) => self.map.needs.push((name, needs)),
            Fact::Member(name, to) => {
                self.map.required.insert(name.clone());
                self.map.members.push((name, to));
            }
            Fact::Names(to) => self.map.names.push(to),
            Fact::BadName(to) => {
                self.map.least = self.map.least.max(1);
                self.map.bad_names.push(to);
            }
            Fact::LooseItem { .. } | Fact::ExtraMember { .. } | Fact::LooseMember { .. } => {
                self.later.push(fact)
            }
        }
    }

    /// Removes the kinds whose rules contradict each other; false if nothing is left.
    pub(super) fn settle(&mut self) -> bool {
        let crossed = |least: u64, most: Option<u64>| most.is_some_and(|most| most < least);
        if crossed(self.text.least, self.text.most) {
            self.kinds = self.kinds.and(Kinds::one(Kind::String).not());
        }
        if crossed(self.list.least, self.list.most) || (self.list.unique && self.list.repeated) {
            self.kinds = self.kinds.and(Kinds::one(Kind::Array).not());
        }
        let needed = self.map.least.max(self.map.required.len() as u64);
        if crossed(needed, self.map.most)
            || self.map.required.intersection(&self.map.forbidden).next().is_some()
        {
            self.kinds = self.kinds.and(Kinds::one(Kind::Object).not());
        }
        if self.number.whole_range().is_none() {
            self.kinds = self.kinds.and(Kinds::one(Kind::Integer).not());
        }
        let (low, high) = (self.number.low, self.number.high);
        if low.zip(high).is_some_and(|(l, h)| l.at > h.at || (l.at == h.at && (l.open || h.open))) {
            self.kinds = self.kinds.and(Kinds::NUMBERS.not());
        }
        // Nothing but fractions has a remainder when divided by one.
        if self.number.not_multiples.iter().any(|by| by.as_f64() == Some(1.0)) {
            self.kinds = self.kinds.and(Kinds::one(Kind::Integer).not());
        }
        if let Some(values) = &mut self.values {
            let kinds = self.kinds;
            let excluded = &self.excluded;
            values.retain(|v| kinds.has(Kind::of(v)) && !excluded.iter().any(|e| same(e, v)));
            if values.is_empty() {
                return false;
            }
            let left = values.iter().map(Kind::of).fold(Kinds(0), |all, kind| all.or(Kinds::one(kind)));
            self.kinds = self.kinds.and(left);
        }
        for (kind, only) in [(Kind::Null, 1), (Kind::Boolean, 2)] {
            let gone = self.excluded.iter().filter(|v| Kind::of(v) == kind);
            let gone: BTreeSet<String> = gone.map(Value::to_string).collect();
            if gone.len() >= only {
                self.kinds = self.kinds.and(Kinds::one(kind).not());
            }
        }
        !self.kinds.is_empty()
    }

    /// Whether `scope` is `of` or lies within it.
    pub(super) fn within(&self, mut scope: usize, of: usize) -> bool {
        while scope != NO_SCOPE {
            if scope == of {
                return true;
            }
            scope = self.scopes.get(scope).copied().unwrap_or(NO_SCOPE);
        }
        false
    }
}

/// Whether both are the same value to JSON Schema, where 1 is 1.0.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn narrow(most: &mut Option<u64>, count: u64) {
    *most = Some(most.map_or(count, |now| now.min(count)));
}

fn push_new(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merging_narrows() {
        let mut node = Node::default();
        node.add(Fact::Values(vec![json!(1), json!("a"), json!(2)]));
        node.add(Fact::Values(vec![json!(1.0), json!("a")]));
        node.add(Fact::NotValue(json!("a")));
        assert!(node.settle());
        assert_eq!(node.values, Some(vec![json!(1)]));
        assert!(node.kinds == Kinds::one(Kind::Integer));
    }

    #[test]
    fn contradictions_remove_their_kind_alone() {
        let mut node = Node::default();
        node.add(Fact::Kinds(Kinds::one(Kind::String).or(Kinds::one(Kind::Null))));
        node.add(Fact::Shortest(4));
        node.add(Fact::Longest(3));
        assert!(node.settle());
        assert!(node.kinds == Kinds::one(Kind::Null));
        node.add(Fact::NotValue(Value::Null));
        assert!(!node.settle());
    }

    #[test]
    fn scopes_are_nested() {
        let node = Node { scopes: vec![NO_SCOPE, 0, 1, 0], ..Node::default() };
        assert!(node.within(2, 0) && node.within(2, 1) && node.within(1, 1));
        assert!(!node.within(3, 1) && !node.within(NO_SCOPE, 0));
    }

    #[test]
    fn numbers_are_the_same_across_their_forms() {
        assert!(same(&json!([1, {"a": 2.0}]), &json!([1.0, {"a": 2}])));
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(!same(&json!(0), &json!(false)));
    }
}
