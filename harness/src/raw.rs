//! Requests written byte by byte, for what an HTTP library would mend or refuse to send.

use crate::client::{Client, WireError, WireRequest, WireResponse};
use bytes::Bytes;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A request in bytes, in the pieces in which it is written, with a pause between them.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// What is written.
    pub pieces: Vec<Vec<u8>>,
    /// How long to wait before each further piece. Whatever is answered meanwhile ends the wait.
    pub pause: Duration,
}

/// How the bytes of a request depart from the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Header names in upper case. Legal (RFC 9110 section 5.1).
    UpperCaseNames,
    /// Header names with capitals at the beginning of each word, as most clients write them. Legal, as above.
    TitleCaseNames,
    /// No space behind the colon. Legal (RFC 9112 section 5.1).
    NoSpace,
    /// Spaces and a tab behind the value. Legal (RFC 9112 section 5.1).
    TrailingSpace,
    /// The body in several segments. Legal (RFC 9112 section 6).
    Segments,
    /// The head, with `Expect: 100-continue`, and the body when the answer to that has come or is overdue. Legal (RFC 9110
    /// section 10.1.1).
    Expect,
    /// The body in two segments, cut inside a character where one has several bytes. Legal (RFC 9112 section 6).
    SplitCharacter,
    /// None.
    Plain,
    /// Nothing about a body, and none. Legal (RFC 9112 section 6.3).
    NoLength,
    /// Neither, and no answer is waited for beyond its head.
    HeadOnly,
    /// Content-Length beside Transfer-Encoding (RFC 9112 section 6.1).
    TwoFramings,
    /// Content-Length and a body of that length beside Transfer-Encoding, without any chunk (RFC 9112 section 6.3).
    LengthRules,
    /// Two Content-Length headers that differ (RFC 9112 section 6.3).
    TwoLengths,
    /// A Content-Length with a sign, which is no digit (RFC 9110 section 8.6).
    SignedLength,
    /// A Content-Length in hex behind 0x (RFC 9110 section 8.6).
    HexLength,
    /// One Content-Length that lists two lengths which differ (RFC 9112 section 6.3).
    ListedLengths,
    /// A chunk whose size has a sign (RFC 9112 section 7.1).
    SignedChunk,
    /// A chunk whose size stands behind 0x (RFC 9112 section 7.1).
    PrefixedChunk,
    /// A chunk whose size has an underscore between its digits (RFC 9112 section 7.1).
    SpacedChunk,
    /// No Host (RFC 9112 section 3.2).
    NoHost,
    /// Lines that end in LF alone (RFC 9112 section 2.2).
    BareLineFeed,
    /// White space between a header's name and its colon (RFC 9112 section 5.1).
    SpaceBeforeColon,
}

impl Oddity {
    /// Whether a target has all its time: what is legal is not refused by silence.
    #[must_use]
    pub fn takes_time(self) -> bool {
        matches!(self, Self::Expect | Self::SplitCharacter | Self::Plain | Self::NoLength)
    }
}

/// Writes a request with an oddity; the answer is asked to close the connection.
#[must_use]
pub fn write(request: &WireRequest, authority: &str, prefix: &str, oddity: Oddity) -> RawRequest {
    let body = request.body.bytes();
    let mut headers: Vec<(String, String)> = request.headers.clone();
    headers.push(("connection".to_owned(), "close".to_owned()));
    if oddity != Oddity::NoHost {
        headers.insert(0, ("host".to_owned(), authority.to_owned()));
    }
    let mut content = body.to_vec();
    match oddity {
        Oddity::TwoFramings => {
            headers.push(("content-length".to_owned(), body.len().to_string()));
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
            content = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        }
        Oddity::LengthRules => {
            headers.push(("content-length".to_owned(), body.len().to_string()));
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
        }
        Oddity::TwoLengths => {
            headers.push(("content-length".to_owned(), body.len().to_string()));
            headers.push(("content-length".to_owned(), (body.len() + 1).to_string()));
        }
        Oddity::SignedLength => headers.push(("content-length".to_owned(), format!("+{}", body.len()))),
        Oddity::HexLength => headers.push(("content-length".to_owned(), format!("0x{:x}", body.len()))),
        Oddity::ListedLengths => {
            let lengths = format!("{}, {}", body.len(), body.len() + 1);
            headers.push(("content-length".to_owned(), lengths));
        }
        Oddity::SignedChunk | Oddity::PrefixedChunk | Oddity::SpacedChunk => {
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
            let size = match oddity {
                Oddity::SignedChunk => format!("+{:x}", body.len()),
                Oddity::PrefixedChunk => format!("0x{:x}", body.len()),
                _ => format!("0_{:x}", body.len()),
            };
            content = [size.as_bytes(), b"\r\n", &body, b"\r\n0\r\n\r\n"].concat();
        }
        Oddity::NoLength | Oddity::HeadOnly => content.clear(),
        _ => headers.push(("content-length".to_owned(), body.len().to_string())),
    }
    if oddity == Oddity::Expect {
        headers.push(("expect".to_owned(), "100-continue".to_owned()));
    }
    let end = if oddity == Oddity::BareLineFeed { "\n" } else { "\r\n" };
    let mut head = format!("{} {prefix}{} HTTP/1.1{end}", request.method, request.path);
    for (name, value) in headers {
        match oddity {
            Oddity::UpperCaseNames => head.push_str(&format!("{}: {value}", name.to_ascii_uppercase())),
            Oddity::TitleCaseNames => head.push_str(&format!("{}: {value}", in_title_case(&name))),
            Oddity::NoSpace => head.push_str(&format!("{name}:{value}")),
            Oddity::TrailingSpace => head.push_str(&format!("{name}: {value} \t ")),
            Oddity::SpaceBeforeColon if name == "content-type" => head.push_str(&format!("{name} : {value}")),
            _ => head.push_str(&format!("{name}: {value}")),
        }
        head.push_str(end);
    }
    head.push_str(end);
    let head = head.into_bytes();
    let (pieces, pause) = match oddity {
        Oddity::Segments => {
            let (first, second) = content.split_at(content.len() / 2);
            (vec![head, first.to_vec(), second.to_vec()], SHORT)
        }
        Oddity::SplitCharacter => {
            let (first, second) = content.split_at(inside_a_character(&content));
            (vec![[head, first.to_vec()].concat(), second.to_vec()], SHORT)
        }
        Oddity::Expect => (vec![head, content], CONTINUE_WITHIN),
        _ => (vec![[head, content].concat()], SHORT),
    };
    RawRequest { pieces, pause }
}

fn in_title_case(name: &str) -> String {
    let word =
        |word: &str| word[..1.min(word.len())].to_ascii_uppercase() + word.get(1..).unwrap_or_default();
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Between two segments.
const SHORT: Duration = Duration::from_millis(40);
/// In which a server has surely accepted a connection and begun to read.
const BEGUN: Duration = Duration::from_millis(100);
/// How long a client that expects 100 waits for it before it sends its body all the same (RFC 9110 section 10.1.1).
const CONTINUE_WITHIN: Duration = Duration::from_secs(1);

/// The first place inside a character of several bytes, or the middle.
fn inside_a_character(content: &[u8]) -> usize {
    let continues = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    content.iter().position(continues).unwrap_or(content.len() / 2)
}

/// Sends raw bytes on a connection of their own and reads until it closes.
///
/// # Errors
/// No connection, no answer in time, or an answer that is no HTTP.
pub fn send(client: &Client, request: &RawRequest, within: Duration) -> Result<WireResponse, WireError> {
    let mut stream = client.connect_raw(within)?;
    let start = Instant::now();
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => WireError::Timeout(within),
        _ => WireError::Closed(error.to_string()),
    };
    stream.set_nodelay(true).map_err(io)?;
    stream.set_read_timeout(Some(within)).map_err(io)?;
    let mut bytes = Vec::new();
    let mut broken = None;
    for (index, piece) in request.pieces.iter().enumerate() {
        if index > 0 {
            stream.set_read_timeout(Some(request.pause)).map_err(io)?;
            read_some(&mut stream, &mut bytes);
            // Who has answered wants no more of it.
            if final_answer(&bytes).is_some_and(|answer| !answer.is_empty()) {
                break;
            }
        }
        if let Err(error) = stream.write_all(piece) {
            // Who closed early may have answered before.
            broken = Some(error);
            break;
        }
    }
    stream.set_read_timeout(Some(within)).map_err(io)?;
    let mut buffer = [0_u8; 8192];
    loop {
        if is_whole(&bytes) {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            // What has come may be whole although the connection was left open.
            Err(error) if bytes.is_empty() => return Err(io(broken.unwrap_or(error))),
            Err(_) => break,
        }
        if bytes.len() > 1 << 20 || start.elapsed() > within {
            break;
        }
    }
    if bytes.is_empty()
        && let Some(error) = broken
    {
        return Err(io(error));
    }
    parse(&bytes, start.elapsed())
}

/// Opens a connection, writes a part of a request, and leaves it at that while something else is done, though not for longer
/// than `most`; then writes the rest and reads the answer, whatever it is.
///
/// # Errors
/// No connection, or one that takes nothing.
pub fn while_held<T>(
    client: &Client,
    [first, rest]: [&[u8]; 2],
    most: Duration,
    within: Duration,
    work: impl FnOnce() -> T,
) -> Result<T, WireError> {
    let io = |error: std::io::Error| WireError::Closed(error.to_string());
    let mut stream = client.connect_raw(within)?;
    stream.set_nodelay(true).map_err(io)?;
    stream.set_read_timeout(Some(within)).map_err(io)?;
    stream.write_all(first).map_err(io)?;
    // Until the other side has begun to read; nothing tells when.
    std::thread::sleep(BEGUN);
    let (done, over) = std::sync::mpsc::channel::<()>();
    Ok(std::thread::scope(|scope| {
        scope.spawn(move || {
            // That the work is over is all there is to hear.
            let _ = over.recv_timeout(most);
            if !rest.is_empty() && stream.write_all(rest).is_ok() {
                read_some(&mut stream, &mut Vec::new());
            }
        });
        let result = work();
        drop(done);
        result
    }))
}

/// Sends two requests in turn on one connection: the second when the answer to the first is whole. Nothing for the second
/// where the connection ended with the first answer, as it may.
///
/// # Errors
/// No connection, or no whole answer to the first request.
pub fn in_turn(
    client: &Client,
    requests: [&WireRequest; 2],
    within: Duration,
) -> Result<Option<Result<WireResponse, WireError>>, WireError> {
    let base = client.base();
    let mut stream = client.connect_raw(within)?;
    let io = |error: std::io::Error| WireError::Closed(error.to_string());
    stream.set_nodelay(true).map_err(io)?;
    stream.set_read_timeout(Some(within)).map_err(io)?;
    let start = Instant::now();
    stream.write_all(&kept_open(requests[0], base)).map_err(io)?;
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        let before = bytes.len();
        read_some(&mut stream, &mut bytes);
        if bytes.len() == before || start.elapsed() > within {
            break;
        }
    }
    let first = parse(&bytes, start.elapsed())?;
    let closes = first
        .headers
        .iter()
        .any(|(name, value)| name == "connection" && value.to_ascii_lowercase().contains("close"));
    if closes || bytes.starts_with(b"HTTP/1.0") || !is_whole(&bytes) {
        return Ok(None);
    }
    // A connection that is closed politely takes no more; whether it is shows here or at the first read.
    if stream.write_all(&kept_open(requests[1], base)).is_err() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        let before = bytes.len();
        read_some(&mut stream, &mut bytes);
        if bytes.len() == before || start.elapsed() > 2 * within {
            break;
        }
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(parse(&bytes, start.elapsed())))
}

/// A request that leaves its connection open.
fn kept_open(request: &WireRequest, base: &crate::client::Base) -> Vec<u8> {
    let body = request.body.bytes();
    let mut head = format!(
        "{} {}{} HTTP/1.1\r\nhost: {}\r\n",
        request.method,
        base.prefix,
        request.path,
        base.authority()
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), &body].concat()
}

/// Reads what is there, or comes before the stream's time is over.
fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>) {
    let mut buffer = [0_u8; 8192];
    if let Ok(count) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// What follows the interim answers (RFC 9110 section 15.2); `None` where the last of them is not complete.
fn final_answer(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while rest.starts_with(b"HTTP/1.1 1") {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n")?;
        rest = &rest[end + 4..];
    }
    Some(rest)
}

/// Whether an answer with a Content-Length has come to its end.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(answer) = final_answer(bytes) else { return false };
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

fn parse(bytes: &[u8], elapsed: Duration) -> Result<WireResponse, WireError> {
    if bytes.is_empty() {
        return Err(WireError::Closed("nothing was answered".to_owned()));
    }
    let wrong = || WireError::Protocol(crate::exchange::cut(&String::from_utf8_lossy(bytes), 80));
    let bytes = final_answer(bytes).ok_or_else(wrong)?;
    if bytes.is_empty() {
        return Err(WireError::Closed("nothing followed the interim answer".to_owned()));
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(wrong)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
    let body = if chunked { dechunk(&bytes[end + 4..]) } else { bytes[end + 4..].to_vec() };
    Ok(WireResponse { status: status.ok_or_else(wrong)?, headers, body: Bytes::from(body), elapsed })
}

/// The content of a chunked body; what is cut off is left out.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let from = end + 2;
        let Some(chunk) = rest.get(from..from + size).filter(|chunk| !chunk.is_empty()) else { break };
        content.extend_from_slice(chunk);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::WireBody;

    fn request() -> WireRequest {
        WireRequest {
            method: "POST".into(),
            path: "/login".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: WireBody::Whole("{}".into()),
        }
    }

    #[test]
    fn each_oddity_changes_the_bytes() {
        let text = |oddity| String::from_utf8(write(&request(), "h:1", "", oddity).pieces.concat()).unwrap();
        assert!(text(Oddity::UpperCaseNames).contains("CONTENT-TYPE: application/json\r\n"));
        assert!(text(Oddity::TitleCaseNames).contains("Content-Type: application/json\r\n"));
        assert!(!text(Oddity::NoHost).contains("host"));
        assert!(!text(Oddity::BareLineFeed).contains('\r'));
        assert!(text(Oddity::TwoFramings).ends_with("2\r\n{}\r\n0\r\n\r\n"));
        assert!(text(Oddity::SignedLength).contains("content-length: +2\r\n"));
        assert!(text(Oddity::HexLength).contains("content-length: 0x2\r\n"));
        assert!(text(Oddity::ListedLengths).contains("content-length: 2, 3\r\n"));
        assert!(text(Oddity::SignedChunk).ends_with("\r\n\r\n+2\r\n{}\r\n0\r\n\r\n"));
        assert!(text(Oddity::PrefixedChunk).ends_with("\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"));
        assert!(text(Oddity::SpacedChunk).ends_with("\r\n\r\n0_2\r\n{}\r\n0\r\n\r\n"));
        assert_eq!(text(Oddity::TwoLengths).matches("content-length").count(), 2);
        assert!(text(Oddity::SpaceBeforeColon).contains("content-type : "));
        assert_eq!(write(&request(), "h:1", "", Oddity::Segments).pieces.len(), 3);
    }

    #[test]
    fn answers_are_read_with_and_without_chunks() {
        let plain = parse(b"HTTP/1.1 401 No\r\nContent-Type: a\r\n\r\nbody", Duration::ZERO).unwrap();
        assert_eq!((plain.status, &plain.body[..]), (401, &b"body"[..]));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(&parse(chunked, Duration::ZERO).unwrap().body[..], b"abc");
        assert!(parse(b"220 smtp ready\r\n", Duration::ZERO).is_err());
        let after = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab";
        assert_eq!(&parse(after, Duration::ZERO).unwrap().body[..], b"ab");
        assert!(is_whole(after) && !is_whole(&after[..after.len() - 1]));
        assert!(parse(b"HTTP/1.1 100 Continue\r\n\r\n", Duration::ZERO).is_err());
    }

    #[test]
    fn a_body_is_split_inside_its_first_long_character() {
        assert_eq!(inside_a_character("aé".as_bytes()), 2);
        assert_eq!(inside_a_character(b"abcd"), 2);
    }

    #[test]
    fn an_answer_that_comes_before_the_body_is_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0_u8; 16];
            stream.read_exact(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n").unwrap();
            // Closing over unread bytes resets the connection.
        });
        let base = crate::client::Base::parse(&base).unwrap();
        let client = Client::new(base, Duration::from_secs(5), None).unwrap();
        let raw = write(&request(), "h:1", "", Oddity::Segments);
        assert_eq!(send(&client, &raw, Duration::from_secs(5)).unwrap().status, 429);
        server.join().unwrap();
    }
}
