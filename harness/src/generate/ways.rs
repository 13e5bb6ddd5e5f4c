//! What may be done wrong at one place, each way with its name.
//!
//! A way need not always succeed: whether the result is invalid is for the validator to say.

use super::draw::Draw;
use super::node::{Kind, same};
use super::number::{Bound, NumberRules, from_whole, whole};
use super::pattern::Pattern;
use super::plan::Alternative;
use super::sites::Site;
use super::text::{self, TextRules};
use super::tree::{Derive, Patch, Witness};
use super::valid::Step;
use super::{Engine, format};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Makes the change from what stands at the place.
pub(super) type Make = Arc<dyn Fn(&mut Draw, &Value) -> Option<Patch> + Send + Sync>;

/// One way to change what stands at a place.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) make: Make,
    pub(super) witness: Witness,
}

/// Everything that may be done wrong at a place.
pub(super) fn ways(engine: &Engine, site: &Site) -> Vec<(Vec<Step>, Way)> {
    let kinds = site.kinds(&engine.plans);
    let mut here: Vec<Way> = wrong_kinds(&kinds);
    let mut elsewhere: Vec<(Vec<Step>, Way)> = Vec::new();
    here.extend(other_forms(&kinds, site.at.last()));
    if let Some(Step::Name(_)) = site.at.last() {
        let name = if site.required { "drop-required" } else { "drop-needed" };
        here.push(way(name, |_, _| Some(Patch::Drop), |_| true));
    }
    for alternative in site.alternatives(&engine.plans) {
        let has = |kind: Kind| alternative.kinds.iter().any(|(own, _)| *own == kind);
        here.extend(wrong_values(alternative));
        if alternative.values.is_some() {
            continue;
        }
        if has(Kind::String) {
            here.extend(wrong_texts(&alternative.text_rules));
        }
        if has(Kind::Integer) || has(Kind::Fraction) {
            here.extend(wrong_numbers(&alternative.number, has(Kind::Integer), has(Kind::Fraction)));
        }
        if has(Kind::Array) {
            here.extend(wrong_lists(alternative));
        }
        if has(Kind::Object) {
            here.extend(wrong_sizes(alternative));
            elsewhere.extend(unwanted_members(alternative, &site.at));
        }
    }
    here.into_iter().map(|way| (site.at.clone(), way)).chain(elsewhere).collect()
}

fn way(
    name: &'static str,
    make: impl Fn(&mut Draw, &Value) -> Option<Patch> + Send + Sync + 'static,
    witness: impl Fn(&Value) -> bool + Send + Sync + 'static,
) -> Way {
    Way { name, make: Arc::new(make), witness: Arc::new(witness) }
}

/// A way that puts one of some values there.
fn one_of(
    name: &'static str,
    values: Vec<Value>,
    witness: impl Fn(&Value) -> bool + Send + Sync + 'static,
) -> Way {
    way(name, move |draw, _| draw.pick(&values).cloned().map(Patch::Set), witness)
}

fn wrong_kinds(allowed: &BTreeSet<Kind>) -> Vec<Way> {
    let lacks = |kinds: &[Kind]| kinds.iter().all(|kind| !allowed.contains(kind));
    let mut all = Vec::new();
    if lacks(&[Kind::Null]) {
        all.push(one_of("null", vec![Value::Null], Value::is_null));
    }
    if lacks(&[Kind::Boolean]) {
        all.push(one_of("wrong-type-boolean", vec![json!(true), json!(false)], Value::is_boolean));
    }
    if lacks(&[Kind::Integer, Kind::Fraction]) {
        let numbers =
            vec![json!(0), json!(1), json!(-1), json!(42), json!(1.5), json!(1_735_689_600_000_i64)];
        all.push(one_of("wrong-type-number", numbers, Value::is_number));
    }
    if lacks(&[Kind::String]) {
        let texts = ["", "a", "0", "null", "true", "[]", "{}", "undefined"];
        all.push(one_of("wrong-type-string", texts.iter().map(|t| json!(t)).collect(), Value::is_string));
    }
    if lacks(&[Kind::Array]) {
        let lists = vec![json!([]), json!([null]), json!(["a", 1]), json!([{}])];
        all.push(one_of("wrong-type-array", lists, Value::is_array));
    }
    if lacks(&[Kind::Object]) {
        // `$ne` and `$gt` are operators where a body goes into a document store as it is.
        let objects = vec![json!({}), json!({ "a": 1 }), json!({ "$ne": null }), json!({ "$gt": "" })];
        all.push(one_of("wrong-type-object", objects, Value::is_object));
    }
    all
}

fn other_forms(allowed: &BTreeSet<Kind>, last: Option<&Step>) -> Vec<Way> {
    let derive = |name, derive| way(name, move |_, _| Some(Patch::Derive(derive)), |_| true);
    let has = |kind: Kind| allowed.contains(&kind);
    let mut all = vec![derive("in-array", Derive::InArray)];
    let nested = if matches!(last, Some(Step::Name(_))) { Derive::UnderItsName } else { Derive::InObject };
    all.push(derive("extra-nesting", nested));
    if has(Kind::Object) && !has(Kind::Array) {
        all.push(derive("array-for-object", Derive::MembersAsItems));
    }
    if has(Kind::Array) && !has(Kind::Object) {
        all.push(derive("object-for-array", Derive::ItemsAsMembers));
    }
    if !has(Kind::String) {
        let textual = |name, of: fn(&Value) -> bool| {
            way(name, move |_, value| of(value).then_some(Patch::Derive(Derive::AsText)), |_| true)
        };
        if has(Kind::Integer) || has(Kind::Fraction) {
            all.push(textual("number-as-string", Value::is_number));
        }
        if has(Kind::Boolean) {
            all.push(textual("boolean-as-string", Value::is_boolean));
        }
    }
    if has(Kind::Integer) && !has(Kind::Fraction) {
        let half = |_: &mut Draw, value: &Value| {
            let near = value.as_f64().filter(|n| n.abs() < 1e12)?;
            Some(Patch::Set(json!(near + 0.5)))
        };
        all.push(way("float-for-integer", half, |value| Kind::of(value) == Kind::Fraction));
    }
    all
}

fn wrong_values(of: &Alternative) -> Vec<Way> {
    let mut all = Vec::new();
    if !of.excluded.is_empty() {
        let excluded = of.excluded.clone();
        all.push(one_of("forbidden-value", excluded.clone(), move |v| excluded.iter().any(|e| same(e, v))));
    }
    let Some(values) = of.values.clone() else { return all };
    let kinds: BTreeSet<Kind> = values.iter().map(Kind::of).collect();
    let known = values.clone();
    let neighbour = move |draw: &mut Draw, _: &Value| {
        Some(Patch::Set(match draw.pick(&known)? {
            Value::String(text) => match draw.below(4) {
                0 => json!(format!("{text}x")),
                1 => json!(text.chars().skip(1).collect::<String>()),
                2 => json!(format!("no-{text}")),
                _ => json!("unknown"),
            },
            Value::Number(number) => {
                let by = [-1, 1, 100, -1000][draw.below(4)];
                whole(number).map_or_else(
                    || json!(number.as_f64().unwrap_or(0.0) + f64::from(by)),
                    |n| from_whole(n + i128::from(by)),
                )
            }
            Value::Bool(yes) => json!(!yes),
            Value::Array(items) => items.iter().cloned().chain([Value::Null]).collect(),
            Value::Object(map) => {
                let mut map = map.clone();
                map.insert("x".to_owned(), Value::Null);
                Value::Object(map)
            }
            Value::Null => return None,
        }))
    };
    let listed = values.clone();
    all.push(way("not-in-enum", neighbour, move |value| {
        kinds.contains(&Kind::of(value)) && !listed.iter().any(|v| same(v, value))
    }));
    let texts: Vec<String> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let flipped: Vec<Value> = texts
        .iter()
        .flat_map(|text| [text.to_uppercase(), text.to_lowercase()])
        .filter(|text| !texts.contains(text))
        .map(Value::String)
        .collect();
    if !flipped.is_empty() {
        let exact = texts.clone();
        all.push(one_of("enum-wrong-case", flipped, move |value| {
            let text = value.as_str().unwrap_or_default();
            !exact.iter().any(|t| t == text) && exact.iter().any(|t| t.to_lowercase() == text.to_lowercase())
        }));
    }
    if !texts.is_empty() {
        let padded: Vec<Value> = texts
            .iter()
            .flat_map(|t| [format!(" {t}"), format!("{t} "), format!("{t}\n")])
            .map(Value::String)
            .collect();
        let exact = texts;
        all.push(one_of("enum-with-blank", padded, move |value| {
            let text = value.as_str().unwrap_or_default();
            !exact.iter().any(|t| t == text) && exact.iter().any(|t| t == text.trim())
        }));
    }
    all
}

fn characters(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn wrong_texts(rules: &TextRules) -> Vec<Way> {
    let (least, most) = (rules.least, rules.most);
    let mut all = vec![one_of("empty-string", vec![json!("")], |value| value == "")];
    if least > 1 {
        let cut = move |draw: &mut Draw, value: &Value| {
            let kept = draw.within(1, usize::try_from(least).unwrap_or(usize::MAX) - 1);
            let kept = if draw.chance(60) { usize::try_from(least).ok()? - 1 } else { kept };
            Some(Patch::Set(value.as_str()?.chars().take(kept).collect::<String>().into()))
        };
        all.push(way("too-short", cut, move |value| characters(value).is_some_and(|n| n > 0 && n < least)));
    }
    if let Some(most) = most.filter(|most| *most < 2_000_000) {
        let grow = move |draw: &mut Draw, value: &Value| {
            let text = value.as_str()?;
            let top = usize::try_from(most).ok()?;
            let wanted = match draw.below(4) {
                0 | 1 => top + 1,
                2 => draw.within(top + 1, top + 64),
                _ => top * 2 + 1,
            };
            let source = if text.is_empty() { "a" } else { text };
            Some(Patch::Set(source.chars().cycle().take(wanted).collect::<String>().into()))
        };
        all.push(way("too-long", grow, move |value| characters(value).is_some_and(|n| n > most)));
    }
    let fits = move |value: &Value| {
        characters(value).is_some_and(|n| n >= least && most.is_none_or(|most| n <= most))
    };
    if !rules.patterns.is_empty() {
        let matching: Vec<Value> = rules.patterns.iter().map(|source| json!({ "pattern": source })).collect();
        if let Some(check) = text::validator(&json!({ "allOf": matching })) {
            all.push(way(
                "bad-pattern",
                |draw, value| disturbed(draw, value.as_str()?),
                move |value| fits(value) && !check.is_valid(value),
            ));
        }
    }
    for name in rules.formats.iter().filter(|name| format::is_known(name)) {
        if let Some(check) = text::validator(&json!({ "format": name })) {
            let name = name.clone();
            let miss = move |draw: &mut Draw, value: &Value| {
                if draw.chance(75) {
                    format::near_miss(&name, draw).map(|text| Patch::Set(text.into()))
                } else {
                    disturbed(draw, value.as_str()?)
                }
            };
            all.push(way("bad-format", miss, move |value| fits(value) && !check.is_valid(value)));
        }
    }
    for source in &rules.not_patterns {
        if let (Ok(pattern), Some(check)) =
            (Pattern::new(source), text::validator(&json!({ "pattern": source })))
        {
            let low = usize::try_from(least).unwrap_or(0);
            let high = most.and_then(|most| usize::try_from(most).ok());
            let make = move |draw: &mut Draw, _: &Value| {
                pattern.text(draw, low, high).map(|text| Patch::Set(text.into()))
            };
            all.push(way("forbidden-pattern", make, move |value| fits(value) && check.is_valid(value)));
        }
    }
    all
}

/// The text with one small disturbance.
fn disturbed(draw: &mut Draw, text: &str) -> Option<Patch> {
    const ODD: &[char] = &[' ', '!', '\n', 'é', '"', '%', '_', '-', 'G', 'z', '.', '\0', '０', '/', '+', '='];
    let mut chars: Vec<char> = text.chars().collect();
    let odd = *draw.pick(ODD)?;
    match draw.below(8) {
        0 | 1 if !chars.is_empty() => {
            let index = draw.below(chars.len());
            chars[index] = odd;
        }
        2 if !chars.is_empty() => {
            chars.remove(draw.below(chars.len()));
        }
        3 => chars.insert(0, odd),
        4 => chars.push(odd),
        5 => chars.push('\n'),
        6 => chars = chars.iter().map(|_| odd).collect(),
        _ => chars.insert(draw.below(chars.len() + 1), odd),
    }
    Some(Patch::Set(chars.into_iter().collect::<String>().into()))
}

fn wrong_numbers(rules: &NumberRules, integers: bool, fractions: bool) -> Vec<Way> {
    let mut all = Vec::new();
    let of_kind = move |value: &Value| match Kind::of(value) {
        Kind::Integer => integers || fractions,
        Kind::Fraction => fractions,
        _ => false,
    };
    if let Some(low) = rules.low {
        let make = move |draw: &mut Draw, _: &Value| Some(Patch::Set(beyond(draw, low, -1)));
        all.push(way("below-minimum", make, move |value| {
            of_kind(value) && value.as_f64().is_some_and(|n| n < low.at || (n == low.at && low.open))
        }));
    }
    if let Some(high) = rules.high {
        let make = move |draw: &mut Draw, _: &Value| Some(Patch::Set(beyond(draw, high, 1)));
        all.push(way("above-maximum", make, move |value| {
            of_kind(value) && value.as_f64().is_some_and(|n| n > high.at || (n == high.at && high.open))
        }));
    }
    let huge = vec![
        json!(1e30),
        json!(u64::MAX),
        json!(18_446_744_073_709_551_616.0),
        json!(-1e30),
        json!(1e300),
        json!(i64::MIN),
    ];
    all.push(one_of("huge-integer", huge, |value| value.as_f64().is_some_and(|n| n.abs() >= 9.2e18)));
    if !rules.multiples.is_empty() {
        let off =
            NumberRules { multiples: Vec::new(), not_multiples: rules.multiples.clone(), ..rules.clone() };
        let by: Vec<Value> = rules.multiples.iter().map(|by| json!({ "multipleOf": by })).collect();
        if let Some(check) = text::validator(&json!({ "allOf": by })) {
            let make = move |draw: &mut Draw, _: &Value| {
                let drawn = if fractions && draw.chance(50) { off.fraction(draw) } else { off.integer(draw) };
                drawn.map(Patch::Set)
            };
            all.push(way("not-multiple", make, move |value| of_kind(value) && !check.is_valid(value)));
        }
    }
    all
}

/// A number on the far side of a bound: just beyond it, or far away.
fn beyond(draw: &mut Draw, bound: Bound, sign: i128) -> Value {
    let step = match draw.below(5) {
        0 | 1 => 1,
        2 => draw.whole(1, 100),
        3 => draw.whole(1, 1 << 40),
        _ => i128::from(!bound.open),
    };
    match bound.whole {
        Some(exact) => from_whole(exact + sign * step),
        None => json!(bound.at.trunc() + (sign * step.max(1)) as f64),
    }
}

fn wrong_lists(of: &Alternative) -> Vec<Way> {
    let list = &of.list;
    let (least, most) = (list.least, list.most);
    let mut all =
        vec![one_of("empty-array", vec![json!([])], |value| value.as_array().is_some_and(Vec::is_empty))];
    let length = |value: &Value| value.as_array().map(Vec::len);
    if least > 1 {
        let make = move |draw: &mut Draw, value: &Value| {
            let kept = draw.within(1, least - 1);
            Some(Patch::Set(value.as_array()?.iter().take(kept).cloned().collect()))
        };
        all.push(way("too-few-items", make, move |value| length(value).is_some_and(|n| n > 0 && n < least)));
    }
    if let Some(most) = most.filter(|most| *most < 20_000) {
        let make = move |draw: &mut Draw, value: &Value| {
            let mut items = value.as_array()?.clone();
            let wanted = most + draw.within(1, 3);
            while items.len() < wanted {
                // Texts of their own, so that a list of unique items is only too long.
                let own = json!(format!("item {}", items.len()));
                items.push(if draw.chance(50) { items.first().cloned().unwrap_or(own) } else { own });
            }
            Some(Patch::Set(Value::Array(items)))
        };
        all.push(way("too-many-items", make, move |value| length(value).is_some_and(|n| n > most)));
    }
    if list.unique {
        let make = |draw: &mut Draw, value: &Value| {
            let mut items = value.as_array()?.clone();
            let again = draw.pick(&items)?.clone();
            let place = draw.below(items.len() + 1);
            items.insert(place, again);
            Some(Patch::Set(Value::Array(items)))
        };
        all.push(way("duplicate-items", make, move |value| {
            let Some(items) = value.as_array() else { return false };
            let twice =
                items.iter().enumerate().any(|(i, item)| items[..i].iter().any(|other| same(other, item)));
            twice && items.len() >= least && most.is_none_or(|most| items.len() <= most)
        }));
    }
    if list.contains.iter().any(|contains| contains.least > 0) {
        let make = |draw: &mut Draw, value: &Value| {
            let items = value.as_array()?;
            // Some items are left out, or made into something unlikely to match.
            let (leave, mut changed) = (draw.chance(50), Vec::new());
            for item in items {
                match draw.chance(60) {
                    true if leave => {}
                    true => changed.push(Value::Null),
                    false => changed.push(item.clone()),
                }
            }
            Some(Patch::Set(Value::Array(changed)))
        };
        all.push(way("contains-missing", make, move |value| length(value).is_some_and(|n| n >= least)));
    }
    all
}

fn wrong_sizes(of: &Alternative) -> Vec<Way> {
    let map = &of.map;
    let mut all = Vec::new();
    let size = |value: &Value| value.as_object().map(serde_json::Map::len);
    if map.members.iter().any(|member| member.required) || map.least > 0 {
        all.push(one_of("empty-object", vec![json!({})], move |value| size(value) == Some(0)));
    }
    let least = map.least;
    if least > 0 {
        let make = move |draw: &mut Draw, value: &Value| {
            let mut object = value.as_object()?.clone();
            while object.len() >= least {
                let name = object.keys().nth(draw.below(object.len()))?.clone();
                object.remove(&name);
            }
            Some(Patch::Set(Value::Object(object)))
        };
        all.push(way("too-few-members", make, move |value| size(value).is_some_and(|n| n < least)));
    }
    if let Some(most) = map.most.filter(|most| *most < 20_000) {
        let make = move |draw: &mut Draw, value: &Value| {
            let mut object = value.as_object()?.clone();
            for _ in 0..most * 4 + 20 {
                if object.len() > most {
                    break;
                }
                object.insert(text::name(draw), Value::from("x"));
            }
            Some(Patch::Set(Value::Object(object)))
        };
        all.push(way("too-many-members", make, move |value| size(value).is_some_and(|n| n > most)));
    }
    all
}

/// Members that should not be there: unknown ones, and forbidden ones.
fn unwanted_members(of: &Alternative, at: &[Step]) -> Vec<(Vec<Step>, Way)> {
    let map = &of.map;
    let known = |name: &str| map.members.iter().any(|member| member.name == name);
    let below = |name: &str| {
        let mut way = at.to_vec();
        way.push(Step::Name(name.to_owned()));
        way
    };
    let values = || vec![Value::Null, json!("x"), json!(1), json!(true), json!({}), json!([])];
    let mut all = Vec::new();
    let fresh = ["unexpected", "x-unexpected", "admin"].iter().find(|name| !map.taken.contains(**name));
    if let Some(name) = fresh {
        all.push((below(name), one_of("extra-member", values(), |_| true)));
    }
    for name in map.taken.iter().filter(|name| !known(name)).take(8) {
        all.push((below(name), one_of("forbidden-member", values(), |_| true)));
    }
    if map.names.is_some() {
        for name in ["", "A b", "\u{202e}x"] {
            all.push((below(name), one_of("bad-member-name", values(), |_| true)));
        }
    }
    all
}
