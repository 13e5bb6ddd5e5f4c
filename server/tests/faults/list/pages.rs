//! Faults of error pages that repeat what was sent, as it would be read by a browser.

use crate::bend::{Bend, Req};
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, query};
use countersign_spec::Scheme;

/// What a page repeats of a refused request.
type Part = fn(&Seen<'_>, &Req) -> Option<String>;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let trips = check(&scheme.id, "hygiene", "no page repeats what was sent as markup");
    if !exists(&trips) {
        return Vec::new();
    }
    let all: [(&str, &str, Part); 3] = [
        (
            "pages say which path is not there",
            "a page for a path that is not there repeats it, decoded",
            |seen, req| {
                let path = format!("path={}", req.path);
                query(&path, "path").filter(|_| seen.at.is_none())
            },
        ),
        (
            "pages say which query was wrong",
            "a page for a refused request repeats its query, decoded",
            |_, req| query(req.query.as_deref()?, "q"),
        ),
        ("pages say which body was wrong", "a page for a body that is no JSON repeats it", |seen, req| {
            let unread = seen.body.is_null() && !req.body.is_empty();
            unread.then(|| String::from_utf8_lossy(&req.body).into_owned())
        }),
    ];
    let fault = |(name, does, part): (&str, &str, Part)| {
        Fault::new(&scheme.id, name, does, std::slice::from_ref(&trips), move || {
            Bend::after(move |seen, resp| {
                let text = part(seen, seen.req).filter(|_| !seen.is_success(resp));
                if let Some(text) = text {
                    resp.set_header("content-type", "text/html; charset=utf-8");
                    resp.set_body(format!("<!doctype html><p>Cannot do {text}"));
                }
            })
        })
    };
    all.into_iter().map(fault).collect()
}
