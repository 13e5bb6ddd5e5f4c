//! What every exchange must respect; read from the ledger when all other checks have run.

mod markup;
mod odd;
mod refused;

use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::{Draft, Writing};
use crate::finding::Stop;
use crate::hygiene::{Rule, given_out};
use countersign_spec::{Operation, Place, ProofKind, Role, Step};
use serde_json::{Value, json};

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    markup::add(checks);
    for (rule, sentence, clause) in [
        (Rule::ServerError, "nothing causes a server error", "common.hygiene.no-server-error"),
        (Rule::Answers, "every request is answered", "common.hygiene.answers"),
        (Rule::Internals, "no answer shows the inside of the server", "common.hygiene.no-internals"),
        (Rule::EchoedSecret, "no answer repeats a secret", "common.hygiene.no-echoed-secrets"),
        (
            Rule::RefusalMembers,
            "a refusal has no member of another type than documented",
            "common.hygiene.refusal-members",
        ),
        (Rule::RefusalCode, "the code of every refusal is its status", "common.hygiene.refusal-code"),
        (
            Rule::RefusalCodeBegins,
            "the code of every refusal begins with its status",
            "common.hygiene.refusal-code-begins",
        ),
        (Rule::RefusalSuccess, "no refusal has the code of a success", "common.hygiene.refusal-success"),
        (Rule::ValidJson, "what is declared as json is json", "common.hygiene.valid-json"),
        (Rule::NotCached, "answers with tokens are not cached", "common.hygiene.not-cached"),
        (
            Rule::NoSharedCache,
            "no answer to one caller invites caches to keep it",
            "common.hygiene.no-shared-cache",
        ),
        (
            Rule::TokenInHeader,
            "tokens travel in the documented member only",
            "common.hygiene.no-tokens-in-headers",
        ),
        (Rule::Digest, "no answer shows a digest of a secret", "common.credential.no-stored-secrets"),
        (
            Rule::EveryChallenge,
            "refusals that say how to authenticate do so each time",
            "common.hygiene.every-challenge",
        ),
        (
            Rule::ForeignOrigin,
            "credentials are not open to a foreign origin",
            "common.hygiene.foreign-origin",
        ),
        (Rule::Fresh, "answers with tokens state no time to keep them", "common.hygiene.no-freshness"),
        (
            Rule::TokenCookies,
            "cookies that hold a token are closed to scripts",
            "common.hygiene.token-cookies",
        ),
        (Rule::Cookies, "cookies of a session are closed to scripts", "common.hygiene.cookies"),
        (Rule::CrossOrigin, "credentials are not open to every origin", "common.hygiene.cross-origin"),
    ] {
        let speaks = match rule {
            Rule::NotCached | Rule::TokenInHeader => {
                checks.scheme.operations.iter().any(|operation| given_out(operation).next().is_some())
            }
            Rule::Fresh | Rule::TokenCookies => checks.scheme.operations.iter().any(|operation| {
                let tokens = [Role::AccessToken, Role::RefreshToken];
                tokens.into_iter().any(|role| operation.success_field(role).is_some())
            }),
            Rule::EveryChallenge => checks.scheme.tokens.access.is_some(),
            Rule::Digest => checks.scheme.proof.kind == ProofKind::Secret,
            Rule::RefusalCode => checks.scheme.envelope.code_is_status,
            Rule::RefusalCodeBegins => checks.scheme.envelope.code_begins_with_status,
            Rule::RefusalSuccess => !checks.scheme.envelope.success_codes.is_empty(),
            _ => true,
        };
        if speaks {
            checks.add(Group::Hygiene, sentence, &[clause], move |cx| judge(cx, rule)).without_login();
        }
    }
}

fn judge(cx: &mut Context<'_>, rule: Rule) -> Result<(), Stop> {
    let target = cx.target;
    let (scheme, gate) = (cx.scheme, target.gate(cx.scheme));
    let probed = target.ledger.probe(&scheme.id, || {
        // A name of its own, so that its chance does not hang on which check comes first.
        let mut own = Context::new(target, scheme, &format!("{}::hygiene", scheme.id), gate);
        battery(&mut own)
    });
    let seen = cx.target.ledger.seen(&cx.scheme.id, rule);
    // What was seen counts even where the traffic ended early.
    let Some(first) = seen.findings.first() else { return probed };
    let mut finding = first.clone();
    finding.check.clone_from(&cx.check);
    finding.fingerprint = crate::fingerprint::all(&seen.ways);
    if seen.findings.len() > 1 {
        let places: Vec<&str> = seen.findings.iter().skip(1).map(|other| other.did.as_str()).collect();
        finding.hint = Some(format!("also: {}", places.join("; ")));
    }
    cx.tell(finding)
}

/// Words that objects or patterns of some languages have by themselves.
pub(super) const PROGRAMS: [&str; 17] = [
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "prototype",
    "%",
    "_",
    "*",
    "[",
    "(",
    "\\",
    "%s%n",
    "{{7*7}}",
    "${x}",
    "#{x}",
    "(?=",
    "None",
];

/// A little traffic of its own, so that the rules mean something when nothing else was selected.
fn battery(cx: &mut Context<'_>) -> Result<(), Stop> {
    let scheme = cx.scheme;
    for operation in &scheme.operations {
        if operation.step == Step::Logout || cx.served(operation).is_err() {
            continue;
        }
        let actor = match cx.actor() {
            Ok(actor) => actor,
            Err(_) => crate::actor::Actor::fresh_wallet(&mut cx.rng),
        };
        let mut foreign = cx.fill(operation, &actor, None);
        foreign.set_header("origin", "https://evil.example");
        cx.send(operation, &foreign)?;
        let mut wrong = foreign.clone();
        wrong.authorize("not-a-token");
        for field in &operation.request.fields {
            wrong.set(&field.at, json!("\u{0}\u{202e}x"));
        }
        wrong.headers.retain(|(name, _)| name == "authorization" || name == "origin");
        cx.send(operation, &wrong)?;
        odd::traffic(cx, operation, &foreign)?;
        if operation.request.schema.is_some() {
            for body in hostile_bodies() {
                let mut broken = foreign.clone();
                broken.writing = Writing::Bytes(body);
                unless_silent(cx, operation, &broken)?;
            }
            edges(cx, operation, &foreign)?;
            for body in unfinished(&foreign) {
                let mut broken = foreign.clone();
                broken.writing = Writing::Bytes(body);
                unless_silent(cx, operation, &broken)?;
            }
        }
    }
    refused::traffic(cx)
}

/// The right body, so that its secret is in it, in forms that no reader takes for JSON.
fn unfinished(good: &Draft) -> Vec<Vec<u8>> {
    let right = good.body.clone().unwrap_or_default().to_string();
    let open = right.strip_suffix('}').unwrap_or(&right);
    vec![
        open.as_bytes().to_vec(),
        format!("{open},}}").into_bytes(),
        format!("{right}}}").into_bytes(),
        right.replace('"', "'").into_bytes(),
    ]
}

/// Bodies that no client writes and every server meets.
fn hostile_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "{",
        "[]",
        "null",
        "\"\"",
        "0",
        "{\"a\":}",
        "{\"a\":1e400}",
        "{}{}",
        "{\"\\ud800\":\"\\udfff\"}",
        "[{}]",
        "{\"a\":1,\"a\":2}",
        "{\"__proto__\":{\"a\":1}}",
    ]
    .iter()
    .map(|body| body.as_bytes().to_vec())
    .collect();
    bodies.push(format!("{{\"a\":{}}}", "9".repeat(5_000)).into_bytes());
    bodies.push(format!("{{\"a\":\"{}\"}}", "a".repeat(60_000)).into_bytes());
    bodies.push(format!("{{\"a\":\"{}\"}}", "a".repeat(100_000)).into_bytes());
    bodies.push([b"\xef\xbb\xbf".as_slice(), b"{}"].concat());
    bodies.push(b"\xff\xfe{\x00}\x00".to_vec());
    bodies.push([vec![b'{'; 2_000], vec![b'}'; 2_000]].concat());
    bodies.push("{\"a\":".repeat(3_000).into_bytes());
    bodies
}

/// Every member with values at the edges of its type. Only the server's health is looked at, not its verdict.
fn edges<'t>(cx: &mut Context<'t>, operation: &'t Operation, good: &Draft) -> Result<(), Stop> {
    let texts = [
        "",
        " ",
        "\u{0}",
        "\u{feff}",
        "\u{202e}\u{2066}",
        "e\u{301}",
        "\u{1f511}",
        "\u{10ffff}",
        "%00",
        "../../etc/passwd",
        "{{7*7}}",
        "'\"`;--",
        "\r\nX-Injected: 1",
    ];
    let mut values: Vec<Value> = texts.iter().chain(&PROGRAMS).map(|text| json!(text)).collect();
    values.extend(
        ["a".repeat(70), "a".repeat(300), "a".repeat(20_000), "\u{e9}".repeat(71), "\u{1f511}".repeat(40)]
            .map(|text| json!(text)),
    );
    values.extend([
        json!(0),
        json!(-1),
        json!(1.5),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e308),
        json!(9_007_199_254_740_993_u64),
        json!(253_402_300_800_000_u64),
        json!(true),
        json!(null),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!({ "a": { "b": {} } }),
    ]);
    let places: Vec<Place> = operation
        .request
        .fields
        .iter()
        .map(|field| field.at.clone())
        .filter(|at| !matches!(at, Place::Header(_)))
        .collect();
    for place in places {
        for value in &values {
            let mut draft = good.clone();
            draft.set(&place, value.clone());
            unless_silent(cx, operation, &draft)?;
        }
        // A lone surrogate is legal in the grammar of JSON and in no text.
        if let Place::Body(pointer) = &place {
            let mut draft = good.clone();
            draft.set(&Place::Body(pointer.clone()), json!("SURROGATE"));
            let body = draft.body.clone().unwrap_or_default().to_string().replace("SURROGATE", "\\ud800");
            draft.writing = Writing::Bytes(body.into_bytes());
            cx.send(operation, &draft)?;
        }
    }
    Ok(())
}

/// Sends a request, but ends the battery where the target leaves requests without an answer: one is enough to say so, and
/// each costs a whole time limit.
fn unless_silent<'t>(cx: &mut Context<'t>, operation: &'t Operation, draft: &Draft) -> Result<(), Stop> {
    let answer = cx.send(operation, draft)?;
    match &answer.exchange.outcome {
        Err(error @ crate::client::WireError::Timeout(_)) => Err(Stop::Inconclusive(error.to_string())),
        _ => Ok(()),
    }
}
