//! `token.secret` replaced: at a restart, and under a running server.

use super::process::{Program, command};
use super::rotation::{becomes_so, login, refresh, signed_with, verify};
use serde_json::json;

struct World {
    folder: tempfile::TempDir,
}

const ONE: &str = "a secret of 36 letters for tests one";
const TWO: &str = "a secret of 36 letters for tests two";

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A development server, whose clock can be moved, with this in `[token]`.
    fn start(&self, token: &str) -> Program {
        self.write("c.toml", &format!("[token]\n{token}\n"));
        let (config, data) = (self.path("c.toml"), self.path("data"));
        Program::start(&["--dev", "--listen", "127.0.0.1:0", "--config", &config, "--data-dir", &data])
    }
}

#[test]
fn a_secret_is_replaced_at_a_restart_and_nobody_is_logged_out_until_the_old_one_is_left_out() {
    let world = World::new();
    let (access, token) = login(&world.start(&format!("secret = \"{ONE}\"")));
    let program = world.start(&format!("secret = \"{TWO}\"\naccepted_secrets = [\"{ONE}\"]"));
    assert_eq!(verify(&program, &access), 200);
    let renewed = refresh(&program, &token);
    assert_eq!(renewed.checked(), 200);
    let fresh = renewed.text("/data/accessToken");
    assert_ne!(signed_with(&fresh), signed_with(&access), "the old one signs nothing");
    drop(program);
    let program = world.start(&format!("secret = \"{TWO}\""));
    assert_eq!((verify(&program, &access), verify(&program, &fresh)), (401, 200));
}

#[test]
fn an_accepted_secret_ends_at_its_moment() {
    let world = World::new();
    let (access, _) = login(&world.start(&format!("secret = \"{ONE}\"")));
    // The token lasts an hour.
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
    let token = format!("secret = \"{TWO}\"\naccepted_secrets = [\"{ONE}\"]\naccepted_until = {until}");
    let program = world.start(&token);
    let advance = |seconds: u64| {
        assert_eq!(program.post("/__clock", &json!({ "advance_seconds": seconds })).checked(), 200);
    };
    advance(25 * 60);
    assert_eq!(verify(&program, &access), 200);
    advance(6 * 60);
    assert_eq!(verify(&program, &access), 401);
}

#[test]
fn files_are_followed_by_a_running_server_and_a_broken_one_changes_nothing() {
    let world = World::new();
    world.write("now", ONE);
    world.write("old", "");
    let (now, old) = (world.path("now"), world.path("old"));
    let program = world.start(&format!("secret = \"file:{now}\"\naccepted_secrets = [\"file:{old}\"]"));
    let (access, _) = login(&program);
    world.write("old", ONE);
    world.write("now", TWO);
    let signs_anew = || signed_with(&login(&program).0) != signed_with(&access);
    becomes_so("the new secret signs", signs_anew);
    assert_eq!(verify(&program, &access), 200, "its secret is still accepted");
    world.write("now", "short");
    world.write("old", "");
    // The next look fails as a whole; what a good one would have changed comes with the next good one.
    assert!(signs_anew() && verify(&program, &access) == 200);
    world.write("now", TWO);
    becomes_so("the old secret is refused", || verify(&program, &access) == 401);
    assert!(signs_anew());
}

#[test]
fn check_config_looks_at_accepted_secrets_and_shows_none() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.write("open", ONE);
    std::fs::set_permissions(world.path("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let check = |token: &str| {
        world.write("c.toml", &format!("[token]\n{token}\n"));
        let output = command(&["check-config", "--config", &world.path("c.toml")]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let (out, err) = check(&format!("secret = \"{ONE}\"\naccepted_secrets = [\"{TWO}\", \"env:TWO\"]"));
    assert!(out.contains("token.accepted_secrets = [\"(hidden)\",\"env:TWO\"]"), "{out}");
    assert!(err.contains("environment variable TWO is not set") && !out.contains(TWO), "{err}");
    let open = format!("secret = \"{TWO}\"\naccepted_secrets = [\"file:{}\"]", world.path("open"));
    assert!(check(&open).1.contains("token.accepted_secrets: everybody on this machine can read"));
    let (_, err) = check(&format!("accepted_secrets = [\"{TWO}\"]"));
    assert!(err.contains("go with token.secret"), "{err}");
}
