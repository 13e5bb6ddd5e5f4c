//! Words that only the inside of a server writes: traces of stacks, complaints of databases, paths of files.
//!
//! A plain sentence about what was wrong with a request is none, whoever's parser wrote it.

/// Text by which one of them is known, as it stands when escapes of JSON are undone.
const MARKS: [&str; 45] = [
    // Python
    "Traceback (most recent call last)",
    "File \"/",
    ".py\", line",
    "site-packages",
    // JavaScript
    "node_modules/",
    "node:internal",
    "at Object.<anonymous>",
    "at async ",
    "SyntaxError: Unexpected",
    // Java and Kotlin
    ".java:",
    "org.springframework.",
    "Exception in thread \"",
    "\n\tat com.",
    "\n\tat org.",
    "\n\tat java.",
    // Go
    "goroutine ",
    "panic: runtime error",
    "runtime error: invalid memory address",
    // Rust
    "panicked at",
    "RUST_BACKTRACE",
    // PHP
    "PHP Fatal error",
    "Fatal error: Uncaught",
    "Stack trace:",
    // .NET
    "   at System.",
    "   at Microsoft.",
    ".cs:line ",
    "System.NullReferenceException",
    // Any
    "stack trace",
    "stacktrace",
    "/usr/lib/",
    "/usr/local/",
    // Databases
    "SQLSTATE",
    "syntax error at or near",
    "You have an error in your SQL syntax",
    "unterminated quoted string at or near",
    "Unclosed quotation mark after the character string",
    "ORA-0",
    "sqlite3.",
    "SQLITE_",
    "psycopg2",
    "MySqlException",
    "MongoServerError",
    "E11000 duplicate key",
    "SELECT * FROM",
    "PG::",
];

/// The first of these words that stands in an answer and was not sent.
#[must_use]
pub fn shown(text: &str, sent: &[u8]) -> Option<&'static str> {
    let sent = String::from_utf8_lossy(sent);
    let plain = text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"");
    let mark = MARKS.into_iter().find(|mark| plain.contains(mark) && !sent.contains(mark));
    mark.or_else(|| has_frames(&plain).then_some("a line of a stack trace"))
        .or_else(|| has_source_path(&plain, &sent).then_some("the path of a source file"))
}

/// Whether an absolute path of a source file stands in it, such as `/srv/app/login.py`, which was not sent.
fn has_source_path(text: &str, sent: &str) -> bool {
    const ROOTS: [&str; 12] =
        ["app", "code", "data", "home", "opt", "root", "srv", "tmp", "usr", "var", "workspace", "Users"];
    const SOURCES: [&str; 11] =
        [".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".php", ".go", ".java", ".rs", ".cs"];
    let word = |c: char| c.is_whitespace() || "\"'()<>,;".contains(c);
    text.split(word).any(|part| {
        // A line number may follow.
        let path = part.split(':').next().unwrap_or_default();
        let root = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(root, _)| root);
        root.is_some_and(|root| ROOTS.contains(&root))
            && SOURCES.iter().any(|source| path.ends_with(source))
            && !sent.contains(path)
    })
}

/// Whether a line is a frame as V8 writes it, `    at parse (/srv/app.js:3:7)`, or Ruby, `app.rb:3:in `parse'`.
fn has_frames(text: &str) -> bool {
    const SOURCES: [&str; 6] = [".js:", ".mjs:", ".cjs:", ".ts:", "node:", "<anonymous>"];
    text.lines().any(|line| {
        let v8 = line.starts_with("    at ") && SOURCES.iter().any(|source| line.contains(source));
        v8 || line.contains(".rb:") && line.contains(":in ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_seen_unless_they_were_sent() {
        for inside in [
            "Traceback (most recent call last):\n",
            r#"{"msg":"SyntaxError: Unexpected token } in JSON at position 5"}"#,
            r#"{"msg":"Error: x\n    at parse (/srv/app.js:3:7)\n"}"#,
            "TypeError: x is undefined\n    at /srv/app.js:3:7",
            r#"{"error":"File \"/srv/app.py\", line 7"}"#,
            "goroutine 1 [running]:",
            r#"{"msg":"[{'type': 'missing'}] at /srv/login/server.py"}"#,
            "could not read \"/opt/login/api/login.ts:7\"",
            "app.rb:7:in `parse'",
            "java.lang.NullPointerException\n\tat com.example.Login.parse(Unknown Source)",
        ] {
            assert!(shown(inside, b"").is_some(), "{inside}");
        }
        assert!(shown("you sent: SELECT * FROM users", b"SELECT * FROM users").is_none());
    }

    #[test]
    fn sentences_are_no_traces() {
        for plain in [
            r#"{"code":401,"message":"Unauthorized"}"#,
            "Unexpected token in JSON at position 5",
            "<script src=\"/static/app.js\"></script> <a href=/assets/login.js>",
            "see https://example.org/opt/page.php",
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            "invalid character '}' looking for beginning of object key string",
            "JSON parse error: Unexpected end-of-input at line 1",
            "Failed at login.\n    at least one member is missing (code: 7)",
        ] {
            assert!(shown(plain, b"").is_none(), "{plain}");
        }
    }
}
