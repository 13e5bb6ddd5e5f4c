//! Requests that one reader takes for a login and another does not. Most frameworks are lenient here: all of it is advice.

use super::right_login;
use crate::check::{Checks, Group};
use crate::draft::{Draft, Writing, percent, plain_text};
use crate::finding::Stop;
use countersign_spec::{Encoding, Level, Step};
use serde_json::{Map, Value};

/// More than any login, and more than careful servers read of one.
const VAST: usize = 3 << 20;

/// Makes bodies of a right one, each with the words that say what it is.
type Make = fn(&Map<String, Value>) -> Vec<(&'static str, Vec<u8>)>;

/// Adds the checks of ambiguous logins.
pub(super) fn add(checks: &mut Checks<'_>) {
    let Some(login) = checks.scheme.step(Step::Login).filter(|login| login.request.schema.is_some()) else {
        return;
    };
    let takes_forms = login.request.encodings.contains(&Encoding::Form);
    let all: [(&str, &str, Make); 4] = [
        ("a login with a member twice is refused", "common.form.duplicate-member", twice),
        ("a login with names in another letter case is refused", "common.form.member-case", other_case),
        ("a login in what is almost json is refused", "common.form.strict-json", almost),
        ("a login in a vast body is refused", "common.form.body-limit", vast),
    ];
    for (sentence, clause, make) in all {
        checks
            .add(Group::Form, sentence, &[clause], move |cx| {
                let (_, draft, actor) = right_login(cx)?;
                cx.log_in(&actor)?;
                let members = draft.body.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
                for index in 0..make(&members).len() {
                    let (operation, mut draft, _) = right_login(cx)?;
                    let members = draft.body.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
                    let (what, body) = make(&members).swap_remove(index);
                    draft.writing = Writing::Bytes(body);
                    let answer = cx.send(operation, &draft)?;
                    // Whoever refuses a vast body may close before it has read it.
                    if answer.exchange.outcome.is_ok() {
                        cx.must_refuse(&answer, &format!("sent a right login {what}"))?;
                    }
                }
                Ok(())
            })
            .at_most(Level::May);
    }
    checks
        .add(
            Group::Form,
            "a login that any web page can send is refused",
            &["common.form.cross-site-form"],
            move |cx| {
                let (_, _, actor) = right_login(cx)?;
                cx.log_in(&actor)?;
                for (what, media, as_form) in [
                    ("as a web form", "application/x-www-form-urlencoded", true),
                    ("in JSON declared as a web form", "application/x-www-form-urlencoded", false),
                    ("in JSON declared as parts of a form", "multipart/form-data; boundary=x", false),
                ] {
                    if takes_forms && as_form {
                        continue;
                    }
                    let (operation, mut draft, _) = right_login(cx)?;
                    draft.set_header("content-type", media);
                    if as_form {
                        draft.writing = Writing::Bytes(form(&draft));
                    }
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("sent a right login {what}"))?;
                }
                Ok(())
            },
        )
        .at_most(Level::May);
    checks.add(
        Group::Form,
        "a login in a type that only mentions json is refused",
        &["common.form.media-type-whole"],
        |cx| {
            let (operation, mut draft, actor) = right_login(cx)?;
            cx.log_in(&actor)?;
            draft.set_header("content-type", "text/plain");
            if cx.send(operation, &draft)?.accepted() {
                let reason = "the target does not look at the content type, as another check says";
                return Err(Stop::NotApplicable(reason.to_owned()));
            }
            for media in [
                "text/plain; x=application/json",
                "text/plain;application/json",
                "text/plain; charset=application/json",
                "multipart/form-data; boundary=application/json",
                "application/x-www-form-urlencoded; x=application/json",
            ] {
                let (operation, mut draft, _) = right_login(cx)?;
                let body = draft.body.clone().unwrap_or_default().to_string();
                draft.writing = Writing::Bytes(body.into_bytes());
                draft.set_header("content-type", media);
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("sent a right login in JSON declared as {media}"))?;
            }
            Ok(())
        },
    );
    checks
        .add(
            Group::Form,
            "a method named in a header is not taken for the method",
            &["common.form.method-override"],
            |cx| {
                let (_, _, actor) = right_login(cx)?;
                cx.log_in(&actor)?;
                for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
                    let (operation, mut draft, _) = right_login(cx)?;
                    let right = std::mem::replace(&mut draft.method, "PUT".to_owned());
                    draft.set_header(header, &right);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("sent a right login by PUT with {header}: {right}"))?;
                }
                Ok(())
            },
        )
        .at_most(Level::May);
}

fn form(draft: &Draft) -> Vec<u8> {
    let members = draft.body.as_ref().and_then(Value::as_object).into_iter().flatten();
    let pairs: Vec<String> =
        members.map(|(name, value)| format!("{}={}", percent(name), percent(&plain_text(value)))).collect();
    pairs.join("&").into_bytes()
}

/// The last text member first or last, and another value at its other place.
fn twice(members: &Map<String, Value>) -> Vec<(&'static str, Vec<u8>)> {
    let right = Value::Object(members.clone()).to_string();
    let Some(name) = members.iter().filter(|(_, value)| value.is_string()).map(|(name, _)| name).next_back()
    else {
        return Vec::new();
    };
    let wrong = format!("{}:\"another\"", Value::String(name.clone()));
    let inside = right.trim_start_matches('{').trim_end_matches('}');
    vec![
        ("with a member twice, the wrong value first", format!("{{{wrong},{inside}}}").into_bytes()),
        ("with a member twice, the wrong value last", format!("{{{inside},{wrong}}}").into_bytes()),
    ]
}

fn other_case(members: &Map<String, Value>) -> Vec<(&'static str, Vec<u8>)> {
    let renamed = |rename: fn(&str) -> String| {
        let members: Map<String, Value> =
            members.iter().map(|(name, value)| (rename(name), value.clone())).collect();
        Value::Object(members).to_string().into_bytes()
    };
    vec![
        ("with its names in upper case", renamed(str::to_ascii_uppercase)),
        (
            "with capital names",
            renamed(|name| {
                let mut letters = name.chars();
                letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
            }),
        ),
    ]
}

fn almost(members: &Map<String, Value>) -> Vec<(&'static str, Vec<u8>)> {
    let right = Value::Object(members.clone()).to_string();
    let inside = right.trim_start_matches('{').trim_end_matches('}');
    vec![
        ("with something behind it", format!("{right}x").into_bytes()),
        ("with a second object behind it", format!("{right}{{}}").into_bytes()),
        ("with a comma at its end", format!("{{{inside},}}").into_bytes()),
        ("with a comment in it", format!("{{/* */{inside}}}").into_bytes()),
        ("with a member that is NaN", format!("{{{inside},\"x\":NaN}}").into_bytes()),
        ("with a number that begins with zero", format!("{{{inside},\"x\":007}}").into_bytes()),
        ("with a byte order mark", format!("\u{feff}{right}").into_bytes()),
        ("with a text of bytes that are no UTF-8", {
            let mut bytes = format!("{{{inside},\"x\":\"").into_bytes();
            bytes.extend_from_slice(b"\xc0\xaf\xff\"}");
            bytes
        }),
    ]
}

fn vast(members: &Map<String, Value>) -> Vec<(&'static str, Vec<u8>)> {
    let mut padded = Value::Object(members.clone()).to_string().into_bytes();
    padded.resize(padded.len() + VAST, b' ');
    vec![("with three mebibytes of blanks behind it", padded)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members() -> Map<String, Value> {
        json!({ "user": "ada", "password": "x\"y" }).as_object().unwrap().clone()
    }

    #[test]
    fn what_is_almost_json_is_not_json() {
        for (what, body) in almost(&members()) {
            assert!(serde_json::from_slice::<Value>(&body).is_err(), "{what}");
        }
    }

    #[test]
    fn other_bodies_are_json_and_differ() {
        let right = Value::Object(members());
        for (what, body) in
            twice(&members()).into_iter().chain(other_case(&members())).chain(vast(&members()))
        {
            assert!(serde_json::from_slice::<Value>(&body).is_ok(), "{what}");
            assert_ne!(body, right.to_string().into_bytes(), "{what}");
        }
    }
}
