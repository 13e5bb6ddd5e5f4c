//! Where a request ends, read strictly.
//!
//! Two servers that disagree about that let a stranger slip a request into somebody else's connection. The HTTP library
//! is lenient in ways it does not show afterwards: of `Transfer-Encoding` beside `Content-Length` it drops the latter, a
//! bare line feed ends a line, extensions of chunks are long. So the bytes are judged here before it reads them; what is
//! passed on is passed on unchanged.

/// Follows the bytes of one HTTP/1 connection from request to request.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    head: Head,
    /// Bytes of extensions and trailers so far in this body.
    extra: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or in the request line.
    Start,
    Headers,
    /// So many bytes that are nobody's business here.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line end after a chunk's bytes.
    ChunkEnd,
    Trailers,
}

/// What a head says about where its request ends.
#[derive(Debug, Default)]
struct Head {
    http_1_0: bool,
    /// Empty lines before the request line.
    blank: u8,
    length: Option<u64>,
    chunked: bool,
}

/// What no strict reader would accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unframed(pub(super) &'static str);

impl Framing {
    pub(super) fn new() -> Self {
        Self { state: State::Start, line: Vec::new(), head: Head::default(), extra: 0 }
    }

    /// Whether what comes next is a head or part of one.
    pub(super) const fn is_in_head(&self) -> bool {
        matches!(self.state, State::Start | State::Headers)
    }

    /// Whether all of these bytes may be passed on; otherwise how many may, and why no more.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), (usize, Unframed)> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Body(left) | State::ChunkData(left) => {
                    let here = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX).min(left);
                    at += usize::try_from(here).unwrap_or(usize::MAX);
                    self.state = match (self.state, left - here) {
                        (State::Body(_), 0) => self.next_request(),
                        (State::Body(_), left) => State::Body(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::ChunkData(left),
                    };
                }
                _ => {
                    let rest = &bytes[at..];
                    // Most lines come in one piece and in form; one look finds where they end.
                    if self.line.is_empty()
                        && let Some(end) = memchr::memchr2(b'\r', b'\n', rest).filter(|end| *end < LINE)
                        && rest[end..].starts_with(b"\r\n")
                    {
                        self.state = self.judge(&rest[..end]).map_err(|why| (at + end + 1, why))?;
                        at += end + 2;
                        continue;
                    }
                    let end = memchr::memchr(b'\n', rest);
                    let part = &rest[..end.unwrap_or(rest.len())];
                    if self.line.len() + part.len() > LINE {
                        return Err((at, Unframed("a line that does not end")));
                    }
                    at += part.len();
                    if end.is_none() {
                        self.line.extend_from_slice(part);
                    } else {
                        self.state = self.end_of_line(part).map_err(|why| (at, why))?;
                        at += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// What comes after the line that ends with this part, whose line feed is left out.
    fn end_of_line(&mut self, part: &[u8]) -> Result<State, Unframed> {
        let mut whole = std::mem::take(&mut self.line);
        whole.extend_from_slice(part);
        let line = whole.strip_suffix(b"\r").ok_or(Unframed("a bare line feed"))?;
        if line.contains(&b'\r') {
            return Err(Unframed("a bare carriage return"));
        }
        let next = self.judge(line);
        whole.clear();
        self.line = whole;
        next
    }

    /// What comes after this line, whose end is left out.
    fn judge(&mut self, line: &[u8]) -> Result<State, Unframed> {
        match self.state {
            State::Start if line.is_empty() => {
                // RFC 9112 section 2.2 has one ignored.
                self.head.blank += 1;
                if self.head.blank > 1 { Err(Unframed("empty lines")) } else { Ok(State::Start) }
            }
            State::Start => {
                self.head.http_1_0 = line.ends_with(b"HTTP/1.0");
                Ok(State::Headers)
            }
            State::Headers if line.is_empty() => self.end_of_head(),
            State::Headers => self.head.read(line).map(|()| State::Headers),
            State::ChunkSize => {
                let (size, extension) = match line.iter().position(|byte| *byte == b';') {
                    // RFC 9112 section 7.1.1 has bad whitespace there, and only there, parsed and dropped.
                    Some(at) => (line[..at].trim_ascii_end(), &line[at..]),
                    None => (line, &[][..]),
                };
                self.extra += extension.len();
                let digits = !size.is_empty() && size.len() <= 15 && size.iter().all(u8::is_ascii_hexdigit);
                let size = std::str::from_utf8(size).ok().filter(|_| digits);
                match size.and_then(|size| u64::from_str_radix(size, 16).ok()) {
                    _ if self.extra > EXTRA => Err(Unframed("long extensions of chunks")),
                    None => Err(Unframed("a chunk without a size")),
                    Some(0) => Ok(State::Trailers),
                    Some(size) => Ok(State::ChunkData(size)),
                }
            }
            State::ChunkEnd if line.is_empty() => Ok(State::ChunkSize),
            State::ChunkEnd => Err(Unframed("a chunk longer than its size")),
            State::Trailers if line.is_empty() => Ok(self.next_request()),
            State::Trailers => {
                self.extra += line.len();
                field_name(line)?;
                if self.extra > EXTRA { Err(Unframed("long trailers")) } else { Ok(State::Trailers) }
            }
            // Bodies have no lines.
            State::Body(_) | State::ChunkData(_) => Ok(self.state),
        }
    }

    fn end_of_head(&mut self) -> Result<State, Unframed> {
        let Head { http_1_0, length, chunked, .. } = self.head;
        match (chunked, length) {
            (true, Some(_)) => Err(Unframed("Transfer-Encoding beside Content-Length")),
            (true, None) if http_1_0 => Err(Unframed("Transfer-Encoding in HTTP/1.0")),
            (true, None) => Ok(State::ChunkSize),
            (false, None | Some(0)) => Ok(self.next_request()),
            (false, Some(length)) => Ok(State::Body(length)),
        }
    }

    fn next_request(&mut self) -> State {
        self.head = Head::default();
        self.extra = 0;
        State::Start
    }
}

impl Head {
    fn read(&mut self, line: &[u8]) -> Result<(), Unframed> {
        let name = field_name(line)?;
        let value = line[name.len() + 1..].trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| digits);
            let length = length.and_then(|length| length.parse().ok());
            if self.length.replace(length.ok_or(Unframed("a Content-Length that is no number"))?).is_some() {
                return Err(Unframed("Content-Length twice"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Nothing but chunked is understood here, so nothing else may say where the body ends.
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unframed("a Transfer-Encoding that is not chunked once"));
            }
            self.chunked = true;
        }
        Ok(())
    }
}

/// The name of a header, which is a token right before a colon (RFC 9112 section 5.1). A line that begins with a space
/// has none: lines are not folded.
fn field_name(line: &[u8]) -> Result<&[u8], Unframed> {
    let name = line.iter().position(|byte| *byte == b':').map(|colon| &line[..colon]);
    name.filter(|name| !name.is_empty() && name.iter().all(|byte| OF_NAMES[usize::from(*byte)]))
        .ok_or(Unframed("a header without a name"))
}

/// Which bytes a token has (RFC 9110 section 5.6.2).
const OF_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// Bytes of one line; heads have a limit of their own, which is lower.
const LINE: usize = 128 * 1024;
/// Bytes of all extensions of chunks and all trailers of one body. Nobody here reads them.
const EXTRA: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn follow(text: &str) -> Result<(), (usize, Unframed)> {
        Framing::new().follow(text.as_bytes())
    }

    fn refused(text: &str) -> &'static str {
        match follow(text) {
            Ok(()) => panic!("accepted: {text:?}"),
            Err((at, Unframed(why))) => {
                assert!(text.as_bytes()[at..].contains(&b'\n'), "{text:?} was refused too late");
                why
            }
        }
    }

    const GOOD: [&str; 6] = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na\nb",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length:0\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 2 \r\n\r\n\n\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\n\n\n\n\n\n\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 ;a\r\n\n\r\n0\r\n\r\n",
    ];

    #[test]
    fn what_is_in_form_passes_and_one_request_follows_another() {
        for text in GOOD {
            assert_eq!(follow(text), Ok(()), "{text:?}");
        }
        let all = GOOD.concat();
        assert_eq!(follow(&all), Ok(()));
        // The end is known, not guessed: a bad head right after is seen.
        for text in GOOD {
            assert_eq!(
                refused(&format!("{text}GET / HTTP/1.1\nHost: x\r\n\r\n")),
                "a bare line feed",
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        let head = |lines: &str| refused(&format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n"));
        assert_eq!(
            head("Content-Length: 3\r\nTransfer-Encoding: chunked"),
            "Transfer-Encoding beside Content-Length"
        );
        assert_eq!(
            head("Transfer-Encoding: chunked\r\nContent-Length: 3"),
            "Transfer-Encoding beside Content-Length"
        );
        assert_eq!(head("Content-Length: 3\r\nContent-Length: 4"), "Content-Length twice");
        assert_eq!(head("Content-Length: 3\r\ncontent-length: 3"), "Content-Length twice");
        for value in ["+3", "-1", "3, 3", "", "0x3", "3 3", "99999999999999999999", "３"] {
            assert_eq!(
                head(&format!("Content-Length: {value}")),
                "a Content-Length that is no number",
                "{value}"
            );
        }
        for value in [
            "gzip",
            "chunked, chunked",
            "chunked\r\nTransfer-Encoding: chunked",
            "gzip, chunked",
            "",
            "xchunked",
        ] {
            let why = head(&format!("Transfer-Encoding: {value}"));
            assert_eq!(why, "a Transfer-Encoding that is not chunked once", "{value}");
        }
        for line in ["A: b\r\n c", "A: b\r\n\tc", "A : b", "A\t: b", ": b", "no colon", "A\0: b"] {
            assert_eq!(head(line), "a header without a name", "{line:?}");
        }
        assert_eq!(head("A: b\nC: d"), "a bare line feed");
        assert_eq!(head("A: b\rC: d"), "a bare carriage return");
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(refused(old), "Transfer-Encoding in HTTP/1.0");
        assert_eq!(refused("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), "empty lines");
    }

    #[test]
    fn chunks_are_what_their_size_says() {
        let body =
            |body: &str| refused(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        for size in ["", "g", "-1", "0x5", " 5", "5 ", "1000000000000000", "+5"] {
            assert_eq!(body(&format!("{size}\r\n")), "a chunk without a size", "{size}");
        }
        assert_eq!(body("3\r\nabcd\r\n"), "a chunk longer than its size");
        assert_eq!(body("3\nabc"), "a bare line feed");
        assert_eq!(body(&format!("3;{}\r\n", "x".repeat(EXTRA))), "long extensions of chunks");
        let many = "1;x=0123456789\r\na\r\n".repeat(100);
        assert_eq!(body(&many), "long extensions of chunks");
        assert_eq!(body(&format!("0\r\nA: {}\r\n", "x".repeat(EXTRA))), "long trailers");
        assert_eq!(body("0\r\n folded\r\n"), "a header without a name");
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut framing = Framing::new();
        let ended = (0..1_000).find_map(|_| framing.follow(&[b'x'; 1_024]).err());
        assert_eq!(ended.unwrap().1, Unframed("a line that does not end"));
        assert!(framing.line.capacity() <= 2 * LINE);
    }

    proptest! {
        /// How the network cuts the bytes changes no judgement and no place.
        #[test]
        fn pieces_are_judged_as_the_whole(
            text in prop::collection::vec(
                prop::sample::select(vec![
                    "POST / HTTP/1.1\r\n", "Host: x\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
                    "\r\n", "\n", "abc", "3\r\nabc\r\n", "0\r\n\r\n", "A : b\r\n", " c\r\n", "\r",
                ]),
                0..12,
            ),
            cuts in prop::collection::vec(1usize..5, 1..64),
        ) {
            let text = text.concat();
            let whole = follow(&text);
            let (mut framing, mut at, mut pieces) = (Framing::new(), 0, Ok(()));
            for cut in cuts.iter().cycle() {
                let piece = &text.as_bytes()[at..(at + cut).min(text.len())];
                if piece.is_empty() {
                    break;
                }
                if let Err((inside, why)) = framing.follow(piece) {
                    pieces = Err((at + inside, why));
                    break;
                }
                at += piece.len();
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
