//! Who standard output belongs to: people, a program that reads libtest's lines, or a report.

use super::Failure;
use super::wire::Tour;
use crate::progress::{Bypass, Progress};
use libtest_mimic::{Arguments, ColorSetting, FormatSetting};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

/// Its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdout {
    /// People: libtest's lines, then the page.
    People,
    /// A program that reads libtest's lines in JSON; the page goes to stderr.
    Lines,
    /// A report; the page goes to stderr, and libtest's lines nowhere.
    Report,
}

impl Stdout {
    pub(super) fn of(libtest: &Arguments, report: bool) -> Self {
        match (report, libtest.format) {
            (true, _) => Self::Report,
            (false, Some(FormatSetting::Json)) => Self::Lines,
            (false, _) => Self::People,
        }
    }

    /// Leads libtest's lines to where they belong.
    ///
    /// # Errors
    /// A log file that cannot be written: libtest would end the program without a word of use.
    pub(super) fn lead(self, libtest: &mut Arguments) -> Result<(), Failure> {
        match &libtest.logfile {
            Some(path) => match File::options().append(true).create(true).open(path) {
                Ok(_) => Ok(()),
                Err(problem) => Err(Failure::usage(format!(
                    "--logfile {path}: {problem}; name a file that can be written"
                ))),
            },
            None => {
                if self == Self::Report {
                    libtest.logfile = Some("/dev/null".to_owned());
                }
                Ok(())
            }
        }
    }

    /// Whether a line that moves is of use: somebody watches, and asked for no less.
    pub(super) fn is_watched(self, libtest: &Arguments) -> bool {
        self != Self::Lines && !libtest.quiet && libtest.format != Some(FormatSetting::Terse)
    }

    /// Leads libtest's lines past the line that moves, where both would be drawn on one terminal.
    pub(super) fn past(self, progress: &Arc<Progress>, libtest: &mut Arguments) -> Option<Bypass> {
        if libtest.logfile.is_some() || !io::stdout().is_terminal() {
            return None;
        }
        let bypass = Bypass::open(progress)?;
        libtest.logfile = Some(bypass.path());
        let coloured = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        if coloured && libtest.color.is_none_or(|color| color == ColorSetting::Auto) {
            libtest.color = Some(ColorSetting::Always);
        }
        Some(bypass)
    }

    /// Columns of the terminal that the page goes to; none where it is no terminal.
    pub(super) fn width(self) -> Option<usize> {
        let size = match self {
            Self::People => terminal_size::terminal_size_of(io::stdout()),
            Self::Lines | Self::Report => terminal_size::terminal_size_of(io::stderr()),
        };
        size.map(|(width, _)| usize::from(width.0))
    }

    /// Tells what the tour showed, where the page went; the exit code is that of the tour alone.
    pub(super) fn tell(self, tour: &Tour) -> u8 {
        match self {
            Self::People => tour.tell(&mut anstream::stdout()),
            Self::Lines | Self::Report => tour.tell(&mut anstream::stderr()),
        }
    }

    /// Shows the page. Whoever reads may have seen enough and be gone.
    pub(super) fn show(self, page: &str) {
        drop(match self {
            Self::People => anstream::stdout().write_all(page.as_bytes()),
            Self::Lines | Self::Report => anstream::stderr().write_all(page.as_bytes()),
        });
    }
}
