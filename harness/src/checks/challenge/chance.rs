//! How much chance is in challenges, by what many of them in a row look like.

use super::{differing, last, shown};
use crate::chance::{changing_bits, least_bits};
use crate::check::{Checks, Group};
use countersign_spec::Level;

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
                cx.found_in(&did, expected, &got, &last(cx))?;
            }
            Ok(())
        })
        .at_most(Level::May)
        .family("chance", 2);
}
