//! `--list`: the names of checks, for people, shells and test runners.
//!
//! Lines are those of libtest (`name: test`); with `--format json` they are its discovery events, with what else is known
//! of a check without running it.

pub mod table;

use crate::check::Check;
use serde_json::json;
use std::io::{self, Write};

/// Writes the names, in the order they run in, each with whether it is ignored.
///
/// # Errors
/// Where the reader is gone.
pub fn write<'c>(
    out: &mut impl Write,
    checks: impl Iterator<Item = (&'c Check, bool)>,
    as_json: bool,
) -> io::Result<()> {
    let mut text = String::new();
    let (mut count, mut ignored) = (0_usize, 0_usize);
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    if as_json {
        line(&json!({ "type": "suite", "event": "discovery" }).to_string());
    }
    for (check, ignore) in checks {
        count += 1;
        ignored += usize::from(ignore);
        if as_json {
            let event = json!({
                "type": "test", "event": "discovered", "name": check.name, "ignore": ignore,
                "level": check.level, "clauses": check.clauses, "sentence": check.sentence,
            });
            line(&event.to_string());
        } else {
            line(&format!("{}: test", check.name));
        }
    }
    if as_json {
        let end = json!({ "type": "suite", "event": "completed", "tests": count, "benchmarks": 0, "total": count, "ignored": ignored });
        line(&end.to_string());
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_spec::Spec;
    use serde_json::Value;

    fn listed(as_json: bool) -> Vec<String> {
        let checks = crate::checks::all(Spec::embedded());
        let mut out = Vec::new();
        write(&mut out, checks.iter().map(|check| (check, false)), as_json).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn both_forms_list_the_same_checks() {
        let plain = listed(false);
        let events: Vec<Value> =
            listed(true).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(plain.contains(&"ethgas::flow::the-documented-login-works: test".to_owned()));
        assert_eq!(events.len(), plain.len() + 2);
        assert_eq!(events[0]["event"], "discovery");
        assert_eq!(events[plain.len() + 1]["tests"], plain.len());
        for (event, line) in events[1..].iter().zip(&plain) {
            assert_eq!(format!("{}: test", event["name"].as_str().unwrap()), *line);
            assert!(event["level"].is_string() && event["clauses"].is_array());
        }
    }

    /// A list is asked for by shells and editors at every key: it must cost no more than reading the specification.
    #[test]
    fn a_list_compiles_no_schema_and_draws_nothing() {
        let spec = Spec::embedded_anew();
        let before = crate::generate::made_by_this_thread();
        let checks = crate::checks::all(&spec);
        write(&mut Vec::new(), checks.iter().map(|check| (check, false)), true).unwrap();
        for scheme in spec.schemes() {
            for schema in scheme.schemas.values() {
                assert!(!schema.is_compiled(), "{} of {} was compiled", schema.file, scheme.id);
            }
        }
        assert_eq!(crate::generate::made_by_this_thread(), before, "a generator was made");
    }
}
