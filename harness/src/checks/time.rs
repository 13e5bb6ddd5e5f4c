//! Before and after each documented lifetime, by moving the target's clock; nothing here waits.

mod ages;
mod edges;
mod lasting;
mod restated;
mod windows;

use super::challenge::ways::ways;
use super::flow::first_sink;
use super::token::access_jwt;
use crate::check::{Checks, Group};
use crate::context::{Context, Session};
use crate::finding::Stop;
use countersign_spec::{Auth, Role, Scheme, Step};

/// Seconds on both sides of a limit that are left to the target: clocks tick while requests travel.
const MARGIN: u64 = 5;
/// Seconds by which a target may accept a token too late, because clocks differ. RFC 7519 section 4.1.4 allows "no more than
/// a few minutes"; common libraries take none, one minute, or five unless they are told otherwise.
pub(super) const LEEWAY: u64 = 300;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    let has_sink = scheme.operations.iter().any(|operation| {
        operation.auth == Auth::Access
            && !operation.auth_optional
            && operation.step != Step::Refresh
            && operation.step != Step::Logout
    });
    if scheme.tokens.access.is_some() && has_sink {
        checks.add(
            Group::Time,
            "a token is accepted until its lifetime ends",
            &["common.token.lives"],
            |cx| {
                let (session, lifetime) = dated_session(cx)?;
                let sink = use_of(cx)?;
                let token = session.access.clone().unwrap_or_default();
                advance(cx, lifetime.saturating_sub(MARGIN))?;
                let answer = cx.present(sink, &session.actor, &token)?;
                cx.must_accept(&answer, &format!("used a token {MARGIN} s before its {lifetime} s were over"))
            },
        );
        checks
            .add(Group::Time, "a token is refused after its lifetime", &["common.token.expires"], |cx| {
                refused_after(cx, LEEWAY + MARGIN)
            })
            .family("late-token", 0);
    }
    if scheme.operations.iter().any(|operation| {
        operation.auth == Auth::Access
            && operation.success_field(Role::ExpiresAt).is_some()
            && operation.step == Step::Verify
    }) {
        checks.add(
            Group::Time,
            "the stated end of a token does not move",
            &["common.token.lifetime-stated"],
            |cx| {
                let operation = cx.step(Step::Verify)?;
                let (session, lifetime) = dated_session(cx)?;
                let draft = cx.authorized(operation, &session);
                let before = cx.send(operation, &draft)?;
                cx.control(&before, "asking when the token ends")?;
                advance(cx, lifetime / 2)?;
                let after = cx.send(operation, &draft)?;
                cx.control(&after, "asking when the token ends, later")?;
                if before.value(Role::ExpiresAt) != after.value(Role::ExpiresAt) {
                    let did = format!(
                        "asked {} when a token ends, and again {} s later",
                        operation.name,
                        lifetime / 2
                    );
                    let said = before.value(Role::ExpiresAt).unwrap_or_default();
                    cx.found(&did, &format!("the same end, {said}"), &after)?;
                }
                Ok(())
            },
        );
    }
    if scheme.refresh.is_some() {
        windows::add(checks);
        ages::add(checks);
    }
    restated::add(checks);
    restated::asked(checks);
    edges::add(checks);
    lasting::add(checks);
    if scheme.step(Step::Challenge).is_some() {
        checks.add(Group::Time, "a challenge is refused after a day", &["common.challenge.expires"], |cx| {
            let mut attempts = Vec::new();
            for way in ways(cx)? {
                let actor = cx.actor()?;
                attempts.push((way.attempt(cx, &actor, None)?, way.said));
            }
            advance(cx, 86_400)?;
            for (attempt, said) in attempts {
                let answer = cx.send_attempt(&attempt)?;
                let did = format!("logged in with a challenge that was asked for a day before{said}");
                cx.must_refuse(&answer, &did)?;
            }
            Ok(())
        });
    }
}

/// Demands that every use refuses a token so many seconds after its lifetime.
fn refused_after(cx: &mut Context<'_>, late: u64) -> Result<(), Stop> {
    let sinks = cx.token_sinks();
    first_sink(cx)?;
    let (session, lifetime) = dated_session(cx)?;
    let token = session.access.clone().unwrap_or_default();
    advance(cx, lifetime + late)?;
    for sink in sinks.into_iter().filter(|sink| sink.step != Step::Refresh) {
        let answer = cx.present(sink, &session.actor, &token)?;
        let did = format!("asked {} {late} s after the token's {lifetime} s were over", sink.name);
        cx.must_refuse(&answer, &did)?;
    }
    Ok(())
}

/// Moves the clock, or says why not.
fn advance(cx: &Context<'_>, seconds: u64) -> Result<(), Stop> {
    if cx.target.profile.clock.is_none() {
        return Err(Stop::NotApplicable("the profile names no [clock] to move".to_owned()));
    }
    cx.target
        .advance(seconds)
        .map_err(|problem| Stop::Inconclusive(format!("the clock did not move: {problem}")))
}

fn use_of<'t>(cx: &Context<'t>) -> Result<&'t countersign_spec::Operation, Stop> {
    let sinks = cx.token_sinks();
    sinks.into_iter().find(|sink| sink.step != Step::Refresh).ok_or_else(|| {
        Stop::NotApplicable("the target serves no operation that takes the access token".to_owned())
    })
}

fn dated_session<'t>(cx: &mut Context<'t>) -> Result<(Session<'t>, u64), Stop> {
    if cx.target.profile.clock.is_none() {
        return Err(Stop::NotApplicable("the profile names no [clock] to move".to_owned()));
    }
    let session = cx.session()?;
    let lifetime = lifetime(cx, &session)?;
    Ok((session, lifetime))
}

/// The lifetime that was stated: by the answer, by the token, or by the document.
fn lifetime(cx: &Context<'_>, session: &Session<'_>) -> Result<u64, Stop> {
    if cx.target.profile.clock.is_none() {
        return Err(Stop::NotApplicable("the profile names no [clock] to move".to_owned()));
    }
    let rule = documented(cx.scheme)?;
    if !rule.lifetime_configurable {
        return Ok(rule.lifetime);
    }
    if let Some(stated) = session.answer.value(Role::ExpiresIn).and_then(|value| value.as_u64()) {
        return Ok(stated);
    }
    let jwt = access_jwt(session);
    let claimed = jwt.ok().and_then(|jwt| {
        let end = rule.expiry_claims.iter().find_map(|claim| jwt.seconds(claim))?;
        let begin = rule.issued_claims.iter().find_map(|claim| jwt.seconds(claim))?;
        u64::try_from(end - begin).ok()
    });
    Ok(claimed.unwrap_or(rule.lifetime))
}

fn documented(scheme: &Scheme) -> Result<&countersign_spec::Token, Stop> {
    scheme
        .tokens
        .access
        .as_ref()
        .ok_or_else(|| Stop::NotApplicable("the scheme has no access token".to_owned()))
}

/// The refresh token's lifetime: stated, claimed, or documented where the document leaves no choice.
fn refresh_lifetime(cx: &Context<'_>, session: &Session<'_>) -> Result<u64, Stop> {
    let rule = cx
        .scheme
        .tokens
        .refresh
        .as_ref()
        .ok_or_else(|| Stop::NotApplicable("the scheme has no refresh token of its own".to_owned()))?;
    if cx.target.profile.clock.is_none() {
        return Err(Stop::NotApplicable("the profile names no [clock] to move".to_owned()));
    }
    if let Some(stated) = session.answer.value(Role::RefreshExpiresIn).and_then(|value| value.as_u64()) {
        return Ok(stated);
    }
    let jwt = session.refresh.as_deref().and_then(crate::jwt::Jwt::read);
    let claimed = jwt.and_then(|jwt| {
        let end = rule.expiry_claims.iter().find_map(|claim| jwt.seconds(claim))?;
        let begin = rule.issued_claims.iter().find_map(|claim| jwt.seconds(claim))?;
        u64::try_from(end - begin).ok()
    });
    match claimed {
        Some(claimed) => Ok(claimed),
        None if rule.lifetime_configurable => {
            Err(Stop::NotApplicable("nothing says how long the refresh token lives".to_owned()))
        }
        None => Ok(rule.lifetime),
    }
}
