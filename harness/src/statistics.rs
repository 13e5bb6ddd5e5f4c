//! Whether two sets of times differ, and by how much, robust against single late answers.
//!
//! Yuen's form of Welch's t: means of the middle three fifths, with the variance that trimming leaves. A difference counts
//! where it is both certain and large enough to matter; that it does not matter has to be certain as well.

/// Parts of the sorted samples that are cut off at either end.
const TRIMMED: f64 = 0.2;
/// From here on a t is no chance (as in leakage assessments: ISO/IEC 17825).
const CERTAIN: f64 = 4.5;
/// How many standard errors a difference may be larger than it looks.
const DOUBT: f64 = 2.6;
/// Fewer samples of either kind decide nothing.
pub const FEWEST: usize = 8;

/// What two sets of times, in milliseconds, amount to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// They differ for certain, by so much that it matters.
    Differ(Gap),
    /// If they differ at all, it does not matter.
    Alike,
    /// More samples are needed to say.
    Open,
}

/// A difference between two sets of times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Median of the first.
    pub first: f64,
    /// Median of the second.
    pub second: f64,
    /// Difference of the trimmed means in standard errors; positive where the second is slower.
    pub t: f64,
    /// Standard error of that difference.
    pub error: f64,
}

impl Gap {
    /// Compares two sets of times.
    #[must_use]
    pub fn between(first: &[f64], second: &[f64]) -> Self {
        let (a, b) = (Trimmed::of(first), Trimmed::of(second));
        let error = (a.squared_error + b.squared_error).sqrt();
        let difference = b.mean - a.mean;
        let t = if error > 0.0 {
            difference / error
        } else if difference == 0.0 {
            0.0
        } else {
            f64::INFINITY.copysign(difference)
        };
        Self { first: a.median, second: b.median, t, error }
    }

    /// What matters: a millisecond, and a fifth of the slower median.
    #[must_use]
    pub fn matters_from(&self) -> f64 {
        (self.first.max(self.second) / 5.0).max(1.0)
    }

    /// Whether it may turn out to be certain with more samples.
    #[must_use]
    pub fn seems_to_matter(&self) -> bool {
        self.t.abs() >= 2.0 && self.width() >= self.matters_from() / 2.0
    }

    fn width(&self) -> f64 {
        (self.second - self.first).abs()
    }
}

/// Decides on what was sampled so far.
#[must_use]
pub fn decide(first: &[f64], second: &[f64]) -> Decision {
    if first.len() < FEWEST || second.len() < FEWEST {
        return Decision::Open;
    }
    let gap = Gap::between(first, second);
    let same_sign = (gap.second - gap.first) * gap.t > 0.0;
    if gap.t.abs() >= CERTAIN && gap.width() >= gap.matters_from() && same_sign {
        Decision::Differ(gap)
    } else if gap.width() + DOUBT * gap.error < gap.matters_from() {
        Decision::Alike
    } else {
        Decision::Open
    }
}

struct Trimmed {
    median: f64,
    mean: f64,
    squared_error: f64,
}

impl Trimmed {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of samples are small"
    )]
    fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let cut = (count as f64 * TRIMMED) as usize;
        let kept = &sorted[cut..count - cut];
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        // What was cut off counts as the nearest that was kept.
        let (low, high) = (kept[0], kept[kept.len() - 1]);
        let winsorized: Vec<f64> = sorted.iter().map(|sample| sample.clamp(low, high)).collect();
        let centre = winsorized.iter().sum::<f64>() / count as f64;
        let squares: f64 = winsorized.iter().map(|sample| (sample - centre).powi(2)).sum();
        let kept_count = kept.len() as f64;
        let squared_error = squares / (kept_count * (kept_count - 1.0));
        let middle = count / 2;
        let median =
            if count % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Self { median, mean, squared_error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve times around a base, always the same ones, in an order of their own for each shift.
    fn around(base: f64, width: f64, shift: usize) -> Vec<f64> {
        let steps = [0.1, 0.9, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.5, 0.45, 0.55, 0.0];
        (0..12).map(|index| base + width * steps[(index + shift) % 12]).collect()
    }

    #[test]
    fn a_large_and_certain_difference_is_seen_in_either_direction() {
        let (fast, slow) = (around(1.0, 0.5, 0), around(21.0, 2.0, 3));
        assert!(matches!(decide(&fast, &slow), Decision::Differ(gap) if gap.t > 10.0));
        assert!(matches!(decide(&slow, &fast), Decision::Differ(gap) if gap.t < -10.0));
    }

    #[test]
    fn a_certain_difference_that_does_not_matter_is_none() {
        // Half a millisecond, without any scatter to speak of; and a tenth of a slow answer.
        assert_eq!(decide(&around(1.0, 0.01, 0), &around(1.5, 0.01, 5)), Decision::Alike);
        assert_eq!(decide(&around(100.0, 1.0, 0), &around(110.0, 1.0, 5)), Decision::Alike);
    }

    #[test]
    fn scatter_around_the_same_time_is_no_difference() {
        assert_eq!(decide(&around(30.0, 10.0, 0), &around(30.0, 10.0, 7)), Decision::Alike);
    }

    #[test]
    fn a_difference_within_the_scatter_stays_open() {
        assert_eq!(decide(&around(5.0, 40.0, 0), &around(14.0, 40.0, 7)), Decision::Open);
    }

    #[test]
    fn single_late_answers_decide_nothing() {
        let mut first = around(2.0, 0.5, 0);
        let second = around(2.0, 0.5, 4);
        first[3] = 900.0;
        first[8] = 450.0;
        assert_eq!(decide(&first, &second), Decision::Alike);
    }

    #[test]
    fn few_samples_decide_nothing_and_equal_ones_do_not_divide_by_zero() {
        assert_eq!(decide(&[1.0; 7], &[90.0; 40]), Decision::Open);
        assert_eq!(decide(&[3.0; 8], &[3.0; 8]), Decision::Alike);
        assert!(matches!(decide(&[3.0; 8], &[9.0; 8]), Decision::Differ(gap) if gap.t.is_infinite()));
    }

    #[test]
    fn the_t_is_that_of_a_worked_example() {
        // Trimmed by two at each end of ten: means 4.5 and 8.5, six kept, winsorized squares 38.5 each.
        let first: Vec<f64> = (0..10).map(f64::from).collect();
        let second: Vec<f64> = (4..14).map(f64::from).collect();
        let gap = Gap::between(&first, &second);
        let squares = [2.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.0, 7.0].map(|x: f64| (x - 4.5).powi(2));
        let error = (2.0 * squares.iter().sum::<f64>() / 30.0).sqrt();
        assert!((gap.t - 4.0 / error).abs() < 1e-9, "{gap:?}");
        assert!((gap.first - 4.5).abs() < 1e-9 && (gap.second - 8.5).abs() < 1e-9);
    }
}
