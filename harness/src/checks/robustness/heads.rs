//! An answer to HEAD is a head. What follows it on the connection is read as the beginning of the next answer.

use crate::check::{Checks, Group};
use crate::need::Need;
use crate::raw::Oddity;
use countersign_spec::{Auth, Operation};

/// Adds the check.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.needing(Need::PlainHttp).add(
        Group::Robustness,
        "an answer to head has no content",
        &["common.robustness.head-has-no-content"],
        |cx| {
            let served: Vec<&Operation> =
                cx.scheme.operations.iter().filter(|operation| cx.served(operation).is_ok()).collect();
            let session = cx.session()?;
            for operation in served {
                let bare = cx.draft(operation);
                let mut ways = vec![("without a proof", bare)];
                if operation.method == "GET" && operation.auth != Auth::None {
                    ways.push(("with a proof", cx.authorized(operation, &session)));
                }
                let mut nowhere = cx.draft(operation);
                nowhere.path = format!("{}-{}", nowhere.path.trim_end_matches('/'), cx.random_hex(4));
                ways.push(("at a path that is not there", nowhere));
                for (how, mut draft) in ways {
                    "HEAD".clone_into(&mut draft.method);
                    draft.body = None;
                    let answer = cx.send_raw(operation, &draft, Oddity::HeadOnly)?;
                    let Ok(response) = &answer.exchange.outcome else { continue };
                    if !response.body.is_empty() {
                        let did = format!("asked {} by HEAD {how}", operation.name);
                        let got = format!(
                            "HTTP {} and {} bytes behind the head: {}",
                            response.status,
                            response.body.len(),
                            crate::exchange::cut(&String::from_utf8_lossy(&response.body), 80)
                        );
                        let exchanges = std::slice::from_ref(&answer.exchange);
                        cx.found_in(&did, "a head and nothing behind it", &got, exchanges)?;
                    }
                }
            }
            Ok(())
        },
    );
}
