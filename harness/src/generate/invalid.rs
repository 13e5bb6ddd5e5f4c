//! Values that are invalid in exactly one named way.
//!
//! Each starts from a valid value and changes one place. A mutation is offered only if the validator refuses
//! what it makes; an invalid value shrinks to one that is invalid by the same mutation.

use super::Engine;
use super::draw::Draw;
use super::sites::{place, sites};
use super::tree::{Keep, Tree, pointer};
use super::valid::Step;
use super::ways::{Way, ways};
use proptest::strategy::{NewTree, SBoxedStrategy, Strategy};
use proptest::test_runner::TestRunner;
use rand::Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One named way of being invalid at one place.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// The name, such as `drop-required` or `too-long`.
    pub name: &'static str,
    /// The place that is changed, as a JSON pointer; of a missing or additional member, where it would be.
    pub at: String,
    /// Values that are invalid in this way and in no other.
    pub strategy: SBoxedStrategy<Value>,
}

/// A change at one place, drawn from several ways of the same name.
#[derive(Clone)]
struct Mutating {
    engine: Arc<Engine>,
    /// Where the base must have something.
    want: Arc<[Step]>,
    /// Where it is changed: there, or at a member it does not have.
    at: Arc<[Step]>,
    ways: Arc<[Way]>,
}

impl std::fmt::Debug for Mutating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mutating").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Attempts to draw one mutated value, and bases tried before a mutation is offered at all.
const ATTEMPTS: usize = 1_200;
const BASES: usize = 10;
/// Places from which on fewer bases are tried at each.
pub(super) const MANY: usize = 60;

/// Every mutation of the schema, in a stable order.
pub(super) fn mutations(engine: &Arc<Engine>) -> Vec<Mutation> {
    let mut all = Vec::new();
    let sites = sites(&engine.plans, engine.root);
    for site in &sites {
        let mut draw = Draw::new(0x6d75_7461);
        let bases = bases(engine, &site.at, &mut draw, if sites.len() > MANY { 3 } else { BASES });
        if bases.is_empty() {
            continue;
        }
        let mut named: BTreeMap<(&'static str, Vec<Step>), Vec<Way>> = BTreeMap::new();
        for (at, way) in ways(engine, site) {
            named.entry((way.name, at)).or_default().push(way);
        }
        for ((name, at), ways) in named {
            let mutating = Mutating {
                engine: Arc::clone(engine),
                want: Arc::from(site.at.as_slice()),
                at: Arc::from(at.as_slice()),
                ways: Arc::from(ways),
            };
            let works = bases.iter().any(|base| (0..3).any(|_| mutating.change(base, &mut draw).is_some()));
            if works {
                all.push(Mutation { name, at: pointer(&at), strategy: mutating.sboxed() });
            }
        }
    }
    all
}

/// Valid values that have something at the place.
pub(super) fn bases(engine: &Engine, at: &[Step], draw: &mut Draw, count: usize) -> Vec<Value> {
    (0..count * 3)
        .filter_map(|_| engine.base(&mut Draw::new(draw.bits()), at))
        .filter(|base| place(base, at).is_some())
        .take(count)
        .collect()
}

impl Mutating {
    fn change(&self, base: &Value, draw: &mut Draw) -> Option<Tree> {
        let way = draw.pick(&self.ways)?;
        let patch = (way.make)(draw, place(base, &self.want)?)?;
        let keep = Keep::Changed { valid: false, witness: Arc::clone(&way.witness) };
        Tree::new(Arc::clone(&self.engine), Arc::clone(&self.at), keep, base.clone(), patch)
    }
}

impl Strategy for Mutating {
    type Tree = Tree;
    type Value = Value;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut draw = Draw::new(runner.rng().next_u64());
        for _ in 0..ATTEMPTS {
            let mut own = Draw::new(draw.bits());
            if let Some(base) = self.engine.base(&mut own, &self.want)
                && let Some(tree) = self.change(&base, &mut own)
            {
                return Ok(tree);
            }
        }
        Err("no invalid value of this kind found in a bounded number of attempts".into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Generator;
    use super::super::run::{Failure, Outcome, run_cases};
    use super::*;
    use proptest::strategy::ValueTree;
    use serde_json::json;

    fn example() -> Value {
        json!({
            "type": "object",
            "required": ["username", "age", "kind"],
            "additionalProperties": false,
            "properties": {
                "username": { "type": "string", "minLength": 3, "maxLength": 20, "pattern": "^[a-z]+$" },
                "age": { "type": "integer", "minimum": 0, "maximum": 150 },
                "kind": { "enum": ["user", "admin"] },
                "mail": { "type": "string", "format": "email" },
                "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 3, "uniqueItems": true },
                "ok": { "type": "boolean" },
                "code": { "type": "integer", "not": { "const": 200 } },
                "step": { "type": "number", "multipleOf": 0.5, "exclusiveMinimum": 1 },
            },
        })
    }

    fn listed(schema: &Value) -> Vec<(&'static str, String)> {
        let generator = Generator::new(schema).expect("a generator");
        generator.mutations().into_iter().map(|m| (m.name, m.at)).collect()
    }

    #[test]
    fn every_named_way_is_found() {
        let all = listed(&example());
        for expected in [
            ("drop-required", "/username"),
            ("null", "/username"),
            ("wrong-type-number", "/username"),
            ("wrong-type-object", "/username"),
            ("empty-string", "/username"),
            ("too-short", "/username"),
            ("too-long", "/username"),
            ("bad-pattern", "/username"),
            ("extra-nesting", "/username"),
            ("in-array", "/username"),
            ("below-minimum", "/age"),
            ("above-maximum", "/age"),
            ("huge-integer", "/age"),
            ("float-for-integer", "/age"),
            ("number-as-string", "/age"),
            ("not-in-enum", "/kind"),
            ("enum-wrong-case", "/kind"),
            ("bad-format", "/mail"),
            ("too-many-items", "/tags"),
            ("duplicate-items", "/tags"),
            ("object-for-array", "/tags"),
            ("wrong-type-number", "/tags/0"),
            ("boolean-as-string", "/ok"),
            ("forbidden-value", "/code"),
            ("not-multiple", "/step"),
            ("below-minimum", "/step"),
            ("extra-member", "/unexpected"),
            ("empty-object", ""),
            ("array-for-object", ""),
            ("null", ""),
        ] {
            assert!(all.iter().any(|(name, at)| (*name, at.as_str()) == expected), "{expected:?} of {all:?}");
        }
        for absent in [("drop-required", "/mail"), ("empty-string", "/ok"), ("wrong-type-string", "/kind")] {
            assert!(!all.iter().any(|(name, at)| (*name, at.as_str()) == absent), "{absent:?}");
        }
    }

    #[test]
    fn what_is_valid_is_no_mutation() {
        let open =
            json!({ "type": "object", "properties": { "a": {}, "b": { "type": ["string", "null"] } } });
        let all = listed(&open);
        assert!(!all.iter().any(|(_, at)| at == "/a" || at == "/unexpected"), "{all:?}");
        assert!(
            !all.iter().any(|(name, at)| at == "/b" && (*name == "null" || *name == "empty-string")),
            "{all:?}"
        );
        assert!(all.iter().any(|(name, at)| at == "/b" && *name == "wrong-type-number"), "{all:?}");
        assert!(listed(&json!({})).is_empty());
    }

    #[test]
    fn values_are_invalid_and_stay_invalid_in_the_same_way_when_shrunk() {
        let generator = Generator::new(&example()).expect("a generator");
        let mut runner = TestRunner::deterministic();
        for mutation in generator.mutations() {
            for _ in 0..5 {
                let mut tree = mutation.strategy.new_tree(&mut runner).expect("a value");
                assert!(!generator.accepts(&tree.current()), "{} {}", mutation.name, mutation.at);
                for round in 0..60 {
                    let more = if round % 3 == 2 { tree.complicate() } else { tree.simplify() };
                    let value = tree.current();
                    assert!(!generator.accepts(&value), "{} {}: {value}", mutation.name, mutation.at);
                    if mutation.name == "drop-required" {
                        assert!(value.pointer(&mutation.at).is_none() && value.is_object());
                    }
                    if mutation.name == "too-long" {
                        let length = value
                            .pointer(&mutation.at)
                            .and_then(Value::as_str)
                            .map_or(0, |t| t.chars().count());
                        assert!(length > 20);
                    }
                    if !more {
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn the_smallest_failing_input_of_a_mutation() {
        let generator = Generator::new(&example()).expect("a generator");
        let smallest = |name: &str, at: &str| {
            let found = generator.mutations().into_iter().find(|m| m.name == name && m.at == at).expect("it");
            match run_cases(3, name, 1, &found.strategy, |_| Err(Failure::new("accepted"))) {
                Outcome::Failed { smallest, .. } => smallest,
                other => panic!("should fail: {other:?}"),
            }
        };
        let whole = |value: Value| {
            let mut base = json!({ "username": "aaa", "age": 0, "kind": "admin" });
            for (name, member) in value.as_object().expect("members") {
                base[name] = member.clone();
            }
            base
        };
        let kind = |value: &Value| value["kind"].clone();
        let long = smallest("too-long", "/username");
        assert_eq!(long, whole(json!({ "username": "a".repeat(21), "kind": kind(&long) })));
        let above = smallest("above-maximum", "/age");
        assert_eq!(above, whole(json!({ "age": 151, "kind": kind(&above) })));
        let below = smallest("below-minimum", "/age");
        assert_eq!(below["age"], json!(-1));
        let dropped = smallest("drop-required", "/age");
        assert_eq!(dropped, json!({ "username": "aaa", "kind": kind(&dropped) }));
        assert_eq!(smallest("in-array", "/age")["age"], json!([0]));
    }
}
