//! What a connection brings, in bytes, before any of it is read as HTTP: the place of faults in framing and line ends.

use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Chain, Join};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The beginning of a connection: the first request's head, and what of its body arrived together with it.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Lines up to the empty one, each with its end.
    pub(crate) lines: Vec<Vec<u8>>,
    /// What follows the empty line.
    pub(crate) rest: Vec<u8>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The server reads it, as far as it was left as it came.
    Open,
    /// It is answered with HTTP 400 and closed.
    Refused,
    /// It is answered with these bytes and closed.
    Said(&'static [u8]),
}

impl Opening {
    async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut part = [0; 16 * 1024];
        while head_of(&bytes).is_none() {
            let count = stream.read(&mut part).await?;
            bytes.extend_from_slice(&part[..count]);
            if count == 0 || bytes.len() > 1 << 20 {
                break;
            }
        }
        let rest = bytes.split_off(head_of(&bytes).unwrap_or(bytes.len()));
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        Ok(Self { lines, rest })
    }

    /// Whether the first request asks for this path.
    pub(crate) fn asks(&self, path: &str) -> bool {
        let line = self.lines.first().map(|line| String::from_utf8_lossy(line).into_owned());
        line.is_some_and(|line| line.split(' ').nth(1) == Some(path))
    }

    /// The lines with header fields, each as text without its end.
    pub(crate) fn fields(&self) -> impl Iterator<Item = String> {
        let ends: &[char] = &['\r', '\n'];
        let fields = self.lines.iter().skip(1).map(|line| String::from_utf8_lossy(line));
        fields.map(move |line| line.trim_end_matches(ends).to_owned()).filter(|line| !line.is_empty())
    }

    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.fields().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// Writes the header fields anew.
    pub(crate) fn set_fields(&mut self, fields: impl IntoIterator<Item = String>) {
        self.lines.truncate(1);
        self.lines.extend(fields.into_iter().map(|line| format!("{line}\r\n").into_bytes()));
        self.lines.push(b"\r\n".to_vec());
    }

    /// What a careful server does not read although the HTTP library here would: two framings of one body, lines that end
    /// in LF alone, no Host. A fault that lets it pass has to mend it.
    fn is_doubtful(&self) -> bool {
        let bare = |line: &Vec<u8>| line.ends_with(b"\n") && !line.ends_with(b"\r\n");
        let framings = ["content-length", "transfer-encoding"].map(|name| self.field(name).is_some());
        let any = !self.lines.is_empty();
        any && (self.lines.iter().any(bare) || framings == [true, true] || self.field("host").is_none())
    }

    fn into_bytes(self) -> Vec<u8> {
        [self.lines.concat(), self.rest].concat()
    }
}

/// Where the head ends, as the most lenient of servers sees it.
fn head_of(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find_map(|at| {
        let (before, behind) = bytes.split_at(at);
        [b"\n\r\n".as_slice(), b"\n\n"]
            .iter()
            .find(|end| behind.starts_with(end) && !before.is_empty())
            .map(|end| at + end.len())
    })
}

/// A connection some of which was read before.
pub(crate) type Admitted = Join<Chain<io::Cursor<Vec<u8>>, OwnedReadHalf>, OwnedWriteHalf>;

/// A connection as the server is to read it, or none where it was refused.
pub(crate) async fn admit(
    mut stream: TcpStream,
    look: impl FnOnce(&mut Opening) -> Entry,
) -> io::Result<Option<Admitted>> {
    let mut opening = Opening::read(&mut stream).await?;
    let refusal: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let answer = match look(&mut opening) {
        Entry::Said(answer) => Some(answer),
        Entry::Refused => Some(refusal),
        Entry::Open => opening.is_doubtful().then_some(refusal),
    };
    if let Some(answer) = answer {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        // Closing over unread bytes would take the answer back.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        return Ok(None);
    }
    let (read, write) = stream.into_split();
    let read = io::Cursor::new(opening.into_bytes()).chain(read);
    Ok(Some(tokio::io::join(read, write)))
}
