//! Tokens that say where their key lies, at a place that the harness watches.

use super::Door;
use crate::check::{Checks, Group};
use crate::checks::flow::first_sink;
use crate::context::Context;
use crate::finding::Stop;
use crate::jwt::Jwt;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Adds the check of addresses in headers.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a token that says where its key lies makes nobody fetch it",
            &["common.token.no-fetch"],
            no_fetch,
        )
        .family("token-unread", 4);
}

fn no_fetch(cx: &mut Context<'_>) -> Result<(), Stop> {
    let doors = Door::all(cx);
    if doors.is_empty() {
        first_sink(cx)?;
    }
    let key = cx.random_hex(32);
    let bait = Bait::lay(cx, &key).map_err(|why| {
        Stop::Inconclusive(format!("no place could be made that the target might ask: {why}"))
    })?;
    let (mut forged_any, mut told) = (false, 0);
    for door in doors {
        let session = cx.session()?;
        let Some(jwt) = Jwt::read(&door.token(&session)) else { continue };
        for name in ["jku", "x5u"] {
            forged_any = true;
            let forged = jwt.resigned(
                key.as_bytes(),
                |header| {
                    header.insert(name.to_owned(), json!(bait.url()));
                    header.insert("kid".to_owned(), json!("bait"));
                },
                |_| (),
            );
            cx.secrets.add(&forged, "$FORGED_TOKEN");
            let answer = door.knock(cx, &session, &forged)?;
            let did = format!("asked {} with a token whose {name} is {}", door.name(), bait.url());
            if bait.asked() > told {
                told = bait.asked();
                let expected = "a refusal, and no request to an address that a stranger wrote into a token";
                cx.found(&format!("{did}; the target asked there"), expected, &answer)?;
            }
            cx.must_refuse(&answer, &did)?;
        }
    }
    if forged_any {
        return Ok(());
    }
    Err(Stop::NotApplicable("the token is no JWT, so that there is nothing in it to forge".to_owned()))
}

/// A place on this machine that hands out the forger's key and counts who asks.
struct Bait {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Bait {
    fn lay(cx: &Context<'_>, key: &str) -> std::io::Result<Self> {
        let base = cx.target.client().base();
        // The address by which the target, or whatever stands before it, can reach this machine, if it can at all.
        let target = (base.host.as_str(), base.port).to_socket_addrs()?.next();
        let target = target.ok_or_else(|| std::io::Error::other("the target's name has no address"))?;
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let probe = UdpSocket::bind(any)?;
        probe.connect(target)?;
        let listener = TcpListener::bind((probe.local_addr()?.ip(), 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let bait = Self { address, asked: Arc::default(), over: Arc::default() };
        let keys = json!({ "keys": [{ "kty": "oct", "kid": "bait", "alg": "HS256", "k": encoded(key) }] });
        let (asked, over) = (Arc::clone(&bait.asked), Arc::clone(&bait.over));
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        asked.fetch_add(1, Ordering::SeqCst);
                        drop(answer(stream, &keys));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Ok(bait)
    }

    fn url(&self) -> String {
        format!("http://{}/keys.json", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

fn answer(mut stream: TcpStream, keys: &Value) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut request = [0; 2048];
    let _read = stream.read(&mut request)?;
    let body = keys.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn encoded(key: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(key.as_bytes())
}
