//! Every fault there is, as a visible list of groups.

#[path = "list/addresses.rs"]
mod addresses;
#[path = "list/believing.rs"]
mod believing;
#[path = "list/challenge.rs"]
mod challenge;
#[path = "list/credential.rs"]
mod credential;
#[path = "list/edges.rs"]
mod edges;
#[path = "list/everywhere.rs"]
mod everywhere;
#[path = "list/flow.rs"]
mod flow;
#[path = "list/form.rs"]
mod form;
#[path = "list/guessed.rs"]
mod guessed;
#[path = "list/handed.rs"]
mod handed;
#[path = "list/hygiene.rs"]
mod hygiene;
#[path = "list/keeping.rs"]
mod keeping;
#[path = "list/keys.rs"]
mod keys;
#[path = "list/letters.rs"]
mod letters;
#[path = "list/marked.rs"]
mod marked;
#[path = "list/mended.rs"]
mod mended;
#[path = "list/neighbours.rs"]
mod neighbours;
#[path = "list/pages.rs"]
mod pages;
#[path = "list/proof.rs"]
mod proof;
#[path = "list/refused.rs"]
mod refused;
#[path = "list/replay.rs"]
mod replay;
#[path = "list/robustness.rs"]
mod robustness;
#[path = "list/safely.rs"]
mod safely;
#[path = "list/sessions.rs"]
mod sessions;
#[path = "list/sidelong.rs"]
mod sidelong;
#[path = "list/spent.rs"]
mod spent;
#[path = "list/time.rs"]
mod time;
#[path = "list/timing.rs"]
mod timing;
#[path = "list/token.rs"]
pub(crate) mod token;
#[path = "list/waiting.rs"]
mod waiting;

use crate::bend::{Bend, Resp, Way};
use crate::fault::Fault;
use crate::world::Seen;

/// All faults of all schemes.
pub(crate) fn all() -> Vec<Fault> {
    let mut faults = Vec::new();
    for scheme in countersign_spec::Spec::embedded().schemes() {
        faults.extend(form::of(scheme));
        faults.extend(flow::of(scheme));
        faults.extend(proof::of(scheme));
        faults.extend(challenge::of(scheme));
        faults.extend(credential::of(scheme));
        faults.extend(token::of(scheme));
        faults.extend(robustness::of(scheme));
        faults.extend(time::of(scheme));
        faults.extend(timing::of(scheme));
        faults.extend(edges::of(scheme));
        faults.extend(guessed::of(scheme));
        faults.extend(neighbours::of(scheme));
        faults.extend(handed::of(scheme));
        faults.extend(sessions::of(scheme));
        faults.extend(letters::of(scheme));
        faults.extend(keeping::of(scheme));
        faults.extend(believing::of(scheme));
        faults.extend(replay::of(scheme));
        faults.extend(hygiene::of(scheme));
        faults.extend(refused::of(scheme));
        faults.extend(marked::of(scheme));
        faults.extend(keys::of(scheme));
        faults.extend(addresses::of(scheme));
        faults.extend(sidelong::of(scheme));
        faults.extend(spent::of(scheme));
        faults.extend(mended::of(scheme));
        faults.extend(safely::of(scheme));
        faults.extend(pages::of(scheme));
        faults.extend(everywhere::of(scheme));
        faults.extend(waiting::of(scheme));
    }
    faults
}

/// A server that lets requests of one operation in which it should refuse.
fn accepts(
    scheme: &str,
    operation: &str,
    when: impl Fn(&Seen<'_>) -> bool + Send + Sync + Clone + 'static,
) -> impl Fn() -> Bend + Send + Sync + 'static {
    decides(scheme, operation, when, || Way::Accept)
}

/// A server that refuses requests of one operation which it should let in.
fn refuses(
    scheme: &str,
    operation: &str,
    when: impl Fn(&Seen<'_>) -> bool + Send + Sync + Clone + 'static,
) -> impl Fn() -> Bend + Send + Sync + 'static {
    decides(scheme, operation, when, || Way::Refuse)
}

fn decides(
    scheme: &str,
    operation: &str,
    when: impl Fn(&Seen<'_>) -> bool + Send + Sync + Clone + 'static,
    way: fn() -> Way,
) -> impl Fn() -> Bend + Send + Sync + 'static {
    let (scheme, operation) = (scheme.to_owned(), operation.to_owned());
    move || {
        let (scheme, operation, when) = (scheme.clone(), operation.clone(), when.clone());
        Bend::decide(move |seen| if seen.is(&scheme, &operation) && when(seen) { way() } else { Way::Pass })
    }
}

/// This, as JSON, in place of an answer of the server.
fn say(body: &serde_json::Value) -> Way {
    say_status(200, body)
}

/// This status and this, as JSON, in place of an answer of the server.
pub(crate) fn say_status(status: u16, body: &serde_json::Value) -> Way {
    let status = http::StatusCode::from_u16(status).unwrap_or_default();
    let mut resp = Resp { status, headers: http::HeaderMap::new(), body: bytes::Bytes::new() };
    resp.set_header("content-type", "application/json");
    resp.set_json(body);
    Way::Say(Box::new(resp))
}

/// Text that stands for a token and says nothing.
pub(crate) fn opaque(token: &str) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(token))
}
