//! Reads scheme folders and reports every mistake at once, each with its file and key.
//!
//! Order of the checks: the TOML parses, it fits its meta schema, it fits the types, and what it names exists.
//!
//! The embedded folders are read without them, and no validator is compiled until somebody validates: a test of this file
//! puts the same bytes through every check, so that no program has to do it again each time it starts.

use crate::{
    Clause, Example, Operation, Schema, Scheme, Spec, check,
    error::{Mistakes, SpecErrors},
    meta::{self, read_toml},
    scheme::{AccountFields, Envelope, Proof, Refresh, Registration, Tokens},
};
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "schemes"]
struct EmbeddedSchemes;

const COMMON: &str = include_str!("../common/clauses.toml");

/// Files by path, relative to a folder of scheme folders.
type Files = BTreeMap<String, Cow<'static, [u8]>>;

/// What is known of files before they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing: they are somebody else's.
    Check,
    /// They have passed every check, in the tests of this crate.
    Proven,
}

pub(crate) fn embedded() -> &'static Spec {
    static SPEC: LazyLock<Spec> = LazyLock::new(embedded_anew);
    &SPEC
}

#[expect(clippy::panic, reason = "the embedded folders are data of this crate and proved by its own tests")]
pub(crate) fn embedded_anew() -> Spec {
    from_files(&embedded_files(), Trust::Proven, Mistakes::default())
        .unwrap_or_else(|errors| panic!("the embedded specification is broken:\n{errors}"))
}

fn embedded_files() -> Files {
    EmbeddedSchemes::iter()
        .filter_map(|path| EmbeddedSchemes::get(&path).map(|file| (path.to_string(), file.data)))
        .collect()
}

pub(crate) fn from_folder(folder: &Path) -> Result<Spec, SpecErrors> {
    let mut files = Files::new();
    let mut mistakes = Mistakes::default();
    // A scheme's id is its folder's name, which a path such as `.` does not show.
    let prefix = folder
        .join("scheme.toml")
        .is_file()
        .then(|| folder.canonicalize().ok()?.file_name().map(|name| name.to_string_lossy().into_owned()))
        .flatten();
    read_folder(folder, prefix.as_deref().unwrap_or_default(), 0, &mut files, &mut mistakes);
    if !files.keys().any(|path| path.ends_with("/scheme.toml")) && mistakes.len() == 0 {
        let problem =
            "is missing, here and in the folders below: name a scheme folder or a folder of scheme folders";
        mistakes.add(&folder.display().to_string(), "scheme.toml", problem);
    }
    from_files(&files, Trust::Check, mistakes)
}

fn read_folder(folder: &Path, prefix: &str, depth: usize, files: &mut Files, mistakes: &mut Mistakes) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(problem) => {
            return mistakes.add(
                &folder.display().to_string(),
                "folder",
                format!("cannot be read: {problem}"),
            );
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let full = entry.path();
        // A folder of scheme folders is three deep; nothing below is ours.
        if full.is_dir() && depth < 3 {
            read_folder(&full, &path, depth + 1, files, mistakes);
        } else if full.extension().is_some_and(|ending| ending == "toml" || ending == "json") {
            match std::fs::read(&full) {
                Ok(bytes) => drop(files.insert(path, bytes.into())),
                Err(problem) => mistakes.add(&path, "file", format!("cannot be read: {problem}")),
            }
        }
    }
}

fn from_files(files: &Files, trust: Trust, mut mistakes: Mistakes) -> Result<Spec, SpecErrors> {
    // The shared clauses are this crate's own, whoever the schemes belong to.
    let common = clauses("common/clauses.toml", COMMON, "common", Trust::Proven, &mut mistakes);
    let folders: BTreeSet<&str> = files.keys().filter_map(|path| path.strip_suffix("/scheme.toml")).collect();
    let mut seen = BTreeMap::new();
    let mut schemes = Vec::new();
    for folder in folders {
        if let Some(other) = seen.insert(name_of(folder), folder) {
            let problem = format!("has the name of `{other}`: every scheme has a name of its own");
            mistakes.add(folder, "folder", problem);
        }
        if let Some(scheme) = scheme(folder, files, trust, &common, &mut mistakes) {
            schemes.push(scheme);
        }
    }
    mistakes.or(Spec::new(schemes, common))
}

/// `scheme.toml` as it stands; the folder's other files join it in [`Scheme`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemeFile {
    id: String,
    title: String,
    document: String,
    summary: String,
    envelope: Envelope,
    proof: Proof,
    #[serde(default)]
    tokens: Tokens,
    #[serde(default)]
    refresh: Option<Refresh>,
    #[serde(default)]
    account: Option<AccountFields>,
    registration: Option<Registration>,
    operation: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClausesFile {
    clause: Vec<Clause>,
}

fn scheme(
    folder: &str,
    files: &Files,
    trust: Trust,
    common: &[Clause],
    mistakes: &mut Mistakes,
) -> Option<Scheme> {
    let before = mistakes.len();
    let path = format!("{folder}/scheme.toml");
    let file: Option<SchemeFile> =
        text(&path, files, mistakes).and_then(|text| typed(&path, text, &meta::SCHEME, trust, mistakes));
    let clauses_path = format!("{folder}/clauses.toml");
    let scheme_clauses = text(&clauses_path, files, mistakes)
        .map(|text| clauses(&clauses_path, text, name_of(folder), trust, mistakes))
        .unwrap_or_default();
    let (schemas, broken) = schemas(folder, files, trust, mistakes);
    let examples = examples(folder, files, mistakes);
    if trust == Trust::Check {
        stray_files(folder, files, mistakes);
    }
    let file = file?;
    let scheme = Scheme {
        id: file.id,
        title: file.title,
        document: file.document,
        summary: file.summary,
        envelope: file.envelope,
        proof: file.proof,
        tokens: file.tokens,
        refresh: file.refresh,
        account: file.account,
        registration: file.registration,
        operations: file.operation,
        clauses: scheme_clauses,
        schemas,
        examples,
    };
    if trust == Trust::Check {
        check::scheme(folder, &scheme, common, &broken, mistakes);
    }
    (mistakes.len() == before).then_some(scheme)
}

/// The last part of a folder's path, which is its scheme's id.
pub(crate) fn name_of(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

fn text<'a>(path: &str, files: &'a Files, mistakes: &mut Mistakes) -> Option<&'a str> {
    let Some(bytes) = files.get(path) else {
        mistakes.add(path, "file", "is missing");
        return None;
    };
    std::str::from_utf8(bytes)
        .map_err(|problem| mistakes.add(path, "file", format!("is not UTF-8: {problem}")))
        .ok()
}

/// A TOML file as its type, after its meta schema where nobody has held it against that before.
fn typed<T: DeserializeOwned>(
    path: &str,
    text: &str,
    meta: &LazyLock<Schema>,
    trust: Trust,
    mistakes: &mut Mistakes,
) -> Option<T> {
    match trust {
        Trust::Check => read_toml(path, text, meta, mistakes),
        Trust::Proven => {
            toml::from_str(text).map_err(|problem| mistakes.add(path, "file", problem.to_string())).ok()
        }
    }
}

fn clauses(path: &str, text: &str, owner: &str, trust: Trust, mistakes: &mut Mistakes) -> Vec<Clause> {
    let Some(file) = typed::<ClausesFile>(path, text, &meta::CLAUSES, trust, mistakes) else {
        return Vec::new();
    };
    if trust == Trust::Proven {
        return file.clause;
    }
    let mut seen = BTreeSet::new();
    for clause in &file.clause {
        if clause.id.split('.').next() != Some(owner) {
            mistakes.add(path, &clause.id, format!("must start with `{owner}.`, the folder it stands in"));
        }
        if !is_well_spelt(&clause.id) {
            let problem =
                "is spelt wrongly: three or more words joined by dots, lower case, hyphens inside a word";
            mistakes.add(path, &clause.id, problem);
        }
        if !seen.insert(clause.id.as_str()) {
            mistakes.add(path, &clause.id, "stands twice: every clause has an id of its own");
        }
    }
    file.clause
}

/// Whether an id reads `owner.subject.meaning`, in lower case, with hyphens inside words.
fn is_well_spelt(id: &str) -> bool {
    let words: Vec<&str> = id.split('.').collect();
    words.len() >= 3
        && words.iter().all(|word| {
            !word.is_empty()
                && !word.starts_with('-')
                && !word.ends_with('-')
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
}

/// The schemas, and the names of those that are there but broken, so that one mistake is reported once.
fn schemas(
    folder: &str,
    files: &Files,
    trust: Trust,
    mistakes: &mut Mistakes,
) -> (BTreeMap<String, Schema>, BTreeSet<String>) {
    let mut schemas = BTreeMap::new();
    let mut broken = BTreeSet::new();
    for (path, name) in files_below(folder, "schemas", files) {
        let compiled = read_json(path, files, mistakes).and_then(|value| match trust {
            Trust::Proven => Some(Schema::proven(name, value)),
            Trust::Check => {
                Schema::compile(name, value).map_err(|problem| mistakes.add(path, "schema", problem)).ok()
            }
        });
        match compiled {
            Some(schema) => drop(schemas.insert(name.to_owned(), schema)),
            None => drop(broken.insert(name.to_owned())),
        }
    }
    (schemas, broken)
}

fn examples(folder: &str, files: &Files, mistakes: &mut Mistakes) -> Vec<Example> {
    let mut examples = Vec::new();
    for (path, name) in files_below(folder, "examples", files) {
        let Some(value) = read_json(path, files, mistakes) else { continue };
        match serde_json::from_value::<Example>(value) {
            Ok(example) => examples.push(Example { file: name.to_owned(), ..example }),
            Err(problem) => mistakes.add(path, "example", problem.to_string()),
        }
    }
    examples
}

fn files_below<'a>(folder: &str, kind: &str, files: &'a Files) -> Vec<(&'a str, &'a str)> {
    let prefix = format!("{folder}/{kind}/");
    files
        .keys()
        .filter_map(|path| path.strip_prefix(&prefix).map(|name| (path.as_str(), name)))
        .filter(|(_, name)| !name.contains('/') && name.ends_with(".json"))
        .collect()
}

/// A file under a name that nothing reads is most likely a misspelt one.
fn stray_files(folder: &str, files: &Files, mistakes: &mut Mistakes) {
    let prefix = format!("{folder}/");
    for (path, name) in files.keys().filter_map(|path| path.strip_prefix(&prefix).map(|name| (path, name))) {
        let known = match name.split_once('/') {
            None => ["scheme.toml", "clauses.toml"].contains(&name),
            Some((kind, file)) => {
                ["schemas", "examples"].contains(&kind) && !file.contains('/') && file.ends_with(".json")
            }
        };
        if !known {
            let problem = "is read by nothing: a scheme is scheme.toml, clauses.toml, schemas/*.json and examples/*.json";
            mistakes.add(path, "file", problem);
        }
    }
}

fn read_json(path: &str, files: &Files, mistakes: &mut Mistakes) -> Option<serde_json::Value> {
    serde_json::from_str(text(path, files, mistakes)?)
        .map_err(|problem| mistakes.add(path, "file", format!("is no JSON: {problem}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`embedded`] leaves out, done once for all.
    #[test]
    fn the_embedded_files_pass_every_check_and_mean_the_same_unchecked() {
        let checked = from_files(&embedded_files(), Trust::Check, Mistakes::default()).expect("no mistakes");
        assert_eq!(format!("{checked:?}"), format!("{:?}", embedded_anew()));
        let values = |spec: &Spec| {
            let schemas = spec.schemes().iter().flat_map(|scheme| scheme.schemas.values());
            schemas.map(|schema| schema.value.clone()).collect::<Vec<_>>()
        };
        assert_eq!(values(&checked), values(embedded()));
        let mut mistakes = Mistakes::default();
        let common = clauses("common/clauses.toml", COMMON, "common", Trust::Check, &mut mistakes);
        assert_eq!(mistakes.len(), 0, "{mistakes:?}");
        assert_eq!(common, embedded().common());
    }

    #[test]
    fn reading_the_embedded_files_compiles_no_schema() {
        let spec = embedded_anew();
        let schemas: Vec<&Schema> =
            spec.schemes().iter().flat_map(|scheme| scheme.schemas.values()).collect();
        assert!(!schemas.is_empty() && schemas.iter().all(|schema| !schema.is_compiled()));
    }

    #[test]
    fn the_embedded_specification_loads() {
        let five = ["swapchat", "web3mq", "ethgas", "nftrainbow", "cbs"];
        let ids = embedded().schemes().iter().map(|scheme| scheme.id.as_str());
        assert_eq!(ids.filter(|id| five.contains(id)).collect::<Vec<_>>(), five);
    }

    #[test]
    fn ids_are_spelt_as_words_with_a_meaning() {
        for good in ["ethgas.login.endpoint", "common.token.not-in-query", "a.b.c.d"] {
            assert!(is_well_spelt(good), "{good}");
        }
        for bad in ["ethgas.login", "Ethgas.login.x", "a.-b.c", "a..c", "a.b_c.d"] {
            assert!(!is_well_spelt(bad), "{bad}");
        }
    }
}
