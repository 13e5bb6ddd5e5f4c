//! The visible lists of schemes in the server, with one more.

use super::Names;

/// Where they stand.
pub(super) const FILE: &str = "server/src/schemes.rs";

/// The file with the scheme in each of its lists.
pub(super) fn with(text: &str, names: &Names) -> Result<String, String> {
    let Names { id, module, kind, .. } = names;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    sorted(&mut lines, "mod ", &format!("mod {module};"))?;
    sorted(&mut lines, "pub use ", &format!("pub use {module}::{{{kind}, {kind}Settings}};"))?;
    let taken = find(&lines, "let Settings {", 0)?;
    lines[taken] = lines[taken].replace(" } =", &format!(", {module} }} ="));
    let all = find(&lines, "vec![", taken)?;
    let end = find(&lines, "]", all + 1)?;
    lines.insert(end, format!("        Arc::new({kind}::new({module})),"));
    let table = find(&lines, "pub struct Settings {", end)?;
    let end = find(&lines, "}", table + 1)?;
    let mut field = vec![format!("    /// `[scheme.{id}]`")];
    if id != module {
        field.push(format!("    #[serde(rename = \"{id}\")]"));
    }
    field.push(format!("    pub {module}: {kind}Settings,"));
    lines.splice(end..end, field);
    Ok(lines.join("\n") + "\n")
}

/// Puts a line among those that begin alike, before the first that comes after it in the alphabet.
fn sorted(lines: &mut Vec<String>, start: &str, line: &str) -> Result<(), String> {
    let alike = |other: &&String| other.starts_with(start);
    let last = lines.iter().rposition(|other| alike(&other));
    let last = last.ok_or_else(|| missing(start))?;
    let at = lines.iter().position(|other| alike(&other) && other.as_str() > line).unwrap_or(last + 1);
    lines.insert(at, line.to_owned());
    Ok(())
}

/// The first line, from this one on, that begins so behind its indentation.
fn find(lines: &[String], start: &str, from: usize) -> Result<usize, String> {
    let rest = lines.iter().enumerate().skip(from);
    rest.into_iter()
        .find(|(_, line)| line.trim_start().starts_with(start))
        .map(|(at, _)| at)
        .ok_or_else(|| missing(start))
}

fn missing(start: &str) -> String {
    format!("{FILE} has no line that begins with `{}`: its lists are not where they were", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &str = "\
mod cbs;
mod web3mq;

use crate::service::ErasedScheme;
pub use cbs::{Cbs, CbsSettings};
use std::sync::Arc;
pub use web3mq::{Web3mq, Web3mqSettings};

pub(crate) fn all(settings: &Settings) -> Vec<Arc<dyn ErasedScheme>> {
    let Settings { web3mq, cbs } = settings.clone();
    vec![
        Arc::new(Web3mq::new(web3mq)),
        Arc::new(Cbs::new(cbs)),
    ]
}

pub struct Settings {
    /// `[scheme.cbs]`
    pub cbs: CbsSettings,
}
";

    #[test]
    fn a_scheme_joins_every_list() {
        let text = with(LISTS, &super::super::names("my-login").unwrap()).unwrap();
        for part in [
            "mod cbs;\nmod my_login;\nmod web3mq;\n",
            "\npub use my_login::{MyLogin, MyLoginSettings};\n",
            "    let Settings { web3mq, cbs, my_login } = settings.clone();\n",
            "        Arc::new(Cbs::new(cbs)),\n        Arc::new(MyLogin::new(my_login)),\n    ]\n",
            "    /// `[scheme.my-login]`\n    #[serde(rename = \"my-login\")]\n    pub my_login: MyLoginSettings,\n}\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(text.lines().count(), LISTS.lines().count() + 6);
    }

    #[test]
    fn a_list_that_is_gone_is_named() {
        let told =
            with(&LISTS.replace("    vec![", "    list("), &super::super::names("x").unwrap()).unwrap_err();
        assert!(told.contains("no line that begins with `vec![`"), "{told}");
    }
}
