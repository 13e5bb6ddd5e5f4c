//! Refreshes: which token is taken, whose it is afterwards, and what becomes of the old one.

mod chain;
mod company;
mod neighbours;
mod places;
mod unspent;
mod used_up;

use super::flow::{first_sink, has_sink, refreshable};
use super::token::{access_jwt, foreign_tokens};
use crate::check::{Checks, Group};
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::jwt::Jwt;
use crate::need::Need;
use countersign_spec::{RefreshTakes, Role, Step};

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    let Some(refresh) = &checks.scheme.refresh else { return };
    let own_token = refresh.takes == RefreshTakes::Refresh;
    taken(checks);
    if own_token {
        kinds(checks);
        reuse(checks);
        used_up::add(checks);
    }
    identity(checks);
    in_turns(checks);
    chain::add(checks);
    neighbours::add(checks);
    company::add(checks);
    places::add(checks);
    unspent::add(checks);
}

fn taken(checks: &mut Checks<'_>) {
    let anchor =
        checks.scheme.step(Step::Refresh).map(|operation| operation.name.clone()).unwrap_or_default();
    checks
        .add(
            Group::Refresh,
            "a refresh without a token is refused",
            &["common.refresh.token-needed", &anchor],
            |cx| {
                let (session, _) = refreshable(cx)?;
                let (operation, mut draft) = cx.refresh_draft(&session, "")?;
                draft.headers.retain(|(name, _)| name != "authorization");
                if let Some(field) = operation.request_field(Role::RefreshToken) {
                    draft.remove(&field.at);
                }
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, "refreshed without any token")
            },
        )
        .family("refresh-unread", 0);
    checks
        .add(
            Group::Refresh,
            "a refresh with a token that was never issued is refused",
            &["common.refresh.token-needed"],
            |cx| {
                let (session, _) = refreshable(cx)?;
                for (what, garbage) in [
                    ("random characters", cx.random_hex(40)),
                    ("the word null", "null".to_owned()),
                    ("dots", "..".to_owned()),
                ] {
                    cx.must_not_refresh(&session, &garbage, &format!("refreshed with {what}"))?;
                }
                Ok(())
            },
        )
        .family("refresh-unread", 1);
    checks.add(
        Group::Refresh,
        "a refresh with a token of another scheme is refused",
        &["common.refresh.other-scheme"],
        |cx| {
            let (session, _) = refreshable(cx)?;
            let tokens = foreign_tokens(cx);
            if tokens.is_empty() {
                return Err(Stop::NotApplicable(
                    "no other scheme of this run logs in on this target and yields a token".to_owned(),
                ));
            }
            for (scheme, token) in tokens {
                cx.must_not_refresh(&session, &token, &format!("refreshed with a token of {scheme}"))?;
            }
            Ok(())
        },
    );
}

/// Access and refresh tokens are not the same thing.
fn kinds(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Refresh,
            "an access token does not refresh",
            &["common.refresh.not-an-access-token"],
            |cx| {
                let (session, _) = refreshable(cx)?;
                let access = session.access.clone().unwrap_or_default();
                if session.refresh.as_deref() == Some(access.as_str()) {
                    let expected = "a refresh token that is not the access token";
                    return cx.found("logged in", expected, &session.answer);
                }
                let did = "refreshed with the access token in place of the refresh token";
                cx.must_not_refresh(&session, &access, did)
            },
        )
        .family("refresh-unread", 3);
    if has_sink(checks.scheme) {
        checks
            .add(
                Group::Refresh,
                "a refresh token does not authorise",
                &["common.refresh.not-for-access"],
                |cx| {
                    first_sink(cx)?;
                    for sink in cx.token_sinks() {
                        let session = cx.session()?;
                        let refresh = session.refresh.clone().unwrap_or_default();
                        let answer = cx.present(sink, &session.actor, &refresh)?;
                        cx.must_refuse(&answer, &format!("asked {} with the refresh token", sink.name))?;
                    }
                    Ok(())
                },
            )
            .family("token-unread", 3);
    }
}

fn reuse(checks: &mut Checks<'_>) {
    let check = checks.add(
        Group::Refresh,
        "a refresh token exchanged before is refused",
        &["common.refresh.reuse"],
        |cx| {
            let (session, token) = refreshable(cx)?;
            let next = cx.refresh(&session)?;
            if next.refresh.as_deref() == Some(token.as_str()) {
                return Err(Stop::NotApplicable(
                    "the target keeps the refresh token and does not rotate it".to_owned(),
                ));
            }
            // The successor has been used, so that no lost answer can explain a second use of the first.
            cx.refresh(&next)?;
            let answer = cx.refresh_with(&session, &token)?;
            cx.must_refuse(&answer, "refreshed with a token whose successor had already been used")
        },
    );
    check.family("refresh-reuse", 0);
}

fn identity(checks: &mut Checks<'_>) {
    checks.add(
        Group::Refresh,
        "a refreshed token belongs to the same account",
        &["common.refresh.keeps-identity"],
        |cx| {
            let (session, _) = refreshable(cx)?;
            let next = cx.refresh(&session)?;
            access_jwt(&session)?;
            access_jwt(&next)?;
            same_account(cx, &session, &next, "logged in, refreshed and read both tokens")?;
            who_am_i(cx, &session, &next)?;
            beside_a_name(cx)
        },
    );
    checks.add(
        Group::Refresh,
        "a refreshed token lives a full lifetime",
        &["common.refresh.new-lifetime"],
        |cx| {
            let (session, _) = refreshable(cx)?;
            let waits = access_jwt(&session).is_ok() && let_time_pass(cx);
            let next = cx.refresh(&session)?;
            if next.answer.text(Role::AccessToken).is_none() {
                return Err(Stop::NotApplicable(
                    "the answer holds no token: the presented one lives on".to_owned(),
                ));
            }
            let (before, after) = (access_jwt(&session)?, access_jwt(&next)?);
            for claim in cx.scheme.tokens.access.iter().flat_map(|access| &access.expiry_claims) {
                if let (Some(old), Some(new)) = (before.seconds(claim), after.seconds(claim))
                    && (if waits { new <= old } else { new + 1 < old })
                {
                    let got = format!("`{claim}` went from {old} to {new}");
                    cx.found_in(
                        "logged in, refreshed and read both tokens",
                        "a token that ends no earlier, and later where time has passed",
                        &got,
                        &[session.answer.exchange.clone(), next.answer.exchange.clone()],
                    )?;
                }
            }
            Ok(())
        },
    );
}

/// Waits until two times of tokens differ surely, and says whether it did. Claims count whole seconds: what was refreshed or
/// asked for in the second of the login may look the same. Where the clock can be moved, checks of time do so instead.
pub(super) fn let_time_pass(cx: &Context<'_>) -> bool {
    let waits = cx.target.profile.clock.is_none();
    if waits {
        std::thread::sleep(std::time::Duration::from_millis(2_100));
    }
    waits
}

/// Demands that the access tokens of two sessions name the same account, where they can be read. Whether they do is left
/// to say where a finding is passed over.
pub(super) fn same_account(
    cx: &Context<'_>,
    before: &Session<'_>,
    after: &Session<'_>,
    did: &str,
) -> Result<bool, Stop> {
    let (Ok(old), Ok(new)) = (access_jwt(before), access_jwt(after)) else { return Ok(true) };
    let mut same = true;
    let claims = cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims);
    for claim in claims.filter(|claim| old.claims.contains_key(claim.as_str())) {
        if old.claims.get(claim) != new.claims.get(claim) {
            let shown =
                |jwt: &Jwt| jwt.claims.get(claim).map_or_else(|| "absent".to_owned(), ToString::to_string);
            let got = format!("`{claim}` was {} and is {}", shown(&old), shown(&new));
            let exchanges = [&before.answer.exchange, &after.answer.exchange].map(std::sync::Arc::clone);
            cx.found_in(did, "the same account in both", &got, &exchanges)?;
            same = false;
        }
    }
    Ok(same)
}

/// Whose token it is says the token, whatever else the request names.
fn beside_a_name(cx: &mut Context<'_>) -> Result<(), Stop> {
    let Ok(other) = cx.other_actor() else { return Ok(()) };
    let login = cx.step(Step::Login)?;
    let mut names: Vec<(String, String)> = vec![("user_id".to_owned(), other.identifier.clone())];
    for (role, value) in [(Role::Identifier, &other.identifier), (Role::Address, &other.address)] {
        let field = login.request_field(role);
        names.extend(field.map(|field| (field.at.name().to_owned(), value.clone())));
    }
    let (session, token) = refreshable(cx)?;
    let (operation, mut draft) = cx.refresh_draft(&session, &token)?;
    draft.query.extend(names);
    let answer = cx.send(operation, &draft)?;
    if !answer.accepted() {
        return Ok(());
    }
    let next = Context::session_of(&session.actor, answer);
    same_account(cx, &session, &next, "refreshed with another account's name in the query")?;
    Ok(())
}

/// Sessions that are used in turns stay apart.
fn in_turns(checks: &mut Checks<'_>) {
    checks.needing(Need::SecondAccount).add(
        Group::Refresh,
        "a refresh between other logins gives the own account",
        &["common.refresh.keeps-identity", "common.flow.own-identity"],
        |cx| {
            let (mine, token) = refreshable(cx)?;
            let other = cx.other_actor()?;
            let theirs = cx.log_in(&other)?;
            let answer = cx.refresh_with(&mine, &token)?;
            cx.control(&answer, "a refresh after somebody else's login")?;
            let next = Context::session_of(&mine.actor, answer);
            let again = cx.log_in(&mine.actor)?;
            for claim in cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims) {
                let (Ok(own), Ok(got), Ok(foreign)) =
                    (access_jwt(&again), access_jwt(&next), access_jwt(&theirs))
                else {
                    continue;
                };
                let value = |jwt: &Jwt| jwt.claims.get(claim).cloned();
                if value(&own).is_some() && value(&own) != value(&foreign) && value(&got) != value(&own) {
                    let got = format!(
                        "`{claim}` is {} and not {}",
                        value(&got).unwrap_or_default(),
                        value(&own).unwrap_or_default()
                    );
                    let did = "logged one account in, then another, and refreshed the first one's token";
                    let exchange = std::slice::from_ref(&next.answer.exchange);
                    cx.found_in(did, "a token of the first account", &got, exchange)?;
                }
            }
            who_am_i(cx, &mine, &next)
        },
    );
}

/// Where an operation names the caller, it names the same one before and after.
fn who_am_i(cx: &mut Context<'_>, session: &Session<'_>, next: &Session<'_>) -> Result<(), Stop> {
    for sink in cx.token_sinks().into_iter().filter(|sink| sink.step != Step::Refresh) {
        let token = next.access.clone().unwrap_or_default();
        let answer = cx.present(sink, &next.actor, &token)?;
        cx.control(&answer, "using the refreshed token")?;
        let fresh = cx.log_in(&session.actor)?;
        let token = fresh.access.clone().unwrap_or_default();
        let expected = cx.present(sink, &session.actor, &token)?;
        cx.control(&expected, "using a token of a fresh login")?;
        let (left, right) = (who(&answer), who(&expected));
        if left != right {
            let did = format!("refreshed and asked {} who the caller is", sink.name);
            let right: Vec<String> =
                right.into_iter().map(|(name, value)| format!("{name} {value}")).collect();
            let expected = format!("the same as after a login: {}", right.join(", "));
            cx.found(&did, &expected, &answer)?;
        }
    }
    Ok(())
}

/// What an answer says of the caller: names and numbers of accounts, not times.
pub(super) fn who(answer: &crate::context::Answer<'_>) -> std::collections::BTreeMap<String, String> {
    fn walk(value: &serde_json::Value, at: &str, into: &mut std::collections::BTreeMap<String, String>) {
        let naming = [
            "userid",
            "user_id",
            "username",
            "user_name",
            "user",
            "id",
            "identifier",
            "sub",
            "name",
            "email",
            "nickname",
            "did_value",
            "wallet_address",
            "eth_wallet_address",
            "app_id",
        ];
        match value {
            serde_json::Value::Object(members) => {
                members.iter().for_each(|(name, value)| walk(value, name, into))
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, at, into)),
            other if naming.contains(&at.to_ascii_lowercase().as_str()) => {
                into.insert(at.to_owned(), other.to_string());
            }
            _ => {}
        }
    }
    let mut says = std::collections::BTreeMap::new();
    if let Some(body) = &answer.exchange.json {
        walk(body, "", &mut says);
    }
    // What the scheme marks as the caller's name is one, whatever it is called.
    for role in [Role::Identifier, Role::Address] {
        if let (Some(field), Some(value)) = (answer.operation.success_field(role), answer.value(role)) {
            says.insert(field.at.name().to_owned(), value.to_string());
        }
    }
    says
}
