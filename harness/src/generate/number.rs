//! Numbers within bounds and on a grid, with the bounds favoured.

use super::draw::Draw;
use serde_json::{Number, Value};

/// The largest whole number every JSON reader keeps exactly (RFC 8259 section 6): 2^53 - 1.
pub(super) const SAFE: i128 = (1 << 53) - 1;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    pub(super) at: f64,
    /// The same, if it is a whole number that fits.
    pub(super) whole: Option<i128>,
    /// Whether the end itself is outside.
    pub(super) open: bool,
}

impl Bound {
    pub(super) fn new(number: &Number, open: bool) -> Self {
        let at = number.as_f64().unwrap_or(0.0);
        Self { at, whole: whole(number), open }
    }
}

/// The number as a whole number, if it is one.
pub(super) fn whole(number: &Number) -> Option<i128> {
    if let Some(small) = number.as_i64() {
        return Some(i128::from(small));
    }
    if let Some(large) = number.as_u64() {
        return Some(i128::from(large));
    }
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 1e30).then_some(float as i128)
}

/// What is demanded of a number.
#[derive(Debug, Clone, Default)]
pub(super) struct NumberRules {
    pub(super) low: Option<Bound>,
    pub(super) high: Option<Bound>,
    pub(super) multiples: Vec<Number>,
    pub(super) not_multiples: Vec<Number>,
}

impl NumberRules {
    pub(super) fn is_free(&self) -> bool {
        self.low.is_none()
            && self.high.is_none()
            && self.multiples.is_empty()
            && self.not_multiples.is_empty()
    }

    /// Takes the narrower of the bound that is there and this one.
    pub(super) fn raise(&mut self, to: Bound) {
        let narrower = match self.low {
            None => true,
            Some(now) => to.at > now.at || (to.at == now.at && to.open),
        };
        if narrower {
            self.low = Some(to);
        }
    }

    /// Takes the narrower of the bound that is there and this one.
    pub(super) fn lower(&mut self, to: Bound) {
        let narrower = match self.high {
            None => true,
            Some(now) => to.at < now.at || (to.at == now.at && to.open),
        };
        if narrower {
            self.high = Some(to);
        }
    }

    /// The whole numbers allowed: least and greatest, none if there is none.
    pub(super) fn whole_range(&self) -> Option<(i128, i128)> {
        let low = self.low.map(|bound| match bound.whole {
            Some(exact) => exact + i128::from(bound.open),
            None => clamp(bound.at.ceil()),
        });
        let high = self.high.map(|bound| match bound.whole {
            Some(exact) => exact - i128::from(bound.open),
            None => clamp(bound.at.floor()),
        });
        let (low, high) = match (low, high) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low, SAFE.max(low.saturating_add(SAFE))),
            (None, Some(high)) => ((-SAFE).min(high.saturating_sub(SAFE)), high),
            (None, None) => (-SAFE, SAFE),
        };
        // Beyond these a value of the JSON crate is no longer a whole number.
        let (low, high) = (low.max(i128::from(i64::MIN)), high.min(i128::from(u64::MAX)));
        (low <= high).then_some((low, high))
    }

    /// A whole number that keeps the rules.
    pub(super) fn integer(&self, draw: &mut Draw) -> Option<Value> {
        let (low, high) = self.whole_range()?;
        let step = self.whole_step()?;
        let (first, last) = (div_ceil(low, step), low.max(high).div_euclid(step));
        if first > last {
            return None;
        }
        for _ in 0..8 {
            let nearest_to_nought = 0_i128.clamp(first, last);
            let reach = (self.low.is_some(), self.high.is_some());
            let units = match draw.below(20) {
                0..=3 if reach.0 => first,
                4..=7 if reach.1 => last,
                8 => (first + 1).min(last),
                9 => (last - 1).max(first),
                10 | 11 => nearest_to_nought,
                12..=15 => {
                    // Few bits more often than many: each order of magnitude is as likely as the next.
                    let (up, down) = (last - nearest_to_nought, nearest_to_nought - first);
                    let upwards = if up > 0 && down > 0 { draw.chance(50) } else { up > 0 };
                    let room = if upwards { up } else { down };
                    let bits = draw.within(1, (128 - room.leading_zeros()).clamp(1, 100) as usize);
                    let off = draw.whole(1_i128 << (bits - 1), (1_i128 << bits) - 1).min(room);
                    nearest_to_nought + if upwards { off } else { -off }
                }
                16 | 17 => draw.whole(first.max(nearest_to_nought - 100), last.min(nearest_to_nought + 100)),
                _ => draw.whole(first, last),
            };
            let value = units * step;
            if self.off_grid(value as f64) {
                return Some(from_whole(value));
            }
        }
        None
    }

    /// A number with a fractional part that keeps the rules.
    pub(super) fn fraction(&self, draw: &mut Draw) -> Option<Value> {
        for _ in 0..24 {
            let value =
                if self.multiples.is_empty() { self.free_fraction(draw) } else { self.grid_fraction(draw)? };
            let fits = self.low.is_none_or(|l| value > l.at || (value == l.at && !l.open))
                && self.high.is_none_or(|h| value < h.at || (value == h.at && !h.open));
            if fits && value.fract() != 0.0 && self.off_grid(value) {
                return Number::from_f64(value).map(Value::Number);
            }
        }
        None
    }

    fn free_fraction(&self, draw: &mut Draw) -> f64 {
        let low = self.low.map_or_else(|| self.high.map_or(-1e6, |h| h.at - 1e6), |l| l.at);
        let high = self.high.map_or_else(|| self.low.map_or(1e6, |l| l.at + 1e6), |h| h.at);
        let (low, high) = (low.max(-1e300), high.min(1e300));
        let share = (draw.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        match draw.below(10) {
            0 | 1 => low,
            2 | 3 => high,
            4 => low + 0.5,
            5 => high - 0.5,
            6 => next_up(low),
            7 => {
                let inner = low + (high - low) * share;
                (inner * 100.0).round() / 100.0
            }
            _ => low + (high - low) * share,
        }
    }

    fn grid_fraction(&self, draw: &mut Draw) -> Option<f64> {
        let (units, scale) = grid(&self.multiples)?;
        let size = 10_f64.powi(scale);
        let to_units = |at: f64| clamp(at * size / units as f64);
        let first = self.low.map_or(-1_000_000, |l| to_units(l.at));
        let last = self.high.map_or_else(|| first.saturating_add(2_000_000), |h| to_units(h.at));
        let count = match draw.below(6) {
            0 => first + 1,
            1 => last - 1,
            2 => draw.whole(first.max(-50), last.min(50)),
            _ => draw.whole(first, last),
        };
        format!("{}e-{scale}", count.checked_mul(units)?).parse().ok()
    }

    /// The least common multiple of the divisors among the whole numbers.
    fn whole_step(&self) -> Option<i128> {
        let Some((units, scale)) = grid(&self.multiples) else {
            return self.multiples.is_empty().then_some(1);
        };
        let size = 10_i128.checked_pow(u32::try_from(scale).ok()?)?;
        let step = units / gcd(units, size);
        (step > 0).then_some(step)
    }

    fn off_grid(&self, value: f64) -> bool {
        self.not_multiples.iter().all(|by| by.as_f64().is_none_or(|by| (value / by).fract() != 0.0))
    }
}

/// A whole number as a JSON value; as a float where it is too large for an integer.
pub(super) fn from_whole(value: i128) -> Value {
    if let Ok(small) = i64::try_from(value) {
        return Value::from(small);
    }
    u64::try_from(value).map_or_else(|_| Value::from(value as f64), Value::from)
}

/// The smallest grid all divisors share, as units of ten to the minus scale.
fn grid(divisors: &[Number]) -> Option<(i128, i32)> {
    if divisors.is_empty() {
        return None;
    }
    let parts: Vec<(i128, i32)> = divisors.iter().map(decimal).collect::<Option<_>>()?;
    let scale = parts.iter().map(|(_, scale)| *scale).max()?.max(0);
    let mut units = 1_i128;
    for (digits, own) in parts {
        let digits = digits.checked_mul(10_i128.checked_pow(u32::try_from(scale - own).ok()?)?)?;
        units = (units / gcd(units, digits)).checked_mul(digits)?;
    }
    Some((units, scale))
}

/// The positive number as digits times ten to the minus scale, read from its decimal text.
fn decimal(number: &Number) -> Option<(i128, i32)> {
    let text = number.to_string();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let digits: i128 = format!("{before}{after}").parse().ok()?;
    (digits > 0).then_some((digits, i32::try_from(after.len()).ok()? - exponent))
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

fn div_ceil(value: i128, by: i128) -> i128 {
    -(-value).div_euclid(by)
}

fn clamp(value: f64) -> i128 {
    value.clamp(-1e30, 1e30) as i128
}

fn next_up(value: f64) -> f64 {
    value.next_up()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(low: Option<Value>, high: Option<Value>, multiples: &[Value]) -> NumberRules {
        let number = |value: Value| match value {
            Value::Number(number) => number,
            _ => panic!("a number"),
        };
        let mut rules = NumberRules::default();
        if let Some(low) = low {
            rules.raise(Bound::new(&number(low), false));
        }
        if let Some(high) = high {
            rules.lower(Bound::new(&number(high), false));
        }
        rules.multiples = multiples.iter().cloned().map(number).collect();
        rules
    }

    #[test]
    fn both_bounds_are_hit_often() {
        let rules = rules(Some(json!(0)), Some(json!(1_000_000)), &[]);
        let mut draw = Draw::new(1);
        let drawn: Vec<i64> =
            (0..200).filter_map(|_| rules.integer(&mut draw)).filter_map(|v| v.as_i64()).collect();
        assert_eq!(drawn.len(), 200);
        assert!(drawn.iter().all(|n| (0..=1_000_000).contains(n)));
        let (low, high) =
            (drawn.iter().filter(|n| **n == 0).count(), drawn.iter().filter(|n| **n == 1_000_000).count());
        assert!(low > 20 && high > 20, "{low} low, {high} high of 200");
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert!(distinct.len() > 60, "{} distinct of 200", distinct.len());
    }

    #[test]
    fn divisors_share_a_grid() {
        let mut draw = Draw::new(2);
        let rules = rules(Some(json!(1)), Some(json!(100)), &[json!(4), json!(6), json!(0.5)]);
        for _ in 0..100 {
            let value = rules.integer(&mut draw).and_then(|v| v.as_i64()).unwrap_or(1);
            assert_eq!(value % 12, 0, "{value}");
        }
    }

    #[test]
    fn small_divisors_give_exact_decimals() {
        let mut draw = Draw::new(3);
        let rules = rules(Some(json!(0)), Some(json!(1)), &[json!(0.01)]);
        for _ in 0..100 {
            let value = rules.fraction(&mut draw).map(|v| v.to_string()).unwrap_or_default();
            assert!(value.starts_with("0.") && value.len() <= 4, "{value}");
        }
    }

    #[test]
    fn an_empty_range_gives_nothing() {
        let mut draw = Draw::new(4);
        assert_eq!(rules(Some(json!(5)), Some(json!(4)), &[]).integer(&mut draw), None);
        assert_eq!(rules(Some(json!(1)), Some(json!(2)), &[json!(7)]).integer(&mut draw), None);
        assert_eq!(rules(Some(json!(3)), Some(json!(3)), &[]).fraction(&mut draw), None);
    }

    #[test]
    fn the_extremes_of_the_types_are_reached() {
        let mut draw = Draw::new(5);
        let rules = rules(Some(json!(i64::MIN)), Some(json!(u64::MAX)), &[]);
        let drawn: Vec<Value> = (0..100).filter_map(|_| rules.integer(&mut draw)).collect();
        assert!(drawn.contains(&json!(i64::MIN)) && drawn.contains(&json!(u64::MAX)));
    }
}
