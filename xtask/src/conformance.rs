//! `cargo xtask conformance`: the harness, with the reference server at hand.

use crate::local_server::{LocalServer, Store};
use crate::{cargo, unusable};
use countersign::{LocalTarget, Started};
use countersign_fixtures::stores::{Kind, PrivateStore};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What this program adds to the harness' own `--help`.
const HELP: &str = "
Reference server (only here, not in the installed program):
      --store NAME     The store of the server that is built, started on a free
                       port and judged when no --url or --profile names a
                       target: embedded (default), in a temporary folder;
                       memory; redis or postgres, started for the run from the
                       programs on this machine
      --store-url URL  The Redis or PostgreSQL to use instead, or env:NAME or
                       file:PATH with its address. The run empties it: give
                       one that holds nothing else";

/// Judges the target the flags name, or a reference server of its own that lives as long as the run.
pub(crate) fn run(root: &Path, flags: Vec<OsString>) -> ExitCode {
    judge(root, flags, false)
}

/// Judges the reference server of the tests on this store.
pub(crate) fn run_on(root: &Path, store: &str) -> ExitCode {
    judge(root, vec!["--store".into(), store.into()], true)
}

fn judge(root: &Path, flags: Vec<OsString>, tested: bool) -> ExitCode {
    let (asked, flags) = match take_store(flags) {
        Ok(taken) => taken,
        Err(error) => return unusable(&error),
    };
    let asks_for_help =
        flags.iter().take_while(|flag| *flag != "--").any(|flag| flag == "--help" || flag == "-h");
    let root = root.to_owned();
    let start = move || -> Result<Started, String> {
        // What is missing is said before anybody waits for the compiler.
        let private = asked.private()?;
        anstream::eprintln!("building the reference server");
        let binary =
            if tested { cargo::tested_server(&root)? } else { cargo::build_server(&root, asked.features())? };
        let url = private.as_ref().map(PrivateStore::url).or_else(|| asked.url.clone());
        let server = LocalServer::start(&binary, Store { name: &asked.name, url: url.as_deref() })?;
        // The server goes first: its store may not be missed while it ends.
        Ok(Started { url: server.url().to_owned(), clock: true, guard: Box::new((server, private)) })
    };
    let local = LocalTarget { start: Box::new(start) };
    let status = countersign::conformance(flags, "cargo xtask conformance", Some(local));
    if asks_for_help {
        anstream::println!("{HELP}");
    }
    status
}

/// The store of the reference server, as the flags name it.
#[derive(Debug, PartialEq)]
struct Asked {
    name: String,
    url: Option<String>,
}

impl Asked {
    fn kind(&self) -> Option<Kind> {
        match self.name.as_str() {
            "postgres" => Some(Kind::Postgres),
            "redis" => Some(Kind::Redis),
            _ => None,
        }
    }

    fn features(&self) -> &'static [&'static str] {
        // Both at once, so that who tries both builds once.
        if self.kind().is_some() { &["--features", "postgres,redis"] } else { &[] }
    }

    /// A store for this run, where one is needed and none was given.
    fn private(&self) -> Result<Option<PrivateStore>, String> {
        match self.kind().filter(|_| self.url.is_none()) {
            Some(kind) => PrivateStore::start(kind)
                .map(Some)
                .map_err(|error| format!("there is no store to run on: {error}, or give --store-url")),
            None => Ok(None),
        }
    }
}

/// Takes `--store NAME` and `--store-url URL` out of the flags; what stands behind `--` is not ours.
fn take_store(flags: Vec<OsString>) -> Result<(Asked, Vec<OsString>), String> {
    const NAME: (&str, &str) = ("--store", "a name: embedded, memory, postgres or redis");
    const URL: (&str, &str) = ("--store-url", "an address, such as redis://127.0.0.1:6379");
    let mut asked = Asked { name: "embedded".to_owned(), url: None };
    let mut rest = Vec::with_capacity(flags.len());
    let mut flags = flags.into_iter();
    while let Some(flag) = flags.next() {
        if flag == "--" {
            rest.push(flag);
            rest.extend(flags);
            break;
        }
        let text = flag.to_string_lossy();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_ref(), None),
        };
        let Some((name, wanted)) = [NAME, URL].into_iter().find(|(own, _)| *own == name) else {
            rest.push(flag);
            continue;
        };
        let value = value.or_else(|| flags.next().map(|value| value.to_string_lossy().into_owned()));
        let value = value
            .filter(|value| !value.is_empty() && !value.starts_with('-'))
            .ok_or_else(|| format!("{name} needs {wanted}"))?;
        if name == NAME.0 {
            asked.name = value;
        } else {
            asked.url = Some(value);
        }
    }
    if asked.url.is_some() && asked.kind().is_none() {
        return Err(format!("--store-url goes with --store redis or postgres, not {}", asked.name));
    }
    Ok((asked, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects a name, an address (none if empty), and what is left.
    fn check(flags: &[&str], expected: Result<(&str, &str, &[&str]), ()>) {
        let taken = take_store(flags.iter().map(OsString::from).collect());
        let expected = expected.map(|(name, url, rest)| {
            let url = (!url.is_empty()).then(|| url.to_owned());
            (Asked { name: name.to_owned(), url }, rest.iter().map(OsString::from).collect::<Vec<_>>())
        });
        assert_eq!(taken.map_err(|_| ()), expected, "{flags:?}");
    }

    #[test]
    fn the_store_is_taken_wherever_it_stands() {
        check(&[], Ok(("embedded", "", &[])));
        check(&["--store", "memory", "--list"], Ok(("memory", "", &["--list"])));
        check(&["--list", "--store=memory"], Ok(("memory", "", &["--list"])));
        check(&["--storey", "--", "--store", "x"], Ok(("embedded", "", &["--storey", "--", "--store", "x"])));
        check(&["--store-url=redis://x?a=b", "--store", "redis"], Ok(("redis", "redis://x?a=b", &[])));
        for flags in
            [&["--store"][..], &["--store="], &["--store", "--list"], &["--store=redis", "--store-url"]]
        {
            check(flags, Err(()));
        }
        check(&["--store", "memory", "--store-url", "redis://x"], Err(()));
    }
}
