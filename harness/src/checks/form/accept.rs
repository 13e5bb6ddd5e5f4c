//! What a caller says it can read: whatever it is, a login works, and where a clause says so it is answered in JSON.

use super::right_login;
use crate::check::{Checks, Group};
use countersign_spec::Step;

/// What the known clients write, and nothing at all.
const USUAL: [&str; 3] = ["*/*", "application/json, text/plain, */*", ""];
/// What asks for other than JSON.
const OTHER: [&str; 2] = ["text/html", "application/xml;q=0.9, text/html"];

/// Adds the checks of Accept.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.step(Step::Login).is_none_or(|login| login.request.schema.is_none()) {
        return;
    }
    checks.add(Group::Form, "a login works whatever its client can read", &["common.form.accept"], |cx| {
        for accept in USUAL {
            let (operation, mut draft, actor) = right_login(cx)?;
            draft.set_header("accept", accept);
            let answer = cx.send(operation, &draft)?;
            let did = match accept {
                "" => "sent a right login without Accept".to_owned(),
                accept => format!("sent a right login with Accept: {accept}"),
            };
            cx.must_accept_like_plain(&answer, &actor, &did)?;
        }
        Ok(())
    });
    checks.add(
        Group::Form,
        "a login that asks for a page is answered in json",
        &["common.form.accept-is-not-asked"],
        |cx| {
            for accept in OTHER {
                let (operation, mut draft, actor) = right_login(cx)?;
                draft.set_header("accept", accept);
                let answer = cx.send(operation, &draft)?;
                let did = format!("sent a right login with Accept: {accept}");
                cx.must_accept_like_plain(&answer, &actor, &did)?;
                if answer.accepted() && !answer.exchange.declares_json() {
                    let got = answer.exchange.header("content-type").unwrap_or("no Content-Type").to_owned();
                    let expected = "an answer in JSON that says so";
                    cx.found_in(&did, expected, &got, &[answer.exchange])?;
                }
            }
            Ok(())
        },
    );
}
