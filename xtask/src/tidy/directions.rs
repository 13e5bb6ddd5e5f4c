//! Who may depend on whom.

use super::Complaint;
use serde_json::Value;
use std::collections::BTreeSet;

/// A member, what it may use, and what only its tests may use.
///
/// The harness must judge any implementation, so it has no path to ours, not even in tests. The server's tests may be
/// judged by the harness. `xtask` starts the server as a process, as a user would.
const MAY_USE: [(&str, &[&str], &[&str]); 6] = [
    ("countersign-fixtures", &[], &[]),
    ("countersign-spec", &[], &[]),
    ("countersign", &["countersign-fixtures", "countersign-spec"], &[]),
    // An example of a stranger's API: only its test knows us.
    ("countersign-example-axum", &[], &["countersign"]),
    ("countersign-server", &["countersign-spec"], &["countersign", "countersign-fixtures"]),
    ("xtask", &["countersign", "countersign-fixtures", "countersign-spec"], &[]),
];

/// One member's use of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// Who.
    pub(super) member: String,
    /// Where its manifest stands.
    pub(super) manifest: String,
    /// Whom; none for a member that uses no other.
    pub(super) uses: Option<String>,
    /// Whether only its tests, examples and benches do.
    pub(super) only_tests: bool,
}

/// The uses among members, from what cargo says of the workspace (`cargo metadata`, format 1).
pub(super) fn uses(metadata: &Value) -> Vec<Use> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    let members: BTreeSet<&str> = packages().filter_map(|package| package["name"].as_str()).collect();
    let mut uses = Vec::new();
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let one = |uses: Option<&str>, only_tests| Use {
            member: package["name"].as_str().unwrap_or_default().to_owned(),
            manifest: manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/').to_owned(),
            uses: uses.map(str::to_owned),
            only_tests,
        };
        uses.push(one(None, false));
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["name"].as_str().filter(|name| members.contains(name));
            if name.is_some() {
                uses.push(one(name, dependency["kind"] == "dev"));
            }
        }
    }
    uses
}

/// Every use that is not allowed, and every member this rule does not know.
pub(super) fn check(uses: &[Use]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for one in uses {
        let Some((_, always, in_tests)) = MAY_USE.iter().find(|(member, ..)| *member == one.member) else {
            let what = format!(
                "{} is a new member; say in xtask/src/tidy/directions.rs whom it may use",
                one.member
            );
            complaints.push(Complaint::new(&one.manifest, None, what));
            continue;
        };
        let Some(other) = &one.uses else { continue };
        if always.contains(&other.as_str()) || (one.only_tests && in_tests.contains(&other.as_str())) {
            continue;
        }
        let what = if in_tests.contains(&other.as_str()) {
            format!("{} may use {other} in tests only; move it to [dev-dependencies]", one.member)
        } else {
            format!("{} must not use {other}, not even in tests (README.md, code map)", one.member)
        };
        complaints.push(Complaint::new(&one.manifest, None, what));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::said;
    use super::*;

    fn check_one(member: &str, uses: &str, only_tests: bool) -> String {
        let one = Use {
            member: member.into(),
            manifest: "x/Cargo.toml".into(),
            uses: (!uses.is_empty()).then(|| uses.to_owned()),
            only_tests,
        };
        said(&check(&[one]))
    }

    #[test]
    fn uses_are_read_from_what_cargo_says() {
        let package = |name: &str, folder: &str, dependencies: Value| {
            serde_json::json!({
                "name": name, "manifest_path": format!("/x/{folder}/Cargo.toml"), "dependencies": dependencies,
            })
        };
        let metadata = serde_json::json!({
            "workspace_root": "/x",
            "packages": [
                package("countersign-spec", "spec", serde_json::json!([{ "name": "serde", "kind": null }])),
                package("countersign", "harness", serde_json::json!([
                    { "name": "countersign-spec", "kind": null },
                    { "name": "countersign-server", "kind": "dev" },
                ])),
                package("countersign-server", "server", serde_json::json!([])),
            ],
        });
        let uses = uses(&metadata);
        assert_eq!(uses.iter().filter(|one| one.uses.is_none()).count(), 3);
        let said = said(&check(&uses));
        assert!(
            said.starts_with("harness/Cargo.toml: countersign must not use countersign-server"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    #[test]
    fn allowed_directions_pass() {
        for (member, uses, only_tests) in [
            ("countersign-server", "countersign-spec", false),
            ("countersign-server", "countersign", true),
            ("countersign-server", "countersign-fixtures", true),
            ("countersign", "countersign-spec", false),
            ("countersign", "countersign-fixtures", true),
            ("xtask", "countersign", false),
            ("countersign-spec", "", false),
        ] {
            assert_eq!(check_one(member, uses, only_tests), "", "{member} {uses}");
        }
    }

    #[test]
    fn the_harness_has_no_path_to_the_server() {
        for only_tests in [false, true] {
            let said = check_one("countersign", "countersign-server", only_tests);
            assert!(said.contains("countersign must not use countersign-server"), "{said}");
        }
    }

    #[test]
    fn the_other_directions_fail_too() {
        assert!(check_one("countersign-server", "countersign", false).contains("[dev-dependencies]"));
        assert!(check_one("countersign-spec", "countersign-fixtures", true).contains("must not use"));
        assert!(check_one("countersign-fixtures", "countersign-spec", false).contains("must not use"));
        assert!(check_one("xtask", "countersign-server", false).contains("must not use"));
        assert!(check_one("sixth", "", false).contains("new member"));
    }
}
