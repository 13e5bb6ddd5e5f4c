//! The API is held to its document: `cargo test --test conformance`, or `cargo nextest run`.

use countersign::{Judge, Started};
use countersign_example_axum::Api;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

// Only for tests; the profile names them, too.
const KEY: &[u8] = b"9c1e7f02b4a84d5f8b66e0d3a7c25191";
const APPS: [(&str, &str); 2] = [("Qb7xWm2K", "Zr4nT8vLc1Yp6JsD"), ("Hd9sVk3P", "Gw5qX2mRf7Ub0NtE")];

fn main() -> ExitCode {
    Judge::of("tests/target.toml").starting(start).run()
}

/// Serves the API from this process, on a free port, until the run is over.
fn start() -> std::io::Result<Started> {
    let runtime = Runtime::new()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}", listener.local_addr()?);
    runtime.spawn(Api::new(KEY, APPS)?.serve(listener));
    Ok(Started::at(url, runtime))
}
