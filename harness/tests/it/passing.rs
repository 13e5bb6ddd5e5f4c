//! A tolerated finding hides no other one of its check, and is not told twice in other words.

use crate::stub::{Asked, Reply, Stub, examples};
use clap::ValueEnum as _;
use countersign::check::{Check, Group, Phase};
use countersign::finding::{Finding, Outcome};
use countersign::passing::Over;
use countersign::profile::Profile;
use countersign::target::Target;
use countersign::{checks, fingerprint, jwt, run};
use countersign_spec::Spec;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A login is answered with 201.
    Created,
    /// Every other login is answered with 202.
    Accepted,
    /// A refreshed token has another name in its claims.
    RefreshedName,
    /// A refreshed token is another user's where it is used.
    RefreshedUser,
    /// A login states a lifetime that is not the documented one.
    StatedLifetime,
    /// Claims give a token twice its life.
    ClaimedLifetime,
    /// What names the caller is the name of whoever logged in last.
    LastName,
    /// What names the caller is the number of whoever logged in last.
    LastNumber,
    /// Logins at the same moment get each other's names.
    Mixed,
    /// Every other one of these is answered with 201.
    MixedCreated,
}

/// A server of ethgas that believes whatever it is told, with faults.
struct Careless {
    faults: Vec<Fault>,
    logins: AtomicUsize,
    at_once: AtomicUsize,
    last: Mutex<usize>,
}

const KEY: &[u8] = b"a key of this test, which is on no list";

impl Careless {
    fn start(faults: &[Fault]) -> Stub {
        let server = Self {
            faults: faults.to_vec(),
            logins: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            last: Mutex::default(),
        };
        Stub::start(move |asked| server.answer(asked).unwrap_or_else(|| examples(asked)))
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// None where another answer will do.
    fn answer(&self, asked: &Asked) -> Option<Reply> {
        let sent: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let bearer = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        match asked.path.split('?').next()? {
            "/api/v1/user/login" => self.log_in(&sent),
            "/api/v1/user/login/refresh" => {
                let number = owner(sent["refreshToken"].as_str()?)?;
                Some(ok(200, &self.tokens(number, number, true)))
            }
            "/api/v1/user/info" => self.info(bearer?),
            _ => None,
        }
    }

    fn log_in(&self, sent: &Value) -> Option<Reply> {
        let accounts = &countersign_fixtures::accounts().ethgas;
        let right = |account: &countersign_fixtures::EthgasAccount| {
            sent["username"] == account.username && sent["password"] == account.password
        };
        let number = accounts.iter().position(right)?;
        let beside = self.at_once.fetch_add(1, Ordering::SeqCst) > 0;
        if self.has(Fault::Mixed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let odd = self.logins.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        *self.last.lock().unwrap() = number;
        let other = (number + 1) % accounts.len();
        let (mut named, mut status) = (number, 200);
        if beside && self.has(Fault::Mixed) {
            named = other;
        }
        if beside && odd && self.has(Fault::MixedCreated) {
            status = 201;
        }
        if self.has(Fault::Created) {
            status = 201;
        }
        if odd && self.has(Fault::Accepted) {
            status = 202;
        }
        Some(ok(status, &self.tokens(number, named, false)))
    }

    fn info(&self, token: &str) -> Option<Reply> {
        let claims = jwt::Jwt::read(token)?.claims;
        let number = owner(token)?;
        let last = *self.last.lock().unwrap();
        let named = if self.has(Fault::LastName) { last } else { number };
        let mut user = if self.has(Fault::LastNumber) { last } else { number };
        if claims["refreshed"] == true && self.has(Fault::RefreshedUser) {
            user += 1;
        }
        Some(ok(200, &json!({ "userId": subject(user), "username": name(named) })))
    }

    fn tokens(&self, number: usize, named: usize, refreshed: bool) -> Value {
        let life = if self.has(Fault::ClaimedLifetime) { 7_200 } else { 3_600 };
        let named = if refreshed && self.has(Fault::RefreshedName) { named + 1 } else { named };
        let stated = if !refreshed && self.has(Fault::StatedLifetime) { 60 } else { 3_600 };
        json!({
            "accessToken": token(number, named, refreshed, life),
            "refreshToken": token(number, named, refreshed, 2_592_000),
            "expiresIn": stated,
        })
    }
}

fn ok(status: u16, data: &Value) -> Reply {
    Reply::json(status, &json!({ "code": 200, "message": "OK", "data": data }))
}

fn subject(number: usize) -> String {
    format!("user_{}", "abcdefgh".chars().nth(number).unwrap_or('z'))
}

fn name(number: usize) -> String {
    let accounts = &countersign_fixtures::accounts().ethgas;
    accounts[number % accounts.len()].username.clone()
}

fn token(number: usize, named: usize, refreshed: bool, life: u64) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "sub": subject(number), "username": name(named), "number": number, "refreshed": refreshed,
        "jti": NEXT.fetch_add(1, Ordering::SeqCst), "iat": now, "exp": now + life,
    });
    let header = Map::from_iter([("alg".to_owned(), json!("HS256"))]);
    jwt::sign_hs256(&header, claims.as_object().unwrap(), KEY)
}

/// Whose a token is that this server wrote.
fn owner(token: &str) -> Option<usize> {
    let jwt = jwt::Jwt::read(token)?;
    usize::try_from(jwt.claims.get("number")?.as_u64()?).ok()
}

/// A target nothing is known of yet.
fn target(stub: &Stub, scheme: &str) -> Target {
    let (spec, accounts) = (Spec::embedded(), countersign_fixtures::ACCOUNTS);
    let mut profile = Profile::parse(accounts, "accounts", Path::new("."), spec).unwrap();
    profile.url = Some(stub.url());
    Target::new(spec.clone(), vec![scheme.to_owned()], profile, 7, 4).unwrap()
}

fn ways(finding: &Finding) -> BTreeSet<String> {
    fingerprint::ways(&finding.fingerprint).map(str::to_owned).collect()
}

/// What a check finds past these findings.
fn found(stub: &Stub, check: &Check, over: &Over) -> Option<Box<Finding>> {
    // On a machine with much else to do an answer may come too late to be judged.
    for _ in 0..3 {
        match run::past(&target(stub, &check.scheme), check, over.clone()) {
            Outcome::Violated(_, finding) => return Some(finding),
            Outcome::Inconclusive(_) => {}
            _ => return None,
        }
    }
    None
}

#[test]
fn a_second_fault_is_found_past_the_first_in_every_kind_of_check() {
    let all = checks::all(Spec::embedded());
    for (name, first, second, says) in [
        ("form::a-success-of-login-has-the-documented-status", Fault::Created, Fault::Accepted, "HTTP 202"),
        (
            "refresh::a-refreshed-token-belongs-to-the-same-account",
            Fault::RefreshedName,
            Fault::RefreshedUser,
            "asked info who the caller is",
        ),
        (
            "token::the-stated-lifetime-is-the-documented-one",
            Fault::StatedLifetime,
            Fault::ClaimedLifetime,
            "its claims give it 7200 seconds",
        ),
        (
            "flow::info-tells-one-caller-after-the-other-of-the-caller",
            Fault::LastNumber,
            Fault::LastName,
            "username is",
        ),
        ("race::answers-belong-to-their-requests", Fault::Mixed, Fault::MixedCreated, "HTTP 201"),
    ] {
        let name = format!("ethgas::{name}");
        let check = all.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name}"));
        let none = found(&Careless::start(&[]), check, &Over::All).map(|finding| finding.fingerprint.clone());
        assert_eq!(none, None, "{name} finds fault where none is");
        let one = Careless::start(&[first]);
        let known =
            ways(&found(&one, check, &Over::All).unwrap_or_else(|| panic!("{name}: {first:?} is not found")));
        let again = found(&one, check, &Over::These(known.clone())).expect("what is tolerated is told");
        assert!(ways(&again).is_subset(&known), "{name} tells {first:?} twice: {}", again.fingerprint);
        let both = Careless::start(&[first, second]);
        let new = found(&both, check, &Over::These(known.clone())).expect("both are found");
        let told = format!("{} {} {}", new.fingerprint, new.did, new.got);
        assert!(
            !ways(&new).is_subset(&known) && told.contains(says),
            "{name}: {second:?} is hidden by {first:?}: {told}"
        );
        assert!(new.beside.is_subset(&known), "{name}: {:?}", new.beside);
    }
}

/// Ways of one check that are tried one by one: they are found in the order of the check, and some have dozens.
const MOST: usize = 5;

/// Holds each check of a scheme to it that finds fault with a server as careless as this.
fn check_each(scheme: &str, stub: &Stub, groups: &[Group], least: usize) {
    let spec = Spec::embedded();
    let (mut several, mut wrong) = (0, Vec::new());
    let own = |check: &Check| {
        groups.contains(&check.group) && check.phase != Phase::Last && !check.name.contains("same-time")
    };
    for check in checks::of_scheme(spec, spec.scheme(scheme).unwrap()).iter().filter(|check| own(check)) {
        let Some(all) = found(stub, check, &Over::All) else { continue };
        let all = ways(&all);
        several += usize::from(all.len() > 1);
        let known = found(stub, check, &Over::These(all.clone())).map(|finding| ways(&finding));
        if known.as_ref() != Some(&all) {
            wrong.push(format!("{}: {all:#?} became {known:#?}", check.name));
        }
        for way in all.iter().step_by(all.len().div_ceil(MOST)) {
            let others: BTreeSet<String> = all.iter().filter(|other| *other != way).cloned().collect();
            let left = found(stub, check, &Over::These(others)).map(|finding| finding.fingerprint.clone());
            if left.as_ref() != Some(way) {
                wrong.push(format!("{}: {way} is not found past the others, but {left:?}", check.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(several >= least, "only {several} checks of {scheme} find several faults");
}

#[test]
fn no_finding_of_cbs_hides_behind_the_others_of_its_check() {
    check_each("cbs", &Stub::start(examples), Group::value_variants(), 20);
}

#[test]
fn no_finding_of_ethgas_hides_behind_the_others_of_its_check() {
    check_each("ethgas", &Stub::start(examples), Group::value_variants(), 20);
}

#[test]
fn no_finding_of_nftrainbow_hides_behind_the_others_of_its_check() {
    check_each("nftrainbow", &Stub::start(examples), Group::value_variants(), 20);
}

#[test]
fn no_finding_of_swapchat_hides_behind_the_others_of_its_check() {
    check_each("swapchat", &Stub::start(examples), Group::value_variants(), 20);
}

#[test]
fn no_finding_of_web3mq_hides_behind_the_others_of_its_check() {
    check_each("web3mq", &Stub::start(examples), Group::value_variants(), 20);
}

#[test]
fn no_finding_about_sessions_hides_behind_the_others_of_its_check() {
    // Without those that depend on how many logins came before, or beside.
    let faults = [
        Fault::RefreshedName,
        Fault::RefreshedUser,
        Fault::StatedLifetime,
        Fault::ClaimedLifetime,
        Fault::LastName,
        Fault::LastNumber,
    ];
    check_each("ethgas", &Careless::start(&faults), &[Group::Flow, Group::Race, Group::Refresh], 6);
}
