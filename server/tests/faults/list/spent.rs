//! Faults of refreshes that are refused and yet done.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Auth, Operation, Role, Scheme, Step};

/// Which refused requests use their token up.
type When = fn(&Seen<'_>) -> bool;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let trips = check(&scheme.id, "refresh", "a refused refresh spends no token");
    if !exists(&trips) {
        return Vec::new();
    }
    let all: [(&str, &str, When); 3] = [
        (
            "tokens are spent whatever the answer",
            "a token is used up before the rest of its request is looked at",
            |_| true,
        ),
        ("tokens are spent by any method", "a token is used up before the method is looked at", |seen| {
            seen.at.is_some_and(|(_, operation)| seen.req.method != operation.method.as_str())
        }),
        ("tokens are spent by their letters", "a token is used up by a body that is cut short", |seen| {
            seen.body.is_null() && !seen.req.body.is_empty() || seen.text(Role::RefreshToken).is_none()
        }),
    ];
    let mut all = all.to_vec();
    let beside = |operation: &&Operation| {
        operation.auth == Auth::Access && operation.request_field(Role::RefreshToken).is_some()
    };
    if scheme.step(Step::Refresh).filter(beside).is_some() {
        all.push((
            "tokens are spent beside what is no access token",
            "a token is used up before the access token beside it is looked at",
            |seen| seen.bearer.as_ref().is_some_and(|token| !seen.memory().issued.contains_key(token)),
        ));
    }
    let fault = |(name, does, when): (&str, &str, When)| {
        Fault::new(&scheme.id, name, does, std::slice::from_ref(&trips), move || spends(scheme, when))
    };
    all.into_iter().map(fault).collect()
}

/// A token that stood in a refused refresh is refused from then on.
fn spends(of: &'static Scheme, when: When) -> Bend {
    let presented = move |seen: &Seen<'_>| {
        let here = seen.at.is_some_and(|(at, now)| at.id == of.id && now.step == Step::Refresh);
        let text = String::from_utf8_lossy(&seen.req.body).into_owned();
        let in_text = || seen.memory().issued.keys().find(|token| text.contains(token.as_str())).cloned();
        seen.text(Role::RefreshToken).or_else(in_text).or_else(|| seen.bearer.clone()).filter(|_| here)
    };
    Bend {
        after: Some(Box::new(move |seen, resp| {
            let token = presented(seen).filter(|_| when(seen) && !seen.is_success(resp));
            if let Some(token) = token {
                seen.memory().notes.insert(token, "spent".to_owned());
            }
        })),
        ..Bend::decide(move |seen| {
            let spent = presented(seen).is_some_and(|token| seen.memory().notes.contains_key(&token));
            if spent { Way::Refuse } else { Way::Pass }
        })
    }
}
