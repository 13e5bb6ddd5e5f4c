//! A queue that ends and is fair: a line for each source, served in turn.

use crate::client::Source;
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};

/// Work waiting for threads.
///
/// When it is full, a source that waits for less than another takes the place of the last in the longest line. So one
/// source can fill the queue only as long as nobody else wants a place in it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    lines: Mutex<Lines<T>>,
    ready: Condvar,
    room: usize,
}

#[derive(Debug)]
struct Lines<T> {
    /// None is empty.
    by_source: HashMap<Source, VecDeque<T>>,
    /// Whose turn it is, each source that waits once.
    turns: VecDeque<Source>,
    waiting: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// A queue with room for so many, and at least one.
    pub(super) fn new(room: usize) -> Self {
        let (by_source, turns) = (HashMap::new(), VecDeque::new());
        let lines = Mutex::new(Lines { by_source, turns, waiting: 0, closed: false });
        Self { lines, ready: Condvar::new(), room: room.max(1) }
    }

    /// Puts work at the end of its source's line. Answers the work that found no place: this, or another's.
    pub(super) fn push(&self, source: Source, work: T) -> Option<T> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shed = None;
        if lines.waiting >= self.room {
            let own = lines.by_source.get(&source).map_or(0, VecDeque::len);
            match lines.shed_longest(own + 1) {
                None => return Some(work),
                other => shed = other,
            }
        }
        lines.push(source, work);
        drop(lines);
        self.ready.notify_one();
        shed
    }

    /// Waits for work; nothing once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(work) = lines.pop() {
                return Some(work);
            }
            if lines.closed {
                return None;
            }
            lines = self.ready.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).waiting
    }

    /// Lets those who wait for work go.
    pub(super) fn close(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.ready.notify_all();
    }
}

impl<T> Lines<T> {
    fn push(&mut self, source: Source, work: T) {
        let line = self.by_source.entry(source).or_default();
        if line.is_empty() {
            self.turns.push_back(source);
        }
        line.push_back(work);
        self.waiting += 1;
    }

    fn pop(&mut self) -> Option<T> {
        let source = self.turns.pop_front()?;
        let line = self.by_source.get_mut(&source)?;
        let work = line.pop_front()?;
        self.waiting -= 1;
        if line.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        Some(work)
    }

    /// Takes the last of the longest line, if that has more than so many.
    fn shed_longest(&mut self, more_than: usize) -> Option<T> {
        let longest = self.by_source.values_mut().max_by_key(|line| line.len())?;
        // More than one, so the line does not end here.
        if longest.len() <= more_than {
            return None;
        }
        self.waiting -= 1;
        longest.pop_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn source(number: u8) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)))
    }

    fn drained<T>(queue: &Queue<T>) -> Vec<T> {
        queue.close();
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn sources_take_turns() {
        let queue = Queue::new(10);
        for (number, work) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert_eq!(queue.push(source(number), work), None);
        }
        assert_eq!(drained(&queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_source_that_fills_the_queue_makes_room_for_others() {
        let queue = Queue::new(4);
        for work in 0..4 {
            assert_eq!(queue.push(source(1), work), None);
        }
        assert_eq!(queue.push(source(1), 4), Some(4), "full");
        assert_eq!(queue.push(source(2), 20), Some(3), "the last of the longest line goes");
        assert_eq!(queue.push(source(2), 21), Some(2));
        assert_eq!(queue.push(source(2), 22), Some(22), "three would leave the other with less");
        let shed = queue.push(source(3), 30);
        assert!(shed == Some(1) || shed == Some(21), "one of the two longest: {shed:?}");
        assert_eq!(queue.push(source(3), 31), Some(31));
        let left = if shed == Some(1) { [0, 20, 30, 21] } else { [0, 20, 30, 1] };
        assert_eq!(drained(&queue), left);
    }

    #[test]
    fn who_waits_for_work_is_let_go_when_the_queue_closes() {
        let queue = Queue::<u8>::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop());
            queue.close();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }

    proptest! {
        /// Nothing is lost or done twice, and the queue never holds more than it has room for.
        #[test]
        fn all_work_is_either_done_or_given_back(
            pushes in prop::collection::vec((0u8..5, any::<bool>()), 1..100),
            room in 1usize..8,
        ) {
            let queue = Queue::new(room);
            let (mut pushed, mut back, mut done) = (0, Vec::new(), Vec::new());
            for (number, pop) in pushes {
                back.extend(queue.push(source(number), pushed));
                pushed += 1;
                let waiting = queue.lines.lock().unwrap().waiting;
                prop_assert!(waiting >= 1 && waiting <= room);
                if pop {
                    done.extend(queue.pop());
                }
            }
            done.extend(drained(&queue));
            done.extend(back);
            done.sort_unstable();
            prop_assert_eq!(done, (0..pushed).collect::<Vec<_>>());
        }
    }
}
