//! One request and what came back, with what is needed to judge it, to show it and to repeat it.

use crate::client::{WireError, WireRequest, WireResponse};
use serde_json::Value;
use std::time::SystemTime;

/// One recorded exchange.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Name of the operation, or what was asked instead of one.
    pub operation: String,
    /// The whole URL.
    pub url: String,
    /// What was sent.
    pub request: WireRequest,
    /// What came back.
    pub outcome: Result<WireResponse, WireError>,
    /// The body as JSON, where it is.
    pub json: Option<Value>,
    /// When it began: now, less what an answer took.
    pub started_at: SystemTime,
}

impl Exchange {
    /// Records an exchange.
    #[must_use]
    pub fn new(
        operation: &str,
        url: String,
        request: WireRequest,
        outcome: Result<WireResponse, WireError>,
    ) -> Self {
        let json = outcome.as_ref().ok().and_then(|response| serde_json::from_slice(&response.body).ok());
        let took = outcome.as_ref().map(|response| response.elapsed).unwrap_or_default();
        let started_at = SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { operation: operation.to_owned(), url, request, outcome, json, started_at }
    }

    /// HTTP status, where an answer came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.outcome.as_ref().ok().map(|response| response.status)
    }

    /// The first header of this name (lower case) in the answer.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let response = self.outcome.as_ref().ok()?;
        response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All headers of this name in the answer.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.outcome.as_ref().map(|response| response.headers.as_slice()).unwrap_or_default();
        headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, replaced where it is none.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.outcome {
            Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
            Err(_) => String::new(),
        }
    }

    /// Whether the answer says that it is JSON.
    #[must_use]
    pub fn declares_json(&self) -> bool {
        self.header("content-type").is_some_and(is_json_type)
    }

    /// `HTTP 401 {"code":401,…}`, or why there is no answer. Whoever shows it hides secrets first and cuts afterwards: a
    /// secret that is cut is no longer recognised.
    #[must_use]
    pub fn got(&self) -> String {
        match &self.outcome {
            Err(error) => error.to_string(),
            Ok(response) => {
                let body = self.text();
                let body = if body.is_empty() { "with an empty body".to_owned() } else { body };
                format!("HTTP {} {body}", response.status)
            }
        }
    }
}

/// Whether a media type is JSON or a kind of it (RFC 6839 section 3.1).
#[must_use]
pub fn is_json_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// At most so many characters, with a mark where more followed.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_of_json_are_known() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(is_json_type(yes), "{yes}");
        }
        for no in ["text/html", "application/jsonp", "text/json+x"] {
            assert!(!is_json_type(no), "{no}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö… (6 bytes in all)");
    }
}
