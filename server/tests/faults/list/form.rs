//! Faults of form, made from the schemas: each member of each answer left out and mistyped, each member of each request
//! not looked at.

use super::{accepts, decides, refuses};
use crate::bend::{Bend, Resp, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Operation, Place, Role, Schema, Scheme, Step};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    for operation in &scheme.operations {
        if let Some(schema) = scheme.schema(&operation.success.schema) {
            members(scheme, operation, &schema.value, true, &mut faults);
        }
        if let Some(schema) = scheme.schema(&scheme.envelope.failure_schema) {
            members(scheme, operation, &schema.value, false, &mut faults);
        }
        statuses(scheme, operation, &mut faults);
        requests(scheme, operation, &mut faults);
    }
    writing(scheme, &mut faults);
    lenient(scheme, &mut faults);
    faults
}

/// A member of an answer.
#[derive(Debug)]
struct Member {
    pointer: String,
    required: bool,
    schema: Value,
}

fn members_of(schema: &Value, at: &str, into: &mut Vec<Member>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, sub) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{at}/{name}");
        let required = required.contains(&name.as_str());
        into.push(Member { pointer: pointer.clone(), required, schema: sub.clone() });
        members_of(sub, &pointer, into);
    }
}

/// A change of the second and later successes or of every refusal, so that the first login still shows the way in.
fn spoils(
    scheme: &str,
    operation: &str,
    success: bool,
    change: impl Fn(&mut Resp) + Send + Sync + Clone + 'static,
) -> impl Fn() -> Bend + Send + Sync + 'static {
    let (scheme, operation) = (scheme.to_owned(), operation.to_owned());
    move || {
        let (scheme, operation, change) = (scheme.clone(), operation.clone(), change.clone());
        Bend::after(move |seen, resp| {
            if !seen.is(&scheme, &operation) || seen.is_success(resp) != success {
                return;
            }
            if success && seen.memory().count("success") < 2 {
                return;
            }
            change(resp);
        })
    }
}

fn members(scheme: &Scheme, operation: &Operation, schema: &Value, success: bool, faults: &mut Vec<Fault>) {
    let mut members = Vec::new();
    members_of(schema, "", &mut members);
    for Member { pointer, required, schema } in members {
        let words = pointer.trim_start_matches('/').replace('/', " ").to_ascii_lowercase();
        let sentence = if success {
            format!("the answer of {} has {words} as documented", operation.name)
        } else {
            format!("a refusal of {} has {words} as documented", operation.name)
        };
        let name = check(&scheme.id, "form", &sentence);
        if !exists(&name) {
            continue;
        }
        let what = if success { "answer" } else { "refusal" };
        // Without a code nothing that follows works, and a challenge without a text cannot be signed.
        let fatal = success && (scheme.envelope.code.contains(&pointer) || operation.step == Step::Challenge);
        let first = faults.len();
        if required {
            let at = pointer.clone();
            faults.push(Fault::new(
                &scheme.id,
                &format!("{} {what} lacks {words}", operation.name),
                &format!("{what} of {}: {pointer} is missing", operation.name),
                std::slice::from_ref(&name),
                spoils(&scheme.id, &operation.name, success, move |resp| {
                    let mut body = resp.json();
                    let (parent, name) = at.rsplit_once('/').unwrap_or_default();
                    if let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
                        members.remove(name);
                        resp.set_json(&body);
                    }
                }),
            ));
        }
        if let Some(wrong) = wrong_for(&schema) {
            let at = pointer.clone();
            faults.push(Fault::new(
                &scheme.id,
                &format!("{} {what} has another {words}", operation.name),
                &format!("{what} of {}: {pointer} is {wrong}", operation.name),
                std::slice::from_ref(&name),
                spoils(&scheme.id, &operation.name, success, move |resp| {
                    let mut body = resp.json();
                    let (parent, name) = at.rsplit_once('/').unwrap_or_default();
                    make_object(&mut body, parent);
                    if let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
                        members.insert(name.to_owned(), wrong.clone());
                        resp.set_json(&body);
                    }
                }),
            ));
        }
        faults[first..].iter_mut().for_each(|fault| fault.broad = fatal);
    }
}

/// Puts an object where a member's parent is missing or null.
fn make_object(body: &mut Value, parent: &str) {
    let Some((above, name)) = parent.rsplit_once('/') else { return };
    make_object(body, above);
    if body.pointer(parent).is_none_or(Value::is_null)
        && let Some(members) = body.pointer_mut(above).and_then(Value::as_object_mut)
    {
        members.insert(name.to_owned(), json!({}));
    }
}

/// A value that a schema does not allow.
fn wrong_for(schema: &Value) -> Option<Value> {
    let compiled = Schema::compile("member", schema.clone()).ok()?;
    [json!(true), json!([1]), json!({ "x": 1 }), json!(1.5), json!("wrong"), json!(""), Value::Null]
        .into_iter()
        .find(|value| !compiled.accepts(value))
}

fn statuses(scheme: &Scheme, operation: &Operation, faults: &mut Vec<Fault>) {
    let name = &operation.name;
    let mut add = |fault: &str, does: &str, sentence: &str, success: bool, change: fn(&mut Resp)| {
        let check = check(&scheme.id, "form", sentence);
        if exists(&check) {
            let make = spoils(&scheme.id, name, success, change);
            faults.push(Fault::new(&scheme.id, &format!("{name} {fault}"), does, &[check], make));
        }
    };
    add(
        "success with another status",
        "a success has HTTP 206",
        &format!("a success of {name} has the documented status"),
        true,
        |resp| resp.status = StatusCode::PARTIAL_CONTENT,
    );
    add(
        "success declared as text",
        "a success is declared as text/html",
        &format!("a success of {name} is declared as json"),
        true,
        |resp| resp.set_header("content-type", "text/html"),
    );
    add(
        "success without a declaration",
        "a success has no Content-Type",
        &format!("a success of {name} is declared as json"),
        true,
        |resp| drop(resp.headers.remove("content-type")),
    );
    add(
        "refusal as a redirect",
        "a refusal has HTTP 302",
        &format!("a refusal of {name} has an allowed status"),
        false,
        |resp| resp.status = StatusCode::FOUND,
    );
    add(
        "refusal declared as text",
        "a refusal is declared as text/html",
        &format!("a refusal of {name} is declared as json"),
        false,
        |resp| resp.set_header("content-type", "text/html"),
    );
    add(
        "refusal in prose",
        "a refusal is a sentence",
        &format!("a refusal of {name} is told in the documented envelope"),
        false,
        |resp| {
            resp.set_body("no");
            resp.set_header("content-type", "text/plain");
        },
    );
    add(
        "refusal in a list",
        "a refusal is an array",
        &format!("a refusal of {name} is told in the documented envelope"),
        false,
        |resp| resp.set_body("[]"),
    );
    add(
        "refusal without a challenge header",
        "a refusal has no WWW-Authenticate",
        &format!("an unauthorised {name} is answered with www-authenticate"),
        false,
        |resp| drop(resp.headers.remove("www-authenticate")),
    );
    // What holds a token is an entry, whatever its code says.
    let gives =
        [Role::AccessToken, Role::RefreshToken].iter().any(|role| operation.success_field(*role).is_some());
    let whole = format!("the answer of {name} is as documented on the whole");
    if let (true, Some(code)) = (gives, scheme.envelope.code.first()) {
        let (check, code) = (check(&scheme.id, "form", &whole), code.trim_start_matches('/').to_owned());
        let mut fault = Fault::new(
            &scheme.id,
            &format!("{name} success with the code of a failure"),
            "a success holds its tokens and a code that says it failed",
            &[check],
            spoils(&scheme.id, name, true, move |resp| {
                let mut body = resp.json();
                if let Some(members) = body.as_object_mut() {
                    members.insert(code.clone(), json!(40_100));
                }
                resp.set_json(&body);
            }),
        );
        fault.broad = operation.step == Step::Login;
        faults.push(fault);
    }
}

/// Whether a member of a request is wrong in some way.
type Is = fn(Option<&Value>) -> bool;

fn requests(scheme: &Scheme, operation: &Operation, faults: &mut Vec<Fault>) {
    let name = operation.name.clone();
    let id = scheme.id.clone();
    let mut add = |fault: &str, does: String, sentence: &str, make: Box<dyn Fn() -> Bend + Send + Sync>| {
        let check = check(&id, "form", sentence);
        if exists(&check) {
            faults.push(Fault::new(&id, &format!("{name} {fault}"), &does, &[check], make));
        }
    };
    let schema = operation.request.schema.as_ref().and_then(|file| scheme.schema(file));
    let mut members = Vec::new();
    if let Some(schema) = schema {
        members_of(&schema.value, "", &mut members);
    }
    for Member { pointer, .. } in members {
        let words = pointer.trim_start_matches('/').replace('/', " ").to_ascii_lowercase();
        let kinds: [(&str, String, Is); 4] = [
            ("left out", format!("{name} without {words} is refused"), |value| value.is_none()),
            ("null", format!("{name} with a null {words} is refused"), |value| {
                value.is_some_and(Value::is_null)
            }),
            ("empty", format!("{name} with an empty {words} is refused"), |value| value == Some(&json!(""))),
            ("of another type", format!("{name} with another type of {words} is refused"), |value| {
                value.is_some_and(|value| matches!(value, Value::Bool(_) | Value::Array(_)))
            }),
        ];
        for (kind, sentence, is) in kinds {
            let at = pointer.clone();
            add(
                &format!("accepts {words} {kind}"),
                format!("{name} lets requests in whose {pointer} is {kind}"),
                &sentence,
                Box::new(accepts(&scheme.id, &name, move |seen| {
                    seen.body.is_object() && is(seen.body.pointer(&at))
                })),
            );
        }
        let at = pointer.clone();
        add(
            &format!("refuses {words}"),
            format!("{name} refuses requests that have {pointer}"),
            &format!("{name} with the optional {words} works"),
            Box::new(refuses(&scheme.id, &name, move |seen| {
                seen.body.pointer(&at).is_some_and(|value| *value != json!(""))
            })),
        );
    }
    for field in &operation.request.fields {
        let Place::Header(header) = &field.at else { continue };
        let (missing, foreign) = (header.clone(), header.clone());
        add(
            &format!("needs {header}"),
            format!("{name} refuses requests without the header {header}"),
            &format!("{name} without the header {header} works"),
            Box::new(refuses(&scheme.id, &name, move |seen| seen.req.header(&missing).is_none())),
        );
        add(
            &format!("ignores {header}"),
            format!("{name} does not look at the header {header}"),
            &format!("{name} with a header {header} of somebody else is refused"),
            Box::new(accepts(&scheme.id, &name, move |seen| seen.req.header(&foreign).is_some())),
        );
    }
    add(
        "accepts what is no object",
        format!("{name} lets bodies in that are no JSON object"),
        &format!("{name} with a body that is no json object is refused"),
        Box::new(accepts(&scheme.id, &name, |seen| !seen.req.body.is_empty() && !seen.body.is_object())),
    );
    add(
        "accepts no body",
        format!("{name} lets requests without a body in"),
        &format!("{name} without a body is refused"),
        Box::new(accepts(&scheme.id, &name, |seen| seen.req.body.is_empty() || *seen.req.body == *b"{}")),
    );
    add(
        "accepts plain text",
        format!("{name} takes any Content-Type for JSON"),
        &format!("{name} with a body declared as plain text is refused"),
        Box::new(accepts(&scheme.id, &name, |seen| seen.req.header("content-type") == Some("text/plain"))),
    );
    let methods: Vec<String> =
        std::iter::once(&operation.method).chain(&operation.other_methods).cloned().collect();
    add(
        "accepts other methods",
        format!("{name} is served under every method"),
        &format!("{name} asked with another method is refused"),
        Box::new(decides(
            &scheme.id,
            &name,
            move |seen| !methods.iter().any(|method| seen.req.method.as_str() == method),
            || Way::Accept,
        )),
    );
    if let Some(schema) = schema.cloned() {
        let broken = schema.clone();
        add(
            "accepts what its schema does not",
            format!("{name} does not validate"),
            &format!("{name} with one generated mistake is refused"),
            Box::new(accepts(&scheme.id, &name, move |seen| {
                seen.body.is_object() && !broken.accepts(&seen.body)
            })),
        );
        add(
            "accepts what its schema allows",
            format!("{name} validates and looks at nothing else"),
            &format!("{name} with generated strangers is refused"),
            Box::new(accepts(&scheme.id, &name, move |seen| schema.accepts(&seen.body))),
        );
    }
}

/// Ways of writing a login that a careless server cannot read.
fn writing(scheme: &Scheme, faults: &mut Vec<Fault>) {
    let Some(login) = scheme.step(Step::Login) else { return };
    let name = login.name.clone();
    let mut add = |fault: &str, sentence: &str, when: fn(&Seen<'_>) -> bool| {
        let check = check(&scheme.id, "form", sentence);
        if exists(&check) {
            let does = format!("{name}: {fault}");
            faults.push(Fault::new(&scheme.id, fault, &does, &[check], refuses(&scheme.id, &name, when)));
        }
    };
    add("refuses JSON in several lines", "a login in pretty printed json works", |seen| {
        seen.req.body.starts_with(b"{\n")
    });
    add("refuses members in another order", "a login with its members in reverse order works", |seen| {
        let text = String::from_utf8_lossy(&seen.req.body).into_owned();
        let places: Vec<usize> = seen
            .body
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(member, _)| text.find(&format!("\"{member}\":")))
            .collect();
        places.windows(2).any(|pair| pair[0] > pair[1])
    });
    add("refuses escaped characters", "a login with escaped characters works", |seen| {
        String::from_utf8_lossy(&seen.req.body).starts_with("{\"\\u00")
    });
    add("refuses a final line feed", "a login with a final line feed works", |seen| {
        seen.req.body.ends_with(b"}\n")
    });
    add("refuses a charset", "a login declared with a charset works", |seen| {
        seen.req.header("content-type").is_some_and(|text| text.contains(";charset="))
    });
    add("refuses another letter case", "a login declared in another letter case works", |seen| {
        seen.req.header("content-type").is_some_and(|text| text.starts_with("Application"))
    });
    add("refuses further members", "members that the document does not know are ignored", |seen| {
        seen.body.get("x_unknown").is_some()
    });
    for (fault, accept) in [("refuses any type", Some("*/*")), ("needs to be told a type", None)] {
        let check = check(&scheme.id, "form", "a login works whatever its client can read");
        if exists(&check) {
            let make = refuses(&scheme.id, &name, move |seen| seen.req.header("accept") == accept);
            let does = format!("{name}: {fault}");
            faults.push(Fault::new(&scheme.id, fault, &does, &[check], make));
        }
    }
    let page = check(&scheme.id, "form", "a login that asks for a page is answered in json");
    if exists(&page) {
        let does = "who can read a page is answered with one";
        let id = scheme.id.clone();
        faults.push(Fault::new(&scheme.id, "answers in pages", does, &[page], move || {
            let id = id.clone();
            Bend::after(move |seen, resp| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == id);
                if here && seen.req.header("accept").is_some_and(|accept| accept.contains("text/html")) {
                    resp.set_header("content-type", "text/html");
                }
            })
        }));
    }
    let alike = check(&scheme.id, "form", "operations are served under the documented paths alike");
    if let (true, Some(refresh)) = (exists(&alike), scheme.step(Step::Refresh)) {
        let path = refresh.path.clone();
        let does = "a refresh is served under another path than documented, a login under the documented one";
        faults.push(Fault::new(&scheme.id, "moves one operation", does, &[alike], move || {
            let path = path.clone();
            Bend::decide(move |seen| {
                let gone = seen.req.path == path;
                if gone { super::say_status(404, &json!({ "error": "not found" })) } else { Way::Pass }
            })
        }));
    }
    let desc = check(&scheme.id, "form", "the answer of refresh has result as documented");
    if exists(&desc) {
        faults.push(Fault::new(
            &scheme.id,
            "a refresh says a code and nothing more",
            "the answer of a refresh without tokens lacks its text",
            &[desc],
            spoils(&scheme.id, "refresh", true, |resp| resp.set_json(&json!({ "result": { "code": 0 } }))),
        ));
    }
    if let Some(field) = login.success_field(Role::Redirect)
        && let Place::Body(pointer) = &field.at
    {
        let at = pointer.clone();
        faults.push(Fault::new(
            &scheme.id,
            "sends everybody elsewhere",
            "every account is told to change its password",
            &[check(&scheme.id, "form", "an account without duties is not sent elsewhere")],
            spoils(&scheme.id, &login.name, true, move |resp| {
                let mut body = resp.json();
                let (parent, name) = at.rsplit_once('/').unwrap_or_default();
                if let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
                    members.insert(name.to_owned(), json!("https://login.example/password"));
                    resp.set_json(&body);
                }
            }),
        ));
    }
    faults.push(Fault::new(
        &scheme.id,
        "takes any path that begins well",
        "paths are compared by their beginning",
        &[check(&scheme.id, "form", "a path that is not there is refused")],
        {
            let path = login.path.trim_end_matches('/').to_owned();
            move || {
                let path = path.clone();
                Bend::decide(move |seen| {
                    let longer = seen.at.is_none() && seen.req.path.starts_with(&path);
                    if longer { Way::Accept } else { Way::Pass }
                })
            }
        },
    ));
}

/// Logins that one reader understands and another had better not.
fn lenient(scheme: &Scheme, faults: &mut Vec<Fault>) {
    let Some(login) = scheme.step(Step::Login) else { return };
    let mut add = |fault: &str, does: &str, sentence: &str, when: fn(&Seen<'_>) -> bool| {
        let check = check(&scheme.id, "form", sentence);
        if exists(&check) {
            let make = accepts(&scheme.id, &login.name, when);
            faults.push(Fault::new(&scheme.id, fault, does, &[check], make));
        }
    };
    add(
        "takes one of two members",
        "a member that stands twice is read once",
        "a login with a member twice is refused",
        |seen| seen.req.body.windows(9).any(|window| window == b"\"another\""),
    );
    add(
        "folds the letters of names",
        "members are found in any letter case",
        "a login with names in another letter case is refused",
        |seen| {
            let upper = |name: &String| name.starts_with(|c: char| c.is_ascii_uppercase());
            seen.body.as_object().is_some_and(|body| body.keys().any(upper))
        },
    );
    add(
        "reads what is almost JSON",
        "what is no JSON is read as far as it goes",
        "a login in what is almost json is refused",
        |seen| !seen.body.is_object() && seen.req.body.len() > 20,
    );
    add(
        "reads bodies of any size",
        "the length of a body is not limited",
        "a login in a vast body is refused",
        |seen| seen.req.body.len() > 2 << 20,
    );
    add(
        "takes forms of any page",
        "a login is read from a web form",
        "a login that any web page can send is refused",
        |seen| seen.req.header("content-type").is_some_and(|media| media.contains("form")),
    );
    add(
        "takes the method from a header",
        "a header names the method",
        "a method named in a header is not taken for the method",
        |seen| seen.req.header("x-http-method-override").is_some(),
    );
}
