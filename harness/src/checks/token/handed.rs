//! Well-signed wrong tokens, for targets whose owner hands the key over (`[token.ID]` in the profile).
//!
//! What such a token lacks or says wrongly is all that a server has to refuse it by. Where mainstream libraries accept it
//! unless told otherwise, the refusal is advice: only the issuer could make such a token.

use super::Door;
use crate::check::{Checks, Group};
use crate::checks::time::LEEWAY;
use crate::context::Context;
use crate::finding::Stop;
use crate::jwt::{self, Hmac, Jwt};
use crate::need::Need;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign_spec::{Expiry, Operation, RefreshTakes, Scheme, Step, Token};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

/// Seconds into the future that no skew of clocks explains.
const AHEAD: i64 = 86_400;

/// Changes a token before it is signed again.
type Change = Box<dyn Fn(&mut Map<String, Value>, &mut Map<String, Value>)>;
/// A forgery in words, what it changes of header and claims, and how it is signed.
type Forgery = (String, Change, Hmac);

/// Adds the checks of tokens that are well signed and wrong.
pub(super) fn add(checks: &mut Checks<'_>) {
    if has_door_for_live_tokens(checks.scheme) {
        ends(checks);
    }
    if let Some((window, Some(Expiry::Issue))) =
        checks.scheme.refresh.as_ref().and_then(|refresh| Some((refresh.window?, refresh.window_from)))
    {
        let takes_it = |operation: &Operation, _: &Context<'_>| operation.step == Step::Refresh;
        checks
            .needing(Need::Key)
            .add(
                Group::Token,
                "a well signed token past its refresh window is refused",
                &["common.refresh.window-closed"],
                move |cx| {
                    refuse_all(cx, takes_it, move |_, rule, issued| {
                        let (ends, begins) = (rule.expiry_claims.clone(), rule.issued_claims.clone());
                        let begin = issued - seconds(window) - seconds(LEEWAY) - 60;
                        let end = begin + seconds(rule.lifetime);
                        vec![forged("a token issued before the window", move |_, claims| {
                            set_known(claims, &ends, &json!(end));
                            set_known(claims, &begins, &json!(begin));
                        })]
                    })
                },
            )
            .family("handed", 0);
        checks
            .needing(Need::Key)
            .add(
                Group::Token,
                "a well signed token of no known issue is not refreshed",
                &["common.token.times-are-numbers"],
                move |cx| refuse_all(cx, takes_it, |_, rule, _| odd_times(&rule.issued_claims)),
            )
            .family("handed", 1);
    }
    checks
        .needing(Need::Key)
        .add(
            Group::Token,
            "a well signed token from the future is refused",
            &["common.token.not-before"],
            |cx| {
                refuse_all(cx, any, |_, rule, issued| {
                    let begins = rule.issued_claims.clone();
                    vec![
                        forged("a token that is good from tomorrow on (nbf)", move |_, claims| {
                            claims.insert("nbf".to_owned(), json!(issued + AHEAD));
                        }),
                        forged("a token that was issued tomorrow", move |_, claims| {
                            set_known(claims, &begins, &json!(issued + AHEAD));
                            claims.insert("iat".to_owned(), json!(issued + AHEAD));
                        }),
                    ]
                })
            },
        )
        .family("handed", 1);
    checks
        .needing(Need::Key)
        .add(
            Group::Token,
            "a well signed token for somebody else is refused",
            &["common.token.audience"],
            |cx| {
                let jwt = super::access_jwt(&cx.session()?)?;
                let named: Vec<(&str, Vec<String>)> = ["aud", "iss"]
                    .into_iter()
                    .filter_map(|claim| Some((claim, resembling(jwt.claims.get(claim)?))))
                    .collect();
                if named.is_empty() {
                    let reason = "the target's tokens name neither issuer nor audience";
                    return Err(Stop::NotApplicable(reason.to_owned()));
                }
                refuse_all(cx, any, move |_, _, _| {
                    let pairs = named.iter().flat_map(|(claim, resembling)| {
                        let mut others = vec![json!("https://other.example")];
                        others.extend(resembling.iter().map(|other| json!(other)));
                        if *claim == "aud" {
                            let lists: Vec<Value> = others.iter().map(|other| json!([other])).collect();
                            others.extend(lists);
                        }
                        others.into_iter().map(move |other| (*claim, other))
                    });
                    pairs
                        .map(|(claim, other)| {
                            let claim = claim.to_owned();
                            forged(&format!("a token whose {claim} is {other}"), move |_, claims| {
                                claims.insert(claim.clone(), other.clone());
                            })
                        })
                        .collect()
                })
            },
        )
        .family("handed", 0);
    checks
        .needing(Need::Key)
        .add(Group::Token, "a well signed token of nobody is refused", &["common.token.subject"], |cx| {
            refuse_all(cx, any, |_, rule, _| {
                let names: Vec<String> =
                    rule.identity_claims.iter().cloned().chain(["sub".to_owned()]).collect();
                // An account that is merely unknown is not among them: without a look-up, no server can tell.
                let values = [
                    ("names nobody", None),
                    ("names an account by nothing", Some(json!(""))),
                    ("names an account by null", Some(Value::Null)),
                    ("names an account by an object", Some(json!({ "id": 1 }))),
                ];
                values
                    .into_iter()
                    .map(|(how, value)| {
                        let names = names.clone();
                        forged(&format!("a token that {how}"), move |_, claims| match &value {
                            Some(value) => set_known(claims, &names, value),
                            None => claims.retain(|name, _| !names.contains(name)),
                        })
                    })
                    .collect()
            })
        })
        .family("handed", 1);
    checks
        .needing(Need::Key)
        .add(
            Group::Token,
            "a well signed token of another kind is refused",
            &["common.token.header-understood"],
            |cx| {
                refuse_all(cx, any, |_, _, _| {
                    let header = |name: &'static str, value: Value| {
                        move |header: &mut Map<String, Value>, _: &mut Map<String, Value>| {
                            header.insert(name.to_owned(), value.clone());
                        }
                    };
                    let mut forgeries = vec![
                        forged("a token with an extension that must be understood (crit)", |header, _| {
                            header.insert("crit".to_owned(), json!(["urn:example:unknown"]));
                            header.insert("urn:example:unknown".to_owned(), json!(true));
                        }),
                        forged("a token of another type (typ)", header("typ", json!("secevent+jwt"))),
                    ];
                    for (alg, mac) in [("HS384", Hmac::Sha384), ("HS512", Hmac::Sha512)] {
                        let what = format!("a token of the algorithm {alg} under the right key");
                        forgeries.push((what, Box::new(header("alg", json!(alg))), mac));
                    }
                    forgeries
                })
            },
        )
        .family("handed", 1);
}

/// Whether any operation takes tokens that have not ended, and no others.
fn has_door_for_live_tokens(scheme: &Scheme) -> bool {
    let own = scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    own || scheme
        .operations
        .iter()
        .any(|operation| super::takes_access(operation) && operation.step != Step::Refresh)
}

/// Ends that have come, and ends that are none.
fn ends(checks: &mut Checks<'_>) {
    checks
        .needing(Need::Key)
        .add(
            Group::Token,
            "a well signed token that has expired is refused",
            &["common.token.expires"],
            |cx| {
                refuse_all(cx, refuses_expired, |_, rule, issued| {
                    let lifetime = seconds(rule.lifetime);
                    let late = seconds(LEEWAY) + 60;
                    let ends: Vec<_> = rule.expiry_claims.iter().cloned().chain(["exp".to_owned()]).collect();
                    let begins = rule.issued_claims.clone();
                    [("a few minutes", late), ("a year", 31_536_000)]
                        .map(|(ago, past)| {
                            let (ends, begins) = (ends.clone(), begins.clone());
                            forged(&format!("a token that has expired {ago} ago"), move |_, claims| {
                                set_known(claims, &ends, &json!(issued - past));
                                set_known(claims, &begins, &json!(issued - past - lifetime));
                            })
                        })
                        .into()
                })
            },
        )
        .family("handed", 0);
    checks
        .needing(Need::Key)
        .add(
            Group::Token,
            "a well signed token whose end is no number is refused",
            &["common.token.times-are-numbers"],
            |cx| refuse_all(cx, refuses_expired, |_, rule, _| odd_times(&rule.expiry_claims)),
        )
        .family("handed", 1);
}

fn any(_: &Operation, _: &Context<'_>) -> bool {
    true
}

/// Whether an operation has to refuse a token past its end. A refresh that takes access tokens may be there for just these.
fn refuses_expired(operation: &Operation, cx: &Context<'_>) -> bool {
    let late = cx.scheme.refresh.as_ref().is_some_and(|refresh| refresh.accepts_expired);
    !(operation.step == Step::Refresh && late)
}

/// Names that only resemble those of an issuer or audience: with more before or behind, or a letter less.
fn resembling(named: &Value) -> Vec<String> {
    let own: Vec<&str> = match named {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).take(1).collect(),
        _ => Vec::new(),
    };
    let mut others = Vec::new();
    for name in own.into_iter().filter(|name| !name.is_empty()) {
        others.push(format!("{name}.other.example"));
        others.push(format!("other.example/{name}"));
        let mut letters = name.chars();
        // A slash more or less at the end of an address is the same place to many.
        if letters.next_back().is_some_and(|last| last != '/') && !letters.as_str().is_empty() {
            others.push(letters.as_str().to_owned());
        }
    }
    others
}

fn forged(
    what: &str,
    change: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + 'static,
) -> Forgery {
    (what.to_owned(), Box::new(change), Hmac::Sha256)
}

/// Sets the claims of these names that the token has.
fn set_known(claims: &mut Map<String, Value>, names: &[String], value: &Value) {
    for name in names {
        if let Some(place) = claims.get_mut(name) {
            *place = value.clone();
        }
    }
}

/// Times that are none: missing, of another JSON type, or beyond any calendar.
fn odd_times(names: &[String]) -> Vec<Forgery> {
    let values = [
        ("missing", None),
        ("null", Some(Value::Null)),
        ("a text", Some(json!("never"))),
        ("a number as text", Some(json!("99999999999"))),
        ("true", Some(json!(true))),
        ("an array", Some(json!([99_999_999_999_u64]))),
        ("an object", Some(json!({}))),
        ("zero", Some(json!(0))),
        ("negative", Some(json!(-1))),
        ("1e300", Some(json!(1e300))),
        ("2^64", Some(json!(18_446_744_073_709_551_616.0))),
    ];
    let shown = names.join(", ");
    values
        .into_iter()
        .map(|(how, value)| {
            let names = names.to_vec();
            forged(&format!("a token whose {shown} is {how}"), move |_, claims| match &value {
                Some(value) => set_known(claims, &names, value),
                None => claims.retain(|name, _| !names.contains(name)),
            })
        })
        .collect()
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX / 4)
}

/// Demands that every door for which this holds refuses these tokens, having shown that it lets one in that is signed anew
/// and otherwise right.
fn refuse_all(
    cx: &mut Context<'_>,
    applies: impl Fn(&Operation, &Context<'_>) -> bool,
    make: impl Fn(&mut Context<'_>, &Token, i64) -> Vec<Forgery>,
) -> Result<(), Stop> {
    let Some(keys) = cx.target.profile.keys.get(&cx.scheme.id) else {
        return Err(Stop::NotApplicable(
            "the profile hands over no key of the target as [token.ID]".to_owned(),
        ));
    };
    let keys = forms(keys.hs256.expose_secret());
    let doors: Vec<Door<'_>> =
        Door::all(cx).into_iter().filter(|door| applies(door.operation(), cx)).collect();
    if doors.is_empty() {
        return Err(Stop::NotApplicable("no operation has to refuse such a token".to_owned()));
    }
    let mut opened = false;
    for door in doors {
        let session = cx.session()?;
        let (jwt, key) = read(cx, &door.token(&session), &keys)?;
        let same = jwt.resigned(key, |_| (), |_| ());
        cx.secrets.add(&same, "$RESIGNED_TOKEN");
        if !door.knock(cx, &session, &same)?.accepted() {
            continue;
        }
        opened = true;
        // A refresh may have used the token up.
        let session = cx.log_in(&session.actor)?;
        let (jwt, key) = read(cx, &door.token(&session), &keys)?;
        let Some(rule) = door.rule(cx.scheme) else { continue };
        let now = i64::try_from(cx.target.now().as_secs()).unwrap_or(i64::MAX / 4);
        let issued = rule.issued_claims.iter().find_map(|claim| jwt.seconds(claim)).unwrap_or(now);
        for (what, change, mac) in make(cx, rule, issued) {
            let (mut header, mut claims) = (jwt.header.clone(), jwt.claims.clone());
            change(&mut header, &mut claims);
            if header == jwt.header && claims == jwt.claims {
                continue;
            }
            let token = jwt::sign(&header, &claims, key, mac);
            cx.secrets.add(&token, "$FORGED_TOKEN");
            let answer = door.knock(cx, &session, &token)?;
            if answer.exchange.outcome.is_ok() {
                cx.must_refuse(&answer, &format!("asked {} with {what}, well signed", door.name()))?;
            }
        }
    }
    if opened {
        return Ok(());
    }
    Err(Stop::NotApplicable("the target takes no token that it has not written itself".to_owned()))
}

/// A key as bytes: as it is written, and as what it may be the hex or base64 of.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let hex = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    let [standard, url] =
        [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|base| base.decode(text.trim_end_matches('=')).ok());
    [Some(text.as_bytes().to_vec()), hex, standard, url].into_iter().flatten().collect()
}

/// A token and the key that signs it.
fn read<'k>(cx: &Context<'_>, token: &str, keys: &'k [Vec<u8>]) -> Result<(Jwt, &'k [u8]), Stop> {
    let Some(jwt) = Jwt::read(token).filter(|jwt| jwt.alg() == "HS256") else {
        return Err(Stop::NotApplicable("the token is no JWT of HS256, which the key is for".to_owned()));
    };
    match keys.iter().find(|key| jwt.is_signed_with(key)) {
        Some(key) => Ok((jwt, key)),
        None => Err(Stop::Inconclusive(format!(
            "the key in the profile, token.{}.hs256, does not sign the target's tokens, neither as text nor as hex or base64",
            cx.scheme.id
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_resembles_a_name_is_another_one() {
        assert_eq!(resembling(&json!("acme")), ["acme.other.example", "other.example/acme", "acm"]);
        assert_eq!(resembling(&json!(["https://a/"])).len(), 2);
        assert!(resembling(&json!(7)).is_empty());
    }

    #[test]
    fn a_key_is_taken_as_text_hex_or_base64() {
        assert!(forms("00ff").contains(&vec![0, 255]));
        assert!(forms("AP8=").contains(&vec![0, 255]));
        assert_eq!(forms("not a key!"), [b"not a key!".to_vec()]);
    }
}
