//! The way to a target as flags give it, in the words of a profile: what is probed with is what is written.

use super::super::Failure;
use crate::profile::{Http, Profile};
use clap::Args;
use countersign_spec::Spec;
use std::path::{Path, PathBuf};

/// Flags about the way.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Way {
    /// PEM file of trust anchors beyond the public ones
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file of the certificate to show to a target that asks for one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its key: a PEM file, or env:NAME for a variable that holds it
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<String>,
    /// HTTP proxy to tunnel through: http://host:port, with user:password@
    /// before the host, env:NAME or file:PATH
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Header of every request, such as 'x-key: env:GATEWAY_KEY'; may be
    /// repeated. env:NAME and file:PATH keep its value out of the profile
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Speak HTTP/2
    #[arg(long)]
    http2: bool,
}

/// Keys below `[http]` with their values in TOML, and what they amount to.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// In the order of the list of keys; those of headers are one table.
    pub(super) keys: Vec<(&'static str, String)>,
    /// How to speak to the target.
    pub(super) http: Http,
    /// Keys whose values stand in the profile although they may be secret.
    pub(super) plain: Vec<String>,
}

impl Way {
    /// What the flags say.
    ///
    /// # Errors
    /// Files, variables and values that cannot be used, by their keys.
    pub(super) fn given(&self, spec: &Spec) -> Result<Given, Failure> {
        let mut given = Given::default();
        let mut add = |name: &'static str, value: &str| given.keys.push((name, quoted(value)));
        if self.http2 {
            add("version", "2");
        }
        if let Some(ca) = &self.ca {
            add("ca", &absolute(ca)?);
        }
        if let Some(certificate) = &self.client_cert {
            add("client_cert", &absolute(certificate)?);
        }
        if let Some(key) = &self.client_key {
            let file = key.strip_prefix("file:").unwrap_or(key);
            let is_variable = key.starts_with("env:");
            add("client_key", &if is_variable { key.clone() } else { format!("file:{}", absolute(file)?) });
        }
        if let Some(proxy) = &self.proxy {
            add("proxy", &secret(proxy)?);
            if is_plain(proxy) && proxy.contains('@') {
                given.plain.push("http.proxy".to_owned());
            }
        }
        let mut headers = Vec::new();
        for header in &self.header {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                Failure::usage(
                    "--header: write it as curl does: 'NAME: VALUE', such as 'x-key: env:GATEWAY_KEY'",
                )
            })?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if http::HeaderName::try_from(&name).is_err() {
                return Err(Failure::usage(format!("--header: `{name}` is no name of a header")));
            }
            if is_plain(value) {
                given.plain.push(format!("http.headers.{name}"));
            }
            headers.push(format!("{} = {}", quoted(&name), quoted(&secret(value)?)));
        }
        if !headers.is_empty() {
            given.keys.push(("headers", format!("{{ {} }}", headers.join(", "))));
        }
        let lines: String = given.keys.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let text = format!("[http]\n{lines}");
        let profile = Profile::parse(&text, "the flags", Path::new("."), spec);
        given.http = profile.map_err(|errors| Failure::usage(errors.to_string()))?.http;
        Ok(given)
    }
}

/// Whether a value is neither a variable nor a file.
fn is_plain(value: &str) -> bool {
    !value.starts_with("env:") && !value.starts_with("file:")
}

/// A value that may be in a file, whose path is from here and not from the folder of the profile.
fn secret(value: &str) -> Result<String, Failure> {
    match value.strip_prefix("file:") {
        Some(path) => Ok(format!("file:{}", absolute(path)?)),
        None => Ok(value.to_owned()),
    }
}

fn absolute(path: impl AsRef<Path>) -> Result<String, Failure> {
    let shown = path.as_ref().display().to_string();
    let path = std::path::absolute(path).map_err(|problem| Failure::usage(format!("{shown}: {problem}")))?;
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("{shown}: a profile holds only paths in UTF-8; move the file, or rename it"))
    })
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
