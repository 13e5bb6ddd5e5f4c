//! `cargo xtask new-scheme`: a scheme to start from, which is served and judged before a line of it is changed.

mod lists;

use crate::generated::Generated;
use crate::unusable;
use clap::Args;
use countersign_spec::Spec;
use std::path::Path;
use std::process::ExitCode;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
Writes spec/schemes/ID (scheme.toml, clauses, schemas, examples), a plugin in
server/src/schemes, its lines in the lists of server/src/schemes.rs, its table
in server/countersign.example.toml and two accounts in fixtures/accounts.toml.
The scheme is a name and a password for a token: change it to what your document
says. Nothing is written unless all of it can be.

Exit: 0 written, or with --dry-run: could be; 2 the id is malformed or taken, or
a list is not where it was.";

/// Ids that folders, clauses or flags have another meaning for.
const RESERVED: [&str; 4] = ["common", "scheme", "schemes", "token"];

/// Words that cannot name a module. Those with other letters cannot be ids.
const KEYWORDS: [&str; 46] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct",
    "super", "trait", "true", "try", "type", "unsafe", "use", "where", "while",
];

/// Longer ones make lines of names that nobody reads.
const LONGEST: usize = 24;

/// Files of the scheme's folder, by their path in it.
const FOLDER: [(&str, &str); 10] = [
    ("scheme.toml", include_str!("new_scheme/template/scheme.toml")),
    ("clauses.toml", include_str!("new_scheme/template/clauses.toml")),
    ("schemas/login-request.json", include_str!("new_scheme/template/schemas/login-request.json")),
    ("schemas/me.json", include_str!("new_scheme/template/schemas/me.json")),
    ("schemas/refusal.json", include_str!("new_scheme/template/schemas/refusal.json")),
    ("schemas/token.json", include_str!("new_scheme/template/schemas/token.json")),
    ("examples/login.json", include_str!("new_scheme/template/examples/login.json")),
    ("examples/login-refused.json", include_str!("new_scheme/template/examples/login-refused.json")),
    ("examples/me.json", include_str!("new_scheme/template/examples/me.json")),
    ("examples/me-refused.json", include_str!("new_scheme/template/examples/me-refused.json")),
];

const PLUGIN: &str = include_str!("new_scheme/template/plugin.rs.txt");
const ACCOUNTS: &str = include_str!("new_scheme/template/accounts.toml");
const SETTINGS: &str = "\n[scheme.@id@]\nlifetime = 3600\n";

/// What is to be made.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name of the scheme: lower-case words and digits joined by hyphens
    id: String,
    /// Write nothing; name the files that would be written
    #[arg(long)]
    dry_run: bool,
}

/// Writes the files, or names them.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    let files = match names(&options.id).and_then(|names| files(root, &names)) {
        Ok(files) => files,
        Err(error) => return unusable(&error),
    };
    for file in &files {
        let verb = match (options.dry_run, root.join(&file.path).exists()) {
            (true, true) => "would change",
            (true, false) => "would write",
            (false, true) => "changed",
            (false, false) => "wrote",
        };
        if !options.dry_run
            && let Err(error) = file.write(root)
        {
            return unusable(&error);
        }
        anstream::println!("{verb} {}", file.path);
    }
    if !options.dry_run {
        anstream::println!("\n{}", next(&options.id));
    }
    ExitCode::SUCCESS
}

/// What there is to do after the files are there.
fn next(id: &str) -> String {
    format!(
        "Next:\n  \
         cargo xtask conformance --scheme {id}   # serves it and judges it\n  \
         cargo run -p countersign -- lint-spec spec/schemes/{id}\n  \
         cargo xtask openapi && cargo xtask trace && cargo xtask config-schema\n\
         Then write what your document says into spec/schemes/{id}: spec/README.md,\n\
         \"From a document to a judged API\", takes you through it."
    )
}

/// How the scheme is called: in data, as a module, as a type, to people.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    id: String,
    module: String,
    kind: String,
    title: String,
}

impl Names {
    fn fill(&self, template: &str) -> String {
        template.replace("@id@", &self.id).replace("@Type@", &self.kind).replace("@Title@", &self.title)
    }
}

/// The names that follow from an id.
fn names(id: &str) -> Result<Names, String> {
    let form = "write lower-case words and digits joined by single hyphens, a letter first, such as my-login";
    let words: Vec<&str> = id.split('-').collect();
    let plain = |word: &&str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if !words.iter().all(plain) || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(format!("`{id}` is no id of a scheme: {form}"));
    }
    if id.len() > LONGEST {
        return Err(format!("`{id}` has {} characters: an id has {LONGEST} at most", id.len()));
    }
    if RESERVED.contains(&id) || KEYWORDS.contains(&id) {
        return Err(format!("`{id}` means something else already: choose another id, such as {id}-login"));
    }
    let capital = |word: &&str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    let capitals: Vec<String> = words.iter().map(capital).collect();
    Ok(Names {
        id: id.to_owned(),
        module: words.join("_"),
        kind: capitals.concat(),
        title: capitals.join(" "),
    })
}

/// Every file that is written or changed, as it will be.
fn files(root: &Path, names: &Names) -> Result<Vec<Generated>, String> {
    let plugin = format!("server/src/schemes/{}.rs", names.module);
    let folder = format!("spec/schemes/{}", names.id);
    for path in [&plugin, &folder] {
        if root.join(path).exists() {
            return Err(format!("`{}` is taken: {path} is there already", names.id));
        }
    }
    let routes = [("POST", format!("/{}/login", names.id)), ("GET", format!("/{}/me", names.id))];
    for scheme in Spec::embedded().schemes() {
        for operation in &scheme.operations {
            let paths = std::iter::once(&operation.path).chain(&operation.other_paths);
            if paths.into_iter().any(|path| routes.contains(&(operation.method.as_str(), path.clone()))) {
                return Err(format!(
                    "`{}` is taken: {} {} is of the scheme {}",
                    names.id, operation.method, operation.path, scheme.id
                ));
            }
        }
    }
    let mut files: Vec<Generated> = FOLDER
        .iter()
        .map(|(name, template)| Generated { path: format!("{folder}/{name}"), text: names.fill(template) })
        .collect();
    files.push(Generated { path: plugin, text: names.fill(PLUGIN) });
    files.push(changed(root, lists::FILE, |text| lists::with(text, names))?);
    for (path, addition) in
        [("server/countersign.example.toml", SETTINGS), ("fixtures/accounts.toml", ACCOUNTS)]
    {
        files.push(changed(root, path, |text| Ok(format!("{}\n{}", text.trim_end(), names.fill(addition))))?);
    }
    Ok(files)
}

fn changed(
    root: &Path,
    path: &str,
    change: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Generated, String> {
    let text = std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
    Ok(Generated { path: path.to_owned(), text: change(&text)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_give_names_and_malformed_ones_are_refused() {
        let made = names("my-login2").unwrap();
        assert_eq!((made.module.as_str(), made.kind.as_str()), ("my_login2", "MyLogin2"));
        assert_eq!(made.title, "My Login2");
        for bad in ["", "My", "my_login", "-my", "my-", "my--login", "2fa", "a/b", "züge", "../x", "my login"]
        {
            assert!(names(bad).unwrap_err().contains("is no id"), "{bad}");
        }
        for taken in ["common", "match", "token"] {
            assert!(names(taken).unwrap_err().contains("means something else"), "{taken}");
        }
        assert!(names(&"a".repeat(25)).is_err());
    }

    /// The files of the workspace that are changed, in a folder of their own.
    fn copy() -> tempfile::TempDir {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = tempfile::tempdir().unwrap();
        for file in [lists::FILE, "server/countersign.example.toml", "fixtures/accounts.toml"] {
            let to = root.path().join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from.join(file), to).unwrap();
        }
        root
    }

    fn options(id: &str, dry_run: bool) -> Options {
        Options { id: id.to_owned(), dry_run }
    }

    #[test]
    fn what_is_written_loads_lacks_nothing_and_has_accounts() {
        let root = copy();
        let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
        let before = read(lists::FILE);
        assert_eq!(run(root.path(), &options("my-login", true)), ExitCode::SUCCESS);
        assert!(!root.path().join("spec").exists() && read(lists::FILE) == before);
        assert_eq!(run(root.path(), &options("my-login", false)), ExitCode::SUCCESS);
        let spec = Spec::load(&root.path().join("spec/schemes")).unwrap_or_else(|errors| panic!("{errors}"));
        let scheme = spec.scheme("my-login").unwrap();
        assert_eq!(countersign_spec::gaps(scheme), []);
        let checks = countersign::catalogue(&spec);
        assert!(checks.len() >= 100, "{}", checks.len());
        let accounts: toml::Table = read("fixtures/accounts.toml").parse().unwrap();
        assert_eq!(accounts["scheme"]["my-login"]["account"].as_array().unwrap().len(), 2);
        let example: toml::Table = read("server/countersign.example.toml").parse().unwrap();
        assert_eq!(example["scheme"]["my-login"]["lifetime"].as_integer(), Some(3600));
        // What is there once is taken.
        assert_eq!(run(root.path(), &options("my-login", false)), ExitCode::from(crate::UNUSABLE));
    }

    #[test]
    fn nothing_is_written_where_something_is_taken_or_missing() {
        let root = copy();
        // `/v1/login` is another scheme's.
        assert_eq!(run(root.path(), &options("v1", false)), ExitCode::from(crate::UNUSABLE));
        std::fs::write(root.path().join(lists::FILE), "mod cbs;\n").unwrap();
        assert_eq!(run(root.path(), &options("my-login", false)), ExitCode::from(crate::UNUSABLE));
        assert!(!root.path().join("spec").exists());
    }
}
