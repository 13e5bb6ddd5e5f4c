//! What a refresh in the middle of a token's life says of the new token: its end and its seconds, and not the old one's.

use super::{advance, lifetime};
use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Answer, is_token_sink};
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::{Operation, Role, Step, Unit};

/// Seconds by which what is stated and what the token says may differ: one of them may be rounded.
const ROUNDED: i64 = 1;

/// Seconds by which the clock here and the target's may differ, the moved clock included.
const LATE: i64 = 5;

/// Seconds by which an end that is reckoned from the answer's coming may differ from the one that is told.
const APART: i64 = 90;

/// Adds the check, where a refresh says when its token ends.
pub(super) fn add(checks: &mut Checks<'_>) {
    let says =
        |role| checks.scheme.step(Step::Refresh).is_some_and(|refresh| refresh.success_field(role).is_some());
    if !says(Role::AccessToken) || !(says(Role::ExpiresAt) || says(Role::ExpiresIn)) {
        return;
    }
    let sentence = "a refresh in the middle of a life states the end of the new token";
    checks.add(Group::Time, sentence, &["common.token.lifetime-stated"], |cx| {
        if cx.target.profile.clock.is_none() {
            return Err(Stop::NotApplicable("the profile names no [clock] to move".to_owned()));
        }
        let (session, token) = refreshable(cx)?;
        let pause = lifetime(cx, &session)? / 2;
        advance(cx, pause)?;
        let answer = cx.refresh_with(&session, &token)?;
        cx.control(&answer, "a refresh in the middle of a token's life")?;
        let mut judged = false;
        for (token, at, within) in [
            (Role::AccessToken, Some(Role::ExpiresAt), Role::ExpiresIn),
            (Role::RefreshToken, None, Role::RefreshExpiresIn),
        ] {
            let Some(jwt) = answer.text(token).and_then(|text| Jwt::read(&text)) else { continue };
            let said = at.and_then(|role| seconds(&answer, role));
            let now = i64::try_from(cx.target.now().as_secs()).unwrap_or(i64::MAX);
            let differs = says_another(&jwt, now, said, seconds(&answer, within));
            judged = true;
            if let Some(got) = differs {
                let did = format!("refreshed a token {pause} s after its issue");
                let got = format!("{got}; {}", answer.exchange.got());
                return Err(cx
                    .finding(&did, "the end that the new token has", &got, &[answer.exchange])
                    .into());
            }
        }
        if judged {
            return Ok(());
        }
        Err(Stop::NotApplicable("the refresh gives no token that can be read".to_owned()))
    });
}

/// Adds the check of operations that say when a token ends, for a token that was refreshed.
pub(super) fn asked(checks: &mut Checks<'_>) {
    let says = |operation: &Operation| {
        is_token_sink(operation)
            && operation.step != Step::Refresh
            && operation.success_field(Role::ExpiresAt).is_some()
    };
    if checks.scheme.refresh.is_none() || !checks.scheme.operations.iter().any(says) {
        return;
    }
    let sentence = "the end of a refreshed token is told as the token has it";
    checks.add(Group::Time, sentence, &["common.token.lifetime-stated"], move |cx| {
        if cx.target.profile.clock.is_none() {
            return Err(Stop::NotApplicable("the profile names no [clock] to move".to_owned()));
        }
        let (session, _) = refreshable(cx)?;
        let pause = lifetime(cx, &session)? / 2;
        advance(cx, pause)?;
        let next = cx.refresh(&session)?;
        let now = i64::try_from(cx.target.now().as_secs()).unwrap_or(i64::MAX);
        let token = next.access.clone().unwrap_or_default();
        if session.access.as_ref() == Some(&token) {
            return Err(Stop::NotApplicable("the refresh gives the same token".to_owned()));
        }
        let claimed = Jwt::read(&token).and_then(|jwt| jwt.seconds("exp"));
        let stated = seconds(&next.answer, Role::ExpiresIn).map(|within| now + within);
        let Some((end, most)) = claimed.map(|end| (end, ROUNDED)).or_else(|| stated.map(|end| (end, APART)))
        else {
            return Err(Stop::NotApplicable("neither token nor refresh says when it ends".to_owned()));
        };
        for sink in cx.token_sinks().into_iter().filter(|sink| says(sink)) {
            let answer = cx.present(sink, &session.actor, &token)?;
            cx.control(&answer, &format!("asking {} with a refreshed token", sink.name))?;
            let Some(said) = seconds(&answer, Role::ExpiresAt) else { continue };
            if (said - end).abs() > most {
                let did = format!(
                    "refreshed a token {pause} s after its issue, and asked {} when the new one ends",
                    sink.name
                );
                return Err(cx.found(&did, &format!("the end of the new token, {end}"), &answer));
            }
        }
        Ok(())
    });
}

/// What an answer states, in seconds.
fn seconds(answer: &Answer<'_>, role: Role) -> Option<i64> {
    let value = answer.value(role)?;
    match answer.operation.success_field(role)?.unit {
        Some(Unit::Rfc3339) => {
            value.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
        }
        Some(Unit::Milliseconds) => value.as_i64().map(|milliseconds| milliseconds / 1_000),
        _ => value.as_i64(),
    }
}

/// How the claims of a token contradict its stated end or the stated seconds, which may be those of its life or those that
/// are left of it: a token that is handed back as it was has both.
fn says_another(jwt: &Jwt, now: i64, at: Option<i64>, within: Option<i64>) -> Option<String> {
    let end = jwt.seconds("exp")?;
    if let Some(at) = at.filter(|at| (at - end).abs() > ROUNDED) {
        return Some(format!("the answer says that it ends at {at}, the token at {end}"));
    }
    let begin = ["iat", "orig_iat"].into_iter().find_map(|claim| jwt.seconds(claim))?;
    let within = within
        .filter(|within| (end - begin - within).abs() > ROUNDED && (end - now - within).abs() > LATE)?;
    Some(format!("the answer says that it lives {within} s, the token {} s", end - begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jwt(claims: serde_json::Value) -> Jwt {
        let part =
            |value: serde_json::Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        Jwt::read(&format!("{}.{}.AAAA", part(json!({"alg": "HS256"})), part(claims))).unwrap()
    }

    #[test]
    fn ends_and_seconds_are_compared_with_the_claims() {
        let token = jwt(json!({ "iat": 1_000, "exp": 4_600 }));
        assert_eq!(says_another(&token, 1_000, Some(4_600), Some(3_600)), None);
        assert_eq!(says_another(&token, 1_000, Some(4_601), Some(3_599)), None);
        assert!(says_another(&token, 1_000, Some(2_800), None).is_some());
        assert!(says_another(&token, 1_000, None, Some(1_800)).is_some());
        assert_eq!(says_another(&token, 2_800, None, Some(1_800)), None);
        assert_eq!(says_another(&jwt(json!({})), 1_000, Some(1), Some(1)), None);
    }
}
