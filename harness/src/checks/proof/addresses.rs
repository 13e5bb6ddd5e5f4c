//! Ways to write the address of a wallet, and addresses that are none.

use super::signatures::malformed_signatures;
use crate::check::{Checks, Group};
use crate::checks::token::access_jwt;
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::jwt::Jwt;
use crate::wallet::Wallet;
use countersign_spec::{Level, Role, Step};
use serde_json::json;

/// Adds the checks of addresses.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Proof,
            "a signature that recovers nobody is refused for the zero address",
            &["common.proof.signer-is-address"],
            zero_address,
        )
        .family("signature", 2);
    for (sentence, level, write) in [
        ("an address with its checksum is accepted", Level::Must, checksummed as fn(&Wallet) -> String),
        ("an address in lower case is accepted", Level::Must, Wallet::lower_address),
        ("an address in upper case is accepted", Level::May, upper),
    ] {
        checks
            .add(Group::Proof, sentence, &["common.proof.address-case"], move |cx| {
                let mut actor = cx.actor()?;
                actor.address = write(&actor.wallet);
                let challenge = match cx.step(Step::Challenge) {
                    Ok(operation) => {
                        let answer = cx.ask_challenge(operation, &actor)?;
                        cx.must_accept(&answer, &format!("asked for a challenge for {}", actor.address))?;
                        if !answer.accepted() {
                            return Ok(());
                        }
                        answer.text(Role::Challenge)
                    }
                    Err(_) => None,
                };
                let attempt = cx.attempt_with(&actor, challenge);
                let answer = cx.send_attempt(&attempt)?;
                cx.must_accept(&answer, &format!("logged in as {}", actor.address))?;
                if !answer.accepted() {
                    return Ok(());
                }
                let session = Context::session_of(&actor, answer);
                one_account(cx, &session)
            })
            .at_most(level);
    }
    if checks.scheme.step(Step::Challenge).is_some() {
        checks
            .add(
                Group::Proof,
                "an address written differently at both steps is the same wallet",
                &["common.proof.address-case"],
                |cx| {
                    let mut actor = cx.actor()?;
                    let (lower, mixed) = (actor.wallet.lower_address(), actor.wallet.address());
                    for (asked, answered, did) in [
                        (&lower, &mixed, "asked for a challenge in lower case and logged in with a checksum"),
                        (&mixed, &lower, "asked for a challenge with a checksum and logged in in lower case"),
                    ] {
                        actor.address.clone_from(asked);
                        let challenge = cx.challenge(&actor)?;
                        actor.address.clone_from(answered);
                        let attempt = cx.attempt_with(&actor, Some(challenge));
                        let answer = cx.send_attempt(&attempt)?;
                        cx.must_accept(&answer, did)?;
                    }
                    Ok(())
                },
            )
            .at_most(Level::Should);
    }
    checks
        .add(
            Group::Proof,
            "a login for something that is no address is refused",
            &["common.proof.malformed-address"],
            |cx| {
                let actor = cx.actor()?;
                let attempt = cx.attempt(&actor)?;
                let (operation, good) = cx.write_attempt(&attempt)?;
                let Some(field) = operation.request_field(Role::Address) else { return Ok(()) };
                let right = good.text(&field.at).unwrap_or_default();
                for wrong in [
                    "0x".to_owned(),
                    right.get(..41).unwrap_or_default().to_owned(),
                    format!("{right}0"),
                    format!("0x{}", "zz".repeat(20)),
                    format!("0x{}", "00".repeat(20)),
                    "alice.eth".to_owned(),
                ] {
                    let mut draft = good.clone();
                    draft.set(&field.at, json!(wrong));
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("logged in as the address `{wrong}`"))?;
                }
                Ok(())
            },
        )
        .family("signature", 2);
    for (sentence, level, others) in [
        (
            "an address in characters that only look like hex is refused",
            Level::Should,
            looking_alike as Others,
        ),
        // Some servers trim what they are sent, and nobody gains by it.
        ("an address with white space around it is refused", Level::May, spaced),
    ] {
        checks
            .add(Group::Proof, sentence, &["common.proof.malformed-address"], move |cx| {
                let actor = cx.actor()?;
                for (what, odd) in others(&actor.wallet) {
                    let mut odd_one = actor.clone();
                    odd_one.address = odd;
                    let challenge = match cx.step(Step::Challenge) {
                        Ok(operation) => {
                            let answer = cx.ask_challenge(operation, &odd_one)?;
                            let given = answer.text(Role::Challenge).filter(|_| answer.accepted());
                            Some(given.map_or_else(|| cx.challenge(&actor), Ok)?)
                        }
                        Err(_) => None,
                    };
                    let mut attempt = cx.attempt_with(&odd_one, challenge);
                    // Not everything can stand in a header that repeats it.
                    attempt.optional = false;
                    let answer = cx.send_attempt(&attempt)?;
                    cx.must_refuse(&answer, &format!("logged a wallet in with its address {what}"))?;
                }
                Ok(())
            })
            .at_most(level)
            .family("signature", 2);
    }
}

/// Ways to write an address that are none, in words and as text.
type Others = fn(&Wallet) -> Vec<(&'static str, String)>;

fn looking_alike(wallet: &Wallet) -> Vec<(&'static str, String)> {
    let address = wallet.lower_address();
    let digits = address.trim_start_matches("0x");
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c);
    // Digits of another script, which some languages read as numbers.
    let arabic = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(0x660 + digit)).unwrap_or(c);
    vec![
        ("in full-width characters", format!("0x{}", digits.chars().map(wide).collect::<String>())),
        ("in Arabic digits", format!("0x{}", digits.chars().map(arabic).collect::<String>())),
        ("and NUL behind it", format!("{address}\0")),
        ("and NUL and more behind it", format!("{address}\u{0}x")),
        ("with an invisible character in it", format!("{}\u{200b}{}", &address[..10], &address[10..])),
        ("and more digits behind it", format!("{address}00")),
        ("and zeros before its digits", format!("0x{}{digits}", "0".repeat(24))),
    ]
}

fn spaced(wallet: &Wallet) -> Vec<(&'static str, String)> {
    let address = wallet.lower_address();
    vec![
        ("and a line feed behind it", format!("{address}\n")),
        ("and a space behind it", format!("{address} ")),
        ("and a space before it", format!(" {address}")),
        ("and a tab behind it", format!("{address}\t")),
    ]
}

/// A wallet that is written differently is no other account.
fn one_account<'t>(cx: &mut Context<'t>, written: &Session<'t>) -> Result<(), Stop> {
    let mut actor = written.actor.clone();
    actor.address = actor.wallet.lower_address();
    if actor.address == written.actor.address {
        return Ok(());
    }
    let plain = cx.log_in(&actor)?;
    let (Ok(one), Ok(other)) = (access_jwt(&plain), access_jwt(written)) else { return Ok(()) };
    for claim in cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims) {
        let value = |jwt: &Jwt| jwt.claims.get(claim).map(|value| value.to_string().to_ascii_lowercase());
        let (Some(before), Some(now)) = (value(&one), value(&other)) else { continue };
        if before != now {
            let did = "logged one wallet in with its address written in two ways";
            let got = format!("`{claim}` is {before} for one and {now} for the other");
            let exchanges = [&plain.answer.exchange, &written.answer.exchange].map(std::sync::Arc::clone);
            cx.found_in(did, "the same account in both tokens", &got, &exchanges)?;
        }
    }
    Ok(())
}

/// Recovery that fails must not be taken for the zero address.
fn zero_address(cx: &mut Context<'_>) -> Result<(), Stop> {
    let mut actor = cx.actor()?;
    actor.address = format!("0x{}", "00".repeat(20));
    // A server may well refuse to talk about the zero address at all.
    let challenge = match cx.step(Step::Challenge) {
        Ok(operation) => {
            let answer = cx.ask_challenge(operation, &actor)?;
            Some(answer.text(Role::Challenge).unwrap_or_else(|| cx.random_hex(16)))
        }
        Err(_) => None,
    };
    let attempt = cx.attempt_with(&actor, challenge);
    let (operation, good) = cx.write_attempt(&attempt)?;
    let Some(field) = operation.request_field(Role::Signature) else { return Ok(()) };
    let mut signatures = malformed_signatures(&good.text(&field.at).unwrap_or_default());
    signatures.push(("another wallet's signature", good.text(&field.at).unwrap_or_default()));
    for (what, wrong) in signatures {
        let mut draft = good.clone();
        draft.set(&field.at, json!(wrong));
        let answer = cx.send(operation, &draft)?;
        cx.must_refuse(&answer, &format!("logged in as the zero address with {what}"))?;
    }
    Ok(())
}

fn checksummed(wallet: &Wallet) -> String {
    wallet.address()
}

fn upper(wallet: &Wallet) -> String {
    format!("0x{}", wallet.lower_address().trim_start_matches("0x").to_ascii_uppercase())
}
