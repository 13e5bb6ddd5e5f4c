//! Every key of a profile, in one list: what the reader knows, what `profile-reference` prints, what `init` explains.
//!
//! A name in capitals stands for many: `ID` for a scheme, `OPERATION` for one of its operations, `NAME` for any name, and
//! `CONSTANT`, `IDENTIFIER`, `SECRET` and `MARK` for what the scheme calls these. `[]` follows a table that may stand
//! several times.

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Where it stands, with dots.
    pub at: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// The value where it is left out, as TOML; none where leaving it out turns something off.
    pub default: Option<&'static str>,
    /// A value it may have, as TOML.
    pub example: &'static str,
    /// What it means, in a sentence.
    pub says: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A day, without quotes, such as `2027-01-31`.
    Day,
    /// `true` or `false`.
    Flag,
    /// A whole number above zero.
    Number,
    /// A text that is one of a few words.
    OneOf(&'static [&'static str]),
    /// A path of a file, from the folder of the profile.
    File,
    /// A text, `env:NAME` for a variable of the environment, or `file:PATH` for the content of a file.
    Secret,
    /// A text.
    Text,
    /// A time such as `"5s"`, `"800ms"` or `"2m"`.
    Time,
}

impl Kind {
    /// The kind in words, for a table.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Day => "day".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number => "number above 0".to_owned(),
            Self::OneOf(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::File => "path".to_owned(),
            Self::Secret => "secret".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Time => "time".to_owned(),
        }
    }
}

const fn key(
    at: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    example: &'static str,
    says: &'static str,
) -> Key {
    Key { at, kind, default, example, says }
}

/// All keys, in the order in which a profile is best written.
pub const KEYS: &[Key] = &[
    key(
        "url",
        Kind::Text,
        None,
        r#""http://127.0.0.1:8080""#,
        "Where the target is, with what stands before every documented path. `--url` goes before it.",
    ),
    key(
        "fail_on",
        Kind::OneOf(&["must", "should", "may"]),
        Some(r#""should""#),
        r#""must""#,
        "Findings of this level and above fail the run. `--level` goes before it.",
    ),
    key(
        "fail_on_inconclusive",
        Kind::Flag,
        Some("false"),
        "true",
        "Whether a check that reached no verdict fails the run.",
    ),
    key("http.timeout", Kind::Time, Some(r#""5s""#), r#""800ms""#, "Time limit of one exchange."),
    key(
        "http.rate",
        Kind::Number,
        None,
        "200",
        "Requests a second, at most; without it, as fast as it goes.",
    ),
    key("http.concurrency", Kind::Number, Some("8"), "16", "Checks that run at the same time."),
    key(
        "http.version",
        Kind::OneOf(&["1.1", "2"]),
        Some(r#""1.1""#),
        r#""2""#,
        "HTTP version, known beforehand; with 2, checks that write requests by hand are skipped.",
    ),
    key("http.ca", Kind::File, None, r#""ca.pem""#, "PEM file of trust anchors beyond the public ones."),
    key(
        "http.client_cert",
        Kind::File,
        None,
        r#""client.crt""#,
        "PEM file of the certificate chain to show to a target that asks for one.",
    ),
    key(
        "http.client_key",
        Kind::Secret,
        None,
        r#""file:client.key""#,
        "Key of that certificate in PEM; a plain text is the path of a file.",
    ),
    key(
        "http.proxy",
        Kind::Secret,
        None,
        r#""http://proxy.example:3128""#,
        "HTTP proxy that every connection is tunnelled through by CONNECT; may hold user:password@.",
    ),
    key("http.headers.NAME", Kind::Secret, None, r#""env:GATEWAY_KEY""#, "A header added to every request."),
    key(
        "http.wfc",
        Kind::File,
        None,
        r#""auth.yaml""#,
        "Credentials in the form of Web Fuzzing Commons, YAML or JSON, for schemes without accounts here.",
    ),
    key(
        "clock.advance",
        Kind::Text,
        None,
        r#""/__clock""#,
        "Path that moves the target's clock by POST {\"advance_seconds\": N}.",
    ),
    key(
        "clock.reset",
        Kind::Text,
        None,
        r#""/__reset""#,
        "Path that forgets all state and sets the clock back, by POST.",
    ),
    key(
        "scheme.ID.paths.OPERATION",
        Kind::Text,
        None,
        r#""/api/v2/refresh""#,
        "Path of an operation, where it is not the documented one.",
    ),
    key(
        "scheme.ID.body",
        Kind::OneOf(&["json", "form"]),
        None,
        r#""form""#,
        "How request bodies are written, where that is not the documented way.",
    ),
    key(
        "scheme.ID.wallet",
        Kind::Secret,
        None,
        r#""env:WALLET_KEY""#,
        "Private key of a wallet in hex, where fresh wallets are not let in.",
    ),
    key(
        "scheme.ID.words.WORD",
        Kind::Text,
        None,
        r#""login.example.org""#,
        "A word of the texts that wallets sign, where the target's own is another: its `domain`, its `uri`.",
    ),
    key(
        "scheme.ID.CONSTANT",
        Kind::Secret,
        None,
        r#""env:ACCESS_KEY""#,
        "What the document leaves to the operator, by its name: `testnet_access_key` of web3mq.",
    ),
    key(
        "scheme.ID.account[].IDENTIFIER",
        Kind::Secret,
        None,
        r#""alice""#,
        "Name of an account: `username` (ethgas), `app_id` (nftrainbow), `user` (cbs).",
    ),
    key(
        "scheme.ID.account[].SECRET",
        Kind::Secret,
        None,
        r#""env:ALICE_PASSWORD""#,
        "Its secret: `password` (ethgas, cbs), `app_secret` (nftrainbow).",
    ),
    key(
        "scheme.ID.account[].MARK",
        Kind::Flag,
        Some("false"),
        "true",
        "What is special about it: `must_change_password` (cbs). Other checks leave it alone.",
    ),
    key(
        "token.ID.hs256",
        Kind::Secret,
        None,
        r#""env:JWT_SECRET""#,
        "Key that signs the target's tokens, as text, hex or base64: wrong tokens are then signed well.",
    ),
    key(
        "deviation[].check",
        Kind::Text,
        None,
        r#""cbs::flow::the-documented-login-works""#,
        "Name of a check whose finding is known and does not fail the run.",
    ),
    key(
        "deviation[].fingerprint",
        Kind::Text,
        None,
        r#""logged in with another secret => login HTTP 200, code 0""#,
        "Which finding of the check it is, as `countersign baseline` drafts it; without it, any.",
    ),
    key(
        "deviation[].reason",
        Kind::Text,
        None,
        r#""tracked as #123""#,
        "Why it is tolerated; must be there.",
    ),
    key("deviation[].expires", Kind::Day, None, "2027-01-31", "The last day on which it is tolerated."),
];

/// Names that may stand directly in a table, those in capitals left out.
#[must_use]
pub(crate) fn below(table: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in KEYS {
        let Some(rest) = (if table.is_empty() {
            Some(key.at)
        } else {
            key.at.strip_prefix(table).and_then(|rest| rest.strip_prefix('.'))
        }) else {
            continue;
        };
        let name = rest.split(['.', '[']).next().unwrap_or(rest);
        if !name.chars().all(|c| c.is_ascii_uppercase()) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The list as a Markdown table.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| key | value | without it | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = key.default.map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
        text.push_str(&format!("| `{}` | {} | {default} | {} |\n", key.at, key.kind.words(), key.says));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;
    use countersign_spec::Spec;
    use std::path::Path;
    use std::sync::LazyLock;

    /// A key with the names of one scheme in place of those in capitals.
    fn placed(at: &str) -> String {
        at.replace("scheme.ID.words.WORD", "scheme.siwe.words.domain")
            .replace("scheme.ID.wallet", "scheme.swapchat.wallet")
            .replace("scheme.ID.CONSTANT", "scheme.web3mq.testnet_access_key")
            .replace("IDENTIFIER", "user")
            .replace("ID", "cbs")
            .replace("OPERATION", "refresh")
            .replace("NAME", "x-key")
            .replace("SECRET", "password")
            .replace("MARK", "must_change_password")
    }

    /// The key with a value as the text of a profile, along with what it cannot stand without.
    fn text(at: &str, value: &str) -> String {
        let at = placed(at);
        let company = [
            ("account[].user", "password = \"p\""),
            ("account[].password", "user = \"u\""),
            ("account[].must_change_password", "user = \"u\"\npassword = \"p\""),
            ("deviation[].check", "reason = \"r\""),
            ("deviation[].reason", "check = \"c\""),
            ("deviation[].fingerprint", "check = \"c\"\nreason = \"r\""),
            ("deviation[].expires", "check = \"c\"\nreason = \"r\""),
            ("clock.reset", "advance = \"/a\""),
        ];
        let beside = company.iter().find(|(end, _)| at.ends_with(end)).map_or("", |(_, beside)| beside);
        match at.rsplit_once('.') {
            None => format!("{at} = {value}"),
            Some((table, name)) => match table.strip_suffix("[]") {
                Some(table) => format!("[[{table}]]\n{beside}\n{name} = {value}"),
                None => format!("[{table}]\n{beside}\n{name} = {value}"),
            },
        }
    }

    fn errors(text: &str) -> Vec<String> {
        // No built-in scheme has texts with words of its own.
        static SIWE: LazyLock<Spec> = LazyLock::new(|| {
            Spec::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/examples")).unwrap()
        });
        let spec = if text.contains("siwe") { &SIWE } else { Spec::embedded() };
        Profile::parse_leniently(text, "t", Path::new("/nowhere"), spec)
            .err()
            .map(|errors| errors.0)
            .unwrap_or_default()
    }

    #[test]
    fn every_key_is_read_and_held_to_its_kind() {
        for key in KEYS {
            let complaints = errors(&text(key.at, key.example));
            // Files are named that are not there, and a certificate wants its key.
            let known = |line: &String| !line.contains("is not known") && !line.contains("must be");
            assert!(complaints.iter().all(known), "{}: {complaints:#?}", key.at);
            let wrong = if key.kind == Kind::Flag { "\"a text\"" } else { "[]" };
            let place = placed(key.at).replace("[]", "");
            let complaints = errors(&text(key.at, wrong));
            let told = |line: &String| line.contains(&place) && line.contains(": must be");
            assert!(complaints.iter().any(told), "{}: {complaints:#?}", key.at);
        }
    }

    #[test]
    fn a_default_that_is_written_out_changes_nothing() {
        let read = |text: &str| Profile::parse(text, "t", Path::new("."), Spec::embedded()).unwrap();
        let plain = format!("{:?}", read(""));
        for key in KEYS.iter().filter(|key| !key.at.contains("[]")) {
            let Some(default) = key.default else { continue };
            let profile = read(&text(key.at, default));
            // What is not said is said by a default elsewhere.
            let shown = format!("{profile:?}").replace("fail_on: Some(Should)", "fail_on: None");
            assert_eq!(shown, plain, "{}", key.at);
        }
    }

    #[test]
    fn a_key_that_is_not_in_the_list_is_not_read() {
        for at in
            ["urls", "http.time", "clock.advances", "scheme.ID.bodies", "token.ID.hs257", "deviation[].x"]
        {
            let complaints = errors(&text(at, "\"v\""));
            assert!(complaints.iter().any(|line| line.contains("is not known")), "{at}: {complaints:#?}");
        }
    }

    #[test]
    fn names_below_a_table_are_those_of_the_list() {
        assert_eq!(below("clock"), ["advance", "reset"]);
        assert_eq!(below("scheme.ID"), ["paths", "body", "wallet", "words", "account"]);
        assert_eq!(below("deviation[]"), ["check", "fingerprint", "reason", "expires"]);
        assert!(below("").starts_with(&["url", "fail_on"]) && below("http.headers").is_empty());
    }
}
