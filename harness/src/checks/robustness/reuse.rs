//! Connections that are used again, after a refusal and after a request that was let in.

use super::right_login;
use crate::check::{Checks, Group};
use crate::checks::flow::served;
use crate::context::Context;
use crate::draft::Draft;
use crate::finding::Stop;
use crate::judge;
use crate::need::Need;
use countersign_spec::{Auth, Operation, Step};
use serde_json::json;

/// Adds the check of requests behind a refused one.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.needing(Need::PlainHttp).add(
        Group::Robustness,
        "a login behind a refused request on its connection works",
        &["common.robustness.connection-reused"],
        behind_a_refusal,
    );
    let proves = |operation: &&Operation| {
        matches!(operation.step, Step::Protected | Step::Verify)
            && matches!(operation.auth, Auth::Access | Auth::Signed)
            && !operation.auth_optional
    };
    for operation in checks.scheme.operations.iter().filter(proves) {
        let name = operation.name.clone();
        let sentence = format!("{name} without a proof behind one with it is refused");
        checks.needing(Need::PlainHttp).add(
            Group::Robustness,
            &sentence,
            &["common.robustness.connection-reused"],
            move |cx| {
                let operation = served(cx, &name)?;
                let session = cx.session()?;
                let good = cx.authorized(operation, &session);
                let bare = cx.fill(operation, &session.actor, None);
                let alone = cx.send(operation, &good)?;
                cx.control(&alone, &format!("asking {name} with a proof"))?;
                match cx.send_behind(&good, operation, &bare)? {
                    Some(answer) => {
                        let did = format!(
                            "asked {name} with a proof, and behind it without one on the same connection"
                        );
                        cx.must_refuse(&answer, &did)
                    }
                    None => {
                        Err(Stop::NotApplicable("the target closes connections after an answer".to_owned()))
                    }
                }
            },
        );
    }
}

fn behind_a_refusal(cx: &mut Context<'_>) -> Result<(), Stop> {
    let mut kept = 0;
    let names: Vec<&str> = refused(&Draft::new("", "POST", "/")).into_iter().map(|(what, _)| what).collect();
    for (index, what) in names.into_iter().enumerate() {
        let (operation, good, actor) = right_login(cx)?;
        // Another login than the one behind it: what is let in for once must not count as its repetition.
        let (_, other, _) = right_login(cx)?;
        let (_, first) = refused(&other).swap_remove(index);
        let Some(answer) = cx.send_behind(&first, operation, &good)? else { continue };
        // A limit is no misunderstanding.
        if answer.exchange.status() == Some(429) {
            continue;
        }
        kept += 1;
        if !answer.accepted() {
            // Nor is a lock: then the account is let in on no connection.
            cx.log_in(&actor)?;
            let did = format!("sent {what}, and a right login behind it on the same connection");
            let expected =
                format!("{}, or a closed connection", judge::describe_success(cx.scheme, operation));
            cx.found(&did, &expected, &answer)?;
        }
    }
    if kept == 0 {
        return Err(Stop::NotApplicable("the target closes connections after a refusal".to_owned()));
    }
    Ok(())
}

/// Requests that are refused, some of them before anybody looks at their bodies.
fn refused(good: &Draft) -> Vec<(&'static str, Draft)> {
    let mut list = Vec::new();
    let mut add = |what, change: &dyn Fn(&mut Draft)| {
        let mut draft = good.clone();
        change(&mut draft);
        list.push((what, draft));
    };
    add("a login to a path that is none", &|draft| draft.path = format!("{}-none", draft.path));
    add("a login by PUT", &|draft| draft.method = "PUT".to_owned());
    add("a login of another content type", &|draft| draft.set_header("content-type", "text/csv"));
    add("a login of no members", &|draft| draft.body = Some(json!({})));
    add("a body that is no JSON", &|draft| {
        draft.writing = crate::draft::Writing::Bytes(b"{\"a\": ".to_vec());
    });
    list
}
