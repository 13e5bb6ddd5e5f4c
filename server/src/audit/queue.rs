//! What waits to be written to the audit log: so many lines and so many bytes at most.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    lost: AtomicU64,
    most: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    lines: usize,
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    Reopen,
}

/// What the writer is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Write what it has, and that so many were lost since the start.
    Write { lost: u64 },
    /// Open the file again, and write what it has.
    Reopen,
    /// Write what is left, and end.
    End,
}

/// Bytes of a line on average, for the limit; one has two hundred or so.
const LINE: usize = 1_024;
/// Bytes that are written at once at most, but for the last line.
const BATCH: usize = 64 * 1_024;
/// Until what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Queue {
    /// Of so many lines.
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), lost: AtomicU64::new(0), most }
    }

    /// Puts a line at the end, or loses it.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut waiting = self.lock();
        let bytes = waiting.bytes.saturating_add(line.len());
        if waiting.closed || waiting.lines >= self.most || bytes > self.most.saturating_mul(LINE) {
            self.lose(1);
            return;
        }
        waiting.lines += 1;
        waiting.bytes = bytes;
        waiting.messages.push_back(Message::Line(line));
        drop(waiting);
        self.changed.notify_one();
    }

    /// Has the file opened again once the lines before are written.
    pub(super) fn reopen(&self) {
        let mut waiting = self.lock();
        if !matches!(waiting.messages.back(), Some(Message::Reopen)) {
            waiting.messages.push_back(Message::Reopen);
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Takes no more lines.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().lines
    }

    pub(super) fn is_half_full(&self) -> bool {
        let waiting = self.lock();
        waiting.lines.saturating_mul(2) > self.most || waiting.bytes > self.most.saturating_mul(LINE) / 2
    }

    /// Waits until there is something to do, and hands over lines. So many losses have been told of.
    pub(super) fn wait_for_lines(&self, batch: &mut Vec<u8>, told: u64) -> Job {
        let mut waiting = self.lock();
        loop {
            while batch.len() < BATCH
                && let Some(line) = waiting.next_line()
            {
                batch.extend_from_slice(&line);
            }
            let lost = self.lost();
            if !batch.is_empty() || lost > told {
                return Job::Write { lost };
            }
            if let Some(Message::Reopen) = waiting.messages.front() {
                waiting.messages.pop_front();
                return Job::Reopen;
            }
            if waiting.closed {
                return Job::End;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until what could not be written is tried again: after a while, when the file is to be opened again, whatever
    /// stands before that, or because it ends.
    pub(super) fn wait_to_try_again(&self) -> Job {
        let mut waiting = self.lock();
        loop {
            if let Some(at) = waiting.messages.iter().position(|one| matches!(one, Message::Reopen)) {
                waiting.messages.remove(at);
                return Job::Reopen;
            }
            if waiting.closed {
                return Job::End;
            }
            let (woken, waited) =
                self.changed.wait_timeout(waiting, RETRY).unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
            if waited.timed_out() {
                return Job::Write { lost: self.lost() };
            }
        }
    }

    /// Hands over all lines.
    pub(super) fn drain(&self, batch: &mut Vec<u8>) {
        let mut waiting = self.lock();
        let messages = std::mem::take(&mut waiting.messages);
        (waiting.bytes, waiting.lines) = (0, 0);
        for message in messages {
            if let Message::Line(line) = message {
                batch.extend_from_slice(&line);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The next line, unless the file is to be opened again before it.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        match self.messages.pop_front()? {
            Message::Line(line) => {
                self.lines -= 1;
                self.bytes -= line.len();
                Some(line)
            }
            Message::Reopen => {
                self.messages.push_front(Message::Reopen);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(queue: &Queue) -> Vec<String> {
        let mut batch = Vec::new();
        queue.drain(&mut batch);
        String::from_utf8(batch).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_finds_no_place_is_lost_and_counted() {
        let queue = Queue::new(2);
        for line in ["a\n", "b\n", "c\n", "d\n"] {
            queue.push(line.into());
        }
        assert_eq!((queue.lost(), queue.waiting()), (2, 2));
        assert_eq!(lines(&queue), ["a", "b"]);
        queue.close();
        queue.push("e\n".into());
        assert_eq!((queue.lost(), queue.waiting()), (3, 0));
    }

    #[test]
    fn long_lines_take_the_place_of_many() {
        let queue = Queue::new(4);
        for _ in 0..3 {
            queue.push(vec![b'x'; 2 * LINE]);
        }
        assert_eq!((queue.waiting(), queue.lost()), (2, 1), "however few they are");
    }

    #[test]
    fn half_full_is_said_before_anything_is_lost() {
        let queue = Queue::new(4);
        queue.push("a\n".into());
        queue.push("b\n".into());
        assert!(!queue.is_half_full());
        queue.push("c\n".into());
        assert!(queue.is_half_full() && queue.lost() == 0);
    }

    #[test]
    fn lines_before_a_reopening_are_written_before_it() {
        let queue = Queue::new(9);
        queue.push("a\n".into());
        queue.reopen();
        queue.reopen();
        queue.push("b\n".into());
        let mut batch = Vec::new();
        assert_eq!(queue.wait_for_lines(&mut batch, 0), Job::Write { lost: 0 });
        assert_eq!(std::mem::take(&mut batch), b"a\n");
        assert_eq!(queue.wait_for_lines(&mut batch, 0), Job::Reopen);
        assert_eq!(queue.wait_for_lines(&mut batch, 0), Job::Write { lost: 0 });
        assert_eq!(batch, b"b\n");
        queue.reopen();
        queue.push("c\n".into());
        assert_eq!(queue.wait_to_try_again(), Job::Reopen, "whatever waits");
        queue.close();
        assert_eq!(queue.wait_to_try_again(), Job::End);
    }
}
