//! The text of a profile, each key with what the list of keys says of it.

use crate::check::Check;
use crate::need::Need;
use crate::probe::{Found, Served};
use crate::profile::keys::KEYS;
use countersign_spec::{Role, Scheme, Spec, Step};

/// Columns of a comment.
const WIDTH: usize = 78;

/// Writes it.
/// `given` are keys below `[http]` that somebody has given, with their values in TOML.
pub(super) fn write(found: &Found, given: &[(&str, String)], spec: &Spec) -> String {
    let checks = crate::checks::all(spec);
    let mut text = Draft::default();
    text.comment(
        "What countersign knows of a target. `env:NAME` takes a value from the environment and `file:PATH` from a file, so \
         that no secret stands here. `countersign profile-reference` prints every key.",
    );
    text.gap();
    text.key("url", &quoted(&found.base.url("")));
    for at in ["fail_on", "fail_on_inconclusive"] {
        text.aside(at, at, None);
    }
    text.gap();
    text.line("[http]");
    for key in KEYS.iter().filter(|key| key.at.starts_with("http.") && key.at != "http.headers.NAME") {
        let name = key.at.trim_start_matches("http.");
        match given.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => text.key_as(key.at, name, value),
            None => text.aside(key.at, name, None),
        }
    }
    match given.iter().find(|(known, _)| *known == "headers") {
        Some((_, value)) => text.key_as("http.headers.NAME", "headers", value),
        None => text.aside("http.headers.NAME", "headers", Some("{ x-gateway-key = \"env:GATEWAY_KEY\" }")),
    }
    text.gap();
    clock(&mut text, found, count(&checks, found, None, Need::Clock));
    for served in &found.schemes {
        if let Some(scheme) = spec.scheme(&served.id) {
            self::scheme(&mut text, scheme, served, &|need| count(&checks, found, Some(&served.id), need));
        }
    }
    text.gap();
    text.comment("A finding that is known and does not fail the run; it is told as soon as it is gone.");
    text.line("# [[deviation]]");
    text.aside("deviation[].check", "check", None);
    text.aside("deviation[].reason", "reason", None);
    text.0
}

/// How many checks have a need.
fn count(checks: &[Check], found: &Found, scheme: Option<&str>, need: Need) -> usize {
    let judged = |check: &&Check| match scheme {
        Some(id) => check.scheme == id,
        None => found.schemes.iter().any(|served| served.id == check.scheme),
    };
    checks.iter().filter(judged).filter(|check| check.needs.contains(&need)).count()
}

fn clock(text: &mut Draft, found: &Found, count: usize) {
    match &found.advance {
        Some(advance) => {
            text.comment(&format!(
                "The clock was moved by nothing and answered: {count} checks are about time."
            ));
            text.line("[clock]");
            text.key_as("clock.advance", "advance", &quoted(advance));
            match &found.reset {
                Some(reset) => text.key_as("clock.reset", "reset", &quoted(reset)),
                None => text.aside("clock.reset", "reset", None),
            }
        }
        None => {
            text.comment(&format!(
                "No clock was found at /__clock. A test build of the target that can move its own is judged on lifetimes too: \
                 {count} checks."
            ));
            text.line("# [clock]");
            text.aside("clock.advance", "advance", None);
            text.aside("clock.reset", "reset", None);
        }
    }
}

fn scheme(text: &mut Draft, scheme: &Scheme, served: &Served, count: &dyn Fn(Need) -> usize) {
    let id = &scheme.id;
    let prefix = id.to_ascii_uppercase().replace('-', "_");
    text.gap();
    text.comment(&format!("{}: {}", scheme.document, scheme.summary));
    text.line(&format!("[scheme.{id}]"));
    let example = scheme.step(Step::Refresh).or_else(|| scheme.step(Step::Login));
    if served.paths.is_empty() {
        if let Some(operation) = example {
            let value = format!("{{ {} = {} }}", operation.name, quoted(&operation.path));
            text.aside("scheme.ID.paths.OPERATION", "paths", Some(&value));
        }
    } else {
        let paths: Vec<String> =
            served.paths.iter().map(|(name, path)| format!("{name} = {}", quoted(path))).collect();
        text.key_as("scheme.ID.paths.OPERATION", "paths", &format!("{{ {} }}", paths.join(", ")));
    }
    text.aside("scheme.ID.body", "body", None);
    let constants = scheme.step(Step::Login).map(|login| login.request.fields.as_slice()).unwrap_or_default();
    for field in constants.iter().filter(|field| field.role == Role::Constant) {
        let name = field.at.name();
        // What the document fixes is not the operator's to choose.
        if field.value.as_ref().is_some_and(|value| value != "") {
            continue;
        }
        let variable = format!("{prefix}_{}", name.to_ascii_uppercase().replace('-', "_"));
        text.aside("scheme.ID.CONSTANT", name, Some(&quoted(&format!("env:{variable}"))));
    }
    let Some(fields) = &scheme.account else {
        let value = quoted(&format!("env:{prefix}_WALLET_KEY"));
        text.aside("scheme.ID.wallet", "wallet", Some(&value));
        return token(text, scheme, &prefix, count);
    };
    let account = |number: &str| {
        [(&fields.identifier, "name"), (&fields.password, "secret")].map(|(member, _)| {
            let variable = format!("{prefix}_{}{number}", member.to_ascii_uppercase());
            format!("{member} = {}", quoted(&format!("env:{variable}")))
        })
    };
    text.gap();
    text.comment(
        "An account that may log in. Wrong secrets are tried on it too: take one that is there for tests.",
    );
    text.line(&format!("[[scheme.{id}.account]]"));
    account("").iter().for_each(|line| text.line(line));
    text.gap();
    text.comment(&format!(
        "A second one is for {} more checks. Of the two, one secret of more than 72 bytes and one with letters beyond ASCII are worth \
         having.",
        count(Need::SecondAccount)
    ));
    text.line(&format!("# [[scheme.{id}.account]]"));
    account("_2").iter().for_each(|line| text.line(&format!("# {line}")));
    for flag in &fields.flags {
        text.gap();
        text.comment(&format!(
            "An account with this mark is for {} more checks.",
            count(Need::MarkedAccount)
        ));
        text.line(&format!("# [[scheme.{id}.account]]"));
        account("_3").iter().for_each(|line| text.line(&format!("# {line}")));
        text.line(&format!("# {flag} = true"));
    }
    token(text, scheme, &prefix, count);
}

fn token(text: &mut Draft, scheme: &Scheme, prefix: &str, count: &dyn Fn(Need) -> usize) {
    let forging = count(Need::Key);
    if forging == 0 {
        return;
    }
    text.gap();
    text.comment(&format!(
        "With the key in hand, {} more checks forge tokens that are signed well.",
        forging
    ));
    text.line(&format!("# [token.{}]", scheme.id));
    text.aside("token.ID.hs256", "hs256", Some(&quoted(&format!("env:{prefix}_JWT_SECRET"))));
}

/// Variables that a profile takes from the environment, outside comments.
pub(super) fn variables(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let named = |line: &str| {
        let rest = line.split_once("\"env:")?.1;
        Some(rest.split('"').next()?.to_owned())
    };
    lines.filter_map(named).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[derive(Default)]
struct Draft(String);

impl Draft {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    fn comment(&mut self, comment: &str) {
        let mut line = "#".to_owned();
        for word in comment.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line != "#" {
                self.line(&std::mem::replace(&mut line, "#".to_owned()));
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    /// A key that is set, below what it means.
    fn key(&mut self, at: &str, value: &str) {
        self.key_as(at, at, value);
    }

    fn key_as(&mut self, at: &str, name: &str, value: &str) {
        self.meaning(at);
        self.line(&format!("{name} = {value}"));
    }

    /// A key that is left out, below what it means: with its default, or an example.
    fn aside(&mut self, at: &str, name: &str, value: Option<&str>) {
        self.meaning(at);
        let key = KEYS.iter().find(|key| key.at == at);
        let value = value.or_else(|| key.map(|key| key.default.unwrap_or(key.example))).unwrap_or_default();
        self.line(&format!("# {name} = {value}"));
    }

    fn meaning(&mut self, at: &str) {
        if let Some(key) = KEYS.iter().find(|key| key.at == at) {
            self.comment(key.says);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Base;
    use crate::profile::Profile;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn drafts() -> Vec<String> {
        let spec = Spec::embedded();
        let found = |advance: Option<&str>, paths: BTreeMap<String, String>| Found {
            base: Base::parse("https://h.example/\"odd")
                .unwrap_or_else(|_| Base::parse("https://h.example").unwrap()),
            schemes: spec
                .schemes()
                .iter()
                .map(|scheme| Served { id: scheme.id.clone(), paths: paths.clone(), status: 400 })
                .collect(),
            advance: advance.map(str::to_owned),
            reset: advance.map(|_| "/__reset".to_owned()),
            requests: 9,
        };
        let mut one = found(Some("/__clock"), BTreeMap::new());
        one.schemes.retain(|served| served.id == "cbs");
        one.schemes[0].paths = BTreeMap::from([("login".to_owned(), "/api/v1/auth/login".to_owned())]);
        [found(None, BTreeMap::new()), one]
            .map(|found| write(&found, &[("ca", "\"/ca.pem\"".to_owned())], spec))
            .to_vec()
    }

    fn parsed(text: &str) -> Result<Profile, String> {
        let spec = Spec::embedded();
        let read = Profile::parse_leniently(text, "t", Path::new("/nowhere"), spec);
        read.map(|(profile, _)| profile).map_err(|errors| errors.to_string())
    }

    #[test]
    fn what_is_written_is_read_again_and_fits_80_columns() {
        for text in drafts() {
            let profile = parsed(&text).unwrap();
            assert!(profile.url.is_some() && !profile.schemes.is_empty());
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{wide:#?}");
        }
        let [_, one] = drafts().try_into().unwrap();
        assert_eq!(parsed(&one).unwrap().schemes["cbs"].paths["login"], "/api/v1/auth/login");
    }

    #[test]
    fn no_example_in_it_has_an_unknown_key() {
        for text in drafts() {
            let is_example =
                |line: &str| line.starts_with("# [") || line.split_whitespace().nth(2) == Some("=");
            let lines: Vec<&str> = text
                .lines()
                .map(|line| if is_example(line) { line.trim_start_matches("# ") } else { line })
                .collect();
            let errors = parsed(&lines.join("\n")).err().unwrap_or_default();
            assert!(lines.len() > 40);
            // Files and variables that examples name are not there.
            let absent = ["No such file", "cannot find", "has no variable"];
            let wrong = |line: &&str| !absent.iter().any(|part| line.contains(part));
            let wrong: Vec<&str> = errors.lines().filter(wrong).collect();
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    }

    #[test]
    fn its_variables_are_those_outside_comments() {
        assert_eq!(variables("a = \"env:ONE\"\n# b = \"env:TWO\"\nc = \"env:THREE\"\n"), ["ONE", "THREE"]);
    }
}
