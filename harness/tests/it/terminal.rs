//! The line that moves while checks run, on a terminal that `script` makes and a parser of terminals reads.

use crate::program::{countersign_with, finished};
use crate::stub::{Stub, examples};
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;

/// Columns of the terminal: fewer than the names of two checks have letters.
const COLUMNS: NonZero<u16> = NonZero::new(60).unwrap();

/// Rows of the terminal: more than any run here writes.
const ROWS: NonZero<u16> = NonZero::new(900).unwrap();

/// What a run leaves on a terminal, byte by byte; none where there is no `script`.
fn on_terminal(url: &str, rest: &str, variables: &[(&str, &str)]) -> Option<Vec<u8>> {
    on_narrow(COLUMNS.get(), url, rest, variables)
}

/// The same on one of so many columns.
fn on_narrow(columns: u16, url: &str, rest: &str, variables: &[(&str, &str)]) -> Option<Vec<u8>> {
    let program = env!("CARGO_BIN_EXE_countersign");
    let flags = "--scheme nftrainbow --group flow --group token --seed 1 --cases 4";
    let line =
        format!("stty cols {columns} rows {ROWS} && exec '{program}' conformance --url {url} {flags} {rest}");
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]);
    command.env_remove("NO_COLOR").env("SHELL", "/bin/sh").env("TERM", "xterm-256color");
    command.envs(variables.iter().copied());
    let Some(output) = finished(&mut command) else {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "script is not installed");
        drop(writeln!(std::io::stderr(), "skipped: script is not installed"));
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// Whether a row of the terminal is the line that moves.
fn moves(row: &str) -> bool {
    row.contains(" checks  ") && row.contains(" requests/s")
}

/// The rows of a screen, without the empty ones at its end.
fn rows(screen: &vt100::Screen) -> Vec<String> {
    let mut rows: Vec<String> = screen.rows(0, COLUMNS.get()).map(|row| row.trim_end().to_owned()).collect();
    rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
    rows
}

fn file(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_line_keeps_to_one_row_leaves_standard_output_alone_and_goes() {
    let stub = Stub::start(examples);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let Some(bytes) = on_terminal(&stub.url(), &format!(">'{}'", out.display()), &[]) else { return };
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    let (mut drawn, mut fullest) = (0, 0);
    for byte in &bytes {
        terminal.process(std::slice::from_ref(byte));
        // A row is looked at where the writer comes back to its beginning.
        if *byte != b'\r' {
            continue;
        }
        let rows = rows(terminal.screen());
        assert!(rows.len() <= 1, "it does not fit into its row:\n{}", rows.join("\n"));
        for row in rows {
            assert!(moves(&row), "{row}");
            drawn += 1;
            fullest = fullest.max(row.chars().count());
        }
    }
    assert!(drawn > 0, "{}", String::from_utf8_lossy(&bytes));
    // Names of checks fill it to its end, and no further.
    assert!(fullest > usize::from(COLUMNS.get()) - 15, "{fullest} columns at most");
    assert_eq!(rows(terminal.screen()), [""; 0], "something is left of it");
    let written = file(&out);
    assert!(!written.contains(['\u{1b}', '\r']), "{written:?}");
    assert!(written.starts_with("\nrunning ") && written.contains("checks judged"), "{written}");
    assert!(!written.lines().any(moves), "{written}");
}

#[test]
fn lines_and_page_stand_whole_where_the_line_moved() {
    let stub = Stub::start(examples);
    let names = countersign_with(
        &["conformance", "--list", "--scheme", "nftrainbow", "--group", "flow", "--group", "token"],
        &[],
    );
    let names: Vec<&str> = names.stdout.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    for colours in [true, false] {
        let variables: &[(&str, &str)] = if colours { &[] } else { &[("NO_COLOR", "1")] };
        let Some(bytes) = on_terminal(&stub.url(), "", variables) else { return };
        let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
        terminal.process(&bytes);
        let screen = terminal.screen();
        let rows = rows(screen);
        assert!(!rows.iter().any(|row| moves(row)), "{}", rows.join("\n"));
        // Rows that go on in the next one are one line.
        let text = screen.contents();
        for name in &names {
            let lines = text.lines().filter(|line| line.starts_with(&format!("test {name} "))).count();
            assert_eq!(lines, 1, "{name}:\n{text}");
        }
        let painted = String::from_utf8_lossy(&bytes);
        let is_painted = painted.split('\u{1b}').skip(1).any(|code| {
            let end = code.find(|c: char| c.is_ascii_alphabetic()).unwrap_or_default();
            code[end..].starts_with('m')
        });
        assert_eq!(is_painted, colours, "{painted:?}");
    }
}

/// What may be wider than a terminal: lines of libtest, and what is there to be copied or to be seen as it was.
fn is_whole(row: &str) -> bool {
    let start = row.trim_start();
    let label = start.split_whitespace().next().unwrap_or_default();
    let copied =
        ["exchange", "curl", "with", "again", "these", "test", "differs", "FAIL", ">", "<", "~", "+", "-"];
    // A value in JSON is one long word.
    copied.contains(&label) || row.contains("::") || start.starts_with('{')
}

#[test]
fn words_are_broken_between_words_on_a_narrow_terminal() {
    let stub = Stub::start(examples);
    let columns = NonZero::new(44).unwrap();
    let Some(bytes) = on_narrow(columns.get(), &stub.url(), "--level must", &[]) else { return };
    let mut terminal = vt100::Parser::new(ROWS, columns, 0);
    terminal.process(&bytes);
    let screen = terminal.screen();
    let rows: Vec<String> = screen.rows(0, columns.get()).collect();
    let mut whole = false;
    let mut broken = Vec::new();
    for (number, row) in (0..).zip(&rows) {
        let goes_on = number > 0 && screen.row_wrapped(number - 1);
        whole = if goes_on { whole } else { is_whole(row) };
        if screen.row_wrapped(number) && !whole {
            broken.push(row.clone());
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let text = screen.contents();
    assert!(text.contains("\nnftrainbow: ") && text.contains(" held, "), "{text}");
}

#[test]
fn there_is_no_line_where_nobody_could_see_it_move() {
    let stub = Stub::start(examples);
    let url = stub.url();
    let arguments = ["conformance", "--url", &url, "--scheme", "nftrainbow", "--group", "token"];
    let run = countersign_with(&arguments, &[("TERM", "xterm-256color")]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""), "{}", run.stdout);
    for (rest, term) in [("", "dumb"), ("--quiet", "xterm-256color"), ("--format json", "xterm-256color")] {
        let Some(bytes) = on_terminal(&url, rest, &[("TERM", term)]) else { return };
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("requests/s"), "{rest} {term}: {text}");
    }
}
