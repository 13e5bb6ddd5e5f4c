//! What a run tells while it goes on: the only place where running and showing meet.

use crate::check::Check;
use crate::report::Record;

/// Something that happened. Whoever hears of it asks the run nothing.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// The run begins, with so many checks.
    Started {
        /// How many.
        checks: usize,
    },
    /// A check has its turn.
    Begun(&'e Check),
    /// A check is over.
    Ended(&'e Record),
}

/// Hears of events, from several threads, in no order but that of each check.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// Takes notice. It must not wait for long: the check that tells it waits, too.
    fn notice(&self, event: Event<'_>);
}
