//! HTTP/2 as attackers speak it, frame by frame.

use super::support::Server;
use countersign_server::http::serve::ConnectionLimits;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `GET /healthz` in HPACK, without any table.
pub(super) fn get_healthz() -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(4u8, "/healthz"), (1, "localhost")] {
        block.push(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    }
    block
}

pub(super) fn opening() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes
}

/// Kind, stream and payload of the next frame; nothing when the connection ends.
pub(super) fn next(stream: &mut impl Read) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Asks for `/healthz` and answers the status' byte in HPACK.
pub(super) fn ask(stream: &mut (impl Read + Write)) -> Option<u8> {
    stream.write_all(&[opening(), frame(HEADERS, 5, 1, &get_healthz())].concat()).unwrap();
    (0..100)
        .map_while(|_| next(stream))
        .find(|(kind, on, _)| (*kind, *on) == (HEADERS, 1))
        .map(|(.., block)| block[0])
}

#[test]
fn requests_are_answered_and_limits_announced() {
    let server = Server::start();
    let mut stream = connect(&server);
    assert_eq!(ask(&mut stream), Some(0x88), "200");
    let mut stream = connect(&server);
    stream.write_all(&opening()).unwrap();
    let (kind, _, payload) = next(&mut stream).unwrap();
    assert_eq!(kind, SETTINGS);
    let settings: Vec<(u16, u32)> = payload
        .chunks_exact(6)
        .map(|one| {
            (u16::from_be_bytes([one[0], one[1]]), u32::from_be_bytes([one[2], one[3], one[4], one[5]]))
        })
        .collect();
    // Streams at once, bytes of a body on its way, bytes of a head.
    for expected in [(3, 64), (4, 65_536), (6, 16_384)] {
        assert!(settings.contains(&expected), "{settings:?}");
    }
}

/// Floods with frames and answers whether the server sent the flooder away.
fn sent_away(server: &Server, flood: impl Fn(u32) -> Vec<u8>) -> bool {
    let mut stream = connect(server);
    stream.write_all(&opening()).unwrap();
    for number in 0..5_000 {
        if stream.write_all(&flood(number)).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut frames = 0;
    while let Some((kind, _, payload)) = next(&mut stream) {
        // No error is how a server says goodbye to who has nothing more to say.
        if kind == GOAWAY && payload[4..8] != [0; 4] {
            return true;
        }
        frames += 1;
        assert!(frames < 20_000, "a flood is answered in full");
    }
    false
}

#[test]
fn floods_are_sent_away_and_others_are_served() {
    let server = Server::start();
    let stream_of = |number: u32| 2 * number + 1;
    let resets = |number| {
        let on = stream_of(number);
        [frame(HEADERS, 5, on, &get_healthz()), frame(RST_STREAM, 0, on, &8u32.to_be_bytes())].concat()
    };
    assert!(sent_away(&server, resets), "streams that are opened only to be reset");
    let continued = |number| match number {
        0 => frame(HEADERS, 1, 1, &get_healthz()),
        _ => frame(CONTINUATION, 0, 1, &[0x10; 1_000]),
    };
    assert!(sent_away(&server, continued), "a head that never ends");
    let closed = |number| match number {
        0 => frame(HEADERS, 5, 1, &get_healthz()),
        _ => frame(DATA, 0, 1, b"x"),
    };
    assert!(sent_away(&server, closed), "a body after its end");
    assert_eq!(ask(&mut connect(&server)), Some(0x88));
}

#[test]
fn a_source_has_so_many_connections_and_gets_room_back() {
    let server = Server::limited(ConnectionLimits { per_source: Some(3), ..ConnectionLimits::default() });
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(&server)).collect();
    // Used, so that they are open on the other side too.
    for stream in &mut held {
        assert_eq!(ask(stream), Some(0x88));
    }
    let mut fourth = connect(&server);
    assert!(matches!(fourth.read(&mut [0; 1]), Ok(0) | Err(_)), "closed at once");
    drop(held);
    let again = (0..1_000).any(|_| {
        let mut stream = connect(&server);
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").is_ok()
            && stream.read(&mut [0; 12]).is_ok_and(|read| read == 12)
    });
    assert!(again, "room comes back");
}
