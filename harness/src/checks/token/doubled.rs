//! Names that stand twice in a token under the target's own key, where its owner has handed it over (`[token.ID]`).
//!
//! Nobody else can make such tokens, and many servers look at the signature alone: all of it is advice.

use super::{Door, any_read};
use crate::check::{Checks, Group};
use crate::checks::flow::first_sink;
use crate::context::Context;
use crate::finding::Stop;
use crate::jwt::{self, Jwt};
use crate::need::Need;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_spec::Level;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

/// What is forged of a good token under its own key.
type Forge = fn(&Context<'_>, &Jwt, &[u8]) -> Vec<(String, String)>;

/// Adds the check.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .needing(Need::Key)
        .add(
            Group::Token,
            "a well signed token with a claim twice is refused",
            &["common.token.duplicate-claim"],
            |cx| refuse(cx, twice),
        )
        .at_most(Level::May);
}

fn refuse(cx: &mut Context<'_>, forge: Forge) -> Result<(), Stop> {
    let Some(keys) = cx.target.profile.keys.get(&cx.scheme.id) else {
        let missing = format!("the profile hands over no key in [token.{}]", cx.scheme.id);
        return Err(Stop::NotApplicable(missing));
    };
    let key = keys.hs256.expose_secret().as_bytes().to_vec();
    let doors = Door::all(cx);
    if doors.is_empty() {
        first_sink(cx)?;
    }
    let (mut forged_any, mut read) = (false, false);
    for door in doors {
        let session = cx.session()?;
        let Some(jwt) = Jwt::read(&door.token(&session)) else { continue };
        read = true;
        if !jwt.is_signed_with(&key) {
            let why = format!("tokens are not signed by HS256 with the key in [token.{}]", cx.scheme.id);
            return Err(Stop::NotApplicable(why));
        }
        // Were the same token refused when it is written here, the refusal of a changed one would say nothing.
        let same = jwt::sign_hs256(&jwt.header, &jwt.claims, &key);
        cx.secrets.add(&same, "$FORGED_TOKEN");
        let good = door.knock(cx, &session, &same)?;
        if !good.accepted() {
            let why = "the target takes no token but those it gave out, whoever signs another";
            return Err(Stop::NotApplicable(why.to_owned()));
        }
        // A refresh has used the token up.
        let session = cx.log_in(&session.actor)?;
        let Some(jwt) = Jwt::read(&door.token(&session)) else { continue };
        for (what, forged) in forge(cx, &jwt, &key) {
            forged_any = true;
            cx.secrets.add(&forged, "$FORGED_TOKEN");
            let answer = door.knock(cx, &session, &forged)?;
            cx.must_refuse(&answer, &format!("asked {} with {what}, under the right key", door.name()))?;
        }
    }
    if forged_any {
        return Ok(());
    }
    any_read(read)?;
    Err(Stop::NotApplicable("the token has no such claim".to_owned()))
}

fn twice(_: &Context<'_>, jwt: &Jwt, key: &[u8]) -> Vec<(String, String)> {
    let sign = |header: &str, claims: &str| {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(jwt::hs256(input.as_bytes(), key)))
    };
    let text = |members: &Map<String, Value>| Value::Object(members.clone()).to_string();
    let doubled = |members: &Map<String, Value>, name: &str| {
        let again = members.get(name)?;
        let text = text(members);
        Some(format!("{},\"{name}\":{again}}}", text.trim_end_matches('}')))
    };
    let mut forged = Vec::new();
    if let Some(claims) = doubled(&jwt.claims, "exp") {
        forged.push(("a token with the claim exp twice".to_owned(), sign(&text(&jwt.header), &claims)));
    }
    if let Some(header) = doubled(&jwt.header, "alg") {
        forged.push(("a token that names its algorithm twice".to_owned(), sign(&header, &text(&jwt.claims))));
    }
    forged
}
