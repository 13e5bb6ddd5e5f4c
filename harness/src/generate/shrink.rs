//! Simpler forms of a value, one small step each, the boldest first.
//!
//! Every step makes a value smaller in a fixed order (fewer parts, then shorter texts, then plainer
//! characters and smaller numbers), so a chain of steps ends.

use super::valid::Step;
use serde_json::{Number, Value};

/// Steps proposed for one text or number at most.
const PER_LEAF: usize = 24;

/// One step: what stands at a place becomes something simpler, or goes.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    at: Vec<Step>,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Remove,
    Become(Value),
}

/// All steps from here.
pub(super) fn edits(value: &Value) -> Vec<Edit> {
    let mut all = Vec::new();
    removals(value, &mut Vec::new(), &mut all);
    simplifications(value, &mut Vec::new(), &mut all);
    all
}

impl Edit {
    /// The value after the step; none if its place is gone.
    pub(super) fn apply(&self, value: &Value) -> Option<Value> {
        let mut value = value.clone();
        match &self.change {
            Change::Remove => remove(&mut value, &self.at)?,
            Change::Become(simpler) => *find(&mut value, &self.at)? = simpler.clone(),
        }
        Some(value)
    }
}

/// The place in the value.
pub(super) fn find<'v>(value: &'v mut Value, at: &[Step]) -> Option<&'v mut Value> {
    at.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Name(name), Value::Object(map)) => map.get_mut(name),
        (Step::Index(index), Value::Array(items)) => items.get_mut(*index),
        _ => None,
    })
}

/// Takes the member or item out.
pub(super) fn remove(value: &mut Value, at: &[Step]) -> Option<()> {
    let (last, way) = at.split_last()?;
    match (last, find(value, way)?) {
        (Step::Name(name), Value::Object(map)) => map.remove(name).map(drop),
        (Step::Index(index), Value::Array(items)) if *index < items.len() => {
            items.remove(*index);
            Some(())
        }
        _ => None,
    }
}

fn removals(value: &Value, way: &mut Vec<Step>, all: &mut Vec<Edit>) {
    match value {
        Value::Object(map) => {
            if map.len() > 1 {
                all.push(Edit {
                    at: way.clone(),
                    change: Change::Become(Value::Object(serde_json::Map::new())),
                });
            }
            for (name, member) in map {
                way.push(Step::Name(name.clone()));
                all.push(Edit { at: way.clone(), change: Change::Remove });
                removals(member, way, all);
                way.pop();
            }
        }
        Value::Array(items) => {
            if items.len() > 1 {
                all.push(Edit { at: way.clone(), change: Change::Become(Value::Array(Vec::new())) });
                let (front, back) = items.split_at(items.len() / 2);
                for half in [front, back] {
                    all.push(Edit { at: way.clone(), change: Change::Become(Value::Array(half.to_vec())) });
                }
            }
            for (index, item) in items.iter().enumerate().rev().take(64) {
                way.push(Step::Index(index));
                all.push(Edit { at: way.clone(), change: Change::Remove });
                removals(item, way, all);
                way.pop();
            }
        }
        _ => {}
    }
}

fn simplifications(value: &Value, way: &mut Vec<Step>, all: &mut Vec<Edit>) {
    let forms = match value {
        Value::Null => Vec::new(),
        Value::Bool(true) => vec![Value::Bool(false)],
        Value::Bool(false) => Vec::new(),
        Value::Number(number) => numbers(number),
        Value::String(text) => texts(text).into_iter().map(Value::String).collect(),
        Value::Array(_) | Value::Object(_) => vec![Value::Null],
    };
    all.extend(forms.into_iter().map(|form| Edit { at: way.clone(), change: Change::Become(form) }));
    match value {
        Value::Object(map) => {
            for (name, member) in map {
                way.push(Step::Name(name.clone()));
                simplifications(member, way, all);
                way.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(64) {
                way.push(Step::Index(index));
                simplifications(item, way, all);
                way.pop();
            }
        }
        _ => {}
    }
}

fn texts(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let length = chars.len();
    let mut forms: Vec<String> = Vec::new();
    if length == 0 {
        return forms;
    }
    let mut cut = length;
    while cut > 0 && forms.len() < PER_LEAF {
        // Half of the text, a quarter and so on, from the end and from the start.
        forms.push(chars[..length - cut].iter().collect());
        if cut < length {
            forms.push(chars[cut..].iter().collect());
        }
        cut /= 2;
    }
    for index in (0..length).rev().take(PER_LEAF) {
        forms.push(chars[..index].iter().chain(&chars[index + 1..]).collect());
    }
    if chars.iter().any(|c| *c != 'a') {
        forms.push("a".repeat(length));
        for index in (0..length).filter(|&index| chars[index] != 'a').take(PER_LEAF) {
            let mut form = chars.clone();
            form[index] = 'a';
            forms.push(form.into_iter().collect());
        }
    }
    let plain: Vec<char> = chars.iter().map(|c| plainer(*c)).collect();
    if plain != chars {
        forms.push(plain.iter().collect());
        for (index, c) in chars.iter().enumerate().filter(|(i, c)| plain[*i] != **c).take(PER_LEAF) {
            let mut form = chars.clone();
            form[index] = plainer(*c);
            forms.push(form.into_iter().collect());
        }
    }
    forms
}

/// The plainest character of the same sort.
fn plainer(c: char) -> char {
    match c {
        '0'..='9' => '0',
        'A'..='Z' => 'A',
        _ if c.is_ascii_punctuation() => c,
        _ => 'a',
    }
}

fn numbers(number: &Number) -> Vec<Value> {
    let whole = super::number::whole(number);
    let mut forms: Vec<Value> = Vec::new();
    if let Some(whole) = whole {
        if whole == 0 && !number.is_f64() {
            return forms;
        }
        forms.push(Value::from(0));
        if number.is_f64() {
            forms.push(super::number::from_whole(whole));
        }
        if whole < 0 {
            forms.push(super::number::from_whole(-whole));
        }
        // Towards nought by half the way, a quarter and so on down to one.
        let mut off = whole / 2;
        while off != 0 && forms.len() < 80 {
            forms.push(super::number::from_whole(whole - off));
            off /= 2;
        }
        if whole.abs() > 1 {
            forms.push(super::number::from_whole(whole - whole.signum()));
        }
        return forms;
    }
    let Some(float) = number.as_f64() else { return forms };
    forms.push(Value::from(0));
    if float < 0.0 {
        forms.push(Value::from(-float));
    }
    if float.abs() < 1e15 {
        forms.push(super::number::from_whole(float.trunc() as i128));
        for digits in [1, 2, 3] {
            let scale = 10_f64.powi(digits);
            let rounded = (float * scale).trunc() / scale;
            if rounded != float && rounded.fract() != 0.0 {
                forms.push(Value::from(rounded));
            }
        }
        let halved = float.trunc() / 2.0;
        if halved.trunc() != float.trunc() {
            forms.push(Value::from(halved.trunc() + float.fract()));
        }
    } else {
        forms.push(Value::from(float / 2.0));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Takes the first step that keeps the condition until there is none.
    fn shrink(mut value: Value, keep: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..10_000 {
            let Some(next) = edits(&value).iter().filter_map(|edit| edit.apply(&value)).find(|v| keep(v))
            else {
                return value;
            };
            value = next;
        }
        panic!("does not end: {value}");
    }

    #[test]
    fn steps_lead_to_the_smallest() {
        let large =
            json!({ "a": "héllo World 42!", "b": [1, 2, { "c": -99.5 }], "d": true, "e": { "f": {} } });
        assert_eq!(shrink(large.clone(), |_| true), Value::Null);
        assert_eq!(shrink(large.clone(), |v| v["b"][0].is_number()), json!({ "b": [0] }));
        assert_eq!(
            shrink(large, |v| v["a"].as_str().is_some_and(|t| t.chars().count() > 3)),
            json!({ "a": "aaaa" })
        );
    }

    #[test]
    fn numbers_stop_at_their_bound() {
        assert_eq!(shrink(json!(999_999), |v| v.as_i64().is_some_and(|n| n > 4096)), json!(4097));
        assert_eq!(shrink(json!(-999_999), |v| v.as_i64().is_some_and(|n| n < -7)), json!(-8));
        assert_eq!(
            shrink(json!(u64::MAX), |v| v.as_u64().is_some_and(|n| n > 1 << 53)),
            json!((1_u64 << 53) + 1)
        );
        assert_eq!(shrink(json!(12.345_678), |v| v.as_f64().is_some_and(|n| n.fract() != 0.0)), json!(0.1));
        assert_eq!(shrink(json!(1e300), |v| v.is_number()), json!(0));
    }
}
