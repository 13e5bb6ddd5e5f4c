//! One flow as text: each step with its request (`>`) and its answer (`<`), written so that it can be read back.

use serde_json::Value;

/// Version of the text; a record of another one is not compared.
pub const FORMAT: i64 = 1;

/// One flow of one scheme.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// Id of the scheme.
    pub scheme: String,
    /// Name of the flow; also of its file, without `.txt`.
    pub flow: String,
    /// What the flow shows, in a few words.
    pub about: String,
    /// What was exchanged, in order.
    pub steps: Vec<Step>,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What was asked; no two steps of a flow have the same.
    pub title: String,
    /// What was sent.
    pub request: Message,
    /// What came back.
    pub answer: Message,
}

/// A request or an answer, redacted.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Method and path, or the status.
    pub first: String,
    /// Names in lower case with values, sorted.
    pub headers: Vec<(String, String)>,
    /// What follows.
    pub body: Body,
}

/// A body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// None.
    None,
    /// JSON, members sorted.
    Json(Value),
    /// Anything else.
    Text(String),
}

impl Transcript {
    /// Path of its file below the folder of a record.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}.txt", self.scheme, self.flow)
    }

    /// The text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = format!("# {} {}: {}\n", self.scheme, self.flow, self.about);
        for (number, step) in (1..).zip(&self.steps) {
            text.push_str(&format!("\n## {number}. {}\n", step.title));
            step.request.write('>', &mut text);
            step.answer.write('<', &mut text);
        }
        text
    }

    /// Reads the text back.
    ///
    /// # Errors
    /// The line that does not belong, counted from one, and what was expected there.
    pub fn read(text: &str) -> Result<Self, (usize, String)> {
        let mut lines = (1..).zip(text.lines()).peekable();
        let title = lines.next().and_then(|(_, line)| line.strip_prefix("# "));
        let parts = title.and_then(|title| title.split_once(": ")).and_then(|(names, about)| {
            names.split_once(' ').map(|(scheme, flow)| (scheme.to_owned(), flow.to_owned(), about.to_owned()))
        });
        let (scheme, flow, about) = parts.ok_or_else(|| (1, "`# SCHEME FLOW: …`".to_owned()))?;
        let mut steps = Vec::new();
        while let Some((number, line)) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let title = line.strip_prefix("## ").and_then(|rest| rest.split_once(". "));
            let (_, title) = title.ok_or_else(|| (number, "`## NUMBER. TITLE`".to_owned()))?;
            let mut block = |mark: char| {
                let mut block = Vec::new();
                while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with(mark)) {
                    block.push(line.get(2..).unwrap_or_default());
                }
                Message::read(&block).ok_or_else(|| {
                    (
                        number,
                        format!("lines that begin with `{mark}` after this one, headers as `name: value`"),
                    )
                })
            };
            steps.push(Step { title: title.to_owned(), request: block('>')?, answer: block('<')? });
        }
        Ok(Self { scheme, flow, about, steps })
    }
}

impl Message {
    fn write(&self, mark: char, text: &mut String) {
        let mut line = |content: &str| {
            text.push(mark);
            if !content.is_empty() {
                text.push(' ');
            }
            text.push_str(content);
            text.push('\n');
        };
        line(&self.first);
        for (name, value) in &self.headers {
            line(format!("{name}: {value}").trim_end());
        }
        let body = match &self.body {
            Body::None => return,
            Body::Json(value) => format!("{value:#}"),
            Body::Text(text) => text.clone(),
        };
        line("");
        body.lines().for_each(line);
    }

    fn read(lines: &[&str]) -> Option<Self> {
        let (first, rest) = lines.split_first()?;
        let end = rest.iter().position(|line| line.is_empty());
        let (head, body) = match end {
            Some(end) => (rest.get(..end)?, rest.get(end + 1..)?.join("\n")),
            None => (rest, String::new()),
        };
        let headers = head
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim_start().to_owned()))
            })
            .collect::<Option<Vec<_>>>()?;
        let body = match serde_json::from_str(&body) {
            _ if body.is_empty() => Body::None,
            Ok(value) => Body::Json(value),
            Err(_) => Body::Text(body),
        };
        Some(Self { first: (*first).to_owned(), headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(first: &str, headers: &[(&str, &str)], body: Body) -> Message {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Message { first: first.to_owned(), headers, body }
    }

    fn transcript() -> Transcript {
        let asked = message(
            "POST /a?b=c",
            &[("accept", "x"), ("x-empty", "")],
            Body::Json(json!({"b": [1, {}], "a": "## 1. no"})),
        );
        let empty = message("HTTP 204", &[], Body::None);
        let page =
            message("HTTP 404", &[("content-type", "text/html")], Body::Text("<p>\n\n# no".to_owned()));
        let step =
            |title: &str, answer: Message| Step { title: title.to_owned(), request: asked.clone(), answer };
        Transcript {
            scheme: "badge".to_owned(),
            flow: "login".to_owned(),
            about: "a login: and more".to_owned(),
            steps: vec![step("login: right. Twice", empty), step("elsewhere", page)],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = transcript().write();
        assert_eq!(Transcript::read(&text).unwrap(), transcript(), "{text}");
        assert!(text.starts_with(
            "# badge login: a login: and more\n\n## 1. login: right. Twice\n> POST /a?b=c\n> accept: x\n"
        ));
        assert!(text.contains("> x-empty:\n>\n> {\n>   \"a\": \"## 1. no\",\n"), "{text}");
    }

    #[test]
    fn what_is_no_transcript_is_refused_with_the_line() {
        for (text, line) in [
            ("", 1),
            ("badge\n", 1),
            ("# badge login: x\n\nnothing\n", 3),
            ("# badge login: x\n\n## 1. y\n> GET /\n", 3),
            ("# badge login: x\n## 1. y\n> GET /\n> no header\n< HTTP 200\n", 2),
        ] {
            assert_eq!(Transcript::read(text).unwrap_err().0, line, "{text}");
        }
    }
}
