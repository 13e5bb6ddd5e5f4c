//! Texts that match a regular expression, of a wanted length.
//!
//! The dialect is ECMA-262 as the validator reads it. Anchors are honoured. What cannot be followed while
//! writing (look-around, back references, word boundaries) is left out of the plan, which is then `loose`:
//! texts drawn from it must be checked against the expression.

use super::draw::Draw;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// How many times an unbounded repetition repeats at most, unless a length asks for more.
const REPEATS: usize = 12;

/// A regular expression that texts can be drawn from.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    piece: Piece,
    least: usize,
    most: Option<usize>,
    /// Whether a text drawn may still fail to match.
    pub(super) loose: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Class { plain: Vec<char>, ranges: Vec<(char, char)> },
    Repeat { piece: Box<Self>, min: usize, max: Option<usize> },
    Seq(Vec<Self>),
    Any(Vec<Self>),
    Start,
    End,
}

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    /// Why no texts can be drawn from it.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        let mut loose = false;
        let mut text = source.to_owned();
        if let Some(bare) = without_look_around(source) {
            loose = true;
            text = bare;
        }
        let rust =
            jsonschema_regex::to_rust_regex(&text).map_err(|()| "is no expression we can read".to_owned())?;
        let hir = regex_syntax::ParserBuilder::new()
            .build()
            .parse(&rust)
            .map_err(|_| "uses what cannot be turned into texts (such as back references)".to_owned())?;
        let piece = read(&hir, &mut loose)?;
        let (least, most) = piece.lengths();
        Ok(Self { piece, least, most, loose })
    }

    /// Whether no text of between `low` and `high` characters can match.
    pub(super) fn never_of(&self, low: usize, high: Option<usize>) -> bool {
        let too_long = high.is_some_and(|high| self.least > high);
        let pinned = !self.loose && self.piece.edge(true) && self.piece.edge(false);
        too_long || (pinned && self.most.is_some_and(|most| most < low))
    }

    /// A text of between `low` and `high` characters that matches.
    ///
    /// None if this attempt failed; another may succeed.
    pub(super) fn text(&self, draw: &mut Draw, low: usize, high: Option<usize>) -> Option<String> {
        let top = match (self.most, high) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) => a,
            (None, Some(b)) => b,
            (None, None) => self.least.max(low) + 2 * REPEATS,
        };
        let floor = self.least.max(low.min(self.most.unwrap_or(low)));
        let target = super::text::length(draw, floor, top.max(floor), high.is_some() || self.most.is_some());
        let mut out = Writing { text: String::new(), length: 0, from_start: false, ended: false };
        self.piece.write(draw, target, &mut out)?;
        let mut text = out.text;
        let mut length = out.length;
        // An expression without anchors matches anywhere within the text.
        if !out.ended && (length < low || (draw.chance(15) && high.is_none_or(|h| length + 3 < h))) {
            let more = low.saturating_sub(length).max(if draw.chance(50) { 0 } else { 2 });
            text.extend((0..more).map(|_| super::text::plain_char(draw)));
            length += more;
        }
        if !out.from_start && draw.chance(10) && high.is_none_or(|h| length + 2 < h) {
            text.insert(0, super::text::plain_char(draw));
            length += 1;
        }
        (length >= low && high.is_none_or(|h| length <= h)).then_some(text)
    }
}

struct Writing {
    text: String,
    length: usize,
    from_start: bool,
    ended: bool,
}

impl Piece {
    /// Whether every match starts at the start (or ends at the end) of the text.
    fn edge(&self, start: bool) -> bool {
        match self {
            Self::Start => start,
            Self::End => !start,
            Self::Seq(pieces) if start => pieces.first().is_some_and(|piece| piece.edge(start)),
            Self::Seq(pieces) => pieces.last().is_some_and(|piece| piece.edge(start)),
            Self::Any(pieces) => pieces.iter().all(|piece| piece.edge(start)),
            _ => false,
        }
    }

    /// Least and greatest number of characters.
    fn lengths(&self) -> (usize, Option<usize>) {
        match self {
            Self::Text(text) => {
                let length = text.chars().count();
                (length, Some(length))
            }
            Self::Class { .. } => (1, Some(1)),
            Self::Start | Self::End => (0, Some(0)),
            Self::Repeat { piece, min, max } => {
                let (least, most) = piece.lengths();
                let top = match (most, max) {
                    (Some(0), _) => Some(0),
                    (Some(most), Some(max)) => Some(most.saturating_mul(*max)),
                    _ => None,
                };
                (least.saturating_mul(*min), top)
            }
            Self::Seq(pieces) => {
                pieces.iter().map(Self::lengths).fold((0, Some(0)), |(low, high), (l, h)| {
                    (low + l, high.zip(h).map(|(a, b): (usize, usize)| a.saturating_add(b)))
                })
            }
            Self::Any(pieces) => {
                let each: Vec<_> = pieces.iter().map(Self::lengths).collect();
                let low = each.iter().map(|(l, _)| *l).min().unwrap_or(0);
                let high = each.iter().map(|(_, h)| *h).try_fold(0, |top, h| h.map(|h| h.max(top)));
                (low, high)
            }
        }
    }

    /// Writes a match as near to `target` characters as it can.
    fn write(&self, draw: &mut Draw, target: usize, out: &mut Writing) -> Option<()> {
        if out.ended && !matches!(self, Self::End | Self::Start) && self.lengths().0 > 0 {
            return None;
        }
        match self {
            Self::Text(text) => {
                out.text.push_str(text);
                out.length += text.chars().count();
            }
            Self::Class { plain, ranges } => {
                let one = if plain.is_empty() || draw.chance(6) {
                    in_ranges(ranges, draw)
                } else {
                    *draw.pick(plain)?
                };
                out.text.push(one);
                out.length += 1;
            }
            Self::Start => {
                if !out.text.is_empty() {
                    return None;
                }
                out.from_start = true;
            }
            Self::End => out.ended = true,
            Self::Repeat { piece, min, max } => {
                let (least, most) = piece.lengths();
                let mut low = *min;
                if let Some(most) = most.filter(|most| *most > 0) {
                    low = low.max(target.div_ceil(most));
                }
                let mut high = target.checked_div(least).unwrap_or(low + REPEATS);
                if let Some(max) = max {
                    high = high.min(*max);
                    low = low.min(*max);
                }
                if out.ended {
                    (low, high) = (*min, *min);
                }
                let times = draw.within(low, high.max(low));
                let shares = share(draw, target, &vec![(least, most); times]);
                for share in shares {
                    piece.write(draw, share, out)?;
                }
            }
            Self::Seq(pieces) => {
                let bounds: Vec<_> = pieces.iter().map(Self::lengths).collect();
                for (piece, share) in pieces.iter().zip(share(draw, target, &bounds)) {
                    let share = if out.ended { 0 } else { share };
                    piece.write(draw, share, out)?;
                }
            }
            Self::Any(pieces) => {
                let fits = |piece: &&Self| {
                    let (low, high) = piece.lengths();
                    low <= target && high.is_none_or(|high| high >= target)
                };
                let able: Vec<&Self> = pieces.iter().filter(fits).collect();
                let chosen =
                    if able.is_empty() || draw.chance(10) { draw.pick(pieces)? } else { draw.pick(&able)? };
                chosen.write(draw, target, out)?;
            }
        }
        Some(())
    }
}

/// Shares `target` among parts with a least and a greatest length each.
fn share(draw: &mut Draw, target: usize, bounds: &[(usize, Option<usize>)]) -> Vec<usize> {
    let mut shares: Vec<usize> = bounds.iter().map(|(low, _)| *low).collect();
    let mut left = target.saturating_sub(shares.iter().sum());
    let mut open: Vec<usize> =
        (0..bounds.len()).filter(|&i| bounds[i].1.is_none_or(|high| high > shares[i])).collect();
    draw.shuffle(&mut open);
    while left > 0 && !open.is_empty() {
        // Large shares first, so that a length of thousands does not take thousands of turns.
        let index = open.len() - 1;
        let part = open[index];
        let room = bounds[part].1.map_or(left, |high| (high - shares[part]).min(left));
        let more = if open.len() == 1 { room } else { draw.within(room.min(1), room) };
        shares[part] += more;
        left -= more;
        if bounds[part].1.is_some_and(|high| shares[part] >= high) || more == 0 {
            open.remove(index);
        } else {
            open.rotate_right(1);
        }
    }
    shares
}

fn read(hir: &Hir, loose: &mut bool) -> Result<Piece, String> {
    Ok(match hir.kind() {
        HirKind::Empty => Piece::Seq(Vec::new()),
        HirKind::Literal(literal) => {
            Piece::Text(String::from_utf8(literal.0.to_vec()).map_err(|_| "matches bytes that are no text")?)
        }
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<(char, char)> = class.iter().map(|range| (range.start(), range.end())).collect();
            if ranges.is_empty() {
                return Err("contains a class without characters".to_owned());
            }
            let within = |c: &char| ranges.iter().any(|(low, high)| low <= c && c <= high);
            let plain = (' '..='~').filter(within).collect();
            Piece::Class { plain, ranges }
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ranges: Vec<(char, char)> =
                class.iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect();
            let within = |c: &char| ranges.iter().any(|(low, high)| low <= c && c <= high);
            let plain = (' '..='~').filter(within).collect();
            Piece::Class { plain, ranges }
        }
        HirKind::Look(Look::Start) => Piece::Start,
        HirKind::Look(Look::End) => Piece::End,
        HirKind::Look(_) => {
            *loose = true;
            Piece::Seq(Vec::new())
        }
        HirKind::Repetition(repetition) => Piece::Repeat {
            piece: Box::new(read(&repetition.sub, loose)?),
            min: repetition.min as usize,
            max: repetition.max.map(|max| max as usize),
        },
        HirKind::Capture(capture) => read(&capture.sub, loose)?,
        HirKind::Concat(parts) => {
            Piece::Seq(parts.iter().map(|part| read(part, loose)).collect::<Result<_, _>>()?)
        }
        HirKind::Alternation(parts) => {
            Piece::Any(parts.iter().map(|part| read(part, loose)).collect::<Result<_, _>>()?)
        }
    })
}

fn in_ranges(ranges: &[(char, char)], draw: &mut Draw) -> char {
    let Some(&(low, high)) = draw.pick(ranges) else { return 'a' };
    for _ in 0..4 {
        let number = draw.within(low as usize, high as usize);
        if let Some(found) = u32::try_from(number).ok().and_then(char::from_u32) {
            return found;
        }
    }
    low
}

/// The expression with look-around groups taken out; none if there are none.
fn without_look_around(source: &str) -> Option<String> {
    if !["(?=", "(?!", "(?<=", "(?<!"].iter().any(|group| source.contains(group)) {
        return None;
    }
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    let mut class = false;
    while at < chars.len() {
        let c = chars[at];
        if c == '\\' {
            out.push(c);
            at += 1;
            if let Some(&next) = chars.get(at) {
                out.push(next);
                at += 1;
            }
            continue;
        }
        if c == '[' {
            class = true;
        } else if c == ']' {
            class = false;
        } else if c == '(' && !class {
            let rest: String = chars[at..chars.len().min(at + 4)].iter().collect();
            if ["(?=", "(?!"].iter().any(|g| rest.starts_with(g)) || rest == "(?<=" || rest == "(?<!" {
                at = after_group(&chars, at);
                continue;
            }
        }
        out.push(c);
        at += 1;
    }
    Some(out)
}

/// The position behind the group that opens at `at`.
fn after_group(chars: &[char], mut at: usize) -> usize {
    let (mut depth, mut class) = (0_usize, false);
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(source: &str, low: usize, high: Option<usize>) -> Vec<String> {
        let validator =
            jsonschema::validator_for(&serde_json::json!({ "pattern": source })).expect("a schema");
        let pattern = Pattern::new(source).expect("a pattern");
        let mut draw = Draw::new(11);
        let texts: Vec<String> = (0..300).filter_map(|_| pattern.text(&mut draw, low, high)).collect();
        assert!(texts.len() > 150, "{source}: only {} of 300", texts.len());
        if !pattern.loose {
            for text in &texts {
                assert!(validator.is_valid(&serde_json::json!(text)), "{source}: {text:?}");
            }
        }
        texts
    }

    #[test]
    fn anchored_expressions_match_from_end_to_end() {
        for source in [
            "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
            "^0x[0-9a-fA-F]{40}$",
            "^(a|bc|)d?$",
            "^\\p{L}+$",
            "^.*$",
            "^\\S(.|\\n)*$",
            "^(?:[0-9]{3}-){2}[0-9]{4}$",
            "^\\cA\\t[\\w-]{2,}$",
        ] {
            drawn(source, 0, None);
        }
    }

    #[test]
    fn unanchored_expressions_stand_anywhere() {
        let texts = drawn("foo[0-9]", 0, None);
        assert!(texts.iter().any(|t| !t.starts_with("foo")) && texts.iter().any(|t| t.len() > 4));
        drawn("^a|b$", 0, None);
        drawn("", 3, Some(5));
    }

    #[test]
    fn wanted_lengths_are_met() {
        let texts = drawn("^[a-z]+$", 5, Some(4096));
        assert!(texts.iter().all(|t| (5..=4096).contains(&t.len())));
        assert!(texts.iter().any(|t| t.len() == 4096) && texts.iter().any(|t| t.len() == 5));
        let texts = drawn("^([a-z]{2}[0-9]*)+$", 7, Some(7));
        assert!(texts.iter().all(|t| t.len() == 7));
    }

    #[test]
    fn look_around_makes_a_loose_pattern() {
        let pattern = Pattern::new("^(?!admin)[a-z(?=]+$").expect("a pattern");
        assert!(pattern.loose);
        assert!(Pattern::new("^(a)\\1$").is_err());
        assert!(Pattern::new("\\bfoo\\b").is_ok_and(|p| p.loose));
    }
}
