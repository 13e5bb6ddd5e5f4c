//! What a safe method asks for does nothing: links, previews and prefetching send such requests without anybody's will.

use super::{first_sink, has_sink, refreshable};
use crate::check::{Checks, Group};
use crate::context::Session;
use crate::draft::Draft;
use countersign_spec::{Operation, RefreshTakes, Step};

/// Headers in which frameworks take another method than the request line's.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Adds the checks of logouts, and of logins and refreshes, that are asked by a safe method.
pub(super) fn add(checks: &mut Checks<'_>) {
    let unsafely = |operation: &&Operation| !["GET", "HEAD", "OPTIONS"].contains(&operation.method.as_str());
    if checks.scheme.step(Step::Logout).filter(unsafely).is_some() && has_sink(checks.scheme) {
        checks
            .add(
                Group::Flow,
                "a logout asked by a safe method ends no session",
                &["common.flow.safe-methods-change-nothing"],
                |cx| {
                    let sink = first_sink(cx)?;
                    let operation = cx.step(Step::Logout)?;
                    let refreshes = cx
                        .scheme
                        .refresh
                        .as_ref()
                        .is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh)
                        && cx.step(Step::Refresh).is_ok();
                    for nth in 0.. {
                        let session: Session<'_> = if refreshes { refreshable(cx)?.0 } else { cx.session()? };
                        let token = session.access.clone().unwrap_or_default();
                        let good = cx.authorized(operation, &session);
                        let Some((how, draft)) = ways(&good).into_iter().nth(nth) else { break };
                        let before = cx.present(sink, &session.actor, &token)?;
                        cx.control(&before, &format!("asking {} before the logout", sink.name))?;
                        cx.send(operation, &draft)?;
                        let did = format!("asked {} {how}, and", operation.name);
                        let after = cx.present(sink, &session.actor, &token)?;
                        cx.must_accept(&after, &format!("{did} {} with the same token", sink.name))?;
                        if let (Some(refresh), true) = (&session.refresh, refreshes) {
                            let after = cx.refresh_with(&session, refresh)?;
                            cx.must_accept(&after, &format!("{did} refreshed with the session's token"))?;
                        }
                    }
                    Ok(())
                },
            )
            .family("logout", 3);
    }
}

/// Ways to ask by a safe method for what another method does.
pub(in crate::checks) fn ways(good: &Draft) -> Vec<(String, Draft)> {
    let mut list = Vec::new();
    for method in ["GET", "HEAD", "OPTIONS"] {
        let mut draft = good.clone();
        method.clone_into(&mut draft.method);
        list.push((format!("by {method}"), draft));
    }
    for header in OVERRIDES {
        let mut draft = good.clone();
        "GET".clone_into(&mut draft.method);
        draft.set_header(header, &good.method);
        list.push((format!("by GET with {header}: {}", good.method), draft));
    }
    let mut draft = good.clone();
    "GET".clone_into(&mut draft.method);
    draft.query.push(("_method".to_owned(), good.method.clone()));
    list.push((format!("by GET with ?_method={}", good.method), draft));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_safe() {
        let list = ways(&Draft::new("logout", "POST", "/logout"));
        assert_eq!(list.len(), 7);
        assert!(list.iter().all(|(_, draft)| ["GET", "HEAD", "OPTIONS"].contains(&draft.method.as_str())));
    }
}
