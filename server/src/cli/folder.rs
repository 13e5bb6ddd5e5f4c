//! The folder that keeps what must outlive the program.

use super::{Args, Problem, told};
use crate::config::{Config, StoreKind};
use crate::env::{SystemRandom, random_bytes};
use std::path::{Path, PathBuf};

/// Which store was asked for.
pub(super) fn store_kind(args: &Args, config: &Config) -> StoreKind {
    args.store.or(config.store.kind).unwrap_or(StoreKind::Embedded)
}

/// Where the store's file and the key live.
#[derive(Debug)]
pub(super) enum Folder {
    Kept(PathBuf),
    /// Made for a development server and removed with it.
    Scratch(PathBuf),
}

impl Folder {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Scratch(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Scratch(path) = self {
            // What cannot be removed is left to whoever cleans the system's temporary folder.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// The folder that was named or is usual; nothing where no file is needed.
pub(super) fn data_folder(args: &Args, config: &Config) -> Result<Option<Folder>, Problem> {
    let named = args.data_dir.clone().or_else(|| config.store.data_dir.clone());
    let folder = match (named, store_kind(args, config)) {
        (Some(folder), _) => Folder::Kept(folder),
        (None, StoreKind::Memory) => return Ok(None),
        // The signing key lives there too, whatever the store.
        (None, _) if args.dev => {
            let name = data_encoding::HEXLOWER.encode(&random_bytes::<8>(&SystemRandom).map_err(told)?);
            Folder::Scratch(std::env::temp_dir().join(format!("countersign-dev-{name}")))
        }
        (None, _) => Folder::Kept(PathBuf::from("countersign-data")),
    };
    let path = folder.path();
    let mut making = std::fs::DirBuilder::new();
    making.recursive(true);
    // Hashes of passwords are in it. A folder that is there already is left as it was meant.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut making, 0o700);
    making.create(path).map_err(|error| format!("cannot make the folder {}: {error}", path.display()))?;
    Ok(Some(folder))
}
