//! What a server says when it listens.

use countersign_spec::Spec;
use secrecy::ExposeSecret as _;
use std::io::Write as _;
use std::net::SocketAddr;

/// The first line is for programs: they read the port from it.
pub(super) fn announce(
    address: SocketAddr,
    encrypted: bool,
    operators: Option<SocketAddr>,
    dev: bool,
    seeds: &[crate::accounts::Seed],
) -> std::io::Result<()> {
    let url = format!("{}://{address}", if encrypted { "https" } else { "http" });
    let mut out = std::io::stdout().lock();
    writeln!(out, "countersign-server listening on {url}")?;
    for scheme in Spec::embedded().schemes() {
        let login =
            scheme.step(countersign_spec::Step::Login).map_or("", |operation| operation.path.as_str());
        writeln!(out, "  {:<11} {login}   (document {})", scheme.id, scheme.document)?;
    }
    if let Some(operators) = operators {
        writeln!(out, "Operators: http://{operators}/healthz, /readyz and /metrics")?;
    }
    writeln!(out, "OpenAPI documents: {url}/openapi/ethgas.json and so on")?;
    if dev {
        writeln!(out, "Development mode: everybody knows these accounts, passwords are hashed cheaply,")?;
        writeln!(
            out,
            "POST /__clock {{\"advance_seconds\": N}} moves the clock, POST /__reset forgets everything."
        )?;
    }
    let example = seeds.iter().find(|seed| dev && seed.scheme == "ethgas");
    if let Some(seed) = example {
        let body = serde_json::json!({ "username": seed.name, "password": seed.password.expose_secret() });
        let quoted = body.to_string().replace('\'', "'\\''");
        writeln!(
            out,
            "Try:\n  curl -s {url}/api/v1/user/login -H 'Content-Type: application/json' -d '{quoted}'"
        )?;
    }
    out.flush()
}
