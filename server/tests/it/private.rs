//! Stores of the tests' own.

use countersign_fixtures::stores::{Certificate, Kind, NotStarted, PrivateStore};
use std::io::Write as _;

/// A store that ends with the test. Where its program is missing the test is skipped and says so, unless nothing may be.
pub(super) fn private(kind: Kind) -> Option<PrivateStore> {
    unless_missing(PrivateStore::start(kind))
}

/// As [`private`]; it speaks TLS and nothing else.
pub(super) fn encrypted(kind: Kind, certificate: Certificate) -> Option<PrivateStore> {
    unless_missing(PrivateStore::start_encrypted(kind, certificate))
}

fn unless_missing(started: Result<PrivateStore, NotStarted>) -> Option<PrivateStore> {
    match started {
        Ok(store) => Some(store),
        Err(missing @ NotStarted::Missing(_)) => {
            assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "{missing}");
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            drop(writeln!(std::io::stderr(), "skipped {test}: {missing}"));
            None
        }
        Err(failed) => panic!("{failed}"),
    }
}
