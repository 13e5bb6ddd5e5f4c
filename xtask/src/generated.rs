//! Files that are written by a verb and compared by the same verb with `--check`.

use std::path::Path;

/// A file as it should be.
#[derive(Debug)]
pub(crate) struct Generated {
    /// Path below the root, with slashes.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

impl Generated {
    /// Whether the file is there and as it should be.
    pub(crate) fn is_fresh(&self, root: &Path) -> bool {
        std::fs::read(root.join(&self.path)).is_ok_and(|found| found == self.text.as_bytes())
    }

    /// Writes the file unless it is fresh already, so that nothing is built again for nothing. Says whether it did.
    ///
    /// # Errors
    /// Which file could not be written and why.
    pub(crate) fn write(&self, root: &Path) -> Result<bool, String> {
        if self.is_fresh(root) {
            return Ok(false);
        }
        let path = root.join(&self.path);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, &self.text))
            .map_err(|error| format!("{} could not be written: {error}", self.path))?;
        Ok(true)
    }

    /// The first line in which the file on disk differs, counted from one; for a file that is not there, none.
    pub(crate) fn first_difference(&self, root: &Path) -> Option<usize> {
        let found = std::fs::read_to_string(root.join(&self.path)).ok()?;
        let (mut left, mut right) = (found.lines(), self.text.lines());
        (1..).find(|_| match (left.next(), right.next()) {
            (None, None) => true,
            (a, b) => a != b,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_and_a_change_is_found() {
        let root = tempfile::tempdir().unwrap();
        let file = Generated { path: "a/b.txt".into(), text: "one\ntwo\n".into() };
        assert!(!file.is_fresh(root.path()));
        assert_eq!(file.first_difference(root.path()), None);
        assert_eq!(file.write(root.path()), Ok(true));
        assert!(file.is_fresh(root.path()));
        assert_eq!(file.write(root.path()), Ok(false));
        std::fs::write(root.path().join("a/b.txt"), "one\n2\n").unwrap();
        assert!(!file.is_fresh(root.path()));
        assert_eq!(file.first_difference(root.path()), Some(2));
    }
}
