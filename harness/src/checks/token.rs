//! Tokens are checked before they are believed, and say what they should.

mod around;
mod bearers_key;
mod contents;
mod doubled;
mod everywhere;
mod fetched;
mod forged;
mod guess;
mod handed;
mod judged;
mod keys;
mod leaked;
mod needed;
mod opaque;
mod own_keys;
mod spared;
mod spelled;
mod whose;
mod writing;

use super::flow::{first_sink, has_sink};
use crate::check::{Checks, Group};
use crate::context::{Answer, Context, Session};
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::{Operation, RefreshTakes, Scheme, Step, Token};
pub(super) use spelled::spellings;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    around::add(checks);
    everywhere::add(checks);
    if checks.scheme.tokens.access.is_none() {
        return;
    }
    let has_door = checks.scheme.refresh.is_some() || checks.scheme.operations.iter().any(takes_access);
    if has_door {
        needed::add(checks);
        forged::signatures(checks);
        forged::confused(checks);
        writing::added(checks);
        judged::add(checks);
        bearers_key::add(checks);
        leaked::add(checks);
        spared::add(checks);
    }
    if has_sink(checks.scheme) {
        elsewhere(checks);
        writing::add(checks);
        spelled::add(checks);
        fetched::add(checks);
        doubled::add(checks);
        handed::add(checks);
        whose::add(checks);
    }
    contents::add(checks);
    opaque::add(checks);
}

fn takes_access(operation: &Operation) -> bool {
    operation.auth == countersign_spec::Auth::Access && !operation.auth_optional
}

/// Where a token is believed: an operation that takes the access token, or the refresh that takes a token of its own.
#[derive(Debug, Clone, Copy)]
enum Door<'t> {
    Refresh(&'t Operation),
    Use(&'t Operation),
}

impl<'t> Door<'t> {
    fn all(cx: &Context<'t>) -> Vec<Self> {
        let uses = cx.token_sinks().into_iter().map(Self::Use);
        let own = cx.scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
        let refresh = cx.step(Step::Refresh).ok().filter(|_| own).map(Self::Refresh);
        uses.chain(refresh).collect()
    }

    fn name(self) -> &'t str {
        &self.operation().name
    }

    fn operation(self) -> &'t Operation {
        match self {
            Self::Refresh(operation) | Self::Use(operation) => operation,
        }
    }

    /// What is said of the tokens it takes.
    fn rule(self, scheme: &Scheme) -> Option<&Token> {
        match self {
            Self::Refresh(_) => scheme.tokens.refresh.as_ref(),
            Self::Use(_) => scheme.tokens.access.as_ref(),
        }
    }

    fn token(self, session: &Session<'_>) -> String {
        match self {
            Self::Refresh(_) => session.refresh.clone().unwrap_or_default(),
            Self::Use(_) => session.access.clone().unwrap_or_default(),
        }
    }

    fn knock(self, cx: &mut Context<'t>, session: &Session<'_>, token: &str) -> Result<Answer<'t>, Stop> {
        match self {
            Self::Refresh(_) => cx.refresh_with(session, token),
            Self::Use(operation) => cx.present(operation, &session.actor, token),
        }
    }
}

/// Demands that every door refuses these forgeries of a good token, having shown that it lets the good one in.
fn refuse_all(
    cx: &mut Context<'_>,
    make: impl Fn(&mut Context<'_>, &str) -> Vec<(String, String)>,
) -> Result<(), Stop> {
    let doors = Door::all(cx);
    if doors.is_empty() {
        first_sink(cx)?;
    }
    let mut forged_any = false;
    for door in doors {
        let session = cx.session()?;
        let token = door.token(&session);
        let good = door.knock(cx, &session, &token)?;
        cx.control(&good, &format!("asking {} with a good token", door.name()))?;
        // A refresh may have used the token up.
        let session = cx.log_in(&session.actor)?;
        let token = door.token(&session);
        for (what, forged) in make(cx, &token) {
            if forged == token {
                continue;
            }
            forged_any = true;
            cx.secrets.add(&forged, "$FORGED_TOKEN");
            let answer = door.knock(cx, &session, &forged)?;
            cx.must_refuse(&answer, &format!("asked {} with {what}", door.name()))?;
        }
    }
    if forged_any {
        return Ok(());
    }
    Err(Stop::NotApplicable("the token is no JWT, so that there is nothing in it to forge".to_owned()))
}

/// The token of one API at another.
fn elsewhere(checks: &mut Checks<'_>) {
    checks.add(Group::Token, "a token of another scheme is refused", &["common.token.other-scheme"], |cx| {
        first_sink(cx)?;
        let tokens = foreign_tokens(cx);
        if tokens.is_empty() {
            let reason = "no other scheme of this run logs in on this target and yields a token".to_owned();
            return Err(Stop::NotApplicable(reason));
        }
        let actor = cx.actor()?;
        for sink in cx.token_sinks() {
            for (scheme, token) in &tokens {
                let answer = cx.present(sink, &actor, token)?;
                cx.must_refuse(&answer, &format!("asked {} with a token of {scheme}", sink.name))?;
            }
        }
        Ok(())
    });
}

/// Tokens that other schemes of this target give out.
pub(super) fn foreign_tokens(cx: &mut Context<'_>) -> Vec<(String, String)> {
    let mut tokens = Vec::new();
    for scheme in cx
        .target
        .neighbours()
        .iter()
        .filter(|scheme| scheme.id != cx.scheme.id && scheme.tokens.access.is_some())
    {
        let Some(gate) = cx.target.gate(scheme).filter(|gate| gate.failure().is_none()) else { continue };
        let mut other = Context::new(cx.target, scheme, &cx.check, Some(gate));
        if let Ok(session) = other.session() {
            for token in [&session.access, &session.refresh].into_iter().flatten() {
                cx.secrets.add(token, "$FOREIGN_TOKEN");
                tokens.push((scheme.id.clone(), token.clone()));
            }
        }
    }
    tokens
}

/// Not applicable where no token could be read.
fn any_read(read: bool) -> Result<(), Stop> {
    if read {
        return Ok(());
    }
    Err(Stop::NotApplicable("the token is opaque: it is no JWT".to_owned()))
}

/// The access token as JWT.
pub(super) fn access_jwt(session: &Session<'_>) -> Result<Jwt, Stop> {
    let token = session.access.as_deref().unwrap_or_default();
    Jwt::read(token).ok_or_else(|| Stop::NotApplicable("the token is opaque: it is no JWT".to_owned()))
}
