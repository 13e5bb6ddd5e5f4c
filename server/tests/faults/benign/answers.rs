//! Other ways to write the same answers.

use super::Benign;
use crate::bend::{Bend, Resp};
use crate::world::Seen;
use countersign_spec::Step;
use http::StatusCode;
use serde_json::{Map, Value, json};

fn after(name: &str, change: fn(&Seen<'_>, &mut Resp)) -> Benign {
    Benign::new(name, move || {
        Bend::after(move |seen, resp| {
            if seen.at.is_some() {
                change(seen, resp);
            }
        })
    })
}

fn refusals(name: &str, change: fn(&Seen<'_>, &mut Resp)) -> Benign {
    Benign::new(name, move || {
        Bend::after(move |seen, resp| {
            if seen.at.is_some() && !seen.is_success(resp) {
                change(seen, resp);
            }
        })
    })
}

/// Another status, with the code that repeats it where codes do.
fn status(seen: &Seen<'_>, resp: &mut Resp, status: StatusCode) {
    let Some((scheme, _)) = seen.at else { return };
    if !scheme.envelope.failure_status.iter().any(|pattern| pattern.matches(status.as_u16())) {
        return;
    }
    resp.status = status;
    let (is, begins) = (scheme.envelope.code_is_status, scheme.envelope.code_begins_with_status);
    if is || begins {
        let mut body = resp.json();
        for pointer in &scheme.envelope.code {
            if let Some(code) = body.pointer_mut(pointer) {
                let status = u64::from(status.as_u16());
                let own = code.as_u64().filter(|_| begins).map(|code| status * 100 + code % 100);
                *code = json!(own.unwrap_or(status));
            }
        }
        resp.set_json(&body);
    }
}

fn objects(value: &mut Value, change: &dyn Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|value| objects(value, change));
            change(members);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| objects(item, change)),
        _ => {}
    }
}

fn message(seen: &Seen<'_>, resp: &mut Resp, text: &str) {
    let Some((scheme, _)) = seen.at else { return };
    let mut body = resp.json();
    for pointer in &scheme.envelope.message {
        if let Some(place) = body.pointer_mut(pointer) {
            *place = json!(text);
        }
    }
    resp.set_json(&body);
}

fn header(name: &'static str, value: &'static str) -> Benign {
    Benign::new(&format!("answers with {name} {value}"), move || {
        Bend::after(move |_, resp| resp.set_header(name, value))
    })
}

pub(super) fn all() -> Vec<Benign> {
    let mut all = writing();
    all.extend(statuses());
    all.extend(members());
    all.extend([
        header("connection", "close"),
        header("server", "nginx/1.27"),
        header("x-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        header("strict-transport-security", "max-age=31536000"),
        header("content-security-policy", "default-src 'none'"),
        header("access-control-allow-origin", "*"),
        header("set-cookie", "lb=1; Path=/; HttpOnly"),
        header("x-ratelimit-remaining", "99"),
        header("vary", "Origin, Accept-Encoding"),
        header("content-language", "en"),
        header("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
    ]);
    all
}

fn writing() -> Vec<Benign> {
    vec![
        after("JSON in several lines", |_, resp| {
            resp.set_body(serde_json::to_vec_pretty(&resp.json()).unwrap_or_default());
        }),
        after("JSON that ends in a line feed", |_, resp| {
            resp.set_body([resp.body.as_ref(), b"\n"].concat());
        }),
        after("JSON with escaped slashes", |_, resp| {
            resp.set_body(String::from_utf8_lossy(&resp.body).replace('/', "\\/"));
        }),
        after("members in reverse order", |_, resp| {
            if let Value::Object(members) = resp.json() {
                let written: Vec<String> =
                    members.iter().rev().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
                resp.set_body(format!("{{{}}}", written.join(",")));
            }
        }),
        after("JSON declared without a charset", |_, resp| {
            resp.set_header("content-type", "application/json")
        }),
        after("JSON declared with a charset in capitals", |_, resp| {
            resp.set_header("content-type", "application/json;charset=UTF-8");
        }),
        after("JSON declared in capitals", |_, resp| resp.set_header("content-type", "Application/JSON")),
    ]
}

fn statuses() -> Vec<Benign> {
    vec![
        refusals("refusals by 400", |seen, resp| status(seen, resp, StatusCode::BAD_REQUEST)),
        refusals("refusals by 401", |seen, resp| status(seen, resp, StatusCode::UNAUTHORIZED)),
        refusals("refusals by 403", |seen, resp| status(seen, resp, StatusCode::FORBIDDEN)),
        refusals("refusals by 422", |seen, resp| status(seen, resp, StatusCode::UNPROCESSABLE_ENTITY)),
        refusals("refusals by 200 where documents allow it", |seen, resp| status(seen, resp, StatusCode::OK)),
        refusals("unreadable bodies by 415", |seen, resp| {
            if !seen.req.header("content-type").is_some_and(|text| text.to_ascii_lowercase().contains("json"))
            {
                status(seen, resp, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
        }),
        refusals("other methods by 404", |_, resp| {
            if resp.status == StatusCode::METHOD_NOT_ALLOWED {
                resp.status = StatusCode::NOT_FOUND;
                resp.set_header("content-type", "text/plain");
                resp.set_body("404 page not found");
            }
        }),
        Benign::new("unknown paths by a page", || {
            Bend::after(|seen, resp| {
                if seen.at.is_none() && resp.status == StatusCode::NOT_FOUND {
                    resp.set_header("content-type", "text/html");
                    resp.set_body("<!doctype html><title>404</title><h1>Not Found</h1>");
                }
            })
        }),
    ]
}

fn members() -> Vec<Benign> {
    vec![
        after("further members everywhere", |_, resp| {
            let mut body = resp.json();
            objects(&mut body, &|members| drop(members.insert("trace".to_owned(), json!({ "node": 3 }))));
            resp.set_json(&body);
        }),
        after("a time in every answer", |seen, resp| {
            let mut body = resp.json();
            let asked = seen.memory().count("asked");
            if let Some(members) = body.as_object_mut() {
                members.insert("timestamp".to_owned(), json!(1_790_000_000_000_u64 + asked));
            }
            resp.set_json(&body);
        }),
        refusals("refusals without what is null", |_, resp| {
            let mut body = resp.json();
            objects(&mut body, &|members| members.retain(|_, value| !value.is_null()));
            resp.set_json(&body);
        }),
        refusals("refusals with null as data", |seen, resp| {
            let Some(data) = seen.at.and_then(|(scheme, _)| scheme.envelope.data.clone()) else { return };
            let mut body = resp.json();
            if let Some(members) = body.as_object_mut() {
                members.insert(data.trim_start_matches('/').to_owned(), Value::Null);
            }
            resp.set_json(&body);
        }),
        refusals("texts in another language", |seen, resp| {
            message(seen, resp, "Nicht erlaubt: prüfen Sie die Eingabe.")
        }),
        refusals("texts that say nothing", |seen, resp| message(seen, resp, "error")),
        refusals("long texts", |seen, resp| message(seen, resp, &"This request was refused. ".repeat(40))),
        refusals("another code for every failure", |seen, resp| {
            let Some((scheme, _)) = seen.at.filter(|(scheme, _)| scheme.envelope.success_codes == [0]) else {
                return;
            };
            let mut body = resp.json();
            for pointer in &scheme.envelope.code {
                if let Some(code) = body.pointer_mut(pointer) {
                    *code = json!(-1);
                }
            }
            resp.set_json(&body);
        }),
        after("addresses with upper-case digits", |seen, resp| {
            if seen.step() != Some(Step::Challenge) {
                upper_addresses(seen, resp);
            }
        }),
    ]
}

fn upper_addresses(seen: &Seen<'_>, resp: &mut Resp) {
    let Some((_, operation)) = seen.at else { return };
    let mut body = resp.json();
    for field in operation.success.fields.iter().filter(|field| field.role == countersign_spec::Role::Address)
    {
        if let countersign_spec::Place::Body(pointer) = &field.at
            && let Some(place) = body.pointer_mut(pointer)
            && let Some(text) = place.as_str()
        {
            *place = json!(text.to_ascii_uppercase().replacen("0X", "0x", 1));
        }
    }
    resp.set_json(&body);
}
