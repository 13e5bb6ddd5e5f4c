use super::super::{Act, AuditEvent};
use super::*;

fn record(subject: &str) -> Record<'_> {
    Record::of(&AuditEvent::LoggedIn(Act { scheme: "s", operation: "o", subject }), None, None)
}

fn subjects(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.map(|line| line["subject"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Waits for the writer's thread, for as long as a test may take.
fn until(what: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !what() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60));
        std::thread::yield_now();
    }
}

#[test]
fn events_are_appended_to_a_private_file_and_a_moved_one_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = AuditLog::open(&path, 8).unwrap();
    log.write(&record("a"));
    log.close();
    let log = AuditLog::open(&path, 8).unwrap();
    log.write(&record("b"));
    log.reopen();
    let moved = folder.path().join("old");
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    log.write(&record("c"));
    log.close();
    assert_eq!([subjects(&moved), subjects(&path)].concat(), ["a", "b", "c"]);
    assert_eq!(log.lost(), 0);
    log.write(&record("d"));
    assert_eq!(log.lost(), 1, "it is closed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_loss_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let queue = Arc::new(Queue::new(2));
    for subject in ["a", "b", "c", "d", "e"] {
        queue.push(record(subject).line());
    }
    queue.close();
    let target = Target::File { path: path.clone(), file: append(&path).unwrap() };
    Writer::new(target, queue.clone(), Arc::default()).run();
    assert_eq!((queue.lost(), subjects(&path)), (3, vec!["a".into(), "b".into(), String::new()]));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().last().unwrap().contains("\"event\":\"lost\",\"cause\":\"3\""), "{text}");
}

#[test]
fn a_line_that_a_crash_left_half_written_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{\"event\":\"lo").unwrap();
    for subject in ["a", "b"] {
        let log = AuditLog::open(&path, 8).unwrap();
        log.write(&record(subject));
        log.close();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("{\"event\":\"lo", 3), "{text}");
    assert!(lines[1].contains("\"a\"") && lines[2].contains("\"b\""), "{text}");
}

/// Takes so many bytes and then no more.
struct Full {
    room: usize,
    taken: Vec<u8>,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        self.room -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_batch_goes_on_where_the_disk_was_full() {
    let mut out = Full { room: 5, taken: Vec::new() };
    let mut written = 0;
    assert!(write_on(&mut out, b"one\ntwo\n", &mut written).is_err());
    assert_eq!(written, 5);
    out.room = 100;
    write_on(&mut out, b"one\ntwo\n", &mut written).unwrap();
    assert_eq!(out.taken, b"one\ntwo\n");
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_full_disk_does_not_take_waits_for_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let log = AuditLog::open(&path, 8).unwrap();
    log.write(&record("a"));
    until(|| log.is_failing());
    assert!(log.is_in_trouble() && log.lost() == 0);
    for subject in ["b", "c"] {
        log.write(&record(subject));
    }
    std::fs::remove_file(&path).unwrap();
    log.reopen();
    until(|| !log.is_failing());
    log.close();
    assert_eq!((subjects(&path), log.lost()), (vec!["a".into(), "b".into(), "c".into()], 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_stays_full_loses_events_and_stops_nobody() {
    let log = AuditLog::open(Path::new("/dev/full"), 2).unwrap();
    log.write(&record("a"));
    until(|| log.is_failing());
    for subject in ["b", "c", "d"] {
        log.write(&record(subject));
    }
    assert_eq!((log.lost(), log.waiting()), (1, 2), "a is with the writer, d found no place");
    log.close();
    assert_eq!(log.lost(), 4);
}

#[test]
fn a_file_that_cannot_be_is_an_error_at_the_start() {
    assert!(AuditLog::open(Path::new("/nonexistent/audit.jsonl"), 8).is_err());
}
