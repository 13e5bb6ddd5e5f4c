//! `countersign init`: writes a profile of a target, with what a few requests tell of it.

mod draft;
mod way;

use super::{CONFORMS, Failure, NOTHING, UNREACHABLE};
use crate::client::{Base, Client};
use crate::probe::{self, ProbeError};
use crate::profile::{Profile, nearest};
use clap::Parser;
use countersign_spec::Spec;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Writes a profile of a target.
#[derive(Debug, Parser)]
#[command(max_term_width = 80, after_help = EXIT_CODES)]
pub(super) struct Options {
    /// Target, such as https://staging.example.com
    #[arg(long, value_name = "URL")]
    url: String,
    /// File to write; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "target.toml")]
    out: PathBuf,
    /// Look for this scheme only; may be repeated
    #[arg(long, value_name = "ID")]
    scheme: Vec<String>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Read schemes from this folder in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    spec_dir: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Way to the target")]
    way: way::Way,
}

const EXIT_CODES: &str = "\
At most 20 requests go out, ten a second: which schemes the target serves and
where, and whether its clock can be moved. None names an account or changes
anything, and the first answer that asks for patience ends it.

Exit codes:
  0  the profile is written
  2  the command line cannot be used, or the file is there already
  3  the target cannot be reached, or limits requests
  4  no login of a known scheme was found";

/// The verb.
pub(super) fn run(options: &Options) -> Result<u8, Failure> {
    let spec = super::spec_of(options.spec_dir.as_deref())?;
    let spec = spec.as_ref();
    let ids = chosen(options, spec)?;
    let to_stdout = options.out == Path::new("-");
    if !to_stdout && !options.force && options.out.exists() {
        return Err(exists(&options.out));
    }
    let given = options.way.given(spec)?;
    let http = &given.http;
    let base = Base::parse(&options.url).map_err(|problem| Failure::usage(format!("--url: {problem}")))?;
    let make = |base: Base| Client::as_told(base, http);
    let client = make(base).map_err(Failure::usage)?;
    let found = probe::probe(&client, make, &http.headers, spec, &ids).map_err(|error| match error {
        ProbeError::Unusable(problem) => Failure::usage(problem),
        ProbeError::Limited { .. } | ProbeError::Unreachable(_) => {
            Failure { code: UNREACHABLE, text: error.to_string() }
        }
    })?;
    if found.schemes.is_empty() {
        let text = format!(
            "no login of {} is at {}: each documented path was asked by POST ({} requests) and answered as one that is not \
             there; give --url with what stands before the documented path, or write a profile by hand with \
             [scheme.ID] paths",
            ids.join(", "),
            client.base().url(""),
            found.requests
        );
        return Err(Failure { code: NOTHING, text });
    }
    let text = draft::write(&found, &given.keys, spec);
    // What could not be read is not written.
    let folder = options.out.parent().unwrap_or_else(|| Path::new("."));
    Profile::parse_leniently(&text, "the profile to be written", folder, spec).map_err(|errors| {
        Failure::usage(format!("{errors}\nthis is a mistake of countersign: please report it"))
    })?;
    if to_stdout {
        drop(std::io::stdout().write_all(text.as_bytes()));
    } else {
        save(&options.out, &text, options.force)?;
    }
    tell(options, &found, &text, to_stdout);
    for key in &given.plain {
        let note = format!("note    {key} stands in the profile as it was given; env:NAME keeps it out");
        drop(writeln!(anstream::stderr(), "{note}"));
    }
    Ok(CONFORMS)
}

fn chosen(options: &Options, spec: &Spec) -> Result<Vec<String>, Failure> {
    let known: Vec<&str> = spec.schemes().iter().map(|scheme| scheme.id.as_str()).collect();
    for id in &options.scheme {
        if !known.contains(&id.as_str()) {
            let hint =
                nearest(id, &known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(Failure::usage(format!("no scheme `{id}`; known: {}{hint}", known.join(", "))));
        }
    }
    if options.scheme.is_empty() {
        return Ok(known.into_iter().map(str::to_owned).collect());
    }
    Ok(options.scheme.clone())
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} is there already; --force writes over it, --out names another",
        path.display()
    ))
}

/// Writes the file; who made it meanwhile keeps it.
fn save(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut open = std::fs::OpenOptions::new();
    open.write(true);
    if force {
        open.create(true).truncate(true)
    } else {
        open.create_new(true)
    };
    let written = open.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|problem| match problem.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::usage(format!("{}: {problem}", path.display())),
    })
}

/// Says on standard error what was found and what to do next.
fn tell(options: &Options, found: &probe::Found, text: &str, to_stdout: bool) {
    let mut out = anstream::stderr();
    for served in &found.schemes {
        let paths: Vec<&str> = served.paths.values().map(String::as_str).collect();
        let under = if paths.is_empty() { String::new() } else { format!(" under {}", paths.join(", ")) };
        drop(writeln!(out, "found   {}{under} (an empty login: HTTP {})", served.id, served.status));
    }
    let clock = found.advance.as_deref().unwrap_or("none at /__clock");
    drop(writeln!(out, "clock   {clock}"));
    drop(writeln!(out, "asked   {} requests", found.requests));
    if to_stdout {
        return;
    }
    let file = options.out.display();
    drop(writeln!(out, "wrote   {file}"));
    let variables = draft::variables(text);
    if !variables.is_empty() {
        let set: Vec<String> = variables.iter().map(|name| format!("{name}=…")).collect();
        drop(writeln!(out, "next    export {}", set.join(" ")));
    }
    drop(writeln!(out, "        countersign doctor --profile {file}"));
    drop(writeln!(out, "        countersign conformance --profile {file}"));
}
