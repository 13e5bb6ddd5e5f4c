//! Plans: every place of a value with its alternatives, ready to draw from.
//!
//! Places that meet the same demands share a plan, so recursive schemas have finitely many. Each plan knows
//! the least height of a value it allows; a plan without any finite value is empty, which is how
//! impossible members and items are found before anything is drawn.

use super::Unsupported;
use super::expand::{Expansion, Term};
use super::node::{Fact, Kind, Node, Ref};
use super::number::NumberRules;
use super::pattern::Pattern;
use super::refs::Subs;
use super::text::{self, TextPlan, TextRules};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The number of a plan.
pub(super) type PlanId = usize;

/// Plans of one schema; what goes beyond is drawn freely and left to the final check.
const PLANS: usize = 400;
/// Steps of laying out alternatives, for all plans of a schema together.
const STEPS: usize = 30_000;

/// The alternatives of one place.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) alternatives: Vec<Alternative>,
    /// The least height of a value; none if there is no value at all.
    pub(super) height: Option<u32>,
}

/// One alternative: demands without anything left to choose.
#[derive(Debug)]
pub(super) struct Alternative {
    /// The kinds that can be drawn, each with the least height of its values.
    pub(super) kinds: Vec<(Kind, u32)>,
    pub(super) values: Option<Vec<Value>>,
    pub(super) excluded: Vec<Value>,
    pub(super) number: NumberRules,
    pub(super) text_rules: TextRules,
    pub(super) text: Arc<TextPlan>,
    pub(super) list: ListPlan,
    pub(super) map: MapPlan,
    /// The kinds the schema names, whether or not they have values.
    pub(super) allowed: Vec<Kind>,
}

/// A list.
#[derive(Debug, Default)]
pub(super) struct ListPlan {
    pub(super) least: usize,
    pub(super) most: Option<usize>,
    pub(super) unique: bool,
    pub(super) repeated: bool,
    /// Whether anything is said of lists at all.
    pub(super) told: bool,
    pub(super) prefix: Vec<PlanId>,
    pub(super) rest: PlanId,
    pub(super) contains: Vec<ContainsPlan>,
    /// Items that match no bounded `contains`, by place.
    pub(super) filler: Vec<PlanId>,
    /// Items that match every `contains`, by place.
    pub(super) together: Vec<PlanId>,
}

/// One `contains`: how many items match, and the plan of a matching item by place (the last is the rest).
#[derive(Debug)]
pub(super) struct ContainsPlan {
    pub(super) least: usize,
    pub(super) most: Option<usize>,
    pub(super) at: Vec<PlanId>,
}

/// An object.
#[derive(Debug, Default)]
pub(super) struct MapPlan {
    pub(super) least: usize,
    pub(super) most: Option<usize>,
    /// Whether anything is said of objects at all.
    pub(super) told: bool,
    pub(super) members: Vec<Member>,
    pub(super) needs: Vec<(String, Vec<String>)>,
    /// Members beyond the known ones.
    pub(super) extra: PlanId,
    /// Whether the schema invites such members: it names a schema for them.
    pub(super) extra_invited: bool,
    /// The plan of their names, if names are restricted.
    pub(super) names: Option<PlanId>,
    pub(super) bad_names: Vec<PlanId>,
    /// Names that are spoken for.
    pub(super) taken: BTreeSet<String>,
    /// Expressions such a name must not match.
    pub(super) avoid: Vec<Matcher>,
}

/// A member known by name.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) plan: PlanId,
    pub(super) required: bool,
    /// Whether the name stands in the schema, rather than being a sample for an expression.
    pub(super) declared: bool,
}

/// Tells whether a name matches an expression, as the validator sees it.
#[derive(Debug, Clone)]
pub(super) struct Matcher(Arc<jsonschema::Validator>);

impl Matcher {
    fn new(source: &str) -> Option<Self> {
        text::validator(&json!({ "pattern": source })).map(|validator| Self(Arc::new(validator)))
    }

    pub(super) fn is_match(&self, name: &str) -> bool {
        self.0.is_valid(&Value::String(name.to_owned()))
    }
}

/// Makes the plans of one schema.
pub(super) struct Planner<'r> {
    subs: Subs<'r>,
    plans: Vec<Plan>,
    known: HashMap<Vec<Term>, PlanId>,
    queue: Vec<(PlanId, Vec<Term>)>,
    matchers: BTreeMap<String, Option<Matcher>>,
    texts: HashMap<String, Arc<TextPlan>>,
    steps: usize,
    /// Whether alternatives or plans were left out, so that an empty plan proves nothing.
    pub(super) cut: bool,
}

/// The plan of a value of which nothing is demanded.
pub(super) const ANYTHING: PlanId = 0;

impl<'r> Planner<'r> {
    pub(super) fn new(subs: Subs<'r>) -> Self {
        let mut planner = Self {
            subs,
            plans: Vec::new(),
            known: HashMap::new(),
            queue: Vec::new(),
            matchers: BTreeMap::new(),
            texts: HashMap::new(),
            steps: STEPS,
            cut: false,
        };
        planner.plan(Vec::new());
        planner
    }

    /// The plan of a value that meets the terms; made when [`Planner::finish`] is called.
    pub(super) fn plan(&mut self, mut terms: Vec<Term>) -> PlanId {
        terms.retain(|term| match term {
            Term::One(to) => *self.subs.schema(to.sub) != Value::Bool(to.yes),
            Term::Or(_) => true,
        });
        terms.sort_unstable();
        terms.dedup();
        if let Some(&known) = self.known.get(&terms) {
            return known;
        }
        if self.plans.len() >= PLANS || self.steps == 0 {
            self.cut = true;
            return ANYTHING;
        }
        let id = self.plans.len();
        self.plans.push(Plan::default());
        self.known.insert(terms.clone(), id);
        self.queue.push((id, terms));
        id
    }

    /// Makes every plan asked for, and those they need.
    ///
    /// # Errors
    /// A keyword that cannot be read, or a reference to nothing.
    pub(super) fn make(&mut self) -> Result<(), Unsupported> {
        while let Some((id, terms)) = self.queue.pop() {
            let (nodes, cut) = Expansion::of(&mut self.subs, &terms, &mut self.steps)?;
            self.cut |= cut;
            let mut alternatives = Vec::with_capacity(nodes.len());
            for mut node in nodes {
                if self.place_later(&mut node) {
                    alternatives.push(self.alternative(&node));
                }
            }
            self.plans[id].alternatives = alternatives;
        }
        Ok(())
    }

    /// Measures the plans and hands them over.
    pub(super) fn finish(mut self) -> Vec<Plan> {
        super::measure::measure(&mut self.plans);
        self.plans
    }

    fn alternative(&mut self, node: &Node) -> Alternative {
        Alternative {
            kinds: Vec::new(),
            values: node.values.clone(),
            excluded: node.excluded.clone(),
            number: node.number.clone(),
            text: self.text(if node.kinds.has(Kind::String) { &node.text } else { FREE_TEXT }),
            text_rules: node.text.clone(),
            list: if node.kinds.has(Kind::Array) { self.list(node) } else { ListPlan::default() },
            map: if node.kinds.has(Kind::Object) { self.map(node) } else { MapPlan::default() },
            allowed: node.kinds.iter().collect(),
        }
    }

    /// Plans of texts are shared: making one may mean to compile an expression.
    fn text(&mut self, rules: &TextRules) -> Arc<TextPlan> {
        let key = rules.schema().to_string();
        Arc::clone(self.texts.entry(key).or_insert_with(|| Arc::new(TextPlan::new(rules))))
    }

    fn list(&mut self, node: &Node) -> ListPlan {
        let rules = &node.list;
        let shape_length = rules.shapes.iter().map(|shape| shape.prefix.len()).max().unwrap_or(0);
        let fixed = rules.at.iter().map(|(index, _)| index + 1).max().unwrap_or(0).max(shape_length);
        let places: Vec<Vec<Term>> =
            (0..=fixed).map(|index| item_terms(node, index, index == fixed)).collect();
        let with = |planner: &mut Self, more: &[Term]| -> Vec<PlanId> {
            places
                .iter()
                .map(|terms| {
                    let mut terms = terms.clone();
                    terms.extend_from_slice(more);
                    planner.plan(terms)
                })
                .collect()
        };
        let mut plain = with(self, &[]);
        let rest = plain.pop().unwrap_or(ANYTHING);
        let contains: Vec<ContainsPlan> = rules
            .contains
            .iter()
            .map(|rule| ContainsPlan {
                least: size(rule.least),
                most: rule.most.map(size),
                at: with(self, &[Term::One(Ref::yes(rule.of))]),
            })
            .collect();
        let bounded: Vec<Term> = rules
            .contains
            .iter()
            .filter(|rule| rule.most.is_some())
            .map(|rule| Term::One(Ref::no(rule.of)))
            .collect();
        let all: Vec<Term> = rules.contains.iter().map(|rule| Term::One(Ref::yes(rule.of))).collect();
        ListPlan {
            least: size(rules.least),
            most: rules.most.map(size),
            unique: rules.unique,
            repeated: rules.repeated,
            told: rules.least > 0
                || rules.most.is_some()
                || rules.unique
                || !rules.shapes.is_empty()
                || !rules.contains.is_empty()
                || !rules.unevaluated.is_empty(),
            prefix: plain,
            rest,
            filler: if bounded.is_empty() { Vec::new() } else { with(self, &bounded) },
            together: if all.len() < 2 { Vec::new() } else { with(self, &all) },
            contains,
        }
    }

    fn map(&mut self, node: &Node) -> MapPlan {
        let rules = &node.map;
        let mut declared: BTreeSet<String> = rules.required.clone();
        declared.extend(rules.members.iter().map(|(name, _)| name.clone()));
        declared.extend(rules.shapes.iter().flat_map(|s| s.properties.iter().map(|(name, _)| name.clone())));
        for (name, needs) in &rules.needs {
            declared.insert(name.clone());
            declared.extend(needs.iter().cloned());
        }
        let sources: BTreeSet<&String> =
            rules.shapes.iter().flat_map(|s| s.patterns.iter().map(|(source, _)| source)).collect();
        let sampled: BTreeSet<String> =
            sources.iter().flat_map(|source| self.subs.names_of(source)).collect();
        let name_terms: Vec<Term> = rules.names.iter().map(|to| Term::One(*to)).collect();
        let mut members = Vec::new();
        for name in declared.iter().chain(sampled.difference(&declared)) {
            if rules.forbidden.contains(name) {
                continue;
            }
            let mut terms = self.member_terms(node, Some(name));
            if !name_terms.is_empty() && !self.name_fits(&name_terms, name) {
                terms.push(self.nothing());
            }
            members.push(Member {
                plan: self.plan(terms),
                required: rules.required.contains(name),
                declared: declared.contains(name),
                name: name.clone(),
            });
        }
        let extra_terms = self.member_terms(node, None);
        let invited =
            rules.shapes.iter().any(|shape| shape.additional.is_some()) || !rules.unevaluated.is_empty();
        let mut taken = declared;
        taken.extend(sampled);
        taken.extend(rules.forbidden.iter().cloned());
        let names = (!name_terms.is_empty()).then(|| self.plan(name_terms));
        let bad_names = rules.bad_names.iter().map(|to| self.plan(vec![Term::One(*to)])).collect();
        let told = rules.least > 0
            || rules.most.is_some()
            || !rules.shapes.is_empty()
            || !rules.needs.is_empty()
            || !rules.names.is_empty()
            || !rules.unevaluated.is_empty()
            || !rules.required.is_empty()
            || !rules.forbidden.is_empty();
        MapPlan {
            least: size(rules.least),
            most: rules.most.map(size),
            told,
            members,
            needs: rules.needs.clone(),
            extra: self.plan(extra_terms),
            extra_invited: invited,
            names,
            bad_names,
            taken,
            avoid: sources.into_iter().filter_map(|source| self.matcher(source)).collect(),
        }
    }

    /// The demands on a member: of this name, or of a name nothing knows.
    fn member_terms(&mut self, node: &Node, name: Option<&str>) -> Vec<Term> {
        let mut terms = Vec::new();
        let mut seen_by: Vec<usize> = Vec::new();
        for shape in &node.map.shapes {
            let before = terms.len();
            if let Some(name) = name {
                terms
                    .extend(shape.properties.iter().filter(|(n, _)| n == name).map(|(_, to)| Term::One(*to)));
                for (source, to) in &shape.patterns {
                    if self.matcher(source).is_some_and(|matcher| matcher.is_match(name)) {
                        terms.push(Term::One(*to));
                    }
                }
            }
            if terms.len() == before
                && let Some(to) = shape.additional
            {
                terms.push(Term::One(to));
            }
            if terms.len() > before {
                seen_by.push(shape.scope);
            }
        }
        if let Some(name) = name {
            terms.extend(node.map.members.iter().filter(|(n, _)| n == name).map(|(_, to)| Term::One(*to)));
        }
        // An inner `unevaluatedProperties` looks at all that is left, so an outer one sees nothing.
        let all: Vec<usize> = node.map.unevaluated.iter().map(|(scope, _)| *scope).collect();
        for (scope, to) in &node.map.unevaluated {
            let seen = seen_by.iter().any(|by| node.within(*by, *scope))
                || all.iter().any(|other| other != scope && node.within(*other, *scope));
            if !seen {
                terms.push(Term::One(*to));
            }
        }
        terms
    }

    /// Finds a place for the demands that name none themselves; false if there is none.
    fn place_later(&mut self, node: &mut Node) -> bool {
        for fact in std::mem::take(&mut node.later) {
            match fact {
                Fact::ExtraMember { names, patterns, to } => {
                    let Some(name) = self.fresh_name(node, |planner, name| {
                        names.iter().any(|n| n == name)
                            || patterns.iter().any(|p| planner.matcher(p).is_some_and(|m| m.is_match(name)))
                    }) else {
                        return false;
                    };
                    node.add(Fact::Member(name, to));
                }
                Fact::LooseMember { scope, to } => {
                    let shapes = node.map.shapes.clone();
                    let of: Vec<_> = shapes.iter().filter(|s| node.within(s.scope, scope)).collect();
                    if of.iter().any(|s| s.additional.is_some())
                        || node.map.unevaluated.iter().any(|(other, _)| node.within(*other, scope))
                    {
                        return false;
                    }
                    let Some(name) = self.fresh_name(node, |planner, name| {
                        of.iter().any(|s| {
                            s.properties.iter().any(|(n, _)| n == name)
                                || s.patterns
                                    .iter()
                                    .any(|(p, _)| planner.matcher(p).is_some_and(|m| m.is_match(name)))
                        })
                    }) else {
                        return false;
                    };
                    node.add(Fact::Member(name, to));
                }
                Fact::LooseItem { scope, to } => {
                    let of: Vec<_> =
                        node.list.shapes.iter().filter(|s| node.within(s.scope, scope)).collect();
                    if of.iter().any(|s| s.rest.is_some())
                        || node.list.unevaluated.iter().any(|(other, _)| node.within(*other, scope))
                    {
                        return false;
                    }
                    let index = of.iter().map(|s| s.prefix.len()).max().unwrap_or(0);
                    let matching: Vec<Ref> = node
                        .list
                        .contains
                        .iter()
                        .filter(|rule| node.within(rule.scope, scope))
                        .map(|rule| Ref::no(rule.of))
                        .collect();
                    node.add(Fact::Item(index, to));
                    for to in matching {
                        node.add(Fact::Item(index, to));
                    }
                }
                other => node.add(other),
            }
        }
        node.settle()
    }

    fn fresh_name(&mut self, node: &Node, mut taken: impl FnMut(&mut Self, &str) -> bool) -> Option<String> {
        let known = node.map.shapes.iter().flat_map(|s| s.properties.iter().map(|(name, _)| name.clone()));
        let known: Vec<String> = known.chain(node.map.required.iter().cloned()).collect();
        let made = ["extra", "x", "0", "-", "Aé", "zz9", ""].iter().map(|&name| name.to_owned());
        // Known to another subschema: likelier to be allowed there than a name nobody knows.
        let closed =
            node.map.shapes.iter().any(|s| s.additional.is_some()) || !node.map.unevaluated.is_empty();
        let candidates: Vec<String> =
            if closed { known.into_iter().chain(made).collect() } else { made.chain(known).collect() };
        candidates.into_iter().find(|name| !node.map.forbidden.contains(name) && !taken(self, name))
    }

    fn matcher(&mut self, source: &str) -> Option<Matcher> {
        if let Some(known) = self.matchers.get(source) {
            return known.clone();
        }
        let made = Matcher::new(source);
        self.matchers.insert(source.to_owned(), made.clone());
        made
    }

    /// Whether a name passes `propertyNames`, as far as single keywords tell.
    fn name_fits(&mut self, terms: &[Term], name: &str) -> bool {
        let Ok((nodes, _)) = Expansion::of(&mut self.subs, terms, &mut self.steps) else { return true };
        let value = Value::String(name.to_owned());
        nodes.iter().any(|node| {
            node.kinds.has(Kind::String)
                && node.values.as_ref().is_none_or(|values| values.contains(&value))
                && !node.excluded.contains(&value)
                && (node.text.is_free()
                    || text::validator(&node.text.schema()).is_none_or(|check| check.is_valid(&value)))
        })
    }

    /// A term that nothing meets.
    fn nothing(&mut self) -> Term {
        static NOTHING: Value = Value::Bool(false);
        Term::One(Ref::yes(self.subs.child(Subs::ROOT, &NOTHING, &["propertyNames"])))
    }
}

static FREE_TEXT: &TextRules = &TextRules {
    least: 0,
    most: None,
    patterns: Vec::new(),
    not_patterns: Vec::new(),
    formats: Vec::new(),
    not_formats: Vec::new(),
};

/// The demands on the item at the index, or on all later ones.
fn item_terms(node: &Node, index: usize, rest: bool) -> Vec<Term> {
    let rules = &node.list;
    let mut terms = Vec::new();
    let mut seen_by: Vec<usize> = Vec::new();
    for shape in &rules.shapes {
        let to = if rest { None } else { shape.prefix.get(index) };
        if let Some(to) = to.or(if index >= shape.prefix.len() { shape.rest.as_ref() } else { None }) {
            terms.push(Term::One(*to));
            seen_by.push(shape.scope);
        }
    }
    if !rest {
        terms.extend(rules.at.iter().filter(|(at, _)| *at == index).map(|(_, to)| Term::One(*to)));
    }
    for (scope, to) in &rules.unevaluated {
        let seen = seen_by.iter().any(|by| node.within(*by, *scope))
            || rules.unevaluated.iter().any(|(other, _)| other != scope && node.within(*other, *scope));
        if seen {
            continue;
        }
        // Items that a `contains` matches count as looked at (core, section 10.3.1.3).
        let matched = rules.contains.iter().filter(|rule| node.within(rule.scope, *scope));
        let mut any: Vec<Ref> = matched.map(|rule| Ref::yes(rule.of)).collect();
        if any.is_empty() {
            terms.push(Term::One(*to));
        } else {
            any.push(*to);
            terms.push(Term::Or(any));
        }
    }
    terms
}

/// A few names that match the expression.
pub(super) fn names_of_pattern(source: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    if let (Ok(pattern), Some(matcher)) = (Pattern::new(source), Matcher::new(source)) {
        // The names are part of the plan, so they depend on the expression alone.
        let mut draw = super::draw::Draw::new(source.len() as u64);
        for _ in 0..24 {
            if let Some(name) = pattern.text(&mut draw, 0, Some(24))
                && !names.contains(&name)
                && matcher.is_match(&name)
            {
                names.push(name);
            }
            if names.len() == 4 {
                break;
            }
        }
    }
    names
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(schema: &Value) -> (Vec<Plan>, PlanId) {
        let subs = Subs::new(schema, None).expect("a schema");
        let mut planner = Planner::new(subs);
        let root = planner.plan(vec![Term::One(Ref::yes(Subs::ROOT))]);
        planner.make().expect("plans");
        (planner.finish(), root)
    }

    #[test]
    fn impossible_members_are_never_drawn_and_impossible_items_end_the_list() {
        let schema = json!({ "type": ["object", "array"], "properties": { "a": false, "b": true },
                             "prefixItems": [true, false] });
        let (plans, root) = plans(&schema);
        let only = &plans[root].alternatives[0];
        assert_eq!(only.map.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(only.list.most, Some(1));
    }

    #[test]
    fn a_required_impossible_member_empties_the_plan() {
        let schema = json!({ "type": "object", "required": ["a"], "properties": { "a": { "not": {} } } });
        let (plans, root) = plans(&schema);
        assert_eq!(plans[root].height, None);
        let schema = json!({ "type": "array", "minItems": 2, "items": { "type": "array", "items": false, "minItems": 1 } });
        assert_eq!(self::plans(&schema).0[self::plans(&schema).1].height, None);
    }

    #[test]
    fn a_member_of_several_subschemas_meets_all_of_them() {
        let schema = json!({
            "properties": { "ab": { "minLength": 1 } },
            "patternProperties": { "^a": { "type": "string" } },
            "allOf": [{ "additionalProperties": { "maxLength": 9 } }],
        });
        let (plans, root) = plans(&schema);
        let map = &plans[root].alternatives[0].map;
        let member = map.members.iter().find(|m| m.name == "ab").expect("the member");
        let text = &plans[member.plan].alternatives[0].text_rules;
        assert_eq!((text.least, text.most), (1, Some(9)));
        assert_eq!(plans[member.plan].alternatives[0].kinds, [(Kind::String, 0)]);
    }

    #[test]
    fn names_of_an_expression_match_it() {
        let names = names_of_pattern("^x-[a-z]+$");
        assert!(names.len() > 2 && names.iter().all(|name| name.starts_with("x-")));
        assert!(names_of_pattern("(").is_empty());
    }
}
