//! What a token and the members around it say: lifetimes, claims, whose it is, and no secrets.

use super::access_jwt;
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::checks::refresh::let_time_pass;
use crate::context::{Context, Session, is_token_sink};
use crate::finding::Stop;
use crate::jwt::Jwt;
use crate::need::Need;
use countersign_spec::{Level, Operation, Role, Step, TokenFormat, Unit};
use serde_json::Value;

/// Adds the checks of what a token and the members around it say.
pub(super) fn add(checks: &mut Checks<'_>) {
    let scheme = checks.scheme;
    let Some(access) = &scheme.tokens.access else { return };
    let login = scheme.step(Step::Login).map(|login| login.name.clone()).unwrap_or_default();
    checks.add(
        Group::Token,
        "the stated lifetime is the documented one",
        &["common.token.lifetime-stated"],
        |cx| {
            let session = cx.session()?;
            stated_lifetime(cx, &session)?;
            if cx.scheme.refresh.is_some()
                && let Ok((session, token)) = refreshable(cx)
            {
                // An end that is told may be that of the token which was presented.
                if cx.step(Step::Refresh)?.success_field(Role::ExpiresAt).is_some() {
                    let_time_pass(cx);
                }
                let answer = cx.refresh_with(&session, &token)?;
                if answer.accepted() && answer.text(Role::AccessToken).is_some() {
                    let refreshed = Context::session_of(&session.actor, answer);
                    stated_lifetime(cx, &refreshed)?;
                }
            }
            Ok(())
        },
    );
    if scheme.operations.iter().any(says_end) {
        checks.add(
            Group::Token,
            "an operation that says when a token ends says it right",
            &["common.token.lifetime-stated"],
            told_ends,
        );
    }
    checks.add(
        Group::Token,
        "the times in a token are those of its issue",
        &["common.token.fresh-times"],
        |cx| {
            let session = cx.session()?;
            let jwt = access_jwt(&session)?;
            let clocks = Clocks::of(cx, &session);
            let found = |expected: &str, got: &str| {
                let exchange = std::slice::from_ref(&session.answer.exchange);
                cx.found_in("logged in and read the token", expected, got, exchange)
            };
            for claim in cx
                .scheme
                .tokens
                .access
                .iter()
                .flat_map(|access| &access.issued_claims)
                .map(String::as_str)
                .chain(["iat", "nbf"])
            {
                if let Some(at) = jwt.seconds(claim)
                    && let Some(away) = clocks.away(at)
                {
                    found("times of issue that are now", &format!("`{claim}` is {at}, {away}"))?;
                }
            }
            // RFC 7519 section 4.1.4 counts in seconds; a thousand times that ends with the civilisation that wrote it.
            if let Some(end) = jwt.seconds("exp")
                && clocks.0.iter().all(|now| end.saturating_sub(*now) > CENTURY)
            {
                let got = format!("`exp` is {end}, more than a hundred years ahead");
                found("an end that is counted in seconds and comes", &got)?;
            }
            for claim in expiry_claims(cx) {
                if let Some(at) = jwt.seconds(&claim)
                    && clocks.past(at)
                {
                    found(
                        "a token that has not expired yet",
                        &format!("`{claim}` is {at}, which has passed"),
                    )?;
                }
            }
            Ok(())
        },
    );
    if !access.required_claims.is_empty() {
        let anchor = format!("{login}.success:/data/access_token");
        checks
            .add(
                Group::Token,
                "a token has the claims its clients read",
                &["common.token.claims-present", &anchor],
                |cx| {
                    let session = cx.session()?;
                    let jwt = access_jwt(&session)?;
                    for claim in cx.scheme.tokens.access.iter().flat_map(|access| &access.required_claims) {
                        if jwt.seconds(claim).is_none() {
                            let got = match jwt.claims.get(claim) {
                                Some(value) => format!("`{claim}` is {value}"),
                                None => format!("there is no claim `{claim}`"),
                            };
                            let expected =
                                format!("a claim `{claim}` in whole seconds since 1970, which clients read");
                            let exchange = std::slice::from_ref(&session.answer.exchange);
                            cx.found_in("logged in and read the token", &expected, &got, exchange)?;
                        }
                    }
                    Ok(())
                },
            )
            // The document shows no claims: whoever reads only that writes none.
            .at_most(Level::May);
    }
    if access.format == TokenFormat::Jwt {
        checks.add(Group::Token, "a token says when it ends", &["common.token.end-stated"], |cx| {
            let session = cx.session()?;
            let jwt = access_jwt(&session)?;
            let stated = session.answer.value(Role::ExpiresIn).is_some();
            if !stated && !expiry_claims(cx).iter().any(|claim| jwt.seconds(claim).is_some()) {
                let expected =
                    format!("a claim `{}` in seconds since 1970", expiry_claims(cx).join("` or `"));
                let exchanges = [session.answer.exchange];
                cx.found_in("logged in and read the token", &expected, "no such claim", &exchanges)?;
            }
            Ok(())
        });
        checks.add(Group::Token, "a token is a jwt that can be read", &["common.form.success-body"], |cx| {
            let session = cx.session()?;
            let token = session.access.clone().unwrap_or_default();
            if Jwt::read(&token).is_none() {
                let got = "it is not three base64url parts of which the first two hold JSON objects";
                let exchanges = [session.answer.exchange];
                cx.found_in("logged in and read the token", "a JWT (RFC 7519)", got, &exchanges)?;
            }
            Ok(())
        });
    }
    checks.add(Group::Token, "a token holds no secret of the account", &["common.token.no-secrets"], |cx| {
        let session = cx.session()?;
        let tokens = [session.access.clone(), session.refresh.clone()];
        for jwt in tokens.into_iter().flatten().filter_map(|token| Jwt::read(&token)) {
            let claims = Value::Object(jwt.claims.clone()).to_string();
            let secret = &session.actor.password;
            if secret.len() >= 4 && claims.contains(secret.as_str()) {
                open_claims(cx, &session, "the password stands in its claims")?;
            }
            let refresh = session.refresh.as_deref().filter(|refresh| refresh.len() >= 8);
            if refresh.is_some_and(|refresh| claims.contains(refresh)) {
                open_claims(cx, &session, "the refresh token stands in its claims")?;
            }
            let telling = ["password", "passwd", "secret", "app_secret", "password_hash", "private_key"];
            for name in jwt.claims.keys().filter(|name| telling.contains(&name.to_ascii_lowercase().as_str()))
            {
                open_claims(cx, &session, &format!("it has a claim `{name}`"))?;
            }
            if let Some(name) = jwt.claims.values().find_map(|value| named_within(value, &telling)) {
                open_claims(cx, &session, &format!("a claim has a member `{name}`"))?;
            }
        }
        Ok(())
    });
    checks.needing(Need::SecondAccount).add(
        Group::Token,
        "a token names the account it was given to",
        &["common.flow.own-identity"],
        |cx| {
            let mine = cx.session()?;
            let other = cx.other_actor()?;
            let theirs = cx.log_in(&other)?;
            let (mine_jwt, theirs_jwt) = (access_jwt(&mine)?, access_jwt(&theirs)?);
            let claims: Vec<&String> =
                cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims).collect();
            let named: Vec<&&String> =
                claims.iter().filter(|claim| mine_jwt.claims.contains_key(claim.as_str())).collect();
            if named.is_empty() {
                return Err(Stop::NotApplicable(
                    "the token has none of the claims that name an account".to_owned(),
                ));
            }
            let same = |claim: &&&String| {
                mine_jwt.claims.get(claim.as_str()) == theirs_jwt.claims.get(claim.as_str())
            };
            if named.iter().all(same) {
                let got = format!(
                    "both tokens say the same: {}",
                    named
                        .iter()
                        .map(|claim| format!("`{claim}` = {}", mine_jwt.claims[claim.as_str()]))
                        .collect::<Vec<_>>()
                        .join(", ")
                );
                let did = "logged two accounts in and read their tokens";
                let exchanges = [mine.answer.exchange, theirs.answer.exchange];
                cx.found_in(did, "claims that tell them apart", &got, &exchanges)?;
            }
            Ok(())
        },
    );
}

/// Asks each operation that says when a token ends, and again a little later: an end that is counted from the question moves.
fn told_ends(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (mut first, mut judged) = (Vec::new(), false);
    for sink in cx.token_sinks().into_iter().filter(|sink| says_end(sink)) {
        let session = cx.session()?;
        let draft = cx.authorized(sink, &session);
        let answer = cx.send(sink, &draft)?;
        cx.control(&answer, &format!("asking {} when the token ends", sink.name))?;
        let Some(said) = answer.value(Role::ExpiresAt).and_then(|value| expires_at(sink, &value)) else {
            continue;
        };
        let claimed = access_jwt(&session).ok().and_then(|jwt| jwt.seconds("exp"));
        judged |= claimed.is_some();
        if let Some(claimed) = claimed.filter(|claimed| (said - claimed).abs() > 1) {
            let did = format!("asked {} when the token ends", sink.name);
            let expected = format!("the second that the token says, {claimed}");
            cx.found(&did, &expected, &answer)?;
            continue;
        }
        first.push((sink, draft, said, claimed));
    }
    let waited = !first.is_empty() && let_time_pass(cx);
    if !judged && !waited {
        return Err(Stop::NotApplicable("the target says nowhere when a token ends".to_owned()));
    }
    for (sink, draft, said, claimed) in first.into_iter().filter(|_| waited) {
        let answer = cx.send(sink, &draft)?;
        cx.control(&answer, &format!("asking {} again when the token ends", sink.name))?;
        let Some(now) = answer.value(Role::ExpiresAt).and_then(|value| expires_at(sink, &value)) else {
            continue;
        };
        let end = claimed.unwrap_or(said);
        if (now - end).abs() > 1 {
            let did = format!("asked {} when a token ends, and again two seconds later", sink.name);
            cx.found(&did, &format!("the same end, {end}"), &answer)?;
        }
    }
    Ok(())
}

/// Whether an operation says when the token that it was asked with ends.
fn says_end(operation: &Operation) -> bool {
    is_token_sink(operation)
        && operation.step != Step::Refresh
        && operation.success_field(Role::ExpiresAt).is_some()
}

fn expiry_claims(cx: &Context<'_>) -> Vec<String> {
    cx.scheme.tokens.access.as_ref().map(|access| access.expiry_claims.clone()).unwrap_or_default()
}

/// Tells of a secret that stands in the claims of a token.
fn open_claims(cx: &Context<'_>, session: &Session<'_>, what: &str) -> Result<(), Stop> {
    let got = format!("{what}, which everybody can read");
    let exchange = std::slice::from_ref(&session.answer.exchange);
    cx.found_in("logged in and read the token", "claims without secrets", &got, exchange)
}

/// A member with a text that is named for a secret, however deep.
fn named_within(value: &Value, telling: &[&str]) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let is_text = value.as_str().is_some_and(|text| !text.is_empty());
            let named = is_text && telling.contains(&name.to_ascii_lowercase().as_str());
            if named { Some(name.clone()) } else { named_within(value, telling) }
        }),
        Value::Array(items) => items.iter().find_map(|item| named_within(item, telling)),
        _ => None,
    }
}

/// Seconds by which two times of one token may differ.
const LEEWAY: i64 = 60;

/// Members and claims that speak of a lifetime must agree with the document and with each other. What is found wrong by
/// itself is compared with nothing else.
fn stated_lifetime(cx: &Context<'_>, session: &Session<'_>) -> Result<(), Stop> {
    let Some(rule) = &cx.scheme.tokens.access else { return Ok(()) };
    let answer = &session.answer;
    let did = format!("asked {} and read the lifetime", answer.operation.name);
    let fail = |expected: String, got: String| {
        cx.found_in(&did, &expected, &got, std::slice::from_ref(&answer.exchange))
    };
    let mut stated = answer.value(Role::ExpiresIn).and_then(|value| value.as_i64());
    let documented = i64::try_from(rule.lifetime).unwrap_or(i64::MAX);
    if let Some(wrong) = stated
        && !rule.lifetime_configurable
        && wrong != documented
    {
        fail(format!("{documented} seconds"), format!("{wrong} seconds"))?;
        stated = None;
    }
    let refresh_stated = answer.value(Role::RefreshExpiresIn).and_then(|value| value.as_i64());
    let outlived = stated.zip(refresh_stated).filter(|(access, refresh)| refresh <= access);
    if let Some((access, refresh)) = outlived {
        fail(
            "a refresh token that outlives the access token".to_owned(),
            format!("{refresh} against {access} seconds"),
        )?;
    }
    if let (Some(refresh), Some(jwt)) = (refresh_stated, session.refresh.as_deref().and_then(Jwt::read))
        && let Some(lived) = lifetime_of(&jwt, &["exp".to_owned()], &["iat".to_owned()])
        && (lived - refresh).abs() > 1
    {
        fail(
            format!("a refresh token that lives the stated {refresh} seconds"),
            format!("exp - iat = {lived}"),
        )?;
    }
    let Some(jwt) = session.access.as_deref().and_then(Jwt::read) else { return Ok(()) };
    if let (Some(access), Some(refresh)) = (
        jwt.seconds("exp"),
        session.refresh.as_deref().and_then(Jwt::read).and_then(|jwt| jwt.seconds("exp")),
    ) && refresh < access
        && outlived.is_none()
    {
        fail(
            "a refresh token that outlives the access token".to_owned(),
            format!("it ends {} seconds before it", access - refresh),
        )?;
    }
    let said = answer.value(Role::ExpiresAt).and_then(|value| expires_at(answer.operation, &value));
    if let (Some(said), Some(exp)) = (said, rule.expiry_claims.first().and_then(|claim| jwt.seconds(claim)))
        && said != exp
    {
        fail(format!("a stated end in the second of the claim, {exp}"), format!("{said}"))?;
    }
    // Whoever reads `exp`, as every library does (RFC 7519 section 4.1.4), must not find the token dead before it says so.
    let promised = rule.expiry_claims.first().and_then(|claim| jwt.seconds(claim)).or(said);
    if let (Some(promised), Some(exp)) = (promised, jwt.seconds("exp"))
        && exp < promised - LEEWAY
    {
        fail(
            format!("a token that is good until the end it states, {promised}"),
            format!("its `exp` ends it {} seconds before that", promised - exp),
        )?;
    }
    let lived = lifetime_of(&jwt, &rule.expiry_claims, &rule.issued_claims);
    match (lived, stated) {
        (Some(lived), Some(stated)) if (lived - stated).abs() > 1 => fail(
            format!("a token that lives the stated {stated} seconds"),
            format!("its claims give it {lived} seconds"),
        ),
        (Some(lived), None) if !rule.lifetime_configurable && (lived - documented).abs() > 1 => fail(
            format!("a token that lives {documented} seconds"),
            format!("its claims give it {lived} seconds"),
        ),
        (None, _) if !rule.lifetime_configurable => {
            // Without a claim of issue, the answer's arrival has to serve.
            let clocks = Clocks::of(cx, session);
            let exp = rule.expiry_claims.first().and_then(|claim| jwt.seconds(claim)).or(said);
            match exp {
                Some(exp) => match clocks.away(exp.saturating_sub(documented)) {
                    Some(away) => fail(
                        format!("a token that lives {documented} seconds"),
                        format!("it ends at {exp}, so that it would have been issued {away}"),
                    ),
                    None => Ok(()),
                },
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What the time is: by the clock here, and by the target's where an answer tells it. Only what agrees with neither is wrong:
/// a clock that is wrong may as well be ours.
struct Clocks(Vec<i64>);

/// In seconds.
const CENTURY: i64 = 100 * 365 * 86_400;

impl Clocks {
    /// Seconds by which clocks that are kept at all may differ.
    const SLACK: i64 = 90;

    fn of(cx: &Context<'_>, session: &Session<'_>) -> Self {
        let mut clocks = vec![i64::try_from(cx.target.now().as_secs()).unwrap_or(i64::MAX)];
        clocks.extend(session.answer.exchange.header("date").and_then(http_date));
        Self(clocks)
    }

    /// How far a time is from now, in words, where it is too far.
    fn away(&self, at: i64) -> Option<String> {
        let near = self.0.iter().any(|now| (at - now).abs() <= Self::SLACK);
        let nearest = self.0.iter().min_by_key(|now| (at - **now).abs())?;
        (!near).then(|| format!("{} s away from now ({nearest})", at - nearest))
    }

    fn past(&self, at: i64) -> bool {
        self.0.iter().all(|now| at <= now - Self::SLACK)
    }
}

/// A Date header in seconds since 1970 (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(time.timestamp().as_second())
}

fn lifetime_of(jwt: &Jwt, ends: &[String], begins: &[String]) -> Option<i64> {
    let end = ends.iter().find_map(|claim| jwt.seconds(claim))?;
    let begin = begins.iter().find_map(|claim| jwt.seconds(claim))?;
    Some(end - begin)
}

/// A stated end in whole seconds since 1970.
fn expires_at(operation: &Operation, value: &Value) -> Option<i64> {
    let unit = operation.success_field(Role::ExpiresAt)?.unit;
    match unit {
        Some(Unit::Rfc3339) => {
            value.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
        }
        Some(Unit::Milliseconds) => value.as_i64().map(|milliseconds| milliseconds / 1_000),
        _ => value.as_i64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn a_time_is_wrong_by_both_clocks_or_right() {
        let clocks = Clocks(vec![1_000_000, 1_003_600]);
        assert_eq!(clocks.away(1_000_080), None);
        assert_eq!(clocks.away(1_003_520), None);
        assert_eq!(clocks.away(1_003_800).as_deref(), Some("200 s away from now (1003600)"));
        assert!(!clocks.past(1_000_000) && clocks.past(999_000));
    }
}
