//! Texts of a target as a reader may see them: nothing hidden, nothing that reorders a line, JSON on lines of its own.

use serde::de::IgnoredAny;

/// The text with control characters, and marks that nobody sees or that turn the direction of writing, as escapes.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = matches!(c, '\n' | '\t') || !(c.is_control() || is_unseen(c));
        if plain {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

fn is_unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text on lines with indents if it is JSON. Every token stays as it came: a number is not rounded, a member that
/// stands twice is shown twice.
pub(super) fn pretty(text: &str) -> Option<String> {
    // Bounds the depth, too.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut shown = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let (mut quoted, mut escaped) = (false, false);
    let mut tokens = text.chars().filter(|c| !c.is_ascii_whitespace() || *c == ' ').peekable();
    while let Some(c) = tokens.next() {
        if quoted {
            shown.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' => {}
            '{' | '[' => {
                shown.push(c);
                while tokens.next_if_eq(&' ').is_some() {}
                if let Some(end) = tokens.next_if(|next| matches!(next, '}' | ']')) {
                    shown.push(end);
                } else {
                    depth += 1;
                    line(&mut shown, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut shown, depth);
                shown.push(c);
            }
            ',' => {
                shown.push(c);
                line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            c => {
                quoted = c == '"';
                shown.push(c);
            }
        }
    }
    Some(shown)
}

fn line(shown: &mut String, depth: usize) {
    shown.push('\n');
    shown.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_an_escape() {
        assert_eq!(visible("a\tb\nc \u{e9} 🦀"), "a\tb\nc é 🦀");
        assert_eq!(visible("\0\r\u{1b}[2J"), r"\u{0}\u{d}\u{1b}[2J");
        assert_eq!(visible("ad\u{202e}nim\u{200b}\u{feff}"), r"ad\u{202e}nim\u{200b}\u{feff}");
    }

    #[test]
    fn json_stands_on_lines_and_keeps_its_tokens() {
        let check =
            |text: &str, expected: &str| assert_eq!(pretty(text).as_deref(), Some(expected), "{text}");
        check("{}", "{}");
        check("[ \n ]", "[]");
        check(
            r#"{"a":1.0e400,"a":[1, {}],"b":"x: {\"\\"}"#,
            "{\n  \"a\": 1.0e400,\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x: {\\\"\\\\\"\n}",
        );
        check(" \"two  spaces\" ", "\"two  spaces\"");
        assert_eq!(pretty("{\"a\":"), None);
        assert_eq!(pretty("plain"), None);
        assert_eq!(pretty(&"[".repeat(60_000)), None);
    }
}
