//! `countersign conformance`: judges a target.

use super::again::{self, Again};
use super::outputs::{Outputs, beginning};
use super::stdout::Stdout;
use super::wire::{Tour, Wire};
use super::{CONFORMS, Failure, NOTHING, UNREACHABLE, clap_exit, embedded, explain, repeat};
use crate::check::{Check, Group};
use crate::client::{Base, Client};
use crate::event::Observer;
use crate::finding::Outcome;
use crate::profile::{Profile, nearest};
use crate::progress::Progress;
use crate::redact::Secrets;
use crate::replay::Case;
use crate::report::kinds::Wanted;
use crate::report::model::Verdict;
use crate::report::transport::Transport;
use crate::report::{Summary, gather, page};
use crate::target::Target;
use clap::{CommandFactory, FromArgMatches, Parser};
use countersign_spec::{Level, Spec};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A target that is started only when one is needed.
pub struct LocalTarget {
    /// Starts it.
    pub start: Box<dyn FnOnce() -> Result<Started, String> + Send>,
}

impl std::fmt::Debug for LocalTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalTarget").finish_non_exhaustive()
    }
}

/// A target that was started.
pub struct Started {
    /// Where it listens.
    pub url: String,
    /// Whether its clock can be moved by `/__clock` and `/__reset`.
    pub clock: bool,
    /// Stops it when dropped.
    pub guard: Box<dyn std::any::Any + Send>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("url", &self.url).field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Judges a target by the login documents and says, clause by clause, where it departs.
#[derive(Debug, Clone, Parser)]
#[command(
    max_term_width = 80,
    help_template = "{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}{after-help}",
    after_help = EXIT_CODES,
    mut_args(super::libtest::reworded)
)]
pub(super) struct Options {
    /// Target to judge, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub(super) url: Option<String>,
    /// Profile of the target (TOML): URL, clock, paths, accounts, deviations
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub(super) profile: Option<PathBuf>,
    /// Credentials in the form of Web Fuzzing Commons (YAML or JSON)
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub(super) auth: Option<PathBuf>,
    /// Read schemes from this folder in place of the built-in ones
    #[arg(long, value_name = "DIR", help_heading = "Target")]
    pub(super) spec_dir: Option<PathBuf>,
    /// Judge this scheme only; may be repeated
    #[arg(long, value_name = "ID", help_heading = "Selection")]
    pub(super) scheme: Vec<String>,
    /// Run the checks of this group only; may be repeated
    #[arg(long, value_enum, value_name = "GROUP", help_heading = "Selection")]
    group: Vec<Group>,
    /// Run this check only, by its whole name; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(super) check: Vec<String>,
    /// What fails the run [default: should]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Judgement")]
    pub(super) level: Option<LevelArgument>,
    /// Generated cases for each property
    #[arg(long, value_name = "N", default_value_t = CASES, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Judgement")]
    pub(super) cases: u32,
    /// Seed of all chance; the same seed sends the same requests, save those that measure time [default: random]
    #[arg(long, value_name = "N", help_heading = "Judgement")]
    pub(super) seed: Option<u64>,
    /// Write a report, such as junit=report.xml; may be repeated. Kinds: junit,
    /// json, ndjson (events as they happen), sarif, har (exchanges of findings),
    /// tap, md, html (one file for a browser), github (workflow commands). `-` as
    /// PATH is standard output, which then holds nothing else
    #[arg(long, value_name = "KIND=PATH", help_heading = "Output")]
    report: Vec<Wanted>,
    /// Say what the selected checks demand and on what grounds; send nothing
    #[arg(long, help_heading = "Selection")]
    explain: bool,
    #[command(flatten)]
    wire: super::wire::Options,
    #[command(flatten)]
    pub(super) again: Again,
    #[command(flatten)]
    pub(super) libtest: libtest_mimic::Arguments,
    /// Whether this is a test of another project, to be called as cargo and nextest call tests.
    #[arg(skip)]
    pub(super) is_embedded: bool,
}

/// Generated cases for each property, where nobody says how many.
pub(super) const CASES: u32 = 64;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum LevelArgument {
    Must,
    Should,
    May,
}

const EXIT_CODES: &str = "Exit codes:
  0  the target conforms
  1  it violates clauses at the chosen level, or a check was inconclusive
     and the profile says fail_on_inconclusive = true, or --compare found
     a change
  2  the command line or profile cannot be used, or the folder of --record
     or --compare
  3  the target cannot be reached
  4  nothing was judged, or a tour could not be completed
  5  a deviation that the profile declares did not occur";
/// The verb `conformance`: arguments after it, how the program is called, and a target to start where none is named.
#[must_use]
pub fn conformance(arguments: Vec<OsString>, program: &str, local: Option<LocalTarget>) -> ExitCode {
    let named = std::iter::once(OsString::from(program)).chain(arguments);
    let command = Options::command().name("conformance").bin_name(program.to_owned());
    let options = command.try_get_matches_from(named).and_then(|matches| Options::from_arg_matches(&matches));
    match options {
        Ok(options) => ExitCode::from(judge(&options, program, local).unwrap_or_else(Failure::say)),
        Err(error) => clap_exit(&error),
    }
}

pub(super) fn judge(options: &Options, program: &str, local: Option<LocalTarget>) -> Result<u8, Failure> {
    let taken_up = again::taken_up(options, local.is_some())?;
    let options = taken_up.as_ref().map_or(options, |(_, options)| options);
    let spec = super::spec_of(options.spec_dir.as_deref())?;
    let spec = spec.as_ref();
    let mut profile = match &options.profile {
        Some(path) => Profile::read(path, spec).map_err(|errors| Failure::usage(errors.to_string()))?,
        None => Profile::default(),
    };
    if let Some(auth) = &options.auth {
        profile.add_credentials(auth, spec).map_err(|errors| Failure::usage(errors.to_string()))?;
    }
    let schemes = chosen_schemes(options, &profile, spec)?;
    // A folder that cannot be used is told before anything is started or sent.
    let wire = options.wire.open(&schemes)?;
    let checks = chosen_checks(options, spec, &schemes)?;
    let unmet = embedded::unmet(options, spec, &profile, &checks)?;
    let is_selected = |check: &Check| is_selected(options, &check.name, unmet.contains(&check.name));
    if options.libtest.list {
        let chosen = checks.iter().filter(|check| is_selected(check));
        let chosen = chosen.map(|check| (check, unmet.contains(&check.name)));
        let json = options.libtest.format == Some(libtest_mimic::FormatSetting::Json);
        // Whoever reads may have seen enough and be gone.
        drop(crate::listing::write(&mut std::io::stdout().lock(), chosen, json));
        return Ok(CONFORMS);
    }
    let selected: Vec<Check> = checks.into_iter().filter(is_selected).collect();
    if options.explain {
        return Ok(explain::say(&selected, spec));
    }
    if options.wire.is_tour_only() && !options.report.is_empty() {
        return Err(Failure::usage(
            "--tour-only judges nothing, so that there is nothing to --report: give one of them",
        ));
    }
    let outputs = Outputs::prepare(&options.report)?;
    options.again.prepare()?;
    let fail_on = options.level.map(LevelArgument::level).or(profile.fail_on).unwrap_or(Level::Should);
    if let Some(url) = &options.url {
        profile.url = Some(url.clone());
    }
    for note in &profile.notes {
        drop(writeln!(anstream::stderr(), "note: {note}"));
    }
    if selected.is_empty() && !options.wire.is_tour_only() {
        let about = about(options, program, &profile, &schemes, fail_on);
        let text = nothing_selected(options);
        let is_fine = embedded::is_one_of_many(options);
        let code = if is_fine { CONFORMS } else { NOTHING };
        let secrets = Secrets::of_profile(&profile);
        unjudged(outputs, &about, (Verdict::NotJudged, &text), code, spec, &secrets)?;
        if is_fine {
            let _nothing_can_fail = libtest_mimic::run(&options.libtest, Vec::new());
            return Ok(CONFORMS);
        }
        return Err(Failure { code, text });
    }
    let mut started = None;
    if profile.url.is_none() {
        let Some(local) = local else {
            return Err(Failure::usage("no target: give --url URL, or --profile FILE with a `url`"));
        };
        let running = (local.start)().map_err(|problem| Failure { code: UNREACHABLE, text: problem })?;
        profile.url = Some(running.url.clone());
        if running.clock && profile.clock.is_none() {
            let (advance, reset) = ("/__clock".to_owned(), Some("/__reset".to_owned()));
            profile.clock = Some(crate::profile::Clock { advance, reset });
        }
        started = Some(running);
    }
    profile.fill_accounts(&fixture_accounts()?);
    let mut about = about(options, program, &profile, &schemes, fail_on);
    if started.is_some() {
        // It is gone when somebody reads this; the program starts another one.
        about.target_flags = repeat::flags(options, None);
    }
    let case = taken_up.as_ref().map(|(case, _)| case);
    let code = run(options, about, spec, profile, selected, (wire, outputs), case);
    drop(started);
    code
}

fn run(
    options: &Options,
    mut about: page::About,
    spec: &Spec,
    profile: Profile,
    checks: Vec<Check>,
    (wire, outputs): (Wire, Outputs),
    case: Option<&Case>,
) -> Result<u8, Failure> {
    let base = Base::parse(&about.url).map_err(Failure::usage)?;
    about.url = base.url("");
    about.transport = Transport::of(&base, &profile.http);
    let deviations = profile.deviations.clone();
    if !deviations.is_empty() {
        let known = crate::checks::all(spec);
        for deviation in &deviations {
            known_check(&deviation.check, "deviation.check", &known)?;
        }
    }
    let concurrency = profile.http.concurrency;
    let fail_on_inconclusive = profile.fail_on_inconclusive;
    let secrets = Secrets::of_profile(&profile);
    let target = Target::new(spec.clone(), about.schemes.clone(), profile, about.seed, options.cases)
        .map_err(Failure::usage)?;
    let target = Arc::new(target);
    let greet = |client: &Client| client.greet(Duration::from_secs(3));
    if let Err(error) = greet(target.client()) {
        let text = format!("{error}; is the target running at {}?", base.url("/"));
        unjudged(outputs, &about, (Verdict::Unreachable, &text), UNREACHABLE, spec, &secrets)?;
        return Err(Failure { code: UNREACHABLE, text });
    }
    // Before the checks, which may lock accounts or use limits up.
    let tour = wire.tour(&target);
    if options.wire.is_tour_only() {
        return Ok(tour?.tell(&mut anstream::stdout()));
    }
    let mut libtest = options.libtest.clone();
    // They have selected already; what is ignored is only known here.
    (libtest.ignored, libtest.include_ignored) = (false, false);
    libtest.test_threads = libtest.test_threads.or(Some(concurrency));
    let on_stdout = Stdout::of(&options.libtest, outputs.owns_stdout());
    on_stdout.lead(&mut libtest)?;
    about.width = on_stdout.width();
    let reports = outputs.begin(&beginning(&about, &secrets))?;
    let mut observers = reports.observers();
    let progress = Progress::on_terminal(&target).filter(|_| on_stdout.is_watched(&libtest));
    observers.extend(progress.clone().map(|progress| progress as Arc<dyn Observer>));
    let bypass = progress.as_ref().and_then(|progress| on_stdout.past(progress, &mut libtest));
    let start = Instant::now();
    let records = crate::run::run(&libtest, Arc::clone(&target), checks, about.fail_on, observers);
    about.seconds = start.elapsed().as_secs_f64();
    about.requests = target.requests();
    about.paced = target.paced();
    if let Some(bypass) = bypass {
        bypass.close();
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    let mut summary = Summary::new(records, &deviations);
    options.again.confirm(&target, &mut summary, about.fail_on);
    summary.trace(about.fail_on, spec, &about.url, &secrets);
    let answers = summary.failing(about.fail_on).next().is_some().then_some(Ok(()));
    let answers = answers.unwrap_or_else(|| greet(target.client()));
    let verdict = gather::verdict(&summary, about.fail_on, answers.is_ok(), fail_on_inconclusive);
    let mut says = gather::says(verdict, &summary, about.fail_on);
    says.push_str(tour.as_ref().ok().and_then(Tour::says).unwrap_or_default());
    let mut whole = gather::run(&summary, &about, (verdict, &says), spec, &secrets);
    let kept = options.again.keep(&whole, &mut summary, &secrets, &about.transport);
    let mut text = page::write(&summary, &about, (verdict, &says), spec);
    if let Some(case) = case {
        text.push_str(&again::says(case, &summary));
        text.push('\n');
    }
    on_stdout.show(&text);
    let on_the_wire = tour.map_or_else(Failure::say, |tour| on_stdout.tell(&tour));
    let is_blocked = summary.count(|outcome| matches!(outcome, Outcome::Blocked(_))) > 0;
    let is_unsure = fail_on_inconclusive && summary.unsure() > 0;
    let code = match verdict {
        // A runner of tests asks for one, and has no other way to be told that it was skipped.
        Verdict::NotJudged if embedded::is_one_of_many(options) && !is_blocked && !is_unsure => on_the_wire,
        // What the checks found is the graver; what the tour found is graver than that nothing else was.
        Verdict::Conforms | Verdict::Stale if on_the_wire != CONFORMS => on_the_wire,
        verdict => verdict.exit(),
    };
    whole.exit = code;
    let unwritten = reports.finish(&whole).and(kept).err();
    let why = match (verdict, answers) {
        (Verdict::Unreachable, Err(error)) => {
            Some(format!("{error}; the target stopped answering during the run"))
        }
        (Verdict::NotJudged, _) if code == NOTHING => {
            Some(format!("nothing was judged: {}; the reasons stand above", summary.without_verdict()))
        }
        _ => None,
    };
    if let Some(text) = why {
        Failure { code, text }.say();
    }
    match unwritten {
        // What was found is worth more than that it could not be written down.
        Some(failure) if code == CONFORMS => Err(failure),
        Some(failure) => {
            failure.say();
            Ok(code)
        }
        None => Ok(code),
    }
}

/// What is known of a run before it begins.
fn about(
    options: &Options,
    program: &str,
    profile: &Profile,
    schemes: &[String],
    fail_on: Level,
) -> page::About {
    let url = profile.url.clone().unwrap_or_default();
    page::About {
        program: program.to_owned(),
        target_flags: repeat::flags(options, Some(&url)),
        transport: Transport::default(),
        url,
        seed: options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
        fail_on,
        requests: 0,
        paced: 0,
        seconds: 0.0,
        started_at: SystemTime::now(),
        cases: options.cases,
        schemes: schemes.to_vec(),
        width: None,
    }
}

/// Writes the reports of a run that never began: an empty one that says why is better than that of the day before.
fn unjudged(
    outputs: Outputs,
    about: &page::About,
    verdict: (Verdict, &str),
    code: u8,
    spec: &Spec,
    secrets: &Secrets,
) -> Result<(), Failure> {
    let mut run = gather::run(&Summary::default(), about, verdict, spec, secrets);
    run.exit = code;
    outputs.begin(&beginning(about, secrets))?.finish(&run)
}

/// Schemes by the command line, or by the profile, or all.
fn chosen_schemes(options: &Options, profile: &Profile, spec: &Spec) -> Result<Vec<String>, Failure> {
    let known: Vec<&str> = spec.schemes().iter().map(|scheme| scheme.id.as_str()).collect();
    for id in &options.scheme {
        if !known.contains(&id.as_str()) {
            let hint =
                nearest(id, &known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(Failure::usage(format!("no scheme `{id}`; known: {}{hint}", known.join(", "))));
        }
    }
    if !options.scheme.is_empty() {
        return Ok(options.scheme.clone());
    }
    if !profile.schemes.is_empty() {
        return Ok(known
            .into_iter()
            .filter(|id| profile.schemes.contains_key(*id))
            .map(str::to_owned)
            .collect());
    }
    Ok(known.into_iter().map(str::to_owned).collect())
}

fn chosen_checks(options: &Options, spec: &Spec, schemes: &[String]) -> Result<Vec<Check>, Failure> {
    let checks = crate::checks::all(spec);
    for name in &options.check {
        known_check(name, "--check", &checks)?;
    }
    Ok(checks
        .into_iter()
        .filter(|check| schemes.contains(&check.scheme))
        .filter(|check| options.group.is_empty() || options.group.contains(&check.group))
        .filter(|check| options.check.is_empty() || options.check.contains(&check.name))
        .collect())
}

/// The filter of libtest, on names and on what is ignored.
fn is_selected(options: &Options, name: &str, is_ignored: bool) -> bool {
    let trial = libtest_mimic::Trial::test(name.to_owned(), || Ok(())).with_ignored_flag(is_ignored);
    !options.libtest.is_filtered_out(&trial)
}

fn nothing_selected(options: &Options) -> String {
    match &options.libtest.filter {
        Some(filter) => format!("no check matches `{filter}`; --list shows the names"),
        None => "no check is selected; --list shows the names".to_owned(),
    }
}

/// The accounts that stand in where a profile has none.
pub(super) fn fixture_accounts() -> Result<Profile, Failure> {
    let (name, folder) = ("fixtures/accounts.toml", std::path::Path::new("."));
    Profile::parse(countersign_fixtures::ACCOUNTS, name, folder, Spec::embedded())
        .map_err(|errors| Failure::usage(errors.to_string()))
}

/// Complains of a name that no check has.
pub(super) fn known_check(name: &str, at: &str, checks: &[Check]) -> Result<(), Failure> {
    let known: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    if known.contains(&name) {
        return Ok(());
    }
    let hint = nearest(name, &known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(Failure::usage(format!("{at}: there is no check `{name}`{hint}")))
}

impl LevelArgument {
    pub(super) fn level(self) -> Level {
        match self {
            Self::Must => Level::Must,
            Self::Should => Level::Should,
            Self::May => Level::May,
        }
    }
}
