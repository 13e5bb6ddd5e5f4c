//! How the header is written, and where else a token must not be read from.

use super::refuse_all;
use crate::check::{Checks, Group};
use crate::checks::flow::first_sink;
use crate::jwt::Jwt;
use countersign_spec::Level;
use serde_json::json;

/// A good token is not good with more around it.
pub(super) fn added(checks: &mut Checks<'_>) {
    checks
        .add(Group::Token, "a token with something added is refused", &["common.token.encoding"], |cx| {
            refuse_all(cx, |_, token| {
                let mut added = vec![
                    ("a token with a fourth part".to_owned(), format!("{token}.e30")),
                    ("a token with a part before it".to_owned(), format!("e30.{token}")),
                    ("a token with a character added".to_owned(), format!("{token}A")),
                    ("a token and a second one".to_owned(), format!("{token},{token}")),
                ];
                // Verified by its first parts and read from its last ones, or the reverse.
                if let Some(jwt) = Jwt::read(token) {
                    let other = jwt.with_claims(|claims| drop(claims.insert("x".to_owned(), json!(1))));
                    let claims = other.split('.').nth(1).unwrap_or_default().to_owned();
                    added.push((
                        "a token with other claims and a part behind it".to_owned(),
                        format!("{token}.{claims}.x"),
                    ));
                    added.push(("a token with another one behind it".to_owned(), format!("{token}.{other}")));
                    added.push(("a token with another one before it".to_owned(), format!("{other}.{token}")));
                }
                added
            })
        })
        .family("token-unread", 4);
}

/// Adds the checks of how the header is written, and of a token in another place.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.tokens.bearer_any_case {
        checks
            .add(Group::Token, "bearer in lower case is accepted", &["common.token.scheme-case"], |cx| {
                let sink = first_sink(cx)?;
                let session = cx.session()?;
                let mut draft = cx.authorized(sink, &session);
                draft.set_header(
                    "authorization",
                    &format!("bearer {}", session.access.clone().unwrap_or_default()),
                );
                let answer = cx.send(sink, &draft)?;
                cx.must_accept(&answer, "wrote the word Bearer in lower case")
            })
            .at_most(Level::May);
    }
    checks
        .add(
            Group::Token,
            "a token under another scheme word is refused",
            &["common.token.bearer-only"],
            |cx| {
                let sink = first_sink(cx)?;
                let session = cx.session()?;
                let token = session.access.clone().unwrap_or_default();
                for word in ["Basic", "Digest"] {
                    let mut draft = cx.authorized(sink, &session);
                    draft.set_header("authorization", &format!("{word} {token}"));
                    let answer = cx.send(sink, &draft)?;
                    cx.must_refuse(&answer, &format!("presented the token as {word}"))?;
                }
                Ok(())
            },
        )
        .at_most(Level::May);
    checks
        .add(Group::Token, "a token in the query is refused", &["common.token.not-in-query"], |cx| {
            let sink = first_sink(cx)?;
            let session = cx.session()?;
            let token = session.access.clone().unwrap_or_default();
            for name in ["access_token", "token", "jwt"] {
                let mut draft = cx.authorized(sink, &session);
                draft.headers.retain(|(header, _)| header != "authorization");
                draft.query.push((name.to_owned(), token.clone()));
                let answer = cx.send(sink, &draft)?;
                cx.must_refuse(&answer, &format!("sent the token as ?{name}="))?;
            }
            Ok(())
        })
        .family("token-unread", 5);
}
