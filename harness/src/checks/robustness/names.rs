//! Names that mean something to the languages servers are written in.

use crate::check::{Checks, Group};
use crate::checks::hygiene::PROGRAMS;
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::judge::{self, Verdict};
use countersign_spec::{Auth, Envelope, Place, ProofKind, Role, Step};
use serde_json::json;

/// Names whose characters mean something where they are shown or stored.
const WRITTEN: [&str; 8] = [
    "<b>a&b</b> \"c\" 'd'",
    UNICODE,
    "a+b c%20d",
    " spaces around ",
    "\u{fb01}\u{2460}\u{ff21}",
    "e\u{301}",
    "Upper Case",
    // As long as the names that one client makes of a key in its X.509 wrapping.
    "user:302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
];
/// Of all of them the one whose characters nobody may lose.
const UNICODE: &str = "n\u{e4}me \u{1f511}";

/// Adds the check of such names where wallets choose their own.
pub(super) fn add(checks: &mut Checks<'_>) {
    let named = checks.scheme.step(Step::Login).is_some_and(|login| {
        login.request_field(Role::Identifier).is_some() && checks.scheme.proof.kind == ProofKind::Eip191
    });
    if !named {
        return;
    }
    checks.add(
        Group::Robustness,
        "a name that programs use themselves is answered",
        &["common.hygiene.no-server-error"],
        named_like_programs,
    );
}

/// Whether the notes that came with the login stand in the answer as they were sent, if they do at all.
fn is_kept(answer: &Answer<'_>, envelope: &Envelope, notes: &[&Place]) -> bool {
    let data =
        answer.exchange.json.as_ref().and_then(|body| body.pointer(envelope.data.as_deref().unwrap_or("")));
    notes.iter().all(|place| {
        let shown = data.and_then(|data| data.get(place.name())).and_then(|value| value.as_str());
        shown.is_none_or(|shown| shown.is_empty() || shown == UNICODE)
    })
}

/// Whether characters are written as HTML writes them, which is for pages and not for JSON.
fn is_escaped(text: &str) -> bool {
    ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#x27;"].iter().any(|escape| text.contains(escape))
}

/// A target may refuse such a name. One that lets it in must know it afterwards.
fn named_like_programs(cx: &mut Context<'_>) -> Result<(), Stop> {
    for name in PROGRAMS.into_iter().chain(WRITTEN) {
        let mut actor = cx.actor()?;
        name.clone_into(&mut actor.identifier);
        let mut attempt = cx.attempt(&actor)?;
        let login = cx.step(Step::Login)?;
        let notes: Vec<&Place> = login
            .request
            .fields
            .iter()
            .filter(|field| field.role == Role::Note)
            .map(|field| &field.at)
            .collect();
        attempt.before.extend(notes.iter().map(|place| ((*place).clone(), json!(name))));
        let answer = cx.send_attempt(&attempt)?;
        let did = format!("logged a wallet in under the name `{name}`");
        if answer.verdict == Verdict::Broken {
            cx.found(&did, &judge::describe_refusal(cx.scheme), &answer)?;
            continue;
        }
        let accepted = answer.accepted();
        let told = answer.text(Role::Identifier);
        if accepted && told.as_ref().is_some_and(|told| told != name) {
            cx.found(&did, &format!("an answer that names `{name}` letter by letter"), &answer)?;
            continue;
        }
        let session = Context::session_of(&actor, answer);
        for operation in cx.scheme.operations.iter().filter(|operation| operation.auth == Auth::Signed) {
            if cx.served(operation).is_err() {
                continue;
            }
            let draft = cx.authorized(operation, &session);
            let answer = cx.send(operation, &draft)?;
            let did = format!("{did}, then asked for {} in that name", operation.name);
            if accepted {
                cx.must_accept(&answer, &did)?;
                if !answer.accepted() {
                    continue;
                }
                let told = answer.text(Role::Identifier);
                let lost = name == UNICODE && !is_kept(&answer, &cx.scheme.envelope, &notes);
                if lost || told.is_some_and(|told| told != name) || is_escaped(&answer.exchange.text()) {
                    let expected = "an answer that holds what was sent, letter by letter";
                    cx.found(&did, expected, &answer)?;
                }
            } else if answer.verdict == Verdict::Broken {
                cx.found(&did, &judge::describe_refusal(cx.scheme), &answer)?;
            }
        }
    }
    Ok(())
}
