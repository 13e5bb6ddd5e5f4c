//! Keys changed under a running server, by the program's own commands.

use super::process::{Program, command, refused};
use super::support::{Answer, account, part, send};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

struct World {
    folder: tempfile::TempDir,
    config: String,
}

impl World {
    fn new(algorithm: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { config: folder.path().join("c.toml").display().to_string(), folder };
        world.configure(algorithm);
        world
    }

    fn configure(&self, algorithm: &str) {
        let accounts = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/accounts.toml");
        let data = self.data().display().to_string();
        let text = format!(
            "listen = \"127.0.0.1:0\"\naccounts = {accounts:?}\n[store]\ndata_dir = {data:?}\n[token]\nalgorithm = \"{algorithm}\"\n"
        );
        std::fs::write(&self.config, text).unwrap();
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn start(&self) -> Program {
        Program::start(&["--config", &self.config])
    }

    /// The lines of a `keys` command that succeeds.
    fn keys(&self, arguments: &[&str]) -> Vec<String> {
        let output = command(&["keys", "--config", &self.config]).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(ToOwned::to_owned).collect()
    }
}

/// The name in the line that says this.
fn kid(lines: &[String], state: &str) -> String {
    let line = lines.iter().find(|line| line.contains(state)).unwrap_or_else(|| panic!("{state}: {lines:?}"));
    line.split(' ').next().unwrap().to_owned()
}

pub(super) fn login(program: &Program) -> (String, String) {
    let (username, password) = account("ethgas");
    let answer = program.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
    (answer.text("/data/accessToken"), answer.text("/data/refreshToken"))
}

pub(super) fn signed_with(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

pub(super) fn verify(program: &Program, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    send(program.address, "POST", "/api/v1/user/login/verify", &[("Authorization", &bearer)], b"").checked()
}

pub(super) fn refresh(program: &Program, token: &str) -> Answer {
    program.post("/api/v1/user/login/refresh", &json!({ "refreshToken": token }))
}

/// Asks again until it is so. Another process looks every second, and only it knows when it has.
pub(super) fn becomes_so(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..200 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it never came about that {what}");
}

#[test]
fn a_rotation_under_a_running_server_logs_nobody_out_and_a_revocation_does() {
    let world = World::new("EdDSA");
    let program = world.start();
    let lines = world.keys(&["list"]);
    let (first, next) = (kid(&lines, "current"), kid(&lines, "next"));
    let (access, refreshing) = login(&program);
    assert_eq!(signed_with(&access), first);

    let (code, text) = refused(&["keys", "rotate", "--config", &world.config]);
    assert_eq!(code, Some(2));
    assert!(text.contains("wait, or add --now") && text.trim().lines().count() == 1, "{text}");
    let lines = world.keys(&["rotate", "--now"]);
    assert_eq!((kid(&lines, "retiring"), kid(&lines, "current")), (first.clone(), next.clone()));
    becomes_so("a login is signed with the next key", || signed_with(&login(&program).0) == next);

    let set = send(program.address, "GET", "/.well-known/jwks.json", &[], b"").json();
    let published: Vec<&str> =
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(published.len(), 3);
    assert!(published.contains(&first.as_str()), "who checks tokens still needs it: {published:?}");
    assert_eq!(verify(&program, &access), 200);
    let answer = refresh(&program, &refreshing);
    assert_eq!(answer.checked(), 200);
    let (renewed, kept) = (answer.text("/data/accessToken"), answer.text("/data/refreshToken"));
    assert_eq!(signed_with(&renewed), next);

    drop(program);
    let program = world.start();
    assert_eq!(
        (verify(&program, &access), verify(&program, &renewed)),
        (200, 200),
        "a restart changes nothing"
    );

    let lines = world.keys(&["revoke", &first]);
    assert_eq!(kid(&lines, "revoked"), first);
    becomes_so("what the revoked key signed is refused", || verify(&program, &access) == 401);
    assert_eq!(verify(&program, &renewed), 200, "other keys are untouched");
    assert_eq!(refresh(&program, &kept).checked(), 200);
    let file = std::fs::read_to_string(world.data().join("keys.json")).unwrap();
    let ring: Value = serde_json::from_str(&file).unwrap();
    let key = ring["keys"].as_array().unwrap().iter().find(|key| key["kid"] == first.as_str()).unwrap();
    assert_eq!(key.get("secret"), None, "the secret of a revoked key is not kept");
}

#[test]
fn another_algorithm_is_published_first_and_signs_after_a_rotation() {
    let world = World::new("HS256");
    let program = world.start();
    let (access, refreshing) = login(&program);
    drop(program);
    world.configure("ES256");
    let program = world.start();
    assert_eq!(verify(&program, &access), 200);
    let set = send(program.address, "GET", "/.well-known/jwks.json", &[], b"").json();
    assert_eq!((set["keys"].as_array().unwrap().len(), &set["keys"][0]["alg"]), (1, &json!("ES256")));
    assert_eq!(part(&login(&program).0, 0)["alg"], "HS256");
    world.keys(&["rotate", "--now"]);
    becomes_so("a login is signed the other way", || part(&login(&program).0, 0)["alg"] == "ES256");
    assert_eq!(verify(&program, &access), 200);
    assert_eq!(refresh(&program, &refreshing).checked(), 200);
}

#[test]
fn commands_that_cannot_work_say_why() {
    let world = World::new("HS256");
    let none = ["keys", "list", "--config", &world.config];
    let (code, text) = refused(&none);
    assert_eq!(code, Some(2));
    assert!(text.contains("none were made yet"), "{text}");
    assert!(!world.data().join("keys.json").exists(), "looking makes nothing");
    drop(world.start());
    let (code, text) = refused(&["keys", "revoke", "nobody", "--config", &world.config]);
    assert_eq!(code, Some(2));
    assert!(text.contains("there is no key `nobody`; the keys are "), "{text}");
    let file = |name: &str, text: &str| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let both = "correct-horse-battery-staple-0123456789";
    let weak = file("a.toml", "[token]\nring_secret = \"short\"\n");
    let twice = file("b.toml", &format!("[token]\nsecret = \"{both}\"\nring_secret = \"{both}\"\n"));
    let given = file("c.toml", &format!("[token]\nsecret = \"{both}\"\n"));
    let serving = |config| ["--store", "memory", "--listen", "127.0.0.1:0", "--config", config];
    for (arguments, expected) in [
        (&serving(weak.as_str())[..], "token.ring_secret: the signing secret has fewer"),
        (&serving(twice.as_str())[..], "give only one"),
        (&["keys", "list", "--config", given.as_str()][..], "replace it there"),
        (&["keys", "list", "--store", "memory"][..], "end with it"),
    ] {
        let (code, text) = refused(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected) && text.trim().lines().count() == 1, "{arguments:?}: {text}");
    }
}

#[test]
fn sealed_keys_outlive_a_restart_and_open_only_with_their_secret() {
    let world = World::new("HS256");
    let seal = |secret: &str| {
        let text = std::fs::read_to_string(&world.config).unwrap();
        let (head, tail) = text.split_once("[token]\n").unwrap();
        let tail = tail.split_once("ring_secret").map_or(tail, |(_, tail)| tail.split_once('\n').unwrap().1);
        std::fs::write(&world.config, format!("{head}[token]\nring_secret = \"{secret}\"\n{tail}")).unwrap();
    };
    seal("correct-horse-battery-staple-0123456789");
    let program = world.start();
    let (access, _) = login(&program);
    let (code, text) = refused(&["keys", "list", "--config", &world.config]);
    assert_eq!(code, Some(2));
    assert!(text.contains("stop that, or leave out token.ring_secret"), "{text}");
    assert!(!Path::new(&world.data()).join("keys.json").exists());
    drop(program);
    let before = world.keys(&["list"]);
    let lines = world.keys(&["rotate", "--now"]);
    assert_eq!(
        (kid(&before, "current"), kid(&before, "next")),
        (kid(&lines, "retiring"), kid(&lines, "current"))
    );
    let program = world.start();
    assert_eq!(verify(&program, &access), 200);
    drop(program);
    seal("another-horse-battery-staple-0123456789");
    let (code, text) = refused(&["--config", &world.config]);
    assert_eq!(code, Some(2));
    assert!(text.contains("another token.ring_secret"), "{text}");
}
