//! One wallet in every way its address may be written: at the login, in the text, and where accounts are looked up.

use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use crate::wallet::{LoginKey, Wallet};
use countersign_spec::{Auth, Level, Place, Role, Step};
use serde_json::json;

/// Adds the checks of addresses in the text and at the look-up.
pub(super) fn add(checks: &mut Checks<'_>) {
    let forms = &checks.scheme.proof;
    if forms.text.iter().chain(&forms.other_texts).any(|text| text.template.contains("{address}")) {
        checks
            .add(
                Group::Proof,
                "another wallet's signature over a text that names it is refused",
                &["common.proof.signer-is-address"],
                names_its_signer,
            )
            .family("signature", 1);
    }
    let headers = checks.scheme.step(Step::Login).into_iter().flat_map(|login| &login.request.fields);
    if headers.filter(|field| matches!(field.at, Place::Header(_))).any(|field| {
        field.value.as_ref().and_then(|value| value.as_str()).is_some_and(|template| template.contains('{'))
    }) {
        checks
            .add(
                Group::Proof,
                "another wallet's signature under headers that name it is refused",
                &["common.proof.signer-is-address"],
                headers_name_their_signer,
            )
            .family("signature", 1);
    }
    if checks.scheme.step(Step::Lookup).is_some() {
        checks.add(
            Group::Proof,
            "a pattern is looked up like any other unknown address",
            &["common.credential.injection", "common.flow.lookup-follows-login"],
            patterns,
        );
        checks
            .add(
                Group::Proof,
                "what a look-up repeats of a login is what was sent",
                &["common.flow.lookup-follows-login"],
                repeats,
            )
            .at_most(Level::Should);
    }
    let in_text = checks.scheme.proof.text.as_ref().is_some_and(|text| text.template.contains("{address}"));
    if in_text {
        checks
            .add(
                Group::Proof,
                "an address with its checksum in the text and in lower case beside it is accepted",
                &["common.proof.address-case"],
                |cx| {
                    let mut actor = cx.actor()?;
                    actor.address = actor.wallet.lower_address();
                    let mut attempt = cx.attempt(&actor)?;
                    let mixed = actor.wallet.address();
                    if let Some(form) = &mut attempt.form {
                        form.template = form.template.replace("{address}", &mixed);
                    }
                    let answer = cx.send_attempt(&attempt)?;
                    let did = format!("logged in as {} with {mixed} in the text", actor.address);
                    cx.must_accept(&answer, &did)
                },
            )
            .at_most(Level::Should);
        checks
            .add(
                Group::Proof,
                "a text that names another wallet is refused",
                &["common.proof.text-is-signed"],
                |cx| {
                    let other = Wallet::random(&mut cx.rng).lower_address();
                    super::refuse(cx, "signed a text that names another wallet's address", |_, attempt| {
                        if let Some(form) = &mut attempt.form {
                            form.template = form.template.replace("{address}", &other);
                        }
                    })
                },
            )
            // What a login is for is bound by the computed value; who reads the text besides is the server's affair.
            .at_most(Level::May);
    }
    if checks.scheme.step(Step::Lookup).is_some() {
        checks
            .add(
                Group::Proof,
                "an address is looked up in every letter case",
                &["common.proof.one-account", "common.proof.address-case"],
                looked_up,
            )
            .at_least(Level::Should);
    }
    if checks.scheme.step(Step::Lookup).is_some() && has_key(checks) {
        checks
            .add(
                Group::Proof,
                "the look-up tells no access key that came with a login",
                &["common.hygiene.no-echoed-secrets"],
                tells_no_access_key,
            )
            .at_most(Level::Should);
        checks
            .add(
                Group::Proof,
                "the look-up shows no key that a newer login replaced",
                &["common.flow.lookup-follows-login"],
                newest_key,
            )
            .at_most(Level::Should);
    }
    if has_key(checks) {
        checks
            .add(
                Group::Proof,
                "a login with the address in other letters is of the same account",
                &["common.proof.one-account", "common.proof.address-case"],
                same_account,
            )
            .at_least(Level::Should);
    }
}

/// Whether logins register keys.
fn has_key(checks: &Checks<'_>) -> bool {
    checks.scheme.operations.iter().any(|operation| operation.auth == Auth::Signed)
}

/// Signs that databases read as "anything" find nobody.
fn patterns(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Lookup)?;
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    let lower = actor.wallet.lower_address();
    let beginning = lower.get(..41).unwrap_or_default();
    for pattern in [
        "%".to_owned(),
        "0x%".to_owned(),
        "_".repeat(42),
        format!("{beginning}_"),
        format!("{beginning}%"),
        format!("{beginning}?"),
        "*".to_owned(),
        ".*".to_owned(),
        format!("{lower}' OR '1'='1"),
    ] {
        let mut asking = actor.clone();
        asking.address.clone_from(&pattern);
        let draft = cx.fill(operation, &asking, None);
        let answer = cx.send(operation, &draft)?;
        cx.must_refuse(&answer, &format!("looked `{pattern}` up in place of an address"))?;
    }
    Ok(())
}

/// A look-up may tell of the login that opened an account. Where it does, under the login's own names, it tells what was
/// sent.
fn repeats(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Lookup)?;
    let actor = Actor::fresh_wallet(&mut cx.rng);
    let attempt = cx.attempt(&actor)?;
    let (login, sent) = cx.write_attempt(&attempt)?;
    let answer = cx.send(login, &sent)?;
    cx.control(&answer, "a login with everything right")?;
    let draft = cx.fill(operation, &actor, None);
    let answer = cx.send(operation, &draft)?;
    cx.control(&answer, "looking up an account that has logged in")?;
    let data = cx.scheme.envelope.data.clone().unwrap_or_default();
    for field in &login.request.fields {
        let known = matches!(
            field.role,
            Role::Constant | Role::PublicKey | Role::Signature | Role::SignedText | Role::Timestamp
        );
        let (Place::Body(pointer), true) = (&field.at, known) else { continue };
        let shown = answer.exchange.json.as_ref().and_then(|body| body.pointer(&format!("{data}{pointer}")));
        let shown = shown.map(crate::draft::plain_text).unwrap_or_default();
        let right = sent.text(&field.at).unwrap_or_default();
        let bare = |text: &str| text.trim_start_matches("0x").trim().to_ascii_lowercase();
        let is_number = field.role != Role::Timestamp || shown.bytes().all(|byte| byte.is_ascii_digit());
        if !shown.is_empty() && shown != "null" && is_number && bare(&shown) != bare(&right) {
            let did = format!("logged a new wallet in and looked it up: {} is another", field.at);
            let expected = format!("what the login sent as {}, or nothing", field.at);
            cx.found(&did, &expected, &answer)?;
        }
    }
    Ok(())
}

/// Members that are empty unless somebody has been given a key for them are that somebody's alone. A target that knows no
/// such key refuses it.
fn tells_no_access_key(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Lookup)?;
    let login = cx.step(Step::Login)?;
    let actor = cx.actor()?;
    let key = format!("access-{}", cx.random_hex(12));
    let mut attempt = cx.attempt(&actor)?;
    let empty = login.request.fields.iter().filter(|field| field.value == Some(json!("")));
    attempt.before.extend(empty.map(|field| (field.at.clone(), json!(key))));
    if attempt.before.is_empty() || !cx.send_attempt(&attempt)?.accepted() {
        return Err(Stop::NotApplicable("the target takes no access key of our own".to_owned()));
    }
    let draft = cx.fill(operation, &actor, None);
    let answer = cx.send(operation, &draft)?;
    if answer.exchange.text().contains(&key) {
        let did = "logged in with an access key, and looked the account up without any proof";
        cx.found(did, "an answer without that key", &answer)?;
    }
    Ok(())
}

/// A look-up need not show keys. One that does must not show the key before the last.
fn newest_key(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Lookup)?;
    let mut actor = cx.actor()?;
    cx.log_in(&actor)?;
    let draft = cx.fill(operation, &actor, None);
    let answer = cx.send(operation, &draft)?;
    cx.control(&answer, "looking up an account that has logged in")?;
    let old = actor.login_key.public_hex();
    if !answer.exchange.text().to_ascii_lowercase().contains(&old) {
        return Err(Stop::NotApplicable("the look-up shows no registered key".to_owned()));
    }
    // Several times: what others ask meanwhile may empty a cache.
    for _ in 0..3 {
        let old = actor.login_key.public_hex();
        let draft = cx.fill(operation, &actor, None);
        cx.send(operation, &draft)?;
        actor.login_key = LoginKey::random(&mut cx.rng);
        cx.log_in(&actor)?;
        let answer = cx.send(operation, &draft)?;
        let text = answer.exchange.text().to_ascii_lowercase();
        if text.contains(&old) && !text.contains(&actor.login_key.public_hex()) {
            let did = "logged a wallet in again with a new key and looked it up";
            cx.found(did, "the key of the newer login, or none", &answer)?;
        }
    }
    Ok(())
}

/// Who signs is held against the address that logs in, not against one that stands in the text, wherever it stands there.
fn names_its_signer(cx: &mut Context<'_>) -> Result<(), Stop> {
    let proof = &cx.scheme.proof;
    let texts = proof.text.iter().chain(&proof.other_texts);
    for text in texts.filter(|text| text.template.contains("{address}")) {
        let actor = cx.actor()?;
        cx.log_in(&actor)?;
        let thief = Wallet::random(&mut cx.rng);
        let signers = [thief.lower_address(), thief.address()];
        for (signer, (what, template)) in
            signers.iter().flat_map(|signer| named_in(&text.template, signer).map(|named| (signer, named)))
        {
            let mut attempt = cx.attempt(&actor)?;
            attempt.signer = Some(thief.clone());
            attempt.form = Some(countersign_spec::Text { template, ..text.clone() });
            let answer = cx.send_attempt(&attempt)?;
            let did = format!("logged in as one wallet with a text {what}, {signer}, and is signed by it");
            cx.must_refuse(&answer, &did)?;
        }
    }
    Ok(())
}

/// A text that names a wallet beside or in place of the one that logs in.
fn named_in(template: &str, other: &str) -> [(&'static str, String); 6] {
    let uri = |wallet: &str| format!("https://app.example.org/?by={wallet}");
    [
        ("that names another", template.replace("{address}", other)),
        (
            "that names another, and in its URI the one that logs in,",
            template.replace("{uri}", &uri("{address}")).replacen("{address}", other, 1),
        ),
        ("that names another in its URI", template.replace("{uri}", &uri(other))),
        (
            "that names another behind the right one",
            template.replacen("{address}", &format!("{{address}} {other}"), 1),
        ),
        (
            "that names another in a line behind it",
            format!("{template}\nResources:\n- did:pkh:eip155:1:{other}"),
        ),
        ("that names another in a line before it", format!("{other}\n{template}")),
    ]
}

/// A header that repeats the address does not stand for it.
fn headers_name_their_signer(cx: &mut Context<'_>) -> Result<(), Stop> {
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    let thief = Wallet::random(&mut cx.rng);
    let mut attempt = cx.attempt(&actor)?;
    attempt.signer = Some(thief.clone());
    let (operation, mut draft) = cx.write_attempt(&attempt)?;
    for field in &operation.request.fields {
        if matches!(field.at, Place::Header(_))
            && let Some(text) = draft.text(&field.at)
        {
            draft.set(&field.at, json!(text.replace(&actor.address, &thief.lower_address())));
        }
    }
    let answer = cx.send(operation, &draft)?;
    cx.must_refuse(
        &answer,
        "logged in as one wallet with another's signature and headers that name the other",
    )
}

fn looked_up(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Lookup)?;
    for written_lower in [true, false] {
        let mut actor = cx.actor()?;
        let (lower, mixed) = (actor.wallet.lower_address(), actor.wallet.address());
        actor.address = if written_lower { lower.clone() } else { mixed.clone() };
        cx.log_in(&actor)?;
        for address in [lower, mixed] {
            let mut asking = actor.clone();
            asking.address.clone_from(&address);
            let draft = cx.fill(operation, &asking, None);
            let answer = cx.send(operation, &draft)?;
            let did = format!("looked {address} up, which had logged in as {}", actor.address);
            cx.must_accept(&answer, &did)?;
            let found = answer.text(Role::Identifier).filter(|_| answer.accepted());
            if found.as_ref().is_some_and(|found| *found != actor.identifier) {
                let expected = format!("the account {} that logged in", actor.identifier);
                cx.found(&did, &expected, &answer)?;
            }
        }
    }
    Ok(())
}

/// A login that writes the address in other letters reaches the account, and its key is the one that counts from then on.
fn same_account(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.scheme.operations.iter().find(|operation| operation.auth == Auth::Signed);
    let Some(operation) = operation else { return Ok(()) };
    cx.served(operation)?;
    for lower_first in [true, false] {
        let mut actor = cx.actor()?;
        let (lower, mixed) = (actor.wallet.lower_address(), actor.wallet.address());
        let (first, second) = if lower_first { (lower, mixed) } else { (mixed, lower) };
        actor.address = first;
        cx.log_in(&actor)?;
        actor.address = second;
        actor.login_key = LoginKey::random(&mut cx.rng);
        let attempt = cx.attempt(&actor)?;
        let login = cx.send_attempt(&attempt)?;
        let did = "logged a wallet in again with its address in other letters and with a new key";
        cx.must_accept(&login, did)?;
        if !login.accepted() {
            continue;
        }
        let session = Context::session_of(&actor, login);
        let draft = cx.authorized(operation, &session);
        let answer = cx.send(operation, &draft)?;
        cx.must_accept(&answer, &format!("{did}, then signed a request with that key"))?;
    }
    Ok(())
}
