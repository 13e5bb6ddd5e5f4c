//! What was refused for its signature has done nothing: nobody but the issuer says whose a token is.

use super::judged::like;
use super::{Door, any_read};
use crate::check::{Checks, Group};
use crate::checks::flow::first_sink;
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::Step;

/// Adds the check of sessions whose tokens somebody imitates.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a token refused for its signature ends no session",
            &["common.token.refusal-leaves-session"],
            |cx| {
                let mut doors = Door::all(cx);
                doors.extend(cx.step(Step::Logout).ok().map(Door::Use));
                if doors.is_empty() {
                    first_sink(cx)?;
                }
                let untouched = cx.session()?;
                lives(cx, &untouched, None)?;
                let mut read = false;
                for door in doors {
                    let session = cx.session()?;
                    // What is opaque may be looked up by a part of it, and half a right one be taken for a theft.
                    let Some(jwt) = Jwt::read(&door.token(&session)) else { continue };
                    read = true;
                    for (_, forged) in like(cx, &jwt) {
                        cx.secrets.add(&forged, "$FORGED_TOKEN");
                        if door.knock(cx, &session, &forged)?.accepted() {
                            let reason = "a forged token is accepted, as other checks say";
                            return Err(Stop::Inconclusive(reason.to_owned()));
                        }
                    }
                    let did = format!(
                        "asked {} with tokens of a session under wrong signatures, and used the session",
                        door.name()
                    );
                    lives(cx, &session, Some(&did))?;
                }
                any_read(read)
            },
        )
        .family("token-unread", 5);
}

/// Demands that a session is alive, or has it as the control.
fn lives(cx: &mut Context<'_>, session: &Session<'_>, did: Option<&str>) -> Result<(), Stop> {
    let sink = cx.token_sinks().into_iter().find(|sink| sink.step != Step::Refresh);
    if let (Some(sink), Some(access)) = (sink, session.access.clone()) {
        let answer = cx.present(sink, &session.actor, &access)?;
        match did {
            Some(did) => cx.must_accept(&answer, did)?,
            None => cx.control(&answer, "using a session")?,
        }
    }
    let token = session.refreshable(cx.scheme).map(str::to_owned);
    if let (Some(token), Ok(_)) = (token, cx.step(Step::Refresh)) {
        let answer = cx.refresh_with(session, &token)?;
        match did {
            Some(did) => cx.must_accept(&answer, did)?,
            None => cx.control(&answer, "refreshing a session")?,
        }
    }
    Ok(())
}
