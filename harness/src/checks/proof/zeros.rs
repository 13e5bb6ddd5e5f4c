//! Numbers that begin with zeros, which code that treats them as numbers loses: one signature or wallet in some hundred.

use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use crate::need::Need;
use crate::wallet::{self, LoginKey, Wallet};
use countersign_spec::Role;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

/// Draws of a wallet or a key; one in 256 begins with a zero byte.
const TRIES: usize = 8_192;

/// Adds the checks of numbers that begin with zeros.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Proof,
        "a signature whose numbers begin with zeros is accepted",
        &["common.flow.login-works"],
        signatures,
    );
    checks.needing(Need::FreshWallet).add(
        Group::Proof,
        "a wallet whose address begins with zeros logs in",
        &["common.flow.login-works"],
        addresses,
    );
    if checks
        .scheme
        .step(countersign_spec::Step::Login)
        .is_some_and(|login| login.request_field(Role::PublicKey).is_some())
    {
        checks.add(
            Group::Proof,
            "a login key that begins with zeros is registered",
            &["common.flow.login-works"],
            keys,
        );
    }
}

fn signatures(cx: &mut Context<'_>) -> Result<(), Stop> {
    for (what, at) in [("r", 0), ("s", 32)] {
        let actor = cx.actor()?;
        cx.log_in(&actor)?;
        // Chance of its own: how often is drawn hangs on the text, and so on the time.
        let mut chance = StdRng::seed_from_u64(cx.rng.next_u64());
        let attempt = cx.attempt(&actor)?;
        let (operation, mut draft) = cx.write_attempt(&attempt)?;
        let text = operation
            .request_field(Role::SignedText)
            .and_then(|field| draft.text(&field.at))
            .or(attempt.challenge)
            .unwrap_or_default();
        let (Some(field), Some(signature)) =
            (operation.request_field(Role::Signature), actor.wallet.sign_with_zero(&text, at, &mut chance))
        else {
            return Err(Stop::Inconclusive(format!(
                "no signature with a zero at the beginning of {what} was drawn"
            )));
        };
        draft.set(&field.at, json!(wallet::signature_hex(&signature)));
        let answer = cx.send(operation, &draft)?;
        cx.must_accept(
            &answer,
            &format!("logged in with a right signature whose {what} begins with a zero byte"),
        )?;
    }
    Ok(())
}

fn addresses(cx: &mut Context<'_>) -> Result<(), Stop> {
    if cx.target.profile.scheme(&cx.scheme.id).wallet.is_some() {
        return Err(Stop::NotApplicable("the profile names the wallet that logs in".to_owned()));
    }
    for zeros in ["0x0", "0x00"] {
        let wallet = (0..TRIES)
            .map(|_| Wallet::random(&mut cx.rng))
            .find(|wallet| wallet.lower_address().starts_with(zeros));
        let Some(wallet) = wallet else {
            return Err(Stop::Inconclusive(format!("no wallet whose address begins with {zeros} was drawn")));
        };
        let actor = Actor::of_wallet(wallet, &mut cx.rng);
        let actor = cx.register(actor)?;
        let attempt = cx.attempt(&actor)?;
        let answer = cx.send_attempt(&attempt)?;
        cx.must_accept(&answer, &format!("logged in as {}", actor.address))?;
    }
    Ok(())
}

fn keys(cx: &mut Context<'_>) -> Result<(), Stop> {
    let mut actor = cx.actor()?;
    let key = (0..TRIES)
        .map(|_| LoginKey::random(&mut cx.rng))
        .find(|key| key.public_hex().starts_with("00"))
        .ok_or_else(|| Stop::Inconclusive("no key that begins with a zero byte was drawn".to_owned()))?;
    actor.login_key = key;
    let session = cx.log_in(&actor)?;
    for operation in
        cx.scheme.operations.iter().filter(|operation| operation.auth == countersign_spec::Auth::Signed)
    {
        if cx.served(operation).is_err() {
            continue;
        }
        let draft = cx.authorized(operation, &session);
        let answer = cx.send(operation, &draft)?;
        let did = format!(
            "registered the key {} and asked {} with it",
            actor.login_key.public_hex(),
            operation.name
        );
        cx.must_accept(&answer, &did)?;
    }
    Ok(())
}
