//! One client at a time is slow; the others are served meanwhile.

use crate::check::{Checks, Group};
use crate::checks::flow::{first_sink, has_sink};
use crate::checks::form::right_login;
use crate::context::Context;
use crate::finding::Stop;
use crate::need::Need;
use crate::raw::{self, Oddity};
use std::time::Duration;

/// How long a request is left unfinished at most.
const HELD: Duration = Duration::from_millis(1_000);
/// Whoever takes longer than this beside it has waited for it.
const WAITED: Duration = Duration::from_millis(800);
/// Whoever takes longer than this without it is slow in any case.
const QUICK: Duration = Duration::from_millis(400);

/// Adds the checks of neighbours, and of the letter case of what authorises.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.needing(Need::PlainHttp).add(
        Group::Robustness,
        "a login is answered while another one arrives slowly",
        &["common.robustness.slow-neighbour"],
        |cx| {
            let mut waited = Duration::ZERO;
            // Once may be chance; what is held for, is waited for each time.
            for _ in 0..2 {
                waited = beside(cx, true)?;
                if waited < WAITED {
                    return Ok(());
                }
            }
            // A target that serves one connection at a time waits for idle ones, too, and has no body under a lock.
            let idle = beside(cx, false)?;
            if idle > QUICK {
                return Err(Stop::NotApplicable(format!(
                    "a login takes {} ms beside a connection that sends nothing: the target is slow, or serves one at a time",
                    idle.as_millis()
                )));
            }
            let did = "sent a login while another client was half way through sending one";
            let expected = "an answer that does not wait for the other client";
            let got = format!(
                "an answer after {} ms, when the other client had gone on; {} ms beside an idle connection",
                waited.as_millis(),
                idle.as_millis()
            );
            let exchanges: Vec<_> = cx.log.iter().rev().take(1).cloned().collect();
            Err(cx.finding(did, expected, &got, &exchanges).into())
        },
    );
    if has_sink(checks.scheme) {
        checks.needing(Need::PlainHttp).add(
            Group::Robustness,
            "a token under a header name in any letter case works",
            &["common.robustness.header-case"],
            |cx| {
                first_sink(cx)?;
                for sink in cx.token_sinks() {
                    let session = cx.session()?;
                    let draft = cx.authorized(sink, &session);
                    let answer = cx.send(sink, &draft)?;
                    cx.must_accept(
                        &answer,
                        &format!("asked {} with a good token under `authorization`", sink.name),
                    )?;
                    for (oddity, name) in
                        [(Oddity::TitleCaseNames, "Authorization"), (Oddity::UpperCaseNames, "AUTHORIZATION")]
                    {
                        let session = cx.session()?;
                        let draft = cx.authorized(sink, &session);
                        let answer = cx.send_raw(sink, &draft, oddity)?;
                        cx.must_accept(
                            &answer,
                            &format!("asked {} with a good token under `{name}`", sink.name),
                        )?;
                    }
                }
                Ok(())
            },
        );
    }
}

/// How long a right login takes while another connection is open: with half a login on it, or with nothing.
fn beside(cx: &mut Context<'_>, half: bool) -> Result<Duration, Stop> {
    let (slow_operation, slow, _) = right_login(cx)?;
    let (operation, draft, _) = right_login(cx)?;
    let target = cx.target;
    let client = target.client();
    let base = client.base();
    let request = slow.write(target.extra_headers());
    let bytes = raw::write(&request, &base.authority(), &base.prefix, Oddity::Plain).pieces.concat();
    let cut = bytes.len() - request.body.bytes().len() / 2;
    let parts = if half { [&bytes[..cut], &bytes[cut..]] } else { [b"".as_slice(), b""] };
    let within = target.profile.http.timeout;
    let answer = raw::while_held(client, parts, HELD, within, || cx.send(operation, &draft));
    let answer = answer.map_err(|error| {
        Stop::Inconclusive(format!("a second connection, for {}: {error}", slow_operation.name))
    })??;
    cx.control(&answer, "a login beside another connection")?;
    // Its own time alone: before it there may have been an answer that asked for patience.
    Ok(answer.exchange.outcome.as_ref().map(|response| response.elapsed).unwrap_or_default())
}
