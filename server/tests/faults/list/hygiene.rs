//! Faults that any exchange can show: failures, silence, leaks.

use crate::bend::{Bend, Resp, Way};
use crate::fault::{Fault, check};
use crate::world::{Seen, pointer_of};
use countersign_spec::{Role, Scheme, Step};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let id = scheme.id.as_str();
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, make: Box<dyn Fn() -> Bend + Send + Sync>| {
        faults.push(Fault::new(id, name, does, &[check(id, "hygiene", sentence)], make));
    };
    let after = |of: &str, change: fn(&Seen<'_>, &mut Resp)| -> Box<dyn Fn() -> Bend + Send + Sync> {
        let of = of.to_owned();
        Box::new(move || {
            let of = of.clone();
            Bend::after(move |seen, resp| {
                if seen.at.is_some_and(|(scheme, _)| scheme.id == of) {
                    change(seen, resp);
                }
            })
        })
    };
    let fails = "nothing causes a server error";
    add(
        "NUL makes it fail",
        "a NUL in a body is answered with HTTP 500",
        fails,
        after(id, |seen, resp| {
            if seen.req.body.windows(6).any(|window| window == b"\\u0000") {
                resp.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }),
    );
    add(
        "depth makes it fail",
        "a deep body is answered with HTTP 500",
        fails,
        after(id, |seen, resp| {
            if seen.req.body.starts_with(b"{\"a\":{\"a\":{\"a\"") || seen.req.body.starts_with(b"{{{{") {
                resp.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }),
    );
    add(
        "a negative number makes it fail",
        "a negative member is answered with HTTP 500",
        fails,
        after(id, |seen, resp| {
            let negative = |value: &Value| value.as_f64().is_some_and(|number| number < 0.0);
            if seen.body.as_object().is_some_and(|members| members.values().any(negative)) {
                resp.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }),
    );
    let of = id.to_owned();
    add(
        "a surrogate ends the process",
        "a lone surrogate is not answered at all",
        "every request is answered",
        Box::new(move || {
            let of = of.clone();
            Bend::decide(move |seen| {
                let text = String::from_utf8_lossy(&seen.req.body);
                let lone = text.contains("\\ud800");
                if lone && seen.at.is_some_and(|(scheme, _)| scheme.id == of) {
                    Way::Close
                } else {
                    Way::Pass
                }
            })
        }),
    );
    add(
        "cookies are open",
        "a login sets a cookie that scripts can read",
        "cookies of a session are closed to scripts",
        after(id, |_, resp| resp.set_header("set-cookie", "sessionid=0123456789abcdef; Path=/")),
    );
    let shows = "no answer shows the inside of the server";
    add(
        "a stack trace is shown",
        "a body that cannot be read is answered with a trace",
        shows,
        after(id, |seen, resp| {
            if !seen.is_success(resp) && !seen.body.is_object() && !seen.req.body.is_empty() {
                resp.set_body("Traceback (most recent call last):\n  File \"/srv/app.py\", line 7\n");
                resp.set_header("content-type", "text/plain");
            }
        }),
    );
    add(
        "a query is shown",
        "a quote is answered with the database's complaint",
        shows,
        after(id, |seen, resp| {
            if seen.req.body.windows(3).any(|window| window == b";--") {
                resp.set_body("{\"code\":400,\"error\":\"SQLSTATE[42000]\"}");
            }
        }),
    );
    add(
        "a frame is shown",
        "a body that cannot be read is answered with the engine's complaint",
        shows,
        after(id, |seen, resp| {
            if !seen.is_success(resp) && !seen.body.is_object() && !seen.req.body.is_empty() {
                resp.set_json(&json!({ "code": 400, "message": "Error\n    at parse (/srv/app.js:3:7)" }));
            }
        }),
    );
    let echoes = "no answer repeats a secret";
    add(
        "headers repeat secrets",
        "the proof comes back in a header",
        echoes,
        after(id, |seen, resp| {
            let secret =
                seen.text(Role::Password).or_else(|| seen.text(Role::Signature)).or_else(|| seen.token());
            if let Some(secret) = secret.filter(|secret| secret.is_ascii() && secret.len() >= 8) {
                resp.set_header("x-debug", &secret);
            }
        }),
    );
    if scheme.step(Step::Login).is_some_and(|login| login.request_field(Role::Password).is_some()) {
        add(
            "what cannot be read is repeated",
            "a body that is no JSON comes back",
            echoes,
            after(id, |seen, resp| {
                if !seen.body.is_object() && seen.req.body.len() > 20 && seen.req.body.len() < 2_000 {
                    let sent = String::from_utf8_lossy(&seen.req.body).into_owned();
                    resp.set_json(&json!({ "code": 400, "message": format!("cannot read {sent}") }));
                }
            }),
        );
        add(
            "refusals repeat the secret",
            "the refusal of a login quotes the secret",
            echoes,
            after(id, |seen, resp| {
                if let Some(secret) = seen.text(Role::Password).filter(|secret| secret.len() >= 8) {
                    let mut body = resp.json();
                    if let Some(members) = body.as_object_mut() {
                        members.insert("sent".to_owned(), json!(secret));
                    }
                    resp.set_json(&body);
                }
            }),
        );
    }
    add(
        "broken JSON",
        "refusals end before their last brace",
        "what is declared as json is json",
        after(id, |seen, resp| {
            if !seen.is_success(resp) && !seen.body.is_object() {
                let cut = resp.body.slice(..resp.body.len().saturating_sub(1));
                resp.set_body(cut);
                resp.set_header("content-type", "application/json");
            }
        }),
    );
    let cached = check(id, "hygiene", "answers with tokens are not cached");
    let carried = check(id, "hygiene", "tokens travel in the documented member only");
    let gives = scheme.operations.iter().any(|operation| {
        [Role::AccessToken, Role::RefreshToken, Role::Challenge]
            .iter()
            .any(|role| pointer_of(operation, *role).is_some())
    });
    if gives {
        add(
            "answers may be cached",
            "answers with tokens lack Cache-Control: no-store",
            &sentence_of(&cached),
            after(id, |_, resp| {
                drop(resp.headers.remove("cache-control"));
            }),
        );
        add(
            "tokens in headers",
            "tokens are repeated in a header",
            &sentence_of(&carried),
            after(id, |seen, resp| {
                let Some((_, operation)) = seen.at else { return };
                let body = resp.json();
                for role in [Role::AccessToken, Role::Challenge] {
                    let token =
                        pointer_of(operation, role).and_then(|at| body.pointer(at)).and_then(Value::as_str);
                    if let Some(token) = token {
                        resp.set_header("x-session", token);
                    }
                }
            }),
        );
    }
    let open = "credentials are not open to every origin";
    add(
        "any origin with credentials",
        "whichever origin asks is allowed, with credentials",
        open,
        after(id, |seen, resp| {
            if let Some(origin) = seen.req.header("origin") {
                resp.set_header("access-control-allow-origin", origin);
                resp.set_header("access-control-allow-credentials", "true");
            }
        }),
    );
    add(
        "all origins with credentials",
        "all origins are allowed, with credentials",
        open,
        after(id, |_, resp| {
            resp.set_header("access-control-allow-origin", "*");
            resp.set_header("access-control-allow-credentials", "true");
        }),
    );
    faults
}

fn sentence_of(check: &str) -> String {
    check.rsplit("::").next().unwrap_or_default().replace('-', " ")
}
