//! Between being told to stop and stopping: what callers sent before they could know is read and answered.
//!
//! A connection that looks idle may have a request on its way, or in a buffer that nobody has read yet. If it were closed
//! at once, that request would be lost without a word, and with many callers some always are. So connections go on for a
//! moment, new ones too, and every answer says that it is the last on its connection.

use http::{HeaderValue, Response, Version, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Whether the server is about to stop. Each open connection holds a clone, which is how they are counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Drain(Arc<AtomicBool>);

impl Drain {
    /// Resolves a moment after the order to stop: as soon as no connection is open, and in any case after a second.
    pub(super) async fn after(&self, stop: impl Future<Output = ()>) {
        stop.await;
        self.0.store(true, Ordering::SeqCst);
        let over = Instant::now() + MOMENT;
        // The other clones are the connections'.
        while Arc::strong_count(&self.0) > 1 && Instant::now() < over {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Has an answer say that its connection ends, if the server is about to stop. HTTP/2 has a frame for that instead.
    pub(super) fn mark<B>(&self, version: Version, response: &mut Response<B>) {
        if version != Version::HTTP_2 && self.0.load(Ordering::SeqCst) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// How long requests that were under way may take to be read. A busy machine needs a third of it.
const MOMENT: Duration = Duration::from_secs(1);
/// Between two looks at whether a connection is open.
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test]
    async fn it_lasts_while_connections_are_open_and_no_longer_than_its_moment() {
        let drain = Drain::default();
        let begun = Instant::now();
        drain.after(ready(())).await;
        assert!(begun.elapsed() < MOMENT, "nobody is there to wait for");

        let connection = drain.clone();
        let begun = Instant::now();
        drain.after(ready(())).await;
        assert!(begun.elapsed() >= MOMENT);
        drop(connection);
    }

    #[tokio::test]
    async fn answers_say_that_it_is_the_end_once_it_is() {
        let drain = Drain::default();
        let closes = |version| {
            let mut response = Response::new(());
            drain.mark(version, &mut response);
            response.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
        };
        assert!(!closes(Version::HTTP_11));
        drain.after(ready(())).await;
        assert!(closes(Version::HTTP_11) && closes(Version::HTTP_10));
        assert!(!closes(Version::HTTP_2), "RFC 9113 section 8.2.2 forbids it there");
    }
}
