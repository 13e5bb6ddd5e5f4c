//! What is logged to standard error, and how.
//!
//! Nothing here hides secrets: they are of types that do not show themselves, wherever they are logged.

use crate::config::{LogConfig, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// The variable that says it for each part of the program.
const VARIABLE: &str = "COUNTERSIGN_LOG";

/// Begins to log. Libraries below speak up from warnings on; the variable can ask for more.
pub(crate) fn start(config: LogConfig) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(directives(config)));
    // A panic's text may quote what somebody sent; where it happened is what helps.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a mistake in the program ended one request");
    }));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

fn directives(config: LogConfig) -> String {
    let level = config.level.name();
    let others = if level == "error" { level } else { "warn" };
    format!("{others},countersign={level},countersign_server={level}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLevel;

    #[test]
    fn a_level_is_ours_and_libraries_stay_quiet() {
        let of = |level| directives(LogConfig { level, ..LogConfig::default() });
        assert_eq!(of(LogLevel::Trace), "warn,countersign=trace,countersign_server=trace");
        assert_eq!(of(LogLevel::Error), "error,countersign=error,countersign_server=error");
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            assert!(EnvFilter::try_new(of(level)).is_ok());
        }
    }
}
