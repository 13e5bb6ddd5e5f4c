//! The places of a value, as the plans know them.

use super::node::Kind;
use super::plan::{Alternative, Plan, PlanId};
use super::valid::Step;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Levels below the root that are looked at.
const LEVELS: usize = 5;
/// Places looked at; a schema with more is covered as far as this goes.
const SITES: usize = 240;

/// One place, and every plan a value may follow there.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) at: Vec<Step>,
    pub(super) plans: Vec<PlanId>,
    /// Whether some alternative of the parent demands it.
    pub(super) required: bool,
}

/// All places, the root first, near ones before far ones.
pub(super) fn sites(plans: &[Plan], root: PlanId) -> Vec<Site> {
    let mut all: Vec<Site> = Vec::new();
    let mut level: BTreeMap<Vec<Step>, (BTreeSet<PlanId>, bool)> = BTreeMap::new();
    level.insert(Vec::new(), (BTreeSet::from([root]), true));
    for _ in 0..=LEVELS {
        let mut below: BTreeMap<Vec<Step>, (BTreeSet<PlanId>, bool)> = BTreeMap::new();
        for (at, (here, required)) in level {
            if all.len() >= SITES {
                return all;
            }
            for alternative in here.iter().flat_map(|&plan| &plans[plan].alternatives) {
                for (step, plan, required) in children(alternative) {
                    let mut way = at.clone();
                    way.push(step);
                    let entry = below.entry(way).or_default();
                    entry.0.insert(plan);
                    entry.1 |= required;
                }
            }
            all.push(Site { at, plans: here.into_iter().collect(), required });
        }
        level = below;
    }
    all
}

fn children(alternative: &Alternative) -> Vec<(Step, PlanId, bool)> {
    let has =
        |kind: Kind| alternative.values.is_none() && alternative.kinds.iter().any(|(own, _)| *own == kind);
    let mut all = Vec::new();
    if has(Kind::Object) {
        let members = alternative.map.members.iter();
        all.extend(members.map(|member| (Step::Name(member.name.clone()), member.plan, member.required)));
    }
    if has(Kind::Array) && alternative.list.told {
        let list = &alternative.list;
        let last = list.prefix.len();
        let plans = list.prefix.iter().copied().chain([list.rest]);
        let open = |index: usize| list.most.is_none_or(|most| index < most);
        let items = plans.enumerate().filter(|(index, _)| open(*index) && *index <= last.min(8));
        all.extend(items.map(|(index, plan)| (Step::Index(index), plan, index < list.least)));
    }
    all
}

impl Site {
    /// The alternatives of the place.
    pub(super) fn alternatives<'p>(&'p self, plans: &'p [Plan]) -> impl Iterator<Item = &'p Alternative> {
        self.plans.iter().flat_map(|&plan| &plans[plan].alternatives)
    }

    /// The kinds of values that may stand there.
    pub(super) fn kinds(&self, plans: &[Plan]) -> BTreeSet<Kind> {
        self.alternatives(plans)
            .flat_map(|alternative| alternative.kinds.iter().map(|(kind, _)| *kind))
            .collect()
    }
}

/// What stands at the place.
pub(super) fn place<'v>(value: &'v Value, at: &[Step]) -> Option<&'v Value> {
    at.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Name(name), Value::Object(map)) => map.get(name),
        (Step::Index(index), Value::Array(items)) => items.get(*index),
        _ => None,
    })
}
