//! Faults of registered keys: which login registers which, and what a request under them is believed.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Auth, Place, Role, Scheme, Step};
use serde_json::json;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let Some(used) = scheme.operations.iter().find(|operation| operation.auth == Auth::Signed) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentences: &[String], make: fn(At) -> Bend| {
        let trips: Vec<String> = sentences
            .iter()
            .map(|sentence| check(&scheme.id, "proof", sentence))
            .filter(|n| exists(n))
            .collect();
        if !trips.is_empty() {
            let at = At { scheme: &scheme.id, used: &used.name };
            faults.push(Fault::new(&scheme.id, name, does, &trips, move || make(at)));
        }
    };
    let called = |words: &str| words.replace("{}", &used.name);
    add(
        "keys that come along are believed",
        "a request is verified with the key in its header",
        &[called("{} signed by a key that comes along is refused")],
        |at| at.accept_when(|seen| seen.req.header("web3mq-request-pubkey").is_some()),
    );
    add(
        "the key in the header is registered",
        "a login registers the key in its header in place of the signed one",
        &["a login registers the key that was signed".to_owned()],
        |at| {
            at.remember(|seen| {
                let (_, login) = seen.at?;
                let keys = login.request.fields.iter().filter(|field| field.role == Role::PublicKey);
                let header = keys.filter_map(|field| match &field.at {
                    Place::Header(name) => seen.req.header(name).map(str::to_owned),
                    _ => None,
                });
                let differs = header.last()? != seen.text(Role::PublicKey)?;
                differs.then(|| seen.text(Role::Identifier)).flatten()
            })
        },
    );
    add(
        "keys are registered before the proof is judged",
        "a refused login has registered its key all the same",
        &["a refused login registers no key".to_owned(), "a refused first login opens no account".to_owned()],
        |at| Bend {
            after: Some(Box::new(move |seen, resp| {
                if at.logs_in(seen) && !seen.is_success(resp) {
                    let name = seen.text(Role::Identifier).unwrap_or_default();
                    seen.memory().notes.insert(format!("registered/{name}"), String::new());
                }
            })),
            ..at.remember(|_| None)
        },
    );
    add(
        "refused logins reserve their name",
        "a name belongs to whoever names it first, let in or not",
        &["a refused login reserves no name".to_owned()],
        |at| Bend {
            after: Some(Box::new(move |seen, resp| {
                if at.logs_in(seen) && !seen.is_success(resp) {
                    let name = seen.text(Role::Identifier).unwrap_or_default();
                    let address = seen.text(Role::Address).unwrap_or_default();
                    seen.memory().notes.entry(format!("reserved/{name}")).or_insert(address);
                }
            })),
            ..Bend::decide(move |seen| {
                let name = seen.text(Role::Identifier).unwrap_or_default();
                let holder = seen.memory().notes.get(&format!("reserved/{name}")).cloned();
                let reserved = holder.is_some_and(|holder| Some(holder) != seen.text(Role::Address));
                if at.logs_in(seen) && reserved { Way::Refuse } else { Way::Pass }
            })
        },
    );
    add(
        "unknown kinds of key are not verified",
        "an account with another kind of key than the documented one is open to everybody",
        &["an account with another kind of key is closed to strangers".to_owned()],
        |at| {
            Bend::decide(move |seen| {
                let name = format!("open/{}", seen.text(Role::Identifier).unwrap_or_default());
                let other = seen.body.get("pubkey_type").is_some_and(|kind| kind != "ed25519");
                if at.logs_in(seen) && other {
                    seen.memory().notes.insert(name, String::new());
                    return Way::Accept;
                }
                let open = seen.memory().notes.contains_key(&name);
                if seen.is(at.scheme, at.used) && open { Way::Accept } else { Way::Pass }
            })
        },
    );
    add(
        "members of a request are assigned to the account",
        "a request in the own name moves the account to the key in its body",
        &[called("{} does not move the account to another wallet")],
        |at| {
            Bend::decide(move |seen| {
                let name = format!("moved/{}", seen.text(Role::Identifier).unwrap_or_default());
                if !seen.is(at.scheme, at.used) {
                    return Way::Pass;
                }
                if seen.body.get("pubkey_value").is_some() {
                    seen.memory().notes.insert(name, String::new());
                    return Way::Pass;
                }
                if seen.memory().notes.contains_key(&name) { Way::Accept } else { Way::Pass }
            })
        },
    );
    add(
        "look-ups show the first key",
        "what the look-up shows is kept from the first login on",
        &["the look-up shows no key that a newer login replaced".to_owned()],
        |at| {
            Bend::after(move |seen, resp| {
                let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
                if at.logs_in(seen) {
                    let key = seen.text(Role::PublicKey).unwrap_or_default();
                    seen.memory().notes.entry(format!("first/{address}")).or_insert(key);
                } else if seen.step() == Some(Step::Lookup) && seen.is_success(resp) {
                    let key = seen.memory().notes.get(&format!("first/{address}")).cloned();
                    let mut body = resp.json();
                    body["data"]["pubkey"] = json!(key);
                    resp.set_json(&body);
                }
            })
        },
    );
    add(
        "look-ups show access keys",
        "what came with a login is shown to everybody",
        &["the look-up tells no access key that came with a login".to_owned()],
        |at| {
            Bend::after(move |seen, resp| {
                let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
                if at.logs_in(seen) {
                    let key = seen.body.get("testnet_access_key").and_then(|key| key.as_str());
                    let key = key.unwrap_or_default().to_owned();
                    seen.memory().notes.insert(format!("access/{address}"), key);
                } else if seen.step() == Some(Step::Lookup) && seen.is_success(resp) {
                    let key = seen.memory().notes.get(&format!("access/{address}")).cloned();
                    let mut body = resp.json();
                    body["data"]["testnet_access_key"] = json!(key);
                    resp.set_json(&body);
                }
            })
        },
    );
    add(
        "keys lose their zeros",
        "a key that begins with a zero byte verifies nothing",
        &["a login key that begins with zeros is registered".to_owned()],
        |at| {
            Bend::decide(move |seen| {
                let name = format!("zero/{}", seen.text(Role::Identifier).unwrap_or_default());
                if at.logs_in(seen) && seen.text(Role::PublicKey).is_some_and(|key| key.starts_with("00")) {
                    seen.memory().notes.insert(name, String::new());
                    return Way::Pass;
                }
                let lost = seen.memory().notes.contains_key(&name);
                if seen.is(at.scheme, at.used) && lost { Way::Refuse } else { Way::Pass }
            })
        },
    );
    add(
        "names may be empty",
        "a login without a name opens an account",
        &["a login under an empty name is refused".to_owned()],
        |at| {
            Bend::decide(move |seen| {
                let empty = seen.text(Role::Identifier).is_some_and(|name| name.is_empty());
                if at.logs_in(seen) && empty { Way::Accept } else { Way::Pass }
            })
        },
    );
    add(
        "look-ups read patterns",
        "a sign that databases read as anything finds somebody",
        &["a pattern is looked up like any other unknown address".to_owned()],
        |at| {
            Bend::decide(move |seen| {
                let here =
                    seen.at.is_some_and(|(scheme, now)| scheme.id == at.scheme && now.step == Step::Lookup);
                let pattern = seen.text(Role::Address).is_some_and(|address| address.ends_with('%'));
                if here && pattern { Way::Accept } else { Way::Pass }
            })
        },
    );
    add(
        "look-ups mix members up",
        "the look-up tells the signed text as the signature",
        &["what a look-up repeats of a login is what was sent".to_owned()],
        |at| {
            Bend::after(move |seen, resp| {
                let address = seen.text(Role::Address).unwrap_or_default().to_ascii_lowercase();
                if at.logs_in(seen) {
                    let text = seen.text(Role::SignedText).unwrap_or_default();
                    seen.memory().notes.insert(format!("text/{address}"), text);
                } else if seen.step() == Some(Step::Lookup) && seen.is_success(resp) {
                    let text = seen.memory().notes.get(&format!("text/{address}")).cloned();
                    let mut body = resp.json();
                    body["data"]["did_signature"] = json!(text);
                    resp.set_json(&body);
                }
            })
        },
    );
    add(
        "earlier keys stay good",
        "a newer login does not replace the key of an earlier one",
        &["an earlier key of the account is refused".to_owned()],
        |at| at.accept_when(|seen| seen.text(Role::Signature).is_some_and(|text| text.len() == 88)),
    );
    for method in &used.other_methods {
        add(
            &format!("{method} needs no signature"),
            "requests by another method than the first are not verified",
            &[called(&format!("{{}} by {method} needs its signature"))],
            |at| at.accept_when(|seen| seen.req.method == http::Method::POST),
        );
    }
    add(
        "refusals show the account",
        "a refused request is answered with the account's record",
        &[called("a refused {} tells nothing of the account")],
        |at| {
            Bend::after(move |seen, resp| {
                let name = seen.text(Role::Identifier).unwrap_or_default();
                if at.logs_in(seen) {
                    let address = seen.text(Role::Address).unwrap_or_default();
                    seen.memory().notes.entry(format!("address/{name}")).or_insert(address);
                } else if seen.is(at.scheme, at.used) && !seen.is_success(resp) {
                    let address = seen.memory().notes.get(&format!("address/{name}")).cloned();
                    let mut body = resp.json();
                    body["data"] = json!({ "did_value": address });
                    resp.set_json(&body);
                }
            })
        },
    );
    beside(&mut add, &called);
    let found = check(&scheme.id, "flow", "the look up knows who has logged in since it was asked");
    if exists(&found) {
        let does = "a wallet that was once not found is not found any more";
        faults.push(Fault::new(&scheme.id, "what was not found is kept", does, &[found], move || {
            let here = |seen: &Seen<'_>| {
                let at = seen.at.filter(|(at, now)| at.id == scheme.id && now.step == Step::Lookup);
                at.and_then(|_| seen.text(Role::Address)).map(|address| format!("missing/{address}"))
            };
            Bend {
                after: Some(Box::new(move |seen, resp| {
                    if let Some(missing) = here(seen).filter(|_| !seen.is_success(resp)) {
                        seen.memory().notes.insert(missing, String::new());
                    }
                })),
                ..Bend::decide(move |seen| {
                    let kept = here(seen).is_some_and(|missing| seen.memory().notes.contains_key(&missing));
                    if kept { Way::Refuse } else { Way::Pass }
                })
            }
        }));
    }
    let shared = check(&scheme.id, "race", "wallets that take one name at the same moment do not share it");
    if exists(&shared) {
        let does = "every login under a taken name is told of a success";
        let at = At { scheme: &scheme.id, used: &used.name };
        faults.push(Fault::new(&scheme.id, "names are given twice", does, &[shared], move || {
            Bend::decide(move |seen| if at.logs_in(seen) { Way::Accept } else { Way::Pass })
        }));
    }
    faults
}

/// Faults of what stands beside the signed members, and of what is remembered of them.
fn beside(add: &mut impl FnMut(&str, &str, &[String], fn(At) -> Bend), called: &impl Fn(&str) -> String) {
    add(
        "another account's key is believed",
        "a request is verified with the key in its header, if anybody registered it",
        &[called("{} signed by a key that comes along is refused")],
        |at| {
            Bend::decide(move |seen| {
                if at.logs_in(seen) {
                    let key = seen.text(Role::PublicKey).unwrap_or_default();
                    seen.memory().notes.insert(format!("key/{key}"), String::new());
                    return Way::Pass;
                }
                let key = seen.req.header("web3mq-request-pubkey").unwrap_or_default();
                let known = seen.memory().notes.contains_key(&format!("key/{key}"));
                if seen.is(at.scheme, at.used) && known { Way::Accept } else { Way::Pass }
            })
        },
    );
    add(
        "what was verified is not verified again",
        "a name and a time that were signed once are good under any signature",
        &[called("{} that was just accepted is refused under another signature")],
        |at| {
            let members = |seen: &Seen<'_>| {
                let name = seen.text(Role::Identifier).unwrap_or_default();
                let time = seen.value(Role::Timestamp).unwrap_or_default();
                format!("verified/{name}/{}", countersign::draft::plain_text(&time))
            };
            Bend {
                after: Some(Box::new(move |seen, resp| {
                    if seen.is(at.scheme, at.used) && seen.is_success(resp) {
                        seen.memory().notes.insert(members(seen), String::new());
                    }
                })),
                ..Bend::decide(move |seen| {
                    let known = seen.memory().notes.contains_key(&members(seen));
                    if seen.is(at.scheme, at.used) && known { Way::Accept } else { Way::Pass }
                })
            }
        },
    );
    add(
        "a time may be left out",
        "a request in a body is let in without a time, which its signature then covers not",
        &[called("{} without one of its signed members is refused")],
        |at| {
            at.accept_when(|seen| {
                let timeless = seen.value(Role::Timestamp).is_none_or(|time| time.is_null() || time == "");
                let named = seen.body.get("userid").is_some_and(|name| name != "");
                timeless && named && seen.text(Role::Signature).is_some_and(|text| text.len() == 88)
            })
        },
    );
    let shows = called("{} shows the account that signed whatever stands beside its members");
    add(
        "queries and bodies are merged",
        "what is verified stands in the body, and whose account is shown in the query",
        std::slice::from_ref(&shows),
        |at| {
            Bend::after(move |seen, resp| {
                let query = seen.req.query.as_deref().unwrap_or_default();
                let named = crate::world::query(query, "userid").filter(|_| seen.body.is_object());
                if let Some(name) = named.filter(|_| seen.is(at.scheme, at.used) && seen.is_success(resp)) {
                    let mut body = resp.json();
                    body["data"]["userid"] = json!(name);
                    resp.set_json(&body);
                }
            })
        },
    );
    add("a header names the account", "the account that a header names is shown", &[shows], |at| {
        Bend::after(move |seen, resp| {
            let named = seen.req.header("didkey").and_then(|did| did.split_once(':'));
            if let Some((_, wallet)) = named.filter(|_| seen.is(at.scheme, at.used) && seen.is_success(resp))
            {
                let mut body = resp.json();
                body["data"]["wallet_address"] = json!(wallet);
                resp.set_json(&body);
            }
        })
    });
    add(
        "refusals are kept",
        "a name that asked before its first login is refused from then on",
        &[called("{} works after it was refused before the first login")],
        |at| {
            let early =
                |seen: &Seen<'_>| format!("early/{}", seen.text(Role::Identifier).unwrap_or_default());
            let known =
                |seen: &Seen<'_>| format!("known/{}", seen.text(Role::Identifier).unwrap_or_default());
            Bend::decide(move |seen| {
                if at.logs_in(seen) {
                    seen.memory().notes.insert(known(seen), String::new());
                }
                if !seen.is(at.scheme, at.used) {
                    return Way::Pass;
                }
                if !seen.memory().notes.contains_key(&known(seen)) {
                    seen.memory().notes.insert(early(seen), String::new());
                }
                if seen.memory().notes.contains_key(&early(seen)) { Way::Refuse } else { Way::Pass }
            })
        },
    );
}

/// Where a fault of keys is seen.
#[derive(Debug, Clone, Copy)]
struct At {
    scheme: &'static str,
    /// The operation whose requests the registered key signs.
    used: &'static str,
}

impl At {
    fn logs_in(self, seen: &Seen<'_>) -> bool {
        seen.at.is_some_and(|(scheme, at)| scheme.id == self.scheme && at.step == Step::Login)
    }

    /// Lets signed requests in where this holds.
    fn accept_when(self, when: fn(&Seen<'_>) -> bool) -> Bend {
        Bend::decide(
            move |seen| {
                if seen.is(self.scheme, self.used) && when(seen) { Way::Accept } else { Way::Pass }
            },
        )
    }

    /// Lets in whatever is signed for a name that a login has brought up.
    fn remember(self, brought_up: fn(&Seen<'_>) -> Option<String>) -> Bend {
        Bend::decide(move |seen| {
            if self.logs_in(seen) {
                if let Some(name) = brought_up(seen) {
                    seen.memory().notes.insert(format!("registered/{name}"), String::new());
                }
                return Way::Pass;
            }
            let name = seen.text(Role::Identifier).unwrap_or_default();
            let known = seen.memory().notes.contains_key(&format!("registered/{name}"));
            if seen.is(self.scheme, self.used) && known { Way::Accept } else { Way::Pass }
        })
    }
}
