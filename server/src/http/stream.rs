//! A connection's bytes on their way to and from the HTTP library.

use super::framing::{Framing, Unframed};
use super::serve::ConnectionLimits;
use super::waiting::Waiting;
use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A stream some of which was read before, whose requests are judged as they come, and whose peer must ask in time and take
/// answers.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    first: Bytes,
    /// For HTTP/1; HTTP/2 frames itself.
    framing: Option<Framing>,
    /// Whether what came cannot be framed; nothing is read after that.
    ended: bool,
    /// For the peer to take something of an answer.
    write_time: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// For a request's head.
    head_time: Duration,
    waiting: Waiting,
    /// Set once and moved on when it is over, for hardly any connection waits that long.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// Watches a stream of HTTP/1 or HTTP/2 from which `first` was read. Whoever takes no byte of an answer for as long as
    /// the limits say is given up, and in HTTP/1 whoever sends no whole head; HTTP/2 has pings for that.
    pub(super) fn new(
        stream: S,
        first: Bytes,
        is_http_1: bool,
        limits: ConnectionLimits,
        waiting: Waiting,
    ) -> Self {
        let framing = is_http_1.then(Framing::new);
        let ConnectionLimits { head_time, write_time, .. } = limits;
        Self {
            stream,
            first,
            framing,
            ended: false,
            write_time,
            stalled: None,
            head_time,
            waiting,
            alarm: None,
        }
    }

    /// Hands on what may be handed on. After that the library gets [`REFUSED`], so that it answers 400 in its turn and
    /// closes; the order of answers stays its own affair.
    fn hand_on(&mut self, bytes: &[u8], buf: &mut ReadBufCursor<'_>) {
        let judged = self.framing.as_mut().map_or(Ok(()), |framing| framing.follow(bytes));
        match judged {
            Ok(()) => buf.put_slice(bytes),
            Err((good, Unframed(why))) => {
                tracing::debug!(why, "a request that is not framed strictly");
                self.ended = true;
                buf.put_slice(&bytes[..good]);
                self.first = Bytes::from_static(REFUSED);
            }
        }
    }

    fn put_first(&mut self, buf: &mut ReadBufCursor<'_>) {
        let part = self.first.split_to(self.first.len().min(buf.remaining()));
        buf.put_slice(&part);
    }

    /// A write that waits for the peer, but not for ever.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.stalled.take().is_some() {
                self.waiting.restart();
            }
            return written;
        }
        let patience = self.write_time;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> Watched<S> {
    /// Waits for a head, but not for ever. Bodies have a limit of their own, and an answer that is being taken has one.
    fn head_in_time(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stalled.is_some() || !self.framing.as_ref().is_some_and(Framing::is_in_head) {
            return Poll::Pending;
        }
        let Self { waiting, head_time, .. } = self;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(waiting.over(*head_time))));
        loop {
            ready!(alarm.as_mut().poll(cx));
            let over = waiting.over(*head_time);
            if over <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            alarm.as_mut().reset(over);
        }
    }
}

impl<S: AsyncRead + Unpin> Read for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended || buf.remaining() == 0 {
            this.put_first(&mut buf);
            return Poll::Ready(Ok(()));
        }
        if this.first.is_empty() {
            // Not cleared first: the library asks three times for each request, mostly for nothing.
            let mut part = [MaybeUninit::uninit(); PART];
            let room = buf.remaining().min(PART);
            let mut read = ReadBuf::uninit(&mut part[..room]);
            match Pin::new(&mut this.stream).poll_read(cx, &mut read) {
                Poll::Ready(done) => done?,
                Poll::Pending => return this.head_in_time(cx),
            }
            this.hand_on(read.filled(), &mut buf);
        } else {
            let part = this.first.split_to(this.first.len().min(buf.remaining()));
            this.hand_on(&part, &mut buf);
        }
        if this.ended {
            // There is room for some: at least one byte was not handed on. To answer with nothing would end the stream.
            this.put_first(&mut buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.in_time(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.in_time(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.in_time(cx, shut)
    }

    // Not vectored: answers are small, and to have the library put head and body together costs less than to hand the
    // system two pieces.
}

/// No byte of a head, of a chunk's size or of a trailer, and then an end of the head, without which nothing is refused.
const REFUSED: &[u8] = b"\0\r\n\r\n";
/// Bytes read at once.
const PART: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_takes_no_answer_is_given_up_and_one_that_does_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let limits =
            ConnectionLimits { write_time: Duration::from_millis(30), ..ConnectionLimits::default() };
        let mut watched = Watched::new(ours, Bytes::new(), true, limits, Waiting::new());
        let mut write = async |bytes: &[u8]| {
            std::future::poll_fn(|cx| Pin::new(&mut watched).poll_write(cx, bytes)).await
        };
        assert_eq!(write(&[0; 16]).await.unwrap(), 16);
        assert_eq!(write(&[0; 1]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut taken = [0; 16];
        tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut taken).await.unwrap();
        assert_eq!(write(&[0; 1]).await.unwrap(), 1);
    }
}
