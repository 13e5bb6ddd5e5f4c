//! Without a token nobody gets in by another way of asking: HEAD, a condition, a range, another method, one that a header
//! names, another spelling of the path.

use super::takes_access;
use crate::check::{Checks, Group};
use crate::checks::flow::served;
use crate::context::{Answer, Context};
use crate::draft::Draft;
use crate::finding::Stop;
use crate::jwt::{self, Jwt};
use countersign_spec::{Auth, Operation, Step};

/// Headers in which frameworks take another method than the request line's.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Adds the check for each operation that asks for a proof.
pub(super) fn add(checks: &mut Checks<'_>) {
    let asks = |operation: &&Operation| {
        takes_access(operation) || (operation.auth == Auth::Signed && !operation.auth_optional)
    };
    for operation in checks.scheme.operations.iter().filter(asks) {
        let name = operation.name.clone();
        let sentence = format!("{name} without a proof is refused however it is asked");
        checks
            .add(Group::Token, &sentence, &["common.token.needed-however-asked"], move |cx| {
                let operation = served(cx, &name)?;
                let session = cx.session()?;
                let good = cx.authorized(operation, &session);
                let known = cx.send(operation, &good)?;
                cx.control(&known, &format!("asking {name} with a proof"))?;
                let etag = known.exchange.header("etag").map(str::to_owned);
                let mut tokens = vec![None, Some("not-a-token".to_owned())];
                if let Some(jwt) = session.access.as_deref().and_then(Jwt::read) {
                    let imitated = jwt::with_invented_signature(&jwt.text);
                    cx.secrets.add(&imitated, "$IMITATED_TOKEN");
                    tokens.push(Some(imitated));
                }
                for token in &tokens {
                    let mut bare = cx.fill(operation, &session.actor, None);
                    if let Some(token) = token {
                        bare.authorize(token);
                    }
                    let plain = cx.send(operation, &bare)?;
                    if plain.accepted() {
                        let reason = format!("{name} needs no proof, as other checks say");
                        return Err(Stop::Inconclusive(reason));
                    }
                    ask(cx, operation, &bare, &plain, etag.as_deref())?;
                }
                Ok(())
            })
            .family("token-unread", 1);
    }
}

fn ask<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    bare: &Draft,
    plain: &Answer<'t>,
    etag: Option<&str>,
) -> Result<(), Stop> {
    let name = &operation.name;
    // Where a refusal has the status of a success, only what it says tells them apart: a condition may hold for it.
    let told_by_status = plain.exchange.status().is_some_and(|status| status >= 400);
    let own_etag = plain.exchange.header("etag");
    let mut ways: Vec<(String, Draft)> = Vec::new();
    let mut with = |header: &str, value: &str| {
        let mut draft = bare.clone();
        draft.set_header(header, value);
        ways.push((format!("with {header}: {value}"), draft));
    };
    with("if-none-match", "*");
    if let Some(etag) = etag.filter(|etag| own_etag != Some(etag)) {
        with("if-none-match", etag);
    }
    with("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT");
    with("range", "bytes=0-");
    for header in OVERRIDES {
        for method in ["HEAD", "OPTIONS", "GET"] {
            with(header, method);
        }
    }
    for path in spellings(&bare.path) {
        let mut draft = bare.clone();
        draft.path.clone_from(&path);
        ways.push((format!("under {path}"), draft));
    }
    for method in other_methods(operation) {
        let mut draft = bare.clone();
        method.clone_into(&mut draft.method);
        ways.push((format!("by {method}"), draft));
    }
    for (how, draft) in ways {
        let answer = cx.send(operation, &draft)?;
        // What is answered alike wherever it is asked says nothing of this operation.
        if answer.accepted() && draft.method != bare.method && is_let_in_anywhere(cx, operation, &draft)? {
            continue;
        }
        let by_status = told_by_status && matches!(answer.exchange.status(), Some(206 | 304));
        if answer.accepted() || by_status {
            let did = format!("asked {name} without a good proof, {how}");
            cx.found(&did, "a refusal, as without it", &answer)?;
        }
    }
    if operation.method != "GET" || !told_by_status || is_everywhere_good(cx, operation, bare)? {
        return Ok(());
    }
    let answer = head(cx, operation, bare)?;
    if answer.exchange.status().is_some_and(|status| status < 400) {
        let did = format!("asked {name} by HEAD without a good proof");
        cx.found(&did, "a refusal, as by GET", &answer)?;
    }
    Ok(())
}

/// Methods that an operation does not have, and that create or read: a guard may be bound to the one it has. What a logout
/// does by them is nothing that needs a proof.
fn other_methods(operation: &Operation) -> impl Iterator<Item = &'static str> {
    let has = |method: &str| {
        method == operation.method || operation.other_methods.iter().any(|other| other == method)
    };
    let methods = if operation.step == Step::Logout { &[][..] } else { &["GET", "POST", "PUT"] };
    methods.iter().copied().filter(move |method| !has(method))
}

/// Whether the same request is let in under a path that nobody serves.
fn is_let_in_anywhere<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    draft: &Draft,
) -> Result<bool, Stop> {
    let mut nowhere = draft.clone();
    nowhere.path = format!("{}-{}", draft.path.trim_end_matches('/'), cx.random_hex(4));
    Ok(cx.send(operation, &nowhere)?.accepted())
}

/// Other spellings that many routers take for the same path, and guards before them do not.
fn spellings(path: &str) -> Vec<String> {
    let (start, last) = path.trim_end_matches('/').rsplit_once('/').unwrap_or_default();
    let slash = if path.ends_with('/') { format!("{start}/{last}") } else { format!("{path}/") };
    let others = [
        slash,
        format!("{start}/{}", last.to_ascii_uppercase()),
        format!("{start}//{last}"),
        format!("{start}/./{last}"),
        format!("{start}/{last};a=b"),
        format!("{start}/%{:02X}{}", last.bytes().next().unwrap_or(b'x'), last.get(1..).unwrap_or_default()),
    ];
    others.into_iter().filter(|other| other != path).collect()
}

fn head<'t>(cx: &mut Context<'t>, operation: &'t Operation, bare: &Draft) -> Result<Answer<'t>, Stop> {
    let mut draft = bare.clone();
    "HEAD".clone_into(&mut draft.method);
    cx.send(operation, &draft)
}

/// Whether HEAD is answered with a success whatever it asks for, as load balancers like it.
fn is_everywhere_good<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    bare: &Draft,
) -> Result<bool, Stop> {
    let mut nowhere = bare.clone();
    nowhere.path = format!("{}-{}", bare.path.trim_end_matches('/'), cx.random_hex(4));
    let answer = head(cx, operation, &nowhere)?;
    Ok(answer.exchange.status().is_some_and(|status| status < 400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_routers_read_them_alike() {
        assert_eq!(
            spellings("/v1/info"),
            ["/v1/info/", "/v1/INFO", "/v1//info", "/v1/./info", "/v1/info;a=b", "/v1/%69nfo"]
        );
        assert_eq!(spellings("/profile/")[0], "/profile");
    }
}
