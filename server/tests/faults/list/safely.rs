//! Faults of servers that do by a safe method what another one is for.

use crate::bend::{Bend, Req};
use crate::fault::{Fault, check, exists};
use countersign_spec::{Auth, Scheme, Step};
use http::Method;

/// Which requests are taken for the documented one.
type When = fn(&Req) -> bool;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all: [(&str, &str, When); 4] = [
        ("a link logs out", "a logout is done by GET as well", |req| req.method == Method::GET),
        ("a glance logs out", "a logout is done by HEAD as well", |req| req.method == Method::HEAD),
        (
            "a link that names a method logs out",
            "a logout is done by GET where a parameter says POST",
            |req| req.query.as_deref() == Some("_method=POST"),
        ),
        (
            "a link under a header that names a method logs out",
            "a logout is done by GET where a header says POST",
            |req| req.header("x-http-method").is_some(),
        ),
    ];
    let trips = check(&scheme.id, "flow", "a logout asked by a safe method ends no session");
    for (name, does, when) in all.into_iter().filter(|_| exists(&trips)) {
        faults.push(Fault::new(&scheme.id, name, does, std::slice::from_ref(&trips), move || {
            Bend::rewrite(move |seen, req| {
                let logout = seen.at.is_some_and(|(at, now)| at.id == scheme.id && now.step == Step::Logout);
                if logout && when(req) {
                    req.method = Method::POST;
                    req.query = None;
                }
            })
        }));
    }
    let reads = scheme.operations.iter().filter(|operation| {
        let body = operation.method == "POST" && operation.request.schema.is_some();
        body && operation.auth == Auth::None && operation.step != Step::Lookup
    });
    for operation in reads {
        let trips =
            check(&scheme.id, "form", &format!("{} asked with another method is refused", operation.name));
        if !exists(&trips) {
            continue;
        }
        let all: [(&str, &str, When); 2] = [
            ("reads a body by GET", "a body is read by GET as well", |req| req.method == Method::GET),
            ("reads a body under a header", "a body is read by GET where a header says POST", |req| {
                req.header("x-method-override").is_some()
            }),
        ];
        for (words, does, when) in all {
            let name = format!("{} {words}", operation.name);
            faults.push(Fault::new(&scheme.id, &name, does, std::slice::from_ref(&trips), move || {
                Bend::rewrite(move |seen, req| {
                    let here = seen.is(&scheme.id, &operation.name) && req.method == Method::GET;
                    if here && when(req) && !req.body.is_empty() {
                        req.method = Method::POST;
                    }
                })
            }));
        }
    }
    faults
}
