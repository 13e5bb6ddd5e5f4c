//! From JSON Schema 2020-12 to values: valid ones, ones with a single named mistake, and edge cases.
//!
//! A [`Generator`] reads a schema once. Its strategies are proptest strategies that can be sent between
//! threads; what they draw shrinks within its mode, so a shrunk invalid value is still invalid in the same
//! way. No value leaves without having been judged by the validator, which knows nothing of this module.
//!
//! | part | what it does |
//! |---|---|
//! | `refs`, `node`, `expand`, `breaking`, `plan`, `measure` | from schema to alternatives without choice left in them |
//! | `valid`, `number`, `text`, `pattern`, `format` | draw values from those |
//! | `sites`, `ways`, `invalid`, `edge` | change one place of a valid value |
//! | `tree`, `shrink` | simpler forms within the mode |
//! | [`wire`] | the ways to write a value as JSON, and the last check before it is sent |
//! | [`run`] | cases with their own seeds, bounded shrinking, flake re-check |
//!
//! ```
//! use countersign::generate::Generator;
//! use countersign::generate::run::{Failure, run_cases};
//! use serde_json::json;
//!
//! let login = json!({
//!     "type": "object",
//!     "required": ["username"],
//!     "properties": { "username": { "type": "string", "minLength": 1, "maxLength": 64 } },
//! });
//! let generator = Generator::new(&login)?;
//! let outcome = run_cases(1, "example", 32, &generator.valid(), |value| {
//!     if generator.accepts(&value) { Ok(()) } else { Err(Failure::new("not valid")) }
//! });
//! assert!(outcome.passed());
//! assert!(generator.mutations().iter().any(|m| m.name == "too-long" && m.at == "/username"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod breaking;
mod draw;
mod edge;
mod expand;
mod format;
mod invalid;
mod measure;
mod node;
mod number;
mod pattern;
mod plan;
mod refs;
pub mod run;
mod shrink;
mod sites;
mod text;
mod tree;
mod valid;
mod ways;
pub mod wire;

pub use draw::seed_of;
pub use edge::{Case, Edge};
pub use invalid::Mutation;

use draw::Draw;
use expand::Term;
use node::Ref;
use plan::{Plan, PlanId, Planner};
use proptest::strategy::{NewTree, SBoxedStrategy, Strategy};
use proptest::test_runner::{Reason as RejectReason, TestRunner};
use rand::Rng;
use refs::Subs;
use serde_json::Value;
use std::sync::Arc;
use tree::{Keep, Patch, Tree};

/// Attempts to draw one value before giving up.
const ATTEMPTS: usize = 400;

/// The dialect that is read.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Why no values can be drawn for a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot draw values for `{keyword}` at \"{pointer}\": {reason}")]
pub struct Unsupported {
    /// The keyword that stands in the way; `(schema)` for the whole.
    pub keyword: String,
    /// Where it stands in the schema, as a JSON pointer.
    pub pointer: String,
    /// What is the matter with it.
    pub reason: Reason,
}

/// The kinds of obstacles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Values may exist but none was found in a bounded number of attempts.
    #[error("no value found in {ATTEMPTS} attempts")]
    ExhaustedAttempts,
    /// It is no JSON Schema 2020-12.
    #[error("{0}")]
    NoSchema(String),
    /// A reference leads nowhere.
    #[error("{0}")]
    Reference(String),
    /// There is no such value, by proof.
    #[error("no value can satisfy it")]
    Unsatisfiable,
}

impl Unsupported {
    fn whole(reason: Reason) -> Self {
        Self { keyword: "(schema)".to_owned(), pointer: String::new(), reason }
    }
}

/// What all strategies of a schema share.
struct Engine {
    validator: jsonschema::Validator,
    plans: Vec<Plan>,
    root: PlanId,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("plans", &self.plans.len()).finish_non_exhaustive()
    }
}

impl Engine {
    fn accepts(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// A valid value that has the place `want`.
    fn base(&self, draw: &mut Draw, want: &[valid::Step]) -> Option<Value> {
        valid::value(&self.plans, self.root, draw, want).filter(|value| self.accepts(value))
    }
}

/// Draws values for one schema.
#[derive(Debug, Clone)]
pub struct Generator {
    schema: Arc<Value>,
    documents: Arc<Vec<(String, Value)>>,
    engine: Arc<Engine>,
}

impl Generator {
    /// Reads a schema and makes sure that values can be drawn for it.
    ///
    /// # Errors
    /// The keyword, its place and the reason if none can.
    pub fn new(schema: &Value) -> Result<Self, Unsupported> {
        Self::with_documents(schema, Vec::new())
    }

    /// The same for a schema that refers to other documents, each given with its address.
    ///
    /// # Errors
    /// The keyword, its place and the reason if no values can be drawn.
    pub fn with_documents(schema: &Value, documents: Vec<(String, Value)>) -> Result<Self, Unsupported> {
        let (engine, cut) = prepare(schema, &documents, true)?;
        let generator = Self {
            schema: Arc::new(schema.clone()),
            documents: Arc::new(documents),
            engine: Arc::new(engine),
        };
        generator.try_out(cut)?;
        Ok(generator)
    }

    /// Whether the schema accepts the value, formats included.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        self.engine.accepts(value)
    }

    /// Values the schema accepts; bounds of numbers and lengths are favoured.
    pub fn valid(&self) -> SBoxedStrategy<Value> {
        Whole { engine: Arc::clone(&self.engine), keep: Keep::Valid }.sboxed()
    }

    /// Values the schema refuses for whatever reason, close to valid ones; none if it accepts everything
    /// or no refused value was found.
    #[must_use]
    pub fn invalid(&self) -> Option<SBoxedStrategy<Value>> {
        let (engine, _) = prepare(&self.schema, &self.documents, false).ok()?;
        let whole = Whole { engine: Arc::new(engine), keep: Keep::Invalid };
        whole.tree(&mut Draw::new(1))?;
        Some(whole.sboxed())
    }

    /// Every way of being invalid that was found, each at one place and with a name; in a stable order.
    ///
    /// Each was tried: the validator refuses what it makes.
    #[must_use]
    pub fn mutations(&self) -> Vec<Mutation> {
        invalid::mutations(&self.engine)
    }

    /// Values at the edges of what programs handle, valid or not as each case says; none for a schema whose
    /// values have no such places.
    #[must_use]
    pub fn edge(&self) -> Option<SBoxedStrategy<Case>> {
        edge::edge(&self.engine)
    }

    /// The edges one by one, each with its place and label; in a stable order.
    #[must_use]
    pub fn edges(&self) -> Vec<Edge> {
        edge::edges(&self.engine)
    }

    /// Draws a first value, so that a schema nothing can be drawn for is known at once.
    fn try_out(&self, cut: bool) -> Result<(), Unsupported> {
        if self.engine.plans[self.engine.root].height.is_none() && !cut {
            return Err(Unsupported::whole(Reason::Unsatisfiable));
        }
        let whole = Whole { engine: Arc::clone(&self.engine), keep: Keep::Valid };
        if whole.tree(&mut Draw::new(0)).is_some() {
            return Ok(());
        }
        // A second opinion, by other means than ours.
        let proof = jsonschema::canonical::options()
            .should_validate_formats(true)
            .offline()
            .canonicalize(&self.schema);
        let empty =
            proof.is_ok_and(|form| form.satisfiability() == jsonschema::canonical::Satisfiability::No);
        Err(Unsupported::whole(if empty { Reason::Unsatisfiable } else { Reason::ExhaustedAttempts }))
    }
}

#[cfg(test)]
thread_local! {
    static MADE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many schemas this thread has prepared to draw from.
#[cfg(test)]
pub(crate) fn made_by_this_thread() -> usize {
    MADE.get()
}

/// Reads the schema; plans for what keeps it, or for what breaks it.
fn prepare(schema: &Value, documents: &[(String, Value)], yes: bool) -> Result<(Engine, bool), Unsupported> {
    #[cfg(test)]
    MADE.set(MADE.get() + 1);
    let no_schema = |error: &dyn std::fmt::Display| Unsupported::whole(Reason::NoSchema(error.to_string()));
    if let Some(dialect) = schema.get("$schema").and_then(Value::as_str)
        && dialect.trim_end_matches('#') != DIALECT
    {
        let reason = Reason::NoSchema(format!("names the dialect {dialect}; only {DIALECT} is read"));
        return Err(Unsupported { keyword: "$schema".to_owned(), pointer: String::new(), reason });
    }
    let registry = if refs::refers(schema) { Some(refs::registry(schema, documents)?) } else { None };
    let mut planner = Planner::new(Subs::new(schema, registry.as_ref())?);
    let root = planner.plan(vec![Term::One(Ref { sub: Subs::ROOT, yes })]);
    planner.make()?;
    let cut = planner.cut;
    let mut options = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .offline();
    if let Some(registry) = &registry {
        options = options.with_registry(registry);
    }
    let validator = options.build(schema).map_err(|error| no_schema(&error))?;
    Ok((Engine { validator, plans: planner.finish(), root }, cut))
}

/// Values drawn from the root plan as they are.
#[derive(Clone)]
struct Whole {
    engine: Arc<Engine>,
    keep: Keep,
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

impl Whole {
    fn tree(&self, draw: &mut Draw) -> Option<Tree> {
        (0..ATTEMPTS).find_map(|_| {
            let mut own = Draw::new(draw.bits());
            let value = valid::value(&self.engine.plans, self.engine.root, &mut own, &[])?;
            Tree::new(Arc::clone(&self.engine), Arc::from([]), self.keep.clone(), value, Patch::Nothing)
        })
    }
}

impl Strategy for Whole {
    type Tree = Tree;
    type Value = Value;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut draw = Draw::new(runner.rng().next_u64());
        self.tree(&mut draw)
            .ok_or_else(|| RejectReason::from("no value found in a bounded number of attempts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::ValueTree;
    use serde_json::json;

    fn values(schema: &Value) -> Vec<Value> {
        let generator = Generator::new(schema).expect("a generator");
        let mut runner = TestRunner::deterministic();
        (0..200)
            .map(|_| {
                let value = generator.valid().new_tree(&mut runner).expect("a value").current();
                assert!(generator.accepts(&value), "{schema}: {value}");
                value
            })
            .collect()
    }

    #[test]
    fn login_bodies_are_drawn_without_members_nobody_asked_for() {
        let schema = json!({
            "type": "object",
            "required": ["username", "password"],
            "properties": {
                "username": { "type": "string", "minLength": 1, "maxLength": 64 },
                "password": { "type": "string", "minLength": 8, "maxLength": 72 },
                "remember": { "type": "boolean" },
                "ttl": { "type": "integer", "minimum": 0, "maximum": 1_000_000 },
            },
        });
        let values = values(&schema);
        assert!(values.iter().any(|v| v.get("remember").is_some()));
        assert!(values.iter().any(|v| v.get("remember").is_none()));
        assert!(
            values.iter().any(|v| v["ttl"] == json!(0))
                && values.iter().any(|v| v["ttl"] == json!(1_000_000))
        );
        assert!(values.iter().any(|v| v["username"].as_str().is_some_and(|t| t.chars().count() == 64)));
        let known = ["username", "password", "remember", "ttl"];
        assert!(
            values
                .iter()
                .all(|v| v.as_object().is_some_and(|o| o.keys().all(|k| known.contains(&k.as_str()))))
        );
    }

    #[test]
    fn a_shrunk_valid_value_is_the_smallest_valid_one() {
        let schema = json!({ "type": "object", "required": ["a"],
            "properties": { "a": { "type": "string", "minLength": 3 }, "b": { "type": "integer", "minimum": 7 } } });
        let generator = Generator::new(&schema).expect("a generator");
        let mut runner = TestRunner::deterministic();
        for _ in 0..20 {
            let mut tree = generator.valid().new_tree(&mut runner).expect("a value");
            while tree.simplify() {
                assert!(generator.accepts(&tree.current()));
            }
            assert_eq!(tree.current(), json!({ "a": "aaa" }));
        }
    }

    #[test]
    fn recursion_ends() {
        let schema = json!({
            "$defs": { "tree": { "type": "object", "required": ["left", "value"], "properties": {
                "left": { "anyOf": [{ "$ref": "#/$defs/tree" }, { "type": "null" }] },
                "value": { "type": "integer" },
                "children": { "type": "array", "items": { "$ref": "#/$defs/tree" } } } } },
            "$ref": "#/$defs/tree",
        });
        let values = values(&schema);
        assert!(values.iter().any(|v| v["left"]["left"].is_object()));
        assert!(values.iter().all(|v| v.to_string().len() < 20_000));
    }

    #[test]
    fn obstacles_are_named() {
        let reason = |schema: Value| Generator::new(&schema).expect_err("an obstacle").reason;
        assert_eq!(reason(json!(false)), Reason::Unsatisfiable);
        assert_eq!(
            reason(json!({ "type": "string", "minLength": 3, "maxLength": 2 })),
            Reason::Unsatisfiable
        );
        assert_eq!(
            reason(json!({ "type": "string", "pattern": "^a$", "minLength": 2 })),
            Reason::Unsatisfiable
        );
        assert!(matches!(reason(json!({ "type": 5 })), Reason::NoSchema(_)));
        assert!(matches!(reason(json!({ "$ref": "https://example.com/elsewhere" })), Reason::Reference(_)));
        let error = Generator::new(&json!({ "properties": { "a": { "$ref": "#/$defs/none" } } }))
            .expect_err("an obstacle");
        assert!(matches!(error.reason, Reason::Reference(_)), "{error}");
    }

    #[test]
    fn the_same_seed_draws_the_same_values() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "array", "items": {} } } });
        assert_eq!(values(&schema), values(&schema));
    }
}
