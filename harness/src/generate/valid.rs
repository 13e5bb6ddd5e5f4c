//! Draws values from plans.

use super::draw::Draw;
use super::node::{Kind, same};
use super::plan::{ANYTHING, Alternative, ListPlan, MapPlan, Plan, PlanId};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Levels of nesting before drawing turns to the smallest possible values.
const DEPTH: u32 = 5;

/// One step of a way into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// Draws a value; `want` is a place it should have.
///
/// None if the attempt failed. What is drawn keeps the plan's own rules, but only the validator knows the
/// whole schema.
pub(super) fn value(plans: &[Plan], root: PlanId, draw: &mut Draw, want: &[Step]) -> Option<Value> {
    Drawing { plans, draw }.value(root, DEPTH, want)
}

struct Drawing<'a> {
    plans: &'a [Plan],
    draw: &'a mut Draw,
}

impl<'a> Drawing<'a> {
    fn value(&mut self, plan: PlanId, depth: u32, want: &[Step]) -> Option<Value> {
        let plan = &self.plans[plan];
        let tight = depth == 0 || self.draw.room == 0;
        self.draw.room = self.draw.room.saturating_sub(1);
        let chosen = if let Some(step) = want.first() {
            let able: Vec<&Alternative> = plan.alternatives.iter().filter(|a| leads(a, step)).collect();
            *self.draw.pick(&able)?
        } else if tight {
            plan.alternatives.iter().min_by_key(|a| a.height())?
        } else {
            self.draw.pick(&plan.alternatives)?
        };
        if let Some(values) = &chosen.values {
            return self.draw.pick(values).cloned();
        }
        for _ in 0..8 {
            let kind = self.kind(chosen, tight, want.first())?;
            let drawn = self.of_kind(chosen, kind, depth, want);
            if let Some(value) = drawn.filter(|v| !chosen.excluded.iter().any(|e| same(e, v))) {
                return Some(value);
            }
        }
        None
    }

    fn kind(&mut self, of: &Alternative, tight: bool, want: Option<&Step>) -> Option<Kind> {
        match want {
            Some(Step::Name(_)) => return Some(Kind::Object),
            Some(Step::Index(_)) => return Some(Kind::Array),
            None => {}
        }
        if tight {
            return of.kinds.iter().min_by_key(|(_, height)| *height).map(|(kind, _)| *kind);
        }
        // A kind the schema says something about is what it is for.
        let told: Vec<Kind> =
            of.kinds.iter().map(|(kind, _)| *kind).filter(|kind| is_told(of, *kind)).collect();
        if !told.is_empty() && self.draw.chance(80) {
            return self.draw.pick(&told).copied();
        }
        self.draw.pick(&of.kinds).map(|(kind, _)| *kind)
    }

    fn of_kind(&mut self, of: &'a Alternative, kind: Kind, depth: u32, want: &[Step]) -> Option<Value> {
        match kind {
            Kind::Null => Some(Value::Null),
            Kind::Boolean => Some(Value::Bool(self.draw.chance(50))),
            Kind::Integer => of.number.integer(self.draw),
            Kind::Fraction => of.number.fraction(self.draw),
            Kind::String => of.text.text(self.draw).map(Value::String),
            Kind::Array => self.list(&of.list, depth, want),
            Kind::Object => self.map(&of.map, depth, want),
        }
    }

    fn list(&mut self, list: &'a ListPlan, depth: u32, want: &[Step]) -> Option<Value> {
        let tight = depth == 0 || self.draw.room == 0;
        let matching: usize = list.contains.iter().map(|contains| contains.least).sum();
        let mut together = false;
        let mut least = list.least.max(matching);
        if list.most.is_some_and(|most| most < least) {
            together = true;
            least = list.least;
        }
        if let Some(Step::Index(index)) = want.first() {
            least = least.max(index + 1);
        }
        if least > 20_000 {
            return None;
        }
        let most = list.most.unwrap_or_else(|| least.max(list.prefix.len()) + 3).max(least);
        let count = if tight {
            least
        } else {
            match self.draw.below(8) {
                0 | 1 => least,
                2 | 3 if list.most.is_some() && most <= 64 => most,
                4 if list.prefix.len() >= least => list.prefix.len().min(most),
                _ => self.draw.within(least, most.min(least + 4)),
            }
        };
        let places = self.places(list, count, together);
        let mut items: Vec<Value> = Vec::with_capacity(count);
        for (index, plan) in places.into_iter().enumerate() {
            let inner = match want.split_first() {
                Some((Step::Index(wanted), inner)) if *wanted == index => inner,
                _ => &[],
            };
            let mut item = self.value(plan, depth.saturating_sub(1), inner)?;
            if list.unique {
                let mut attempts = 0;
                while items.iter().any(|other| same(other, &item)) {
                    attempts += 1;
                    if attempts > 24 {
                        break;
                    }
                    item = self.value(plan, depth.saturating_sub(1), inner)?;
                }
                if attempts > 24 {
                    if index >= least && index >= matching {
                        break;
                    }
                    return None;
                }
            }
            items.push(item);
        }
        if list.repeated && items.len() > 1 {
            let (from, to) = (self.draw.below(items.len()), self.draw.below(items.len()));
            let to = if from == to { (to + 1) % items.len() } else { to };
            items[to] = items[from].clone();
        }
        Some(Value::Array(items))
    }

    /// The plan of each item, with enough of them matching each `contains`.
    fn places(&mut self, list: &ListPlan, count: usize, together: bool) -> Vec<PlanId> {
        let class = |index: usize| index.min(list.prefix.len());
        let plain = |index: usize| list.prefix.get(index).copied().unwrap_or(list.rest);
        let able = |plan: PlanId| self.plans[plan].height.is_some();
        let mut places: Vec<PlanId> = (0..count)
            .map(|index| {
                list.filler
                    .get(class(index))
                    .copied()
                    .filter(|&plan| able(plan))
                    .unwrap_or_else(|| plain(index))
            })
            .collect();
        let mut free: Vec<usize> = (0..count).collect();
        self.draw.shuffle(&mut free);
        if together && !list.together.is_empty() {
            let needed = list.contains.iter().map(|contains| contains.least).max().unwrap_or(0);
            free.retain(|&index| self.plans[list.together[class(index)]].height.is_some());
            for &index in free.iter().take(needed) {
                places[index] = list.together[class(index)];
            }
            return places;
        }
        for contains in &list.contains {
            let top = contains.most.unwrap_or(contains.least + 2).max(contains.least);
            let wanted =
                if self.draw.chance(60) { contains.least } else { self.draw.within(contains.least, top) };
            let mut given = 0;
            free.retain(|&index| {
                let plan = contains.at[class(index)];
                if given < wanted && self.plans[plan].height.is_some() {
                    places[index] = plan;
                    given += 1;
                    return false;
                }
                true
            });
        }
        places
    }

    fn map(&mut self, map: &'a MapPlan, depth: u32, want: &[Step]) -> Option<Value> {
        let tight = depth == 0 || self.draw.room == 0;
        let wanted = match want.first() {
            Some(Step::Name(name)) => Some(name.as_str()),
            _ => None,
        };
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        // All optional members, none of them, or some: the first two are what implementations forget.
        let share = match self.draw.below(20) {
            _ if tight => 0,
            0..=2 => 0,
            3..=7 if map.members.len() <= 24 && depth + 2 >= DEPTH => 100,
            // Of dozens of optional members a few at a time: a value should stay readable.
            _ => (600 / map.members.len().max(1)).min(50),
        };
        for (index, member) in map.members.iter().enumerate() {
            let take = if member.declared { share } else { share / 3 };
            if member.required || wanted == Some(member.name.as_str()) || self.draw.chance(take) {
                chosen.insert(index);
            }
        }
        self.close(map, &mut chosen)?;
        self.fit(map, &mut chosen, wanted)?;
        let mut object = Map::new();
        for index in chosen {
            let member = &map.members[index];
            let inner = if wanted == Some(member.name.as_str()) { &want[1..] } else { &[] };
            let value = self.value(member.plan, depth.saturating_sub(1), inner)?;
            object.insert(member.name.clone(), value);
        }
        for &names in &map.bad_names {
            let Value::String(name) = (0..20).find_map(|_| match self.value(names, 1, &[]) {
                Some(Value::String(name)) => Some(Value::String(name)),
                _ => None,
            })?
            else {
                return None;
            };
            let value = self.value(map.extra, depth.saturating_sub(1), &[])?;
            object.insert(name, value);
        }
        let room = map.most.map_or(3, |most| most.saturating_sub(object.len())).min(3);
        let free = if tight || wanted.is_some() || self.plans[map.extra].height.is_none() {
            0
        } else if map.extra_invited && map.extra != ANYTHING || !map.told {
            // The schema says of what kind they are, or says nothing of objects at all.
            if self.draw.chance(40) { self.draw.within(0, room) } else { 0 }
        } else {
            0
        };
        let needed = map.least.saturating_sub(object.len());
        self.extras(map, needed, free.max(needed), depth, &mut object)?;
        Some(Value::Object(object))
    }

    /// Adds the members that chosen ones need.
    fn close(&mut self, map: &MapPlan, chosen: &mut BTreeSet<usize>) -> Option<()> {
        loop {
            let mut grown = false;
            for (name, needs) in &map.needs {
                if !chosen.iter().any(|&index| map.members[index].name == *name) {
                    continue;
                }
                for need in needs {
                    match map.members.iter().position(|member| member.name == *need) {
                        Some(index) => grown |= chosen.insert(index),
                        None => {
                            // What it needs cannot be had, so it cannot be there itself.
                            let own = map.members.iter().position(|member| member.name == *name)?;
                            if map.members[own].required {
                                return None;
                            }
                            chosen.remove(&own);
                        }
                    }
                }
            }
            if !grown {
                return Some(());
            }
        }
    }

    /// Adds or removes optional members until the bounds on their number are kept.
    fn fit(&mut self, map: &MapPlan, chosen: &mut BTreeSet<usize>, wanted: Option<&str>) -> Option<()> {
        let mut spare: Vec<usize> = (0..map.members.len()).filter(|index| !chosen.contains(index)).collect();
        self.draw.shuffle(&mut spare);
        while chosen.len() < map.least {
            let Some(index) = spare.pop() else { break };
            chosen.insert(index);
            self.close(map, chosen)?;
        }
        let Some(most) = map.most else { return Some(()) };
        let mut rounds = 0;
        while chosen.len() > most {
            rounds += 1;
            let optional: Vec<usize> = chosen
                .iter()
                .copied()
                .filter(|&i| !map.members[i].required && wanted != Some(map.members[i].name.as_str()))
                .collect();
            chosen.remove(self.draw.pick(&optional)?);
            if rounds > 200 {
                return None;
            }
            self.close(map, chosen)?;
        }
        Some(())
    }

    /// Adds members beyond the known ones: as many as are needed, and up to `most` if it is easy.
    fn extras(
        &mut self,
        map: &MapPlan,
        needed: usize,
        most: usize,
        depth: u32,
        object: &mut Map<String, Value>,
    ) -> Option<()> {
        if needed > 20_000 {
            return None;
        }
        let start = object.len();
        let mut attempts = most * 4 + if needed > 0 { 200 } else { 4 };
        while object.len() < start + most && attempts > 0 {
            attempts -= 1;
            let name = match map.names {
                None => super::text::name(self.draw),
                Some(names) => match self.value(names, 1, &[]) {
                    Some(Value::String(name)) => name,
                    _ => continue,
                },
            };
            if map.taken.contains(&name)
                || object.contains_key(&name)
                || map.avoid.iter().any(|m| m.is_match(&name))
            {
                continue;
            }
            let value = self.value(map.extra, depth.saturating_sub(1).min(1), &[])?;
            object.insert(name, value);
        }
        (object.len() >= start + needed).then_some(())
    }
}

/// Whether the alternative has a place for the step.
fn leads(alternative: &Alternative, step: &Step) -> bool {
    let has = |kind: Kind| alternative.kinds.iter().any(|(own, _)| *own == kind);
    if alternative.values.is_some() {
        return false;
    }
    match step {
        Step::Name(name) => has(Kind::Object) && alternative.map.members.iter().any(|m| m.name == *name),
        Step::Index(index) => has(Kind::Array) && alternative.list.most.is_none_or(|most| *index < most),
    }
}

fn is_told(of: &Alternative, kind: Kind) -> bool {
    match kind {
        Kind::Null | Kind::Boolean => false,
        Kind::Integer | Kind::Fraction => !of.number.is_free(),
        Kind::String => !of.text_rules.is_free(),
        Kind::Array => of.list.told,
        Kind::Object => of.map.told,
    }
}
