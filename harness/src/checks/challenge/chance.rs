//! How much chance is in challenges, by what many of them in a row look like.

use super::{changing_bits, differing, last, shown};
use crate::check::{Checks, Group};
use countersign_spec::Level;
use std::collections::BTreeMap;

/// Enough to tell digits that are drawn evenly from digits that are not.
const SAMPLE: usize = 256;
/// Chance that a sample of this size surely shows where 64 bits are in it (OWASP ASVS 5.0, 6.7.2).
const ENOUGH: f64 = 40.0;

/// Adds the check of chance.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(Group::Challenge, "challenges hold enough chance", &["common.challenge.unpredictable"], |cx| {
            let sample = differing(cx, SAMPLE)?;
            let bits = least_bits(&sample).min(changing_bits(&sample));
            if bits < ENOUGH {
                let got = format!(
                    "whoever has seen {} of them guesses the next one as if it had about {bits:.0} bits, as in {}",
                    sample.len(),
                    shown(&sample)
                );
                let did = format!("asked for {} challenges in a row", sample.len());
                let expected = "challenges with at least 64 bits that nothing before them tells";
                return Err(cx.finding(&did, expected, &got, &last(cx)).into());
            }
            Ok(())
        })
        .at_most(Level::May)
        .family("chance", 2);
}

/// Bits that are left to guess where one knows the challenges before: for each position the better of two guesses, the most
/// frequent character there and the one of the challenge before.
fn least_bits(sample: &[String]) -> f64 {
    let longest = sample.iter().map(String::len).max().unwrap_or(0);
    (0..longest)
        .map(|position| {
            let column: Vec<Option<u8>> =
                sample.iter().map(|text| text.as_bytes().get(position).copied()).collect();
            let mut counts: BTreeMap<Option<u8>, usize> = BTreeMap::new();
            for character in &column {
                *counts.entry(*character).or_default() += 1;
            }
            let frequent = counts.values().copied().max().unwrap_or(1);
            let repeated = column.windows(2).filter(|pair| pair[0] == pair[1]).count();
            #[expect(clippy::cast_precision_loss, reason = "a sample is a few hundred")]
            let guessed = frequent.max(repeated + 1) as f64 / column.len() as f64;
            -guessed.min(1.0).log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn random(bytes: usize, change: impl Fn(&mut [u8])) -> Vec<String> {
        let mut rng = rand::rngs::StdRng::seed_from_u64(11);
        let mut one = || {
            let mut text = vec![0_u8; bytes];
            rng.fill_bytes(&mut text);
            change(&mut text);
            data_encoding::HEXLOWER.encode(&text)
        };
        (0..SAMPLE).map(|_| one()).collect()
    }

    #[test]
    fn even_digits_pass_whatever_stands_before_them() {
        assert!(least_bits(&random(16, |_| ())) > 60.0);
        // The least that the standard asks for, and a time in front of random digits.
        assert!(least_bits(&random(8, |_| ())) > 30.0);
        let timed: Vec<String> = random(10, |_| ()).iter().map(|text| format!("0198c1f2a{text}")).collect();
        assert!(least_bits(&timed) > ENOUGH);
    }

    #[test]
    fn digits_that_are_mostly_zero_and_counters_do_not() {
        let biased = random(16, |bytes| {
            for byte in bytes {
                *byte = if *byte < 224 { 0 } else { *byte };
            }
        });
        assert!(changing_bits(&biased) > ENOUGH);
        assert!(least_bits(&biased) < 20.0);
        let counted: Vec<String> = (0..SAMPLE).map(|index| format!("{index:032x}")).collect();
        assert!(least_bits(&counted) < 10.0);
    }
}
