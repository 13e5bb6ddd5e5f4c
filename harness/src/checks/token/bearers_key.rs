//! Keys that whoever holds the token knows: the account's own secret and names, and what stands in the token itself.

use super::guess;
use super::keys::Key;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::finding::Stop;
use crate::jwt::Jwt;
use serde_json::Value;

/// Adds the check of keys that are an account's own.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Token,
        "the signing key is nothing of the accounts",
        &["common.token.strong-key"],
        |cx| {
            let session = cx.session()?;
            let tokens = [session.access.clone(), session.refresh.clone()];
            let mut read = false;
            for jwt in tokens.into_iter().flatten().filter_map(|token| Jwt::read(&token)) {
                let mut own = own(&session.actor);
                own.extend(within(&jwt).into_iter().map(|text| ("a text that stands in it", text)));
                let keys: Vec<Key> = own.iter().map(|(_, text)| Key::text(text.clone().into())).collect();
                let Some((found, tried)) = guess::key_of(&jwt, keys.into_iter()) else { continue };
                read = true;
                if found.is_some() {
                    let what = own.get(tried - 1).map_or("a text of the account's", |(what, _)| *what);
                    let got =
                        format!("the token is signed with {what}, so that its bearer can make any other");
                    let did = "looked for the key of a token among what its account knows";
                    let exchange = std::slice::from_ref(&session.answer.exchange);
                    cx.found_in(did, "a key that only the server knows", &got, exchange)?;
                }
            }
            if read {
                Ok(())
            } else {
                Err(Stop::NotApplicable("no token is a JWT signed with a shared secret".to_owned()))
            }
        },
    );
}

/// Texts in the header and the claims of a token.
fn within(jwt: &Jwt) -> Vec<String> {
    fn walk(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) if !text.is_empty() => into.push(text.clone()),
            Value::Number(number) => into.push(number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| walk(item, into)),
            Value::Object(members) => members.values().for_each(|member| walk(member, into)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    for member in jwt.header.values().chain(jwt.claims.values()) {
        walk(member, &mut texts);
    }
    texts
}

/// Texts that an account knows of itself.
fn own(actor: &Actor) -> Vec<(&'static str, String)> {
    let mut own = vec![
        ("the account's secret", actor.password.clone()),
        ("the account's name", actor.identifier.clone()),
        ("the account's name and secret", format!("{}{}", actor.identifier, actor.password)),
        ("the account's name and secret, with a colon", format!("{}:{}", actor.identifier, actor.password)),
        ("the account's secret and name", format!("{}{}", actor.password, actor.identifier)),
        ("the wallet's address", actor.address.clone()),
        ("the wallet's address with its checksum", actor.wallet.address()),
        ("the wallet's address without 0x", actor.wallet.lower_address().trim_start_matches("0x").to_owned()),
    ];
    own.retain(|(_, text)| !text.is_empty());
    own
}
