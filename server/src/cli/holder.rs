//! Which process has a file for itself.

use std::path::Path;

/// The process that holds a lock on the file, as far as the system tells.
#[cfg(target_os = "linux")]
pub(super) fn holder(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(path).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    process(&locks, &inode)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn holder(_: &Path) -> Option<u32> {
    None
}

/// Reads lines such as `1: FLOCK  ADVISORY  WRITE 412 00:2f:1234 0 EOF`. A process outside this container is 0 or less.
#[cfg(target_os = "linux")]
fn process(locks: &str, inode: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(4);
        let (process, file) = (words.next()?, words.next()?);
        let is_file = file.rsplit(':').next() == Some(inode);
        process.parse().ok().filter(|process| is_file && *process > 0)
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_file_names_the_process() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 00:2f:99 0 EOF\n2: FLOCK  ADVISORY  WRITE 412 00:2f:1234 0 EOF\n3: FLOCK ADVISORY WRITE -1 00:2f:55 0 EOF\n";
        assert_eq!(process(locks, "1234"), Some(412));
        assert_eq!((process(locks, "55"), process(locks, "234"), process("", "1")), (None, None, None));
    }
}
