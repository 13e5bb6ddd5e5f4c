//! Logins, refreshes and logouts at the same moment: whose session lives afterwards, and whose does not.

use super::{CALLERS, fingerprint};
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Answer, Context, Session};
use crate::draft::Draft;
use crate::finding::Stop;
use crate::judge::Verdict;
use crate::need::Need;
use countersign_spec::{Auth, Level, Operation, ProofKind, RefreshTakes, Role, Step};
use std::collections::{BTreeMap, BTreeSet};

/// How often each of these races is run: all of them start sessions, which cost a target more than a request.
const ROUNDS: usize = 3;
/// Values of a claim that names nobody, as JSON.
const NOBODY: [&str; 3] = ["null", "\"\"", "0"];

/// Adds the checks of sessions that begin and end at the same moment.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    checks.add(
        Group::Race,
        "logins of one account at the same moment all work",
        &["common.flow.repeated-login-works"],
        logins_together,
    );
    if scheme.proof.kind == ProofKind::Eip191 {
        checks.needing(Need::FreshWallet).add(
            Group::Race,
            "first logins of one wallet make one account",
            &["common.flow.one-account"],
            first_logins,
        );
        if scheme.tokens.access.as_ref().is_some_and(|access| !access.identity_claims.is_empty()) {
            checks.add(
                Group::Race,
                "wallets that log in for the first time at the same moment are told apart",
                &["common.flow.own-identity"],
                newcomers,
            );
        }
    }
    if scheme.operations.iter().any(|operation| operation.auth == Auth::Signed) {
        checks.add(
            Group::Race,
            "wallets that take one name at the same moment do not share it",
            &["common.proof.account-not-taken-over", "common.flow.one-account"],
            one_name,
        );
    }
    let own = scheme.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
    if scheme.step(Step::Logout).is_some() && scheme.tokens.access.is_some() {
        checks
            .add(
                Group::Race,
                "a logout among logins ends its session and no other",
                &["common.flow.logout-ends-access"],
                logout_among_logins,
            )
            .at_most(Level::Should);
        if own {
            checks.add(
                Group::Race,
                "a refresh at the moment of a logout leaves no live session",
                &["common.refresh.no-survivor"],
                refresh_against_logout,
            );
        }
    }
    if scheme.refresh.is_some() {
        checks.needing(Need::SecondAccount).add(
            Group::Race,
            "refreshes at the same moment keep accounts apart",
            &["common.refresh.keeps-identity"],
            refreshes_apart,
        );
    }
}

/// A login of an actor, ready to be sent.
fn login<'t>(cx: &mut Context<'t>, actor: &Actor) -> Result<(&'t Operation, Draft), Stop> {
    let attempt = cx.attempt(actor)?;
    cx.write_attempt(&attempt)
}

/// One of several logins of an actor. Where logins carry a time, each has its own: a target may take the same request once.
fn nth_login<'t>(cx: &mut Context<'t>, actor: &Actor, nth: usize) -> Result<(&'t Operation, Draft), Stop> {
    let mut attempt = cx.attempt(actor)?;
    let operation = cx.step(Step::Login)?;
    let (_, draft) = cx.write_attempt(&attempt)?;
    if let Some(field) = operation.request_field(Role::Timestamp)
        && let Some(time) = draft.value(&field.at).and_then(serde_json::Value::as_u64)
    {
        // A second and some apart, so that no round meets the times of another.
        let earlier = time.saturating_sub(u64::try_from(nth).unwrap_or_default() * 1_009);
        attempt.before.push((field.at.clone(), serde_json::json!(earlier)));
    }
    cx.write_attempt(&attempt)
}

fn logins_together(cx: &mut Context<'_>) -> Result<(), Stop> {
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    if cx.scheme.step(Step::Challenge).is_some() {
        // How many challenges of one wallet are good beside each other is the target's choice, so that is asked first.
        let logins = (0..CALLERS).map(|nth| nth_login(cx, &actor, nth)).collect::<Result<Vec<_>, _>>()?;
        for (operation, draft) in logins {
            if !cx.send(operation, &draft)?.accepted() {
                let reason = format!("the target does not keep {CALLERS} challenges of one wallet at a time");
                return Err(Stop::NotApplicable(reason));
            }
        }
    }
    for round in 0..ROUNDS {
        let logins = (0..CALLERS)
            .map(|nth| nth_login(cx, &actor, round * CALLERS + nth))
            .collect::<Result<Vec<_>, _>>()?;
        for answer in together(cx, &logins)? {
            cx.must_accept(&answer, &format!("logged one account in {CALLERS} times at the same moment"))?;
        }
    }
    Ok(())
}

fn first_logins(cx: &mut Context<'_>) -> Result<(), Stop> {
    if cx.target.profile.scheme(&cx.scheme.id).wallet.is_some() {
        return Err(Stop::NotApplicable("the profile names a wallet, which has logged in before".to_owned()));
    }
    let access = cx.scheme.tokens.access.as_ref();
    let claims = access.map(|access| access.identity_claims.clone()).unwrap_or_default();
    for _ in 0..ROUNDS {
        let actor = cx.actor()?;
        let logins = (0..CALLERS).map(|_| login(cx, &actor)).collect::<Result<Vec<_>, _>>()?;
        let answers = together(cx, &logins)?;
        let settled = cx.log_in(&actor)?.answer;
        let right = fingerprint(&settled, &claims);
        if right.is_empty() {
            return Err(Stop::NotApplicable("the answers do not say whose they are".to_owned()));
        }
        for answer in answers.iter().filter(|answer| answer.accepted()) {
            let seen = fingerprint(answer, &claims);
            if seen != right {
                let got = format!("an answer that says {seen:?}, while a later login says {right:?}");
                let did =
                    format!("logged a new wallet in for the first time, {CALLERS} times at the same moment");
                let exchanges = [answer.exchange.clone(), settled.exchange.clone()];
                cx.found_in(&did, "one account, whichever login was first", &got, &exchanges)?;
            }
        }
    }
    Ok(())
}

/// A new wallet is a new account, however many come at once: no claim that names the account is the same for two of them, and
/// each names the account that later logins name.
fn newcomers(cx: &mut Context<'_>) -> Result<(), Stop> {
    let access = cx.scheme.tokens.access.as_ref();
    let claims = access.map(|access| access.identity_claims.clone()).unwrap_or_default();
    let did = format!("logged {CALLERS} new wallets in at the same moment");
    for _ in 0..ROUNDS {
        let actors = (0..CALLERS).map(|_| cx.other_actor()).collect::<Result<Vec<_>, _>>()?;
        let logins = actors.iter().map(|actor| login(cx, actor)).collect::<Result<Vec<_>, _>>()?;
        let answers = together(cx, &logins)?;
        let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut told = false;
        for (nth, answer) in answers.iter().enumerate().filter(|(_, answer)| answer.accepted()) {
            let seen = fingerprint(answer, &claims);
            told |= !seen.is_empty();
            let named = seen.iter().filter(|(_, value)| !NOBODY.contains(&value.as_str()));
            for says in named.cloned() {
                let Some(first) = known.insert(says.clone(), nth) else { continue };
                let got = format!("{} is {} for two of them", says.0, says.1);
                let exchanges = [answers[first].exchange.clone(), answer.exchange.clone()];
                cx.found_in(&did, "answers that tell them apart", &got, &exchanges)?;
            }
            let settled = cx.log_in(&actors[nth])?.answer;
            let right = fingerprint(&settled, &claims);
            if seen != right {
                let got = format!("an answer that says {seen:?}, while a later login says {right:?}");
                let exchanges = [answer.exchange.clone(), settled.exchange];
                cx.found_in(&did, "the same account at the next login", &got, &exchanges)?;
            }
        }
        if !told {
            return Err(Stop::NotApplicable("the answers do not say whose they are".to_owned()));
        }
    }
    Ok(())
}

/// Of wallets that log in under one free name, those that are told of a success must find their own account behind it.
fn one_name(cx: &mut Context<'_>) -> Result<(), Stop> {
    let Some(operation) = cx.scheme.operations.iter().find(|operation| operation.auth == Auth::Signed) else {
        return Ok(());
    };
    cx.served(operation)?;
    for _ in 0..ROUNDS {
        let mut actors = vec![Actor::fresh_wallet(&mut cx.rng)];
        for _ in 1..CALLERS {
            let mut other = Actor::fresh_wallet(&mut cx.rng);
            other.identifier.clone_from(&actors[0].identifier);
            actors.push(other);
        }
        let logins = actors.iter().map(|actor| login(cx, actor)).collect::<Result<Vec<_>, _>>()?;
        let answers = together(cx, &logins)?;
        let winners: Vec<_> =
            actors.into_iter().zip(answers).filter(|(_, answer)| answer.accepted()).collect();
        let mut owner = None;
        for (actor, answer) in winners {
            let session = Context::session_of(&actor, answer);
            let draft = cx.authorized(operation, &session);
            let used = cx.send(operation, &draft)?;
            let did = format!(
                "logged {CALLERS} new wallets in under one name at the same moment, and asked as one that was let in"
            );
            cx.must_accept(&used, &did)?;
            if used.accepted() && owner.replace(actor).is_some() {
                let did = format!(
                    "logged {CALLERS} new wallets in under one name at the same moment, and asked as each that was let in"
                );
                cx.found(&did, "one of them to have the name", &used)?;
            }
        }
    }
    Ok(())
}

fn logout_among_logins(cx: &mut Context<'_>) -> Result<(), Stop> {
    let sink = used(cx)?;
    let meddles = cx.gate().is_some_and(crate::gate::Gate::is_serial);
    for _ in 0..ROUNDS {
        let ending = cx.session()?;
        let mut requests = (1..CALLERS).map(|_| login(cx, &ending.actor)).collect::<Result<Vec<_>, _>>()?;
        let at = CALLERS / 2;
        let logout = cx.step(Step::Logout)?;
        requests.insert(at, (logout, cx.authorized(logout, &ending)));
        let mut answers = together(cx, &requests)?;
        let logout = answers.remove(at);
        if meddles && !logout.accepted() {
            return Err(Stop::NotApplicable(
                "a login ends other sessions of its account on this target".to_owned(),
            ));
        }
        cx.control(&logout, "a logout among logins")?;
        let token = ending.access.clone().unwrap_or_default();
        let answer = cx.present(sink, &ending.actor, &token)?;
        cx.must_refuse(
            &answer,
            "logged a session out while its account logged in elsewhere, and used its token",
        )?;
        // Where one session ends another anyhow, the others may be gone by right.
        for answer in answers.into_iter().filter(|answer| answer.accepted() && !meddles) {
            let session = Context::session_of(&ending.actor, answer);
            let token = session.access.clone().unwrap_or_default();
            let answer = cx.present(sink, &ending.actor, &token)?;
            cx.must_accept(
                &answer,
                "used a session that began while another one of its account was logged out",
            )?;
        }
    }
    Ok(())
}

fn refresh_against_logout(cx: &mut Context<'_>) -> Result<(), Stop> {
    let sink = used(cx)?;
    // One after the other first: where a logout does not reach what was refreshed, a race shows nothing.
    let session = cx.session()?;
    let next = cx.refresh(&session)?;
    let answer = cx.log_out(&session)?;
    if !answer.accepted() || alive(cx, sink, &next)?.is_some() {
        let reason = "a logout with the earlier access token does not end a refreshed session on this target";
        return Err(Stop::NotApplicable(reason.to_owned()));
    }
    let (mut judged, mut refused) = (0, None);
    let mut refreshes = CALLERS - 1;
    for round in 0..2 * ROUNDS {
        if judged == ROUNDS {
            break;
        }
        let (session, token) = refreshable(cx)?;
        let refresh = cx.refresh_draft(&session, &token)?;
        let logout = cx.step(Step::Logout)?;
        let mut requests = vec![refresh; refreshes];
        let at = if refreshes > 1 { CALLERS / 2 } else { round % 2 };
        requests.insert(at, (logout, cx.authorized(logout, &session)));
        let mut answers = together(cx, &requests)?;
        let logout = answers.remove(at);
        // A target may end the session over so many refreshes before its logout: then one has to do.
        if logout.verdict == Verdict::Refused {
            refused = Some(logout);
            refreshes = 1;
            continue;
        }
        cx.control(&logout, "a logout among refreshes")?;
        judged += 1;
        let mut known = BTreeSet::new();
        for answer in answers.into_iter().filter(Answer::accepted) {
            let next = Context::session_of(&session.actor, answer);
            if !known.insert((next.access.clone(), next.refresh.clone())) {
                continue;
            }
            if let Some(live) = alive(cx, sink, &next)? {
                let did = "refreshed a session at the moment of its logout, and used what the refresh gave";
                let expected = "no live successor of a session that was logged out";
                let exchanges = [next.answer.exchange, logout.exchange.clone(), live.exchange];
                let got = cx.secrets.hide(&exchanges[2].got());
                cx.found_in(did, expected, &got, &exchanges)?;
            }
        }
    }
    match refused {
        Some(logout) if judged == 0 => cx.control(&logout, "a logout among refreshes"),
        _ => Ok(()),
    }
}

/// The answer that shows a session alive, by its access or by its refresh token.
fn alive<'t>(
    cx: &mut Context<'t>,
    sink: &'t Operation,
    session: &Session<'_>,
) -> Result<Option<Answer<'t>>, Stop> {
    if let Some(access) = &session.access {
        let answer = cx.present(sink, &session.actor, access)?;
        if answer.accepted() {
            return Ok(Some(answer));
        }
    }
    let Some(refresh) = session.refreshable(cx.scheme).map(str::to_owned) else { return Ok(None) };
    let answer = cx.refresh_with(session, &refresh)?;
    Ok(Some(answer).filter(Answer::accepted))
}

fn refreshes_apart(cx: &mut Context<'_>) -> Result<(), Stop> {
    let actors = [cx.actor()?, cx.other_actor()?];
    let access = cx.scheme.tokens.access.as_ref();
    let claims = access.map(|access| access.identity_claims.clone()).unwrap_or_default();
    let mut alone = Vec::new();
    for actor in &actors {
        let session = cx.log_in(actor)?;
        alone.push(fingerprint(&cx.refresh(&session)?.answer, &claims));
    }
    if alone[0] == alone[1] {
        let reason = "the answers to refreshes of two accounts cannot be told apart";
        return Err(Stop::NotApplicable(reason.to_owned()));
    }
    for _ in 0..ROUNDS {
        let mut requests = Vec::new();
        for index in 0..CALLERS / 2 {
            let session = cx.log_in(&actors[index % 2])?;
            let token = session.refreshable(cx.scheme).unwrap_or_default().to_owned();
            requests.push(cx.refresh_draft(&session, &token)?);
        }
        for (index, answer) in together(cx, &requests)?.iter().enumerate() {
            let seen = fingerprint(answer, &claims);
            if answer.accepted() && seen != alone[index % 2] {
                let got = format!("an answer that says {seen:?} in place of {:?}", alone[index % 2]);
                let did = format!("refreshed sessions of two accounts, {} at the same moment", CALLERS / 2);
                let exchange = std::slice::from_ref(&answer.exchange);
                cx.found_in(&did, "each answer to speak of its own account", &got, exchange)?;
            }
        }
    }
    Ok(())
}

/// Sends requests at the same moment; what a limit turned away is sent again, alone.
fn together<'t>(cx: &mut Context<'t>, requests: &[(&'t Operation, Draft)]) -> Result<Vec<Answer<'t>>, Stop> {
    let mut answers = cx.send_at_once(requests);
    for (answer, (operation, draft)) in answers.iter_mut().zip(requests) {
        if matches!(answer.exchange.status(), Some(429 | 503)) {
            *answer = cx.send(operation, draft)?;
        }
    }
    if let Some(error) = answers.iter().find_map(|answer| answer.exchange.outcome.as_ref().err()) {
        return Err(Stop::Inconclusive(format!(
            "one of {} requests at the same moment: {error}",
            requests.len()
        )));
    }
    Ok(answers)
}

fn used<'t>(cx: &Context<'t>) -> Result<&'t Operation, Stop> {
    let sinks = cx.token_sinks();
    let sink = sinks.into_iter().find(|sink| sink.step != Step::Refresh);
    sink.ok_or_else(|| {
        Stop::NotApplicable("the target serves no operation that takes the access token".to_owned())
    })
}
