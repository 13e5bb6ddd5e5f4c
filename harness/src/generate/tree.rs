//! The value trees: a base that keeps the schema, with at most one place changed.
//!
//! Shrinking takes the steps of [`super::shrink`] on the base and on the changed place, and offers only what
//! is still of its mode: the base still valid, the whole still valid or still invalid in the same way.

use super::Engine;
use super::shrink::{Edit, edits, find, remove};
use super::valid::Step;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};
use std::sync::Arc;

/// Candidates weighed by one tree at most; a bound on the work of shrinking beside the runner's own.
const CANDIDATES: u32 = 40_000;

/// How one place differs from the base.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Patch {
    /// Not at all.
    Nothing,
    /// Something else stands there, or something more.
    Set(Value),
    /// The member or item is missing.
    Drop,
    /// What stands there, put into another form.
    Derive(Derive),
}

/// Forms made from the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Derive {
    /// `v` as `{"value": v}`.
    InObject,
    /// `v` as `[v]`.
    InArray,
    /// A member `n: v` as `n: {n: v}`.
    UnderItsName,
    /// The members of an object as a list.
    MembersAsItems,
    /// The items of a list as an object.
    ItemsAsMembers,
    /// A number, truth value or null as its text.
    AsText,
}

/// Decides whether a changed place is still changed in the same way.
pub(super) type Witness = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// What every form of the value keeps.
#[derive(Clone)]
pub(super) enum Keep {
    /// The base is valid and nothing is changed.
    Valid,
    /// The base itself is invalid, in whatever way.
    Invalid,
    /// The base is valid, and with the change the whole is as told.
    Changed { valid: bool, witness: Witness },
}

/// A value that shrinks within its mode.
pub(super) struct Tree {
    engine: Arc<Engine>,
    at: Arc<[Step]>,
    keep: Keep,
    now: (Value, Patch),
    before: Option<(Value, Patch)>,
    steps: Vec<(bool, Edit)>,
    next: usize,
    progress: bool,
    left: u32,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Tree {
    /// The tree, unless the value is not of the mode.
    pub(super) fn new(
        engine: Arc<Engine>,
        at: Arc<[Step]>,
        keep: Keep,
        base: Value,
        patch: Patch,
    ) -> Option<Self> {
        let tree = Self {
            engine,
            at,
            keep,
            now: (base, patch),
            before: None,
            steps: Vec::new(),
            next: 0,
            progress: false,
            left: CANDIDATES,
        };
        tree.is_kept(&tree.now).then_some(tree)
    }

    fn is_kept(&self, (base, patch): &(Value, Patch)) -> bool {
        match &self.keep {
            Keep::Valid => self.engine.accepts(base),
            Keep::Invalid => !self.engine.accepts(base),
            Keep::Changed { valid, witness } => {
                if let Patch::Set(value) = patch
                    && !witness(value)
                {
                    return false;
                }
                self.engine.accepts(base)
                    && changed(base, &self.at, patch)
                        .is_some_and(|whole| self.engine.accepts(&whole) == *valid)
            }
        }
    }

    fn list_steps(&mut self) {
        let (base, patch) = &self.now;
        self.steps = edits(base).into_iter().map(|edit| (true, edit)).collect();
        if let Patch::Set(value) = patch {
            self.steps.extend(edits(value).into_iter().map(|edit| (false, edit)));
        }
    }

    /// Moves to the next candidate of the mode.
    fn advance(&mut self) -> bool {
        loop {
            if self.next >= self.steps.len() {
                if !self.progress && !self.steps.is_empty() {
                    return false;
                }
                self.progress = false;
                self.next = 0;
                self.list_steps();
                if self.steps.is_empty() {
                    return false;
                }
            }
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            let (of_base, edit) = &self.steps[self.next];
            self.next += 1;
            let (base, patch) = &self.now;
            let candidate = if *of_base {
                edit.apply(base).map(|base| (base, patch.clone()))
            } else if let Patch::Set(value) = patch {
                edit.apply(value).map(|value| (base.clone(), Patch::Set(value)))
            } else {
                None
            };
            if let Some(candidate) = candidate.filter(|candidate| self.is_kept(candidate)) {
                self.before = Some(std::mem::replace(&mut self.now, candidate));
                return true;
            }
        }
    }
}

impl ValueTree for Tree {
    type Value = Value;

    fn current(&self) -> Value {
        let (base, patch) = &self.now;
        changed(base, &self.at, patch).unwrap_or_else(|| base.clone())
    }

    fn simplify(&mut self) -> bool {
        if self.before.take().is_some() {
            // The last candidate is the new start. The steps before it failed a moment ago: go on from
            // here, and come back to them when the list is through.
            self.progress = true;
            self.list_steps();
        }
        self.advance()
    }

    fn complicate(&mut self) -> bool {
        match self.before.take() {
            Some(before) => {
                self.now = before;
                self.advance()
            }
            None => false,
        }
    }
}

/// The base with the change; none if it has no such place.
pub(super) fn changed(base: &Value, at: &[Step], patch: &Patch) -> Option<Value> {
    let mut whole = base.clone();
    match patch {
        Patch::Nothing => {}
        Patch::Drop => remove(&mut whole, at)?,
        Patch::Set(value) => match at.split_last() {
            None => whole = value.clone(),
            Some((last, way)) => match (last, find(&mut whole, way)?) {
                (Step::Name(name), Value::Object(map)) => {
                    map.insert(name.clone(), value.clone());
                }
                (Step::Index(index), Value::Array(items)) => *items.get_mut(*index)? = value.clone(),
                _ => return None,
            },
        },
        Patch::Derive(derive) => {
            let name = match at.last() {
                Some(Step::Name(name)) => name.as_str(),
                _ => "value",
            };
            let place = find(&mut whole, at)?;
            *place = derived(*derive, place, name)?;
        }
    }
    Some(whole)
}

fn derived(derive: Derive, value: &Value, name: &str) -> Option<Value> {
    Some(match (derive, value) {
        (Derive::InObject, _) => json!({ "value": value }),
        (Derive::InArray, _) => json!([value]),
        (Derive::UnderItsName, _) => Value::Object([(name.to_owned(), value.clone())].into_iter().collect()),
        (Derive::MembersAsItems, Value::Object(map)) => map.values().cloned().collect(),
        (Derive::ItemsAsMembers, Value::Array(items)) => {
            Value::Object(items.iter().enumerate().map(|(i, item)| (i.to_string(), item.clone())).collect())
        }
        (Derive::AsText, Value::Number(_) | Value::Bool(_) | Value::Null) => Value::String(value.to_string()),
        _ => return None,
    })
}

/// The place as a JSON pointer (RFC 6901).
pub(super) fn pointer(at: &[Step]) -> String {
    at.iter().fold(String::new(), |mut text, step| {
        text.push('/');
        match step {
            Step::Name(name) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => text.push_str(&index.to_string()),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_touch_one_place() {
        let base = json!({ "a": { "b": [1, 2] }, "c": true });
        let at = [Step::Name("a".into()), Step::Name("b".into()), Step::Index(1)];
        assert_eq!(
            changed(&base, &at, &Patch::Set(json!("x"))),
            Some(json!({ "a": { "b": [1, "x"] }, "c": true }))
        );
        assert_eq!(changed(&base, &at, &Patch::Drop), Some(json!({ "a": { "b": [1] }, "c": true })));
        assert_eq!(
            changed(&base, &at[..2], &Patch::Derive(Derive::ItemsAsMembers)),
            Some(json!({ "a": { "b": { "0": 1, "1": 2 } }, "c": true }))
        );
        assert_eq!(
            changed(&base, &[Step::Name("c".into())], &Patch::Derive(Derive::UnderItsName)),
            Some(json!({ "a": { "b": [1, 2] }, "c": { "c": true } }))
        );
        assert_eq!(changed(&base, &[Step::Name("z".into())], &Patch::Drop), None);
        assert_eq!(changed(&base, &[Step::Name("c".into())], &Patch::Derive(Derive::MembersAsItems)), None);
        assert_eq!(pointer(&at), "/a/b/1");
        assert_eq!(pointer(&[Step::Name("a/b~".into())]), "/a~1b~0");
    }
}
