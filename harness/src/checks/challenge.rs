//! Challenges are new, unpredictable, bound to their wallet and used once.

mod again;
mod chance;
mod near;
mod timing;
pub(super) mod ways;

use crate::chance::changing_bits;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use countersign_spec::{Role, Step};
use std::collections::BTreeSet;
use ways::ways;

/// How many challenges are looked at together.
const SAMPLE: usize = 64;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.step(Step::Challenge).is_none() {
        return;
    }
    let named = names_wallet(checks);
    checks
        .add(Group::Challenge, "every challenge is a new one", &["common.challenge.unique"], move |cx| {
            let all = sample(cx, !named, SAMPLE / 2)?;
            let distinct = distinct(&all);
            if distinct < all.len() {
                let got = format!("{distinct} different ones among {}", all.len());
                let whose = if named { ", each for another wallet" } else { "" };
                let did = format!("asked for {} challenges{whose}", all.len());
                cx.found_in(&did, "a new challenge each time", &got, &last(cx))?;
            }
            if named {
                at_once(cx)?;
            }
            // One that nobody has used may be given again to the same wallet; one that was used may not.
            let me = cx.actor()?;
            let mut used = BTreeSet::new();
            for _ in 0..3 {
                let challenge = cx.challenge(&me)?;
                if !used.insert(challenge.clone()) {
                    let got = format!("`{challenge}` again");
                    let did = "logged in with a challenge and asked for another one";
                    cx.found_in(did, "a new challenge each time", &got, &last(cx))?;
                }
                let attempt = cx.attempt_with(&me, Some(challenge));
                let answer = cx.send_attempt(&attempt)?;
                cx.control(&answer, "a login with the challenge")?;
            }
            Ok(())
        })
        .family("chance", 0);
    checks
        .add(Group::Challenge, "challenges follow no pattern", &["common.challenge.unpredictable"], |cx| {
            let sample = differing(cx, SAMPLE)?;
            let bits = changing_bits(&sample);
            if bits < 56.0 {
                let got = format!(
                    "only about {bits:.0} bits change between {} of them, as in {}",
                    sample.len(),
                    shown(&sample)
                );
                let did = format!("asked for {} challenges", sample.len());
                let expected = "challenges that differ in at least 64 bits of chance";
                cx.found_in(&did, expected, &got, &last(cx))?;
            }
            Ok(())
        })
        .family("chance", 1);
    chance::add(checks);
    bound(checks);
    near::add(checks);
    used_once(checks);
    again::add(checks);
    if names_wallet(checks) {
        timing::add(checks);
    }
}

fn sample(cx: &mut Context<'_>, one_wallet: bool, count: usize) -> Result<Vec<String>, Stop> {
    let first = cx.actor()?;
    let mut challenges = Vec::new();
    for _ in 0..count {
        let actor = if one_wallet { first.clone() } else { cx.other_actor()? };
        challenges.push(cx.challenge(&actor)?);
    }
    Ok(challenges)
}

/// Asks for several wallets at the same moment.
fn at_once(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Challenge)?;
    let mut drafts = Vec::new();
    for _ in 0..8 {
        let actor = cx.other_actor()?;
        drafts.push(cx.fill(operation, &actor, None));
    }
    let answers = cx.send_together(operation, &drafts);
    let given: Vec<String> = answers.iter().filter_map(|answer| answer.text(Role::Challenge)).collect();
    let distinct = distinct(&given);
    if distinct < given.len() {
        let got = format!("{distinct} different ones among {}", given.len());
        let did = "asked for challenges for several wallets at the same moment";
        cx.found_in(did, "a new challenge for each", &got, &last(cx))?;
    }
    Ok(())
}

/// Challenges for one wallet; where the target gives one again until it is used, for as many wallets.
fn differing(cx: &mut Context<'_>, count: usize) -> Result<Vec<String>, Stop> {
    let first = sample(cx, true, count)?;
    if distinct(&first) == first.len() { Ok(first) } else { sample(cx, false, count) }
}

fn distinct(challenges: &[String]) -> usize {
    challenges.iter().collect::<BTreeSet<_>>().len()
}

fn last(cx: &Context<'_>) -> Vec<std::sync::Arc<crate::exchange::Exchange>> {
    cx.log.iter().rev().take(2).rev().cloned().collect()
}

fn shown(sample: &[String]) -> String {
    sample
        .iter()
        .take(3)
        .map(|challenge| format!("`{}`", crate::exchange::cut(challenge, 80)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether a challenge is asked for a wallet. One that is not belongs to whoever uses it first.
fn names_wallet(checks: &Checks<'_>) -> bool {
    let asked = checks.scheme.step(Step::Challenge);
    asked.is_some_and(|operation| operation.request_field(Role::Address).is_some())
}

fn bound(checks: &mut Checks<'_>) {
    if names_wallet(checks) {
        of_another(checks);
    }
    checks
        .add(
            Group::Challenge,
            "a challenge that was never given is refused",
            &["common.challenge.issued-here"],
            |cx| {
                for way in ways(cx)? {
                    let me = cx.actor()?;
                    let given = cx.challenge(&me)?;
                    let invented = invent(cx, &given);
                    let answer = way.send(cx, &me, &invented)?;
                    let did = format!("signed an invented challenge `{invented}`{}", way.said);
                    cx.must_refuse(&answer, &did)?;
                    let stranger = cx.other_actor()?;
                    let answer = way.send(cx, &stranger, &invented)?;
                    let did = format!("logged a wallet in that never asked for a challenge{}", way.said);
                    cx.must_refuse(&answer, &did)?;
                }
                Ok(())
            },
        )
        .family("challenge", 0);
    checks
        .add(Group::Challenge, "a changed challenge is refused", &["common.challenge.altered"], |cx| {
            for way in ways(cx)? {
                let me = cx.actor()?;
                let given = cx.challenge(&me)?;
                let cut = given.get(..given.len().saturating_sub(1)).unwrap_or_default().to_owned();
                let half = given.get(..given.len() / 2).unwrap_or_default().to_owned();
                for (what, changed) in [
                    ("its first character changed", change_first(&given)),
                    ("its last character changed", change_last(&given)),
                    ("its last character cut off", cut),
                    ("its second half cut off", half),
                ] {
                    let given = cx.challenge(&me)?;
                    let changed = if changed.is_empty() { given } else { changed };
                    let answer = way.send(cx, &me, &changed)?;
                    let did = format!("signed the challenge with {what}{}", way.said);
                    cx.must_refuse(&answer, &did)?;
                }
            }
            Ok(())
        })
        .family("challenge", 1);
    checks.add(
        Group::Challenge,
        "a further challenge leaves the earlier one usable",
        &["common.challenge.survives-strangers"],
        |cx| {
            let me = cx.actor()?;
            let mine = cx.challenge(&me)?;
            for _ in 0..3 {
                cx.challenge(&me)?;
            }
            let attempt = cx.attempt_with(&me, Some(mine));
            let answer = cx.send_attempt(&attempt)?;
            cx.must_accept(
                &answer,
                "logged in with a challenge after somebody asked for more of them for the same address",
            )
        },
    );
}

fn of_another(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Challenge,
            "a challenge of another wallet is refused",
            &["common.challenge.bound"],
            |cx| {
                for way in ways(cx)? {
                    let victim = cx.other_actor()?;
                    let theirs = cx.challenge(&victim)?;
                    let me = cx.actor()?;
                    cx.challenge(&me)?;
                    let answer = way.send(cx, &me, &theirs)?;
                    let did =
                        format!("logged one wallet in with the challenge that another was given{}", way.said);
                    cx.must_refuse(&answer, &did)?;
                }
                Ok(())
            },
        )
        .family("challenge", 1);
}

/// A challenge of the same form, with other digits.
fn invent(cx: &mut Context<'_>, given: &str) -> String {
    let random = cx.random_hex(given.len());
    given
        .chars()
        .zip(random.chars())
        .map(|(old, new)| match old {
            '0'..='9' | 'a'..='f' => new,
            'A'..='F' => new.to_ascii_uppercase(),
            'g'..='z' | 'G'..='Z' => {
                let shift = u8::try_from(new.to_digit(16).unwrap_or(0)).unwrap_or(0);
                let base = if old.is_ascii_lowercase() { b'g' } else { b'G' };
                char::from(base + shift)
            }
            other => other,
        })
        .collect()
}

fn change_first(given: &str) -> String {
    let mut characters = given.chars();
    let first = characters.next().unwrap_or('0');
    let other = if first == '0' { '1' } else { '0' };
    std::iter::once(other).chain(characters).collect()
}

fn change_last(given: &str) -> String {
    let mut characters: Vec<char> = given.chars().collect();
    if let Some(last) = characters.last_mut() {
        *last = if *last == '0' { '1' } else { '0' };
    }
    characters.into_iter().collect()
}

fn used_once(checks: &mut Checks<'_>) {
    checks
        .add(Group::Challenge, "a used challenge is refused", &["common.challenge.single-use"], |cx| {
            let me = cx.actor()?;
            let attempt = cx.attempt(&me)?;
            let first = cx.send_attempt(&attempt)?;
            cx.control(&first, "the first login with the challenge")?;
            let second = cx.send_attempt(&attempt)?;
            cx.must_refuse(&second, "sent the same login twice")?;
            // What was used is found again by an address, of which there are several spellings.
            let mut written = cx.other_actor()?;
            written.address = written.wallet.address();
            let attempt = cx.attempt(&written)?;
            if !cx.send_attempt(&attempt)?.accepted() {
                return Ok(());
            }
            let second = cx.send_attempt(&attempt)?;
            cx.must_refuse(&second, "sent the same login twice, the address with its checksum")
        })
        .family("challenge-use", 0);
}
