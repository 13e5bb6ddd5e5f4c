//! Keeps secrets out of everything that is shown, and puts shell variables in their place so that it still runs.

use crate::profile::Profile;
use secrecy::ExposeSecret as _;
use serde_json::Value;

/// Secrets with what is shown for them, such as `$ETHGAS_PASSWORD`.
///
/// A secret that a check altered is registered with an expression over the original, so that a pasted command sends the
/// altered one too.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone)]
struct Secret {
    value: String,
    expression: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("expression", &self.expression).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Registers a secret in every form in which it may stand in a text: as it is, as JSON writes it, as JSON in JSON, and
    /// with escapes for all that is not ASCII. Texts under four characters are no secrets: hiding them would hide half the
    /// page.
    pub fn add(&mut self, value: &str, expression: &str) {
        if value.len() < 4 {
            return;
        }
        let in_json = escape_json(value);
        let in_json_differs = in_json != value;
        let ascii = escape_ascii(&in_json, false);
        let ascii_upper = escape_ascii(&in_json, true);
        let in_json_twice = escape_json(&in_json);
        let ascii_twice = escape_json(&ascii);
        let ascii_outside = escape_ascii(&in_json_twice, false);
        let forms = [
            (value.to_owned(), expression.to_owned()),
            (in_json, form_of(expression, "AS_JSON")),
            (ascii, form_of(expression, "AS_JSON_ASCII")),
            (ascii_upper, form_of(expression, "AS_JSON_ASCII")),
            (in_json_twice, form_of(expression, "AS_JSON_IN_JSON")),
            (ascii_twice, form_of(expression, "AS_JSON_ASCII_IN_JSON")),
            (ascii_outside, form_of(expression, "AS_JSON_IN_JSON_ASCII")),
            (crate::draft::percent(value), form_of(expression, "PERCENT_ENCODED")),
        ];
        let mut echoed = echoes(value, expression);
        if in_json_differs {
            echoed.extend(echoes(&escape_json(value), &form_of(expression, "AS_JSON")));
        }
        for (value, expression) in forms.into_iter().chain(echoed) {
            if !self.0.iter().any(|secret| secret.value == value) {
                self.0.push(Secret { value, expression });
            }
        }
        // Longest first, so that a secret within another does not spoil it.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
    }

    /// These secrets and those, under the names that these have where both know one.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let mut all = self.clone();
        for secret in &others.0 {
            if !all.0.iter().any(|known| known.value == secret.value) {
                all.0.push(secret.clone());
            }
        }
        all.0.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        all
    }

    /// Those of these secrets that are not as described.
    #[must_use]
    pub fn without(&self, described: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|secret| !described(&secret.value)).cloned().collect())
    }

    /// Everything a profile keeps secret: headers, the secrets of accounts, wallets and keys handed over.
    #[must_use]
    pub fn of_profile(profile: &Profile) -> Self {
        let mut secrets = Self::default();
        for (name, value) in &profile.http.headers {
            secrets.add(value.expose_secret(), &of_header(name));
        }
        for (id, scheme) in &profile.schemes {
            for account in &scheme.accounts {
                let variable = crate::actor::variable(account, id);
                secrets.add(account.password.expose_secret(), &format!("${variable}"));
            }
            if let Some(wallet) = &scheme.wallet {
                let variable = format!("${}_WALLET", id.to_ascii_uppercase());
                let key = wallet.expose_secret().trim();
                secrets.add(key, &variable);
                let bare = key.trim_start_matches("0x");
                secrets.add(bare, &variable);
                secrets.add(&bare.to_ascii_lowercase(), &variable);
            }
        }
        for (id, keys) in &profile.keys {
            secrets.add(keys.hs256.expose_secret(), &format!("${}_HS256", id.to_ascii_uppercase()));
        }
        secrets
    }

    /// Registers a JWT or other token, and every one that is found in a JSON value.
    pub fn add_tokens_in(&mut self, value: &Value) {
        match value {
            Value::String(text) if looks_like_token(text) => self.add(text, "$TOKEN"),
            Value::Array(items) => items.iter().for_each(|item| self.add_tokens_in(item)),
            Value::Object(members) => members.values().for_each(|member| self.add_tokens_in(member)),
            _ => {}
        }
    }

    /// The text with every secret replaced by its expression.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.0 {
            shown = shown.replace(&secret.value, &secret.expression);
        }
        shown
    }

    /// Splits a text at its secrets: `Err` holds an expression, `Ok` plain text.
    #[must_use]
    pub fn split<'a>(&'a self, text: &'a str) -> Vec<Result<&'a str, &'a str>> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let next = self
                .0
                .iter()
                .filter_map(|secret| rest.find(&secret.value).map(|at| (at, secret)))
                .min_by_key(|(at, secret)| (*at, std::cmp::Reverse(secret.value.len())));
            let Some((at, secret)) = next else { break };
            if at > 0 {
                pieces.push(Ok(&rest[..at]));
            }
            pieces.push(Err(secret.expression.as_str()));
            rest = &rest[at + secret.value.len()..];
        }
        if !rest.is_empty() {
            pieces.push(Ok(rest));
        }
        pieces
    }
}

/// What is shown for the value of a header that the profile adds: `$HEADER_X_KEY` for `x-key`.
#[must_use]
pub fn of_header(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("$HEADER_{}", letters.collect::<String>())
}

/// Forms that only an answer has: as forms and pages write it, in hex, and in Base64 at each place in a longer text.
fn echoes(value: &str, expression: &str) -> Vec<(String, String)> {
    use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
    let percent = crate::draft::percent(value);
    let (head, escapes) = percent.split_at(percent.find('%').unwrap_or(percent.len()));
    // Each piece begins with the two digits of an escape.
    let digits = escapes.split('%').map(|piece| {
        let (digits, rest) = piece.split_at(piece.len().min(2));
        format!("{}{rest}", digits.to_ascii_lowercase())
    });
    let lower = format!("{head}{}", digits.collect::<Vec<_>>().join("%"));
    let mut forms = vec![
        (percent.replace("%20", "+"), form_of(expression, "FORM_ENCODED")),
        (lower.replace("%20", "+"), form_of(expression, "FORM_ENCODED")),
        (lower, form_of(expression, "PERCENT_ENCODED")),
    ];
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for (double, single) in [("&quot;", "&#39;"), ("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("\"", "'")] {
        forms.push((html.replace('"', double).replace('\'', single), form_of(expression, "AS_HTML")));
    }
    // Shorter ones would hide what merely looks like them.
    if value.len() >= 8 {
        forms.push((HEXLOWER.encode(value.as_bytes()), form_of(expression, "AS_HEX")));
        forms.push((HEXUPPER.encode(value.as_bytes()), form_of(expression, "AS_HEX")));
        for before in 0..3_usize {
            // Six bits a character: those that share bits with what stands before or behind are not the secret's own.
            let bytes = [&vec![0; before][..], value.as_bytes()].concat();
            let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
                let whole = encoding.encode(&bytes);
                if let Some(own) = whole.get(first..last) {
                    forms.push((own.to_owned(), form_of(expression, "AS_BASE64")));
                }
            }
        }
    }
    forms
}

/// The name of a variable that holds a secret in another form.
fn form_of(expression: &str, form: &str) -> String {
    let name: String =
        expression.chars().filter(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
    format!("${}_{form}", name.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Every character beyond ASCII as `\u` escapes, with lower- or upper-case digits.
fn escape_ascii(text: &str, upper: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }
    escaped
}

/// Whether a text has the form of a JWT.
fn looks_like_token(text: &str) -> bool {
    text.len() > 40 && text.starts_with("ey") && text.matches('.').count() == 2
}

/// The text as it stands inside a JSON string.
fn escape_json(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_longest_first_and_in_json_too() {
        let mut secrets = Secrets::default();
        secrets.add("open", "$SHORT");
        secrets.add("open \"sesame\"", "$PASSWORD");
        assert_eq!(secrets.hide(r#"{"p":"open \"sesame\""}"#), r#"{"p":"$PASSWORD_AS_JSON"}"#);
        assert_eq!(secrets.split("a open b"), [Ok("a "), Err("$SHORT"), Ok(" b")]);
        assert!(!format!("{secrets:?}").contains("sesame"));
    }

    #[test]
    fn encodings_of_a_secret_are_hidden_wherever_they_stand() {
        use data_encoding::{BASE64, BASE64URL, HEXLOWER};
        let secret = "open <sesame>?~ 'now'";
        let mut secrets = Secrets::default();
        secrets.add(secret, "$PASSWORD");
        for before in ["", "a", "ab", "abc", "alice:"] {
            let text = format!("{before}{secret} and so on");
            for encoded in [BASE64.encode(text.as_bytes()), BASE64URL.encode(text.as_bytes())] {
                let shown = secrets.hide(&encoded);
                assert!(shown.contains("$PASSWORD_AS_BASE64"), "{before}: {shown}");
                assert!(shown.len() < encoded.len(), "{before}: {shown}");
            }
            assert!(secrets.hide(&HEXLOWER.encode(text.as_bytes())).contains("$PASSWORD_AS_HEX"));
        }
        for written in [
            "open+%3Csesame%3E%3F~+%27now%27",
            "open &lt;sesame&gt;?~ &#39;now&#39;",
            "open%20%3csesame%3e%3f~%20%27now%27",
        ] {
            assert!(!secrets.hide(written).contains("sesame"), "{written}");
        }
    }

    #[test]
    fn other_ways_to_write_a_secret_are_hidden_too() {
        let mut secrets = Secrets::default();
        secrets.add("pass wörd 🔑", "$PASSWORD");
        for written in [
            "pass wörd 🔑",
            "pass w\\u00f6rd \\ud83d\\udd11",
            "pass w\\u00F6rd \\uD83D\\uDD11",
            "pass%20w%C3%B6rd%20%F0%9F%94%91",
        ] {
            let shown = secrets.hide(&format!("<{written}>"));
            assert!(shown.starts_with("<$PASSWORD") && !shown.contains("rd"), "{shown}");
        }
    }
}
