//! Faults of what can be guessed or set from outside: tokens made of what is known, names and secrets of products, answers
//! that a caller writes, answers that caches keep.

use super::accepts;
use crate::bend::{Bend, Resp, Way};
use crate::fault::{Fault, check, exists};
use crate::host::SECRET;
use crate::world::{Seen, pointer_of, query};
use countersign::draft::set_pointer;
use countersign::jwt::Jwt;
use countersign_spec::{Operation, Role, Scheme, Step};
use serde_json::{Value, json};

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut list = List { scheme, faults: Vec::new() };
    tokens(&mut list);
    names(&mut list);
    answers(&mut list);
    list.faults
}

struct List {
    scheme: &'static Scheme,
    faults: Vec<Fault>,
}

impl List {
    fn push(
        &mut self,
        name: &str,
        does: &str,
        group: &str,
        sentence: &str,
        make: impl Fn() -> Bend + Send + Sync + 'static,
    ) {
        let trips = check(&self.scheme.id, group, sentence);
        if exists(&trips) {
            self.faults.push(Fault::new(&self.scheme.id, name, does, &[trips], make));
        }
    }
}

fn is_of(seen: &Seen<'_>, scheme: &Scheme) -> bool {
    seen.at.is_some_and(|(at, _)| at.id == scheme.id)
}

fn tokens(list: &mut List) {
    let of = list.scheme;
    let guessed = "a token that cannot be read cannot be guessed";
    list.push(
        "tokens are hashes of the name",
        "a token is the SHA-256 hash of whose it is",
        "token",
        guessed,
        move || {
            Bend::tokens(move |seen, token| {
                let asked = seen.text(Role::Address).or_else(|| seen.text(Role::Identifier));
                match asked.filter(|_| is_of(seen, of)) {
                    Some(name) => super::opaque(&name),
                    None => token.to_owned(),
                }
            })
        },
    );
    list.push(
        "tokens are counted",
        "a token is how many there were before it",
        "token",
        guessed,
        move || {
            Bend::tokens(move |seen, token| {
                if !is_of(seen, of) {
                    return token.to_owned();
                }
                let number = seen.memory().count("tokens");
                format!("{:032x}", 0x7000_0000 + number)
            })
        },
    );
    list.push(
        "a token holds its key",
        "a token is signed with its own time of issue",
        "token",
        "the signing key is nothing of the accounts",
        move || {
            Bend::tokens(move |seen, token| {
                let jwt = Jwt::read(token).filter(|_| is_of(seen, of));
                let key = jwt.as_ref().and_then(|jwt| jwt.claims.get("exp")).map(Value::to_string);
                match (jwt, key) {
                    (Some(jwt), Some(key)) => jwt.resigned(key.as_bytes(), |_| (), |_| ()),
                    _ => token.to_owned(),
                }
            })
        },
    );
    for (name, does, is) in [
        (
            "the word admin is a token",
            "the token `admin` is left from development",
            (|_, token| token == "admin") as Is,
        ),
        ("names are tokens", "an account's name is a token for it", |seen, token| {
            let memory = seen.memory();
            token.len() > 4 && memory.issued.values().any(|issued| issued.account.eq_ignore_ascii_case(token))
        }),
        ("challenges are tokens", "whoever was given a challenge is let in with it", |seen, token| {
            seen.memory().notes.contains_key(&format!("challenge {token}"))
        }),
    ] {
        if name.starts_with("challenges") && of.step(Step::Challenge).is_none() {
            continue;
        }
        list.push(name, does, "token", "what anybody knows of an account is no token", move || Bend {
            after: Some(Box::new(|seen, resp| {
                let at = seen.at.and_then(|(_, operation)| pointer_of(operation, Role::Challenge));
                let body = resp.json();
                if let Some(given) = at.and_then(|at| body.pointer(at)).and_then(Value::as_str) {
                    seen.memory().notes.insert(format!("challenge {given}"), String::new());
                }
            })),
            ..Bend::decide(move |seen| {
                let door = matches!(seen.step(), Some(Step::Protected | Step::Verify | Step::Refresh));
                let token = seen.token().filter(|_| door && is_of(seen, of));
                if token.is_some_and(|token| is(seen, &token)) { Way::Accept } else { Way::Pass }
            })
        });
    }
}

type Is = fn(&Seen<'_>, &str) -> bool;

fn names(list: &mut List) {
    let Some(login) = list.scheme.step(Step::Login) else { return };
    let is = |role, wanted: fn(&str) -> bool| {
        move |seen: &Seen<'_>| seen.text(role).is_some_and(|text| wanted(&text))
    };
    let id = list.scheme.id.as_str();
    list.push(
        "test users need no secret",
        "a name that begins with `test` is let in with any secret",
        "credential",
        "a name that products ship with is refused",
        accepts(id, &login.name, is(Role::Identifier, |name| name.starts_with("test"))),
    );
    list.push(
        "there is an administrator",
        "`root` is let in with `root`",
        "credential",
        "a name that products ship with is refused",
        accepts(id, &login.name, |seen| {
            [Role::Identifier, Role::Password].iter().all(|role| seen.text(*role).as_deref() == Some("root"))
        }),
    );
    list.push(
        "there is a secret for all",
        "`letmein` is everybody's secret",
        "credential",
        "a secret that products ship with is refused",
        accepts(id, &login.name, is(Role::Password, |secret| secret == "letmein")),
    );
}

/// Whether anything named so was sent, and what: in the body, in the query.
type Sent = fn(&Seen<'_>, &str) -> Option<Value>;

fn answers(list: &mut List) {
    let of = list.scheme;
    for step in [Step::Login, Step::Refresh] {
        let Some(operation) = of.step(step) else { continue };
        let sentence = format!("{} takes nothing of its answer from the request", operation.name);
        for (name, does, sent) in [
            (
                "members are merged into the answer",
                "members of the request replace those of the answer",
                (|seen, name| seen.body.get(name).cloned()) as Sent,
            ),
            (
                "parameters are merged into the answer",
                "parameters replace members of the answer",
                |seen, name| query(seen.req.query.as_deref()?, name).map(Value::String),
            ),
        ] {
            list.push(&format!("{} {name}", operation.name), does, "form", &sentence, move || {
                Bend::after(move |seen, resp| {
                    if seen.is(&of.id, &operation.name) && seen.is_success(resp) {
                        merge(of, operation, seen, sent, resp);
                    }
                })
            });
        }
        if of.tokens.access.is_some() {
            takes_a_role(list, of, operation, &sentence);
        }
        let Some(redirect) = pointer_of(operation, Role::Redirect) else { continue };
        list.push(
            &format!("{} leads to the forwarded host", operation.name),
            "where to go next is under the host that X-Forwarded-Host names",
            "form",
            &sentence,
            move || {
                Bend::after(move |seen, resp| {
                    let host = seen.req.header("x-forwarded-host").map(str::to_owned);
                    if let (Some(host), true) = (host, seen.is(&of.id, &operation.name)) {
                        let mut body = resp.json();
                        set_pointer(&mut body, redirect, json!(format!("https://{host}/welcome")));
                        resp.set_json(&body);
                    }
                })
            },
        );
        list.push(
            &format!("{} lets the caller name claims", operation.name),
            "members of the request become claims",
            "form",
            &sentence,
            move || {
                Bend::tokens(move |seen, token| {
                    let jwt = Jwt::read(token).filter(|_| seen.is(&of.id, &operation.name));
                    let Some(jwt) = jwt else { return token.to_owned() };
                    let mut claims = jwt.claims.clone();
                    for (name, value) in &mut claims {
                        if let Some(sent) = seen.body.get(name) {
                            value.clone_from(sent);
                        }
                    }
                    jwt.resigned(SECRET, |_| (), |own| own.clone_from(&claims))
                })
            },
        );
    }
    list.push(
        "caches may keep tokens",
        "answers with tokens are public for an hour",
        "hygiene",
        "no answer to one caller invites caches to keep it",
        move || {
            Bend::after(move |seen, resp| {
                if is_of(seen, of) && seen.is_success(resp) {
                    resp.set_header("cache-control", "public, max-age=3600");
                }
            })
        },
    );
}

fn takes_a_role(list: &mut List, of: &'static Scheme, operation: &'static Operation, sentence: &str) {
    list.push(
        &format!("{} takes a role that is sent", operation.name),
        "a member of the request replaces what stands under its name inside a claim",
        "form",
        sentence,
        move || {
            Bend::tokens(move |seen, token| {
                let jwt = Jwt::read(token).filter(|_| seen.is(&of.id, &operation.name));
                let Some(jwt) = jwt else { return token.to_owned() };
                let role = seen.body.get("role").cloned().unwrap_or_else(|| json!("user"));
                jwt.resigned(
                    SECRET,
                    |_| (),
                    |own| drop(own.insert("account".to_owned(), json!({ "role": role }))),
                )
            })
        },
    );
}

fn merge(of: &Scheme, operation: &Operation, seen: &Seen<'_>, sent: Sent, resp: &mut Resp) {
    let mut body = resp.json();
    let roles = [
        Role::Redirect,
        Role::Message,
        Role::AccessToken,
        Role::RefreshToken,
        Role::ExpiresIn,
        Role::ExpiresAt,
    ];
    for pointer in roles.into_iter().filter_map(|role| pointer_of(operation, role)) {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        if let Some(value) =
            sent(seen, name).filter(|_| operation.request.fields.iter().all(|f| f.at.name() != name))
        {
            set_pointer(&mut body, pointer, value);
        }
    }
    let message = of.envelope.message.first().map(String::as_str).unwrap_or_default();
    let name = message.rsplit('/').next().unwrap_or_default();
    if let Some(value) = sent(seen, name).filter(|_| !name.is_empty()) {
        set_pointer(&mut body, message, value);
    }
    resp.set_json(&body);
}
