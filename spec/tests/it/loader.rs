//! Mistakes in a folder are named with file and key, all of them at once.
//!
//! Each case changes one thing in a copy of a folder that is right.

use countersign_spec::{Spec, SpecErrors};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A copy of a shipped scheme in a folder of its own.
pub(crate) struct Copy {
    home: TempDir,
    scheme: PathBuf,
}

impl Copy {
    fn of(scheme: &str) -> Self {
        Self::from("schemes", scheme)
    }

    /// A copy of a scheme in this folder of the crate.
    pub(crate) fn from(folder: &str, scheme: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join(scheme);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(scheme), &to);
        Self { home, scheme: to }
    }

    /// What the folder loads as.
    pub(crate) fn load(&self) -> Result<Spec, SpecErrors> {
        Spec::load(self.home.path())
    }

    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) -> &Self {
        let path = self.scheme.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} holds no {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        self
    }

    fn write(&self, file: &str, bytes: &[u8]) -> &Self {
        let path = self.scheme.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn mistakes(&self) -> Vec<String> {
        self.load().map_or_else(|errors| told(&errors), |_| Vec::new())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn told(errors: &SpecErrors) -> Vec<String> {
    errors.0.iter().map(ToString::to_string).collect()
}

/// Changes one thing and expects exactly these mistakes, each by the start of its line.
fn check(scheme: &str, file: &str, from: &str, to: &str, expected: &[&str]) {
    let copy = Copy::of(scheme);
    let mistakes = copy.replace(file, from, to).mistakes();
    let named = |line: &str| mistakes.iter().any(|mistake| mistake.starts_with(line));
    assert!(
        mistakes.len() == expected.len() && expected.iter().all(|line| named(line)),
        "`{from}` became `{to}` in {scheme}/{file}\nexpected:\n{}\ntold:\n{}",
        expected.join("\n"),
        mistakes.join("\n")
    );
}

#[test]
fn shipped_folders_load_from_outside_too() {
    for scheme in Spec::embedded().schemes() {
        let copy = Copy::of(&scheme.id);
        for folder in [copy.home.path(), &copy.scheme] {
            let spec = Spec::load(folder).unwrap();
            assert_eq!(spec.schemes().len(), 1);
            let loaded = spec.scheme(&scheme.id).unwrap();
            assert_eq!(loaded.clauses, scheme.clauses);
            assert_eq!(loaded.operations.len(), scheme.operations.len());
            assert_eq!(spec.common(), Spec::embedded().common());
        }
    }
    let all = Spec::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schemes")).unwrap();
    assert_eq!(all.schemes().len(), Spec::embedded().schemes().len());
}

#[test]
fn a_folder_without_a_scheme_is_told_so() {
    let empty = tempfile::tempdir().unwrap();
    let mistakes = told(&Spec::load(empty.path()).unwrap_err());
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].contains("scheme.toml: is missing, here and in the folders below"), "{mistakes:?}");
    let mistakes = told(&Spec::load(&empty.path().join("nowhere")).unwrap_err());
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].contains("nowhere: folder: cannot be read"), "{mistakes:?}");
}

#[test]
fn misspelt_keys_and_values_are_named_with_their_path_and_the_nearest_known_one() {
    let toml = "scheme.toml";
    check(
        "ethgas",
        toml,
        "summary =",
        "sumary =",
        &[
            "ethgas/scheme.toml: sumary: is no key of this table (did you mean `summary`?)",
            "ethgas/scheme.toml: summary: is missing",
        ],
    );
    check(
        "ethgas",
        toml,
        "lifetime_configurable",
        "lifetime_configurabel",
        &["ethgas/scheme.toml: tokens.refresh.lifetime_configurabel: is no key of this table (did you mean"],
    );
    check(
        "ethgas",
        toml,
        "variants = [{ name",
        "variants = [{ nmae",
        &[
            "ethgas/scheme.toml: operation[refresh].variants[0].nmae: is no key of this table (did you mean `name`?)",
            "ethgas/scheme.toml: operation[refresh].variants[0].name: is missing",
        ],
    );
    check(
        "ethgas",
        toml,
        r#"step = "verify""#,
        r#"step = "verfy""#,
        &["ethgas/scheme.toml: operation[verify].step: `verfy` is none of"],
    );
    check(
        "ethgas",
        toml,
        r#"role = "password""#,
        r#"role = "pasword""#,
        &["ethgas/scheme.toml: operation[login].request.fields[/password].role: `pasword` is none of"],
    );
    check(
        "ethgas",
        toml,
        "rotates = true",
        r#"rotates = "yes""#,
        &["ethgas/scheme.toml: refresh.rotates: \"yes\" is not of type \"boolean\""],
    );
    check(
        "ethgas",
        toml,
        r#"failure_status = ["4xx"]"#,
        r#"failure_status = ["9xx"]"#,
        &["ethgas/scheme.toml: envelope.failure_status[0]: \"9xx\" does not match"],
    );
    check(
        "web3mq",
        toml,
        r#"at = "header:didkey""#,
        r#"at = "header:DidKey""#,
        &[
            "web3mq/scheme.toml: operation[user_login].request.fields[header:DidKey].at: \"header:DidKey\" does not match",
        ],
    );
    check("ethgas", toml, r#"id = "ethgas""#, "id = ", &["ethgas/scheme.toml: file: is no TOML"]);
}

#[test]
fn names_that_lead_nowhere_are_named() {
    let toml = "scheme.toml";
    check(
        "ethgas",
        toml,
        r#"id = "ethgas""#,
        r#"id = "ethgass""#,
        &["ethgas/scheme.toml: id: `ethgass` differs from its folder `ethgas`"],
    );
    check(
        "ethgas",
        toml,
        r#"schema = "verify.json""#,
        r#"schema = "verfy.json""#,
        &[
            "ethgas/scheme.toml: operation[verify].success: `verfy.json` is not in schemas/ (did you mean `verify.json`?)",
            "ethgas/scheme.toml: schemas: verify.json is used by no operation",
        ],
    );
    check(
        "ethgas",
        toml,
        r#"at = "/data/expiresAt""#,
        r#"at = "/data/expireAt""#,
        &[
            "ethgas/scheme.toml: operation[verify].success: /data/expireAt is no member in schemas/verify.json (did you mean `/data/expiresAt`?)",
        ],
    );
    check(
        "web3mq",
        toml,
        "{did_type}:{did_value}",
        "{did_typ}:{did_value}",
        &[
            "web3mq/scheme.toml: operation[user_login]: header:didkey speaks of {did_typ}, which is no request field (did you mean `did_type`?)",
        ],
    );
    check(
        "web3mq",
        toml,
        "Nonce: {nonce}",
        "Nonce: {nonse}",
        &["web3mq/scheme.toml: proof.text: `document` has no meaning for {nonse} (did you mean `nonce`?)"],
    );
    check(
        "web3mq",
        toml,
        r#"binds = ["/userid""#,
        r#"binds = ["/user""#,
        &["web3mq/scheme.toml: proof.binds: /user is no request field of the login"],
    );
    check(
        "web3mq",
        toml,
        r#"over = ["query:userid""#,
        r#"over = ["query:user""#,
        &["web3mq/scheme.toml: operation[my_profile]: signs query:user, which is no request field"],
    );
}

#[test]
fn parts_that_need_each_other_are_missed() {
    let toml = "scheme.toml";
    let sixth = |key: &str, problem: &str| format!("ethgas/scheme.toml: {key}: {problem}");
    check(
        "ethgas",
        toml,
        r#"path = "/api/v1/user/login/verify""#,
        r#"path = "/api/v1/user/login""#,
        &[&sixth("operation[verify]", "POST /api/v1/user/login is taken by another operation")],
    );
    check(
        "ethgas",
        toml,
        "encodings = [\"json\"]\n",
        "",
        &[&sixth("operation[login]", "has request.schema but no request.encodings")],
    );
    check(
        "ethgas",
        toml,
        r#"{ at = "/data/accessToken", role = "access_token" },"#,
        "",
        &[&sixth("operation[login]", "a login with tokens needs a field with role \"access_token\"")],
    );
    check(
        "ethgas",
        toml,
        r#"{ at = "/data/valid", role = "valid" },"#,
        "",
        &[&sixth("operation[verify]", "a verify step needs a field with role \"valid\"")],
    );
    check(
        "ethgas",
        toml,
        r#"fields = [{ at = "/refreshToken", role = "refresh_token" }]"#,
        "",
        &[&sixth("refresh.takes", "\"refresh\" needs a refresh operation with a field of role")],
    );
    check(
        "ethgas",
        toml,
        "[account]\nidentifier = \"username\"\npassword = \"password\"",
        "",
        &[&sixth("account", "is missing: a secret proof needs the names")],
    );
    check(
        "ethgas",
        toml,
        "[refresh]\ntakes = \"refresh\"\nrotates = true",
        "",
        &[&sixth("refresh", "an operation with step = \"refresh\" and [refresh] go together")],
    );
    check(
        "ethgas",
        toml,
        r#"kind = "secret""#,
        r#"kind = "eip191""#,
        &[
            &sixth("proof.kind", "needs a request field with role \"address\" at the login"),
            &sixth("proof.kind", "needs a request field with role \"signature\" at the login"),
            &sixth("proof.text", "is missing: an eip191 proof needs the template"),
        ],
    );
    check(
        "nftrainbow",
        toml,
        "window_from = \"issue\"\n",
        "",
        &["nftrainbow/scheme.toml: refresh.window: goes together with refresh.window_from"],
    );
    check(
        "nftrainbow",
        toml,
        r#"step = "login""#,
        r#"step = "protected""#,
        &["nftrainbow/scheme.toml: operation: none has step = \"login\""],
    );
    check(
        "swapchat",
        toml,
        r#"{ at = "/data", role = "challenge" },"#,
        "",
        &["swapchat/scheme.toml: operation[login_random_secret]: a challenge step needs a field"],
    );
    check(
        "web3mq",
        toml,
        r#"role = "constant", value = "eth""#,
        r#"role = "constant""#,
        &["web3mq/scheme.toml: operation[get_user_info]: /did_type is constant but has no value"],
    );
    check(
        "web3mq",
        toml,
        r#"signed = { over = ["query:userid", "query:timestamp"] }"#,
        "",
        &["web3mq/scheme.toml: operation[my_profile]: auth = \"signed\" and operation.signed go together"],
    );
    check(
        "web3mq",
        toml,
        r#"{ at = "query:web3mq_signature", role = "signature" },"#,
        "",
        &[
            "web3mq/scheme.toml: operation[my_profile]: auth = \"signed\" needs a request field with role",
            "web3mq/clauses.toml: web3mq.profile.signature: is about `my_profile.request:query:web3mq_signature`: the \
             operation has no such query parameter",
            "web3mq/clauses.toml: web3mq.profile.hex-signature: is about",
        ],
    );
}

#[test]
fn an_operation_that_stands_twice_is_named() {
    let again = r#"
[[operation]]
name = "login"
step = "lookup"
method = "GET"
path = "/v1/api/auth/login"
auth = "none"
success = { status = ["200"], schema = "login.json" }

[tokens]
"#;
    let expected = ["cbs/scheme.toml: operation[login]: stands twice"];
    check("cbs", "scheme.toml", "[tokens]\n", again, &expected);
}

#[test]
fn mistakes_in_clauses_are_named_by_the_clause() {
    let (toml, about) = ("clauses.toml", r#"about = ["login.request:/username"]"#);
    let wrong = |problem: &str| format!("ethgas/clauses.toml: {problem}");
    let first = r#"id = "ethgas.login.endpoint""#;
    for (from, to, problem) in [
        (first, r#"id = "cbs.login.endpoint""#, "cbs.login.endpoint: must start with `ethgas.`"),
        (first, r#"id = "ethgas.login.End_point""#, "ethgas.login.End_point: is spelt wrongly"),
        (first, r#"id = "ethgas.login.username""#, "ethgas.login.username: stands twice"),
        (
            r#"level = "must""#,
            r#"level = "shall""#,
            "clause[ethgas.login.endpoint].level: `shall` is none of",
        ),
        (r#"basis = "document""#, r#"bases = "document""#, "clause[ethgas.login.endpoint].bas"),
        (
            r#"refines = ["common.flow.login-works"]"#,
            r#"refines = ["common.flow.login-work"]"#,
            "ethgas.login.endpoint: refines `common.flow.login-work`, which is no shared clause (did you mean \
             `common.flow.login-works`?)",
        ),
        (
            about,
            r#"about = ["logn.request:/username"]"#,
            "ethgas.login.username: is about `logn.request:/username`: no operation has that name (did you mean `login`?)",
        ),
        (
            about,
            r#"about = ["login.request:/usernam"]"#,
            "ethgas.login.username: is about `login.request:/usernam`: the schema has no such member (did you mean \
             `/username`?)",
        ),
        (
            about,
            r#"about = ["login.answer:/username"]"#,
            "clause[ethgas.login.username].about[0]: \"login.answer:/username\" does not match",
        ),
        (
            about,
            r#"about = ["login.request:status"]"#,
            "ethgas.login.username: is about `login.request:status`: a request has no status",
        ),
        (
            r#"says = "username is a required string.""#,
            r#"says = "username is a required string""#,
            "clause[ethgas.login.username].says: \"username is a required string\" does not match",
        ),
    ] {
        let copy = Copy::of("ethgas");
        let mistakes = copy.replace(toml, from, to).mistakes();
        assert!(
            mistakes.iter().all(|mistake| mistake.starts_with(&wrong(problem))) && !mistakes.is_empty(),
            "`{to}`: expected {problem}\ntold:\n{}",
            mistakes.join("\n")
        );
    }
}

#[test]
fn broken_schemas_and_examples_are_named() {
    check(
        "ethgas",
        "schemas/info.json",
        r#""type": "object","#,
        r#""type": "objekt","#,
        &["ethgas/schemas/info.json: schema: "],
    );
    check("ethgas", "schemas/info.json", "{", "", &["ethgas/schemas/info.json: file: is no JSON"]);
    let example = "examples/login.json";
    check("ethgas", example, "{", "", &["ethgas/examples/login.json: file: is no JSON"]);
    check(
        "ethgas",
        example,
        r#""summary""#,
        r#""sumary""#,
        &["ethgas/examples/login.json: example: unknown field `sumary`"],
    );
    check(
        "ethgas",
        example,
        r#""operation": "login""#,
        r#""operation": "logn""#,
        &["ethgas/examples/login.json: operation: `logn` is no operation (did you mean `login`?)"],
    );
    check(
        "ethgas",
        example,
        r#""status": 200"#,
        r#""status": 201"#,
        &["ethgas/examples/login.json: response.status: 201 is no status of this outcome"],
    );
    check(
        "ethgas",
        example,
        r#""expiresIn": 3600"#,
        r#""expiresIn": "3600""#,
        &["ethgas/examples/login.json: response.body/data/expiresIn: the value is not of type"],
    );
    check(
        "ethgas",
        example,
        r#""username": "ada""#,
        r#""user": "ada""#,
        &[
            "ethgas/examples/login.json: request.body: \"username\" is a required property (login-request.json)",
        ],
    );
}

#[test]
fn files_that_are_missing_stray_or_no_text_are_named() {
    let copy = Copy::of("cbs");
    fs::remove_file(copy.scheme.join("clauses.toml")).unwrap();
    copy.write("schema/login.json", b"{}").write("clause.toml", b"").write("notes.txt", b"read by nobody");
    copy.write("examples/bytes.json", &[0xff, 0xfe]);
    assert_eq!(
        copy.mistakes(),
        [
            "cbs/clauses.toml: file: is missing",
            "cbs/examples/bytes.json: file: is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0",
            "cbs/clause.toml: file: is read by nothing: a scheme is scheme.toml, clauses.toml, schemas/*.json and \
             examples/*.json",
            "cbs/schema/login.json: file: is read by nothing: a scheme is scheme.toml, clauses.toml, schemas/*.json and \
             examples/*.json",
        ]
    );
}

#[test]
fn two_folders_of_one_name_are_refused() {
    let copy = Copy::of("cbs");
    self::copy(&copy.scheme, &copy.home.path().join("older").join("cbs"));
    let mistakes = copy.mistakes();
    assert_eq!(mistakes, ["older/cbs: folder: has the name of `cbs`: every scheme has a name of its own"]);
}

#[test]
fn all_mistakes_in_all_files_are_told_at_once() {
    let copy = Copy::of("ethgas");
    self::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schemes/cbs"), &copy.home.path().join("cbs"));
    copy.replace("scheme.toml", "bearer_any_case", "bearer_any_kase")
        .replace("scheme.toml", r#"step = "logout""#, r#"step = "leave""#)
        .replace("clauses.toml", r#"level = "must""#, r#"level = "always""#)
        .replace("schemas/tokens.json", r#""minimum": 1"#, r#""minimum": "one""#)
        .replace("../cbs/scheme.toml", "must_change_password", "Must Change");
    let mistakes = copy.mistakes();
    for start in [
        "ethgas/scheme.toml: tokens.bearer_any_kase: is no key",
        "ethgas/scheme.toml: operation[logout].step: `leave` is none of",
        "ethgas/clauses.toml: clause[ethgas.login.endpoint].level: `always` is none of",
        "ethgas/schemas/tokens.json: schema: ",
        "cbs/scheme.toml: account.flags[0]: \"Must Change\" does not match",
    ] {
        assert!(
            mistakes.iter().any(|mistake| mistake.starts_with(start)),
            "{start}\n{}",
            mistakes.join("\n")
        );
    }
    assert_eq!(mistakes.len(), 5, "{}", mistakes.join("\n"));
}
