//! The least heights of plans, and what is left of them when the impossible is gone.

use super::node::Kind;
use super::plan::{Alternative, Plan, PlanId};

/// Finds the least height of every plan, by rounds until nothing changes, and removes what has none.
pub(super) fn measure(plans: &mut [Plan]) {
    loop {
        let heights: Vec<Option<u32>> = plans.iter().map(|plan| plan.height).collect();
        let mut changed = false;
        for plan in plans.iter_mut() {
            for alternative in &mut plan.alternatives {
                alternative.kinds = alternative
                    .allowed
                    .iter()
                    .filter_map(|&kind| Some((kind, alternative.height_of(kind, &heights)?)))
                    .collect();
            }
            let least = plan.alternatives.iter().filter_map(Alternative::height).min();
            changed |= least != plan.height;
            plan.height = least;
        }
        if !changed {
            break;
        }
    }
    let empty: Vec<bool> = plans.iter().map(|plan| plan.height.is_none()).collect();
    for plan in plans.iter_mut() {
        plan.alternatives.retain(|alternative| !alternative.kinds.is_empty());
        for alternative in &mut plan.alternatives {
            alternative.map.members.retain(|member| !empty[member.plan]);
            let list = &mut alternative.list;
            let end = list.prefix.iter().position(|&item| empty[item]);
            if let Some(end) = end.or_else(|| empty[list.rest].then_some(list.prefix.len())) {
                list.most = Some(list.most.map_or(end, |most| most.min(end)));
            }
        }
    }
}

impl Alternative {
    /// The least height of its values.
    pub(super) fn height(&self) -> Option<u32> {
        self.kinds.iter().map(|(_, height)| *height).min()
    }

    fn height_of(&self, kind: Kind, heights: &[Option<u32>]) -> Option<u32> {
        let longest = |plans: &mut dyn Iterator<Item = PlanId>| -> Option<u32> {
            let mut top = 0;
            for plan in plans {
                top = top.max(heights[plan]? + 1);
            }
            Some(top)
        };
        if self.values.is_some() {
            return Some(0);
        }
        match kind {
            Kind::Array => {
                let list = &self.list;
                let first = list.prefix.iter().take(list.least).copied();
                let more = (list.least > list.prefix.len()).then_some(list.rest);
                let own = longest(&mut first.chain(more))?;
                let matching =
                    list.contains.iter().filter(|c| c.least > 0).try_fold(0, |top: u32, contains| {
                        let least = contains.at.iter().filter_map(|&plan| heights[plan]).min()?;
                        Some(top.max(least + 1))
                    })?;
                Some(own.max(matching))
            }
            Kind::Object => {
                let map = &self.map;
                let own = longest(&mut map.members.iter().filter(|m| m.required).map(|m| m.plan))?;
                let able = map.members.iter().filter(|m| heights[m.plan].is_some()).count();
                if map.least > able || !map.bad_names.is_empty() {
                    let extra = heights[map.extra]?;
                    return Some(own.max(extra + 1));
                }
                let required = map.members.iter().filter(|m| m.required).count();
                Some(if map.least > required { own.max(1) } else { own })
            }
            Kind::String if self.text.is_empty() => None,
            _ => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Generator, Reason};
    use serde_json::json;

    #[test]
    fn what_can_only_be_endless_has_no_value() {
        let endless =
            json!({ "type": "object", "required": ["next"], "properties": { "next": { "$ref": "#" } } });
        assert_eq!(Generator::new(&endless).map(drop).map_err(|why| why.reason), Err(Reason::Unsatisfiable));
        let ending = json!({ "type": "object", "required": ["next"],
            "properties": { "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } } });
        assert!(Generator::new(&ending).is_ok());
    }
}
