//! Where a refresh must not find its token: in the address, which is logged, and in a cookie, which a browser sends along for
//! any page.

use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Context, Session};
use crate::draft::Draft;
use crate::finding::Stop;
use countersign_spec::{Level, Role, Step};

/// Adds the checks of tokens in other places.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Refresh,
            "a token in the query does not refresh",
            &["common.refresh.not-in-query"],
            |cx| {
                let (session, token) = refreshable(cx)?;
                let operation = cx.step(Step::Refresh)?;
                for name in ["token", "access_token", "refresh_token", "refreshToken", "jwt"] {
                    let mut draft = bare(cx, &session)?;
                    draft.query.push((name.to_owned(), token.clone()));
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("refreshed with the token as ?{name}= alone"))?;
                }
                Ok(())
            },
        )
        .at_most(Level::Should)
        .family("refresh-unread", 3);
    checks
        .add(Group::Refresh, "a cookie alone does not refresh", &["common.refresh.not-by-cookie"], |cx| {
            let (session, _) = refreshable(cx)?;
            let operation = cx.step(Step::Refresh)?;
            let cookies: Vec<String> = session
                .answer
                .exchange
                .headers("set-cookie")
                .filter_map(|cookie| cookie.split(';').next().map(|pair| pair.trim().to_owned()))
                .collect();
            if cookies.is_empty() {
                return Err(Stop::NotApplicable("the login sets no cookie".to_owned()));
            }
            let mut draft = bare(cx, &session)?;
            draft.set_header("cookie", &cookies.join("; "));
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "refreshed with nothing but the cookies of the login")
        })
        // Sessions in cookies are an idiom of their own, and safe where the cookie is kept to its site.
        .at_most(Level::May)
        .family("refresh-unread", 3);
}

/// A refresh without any token.
fn bare(cx: &mut Context<'_>, session: &Session<'_>) -> Result<Draft, Stop> {
    let (operation, mut draft) = cx.refresh_draft(session, "")?;
    draft.headers.retain(|(name, _)| name != "authorization");
    if let Some(field) = operation.request_field(Role::RefreshToken) {
        draft.remove(&field.at);
    }
    Ok(draft)
}
