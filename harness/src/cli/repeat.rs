//! The flags that judge a target in the same way again.
//!
//! What selects checks is left out: whoever runs one again names it.

use super::conformance::{CASES, Options};
use crate::report::curl::word;
use crate::report::model::level_word;
use std::path::PathBuf;

/// The flags, as they are pasted into a shell. `url` is that of the target, none where the program starts one itself.
pub(super) fn flags(options: &Options, url: Option<&str>) -> String {
    let path = |flag: &str, path: &Option<PathBuf>| {
        path.as_ref().map(|path| format!("{flag} {}", word(&path.display().to_string())))
    };
    let url = url.filter(|_| options.url.is_some() || options.profile.is_none());
    let target = [
        path("--profile", &options.profile),
        path("--auth", &options.auth),
        url.map(|url| format!("--url {}", word(url))),
        path("--spec-dir", &options.spec_dir),
    ];
    let mut flags: Vec<String> = target.into_iter().flatten().collect();
    flags.extend(options.scheme.iter().map(|scheme| format!("--scheme {}", word(scheme))));
    flags.extend(options.level.map(|level| format!("--level {}", level_word(level.level()))));
    if options.cases != CASES {
        flags.push(format!("--cases {}", options.cases));
    }
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn what_decides_a_verdict_is_repeated_and_what_selects_checks_is_not() {
        let check = |arguments: &[&str], url: Option<&str>, expected: &str| {
            let named = std::iter::once(&"countersign").chain(arguments);
            let options = Options::try_parse_from(named).unwrap();
            assert_eq!(flags(&options, url), expected, "{arguments:?}");
        };
        let url = Some("http://h:1");
        check(&["--url", "http://h:1"], url, "--url http://h:1");
        check(&["--profile", "my target.toml"], url, "--profile 'my target.toml'");
        check(&["--profile", "t.toml", "--url", "http://h:1"], url, "--profile t.toml --url http://h:1");
        check(&["--level", "may", "--cases", "64"], url, "--url http://h:1 --level may");
        check(&["--level", "must"], None, "--level must");
        check(
            &["--spec-dir", "s", "--scheme", "a", "--scheme", "b", "--cases", "4", "--auth", "w.yaml"],
            url,
            "--auth w.yaml --url http://h:1 --spec-dir s --scheme a --scheme b --cases 4",
        );
        check(&["--group", "flow", "--check", "a", "--skip", "b", "c"], url, "--url http://h:1");
    }
}
