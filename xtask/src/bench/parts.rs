//! What the server is measured against, each as a process of its own: a bare HTTP server, one recovery, bare commits.

use crate::unusable;
use bytes::Bytes;
use clap::{Args, Subcommand};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A part of `bench` that it starts itself.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Answer every request with a body of this many bytes
    Hyper { bytes: usize },
    /// Recover keys from signatures for so many milliseconds
    Recover { millis: u64 },
    /// Commit small changes to a database in this folder for so many milliseconds
    Commits { folder: PathBuf, millis: u64 },
}

/// Does the part; figures go to standard output.
pub(crate) fn run(options: &Options) -> ExitCode {
    let result = match &options.part {
        Part::Hyper { bytes } => serve(*bytes),
        Part::Recover { millis } => recover(Duration::from_millis(*millis)),
        Part::Commits { folder, millis } => {
            commits(folder, Duration::from_millis(*millis)).map_err(|error| error.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unusable(&error),
    }
}

/// The least that hyper can be made to do: read a request, answer a fixed body. Runs until it is killed.
fn serve(bytes: usize) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the bare server: {error}");
    let body = Bytes::from(vec![b'a'; bytes]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        anstream::println!("bare server listening on http://{address}");
        loop {
            let (stream, _) = listener.accept().await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            let body = body.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let body = body.clone();
                    async move {
                        request.into_body().collect().await?;
                        let mut response = Response::new(Full::new(body));
                        let json = header::HeaderValue::from_static("application/json");
                        response.headers_mut().insert(header::CONTENT_TYPE, json);
                        Ok::<_, hyper::Error>(response)
                    }
                });
                // A caller that goes away is no news.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

/// Prints how many recoveries were done and the seconds of CPU they took.
fn recover(time: Duration) -> Result<(), String> {
    let failed = |error: k256::ecdsa::Error| format!("the recovery: {error}");
    let key = SigningKey::from_slice(&[7; 32]).map_err(failed)?;
    let known = *key.verifying_key();
    let signed: Vec<([u8; 32], Signature, RecoveryId)> = (0..64_u8)
        .map(|number| {
            let digest = [number; 32];
            let (signature, recovery) = key.sign_prehash_recoverable(&digest);
            (digest, signature, recovery)
        })
        .collect();
    let (begun, before) = (Instant::now(), super::process::cpu(std::process::id())?);
    let mut count = 0_u64;
    while begun.elapsed() < time {
        for (digest, signature, recovery) in &signed {
            let found = VerifyingKey::recover_from_prehash(digest, signature, *recovery).map_err(failed)?;
            if found != known {
                return Err("the recovery found another key".to_owned());
            }
            count += 1;
        }
    }
    let cpu = super::process::cpu(std::process::id())? - before;
    anstream::println!("{count} {cpu}");
    Ok(())
}

/// Prints how many commits were done and the seconds they took. Each replaces one small value, durably.
fn commits(folder: &std::path::Path, time: Duration) -> Result<(), redb::Error> {
    const TABLE: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("entries");
    let database = redb::Database::create(folder.join("bare.redb"))?;
    let begun = Instant::now();
    let mut count = 0_u64;
    while begun.elapsed() < time {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            let key = format!("family/{}", count % 64);
            // As much as is kept about a family.
            table.insert(key.as_str(), [b'a'; 220].as_slice())?;
        }
        transaction.commit()?;
        count += 1;
    }
    anstream::println!("{count} {}", begun.elapsed().as_secs_f64());
    Ok(())
}
