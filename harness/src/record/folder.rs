//! Where a record lies: a folder for each scheme, a file for each flow, and a mark that says whose folder it is.
//!
//! Only a folder with the mark is written over, and only files of schemes that were toured are taken away.

use super::transcript::{FORMAT, Transcript};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::Table;

/// The file that marks a record.
pub const MARK: &str = "countersign-record.toml";

/// A record on disk.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    schemes: BTreeSet<String>,
}

/// What writing a record did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Files that are new or have changed.
    pub written: usize,
    /// Files that were as they should be.
    pub unchanged: usize,
    /// Files of flows that are gone.
    pub removed: usize,
}

impl Folder {
    /// Opens a record.
    ///
    /// # Errors
    /// Why it is none that can be used, and what to do.
    pub fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        if !path.is_dir() {
            return Err(format!("{shown} is no folder; make a record there first, with --record {shown}"));
        }
        let mark = path.join(MARK);
        let text = std::fs::read_to_string(&mark)
            .map_err(|error| format!("{shown} is no record: {MARK} in it cannot be read ({error})"))?;
        let schemes = read_mark(&text).map_err(|problem| format!("{}: {problem}", mark.display()))?;
        Ok(Self { path: path.to_owned(), schemes })
    }

    /// Opens a record to write it, or a place where one can be begun.
    ///
    /// # Errors
    /// Why nothing may be written there.
    pub fn prepare(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let mut entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), schemes: BTreeSet::new() });
            }
            Err(error) => return Err(format!("{shown}: {error}; give a folder")),
        };
        if path.join(MARK).exists() {
            return Self::open(path);
        }
        if entries.next().is_some() {
            return Err(format!(
                "{shown} holds something else than a record ({MARK} is missing); give an empty folder"
            ));
        }
        Ok(Self { path: path.to_owned(), schemes: BTreeSet::new() })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Schemes it has transcripts of.
    #[must_use]
    pub fn schemes(&self) -> &BTreeSet<String> {
        &self.schemes
    }

    /// The transcripts of these schemes, by scheme and flow.
    ///
    /// # Errors
    /// Which file cannot be read, and why.
    pub fn read(&self, schemes: &[String]) -> Result<Vec<Transcript>, String> {
        let mut transcripts = Vec::new();
        for scheme in schemes {
            for path in self.files(scheme)? {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let transcript = Transcript::read(&text).map_err(|(line, expected)| {
                    format!("{}:{line}: expected {expected}; record it again", path.display())
                })?;
                if self.path.join(transcript.path()) != path {
                    let own = transcript.path();
                    return Err(format!("{} says that it is {own}; record it again", path.display()));
                }
                transcripts.push(transcript);
            }
        }
        Ok(transcripts)
    }

    /// Writes the transcripts of these schemes and takes away what they no longer have. Other schemes stay as they are.
    ///
    /// # Errors
    /// What could not be written or removed, and why.
    pub fn write(&mut self, schemes: &[String], transcripts: &[Transcript]) -> Result<Written, String> {
        let mut done = Written::default();
        // The mark first: what is begun can be begun again.
        self.schemes.extend(schemes.iter().cloned());
        std::fs::create_dir_all(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))?;
        write(&self.path.join(MARK), &mark(&self.schemes))?;
        for scheme in schemes {
            for path in self.files(scheme)? {
                if !transcripts.iter().any(|transcript| self.path.join(transcript.path()) == path) {
                    std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                    done.removed += 1;
                }
            }
        }
        for transcript in transcripts {
            if write(&self.path.join(transcript.path()), &transcript.write())? {
                done.written += 1;
            } else {
                done.unchanged += 1;
            }
        }
        Ok(done)
    }

    /// The files of a scheme, sorted.
    fn files(&self, scheme: &str) -> Result<Vec<PathBuf>, String> {
        let folder = self.path.join(scheme);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("{}: {error}", folder.display())),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Writes a file unless it is so already; says whether it did.
fn write(path: &Path, text: &str) -> Result<bool, String> {
    if std::fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("{} could not be written: {error}", path.display()))?;
    Ok(true)
}

fn mark(schemes: &BTreeSet<String>) -> String {
    let names: Vec<String> = schemes.iter().map(|scheme| format!("\"{scheme}\"")).collect();
    format!(
        "# What a target says on the wire, by `countersign conformance --record`; `--compare` says what has changed.\n\
         format = {FORMAT}\nschemes = [{}]\n",
        names.join(", ")
    )
}

fn read_mark(text: &str) -> Result<BTreeSet<String>, String> {
    let table: Table = text.parse().map_err(|problem| format!("it is no TOML: {problem}"))?;
    match table.get("format").and_then(toml::Value::as_integer) {
        Some(FORMAT) => {}
        Some(other) => {
            return Err(format!(
                "the record is of format {other}, this program's is {FORMAT}; record again, into an empty folder"
            ));
        }
        None => return Err("`format` is missing; record again, into an empty folder".to_owned()),
    }
    // A scheme is a folder, and never one outside.
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let schemes = table.get("schemes").and_then(toml::Value::as_array).and_then(|schemes| {
        let names = schemes.iter().map(|scheme| scheme.as_str().filter(is_name).map(str::to_owned));
        names.collect::<Option<BTreeSet<_>>>()
    });
    schemes.ok_or_else(|| "`schemes` is no list of names of schemes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::transcript::{Body, Message, Step};

    fn transcript(scheme: &str, flow: &str) -> Transcript {
        let message =
            |first: &str| Message { first: first.to_owned(), headers: Vec::new(), body: Body::None };
        let step = Step { title: "one".to_owned(), request: message("GET /"), answer: message("HTTP 200") };
        Transcript { scheme: scheme.into(), flow: flow.into(), about: "it".into(), steps: vec![step] }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_record_is_written_read_and_written_over() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("wire");
        let first = [transcript("a", "login"), transcript("a", "use"), transcript("b", "login")];
        let done = Folder::prepare(&path).unwrap().write(&names(&["a", "b"]), &first).unwrap();
        assert_eq!(done, Written { written: 3, unchanged: 0, removed: 0 });
        let record = Folder::open(&path).unwrap();
        assert_eq!(record.read(&names(&["a", "b"])).unwrap(), first);
        assert_eq!(record.read(&names(&["b"])).unwrap(), first[2..]);
        // A scheme that is not toured stays, and what is not ours does, too.
        std::fs::write(path.join("a/notes.md"), "mine").unwrap();
        let done = Folder::prepare(&path).unwrap().write(&names(&["a"]), &first[..1]).unwrap();
        assert_eq!(done, Written { written: 0, unchanged: 1, removed: 1 });
        let record = Folder::open(&path).unwrap();
        assert_eq!(record.schemes().iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(record.read(&names(&["a", "b"])).unwrap(), [first[0].clone(), first[2].clone()]);
        assert!(path.join("a/notes.md").exists());
    }

    #[test]
    fn a_folder_that_is_no_record_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        assert!(Folder::prepare(root.path()).is_ok());
        assert!(Folder::open(root.path()).unwrap_err().contains("is no record"));
        assert!(Folder::open(&root.path().join("x")).unwrap_err().contains("--record"));
        std::fs::write(root.path().join("thesis.txt"), "mine").unwrap();
        assert!(Folder::prepare(root.path()).unwrap_err().contains("holds something else"));
        assert!(Folder::prepare(&root.path().join("thesis.txt")).is_err());
    }

    #[test]
    fn marks_of_other_formats_and_of_folders_elsewhere_are_refused() {
        assert_eq!(
            read_mark(&mark(&BTreeSet::from(["a".to_owned()]))).unwrap(),
            BTreeSet::from(["a".to_owned()])
        );
        for (text, part) in [
            ("format = 2\nschemes = []", "format 2"),
            ("schemes = []", "`format` is missing"),
            ("format = 1\nschemes = [\"../a\"]", "`schemes`"),
            ("format = 1", "`schemes`"),
            ("<html>", "no TOML"),
        ] {
            assert!(read_mark(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn a_file_that_was_edited_into_nonsense_is_named_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        let mut record = Folder::prepare(root.path()).unwrap();
        record.write(&names(&["a"]), &[transcript("a", "login")]).unwrap();
        std::fs::write(root.path().join("a/login.txt"), "# a login: it\n\noops\n").unwrap();
        assert!(record.read(&names(&["a"])).unwrap_err().contains("login.txt:3: expected"));
        std::fs::write(root.path().join("a/login.txt"), transcript("a", "use").write()).unwrap();
        assert!(record.read(&names(&["a"])).unwrap_err().contains("says that it is a/use.txt"));
    }
}
