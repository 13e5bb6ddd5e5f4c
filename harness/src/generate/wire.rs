//! A value as bytes: the different legal ways to write the same JSON, and bytes that test readers at the
//! edge of what JSON is.
//!
//! What a value *is* does not change with how it is written (RFC 8259). A server that reads one form must
//! read them all. [`recheck`] judges bytes, not values: it is the last thing asked before a claim is made.

use super::draw::Draw;
use proptest::strategy::{NewTree, SBoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::Rng;
use serde_json::Value;

/// A way to write JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Nothing that could be left out.
    Compact,
    /// Lines and indentation.
    Pretty,
    /// Every legal blank in odd places, at the ends too.
    Spaced,
    /// Some characters as `\uXXXX`, with surrogate pairs where they are needed.
    Escaped,
    /// Every character of every text and name as `\uXXXX`.
    EscapedAll,
    /// Members in another order.
    Shuffled,
    /// Members in another order, odd blanks and some escapes.
    Mixed,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 7] = [
        Self::Compact,
        Self::Pretty,
        Self::Spaced,
        Self::Escaped,
        Self::EscapedAll,
        Self::Shuffled,
        Self::Mixed,
    ];

    /// The name of the form in a finding.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Pretty => "pretty-printed",
            Self::Spaced => "odd blanks",
            Self::Escaped => "some characters escaped",
            Self::EscapedAll => "every character escaped",
            Self::Shuffled => "members in another order",
            Self::Mixed => "another order, odd blanks, escapes",
        }
    }
}

/// Whether a body is sent as one that is valid or as one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The schema accepts it.
    Valid,
    /// The schema refuses it.
    Invalid,
}

/// A value in the form it is sent in.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// What it means.
    pub value: Value,
    /// How it is written.
    pub form: Form,
    /// What goes over the wire.
    pub bytes: Vec<u8>,
}

/// Writes a value; `seed` decides where there is a choice.
///
/// The bytes are read back and mean the same, or the compact form is written instead.
#[must_use]
pub fn write(value: &Value, form: Form, seed: u64) -> Vec<u8> {
    let mut writer = Writer { out: String::new(), form, draw: Draw::new(seed) };
    writer.blank();
    writer.value(value, 0);
    writer.blank();
    let bytes = writer.out.into_bytes();
    let same = serde_json::from_slice::<Value>(&bytes).is_ok_and(|again| again == *value);
    if same { bytes } else { value.to_string().into_bytes() }
}

/// Whether the bytes, read as JSON, are of the mode; bytes that are no JSON are of neither.
///
/// `accepts` is the schema's validator, such as `Schema::accepts` or [`Generator::accepts`](super::Generator::accepts).
pub fn recheck(bytes: &[u8], accepts: impl Fn(&Value) -> bool, mode: Mode) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|value| accepts(&value) == (mode == Mode::Valid))
}

/// The values of a strategy, each written in a form of its own; the compact form when shrinking allows.
pub fn sent(values: SBoxedStrategy<Value>) -> SBoxedStrategy<Sent> {
    Writing { values }.sboxed()
}

#[derive(Debug)]
struct Writing {
    values: SBoxedStrategy<Value>,
}

struct WritingTree<T> {
    value: T,
    form: Form,
    seed: u64,
    /// The form before it was made compact, while that is on trial.
    trial: Option<Form>,
    tried: bool,
}

impl Strategy for Writing {
    type Tree = WritingTree<<SBoxedStrategy<Value> as Strategy>::Tree>;
    type Value = Sent;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = runner.rng().next_u64();
        let form = Draw::new(seed).pick(&Form::ALL).copied().unwrap_or(Form::Compact);
        Ok(WritingTree { value: self.values.new_tree(runner)?, form, seed, trial: None, tried: false })
    }
}

impl<T: ValueTree<Value = Value>> ValueTree for WritingTree<T> {
    type Value = Sent;

    fn current(&self) -> Sent {
        let value = self.value.current();
        let bytes = write(&value, self.form, self.seed);
        Sent { value, form: self.form, bytes }
    }

    fn simplify(&mut self) -> bool {
        self.trial = None;
        if !self.tried {
            self.tried = true;
            if self.form != Form::Compact {
                self.trial = Some(std::mem::replace(&mut self.form, Form::Compact));
                return true;
            }
        }
        self.value.simplify()
    }

    fn complicate(&mut self) -> bool {
        match self.trial.take() {
            // The form itself matters: keep it, and go on with the value.
            Some(form) => {
                self.form = form;
                self.value.simplify()
            }
            None => self.value.complicate(),
        }
    }
}

/// Bytes that are JSON, nearly JSON, or JSON that readers disagree about, in the place of a value's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// What is odd about them.
    pub label: &'static str,
    /// Whether they keep the grammar of RFC 8259 (readers may still refuse what they cannot represent).
    pub grammatical: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The oddities that stand for a text or number at a place of the value, as a JSON pointer.
///
/// None if there is no such place.
#[must_use]
pub fn oddities(value: &Value, at: &str) -> Vec<Oddity> {
    let tokens: [(&'static str, bool, &'static str); 29] = [
        ("lone high surrogate", true, "\"\\ud800\""),
        ("lone low surrogate", true, "\"\\udc00\""),
        ("surrogates in the wrong order", true, "\"\\udc00\\ud800\""),
        ("surrogate pair", true, "\"\\ud83d\\ude00\""),
        ("escaped NUL", true, "\"\\u0000\""),
        ("escaped slash", true, "\"\\/\""),
        ("noncharacter", true, "\"\\uffff\""),
        ("minus nought", true, "-0"),
        ("minus nought as a fraction", true, "-0.0"),
        ("exponent", true, "1E2"),
        ("negative exponent", true, "10e-1"),
        ("whole number as a fraction", true, "1.0"),
        ("beyond double", true, "1e400"),
        ("vanishing", true, "1e-400"),
        ("largest double", true, "1.7976931348623157e308"),
        ("2^53 + 1", true, "9007199254740993"),
        ("2^63", true, "9223372036854775808"),
        ("2^64", true, "18446744073709551616"),
        ("number of 400 digits", true, DIGITS),
        ("leading nought", false, "01"),
        ("plus sign", false, "+1"),
        ("no digit before the point", false, ".5"),
        ("no digit after the point", false, "1."),
        ("hexadecimal", false, "0x10"),
        ("not a number", false, "NaN"),
        ("infinity", false, "Infinity"),
        ("single quotes", false, "'a'"),
        ("raw control character in a text", false, "\"\u{1}\""),
        ("unknown escape", false, "\"\\x41\""),
    ];
    let Some((before, after)) = around(value, at) else { return Vec::new() };
    tokens
        .into_iter()
        .map(|(label, grammatical, token)| Oddity {
            label,
            grammatical,
            bytes: [before.as_bytes(), token.as_bytes(), after.as_bytes()].concat(),
        })
        .collect()
}

const DIGITS: &str = "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890";

/// The compact text before and after a place.
fn around(value: &Value, at: &str) -> Option<(String, String)> {
    let mut marked = value.clone();
    let mut mark = "mark".to_owned();
    // A mark that occurs nowhere else.
    while value.to_string().contains(&mark) {
        mark.push('-');
    }
    *marked.pointer_mut(at)? = Value::String(mark.clone());
    let text = marked.to_string();
    let (before, after) = text.split_once(&Value::String(mark).to_string())?;
    Some((before.to_owned(), after.to_owned()))
}

struct Writer {
    out: String,
    form: Form,
    draw: Draw,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.line(depth + 1);
                    self.value(item, depth + 1);
                }
                self.close(']', depth, items.is_empty());
            }
            Value::Object(map) => {
                let mut members: Vec<(&String, &Value)> = map.iter().collect();
                if matches!(self.form, Form::Shuffled | Form::Mixed) {
                    let before: Vec<&String> = members.iter().map(|(name, _)| *name).collect();
                    self.draw.shuffle(&mut members);
                    if members.iter().map(|(name, _)| *name).eq(before) {
                        members.reverse();
                    }
                }
                self.out.push('{');
                for (index, (name, member)) in members.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.line(depth + 1);
                    self.text(name);
                    self.blank();
                    self.out.push(':');
                    if self.form == Form::Pretty {
                        self.out.push(' ');
                    }
                    self.blank();
                    self.value(member, depth + 1);
                }
                self.close('}', depth, map.is_empty());
            }
            _ => self.out.push_str(&value.to_string()),
        }
    }

    fn close(&mut self, bracket: char, depth: usize, empty: bool) {
        if !empty {
            self.line(depth);
        }
        self.blank();
        self.out.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if self.form == Form::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
        self.blank();
    }

    fn blank(&mut self) {
        if matches!(self.form, Form::Spaced | Form::Mixed) {
            for _ in 0..self.draw.below(4) {
                self.out.push([' ', '\t', '\n', '\r'][self.draw.below(4)]);
            }
        }
    }

    fn text(&mut self, text: &str) {
        let share = match self.form {
            Form::EscapedAll => 100,
            Form::Escaped | Form::Mixed => 35,
            _ => 0,
        };
        self.out.push('"');
        for c in text.chars() {
            let must = matches!(c, '"' | '\\') || c < ' ';
            if share > 0 && (self.draw.chance(share) || (must && self.draw.chance(50))) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let hex = format!("{unit:04x}");
                    self.out.push_str("\\u");
                    self.out.push_str(&if self.draw.chance(50) { hex } else { hex.to_uppercase() });
                }
            } else if c == '/' && share > 0 && self.draw.chance(50) {
                self.out.push_str("\\/");
            } else if must {
                let quoted = Value::String(c.to_string()).to_string();
                self.out.push_str(&quoted[1..quoted.len() - 1]);
            } else {
                self.out.push(c);
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Generator;
    use crate::generate::run::{Failure, Outcome, draw_case, run_cases};
    use serde_json::json;

    fn example() -> Value {
        json!({ "user/name": "a\"b\\c/é😀\u{0}\u{7f}", "list": [1, -2.5e-7, [], {}, null, true], "z": { "y": "x" }, "": 1e300 })
    }

    #[test]
    fn every_form_means_the_same() {
        for form in Form::ALL {
            for seed in 0..50 {
                let bytes = write(&example(), form, seed);
                let again: Value = serde_json::from_slice(&bytes).expect("JSON");
                assert_eq!(again, example(), "{form:?}");
                assert!(
                    form == Form::Compact || bytes != example().to_string().into_bytes(),
                    "{form:?} is compact"
                );
            }
        }
        let all = String::from_utf8(write(&json!("aé😀"), Form::EscapedAll, 3)).expect("text").to_lowercase();
        assert_eq!(all, "\"\\u0061\\u00e9\\ud83d\\ude00\"");
    }

    #[test]
    fn every_form_is_drawn_and_the_plainest_is_kept_when_it_fails_too() {
        let generator = Generator::new(&json!({ "type": "object", "required": ["a", "b"], "properties": {
            "a": { "type": "string" }, "b": { "type": "integer" } } }))
        .expect("a generator");
        let strategy = sent(generator.valid());
        let forms: std::collections::HashSet<Form> = (0..100)
            .filter_map(|case| draw_case(1, "f", case, &strategy).ok())
            .map(|sent| sent.form)
            .collect();
        assert_eq!(forms.len(), Form::ALL.len());
        let fails = |sent: Sent| -> Result<(), Failure> {
            assert!(recheck(&sent.bytes, |v| generator.accepts(v), Mode::Valid));
            Err(Failure::new(format!("{:?}", sent.form)))
        };
        let Outcome::Failed { smallest, .. } = run_cases(1, "f", 1, &strategy, fails) else {
            panic!("fails")
        };
        assert_eq!((smallest.form, smallest.value), (Form::Compact, json!({ "a": "", "b": 0 })));
        let escapes = |sent: Sent| {
            if sent.bytes.contains(&b'\\') { Err(Failure::new("an escape")) } else { Ok(()) }
        };
        let Outcome::Failed { smallest, .. } = run_cases(2, "f", 100, &strategy, escapes) else {
            panic!("fails")
        };
        assert!(smallest.form != Form::Compact || smallest.value["a"] != json!(""), "{smallest:?}");
    }

    #[test]
    fn bytes_are_judged_not_values() {
        let accepts = |value: &Value| value.is_u64();
        assert!(recheck(b" 1 ", accepts, Mode::Valid) && !recheck(b"1", accepts, Mode::Invalid));
        assert!(recheck(b"\"1\"", accepts, Mode::Invalid) && !recheck(b"\"1\"", accepts, Mode::Valid));
        assert!(!recheck(b"1,", accepts, Mode::Valid) && !recheck(b"1,", accepts, Mode::Invalid));
    }

    #[test]
    fn oddities_stand_in_their_place() {
        let value = json!({ "a": [1, "mark"], "b": 2 });
        let all = oddities(&value, "/a/0");
        let text = |label: &str| {
            let found = all.iter().find(|odd| odd.label == label).expect("the oddity");
            String::from_utf8(found.bytes.clone()).expect("text")
        };
        assert_eq!(text("lone high surrogate"), r#"{"a":["\ud800","mark"],"b":2}"#);
        assert_eq!(text("minus nought"), r#"{"a":[-0,"mark"],"b":2}"#);
        for odd in &all {
            let read = serde_json::from_slice::<Value>(&odd.bytes).is_ok();
            assert!(odd.grammatical || !read, "{} is no JSON, but is read", odd.label);
        }
        assert!(oddities(&value, "/c").is_empty());
    }
}
