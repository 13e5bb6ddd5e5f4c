//! Pages that repeat what was sent as it was sent: a link, or a form on another page, writes into them.

use crate::check::{Checks, Group};
use crate::context::{Answer, Context};
use crate::draft::{Draft, Writing};
use countersign_spec::{Operation, Place, Role, Step};
use serde_json::json;

/// Types that a browser takes for a page.
const PAGES: [&str; 5] =
    ["text/html", "application/xhtml+xml", "text/xml", "application/xml", "image/svg+xml"];

/// Adds the check.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Hygiene,
        "no page repeats what was sent as markup",
        &["common.hygiene.no-markup"],
        |cx| {
            let Some(login) = cx.scheme.step(Step::Login) else { return Ok(()) };
            let mark = format!("<svg onload=x{}>", cx.random_hex(4));
            for (what, draft) in marked(cx, login, &mark) {
                let answer = cx.send(login, &draft)?;
                if is_page(&answer) && answer.exchange.text().contains(&mark) {
                    let did = format!("sent `{mark}` {what}");
                    cx.found(&did, "no page, or one in which it is written as text", &answer)?;
                }
            }
            Ok(())
        },
    );
}

fn is_page(answer: &Answer<'_>) -> bool {
    let media = answer.exchange.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let media = media.split(';').next().unwrap_or_default().trim();
    PAGES.contains(&media)
}

/// Requests with markup in the places that error pages like to repeat.
fn marked(cx: &mut Context<'_>, login: &Operation, mark: &str) -> Vec<(&'static str, Draft)> {
    let plain = cx.draft(login);
    let parent = plain.path.trim_end_matches('/').rsplit_once('/').unwrap_or_default().0.to_owned();
    let mut nowhere = plain.clone();
    nowhere.path = format!("{parent}/{}", crate::draft::percent(mark));
    let mut by_get = nowhere.clone();
    "GET".clone_into(&mut by_get.method);
    by_get.body = None;
    // A page is given to those who ask for one.
    by_get.set_header("accept", "text/html");
    let mut asked = by_get.clone();
    asked.path.clone_from(&plain.path);
    asked.query.push(("q".to_owned(), mark.to_owned()));
    let mut no_json = plain.clone();
    no_json.set_header("accept", "text/html");
    no_json.writing = Writing::Bytes(format!("{{\"{mark}\": {mark}").into_bytes());
    let mut list = vec![
        ("in a path that is not there, by GET", by_get),
        ("in a path that is not there", nowhere),
        ("in a query, by GET", asked),
        ("in a body that is no JSON", no_json),
    ];
    let roles = [Role::Identifier, Role::Address];
    if let Some(field) = roles.iter().find_map(|role| login.request_field(*role))
        && matches!(field.at, Place::Body(_))
    {
        let mut named = plain;
        named.set_header("accept", "text/html");
        named.set(&field.at, json!(mark));
        list.push(("as a name, and nothing else", named));
    }
    list
}
