//! How much chance is in texts that a target makes up: challenges, and tokens that nobody can read.

use std::collections::{BTreeMap, BTreeSet};

/// How many bits of a text change from one to the next: for each position the logarithm of how many characters were
/// seen there. A counter or a time moves few positions; chance moves all.
pub fn changing_bits(sample: &[String]) -> f64 {
    let longest = sample.iter().map(String::len).max().unwrap_or(0);
    (0..longest)
        .map(|position| {
            let seen: BTreeSet<Option<u8>> =
                sample.iter().map(|text| text.as_bytes().get(position).copied()).collect();
            #[expect(clippy::cast_precision_loss, reason = "at most 257 different bytes")]
            let seen = seen.len() as f64;
            seen.log2()
        })
        .sum()
}

/// Bits that are left to guess where one knows the texts before: for each position the better of two guesses, the most
/// frequent character there and the one of the text before.
pub fn least_bits(sample: &[String]) -> f64 {
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

    const SAMPLE: usize = 256;
    const ENOUGH: f64 = 40.0;

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

    #[test]
    fn chance_is_told_from_counters_and_times() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let random: Vec<String> = (0..64)
            .map(|_| {
                let mut bytes = [0_u8; 16];
                rng.fill_bytes(&mut bytes);
                data_encoding::HEXLOWER.encode(&bytes)
            })
            .collect();
        assert!(changing_bits(&random) > 100.0);
        let counter: Vec<String> = (0..64).map(|index| format!("{index:032x}")).collect();
        assert!(changing_bits(&counter) < 10.0);
        let times: Vec<String> =
            (0..64).map(|index| format!("{:x}", 1_700_000_000_000_u64 + index * 3)).collect();
        assert!(changing_bits(&times) < 16.0);
    }
}
