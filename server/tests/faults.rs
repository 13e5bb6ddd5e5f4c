//! Proof that the harness bites: a server with one fault after another, each of which a named check must find, and
//! servers that are merely different, in which it must find nothing.
//!
//! The reference server runs unchanged in this process; faults are put around it: requests and answers are changed on
//! their way, and clock, store and randomness are replaced through the seams every user of the library has.

#[path = "faults/bend.rs"]
mod bend;
#[path = "faults/benign.rs"]
mod benign;
#[path = "faults/cover.rs"]
mod cover;
#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/front.rs"]
mod front;
#[path = "faults/host.rs"]
mod host;
#[path = "faults/list.rs"]
mod list;
#[path = "faults/table.rs"]
mod table;
#[path = "faults/world.rs"]
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use table::Row;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A judgement waits for sockets half of its time.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let rows: Arc<Mutex<Vec<Row>>> = Arc::default();
    let faults = list::all();
    let mut trials = vec![Trial::test("cover::every-check-is-tripped-by-a-fault", {
        let tripped: Vec<Vec<String>> = faults.iter().map(|fault| fault.trips.clone()).collect();
        move || cover::complete(tripped.iter().flatten()).map_err(Failed::from)
    })];
    // As with tests that are marked as ignored: what takes minutes runs when it is asked for.
    let thorough = arguments.include_ignored || arguments.ignored || arguments.list;
    arguments.ignored = false;
    for fault in faults.into_iter().filter(|_| thorough) {
        let rows = Arc::clone(&rows);
        trials.push(Trial::test(fault.name.clone(), move || {
            let outcome = fault.judge();
            let row = Row::fault(&fault, &outcome);
            rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
            outcome.map_err(Failed::from)
        }));
    }
    for variant in benign::all().into_iter().filter(|_| thorough) {
        let rows = Arc::clone(&rows);
        trials.push(Trial::test(format!("benign::{}", fault::spelt(&variant.name)), move || {
            let outcome = variant.judge();
            let row = Row::benign(&variant.name, outcome.as_ref().err());
            rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
            outcome.map_err(Failed::from)
        }));
    }
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if thorough && !listing {
        table::print(&rows.lock().unwrap_or_else(PoisonError::into_inner));
    }
    conclusion.exit_code()
}
