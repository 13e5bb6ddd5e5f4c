//! A refresh token beside something else: another caller's token in `Authorization`, or a forged one.

use super::same_account;
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::Context;
use crate::jwt::{self, Jwt};
use crate::need::Need;
use crate::presenting::Form;
use countersign_spec::{RefreshTakes, Role, Step};

/// Adds the checks of refreshes in company.
pub(super) fn add(checks: &mut Checks<'_>) {
    let own = checks.scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    let in_body = checks
        .scheme
        .step(Step::Refresh)
        .is_some_and(|operation| operation.request_field(Role::RefreshToken).is_some());
    if own && in_body {
        checks.needing(Need::SecondAccount).add(
            Group::Refresh,
            "a refresh beside another token gives the own account",
            &["common.refresh.keeps-identity"],
            |cx| {
                let other = cx.other_actor()?;
                let theirs = cx.log_in(&other)?;
                let foreign = theirs.access.clone().unwrap_or_default();
                let unsigned = Jwt::read(&foreign).map(|_| jwt::with_invented_signature(&foreign));
                let mut beside = vec![("somebody else's access token", foreign)];
                beside.extend(
                    unsigned.map(|token| ("somebody else's access token with an invented signature", token)),
                );
                for (what, token) in beside {
                    cx.secrets.add(&token, "$FOREIGN_TOKEN");
                    let (mine, refresh) = refreshable(cx)?;
                    let operation = cx.step(Step::Refresh)?;
                    let mut draft = cx.refresh_in(operation, Form::First, &mine, &refresh);
                    draft.authorize(&token);
                    let answer = cx.send(operation, &draft)?;
                    if !answer.accepted() {
                        continue;
                    }
                    let next = Context::session_of(&mine.actor, answer);
                    let did = format!("refreshed with the own refresh token beside {what}");
                    if !same_account(cx, &mine, &next, &did)? {
                        continue;
                    }
                    if next.access.is_some() && next.access == theirs.access {
                        let expected = "tokens of the refresh token's account, or a refusal";
                        cx.found(&did, expected, &next.answer)?;
                    }
                }
                Ok(())
            },
        );
    }
    let several = checks
        .scheme
        .step(Step::Refresh)
        .is_some_and(|operation| !operation.variants.is_empty() || (operation.auth_optional && in_body));
    if several {
        checks
            .add(
                Group::Refresh,
                "a changed token is refused in every form",
                &["common.refresh.signature"],
                |cx| {
                    let (session, token) = refreshable(cx)?;
                    for (what, changed) in changed(&token) {
                        cx.secrets.add(&changed, "$CHANGED_TOKEN");
                        cx.must_not_refresh(&session, &changed, &format!("refreshed with {what}"))?;
                    }
                    Ok(())
                },
            )
            .family("refresh-unread", 2);
    }
}

/// The token with a part of it changed.
fn changed(token: &str) -> Vec<(&'static str, String)> {
    let swap = |text: &str, at: usize| -> String {
        text.char_indices()
            .map(|(index, c)| if index == at { if c == 'x' { 'y' } else { 'x' } } else { c })
            .collect()
    };
    let mut changed = vec![
        ("a token with a character near its end changed", swap(token, token.len().saturating_sub(8))),
        ("a token with something behind it", format!("{token}x")),
    ];
    if let Some(jwt) = Jwt::read(token) {
        let old = jwt.signature.clone();
        changed.push(("a token without its signature", jwt::with_signature(token, "")));
        changed.push((
            "a token with a claim added under its old signature",
            jwt.with_claims(|claims| drop(claims.insert("x".to_owned(), serde_json::json!(1)))),
        ));
        changed.push((
            "a token of no algorithm",
            jwt.with_header(|header| drop(header.insert("alg".to_owned(), serde_json::json!("none"))), &[]),
        ));
        changed.push((
            "a token with a header member added under its old signature",
            jwt.with_header(|header| drop(header.insert("x".to_owned(), serde_json::json!(1))), &old),
        ));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_changes() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
        assert_eq!(changed(token).len(), 6);
        assert!(changed(token).iter().chain(&changed("0123456789abcdef")).all(|(_, other)| other != token));
    }
}
