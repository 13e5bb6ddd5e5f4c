//! Faults of operations that are served under several paths and guarded under one.

use super::accepts;
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Role, Scheme};

/// Whom an operation lets in under its further paths.
type When = fn(&Seen<'_>) -> bool;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    for operation in &scheme.operations {
        let name = &operation.name;
        let sentence = format!("{name} asks for the same proof under each of its paths");
        let names =
            ["token", "refresh", "credential", "proof"].map(|group| check(&scheme.id, group, &sentence));
        let Some(trips) = names.into_iter().find(|name| exists(name)) else { continue };
        let all: [(&str, &str, When); 2] = [
            (
                "is open under its other path",
                "nobody who comes by the other path is asked for a proof",
                |seen| seen.token().is_none() && seen.text(Role::Password).is_none(),
            ),
            (
                "only sees that there is a proof under its other path",
                "who comes by the other path with whatever stands for a proof is let in",
                |seen| seen.token().is_some() || seen.text(Role::Password).is_some(),
            ),
        ];
        for (fault, does, when) in all {
            let elsewhere =
                move |seen: &Seen<'_>| operation.other_paths.contains(&seen.req.path) && when(seen);
            let make = accepts(&scheme.id, name, elsewhere);
            faults.push(Fault::new(
                &scheme.id,
                &format!("{name} {fault}"),
                does,
                std::slice::from_ref(&trips),
                make,
            ));
        }
    }
    faults
}
