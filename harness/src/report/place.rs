//! Where a report goes: a file that is there whole or not at all, or standard output.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place that was found writable before the run.
#[derive(Debug)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// A file beside the one that is to be, which it replaces when it is whole.
    Beside {
        /// The file that is to be.
        path: PathBuf,
        /// The one that is written.
        draft: Draft,
    },
    /// Something that cannot be replaced, such as a pipe or a device.
    Direct {
        /// Where it is.
        path: PathBuf,
        /// Open for writing.
        file: File,
    },
}

impl Place {
    /// Finds out that a report can be written there, and makes the folders above it. The file itself is left alone.
    ///
    /// # Errors
    /// Why it cannot, naming the path.
    pub fn prepare(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let failed = |problem: &io::Error| {
            format!("no report can be written to {}: {problem}; name a file that can be", path.display())
        };
        // What a link points to is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(known) if known.is_dir() => {
                return Err(format!("{} is a folder: name a file in it", path.display()));
            }
            Ok(known) if !known.is_file() => {
                let file = File::options().write(true).open(&path).map_err(|problem| failed(&problem))?;
                return Ok(Self::Direct { path, file });
            }
            // A file that may not be written is not to be replaced either.
            Ok(_) => drop(File::options().append(true).open(&path).map_err(|problem| failed(&problem))?),
            Err(_) => {}
        }
        let draft = Draft::beside(&path).map_err(|problem| failed(&problem))?;
        Ok(Self::Beside { path, draft })
    }

    /// Writes the whole report.
    ///
    /// # Errors
    /// Why it could not be written, naming the path.
    pub fn write(self, text: &str) -> Result<(), String> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                written.map_err(|problem| format!("no report was written to standard output: {problem}"))
            }
            Self::Direct { path, mut file } => {
                let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
                written.map_err(|problem| format!("no report was written to {}: {problem}", path.display()))
            }
            Self::Beside { path, mut draft } => {
                let written = draft.file.write_all(text.as_bytes()).and_then(|()| draft.become_file(&path));
                written.map_err(|problem| format!("no report was written to {}: {problem}", path.display()))
            }
        }
    }

    /// A writer for a report that is written while the run goes on, and the path for messages.
    ///
    /// # Errors
    /// Why it cannot be opened, naming the path.
    pub fn stream(self) -> Result<Box<dyn Write + Send>, String> {
        match self {
            Self::Stdout => Ok(Box::new(io::stdout())),
            Self::Direct { file, .. } => Ok(Box::new(file)),
            Self::Beside { path, .. } => File::create(&path)
                .map(|file| Box::new(file) as Box<dyn Write + Send>)
                .map_err(|problem| format!("no report can be written to {}: {problem}", path.display())),
        }
    }
}

/// A file that is taken away again unless it becomes the one that is to be.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn beside(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
        }
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}", std::process::id()));
        let path = path.with_file_name(draft);
        Ok(Self { file: File::create(&path)?, path })
    }

    fn become_file(&mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After it became the file there is nothing left to take away.
        drop(fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/report.txt");
        let place = Place::prepare(Some(&path)).unwrap();
        assert!(!path.exists());
        place.write("first").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        drop(Place::prepare(Some(&path)).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        Place::prepare(Some(&path)).unwrap().write("second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "a draft was left behind");
    }

    #[test]
    fn a_place_that_cannot_be_written_says_so_before() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Place::prepare(Some(folder.path())).unwrap_err().contains("is a folder"));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let below = file.join("report.txt");
        let problem = Place::prepare(Some(&below)).unwrap_err();
        assert!(problem.contains(&below.display().to_string()), "{problem}");
    }

    #[test]
    fn what_cannot_be_replaced_is_written_in_place() {
        let place = Place::prepare(Some(Path::new("/dev/null"))).unwrap();
        assert!(matches!(place, Place::Direct { .. }));
        place.write("nothing").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
