//! Traffic that only the rules for every exchange judge: foreign origins, preflights, and paths written in other ways.

use crate::context::Context;
use crate::draft::Draft;
use crate::finding::Stop;
use countersign_spec::Operation;

/// Asks an operation from foreign pages and by odd paths.
///
/// # Errors
/// Where the target limits requests.
pub(super) fn traffic<'t>(cx: &mut Context<'t>, operation: &'t Operation, good: &Draft) -> Result<(), Stop> {
    let host = cx.target.client().base().host.clone();
    let origins = [
        "null".to_owned(),
        format!("https://{host}.evil.example"),
        format!("http://{host}:9"),
        "file://".to_owned(),
    ];
    for origin in origins {
        let mut foreign = good.clone();
        foreign.set_header("origin", &origin);
        cx.send(operation, &foreign)?;
        let mut preflight = foreign;
        preflight.set_header("access-control-request-method", &operation.method);
        preflight.set_header("access-control-request-headers", "authorization,content-type");
        preflight.headers.retain(|(name, _)| name != "content-type" && name != "authorization");
        "OPTIONS".clone_into(&mut preflight.method);
        preflight.body = None;
        cx.send(operation, &preflight)?;
    }
    for path in paths(&good.path) {
        let mut odd = good.clone();
        odd.path = path;
        cx.send(operation, &odd)?;
    }
    Ok(())
}

/// Where careless routers end up somewhere, nowhere, or in an error.
fn paths(path: &str) -> Vec<String> {
    let bare = path.trim_end_matches('/');
    let (parent, last) = bare.rsplit_once('/').unwrap_or(("", bare));
    vec![
        format!("/{bare}"),
        if path.ends_with('/') { bare.to_owned() } else { format!("{path}/") },
        format!("{parent}/{}", last.to_ascii_uppercase()),
        format!("{bare}%00"),
        format!("{bare};jsessionid=1"),
        format!("{parent}/x/%2e%2e/{last}"),
        format!("{parent}/%2f{last}"),
        format!("{bare}/%ff%fe"),
        format!("{bare}/{}", "a".repeat(3_000)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_odd_path_is_the_plain_one() {
        for path in ["/login", "/api/user_login/"] {
            assert!(paths(path).iter().all(|other| other != path && other.starts_with('/')), "{path}");
        }
    }
}
