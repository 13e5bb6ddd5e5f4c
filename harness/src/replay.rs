//! A finding to take along: the exchanges that lead to it, as a script for any shell and as data for this program.
//!
//! Neither holds a live secret. Tokens and challenges are taken from the answers of the moment, secrets of accounts from the
//! environment, and what a wallet signed is signed anew.

pub mod case;
pub mod chain;
pub mod line;
pub mod script;

pub use case::Case;
