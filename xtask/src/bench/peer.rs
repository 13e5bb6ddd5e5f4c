//! The harness beside the best known fuzzer of APIs.

use super::report::{Budget, Figure, median};
use super::{Run, bare};
use crate::torture::server::Home;
use countersign_spec::Spec;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Requests per second of the harness over those of Schemathesis, which judge all schemes of the same server in turns.
/// Where Schemathesis is not installed there is a figure without a number, which holds no budget.
pub(super) fn requests(run: &Run) -> Result<Vec<Figure>, String> {
    let mut figure = Figure {
        what: "requests/s of the harness over Schemathesis",
        unit: "",
        rounds: Vec::new(),
        budget: Budget::AtLeast(30.0),
        from: "no `schemathesis` on PATH: `pip install schemathesis`".to_owned(),
    };
    let Some(version) = version() else { return Ok(vec![figure]) };
    let admin = free_address()?;
    let config = format!("[admin]\nlisten = \"{admin}\"\n");
    let home = Home::new(&run.server, &config)?.on_cores(&run.cores);
    let server = home.start()?;
    // As `cargo xtask conformance` is told: a clock that moves is not waited for.
    let profile = home.folder().join("target.toml");
    let text = format!("url = \"{}\"\n[clock]\nadvance = \"/__clock\"\nreset = \"/__reset\"\n", server.url());
    std::fs::write(&profile, text).map_err(|error| format!("{}: {error}", profile.display()))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds.min(3) {
        let mut peer: Vec<Command> = Spec::embedded()
            .schemes()
            .iter()
            .map(|scheme| {
                let document = format!("{}/openapi/{}.json", server.url(), scheme.id);
                let mut command = bare::on_cores(run, &run.cores, Path::new(PROGRAM));
                // It leaves its memory of examples where it is started.
                command.current_dir(home.folder());
                command.args(["run", &document, "--url", server.url(), "--seed", "1"]);
                command
            })
            .collect();
        // It ends with 1 where it finds something.
        let their = per_second(admin, &mut peer, &[0, 1])?;
        // This program is the harness, too, built as it is installed.
        let mut own = bare::on_cores(run, &run.cores, &run.own);
        own.current_dir(&run.root).args(["conformance", "--profile"]).arg(&profile);
        let our = per_second(admin, &mut [own], &[0])?;
        figure.rounds.push(our / their);
        ours.push(our);
        theirs.push(their);
    }
    figure.from = format!("{:.0}/s over {:.0}/s of {version}, all schemes", median(&ours), median(&theirs));
    Ok(vec![figure])
}

const PROGRAM: &str = "schemathesis";

/// What it calls itself; nothing where it is not there.
fn version() -> Option<String> {
    let output = Command::new(PROGRAM).arg("--version").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().replace(", version", "");
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Requests that programs sent one after another, as the server counts them, over the time from the first one's start to
/// the last one's end.
fn per_second(admin: SocketAddr, commands: &mut [Command], ends: &[i32]) -> Result<f64, String> {
    let before = counted(admin)?;
    let begun = Instant::now();
    for command in commands {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
        if !output.status.code().is_some_and(|code| ends.contains(&code)) {
            let told = String::from_utf8_lossy(&output.stderr);
            let last = told.trim().lines().last().unwrap_or_default().to_owned();
            return Err(format!("{name} ended with {}: {last}", output.status));
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let sent = counted(admin)? - before;
    if sent < 100.0 {
        return Err(format!("only {sent} requests were sent"));
    }
    Ok(sent / took)
}

/// How many requests the server has answered.
fn counted(admin: SocketAddr) -> Result<f64, String> {
    let failed = |error: std::io::Error| format!("the figures of the server at {admin}: {error}");
    let mut stream = TcpStream::connect(admin).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(failed)?;
    Ok(total(&text))
}

fn total(metrics: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with("countersign_requests_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// An address that nobody listens at.
fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_operations_are_counted_and_nothing_else() {
        let text = "countersign_requests_total{scheme=\"a\",outcome=\"ok\"} 3\n\
                    countersign_requests_total{scheme=\"none\",outcome=\"denied\"} 2\n\
                    countersign_request_duration_seconds_count{scheme=\"a\"} 5\n# EOF\n";
        assert!((total(text) - 5.0).abs() < f64::EPSILON);
    }
}
