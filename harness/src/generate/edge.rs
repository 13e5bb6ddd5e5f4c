//! Values at the edges of what programs handle: bounds, unusual characters, large and deep structures.
//!
//! Whether the schema accepts such a value is told with it; a correct server refuses or accepts accordingly,
//! and never breaks.

use super::Engine;
use super::draw::Draw;
use super::invalid::bases;
use super::node::Kind;
use super::number::{Bound, from_whole};
use super::plan::Alternative;
use super::sites::{Site, place, sites};
use super::tree::{Keep, Patch, Tree, pointer};
use super::valid::Step;
use proptest::strategy::{NewTree, SBoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::Rng;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A value with one edge in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The value.
    pub value: Value,
    /// What is at the edge, such as `length at maximum` or `right-to-left override`.
    pub label: &'static str,
    /// The place, as a JSON pointer.
    pub at: String,
    /// Whether the schema accepts the value.
    pub valid: bool,
}

/// One edge at one place.
#[derive(Debug, Clone)]
pub struct Edge {
    /// What is at the edge.
    pub label: &'static str,
    /// The place, as a JSON pointer.
    pub at: String,
    /// Cases with this edge; the rest of the value varies.
    pub strategy: SBoxedStrategy<Case>,
}

/// What is put at a place, made from what stands there.
type Make = Arc<dyn Fn(&Value) -> Option<Value> + Send + Sync>;

#[derive(Clone)]
struct Edging {
    engine: Arc<Engine>,
    label: &'static str,
    want: Arc<[Step]>,
    make: Make,
}

impl std::fmt::Debug for Edging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edging").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Attempts to draw one case, and bases tried before an edge is offered at all.
const ATTEMPTS: usize = 1_200;
const BASES: usize = 4;

/// Every edge of the schema, in a stable order.
pub(super) fn edges(engine: &Arc<Engine>) -> Vec<Edge> {
    let mut all = Vec::new();
    for site in sites(&engine.plans, engine.root) {
        let mut draw = Draw::new(0x6564_6765);
        let bases = bases(engine, &site.at, &mut draw, BASES);
        for (label, make) in at_site(engine, &site) {
            let edging =
                Edging { engine: Arc::clone(engine), label, want: Arc::from(site.at.as_slice()), make };
            if bases.iter().any(|base| edging.change(base).is_some()) {
                all.push(Edge { label, at: pointer(&site.at), strategy: edging.sboxed() });
            }
        }
    }
    all
}

/// Any of the edges; none if there is none.
pub(super) fn edge(engine: &Arc<Engine>) -> Option<SBoxedStrategy<Case>> {
    let all: Vec<SBoxedStrategy<Case>> = edges(engine).into_iter().map(|edge| edge.strategy).collect();
    (!all.is_empty()).then(|| proptest::strategy::Union::new(all).sboxed())
}

impl Edging {
    fn change(&self, base: &Value) -> Option<EdgeTree> {
        let value = (self.make)(place(base, &self.want)?)?;
        let patch = Patch::Set(value.clone());
        let whole = super::tree::changed(base, &self.want, &patch)?;
        let valid = self.engine.accepts(&whole);
        // The edge stays as it is; what is around it shrinks.
        let keep = Keep::Changed { valid, witness: Arc::new(move |now| *now == value) };
        let tree = Tree::new(Arc::clone(&self.engine), Arc::clone(&self.want), keep, base.clone(), patch)?;
        Some(EdgeTree { tree, label: self.label, at: pointer(&self.want), valid })
    }
}

struct EdgeTree {
    tree: Tree,
    label: &'static str,
    at: String,
    valid: bool,
}

impl ValueTree for EdgeTree {
    type Value = Case;

    fn current(&self) -> Case {
        Case { value: self.tree.current(), label: self.label, at: self.at.clone(), valid: self.valid }
    }

    fn simplify(&mut self) -> bool {
        self.tree.simplify()
    }

    fn complicate(&mut self) -> bool {
        self.tree.complicate()
    }
}

impl Strategy for Edging {
    type Tree = EdgeTree;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut draw = Draw::new(runner.rng().next_u64());
        for _ in 0..ATTEMPTS {
            let mut own = Draw::new(draw.bits());
            if let Some(tree) = self.engine.base(&mut own, &self.want).and_then(|base| self.change(&base)) {
                return Ok(tree);
            }
        }
        Err("no value with this edge found in a bounded number of attempts".into())
    }
}

fn fixed(value: Value) -> Make {
    Arc::new(move |_| Some(value.clone()))
}

fn from_text(of: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Make {
    Arc::new(move |value| of(value.as_str()?).map(Value::String))
}

fn at_site(engine: &Engine, site: &Site) -> Vec<(&'static str, Make)> {
    let kinds = site.kinds(&engine.plans);
    let mut all: Vec<(&'static str, Make)> = Vec::new();
    if kinds.contains(&Kind::String) {
        all.extend(unusual_texts());
    }
    if kinds.contains(&Kind::Integer) || kinds.contains(&Kind::Fraction) {
        all.extend(unusual_numbers());
    }
    if kinds.contains(&Kind::Array) {
        all.extend(unusual_lists());
    }
    if kinds.contains(&Kind::Object) {
        all.extend(unusual_objects());
    }
    for alternative in site.alternatives(&engine.plans) {
        all.extend(bounds(alternative));
    }
    // The same bound of several alternatives is one edge.
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|(label, _)| seen.insert(*label));
    all
}

fn bounds(of: &Alternative) -> Vec<(&'static str, Make)> {
    let mut all: Vec<(&'static str, Make)> = Vec::new();
    let has = |kind: Kind| of.values.is_none() && of.kinds.iter().any(|(own, _)| *own == kind);
    if has(Kind::String) {
        let mut length = |label, wanted: Option<u64>| {
            if let Some(wanted) = wanted.filter(|n| *n <= 1_000_000).and_then(|n| usize::try_from(n).ok()) {
                all.push((
                    label,
                    from_text(move |text| {
                        let source = if text.is_empty() { "a" } else { text };
                        Some(source.chars().cycle().take(wanted).collect())
                    }),
                ));
            }
        };
        let (least, most) = (of.text_rules.least, of.text_rules.most);
        length("length at minimum", Some(least));
        length("length below minimum", least.checked_sub(1));
        length("length at maximum", most);
        length("length above maximum", most.map(|most| most + 1));
        if let Some(most) = most.filter(|n| *n <= 100_000).and_then(|n| usize::try_from(n).ok()) {
            // As long as allowed in characters, and four times that in bytes.
            all.push(("length at maximum, four bytes each", fixed(json!("😀".repeat(most)))));
            // As long as allowed in UTF-16 units, half of it in characters.
            all.push(("length at maximum in UTF-16 units", fixed(json!("😀".repeat(most.div_ceil(2))))));
        }
    }
    if has(Kind::Integer) || has(Kind::Fraction) {
        let mut around = |labels: [&'static str; 3], bound: Option<Bound>| {
            if let Some(exact) = bound.and_then(|bound| bound.whole) {
                for (label, value) in labels.into_iter().zip([exact - 1, exact, exact + 1]) {
                    all.push((label, fixed(from_whole(value))));
                }
            }
        };
        around(["minimum - 1", "minimum", "minimum + 1"], of.number.low);
        around(["maximum - 1", "maximum", "maximum + 1"], of.number.high);
    }
    if has(Kind::Array) {
        let mut count = |label, wanted: Option<usize>| {
            if let Some(wanted) = wanted.filter(|n| *n <= 10_000) {
                let make = move |value: &Value| {
                    let items = value.as_array().filter(|items| !items.is_empty() || wanted == 0)?;
                    Some(items.iter().cycle().take(wanted).cloned().collect())
                };
                all.push((label, Arc::new(make)));
            }
        };
        count("fewest items", Some(of.list.least));
        count("most items", of.list.most);
        count("one item too many", of.list.most.map(|most| most + 1));
    }
    all
}

fn unusual_texts() -> Vec<(&'static str, Make)> {
    // Each is put behind what stands there, so that only the unusual part is new.
    let behind: [(&'static str, &'static str); 27] = [
        ("astral character", "𝒜"),
        ("emoji joined of several", "👩\u{200d}👩\u{200d}👧"),
        ("flag of two characters", "🇨🇭"),
        ("combining mark", "a\u{301}\u{327}"),
        (
            "forty combining marks",
            "a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        ),
        ("composed letter (NFC)", "é\u{1e69}"),
        ("decomposed letter (NFD)", "e\u{301}s\u{323}\u{307}"),
        ("compatibility form (NFKC)", "ﬁ①Ⅷ"),
        ("right-to-left override", "\u{202e}nimda"),
        ("right-to-left letters", "שלום"),
        ("zero-width space", "\u{200b}"),
        ("zero-width joiner", "\u{200d}"),
        ("byte order mark", "\u{feff}"),
        ("soft hyphen", "\u{ad}"),
        ("NUL", "\0"),
        ("control characters", "\u{1}\u{8}\u{1b}[31m\u{7f}"),
        ("C1 control character", "\u{85}"),
        ("line break", "\r\nx-injected: 1"),
        ("line separator", "\u{2028}\u{2029}"),
        ("full-width digits", "１２３"),
        ("look-alike letters", "аdmіn"),
        ("letters that fold oddly", "ıİſKß"),
        ("noncharacter", "\u{ffff}\u{fdd0}"),
        ("private use", "\u{e000}"),
        ("replacement character", "\u{fffd}"),
        ("last code point", "\u{10ffff}"),
        ("no-break space", "\u{a0}"),
    ];
    let instead: [(&'static str, &'static str); 14] = [
        ("blanks only", "   "),
        ("quote and comment of SQL", "' OR '1'='1' --"),
        ("operator of a document store", "{\"$ne\":null}"),
        ("markup", "<script>alert(1)</script>"),
        ("template", "{{7*7}}${7*7}<%= 7*7 %>"),
        ("format directives", "%s%n%x%p"),
        ("way out of a folder", "../../../../etc/passwd"),
        ("shell command", "$(id);`id`|id"),
        ("word that means nothing", "null"),
        ("word that means true", "true"),
        ("number as a word", "1e309"),
        ("name of the prototype", "__proto__"),
        ("backslash at the end", "a\\"),
        ("percent escape", "%00%2e%2e%2f"),
    ];
    let mut all: Vec<(&'static str, Make)> = Vec::new();
    for (label, part) in behind {
        all.push((label, from_text(move |text| Some(format!("{text}{part}")))));
    }
    for (label, text) in instead {
        all.push((label, fixed(json!(text))));
    }
    all.push(("blank before", from_text(|text| Some(format!(" {text}")))));
    all.push(("blank behind", from_text(|text| Some(format!("{text} ")))));
    all.push(("tab behind", from_text(|text| Some(format!("{text}\t")))));
    all.push(("NUL before", from_text(|text| Some(format!("\0{text}")))));
    all.push((
        "letters in the other case",
        from_text(|text| {
            let other: String = text
                .chars()
                .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            (other != text).then_some(other)
        }),
    ));
    all.push(("text of 10 kB", fixed(json!("a".repeat(10_240)))));
    all.push(("text of 10 kB in two-byte characters", fixed(json!("é".repeat(5_120)))));
    all
}

fn unusual_numbers() -> Vec<(&'static str, Make)> {
    [
        ("nought", json!(0)),
        ("minus nought", json!(-0.0)),
        ("one", json!(1)),
        ("minus one", json!(-1)),
        ("whole number as a fraction", json!(1.0)),
        ("2^31 - 1", json!((1_i64 << 31) - 1)),
        ("2^31", json!(1_i64 << 31)),
        ("-2^31 - 1", json!(-(1_i64 << 31) - 1)),
        ("2^32", json!(1_i64 << 32)),
        ("2^53 - 1", json!((1_i64 << 53) - 1)),
        ("2^53", json!(1_i64 << 53)),
        ("2^53 + 1", json!((1_i64 << 53) + 1)),
        ("-2^53 - 1", json!(-(1_i64 << 53) - 1)),
        ("2^63 - 1", json!(i64::MAX)),
        ("2^63", json!(1_u64 << 63)),
        ("-2^63", json!(i64::MIN)),
        ("2^64 - 1", json!(u64::MAX)),
        ("2^64", json!(18_446_744_073_709_551_616.0)),
        ("1e308", json!(1e308)),
        ("-1e308", json!(-1e308)),
        ("smallest fraction", json!(5e-324)),
        ("a tenth", json!(0.1)),
        ("just below one", json!(0.999_999_999_999_999_9)),
    ]
    .into_iter()
    .map(|(label, value)| (label, fixed(value)))
    .collect()
}

fn unusual_lists() -> Vec<(&'static str, Make)> {
    let many = |value: &Value| {
        let items = value.as_array().filter(|items| !items.is_empty())?;
        Some(items.iter().cycle().take(1_000).cloned().collect())
    };
    let nested = |value: &Value| Some(json!([nest(100), value]));
    vec![
        ("no items", fixed(json!([]))),
        ("thousand items", Arc::new(many)),
        ("deep nesting in a list", Arc::new(nested)),
    ]
}

fn unusual_objects() -> Vec<(&'static str, Make)> {
    fn with(of: impl Fn(&mut Map<String, Value>) -> bool + Send + Sync + 'static) -> Make {
        Arc::new(move |value| {
            let mut object = value.as_object()?.clone();
            of(&mut object).then_some(Value::Object(object))
        })
    }
    let mut all: Vec<(&'static str, Make)> = Vec::new();
    for (label, name) in [
        ("additional member", "additional"),
        ("member with an empty name", ""),
        ("member named like the prototype", "__proto__"),
        ("member named like a constructor", "constructor"),
        ("member named like an operator", "$where"),
        ("member with NUL in its name", "a\0b"),
        ("member with a dot in its name", "a.b"),
    ] {
        all.push((label, with(move |object| object.insert(name.to_owned(), json!("x")).is_none())));
    }
    all.push((
        "member in the other case",
        with(|object| {
            let Some((name, value)) = object.iter().next().map(|(name, value)| (name.clone(), value.clone()))
            else {
                return false;
            };
            let mut chars = name.chars();
            let Some(first) = chars.next() else { return false };
            let other = if first.is_uppercase() {
                first.to_lowercase().to_string()
            } else {
                first.to_uppercase().to_string()
            };
            object.insert(format!("{other}{}", chars.as_str()), value).is_none()
        }),
    ));
    all.push((
        "thousand additional members",
        with(|object| {
            object.extend((0..1_000).map(|n| (format!("m{n}"), json!(n))));
            true
        }),
    ));
    all.push((
        "deep nesting in a member",
        with(|object| object.insert("nested".to_owned(), nest(100)).is_none()),
    ));
    all.push((
        "additional member of 10 kB",
        with(|object| object.insert("large".to_owned(), json!("a".repeat(10_240))).is_none()),
    ));
    all
}

/// Lists within lists; fewer than readers commonly allow (128 levels), so that the value can be read back.
fn nest(levels: usize) -> Value {
    (0..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[cfg(test)]
mod tests {
    use super::super::Generator;
    use super::super::run::{Failure, Outcome, draw_case, run_cases};
    use super::*;
    use std::collections::BTreeSet;

    fn example() -> Value {
        json!({
            "type": "object",
            "required": ["name", "age"],
            "properties": {
                "name": { "type": "string", "minLength": 2, "maxLength": 10 },
                "age": { "type": "integer", "minimum": 0, "maximum": 150 },
                "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
            },
        })
    }

    #[test]
    fn every_edge_says_rightly_whether_it_is_valid() {
        let generator = Generator::new(&example()).expect("a generator");
        let edges = generator.edges();
        assert!(edges.len() > 100, "{}", edges.len());
        for edge in &edges {
            for case in 0..3 {
                let drawn = draw_case(1, edge.label, case, &edge.strategy).expect("a case");
                assert_eq!(generator.accepts(&drawn.value), drawn.valid, "{drawn:?}");
                assert_eq!((drawn.label, &drawn.at), (edge.label, &edge.at));
            }
        }
        let valid = |label: &str, at: &str| {
            let edge = edges.iter().find(|e| e.label == label && e.at == at).expect("the edge");
            draw_case(1, label, 0, &edge.strategy).expect("a case").valid
        };
        assert!(valid("length at maximum", "/name") && !valid("length above maximum", "/name"));
        assert!(valid("length at maximum, four bytes each", "/name"));
        assert!(valid("minimum", "/age") && !valid("minimum - 1", "/age") && !valid("2^53 + 1", "/age"));
        assert!(valid("minus nought", "/age") && valid("additional member", ""));
        assert!(!valid("one item too many", "/tags"));
    }

    #[test]
    fn any_edge_is_drawn_sooner_or_later() {
        let generator = Generator::new(&example()).expect("a generator");
        let strategy = generator.edge().expect("edges");
        let labels: BTreeSet<&str> = (0..600)
            .filter_map(|case| draw_case(2, "any", case, &strategy).ok())
            .map(|case| case.label)
            .collect();
        assert!(labels.len() > 80, "{}", labels.len());
    }

    #[test]
    fn what_is_around_an_edge_shrinks_and_the_edge_stays() {
        let generator = Generator::new(&example()).expect("a generator");
        let edge =
            generator.edges().into_iter().find(|e| e.label == "NUL" && e.at == "/name").expect("the edge");
        let outcome = run_cases(1, "nul", 1, &edge.strategy, |_| Err(Failure::new("500")));
        let Outcome::Failed { smallest, drawn, .. } = outcome else { panic!("should fail") };
        assert_eq!(smallest.value, json!({ "name": drawn.value["name"], "age": 0 }));
        assert_eq!(smallest.label, "NUL");
    }
}
