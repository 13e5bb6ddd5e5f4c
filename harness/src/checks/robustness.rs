//! What HTTP allows must work, and what it forbids had better not.

mod beside;
mod heads;
mod names;
mod queries;
mod reuse;

use super::form::right_login;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::Writing;
use crate::finding::Stop;
use crate::need::Need;
use crate::raw::Oddity;
use countersign_spec::{Level, Place, ProofKind, Step};
use serde_json::json;
use std::time::Duration;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    queries::add(checks);
    heads::add(checks);
    if checks.scheme.step(Step::Login).is_none_or(|login| login.request.schema.is_none()) {
        return;
    }
    chunks(checks);
    waiting(checks);
    nothing(checks);
    beside::add(checks);
    names::add(checks);
    reuse::add(checks);
    if checks.scheme.proof.kind == ProofKind::Secret {
        characters(checks);
    }
    for (sentence, clause, oddity, did) in [
        (
            "a login with header names in upper case works",
            "common.robustness.header-case",
            Oddity::UpperCaseNames,
            "wrote the names of headers in upper case",
        ),
        (
            "a login without spaces before header values works",
            "common.robustness.header-white-space",
            Oddity::NoSpace,
            "wrote headers without a space before their values",
        ),
        (
            "a login in several segments works",
            "common.robustness.segments",
            Oddity::Segments,
            "sent a right login in three segments, with its Content-Length",
        ),
    ] {
        checks
            .needing(Need::PlainHttp)
            .add(Group::Robustness, sentence, &[clause], move |cx| allowed(cx, oddity, did));
    }
    checks
        .needing(Need::PlainHttp)
        .add(
            Group::Robustness,
            "a login with spaces behind header values works",
            &["common.robustness.header-white-space"],
            |cx| allowed(cx, Oddity::TrailingSpace, "wrote spaces and a tab behind the values of headers"),
        )
        // Some widely used libraries leave them on.
        .at_most(Level::May);
    numbers(checks);
    for (sentence, clause, oddity, did) in [
        (
            "two framings of one body are refused",
            "common.robustness.framing",
            Oddity::TwoFramings,
            "sent a right login with both Content-Length and Transfer-Encoding",
        ),
        (
            "a body that claims chunks is not framed by its length",
            "common.robustness.chunks-rule",
            Oddity::LengthRules,
            "sent a right login that is no chunk, with its Content-Length and Transfer-Encoding: chunked",
        ),
        (
            "two lengths of one body are refused",
            "common.robustness.framing",
            Oddity::TwoLengths,
            "sent a right login with two Content-Length headers that differ",
        ),
        (
            "a request without host is refused",
            "common.robustness.host",
            Oddity::NoHost,
            "sent a right login by HTTP/1.1 without Host",
        ),
        (
            "lines that end in line feed alone are refused",
            "common.robustness.line-ends",
            Oddity::BareLineFeed,
            "ended the lines of a right login in LF alone",
        ),
        (
            "white space before a header's colon is refused",
            "common.robustness.line-ends",
            Oddity::SpaceBeforeColon,
            "wrote a space between a header's name and its colon",
        ),
    ] {
        checks
            .needing(Need::PlainHttp)
            .add(Group::Robustness, sentence, &[clause], move |cx| forbidden(cx, oddity, did));
    }
}

/// Lengths that only lenient readers take for numbers, and that the next reader takes for another one or none.
fn numbers(checks: &mut Checks<'_>) {
    let lengths = [
        (Oddity::SignedLength, "sent a right login with a plus sign before its Content-Length"),
        (Oddity::HexLength, "sent a right login with its Content-Length in hex behind 0x"),
        (Oddity::ListedLengths, "sent a right login with two lengths that differ in one Content-Length"),
    ];
    let chunks = [
        (Oddity::SignedChunk, "sent a right login in a chunk with a plus sign before its size"),
        (Oddity::PrefixedChunk, "sent a right login in a chunk with 0x before its size"),
        (Oddity::SpacedChunk, "sent a right login in a chunk with an underscore in its size"),
    ];
    for (sentence, list, level) in [
        ("a content length that is no plain number is refused", lengths, Level::Should),
        // Development servers whose language reads such numbers take them, and close the connection behind the answer.
        ("a chunk whose size is no plain number is refused", chunks, Level::May),
    ] {
        checks
            .needing(Need::PlainHttp)
            .add(Group::Robustness, sentence, &["common.robustness.plain-lengths"], move |cx| {
                list.iter().try_for_each(|(oddity, did)| forbidden(cx, *oddity, did))
            })
            .at_most(level);
    }
}

fn chunks(checks: &mut Checks<'_>) {
    for (sentence, size, pause) in [
        ("a login in one chunk works", 1_000_000, 0),
        ("a login in many chunks works", 7, 0),
        ("a login that arrives slowly works", 40, 30),
    ] {
        checks.add(Group::Robustness, sentence, &["common.robustness.chunks"], move |cx| {
            let (operation, mut draft, actor) = right_login(cx)?;
            draft.writing = Writing::Pieces(size, Duration::from_millis(pause));
            let answer = cx.send(operation, &draft)?;
            // Who wants to know the length beforehand may say so (RFC 9110 section 15.5.12).
            if answer.exchange.status() == Some(411) {
                let reason = "the target asks for a Content-Length (411), as it may".to_owned();
                return Err(Stop::NotApplicable(reason));
            }
            let did = format!("sent a right login with Transfer-Encoding: chunked, {size} bytes at a time");
            cx.must_accept_like_plain(&answer, &actor, &did)
        });
    }
}

/// A client may wait for leave before it sends its body, and sends it all the same when none comes.
fn waiting(checks: &mut Checks<'_>) {
    let sentence = "a login that asks before it sends its body is answered";
    checks.needing(Need::PlainHttp).add(Group::Robustness, sentence, &["common.robustness.expect"], |cx| {
        let (operation, draft, actor) = right_login(cx)?;
        let answer = cx.send_raw(operation, &draft, Oddity::Expect)?;
        // Who does not do such things may say so (RFC 9110 section 15.5.18).
        if answer.exchange.status() == Some(417) {
            return Ok(());
        }
        let did = "sent the head of a right login with Expect: 100-continue, and its body at the latest a second later";
        cx.must_accept_like_plain(&answer, &actor, did)
    });
}

/// A login without a body is refused, and not waited with.
fn nothing(checks: &mut Checks<'_>) {
    let sentence = "a login with nothing in it is answered";
    checks.needing(Need::PlainHttp).add(Group::Robustness, sentence, &["common.robustness.empty"], |cx| {
        let (operation, mut draft, actor) = right_login(cx)?;
        draft.writing = Writing::Bytes(Vec::new());
        let zero = "sent a login with Content-Length: 0";
        let none = "sent a login with neither Content-Length nor Transfer-Encoding";
        for (oddity, did) in [(Oddity::Plain, zero), (Oddity::NoLength, none)] {
            let answer = cx.send_raw(operation, &draft, oddity)?;
            if let Err(error) = &answer.exchange.outcome {
                let got = error.to_string();
                cx.log_in(&actor)?;
                cx.found_in(did, "any answer", &got, &[answer.exchange])?;
                continue;
            }
            cx.must_refuse(&answer, did)?;
        }
        Ok(())
    });
}

/// Bytes become text when all of them are there, not segment by segment.
fn characters(checks: &mut Checks<'_>) {
    let sentence = "a login whose segments end inside a character works";
    checks.needing(Need::PlainHttp).add(Group::Robustness, sentence, &["common.robustness.segments"], |cx| {
        let (operation, mut draft, mut actor) = right_login(cx)?;
        let accented = (0..8).map_while(|nth| cx.nth_actor(nth).ok());
        let accented = accented.collect::<Vec<_>>().into_iter().find(|actor| !actor.password.is_ascii());
        if let Some(accented) = accented {
            let attempt = cx.attempt(&accented)?;
            draft = cx.write_attempt(&attempt)?.1;
            actor = accented;
        } else {
            draft.set(&Place::Body("/x_unknown".to_owned()), json!("Größe"));
            let answer = cx.send(operation, &draft)?;
            if !answer.accepted() {
                let reason = "no account has a secret beyond ASCII, and unknown members are refused";
                return Err(Stop::NotApplicable(reason.to_owned()));
            }
        }
        let answer = cx.send_raw(operation, &draft, Oddity::SplitCharacter)?;
        let did = "sent a right login in two segments, the first of which ends inside a character";
        cx.must_accept_like_plain(&answer, &actor, did)
    });
}

fn allowed(cx: &mut Context<'_>, oddity: Oddity, did: &str) -> Result<(), Stop> {
    let (operation, draft, actor) = right_login(cx)?;
    let answer = cx.send_raw(operation, &draft, oddity)?;
    cx.must_accept_like_plain(&answer, &actor, did)
}

fn forbidden(cx: &mut Context<'_>, oddity: Oddity, did: &str) -> Result<(), Stop> {
    let (operation, draft, _) = right_login(cx)?;
    let answer = cx.send_raw(operation, &draft, oddity)?;
    // Closing the connection, or waiting for what never comes, is a refusal as good as a status.
    if answer.exchange.outcome.is_err() {
        return Ok(());
    }
    cx.must_refuse(&answer, did)
}
