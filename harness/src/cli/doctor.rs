//! `countersign doctor`: what a profile lacks, and how many checks each lack costs.

use super::conformance::known_check;
use super::{CONFORMS, Failure, UNREACHABLE, USAGE};
use crate::actor::Actor;
use crate::check::Check;
use crate::client::Base;
use crate::context::Context;
use crate::finding::Stop;
use crate::gate::{self, Gate};
use crate::need::Need;
use crate::profile::{Profile, Unresolved, Version};
use crate::target::Target;
use clap::Parser;
use countersign_spec::{ProofKind, Scheme, Spec};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Says what a profile lacks and how many checks that costs; asks the target a few questions.
#[derive(Debug, Parser)]
#[command(max_term_width = 80, after_help = EXIT_CODES)]
pub(super) struct Options {
    /// Profile to look at
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// Target, in place of the profile's `url`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Credentials in the form of Web Fuzzing Commons (YAML or JSON)
    #[arg(long, value_name = "FILE")]
    auth: Option<PathBuf>,
    /// Read schemes from this folder in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    spec_dir: Option<PathBuf>,
    /// Do not log in: send nothing but a greeting
    #[arg(long)]
    no_login: bool,
}

const EXIT_CODES: &str = "Exit codes:
  0  the profile can be used; what it lacks only leaves checks out
  2  it cannot: a key is wrong, a secret is not there, or a login is refused
  3  the target cannot be reached";

/// Accounts of one scheme that are tried, at most.
const ACCOUNTS: usize = 8;
/// Requests a second, unless the profile asks for fewer: a look is no run.
const RATE: u32 = 20;

/// What an entry of the page is worth; the page is in this order, so that what matters most is read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Ok,
    Missing,
    Wrong,
}

/// What is said of one thing, and how to mend it.
#[derive(Debug)]
struct Entry {
    mark: Mark,
    about: String,
    text: String,
    advice: Option<String>,
}

#[derive(Debug, Default)]
struct Page(Vec<Entry>);

impl Page {
    fn say(&mut self, mark: Mark, about: &str, text: impl Into<String>) {
        self.0.push(Entry { mark, about: about.to_owned(), text: text.into(), advice: None });
    }

    /// Adds to the last entry how to mend it.
    fn advise(&mut self, advice: impl Into<String>) {
        if let Some(entry) = self.0.last_mut() {
            entry.advice = Some(advice.into());
        }
    }

    fn has_wrong(&self) -> bool {
        self.0.iter().any(|entry| entry.mark == Mark::Wrong)
    }

    fn print(mut self) {
        let mut out = anstream::stdout();
        self.0.sort_by_key(|entry| entry.mark);
        for entry in &self.0 {
            let mark = match entry.mark {
                Mark::Ok => "ok",
                Mark::Missing => "missing",
                Mark::Wrong => "wrong",
            };
            let texts = std::iter::once(&entry.text).chain(&entry.advice);
            for (index, line) in texts.flat_map(|text| wrapped(text, 57)).enumerate() {
                let (mark, about) = if index == 0 { (mark, entry.about.as_str()) } else { ("", "") };
                drop(writeln!(out, "{}", format!("  {mark:8} {about:11} {line}").trim_end()));
            }
        }
    }
}

/// The verb.
pub(super) fn run(options: &Options) -> Result<u8, Failure> {
    let spec = super::spec_of(options.spec_dir.as_deref())?;
    let spec = spec.as_ref();
    let (mut profile, unresolved) = read(&options.profile, spec)?;
    if let Some(auth) = &options.auth {
        profile.add_credentials(auth, spec).map_err(|errors| Failure::usage(errors.to_string()))?;
    }
    if let Some(url) = &options.url {
        profile.url = Some(url.clone());
    }
    let Some(url) = profile.url.clone() else {
        return Err(Failure::usage(format!(
            "{}: url: is missing: where the target is; or give --url",
            options.profile.display()
        )));
    };
    let known = crate::checks::all(spec);
    for deviation in &profile.deviations {
        known_check(&deviation.check, "deviation.check", &known)?;
    }
    let base = Base::parse(&url).map_err(|problem| Failure::usage(format!("url: {problem}")))?;
    let schemes: Vec<&Scheme> = spec
        .schemes()
        .iter()
        .filter(|scheme| profile.schemes.is_empty() || profile.schemes.contains_key(&scheme.id))
        .collect();
    let checks = crate::checks::all(spec);
    let mut page = Page::default();
    drop(writeln!(anstream::stdout(), "{}: {}\n", options.profile.display(), base.url("")));
    for secret in &unresolved {
        page.say(Mark::Wrong, "secret", secret.to_string());
    }
    for note in &profile.notes {
        page.say(Mark::Missing, "credentials", note.clone());
    }
    let mut filled = profile.clone();
    filled.fill_accounts(&super::conformance::fixture_accounts()?);
    let mut left_out = lacks(&mut page, &profile, &filled, &schemes, &checks);
    let reached = if unresolved.is_empty() {
        let ids = schemes.iter().map(|scheme| scheme.id.clone()).collect();
        let visit = Visit { options, spec, base: &base, schemes: &schemes, checks: &checks };
        let own = |scheme: &&&Scheme| !profile.scheme(&scheme.id).accounts.is_empty();
        let own: Vec<String> = schemes.iter().filter(own).map(|scheme| scheme.id.clone()).collect();
        visit.ask(&mut page, filled, ids, &own, &mut left_out)?
    } else {
        page.say(Mark::Missing, "target", "not asked: secrets come first");
        true
    };
    let wrong = page.has_wrong();
    page.print();
    let of_these = |check: &&Check| schemes.iter().any(|scheme| scheme.id == check.scheme);
    let all = checks.iter().filter(of_these).count();
    let can = all.saturating_sub(left_out.len());
    let text = if !unresolved.is_empty() {
        format!("No check can run until the secrets are there; then {can} of {all} can.")
    } else if !reached {
        format!("No check can run until the target is reached; then {can} of {all} can.")
    } else {
        format!("{can} of {all} checks can run as things stand.")
    };
    drop(writeln!(anstream::stdout(), "\n{text}"));
    Ok(match (reached, wrong) {
        (false, _) => UNREACHABLE,
        (true, true) => USAGE,
        (true, false) => CONFORMS,
    })
}

fn read(path: &Path, spec: &Spec) -> Result<(Profile, Vec<Unresolved>), Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|problem| Failure::usage(format!("profile {name}: {problem}")))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    Profile::parse_leniently(&text, &name, folder, spec).map_err(|errors| Failure::usage(errors.to_string()))
}

/// Checks that cannot run, by name.
type LeftOut<'c> = BTreeSet<&'c str>;

/// What the profile lacks by itself, without asking anybody.
///
/// `filled` is the profile with the accounts that stand in where it has none: by them a run judges what else is there.
fn lacks<'c>(
    page: &mut Page,
    profile: &Profile,
    filled: &Profile,
    schemes: &[&Scheme],
    checks: &'c [Check],
) -> LeftOut<'c> {
    let mut left_out = LeftOut::new();
    for scheme in schemes {
        let own: Vec<&Check> = checks.iter().filter(|check| check.scheme == scheme.id).collect();
        let nobody = profile.scheme(&scheme.id).accounts.is_empty();
        if scheme.proof.kind == ProofKind::Secret && nobody {
            let count = own.iter().filter(|check| check.needs_login).count();
            page.say(Mark::Missing, &scheme.id, format!("an account, for {}", many(count)));
            page.advise(format!(
                "add a [[scheme.{}.account]]; those of fixtures/accounts.toml stand in",
                scheme.id
            ));
        }
        for need in Need::ALL {
            let needing: Vec<&&Check> = own.iter().filter(|check| check.needs.contains(&need)).collect();
            if needing.is_empty() || need.unmet(filled, scheme).is_none() {
                continue;
            }
            page.say(Mark::Missing, &scheme.id, format!("{}, for {}", need.words(), more(needing.len())));
            page.advise(need.advice(scheme));
            left_out.extend(needing.into_iter().map(|check| check.name.as_str()));
        }
    }
    left_out
}

fn many(count: usize) -> String {
    if count == 1 { "1 check".to_owned() } else { format!("{count} checks") }
}

fn more(count: usize) -> String {
    if count == 1 { "1 more check".to_owned() } else { format!("{count} more checks") }
}

struct Visit<'a, 'c> {
    options: &'a Options,
    spec: &'a Spec,
    base: &'a Base,
    schemes: &'a [&'a Scheme],
    checks: &'c [Check],
}

impl<'c> Visit<'_, 'c> {
    /// Asks the target; whether it could be reached.
    fn ask(
        &self,
        page: &mut Page,
        mut profile: Profile,
        ids: Vec<String>,
        own: &[String],
        left_out: &mut LeftOut<'c>,
    ) -> Result<bool, Failure> {
        profile.url = Some(self.base.url(""));
        profile.http.rate = Some(profile.http.rate.map_or(RATE, |rate| rate.min(RATE)));
        let target = Target::new(self.spec.clone(), ids, profile, 1, 1).map_err(Failure::usage)?;
        if let Err(error) = target.client().greet(Duration::from_secs(3)) {
            page.say(Mark::Wrong, "target", format!("{error}; is it running at {}?", self.base.url("/")));
            return Ok(false);
        }
        let version = match target.profile.http.version {
            Version::Http1 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
        };
        let tls =
            if self.base.tls { " over TLS, with a certificate that is trusted" } else { " without TLS" };
        page.say(Mark::Ok, "target", format!("answers by {version}{tls}"));
        if self.options.no_login {
            return Ok(true);
        }
        self.clock(page, &target, left_out);
        for scheme in self.schemes {
            self.login(page, &target, scheme, own.contains(&scheme.id), left_out);
        }
        Ok(true)
    }

    /// Moves the clock by nothing.
    fn clock(&self, page: &mut Page, target: &Target, left_out: &mut LeftOut<'c>) {
        let Some(clock) = &target.profile.clock else { return };
        match target.advance(0) {
            Ok(()) => page.say(Mark::Ok, "clock", format!("POST {} is answered", clock.advance)),
            Err(problem) => {
                let needing: Vec<&Check> = self.of(|check| check.needs.contains(&Need::Clock));
                page.say(Mark::Wrong, "clock", format!("{problem}; it is for {}", many(needing.len())));
                page.advise("mend clock.advance, or leave [clock] out");
                left_out.extend(needing.into_iter().map(|check| check.name.as_str()));
            }
        }
    }

    fn of(&self, which: impl Fn(&Check) -> bool) -> Vec<&'c Check> {
        let judged = |check: &&Check| self.schemes.iter().any(|scheme| scheme.id == check.scheme);
        self.checks.iter().filter(judged).filter(|check| which(check)).collect()
    }

    /// Logs each account of the profile in once, tells of those that are refused, and says how many are not.
    fn accounts(&self, page: &mut Page, target: &Target, scheme: &Scheme, gate: &Arc<Gate>) -> String {
        let name = gate::login_check(scheme);
        let mut cx = Context::new(target, scheme, &name, Some(Arc::clone(gate)));
        let mut actors: Vec<Actor> = (0..ACCOUNTS).map_while(|nth| cx.nth_actor(nth).ok()).collect();
        actors.extend(cx.flagged_actor().ok());
        let mut good = 0;
        for actor in &actors {
            match cx.log_in(actor) {
                Ok(_) => good += 1,
                Err(stop) => {
                    let text =
                        format!("the account `{}` does not log in: {}", actor.identifier, reason(stop));
                    page.say(Mark::Wrong, &scheme.id, text);
                }
            }
        }
        if good == 1 { "1 account".to_owned() } else { format!("{good} accounts") }
    }

    /// Logs in as a run would, and finds out which operations are served.
    fn login(
        &self,
        page: &mut Page,
        target: &Target,
        scheme: &Scheme,
        own: bool,
        left_out: &mut LeftOut<'c>,
    ) {
        let Some(gate) = target.gate(scheme) else { return };
        let needing = self.of(|check| check.scheme == scheme.id && check.needs_login);
        let blocked = |page: &mut Page, left_out: &mut LeftOut<'c>, what: String, hint: Option<&str>| {
            page.say(Mark::Wrong, &scheme.id, format!("{what}, for {}", many(needing.len())));
            hint.into_iter().for_each(|hint| page.advise(hint));
            left_out.extend(needing.iter().map(|check| check.name.as_str()));
        };
        match gate.failure() {
            None => {
                let who = match (scheme.proof.kind, own) {
                    (ProofKind::Eip191, _) => "a wallet".to_owned(),
                    (ProofKind::Secret, true) => self.accounts(page, target, scheme, &gate),
                    (ProofKind::Secret, false) => "an account of fixtures/accounts.toml".to_owned(),
                };
                page.say(Mark::Ok, &scheme.id, format!("the documented login works with {who}"));
            }
            Some(gate::Failure::Finding(finding)) => {
                let got = finding.got.clone();
                let text = format!("the documented login does not work: {got}");
                blocked(page, left_out, text, finding.hint.as_deref());
            }
            Some(gate::Failure::NoAccount(reason) | gate::Failure::Inconclusive(reason)) => {
                blocked(page, left_out, reason.clone(), None);
            }
        }
        for operation in &scheme.operations {
            if let Some(reason) = gate.missing(&operation.name) {
                page.say(Mark::Missing, &scheme.id, reason);
                let key = format!("scheme.{}.paths.{}", scheme.id, operation.name);
                page.advise(format!("it may be absent; where it is elsewhere, say so by {key}"));
            }
        }
    }
}

/// Why a login did not succeed.
fn reason(stop: Stop) -> String {
    match stop {
        Stop::Found(ending) => ending.into_finding().got,
        Stop::NotApplicable(reason) | Stop::Inconclusive(reason) | Stop::Blocked(reason) => reason,
    }
}

/// The text in lines of at most so many characters, broken at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), [""]);
        assert_eq!(wrapped("averylongword and", 4), ["averylongword", "and"]);
    }
}
