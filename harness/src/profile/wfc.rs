//! Credentials in the form that fuzzers share: the authentication file of Web Fuzzing Commons, as YAML or JSON.
//!
//! What such a file can say about plain logins becomes accounts and headers; what it says of tokens and cookies is known from
//! the documents already. Whatever is not used is named with the reason.

use super::{Account, Profile, nearest};
use countersign_spec::{Scheme, Spec, Step};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Keys of an entry.
const ENTRY: &[&str] = &["name", "requireMockHandling", "fixedHeaders", "loginEndpointAuth"];
/// Keys of a login.
const LOGIN: &[&str] = &[
    "endpoint",
    "externalEndpointURL",
    "payloadRaw",
    "payloadUserPwd",
    "headers",
    "verb",
    "contentType",
    "token",
    "expectCookies",
];

/// Adds to a profile what it can use of such a file.
pub(super) fn apply(text: &str, name: &str, profile: &mut Profile, spec: &Spec) -> Result<(), String> {
    let file: Value =
        serde_saphyr::from_str(text).map_err(|problem| format!("is neither YAML nor JSON: {problem}"))?;
    let file = file.as_object().ok_or("must hold `auth`, a list of entries")?;
    let entries = file.get("auth").and_then(Value::as_array).ok_or("must hold `auth`, a list of entries")?;
    let template = file.get("authTemplate").and_then(Value::as_object).cloned().unwrap_or_default();
    let full = profile.schemes.iter().filter(|(_, scheme)| !scheme.accounts.is_empty());
    let full = full.map(|(id, _)| id.clone()).collect();
    let mut taker = Taker { name, profile, spec, full };
    taker.unknown(file, "the file", &["schemaVersion", "auth", "authTemplate", "configs"]);
    for (index, entry) in entries.iter().enumerate() {
        let entry = entry.as_object().ok_or_else(|| format!("auth[{index}] must be a table"))?;
        let entry = completed(entry, &template);
        let who =
            entry.get("name").and_then(Value::as_str).map_or_else(|| format!("auth[{index}]"), str::to_owned);
        taker.entry(&who, &entry).map_err(|problem| format!("{who}: {problem}"))?;
    }
    Ok(())
}

/// An entry with what it leaves to the template.
fn completed(entry: &Map<String, Value>, template: &Map<String, Value>) -> Map<String, Value> {
    let mut whole = entry.clone();
    for (key, value) in template {
        match (whole.get_mut(key), value) {
            (None | Some(Value::Null), _) => drop(whole.insert(key.clone(), value.clone())),
            (Some(Value::Object(own)), Value::Object(shared)) => *own = completed(own, shared),
            _ => {}
        }
    }
    whole
}

struct Taker<'a> {
    name: &'a str,
    profile: &'a mut Profile,
    spec: &'a Spec,
    /// Schemes whose accounts the profile names itself.
    full: BTreeSet<String>,
}

impl Taker<'_> {
    fn ignore(&mut self, what: &str, why: &str) {
        self.profile.notes.push(format!("{}: {what} is ignored: {why}", self.name));
    }

    fn unknown(&mut self, table: &Map<String, Value>, at: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let why = match nearest(key, known) {
                Some(near) => format!("it is not known; did you mean `{near}`?"),
                None => format!("it is not known; known: {}", known.join(", ")),
            };
            self.ignore(&format!("`{key}` of {at}"), &why);
        }
    }

    fn entry(&mut self, who: &str, entry: &Map<String, Value>) -> Result<(), String> {
        self.unknown(entry, who, ENTRY);
        if entry.get("requireMockHandling") == Some(&Value::Bool(true)) {
            self.ignore(&format!("requireMockHandling of {who}"), "nothing here mocks another service");
        }
        for (name, value) in headers(entry, "fixedHeaders")? {
            self.header(who, &name, value);
        }
        match entry.get("loginEndpointAuth") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(login)) => self.login(who, login),
            Some(_) => Err("loginEndpointAuth must be a table".to_owned()),
        }
    }

    fn header(&mut self, who: &str, name: &str, value: String) {
        use secrecy::ExposeSecret as _;
        let name = name.to_ascii_lowercase();
        let what = format!("the fixed header `{name}` of {who}");
        if name == "authorization" || name == "cookie" {
            return self.ignore(&what, "a login is judged by what it hands out itself");
        }
        let known = self.profile.http.headers.iter().find(|(known, _)| *known == name);
        match known {
            Some((_, other)) if other.expose_secret() == value => {}
            Some(_) => {
                self.ignore(&what, "a run adds one value to every request, and another stands already")
            }
            None => self.profile.http.headers.push((name, value.into())),
        }
    }

    fn login(&mut self, who: &str, login: &Map<String, Value>) -> Result<(), String> {
        self.unknown(login, &format!("the login of {who}"), LOGIN);
        let what = format!("the login of {who}");
        if text(login, "externalEndpointURL")?.is_some() {
            self.ignore(&what, "it is at another server; the target's own login is judged");
            return Ok(());
        }
        if !headers(login, "headers")?.is_empty() {
            self.ignore(&format!("headers of {what}"), "no document takes credentials there");
        }
        let Some(endpoint) = text(login, "endpoint")? else {
            self.ignore(&what, "it names no endpoint, by which its scheme is known");
            return Ok(());
        };
        let Some(scheme) = self.scheme_at(&endpoint) else {
            let why = format!(
                "{endpoint} is the login of no scheme; if it is one, say so by [scheme.ID] paths = {{ login = \"{endpoint}\" }}"
            );
            self.ignore(&what, &why);
            return Ok(());
        };
        let (Some(fields), Some(operation)) = (&scheme.account, scheme.step(Step::Login)) else {
            let why = format!("a wallet logs in to {0}; give its key as scheme.{0}.wallet", scheme.id);
            self.ignore(&what, &why);
            return Ok(());
        };
        if let Some(verb) = text(login, "verb")?.filter(|verb| *verb != operation.method) {
            self.ignore(&format!("verb {verb} of {what}"), &format!("it is {}", operation.method));
        }
        if let Some(kind) = text(login, "contentType")?.filter(|kind| !kind.starts_with("application/json")) {
            let why = format!("say body = \"form\" in [scheme.{}] where that is meant", scheme.id);
            self.ignore(&format!("contentType {kind} of {what}"), &why);
        }
        if self.full.contains(&scheme.id) {
            let why = format!("the profile names accounts of {} itself", scheme.id);
            self.ignore(&what, &why);
            return Ok(());
        }
        let pair = match credentials(login, &fields.identifier, &fields.password)? {
            Ok(pair) => pair,
            Err(why) => {
                self.ignore(&what, &why);
                return Ok(());
            }
        };
        let (identifier, password) = pair;
        self.profile.schemes.entry(scheme.id.clone()).or_default().accounts.push(Account {
            identifier,
            password: password.into(),
            variable: None,
            flags: BTreeSet::new(),
        });
        Ok(())
    }

    /// The scheme whose login is at this path, by the profile or by the documents.
    fn scheme_at(&self, endpoint: &str) -> Option<Scheme> {
        let base = self.profile.url.as_deref().and_then(|url| crate::client::Base::parse(url).ok());
        let prefix = base.map(|base| base.prefix).unwrap_or_default();
        let is_it = |path: &str| {
            let bare = |path: &str| path.trim_matches('/').to_owned();
            bare(path) == bare(endpoint) || bare(&format!("{prefix}{path}")) == bare(endpoint)
        };
        let found = self.spec.schemes().iter().find(|scheme| {
            let Some(login) = scheme.step(Step::Login) else { return false };
            let own = self.profile.schemes.get(&scheme.id).and_then(|known| known.paths.get(&login.name));
            own.is_some_and(|path| is_it(path))
                || is_it(&login.path)
                || login.other_paths.iter().any(|path| is_it(path))
        });
        found.cloned()
    }
}

/// Name and secret, or why they cannot be used.
fn credentials(
    login: &Map<String, Value>,
    identifier: &str,
    password: &str,
) -> Result<Result<(String, String), String>, String> {
    if let Some(Value::Object(pair)) = login.get("payloadUserPwd") {
        for (field, expected) in [("usernameField", identifier), ("passwordField", password)] {
            if let Some(named) = text(pair, field)?.filter(|named| named != expected) {
                return Ok(Err(format!("its {field} is `{named}`, that of the document `{expected}`")));
            }
        }
        let part = |key| text(pair, key)?.ok_or_else(|| format!("payloadUserPwd.{key} is missing"));
        return Ok(Ok((part("username")?, part("password")?)));
    }
    let Some(raw) = text(login, "payloadRaw")? else {
        return Ok(Err("it holds neither payloadUserPwd nor payloadRaw".to_owned()));
    };
    let members: Value = serde_json::from_str(&raw).unwrap_or_default();
    let part = |key: &str| members.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(match (part(identifier), part(password)) {
        (Some(identifier), Some(password)) => Ok((identifier, password)),
        _ => Err(format!("its payloadRaw is no JSON object with texts `{identifier}` and `{password}`")),
    })
}

/// A text, which a number is not: `0123` without quotes has already lost its zero.
fn text(table: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match table.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be a text: put it in quotes")),
    }
}

fn headers(table: &Map<String, Value>, key: &str) -> Result<Vec<(String, String)>, String> {
    let list = match table.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(format!("{key} must be a list of name and value")),
    };
    let mut headers = Vec::new();
    for header in list {
        let pair = header.as_object().ok_or_else(|| format!("{key} must be a list of name and value"))?;
        let part = |part| text(pair, part)?.ok_or_else(|| format!("a header of {key} has no {part}"));
        headers.push((part("name")?, part("value")?));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn applied(text: &str) -> Result<Profile, String> {
        let mut profile = Profile::default();
        apply(text, "auth.yaml", &mut profile, Spec::embedded()).map(|()| profile)
    }

    const TWO: &str = r#"
auth:
  - name: foo
    loginEndpointAuth:
      payloadRaw: "{\"username\": \"foo\", \"password\": \"123\"}"
  - name: bar
    fixedHeaders:
      - { name: X-Tenant, value: one }
      - { name: Authorization, value: "Bearer abc" }
    loginEndpointAuth:
      payloadUserPwd: { username: bar, password: "456", usernameField: username, passwordField: password }
authTemplate:
  loginEndpointAuth:
    endpoint: /api/v1/user/login
    verb: POST
    contentType: application/json
    token: { extractFromField: /data/accessToken, httpHeaderName: Authorization, headerPrefix: "Bearer " }
configs: {}
"#;

    #[test]
    fn entries_become_accounts_and_headers() {
        let profile = applied(TWO).unwrap();
        let accounts = &profile.schemes["ethgas"].accounts;
        let pairs: Vec<(&str, &str)> =
            accounts.iter().map(|one| (one.identifier.as_str(), one.password.expose_secret())).collect();
        assert_eq!(pairs, [("foo", "123"), ("bar", "456")]);
        assert_eq!(profile.http.headers[0].0, "x-tenant");
        assert_eq!(profile.http.headers.len(), 1);
        let [note] = profile.notes.as_slice() else { panic!("{:#?}", profile.notes) };
        assert!(note.contains("`authorization` of bar is ignored"), "{note}");
    }

    #[test]
    fn json_is_read_as_well() {
        let profile = applied(
            r#"{"auth":[{"name":"a","loginEndpointAuth":{"endpoint":"/v1/login","verb":"POST",
            "payloadUserPwd":{"username":"u","password":"p","usernameField":"app_id","passwordField":"app_secret"}}}]}"#,
        );
        assert_eq!(profile.unwrap().schemes["nftrainbow"].accounts[0].identifier, "u");
    }

    #[test]
    fn what_is_not_used_is_named_with_the_reason() {
        for (entry, says) in [
            ("loginEndpointAuth: {endpoint: /elsewhere, verb: POST}", "login of no scheme"),
            ("loginEndpointAuth: {externalEndpointURL: 'https://idp', verb: POST}", "at another server"),
            ("loginEndpointAuth: {verb: POST}", "names no endpoint"),
            ("loginEndpointAuth: {endpoint: /login, verb: POST}", "scheme.swapchat.wallet"),
            ("loginEndpointAuth: {endpoint: /v1/login, verb: POST, payloadRaw: a=b}", "no JSON object"),
            ("loginEndpointAuth: {endpoint: /v1/login, verb: POST}", "neither payloadUserPwd"),
            ("fixedHeader: []", "did you mean `fixedHeaders`?"),
            ("requireMockHandling: true", "mocks"),
        ] {
            let profile = applied(&format!("auth:\n  - name: a\n    {entry}\n")).unwrap();
            assert!(profile.notes.iter().any(|note| note.contains(says)), "{says}: {:#?}", profile.notes);
            assert!(profile.schemes.is_empty(), "{entry}");
        }
    }

    #[test]
    fn a_file_of_another_form_is_an_error() {
        for (text, says) in [
            ("auth: [", "neither YAML nor JSON"),
            ("users: []", "`auth`"),
            ("auth: [1]", "auth[0]"),
            ("auth: [{name: a, fixedHeaders: [{name: x, value: 123}]}]", "put it in quotes"),
        ] {
            let error = applied(text).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
