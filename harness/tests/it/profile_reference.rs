//! The committed reference of a profile is what the program prints.

use crate::program::countersign;
use countersign::profile::keys;
use std::path::Path;

#[test]
fn the_reference_in_the_docs_is_the_one_that_is_printed() {
    let run = countersign(&["profile-reference"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), keys::table().as_str()));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profile.md");
    let text = std::fs::read_to_string(&committed).expect("harness/docs/profile.md is there");
    assert!(
        text.ends_with(&format!("\n\n{}", keys::table())),
        "harness/docs/profile.md is not what `countersign profile-reference` prints: put that at its end"
    );
}
