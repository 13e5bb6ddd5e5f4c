//! Texts: lengths, characters, patterns and formats together.

use super::draw::Draw;
use super::format;
use super::pattern::Pattern;
use serde_json::{Value, json};

/// Length that an open-ended text goes beyond its least length by, at most.
const EXTRA: usize = 24;

/// What is demanded of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct TextRules {
    pub(super) least: u64,
    pub(super) most: Option<u64>,
    pub(super) patterns: Vec<String>,
    pub(super) not_patterns: Vec<String>,
    pub(super) formats: Vec<String>,
    pub(super) not_formats: Vec<String>,
}

impl TextRules {
    pub(super) fn is_free(&self) -> bool {
        self.least == 0
            && self.most.is_none()
            && self.patterns.is_empty()
            && self.not_patterns.is_empty()
            && self.formats.is_empty()
            && self.not_formats.is_empty()
    }

    /// The rules as a schema of their own.
    pub(super) fn schema(&self) -> Value {
        let mut all: Vec<Value> = vec![json!({ "type": "string", "minLength": self.least })];
        if let Some(most) = self.most {
            all.push(json!({ "maxLength": most }));
        }
        all.extend(self.patterns.iter().map(|p| json!({ "pattern": p })));
        all.extend(self.not_patterns.iter().map(|p| json!({ "not": { "pattern": p } })));
        all.extend(self.formats.iter().map(|f| json!({ "format": f })));
        all.extend(self.not_formats.iter().map(|f| json!({ "not": { "format": f } })));
        json!({ "allOf": all })
    }
}

/// Rules made ready to draw from.
#[derive(Debug)]
pub(super) struct TextPlan {
    least: usize,
    most: Option<usize>,
    patterns: Vec<Pattern>,
    formats: Vec<String>,
    /// Present where a drawn text may break a rule; it is then drawn again.
    check: Option<jsonschema::Validator>,
}

impl TextPlan {
    pub(super) fn new(rules: &TextRules) -> Self {
        // A pattern that cannot be read leaves formats, or plain texts that may match by luck.
        let patterns: Vec<Pattern> =
            rules.patterns.iter().filter_map(|source| Pattern::new(source).ok()).collect();
        let formats: Vec<String> =
            rules.formats.iter().filter(|name| format::is_known(name)).cloned().collect();
        let sources = rules.patterns.len() + formats.len();
        let risky = sources > 1
            || patterns.len() < rules.patterns.len()
            || patterns.iter().any(|pattern| pattern.loose)
            || !rules.not_patterns.is_empty()
            || !rules.not_formats.is_empty()
            || !formats.is_empty();
        Self {
            least: usize::try_from(rules.least).unwrap_or(usize::MAX),
            most: rules.most.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            patterns,
            formats,
            check: if risky { validator(&rules.schema()) } else { None },
        }
    }

    /// Whether the lengths rule out every text.
    pub(super) fn is_empty(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.never_of(self.least, self.most))
    }

    /// A text that keeps the rules; none if it was not found in a bounded number of attempts.
    pub(super) fn text(&self, draw: &mut Draw) -> Option<String> {
        let attempts = if self.check.is_some() { 60 } else { 12 };
        for _ in 0..attempts {
            let Some(text) = self.attempt(draw) else { continue };
            let good = self.check.as_ref().is_none_or(|check| check.is_valid(&Value::String(text.clone())));
            if good {
                return Some(text);
            }
        }
        None
    }

    fn attempt(&self, draw: &mut Draw) -> Option<String> {
        let sources = self.patterns.len() + self.formats.len();
        let chosen = draw.below(sources.max(1));
        if self.patterns.len() > 1 && draw.chance(50) {
            // Several expressions: their texts one after the other match those that are not anchored.
            let mut order: Vec<&Pattern> = self.patterns.iter().collect();
            draw.shuffle(&mut order);
            let most = self.most.map(|most| most / order.len());
            return order.into_iter().map(|pattern| pattern.text(draw, 0, most)).collect();
        }
        if let Some(pattern) = self.patterns.get(chosen) {
            return pattern.text(draw, self.least, self.most);
        }
        if let Some(name) = self.formats.get(chosen - self.patterns.len().min(chosen)) {
            return format::text(name, draw, self.most);
        }
        // Longer than this is no text of a login; a document that demands it is declined.
        if self.least > 2_000_000 {
            return None;
        }
        let high = self.most.unwrap_or(self.least + EXTRA);
        let count = length(draw, self.least, high, self.most.is_some());
        Some(plain(draw, count))
    }
}

/// A validator that asserts formats, as the clauses' own do.
pub(super) fn validator(schema: &Value) -> Option<jsonschema::Validator> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .ok()
}

/// A length of the range: its ends often, the upper one only if it is a `bound` of the schema.
pub(super) fn length(draw: &mut Draw, low: usize, high: usize, bound: bool) -> usize {
    match draw.below(20) {
        0..=3 => low,
        // A bound of thousands is hit too, but not by every fifth text.
        4..=7 if bound && (high <= 256 || draw.chance(12)) => high,
        8 => (low + 1).min(high),
        9 if bound && high <= 4096 => high.saturating_sub(1).max(low),
        10..=17 => draw.within(low, high.min(low + 12)),
        _ => draw.within(low, high.min(low + 256)),
    }
}

/// Plain characters: letters, digits and marks of ASCII; now and then a letter from elsewhere.
pub(super) fn plain(draw: &mut Draw, count: usize) -> String {
    let wide = draw.chance(12);
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        text.push(if wide && draw.chance(40) { wide_char(draw) } else { plain_char(draw) });
    }
    text
}

/// One plain character of ASCII; letters and digits more often than marks.
pub(super) fn plain_char(draw: &mut Draw) -> char {
    const PLAIN: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const MARKS: &[u8] = b" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    let of = if draw.chance(90) { PLAIN } else { MARKS };
    char::from(of[draw.below(of.len())])
}

/// A name for a member nobody knows.
pub(super) fn name(draw: &mut Draw) -> String {
    const NAMES: &[&str] = &["a", "b", "note", "extra", "x", "key", "data", "tag", "value", "id2"];
    match draw.below(4) {
        0 => {
            let count = draw.within(1, 8);
            plain(draw, count)
        }
        1 => format!("{}{}", NAMES[draw.below(NAMES.len())], draw.below(100)),
        _ => NAMES[draw.below(NAMES.len())].to_owned(),
    }
}

fn wide_char(draw: &mut Draw) -> char {
    const WIDE: &[char] = &[
        'é', 'ß', 'ñ', 'Ø', 'ž', 'Ж', 'я', 'Ω', 'λ', 'א', 'ع', 'न', '中', '日', '本', '語', '한', 'が', '€',
        '’', '—', '😀', '𝒜',
    ];
    WIDE[draw.below(WIDE.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rules: &TextRules) -> Vec<String> {
        let plan = TextPlan::new(rules);
        let check = validator(&rules.schema()).expect("a schema");
        let mut draw = Draw::new(21);
        let texts: Vec<String> = (0..200).filter_map(|_| plan.text(&mut draw)).collect();
        assert!(texts.len() > 190, "{rules:?}: only {} of 200", texts.len());
        for text in &texts {
            assert!(check.is_valid(&Value::String(text.clone())), "{rules:?}: {text:?}");
        }
        texts
    }

    #[test]
    fn lengths_count_characters_and_reach_both_bounds() {
        let texts = texts(&TextRules { least: 1, most: Some(64), ..TextRules::default() });
        let counts: Vec<usize> = texts.iter().map(|t| t.chars().count()).collect();
        assert!(counts.iter().filter(|c| **c == 1).count() > 10);
        assert!(counts.iter().filter(|c| **c == 64).count() > 10);
        assert!(texts.iter().any(|t| !t.is_ascii()));
    }

    #[test]
    fn a_large_bound_is_reached_too() {
        let texts = texts(&TextRules { most: Some(4096), ..TextRules::default() });
        assert!(texts.iter().any(|t| t.chars().count() == 4096));
    }

    #[test]
    fn rules_are_kept_together() {
        texts(&TextRules {
            most: Some(20),
            patterns: vec!["^[a-f]".into(), "[0-9]$".into()],
            not_patterns: vec!["^a".into()],
            ..TextRules::default()
        });
        texts(&TextRules { most: Some(24), formats: vec!["email".into()], ..TextRules::default() });
        texts(&TextRules { not_formats: vec!["ipv4".into()], ..TextRules::default() });
        texts(&TextRules { patterns: vec!["^(?!x)[a-z]+$".into()], ..TextRules::default() });
    }

    #[test]
    fn contradictions_end() {
        let rules = TextRules { patterns: vec!["^a$".into(), "^b$".into()], ..TextRules::default() };
        assert_eq!(TextPlan::new(&rules).text(&mut Draw::new(1)), None);
    }
}
