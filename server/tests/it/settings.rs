//! Settings as an operator meets them: the example, the schema, and `check-config`.

use super::process::command;
use countersign_server::settings::{self, Layered};
use std::path::Path;
use std::process::Output;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/countersign.example.toml");

fn check(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = command(&["check-config"]);
    let Output { status, stdout, stderr } =
        command.args(arguments).envs(variables.iter().copied()).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_example_is_read_and_names_every_setting_with_its_default() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    Layered::read(Some(Path::new(EXAMPLE)), [], &[]).unwrap();
    let defaults = Layered::read(None, [], &[]).unwrap().shown().unwrap();
    let mut section = String::new();
    let mut named = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            named.push((format!("{section}{key}"), value.to_owned()));
        }
    }
    for one in defaults {
        let (_, value) =
            named.iter().find(|(key, _)| *key == one.key).unwrap_or_else(|| panic!("{} is missing", one.key));
        let parse = |value: &str| format!("v = {value}").parse::<toml::Table>().unwrap();
        // What has no default shows how it is written.
        if let Some(default) = one.value {
            assert_eq!(parse(value), parse(&default), "{}", one.key);
        }
    }
    for (key, _) in named {
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        let variable = settings::variable(&parts);
        assert!(text.contains(&key) || variable.starts_with("COUNTERSIGN_"), "{key}");
    }
}

#[test]
fn the_schema_is_fresh_and_takes_the_example() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/countersign.schema.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, format!("{:#}\n", settings::schema()), "run `cargo xtask config-schema`");
    let printed = command(&["config-schema"]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), committed);
    assert!(committed.contains("\"additionalProperties\": false"));
}

#[test]
fn check_config_shows_values_with_their_layers_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let secret = "a canary that is quite long enough to be one";
    std::fs::write(&file, format!("listen = \"127.0.0.1:1\"\n[token]\nsecret = \"{secret}\"\n")).unwrap();
    let file = file.display().to_string();
    let variables = [("COUNTERSIGN_STORE_KIND", "memory")];
    let (code, out, err) = check(&["--config", &file, "--listen", "127.0.0.1:2"], &variables);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("listen = \"127.0.0.1:2\"  # --listen\n"), "{out}");
    assert!(out.contains("store.kind = \"memory\"  # environment: COUNTERSIGN_STORE_KIND\n"));
    assert!(out.contains(&format!("token.secret = \"(hidden)\"  # {file}\n")));
    assert!(out.contains("\nhttp.body_limit = 65536\n") && out.contains("# tls.cert is not set\n"));
    assert!(!out.contains("canary"));
    out.parse::<toml::Table>().unwrap();
}

#[test]
fn check_config_names_everything_that_is_wrong_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
    let text = format!(
        "[tls]\ncert = \"{tls}/one.crt\"\nkey = \"{tls}/two.key\"\n[store]\ndata_dir = \"{}\"\n\
         [token]\nsecret = \"env:THIS_IS_NOT_SET\"\n[admin]\nlisten = \"0.0.0.0:1\"\n\
         [audit]\nfile = \"{}\"\n[password]\nmemory_kib = 64\n[cors]\norigins = [\"*\"]\ncredentials = true\n",
        at("data"),
        at("no/such.log")
    );
    std::fs::write(at("c.toml"), text).unwrap();
    let (code, _, err) = check(&["--config", &at("c.toml"), "--accounts", &at("gone.toml")], &[]);
    assert_eq!(code, Some(2));
    for expected in
        ["admin.listen is refused", "19456", "gone.toml cannot be read", "THIS_IS_NOT_SET", "audit.file: "]
    {
        assert!(err.contains(expected), "{expected}: {err}");
    }
    assert!(err.lines().count() >= 7, "{err}");
    assert!(err.lines().all(|line| line.starts_with("countersign-server: ")), "{err}");
    assert!(!Path::new(&at("data")).exists());
    let (code, _, err) = check(&[], &[("COUNTERSIGN_STORE_KIN", "memory")]);
    assert_eq!(code, Some(2));
    assert!(err.contains("did you mean `COUNTERSIGN_STORE_KIND`?"), "{err}");
}

#[test]
fn check_config_asks_the_store_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    assert_eq!(check(&["--data-dir", &data], &[]).0, Some(0));
    let (code, _, err) = check(&["--data-dir", &data, "--connect"], &[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no store yet"), "{err}");
    assert_eq!(check(&["--store", "memory", "--connect"], &[]).0, Some(0));
}
