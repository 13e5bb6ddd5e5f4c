//! Operations that are known under several paths are all where the document puts them, or none is.

use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use countersign_spec::Operation;

/// Adds the check, where the document's paths have others beside them.
pub(super) fn add(checks: &mut Checks<'_>) {
    if known_twice(&checks.scheme.operations).count() > 1 {
        let clauses = ["common.form.documented-path"];
        checks.add(Group::Form, "operations are served under the documented paths alike", &clauses, alike);
    }
}

fn known_twice(operations: &[Operation]) -> impl Iterator<Item = &Operation> {
    operations.iter().filter(|operation| !operation.other_paths.is_empty())
}

fn alike(cx: &mut Context<'_>) -> Result<(), Stop> {
    let scheme = cx.scheme;
    let profile = cx.target.profile.scheme(&scheme.id);
    let judged: Vec<&Operation> = known_twice(&scheme.operations)
        .filter(|operation| !profile.paths.contains_key(&operation.name) && cx.served(operation).is_ok())
        .collect();
    let (there, elsewhere): (Vec<&Operation>, Vec<&Operation>) =
        judged.into_iter().partition(|operation| cx.path(operation) == operation.path);
    let (Some(there), Some(elsewhere)) = (there.first(), elsewhere.first()) else { return Ok(()) };
    let mut draft = cx.draft(elsewhere);
    draft.path.clone_from(&elsewhere.path);
    let answer = cx.send(elsewhere, &draft)?;
    if !matches!(answer.exchange.status(), Some(404 | 405)) {
        return Ok(());
    }
    let did = format!("asked {} under its documented path {}", elsewhere.name, elsewhere.path);
    let expected = format!(
        "it to be there, as {} is under {}; it answers only under {}",
        there.name,
        there.path,
        cx.path(elsewhere)
    );
    cx.found(&did, &expected, &answer)
}
