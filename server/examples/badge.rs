//! A sixth scheme: a badge and a PIN for a token that lasts one shift.
//!
//! What is on the wire stands in `badge/`, the scheme's folder of the specification: paths, members, schemas, examples.
//! What is left to write is how a proof is judged and how answers read. Routes, strict parsing, limits and tokens are the
//! framework's, and whatever goes wrong is refused in the scheme's own words.
//!
//! `cargo run -p countersign-server --example badge`, and then
//! `curl -d '{"badge":"4711","pin":"8391-27"}' -H 'Content-Type: application/json' http://127.0.0.1:8090/badge/enter`

use countersign_server::Login;
use countersign_server::accounts::{Accounts, Seed};
use countersign_server::env::{SystemClock, SystemRandom};
use countersign_server::error::LoginError;
use countersign_server::http::serve::{ConnectionLimits, serve};
use countersign_server::limits::{AttemptRules, LimitRules};
use countersign_server::password::{Cost, Passwords};
use countersign_server::scheme::{
    Body, Cx, Grants, LoginScheme, Never, Policy, Proven, Refusal, Refused, Renewal, Said, Step, Subject, Use,
};
use countersign_server::store::MemoryStore;
use countersign_server::token::{From, KeyRing, LocalKey};
use countersign_spec::Spec;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The scheme. It has no settings.
#[derive(Debug)]
struct Badge;

/// `POST /badge/enter`, after its schema has been checked.
#[derive(Deserialize)]
struct Enter {
    badge: String,
    pin: String,
}

impl LoginScheme for Badge {
    const ID: &'static str = "badge";
    const OPERATIONS: &'static [(&'static str, Step)] = &[("enter", Step::Login), ("whose", Step::Protected)];

    // Nobody asks for a challenge or looks anybody up.
    type Start = Never;
    type Pending = Never;
    type Answer = Enter;
    type Query = Never;

    fn grants(&self) -> Grants {
        // A shift, after which one comes to the door again.
        let renewal = Renewal::Reissue { window: 0, from: From::Issue };
        Grants::Tokens(Policy { lifetime: 8 * 3_600, ends: "exp", began: "iat", renewal })
    }

    fn claims<'s>(&self, subject: &'s Subject, _: Use) -> Cow<'s, Map<String, Value>> {
        Cow::Owned(Map::from_iter([("badge".to_owned(), subject.id.as_str().into())]))
    }

    async fn proceed(&self, cx: &Cx<'_>, _: Option<Never>, input: Enter) -> Result<Proven, LoginError> {
        // Counted, hashed and compared in constant time, whether the badge exists or not.
        let account = cx.log_in(&input.badge, &input.pin).await?;
        Ok(Subject { id: account.name, attributes: Map::new() }.into())
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        match said {
            Said::LoggedIn { tokens: Some(tokens), .. } => {
                Some(json!({ "token": tokens.access, "seconds": tokens.lifetime }).into())
            }
            Said::Own { subject } => Some(json!({ "badge": subject.id }).into()),
            _ => None,
        }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        let status = refusal.why.status();
        Refused { status, body: json!({ "code": status, "why": refusal.why.phrase() }), authenticate: None }
    }
}

/// Serves the door until told to stop. The badge 4711 has the PIN 8391-27.
pub(crate) async fn run(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let passwords = Passwords::start(Cost::FLOOR, 2, 64, Arc::new(SystemRandom))?;
    let seed =
        Seed { scheme: "badge".into(), name: "4711".into(), password: "8391-27".into(), flags: [].into() };
    Accounts::new(store.clone(), passwords.clone()).seed(&seed).await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/badge");
    let login = Login::builder()
        .spec(Spec::load(&folder)?)
        .scheme(Badge)
        .store(store)
        .keys(KeyRing::new(Arc::new(LocalKey::hs256(b"for an example only, 32 bytes or more")?)))
        .passwords(passwords)
        // A PIN is short: five tries from one place in five minutes.
        .client_limits(LimitRules {
            attempts: Some(AttemptRules { pair: 5, ..AttemptRules::default() }),
            ..LimitRules::default()
        })
        .build()?;
    serve(listener, login, ConnectionLimits::default(), stop).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run(TcpListener::bind("127.0.0.1:8090").await?, async { drop(tokio::signal::ctrl_c().await) }).await
}
