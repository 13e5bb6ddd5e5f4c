//! The kinds of report there are, as a visible list, and `KIND=PATH` that asks for one.

use super::model::Run;
use super::{github, har, html, json, junit, markdown, sarif, tap};
use crate::profile::nearest;
use std::path::PathBuf;
use std::str::FromStr;

/// A form in which a run is written for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// JUnit's XML.
    Junit,
    /// The whole run in JSON.
    Json,
    /// Events as lines of JSON, written as they happen.
    Ndjson,
    /// SARIF 2.1.0.
    Sarif,
    /// HTTP Archive 1.2.
    Har,
    /// Test Anything Protocol 14.
    Tap,
    /// Markdown.
    Md,
    /// One file of HTML that needs nothing else.
    Html,
    /// Commands of a GitHub workflow.
    Github,
}

impl Kind {
    /// Every kind, in the order of the help.
    pub const ALL: [Self; 9] = [
        Self::Junit,
        Self::Json,
        Self::Ndjson,
        Self::Sarif,
        Self::Har,
        Self::Tap,
        Self::Md,
        Self::Html,
        Self::Github,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Junit => "junit",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Sarif => "sarif",
            Self::Har => "har",
            Self::Tap => "tap",
            Self::Md => "md",
            Self::Html => "html",
            Self::Github => "github",
        }
    }

    /// Writes a run that is over. Events, which are written while it goes on, are a stream of their own: see
    /// [`super::ndjson`].
    ///
    /// # Errors
    /// Why it could not be put into that form.
    pub fn write(self, run: &Run) -> Result<String, String> {
        match self {
            Self::Junit => junit::write(run),
            Self::Json => json::write(run),
            Self::Ndjson => super::ndjson::write(run),
            Self::Sarif => Ok(sarif::write(run)),
            Self::Har => Ok(har::write(run)),
            Self::Tap => Ok(tap::write(run)),
            Self::Md => Ok(markdown::write(run)),
            Self::Html => html::write(run),
            Self::Github => Ok(github::write(run)),
        }
    }
}

/// A report that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// In this form.
    pub kind: Kind,
    /// To this file; none is standard output.
    pub path: Option<PathBuf>,
}

impl FromStr for Wanted {
    type Err = String;

    /// Reads `KIND=PATH`.
    fn from_str(text: &str) -> Result<Self, String> {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        let (word, path) = text.split_once('=').ok_or_else(|| {
            format!("write KIND=PATH, such as junit=report.xml; kinds: {}", known.join(", "))
        })?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
            let hint = nearest(word, &known).map(|near| format!("; did you mean `{near}`?"));
            format!("there is no kind `{word}`{}; kinds: {}", hint.unwrap_or_default(), known.join(", "))
        })?;
        match path {
            "" => Err(format!("{word}= names no file; `{word}=-` is standard output")),
            "-" | "/dev/stdout" => Ok(Self { kind, path: None }),
            path => Ok(Self { kind, path: Some(PathBuf::from(path)) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_and_a_path_are_read_apart() {
        let wanted: Wanted = "junit=out/a=b.xml".parse().unwrap();
        assert_eq!(wanted, Wanted { kind: Kind::Junit, path: Some("out/a=b.xml".into()) });
        assert_eq!("json=-".parse::<Wanted>().unwrap().path, None);
    }

    #[test]
    fn a_wrong_kind_names_the_nearest() {
        let check = |text: &str, part: &str| {
            let problem = text.parse::<Wanted>().unwrap_err();
            assert!(problem.contains(part), "{problem}");
        };
        check("junti=x", "did you mean `junit`?");
        check("Sarif=x", "did you mean `sarif`?");
        check("report.xml", "write KIND=PATH");
        check("har=", "names no file");
    }
}
