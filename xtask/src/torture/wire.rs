//! One HTTP/1.1 connection that tells a cut answer from none: what a proper client hides.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole answer.
    Answer {
        /// Its status.
        status: u16,
        /// Whether it says that the connection ends with it.
        closes: bool,
    },
    /// The connection ended before the first byte of an answer, the request having gone out whole.
    Closed,
    /// The connection ended inside an answer.
    Cut,
    /// Neither an answer nor an end.
    Hung,
    /// The request did not go out whole.
    Refused,
}

/// A connection that asks for one thing after another.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Opens one that waits so long for anything.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream })
    }

    /// Sends a request and reads the answer; says when the request had gone out.
    pub(crate) fn ask(&mut self, request: &[u8]) -> (Instant, Heard) {
        let out = self.stream.write_all(request);
        let sent = Instant::now();
        if out.is_err() {
            return (sent, Heard::Refused);
        }
        let mut bytes = Vec::with_capacity(1024);
        let mut part = [0; 2048];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => break,
                Ok(read) => bytes.extend_from_slice(&part[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return (sent, Heard::Hung);
                }
                Err(_) => break,
            }
            if let Some(answer) = whole(&bytes) {
                return (sent, answer);
            }
        }
        (sent, if bytes.is_empty() { Heard::Closed } else { Heard::Cut })
    }
}

/// The answer, once all of it is there. Answers here have a length; one without is never whole.
pub(crate) fn whole(bytes: &[u8]) -> Option<Heard> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim()))
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    (bytes.len() - end >= length).then_some(Heard::Answer { status, closes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What is heard from a server that reads a request, says this and hangs up.
    fn heard(says: &'static str) -> Heard {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 3];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(says.as_bytes()).unwrap();
        });
        let heard = Connection::open(address, Duration::from_secs(10)).unwrap().ask(b"ask").1;
        server.join().unwrap();
        heard
    }

    #[test]
    fn a_whole_answer_is_told_from_a_cut_one_and_from_none() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(heard(whole), Heard::Answer { status: 200, closes: false });
        assert_eq!(
            heard("HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            Heard::Answer { status: 401, closes: true }
        );
        assert_eq!(heard("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"), Heard::Cut);
        assert_eq!(heard("HTTP/1.1 200"), Heard::Cut);
        assert_eq!(heard(""), Heard::Closed);
    }
}
