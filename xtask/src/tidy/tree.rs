//! The files of the repository; the fixed top level; no path of one machine.

use super::Complaint;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that stands at the top, hidden folders and files aside.
const FOLDERS: [&str; 5] = ["fixtures", "harness", "server", "spec", "xtask"];
const FILES: [&str; 6] =
    ["CHANGELOG.md", "Cargo.lock", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Folders of people and of work places. Taken apart so that this file does not name one.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Use", "rs/"), concat!("/wo", "rk/")];

/// The files of a folder, by their paths below it, with slashes.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    files: BTreeSet<String>,
}

impl Tree {
    /// Reads the list of files: what git tracks or would track or, where there is no git, all but hidden build output.
    ///
    /// # Errors
    /// Why the folder could not be read.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let files = match tracked(root) {
            Some(files) => files,
            None => walk(root).map_err(|error| format!("{} could not be read: {error}", root.display()))?,
        };
        // Git also lists what was deleted and not yet committed.
        let files = files.into_iter().filter(|file| root.join(file).is_file()).collect();
        Ok(Self { root: root.to_owned(), files })
    }

    /// The files whose path begins and ends so.
    pub(super) fn files<'a>(&'a self, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
        self.files
            .iter()
            .map(String::as_str)
            .filter(move |file| file.starts_with(start) && file.ends_with(end))
    }

    /// The text of a file; none if it is no text.
    pub(super) fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(file)).ok()
    }

    /// Whether there is a file or a folder of this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.contains(path)
            || self.files.iter().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// All files.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }
}

/// The top level, and paths of one machine in any text.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut tops = BTreeSet::new();
    for file in tree.all() {
        match file.split_once('/') {
            Some((top, _)) if !top.starts_with('.') && !FOLDERS.contains(&top) && tops.insert(top) => {
                complaints.push(Complaint::new(
                    top,
                    None,
                    format!(
                        "no folder of this name belongs at the top; there are {} and hidden ones",
                        FOLDERS.join(", ")
                    ),
                ));
            }
            None if !file.starts_with('.') && !FILES.contains(&file) => complaints.push(Complaint::new(
                file,
                None,
                "no file of this name belongs at the top; settings of tools go into a hidden folder",
            )),
            _ => {}
        }
        let Some(text) = tree.text(file) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            for path in MACHINE_PATHS.iter().filter(|path| names(line, path)) {
                let what =
                    format!("names `{path}…`, a path of one machine; write a relative path or a placeholder");
                complaints.push(Complaint::new(file, number, what));
            }
        }
    }
    complaints
}

/// Whether the line holds the path where a path can begin: `a/home/` is a path below `a`.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '>'))
    })
}

fn tracked(root: &Path) -> Option<BTreeSet<String>> {
    let listed = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .ok()
        .filter(|output| output.status.success() && root.join(".git").exists())?;
    let text = String::from_utf8(listed.stdout).ok()?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !matches!(entry.file_name().to_str(), Some(".git" | "target")) {
                    folders.push(path);
                }
            } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                files.insert(path.replace('\\', "/"));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tree of these files in a temporary folder, which lives as long as what is returned.
    pub(in crate::tidy) fn plant(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Tree::read(folder.path()).unwrap();
        (folder, tree)
    }

    /// What the complaints say, one line each.
    pub(in crate::tidy) fn said(complaints: &[Complaint]) -> String {
        complaints.iter().map(|complaint| format!("{complaint}\n")).collect()
    }

    #[test]
    fn a_good_tree_is_tidy() {
        let (_folder, tree) =
            plant(&[("Cargo.toml", ""), ("README.md", ""), ("spec/a.toml", ""), (".ci/run", "")]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn strange_folders_and_files_at_the_top_are_named_once() {
        let (_folder, tree) =
            plant(&[("docs/a.md", ""), ("docs/b.md", ""), ("deny.toml", ""), ("target/x", "")]);
        let said = said(&check(&tree));
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.contains("docs: no folder") && said.contains("deny.toml: no file"), "{said}");
    }

    #[test]
    fn paths_of_one_machine_are_found_with_their_line() {
        let bad = format!("fine\nsee {}ada/notes\n", MACHINE_PATHS[0]);
        let below = format!(
            "harness{}is a folder of ours, and https://example.com{}too\n",
            MACHINE_PATHS[0], MACHINE_PATHS[3]
        );
        let (_folder, tree) = plant(&[("spec/a.toml", &bad), ("spec/b.toml", &below)]);
        let said = said(&check(&tree));
        assert!(said.starts_with("spec/a.toml:2: names `") && said.lines().count() == 1, "{said}");
    }

    #[test]
    fn a_tree_knows_its_folders() {
        let (_folder, tree) = plant(&[("spec/schemes/cbs/scheme.toml", "")]);
        assert!(
            tree.has("spec/schemes/cbs/") && tree.has("spec") && tree.has("spec/schemes/cbs/scheme.toml")
        );
        assert!(!tree.has("spec/sch") && !tree.has("server"));
    }
}
