//! Runs checks as libtest trials and collects how they ended.

use crate::check::{Check, Phase, WAVES};
use crate::context::Context;
use crate::deviation;
use crate::event::{Event, Observer};
use crate::finding::{Finding, Outcome, Stop};
use crate::gate::{self, Failure};
use crate::judge::{self, Verdict};
use crate::passing::Over;
use crate::redact::Secrets;
use crate::report::Record;
use crate::target::Target;
use countersign_spec::{Level, Scheme};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// What all trials of a run share.
#[derive(Debug)]
struct Shared {
    target: Arc<Target>,
    fail_on: Level,
    observers: Vec<Arc<dyn Observer>>,
    records: Mutex<Vec<Record>>,
    /// Checks of each wave that still run or wait; those of later waves wait for them.
    unfinished: Mutex<[usize; WAVES]>,
    finished: Condvar,
}

/// Runs the checks, tells the observers, and returns how each ended.
#[must_use]
pub fn run(
    arguments: &Arguments,
    target: Arc<Target>,
    checks: Vec<Check>,
    fail_on: Level,
    observers: Vec<Arc<dyn Observer>>,
) -> Vec<Record> {
    let shared = Arc::new(Shared {
        target,
        fail_on,
        observers,
        records: Mutex::default(),
        unfinished: Mutex::new([0; WAVES]),
        finished: Condvar::new(),
    });
    let trials: Vec<(Phase, Trial)> = checks
        .into_iter()
        .map(|check| {
            let (phase, check) = (check.phase, Arc::new(check));
            let (name, shared) = (check.name.clone(), Arc::clone(&shared));
            (phase, Trial::ignorable_test(name, move || shared.trial(&check)))
        })
        .filter(|(_, trial)| !arguments.is_filtered_out(trial))
        .collect();
    for (phase, _) in &trials {
        lock(&shared.unfinished)[phase.wave()] += 1;
    }
    shared.tell(Event::Started { checks: trials.len() });
    let _told_by_records =
        libtest_mimic::run(arguments, trials.into_iter().map(|(_, trial)| trial).collect());
    std::mem::take(&mut *lock(&shared.records))
}

impl Shared {
    fn trial(&self, check: &Arc<Check>) -> Result<Completion, Failed> {
        let wave = check.phase.wave();
        {
            let mut unfinished = lock(&self.unfinished);
            while unfinished[..wave].iter().any(|count| *count > 0) {
                unfinished = self.finished.wait(unfinished).unwrap_or_else(PoisonError::into_inner);
            }
        }
        // Counts as finished however it ends, or the last checks would wait for ever.
        let _done = Done { shared: self, wave };
        self.tell(Event::Begun(check));
        let start = Instant::now();
        let outcome = once(&self.target, check);
        let took = start.elapsed();
        let completion = self.completion(check, &outcome);
        let record = Record { check: Arc::clone(check), outcome, took };
        self.tell(Event::Ended(&record));
        lock(&self.records).push(record);
        completion
    }

    fn tell(&self, event: Event<'_>) {
        for observer in &self.observers {
            observer.notice(event);
        }
    }

    /// What libtest is told; the page after the run says the rest.
    fn completion(&self, check: &Check, outcome: &Outcome) -> Result<Completion, Failed> {
        if let Outcome::Violated(_, finding) = outcome
            && let Some(reason) = self.declared(check, finding)
        {
            return Ok(Completion::ignored_with(format!("declared: {reason}")));
        }
        match outcome {
            Outcome::Held => Ok(Completion::Completed),
            Outcome::Violated(level, _) if *level < self.fail_on => Ok(Completion::Completed),
            Outcome::Violated(..) => Err(Failed::without_message()),
            Outcome::Skipped(reason) => Ok(Completion::ignored_with(reason)),
            Outcome::Inconclusive(reason) => Ok(Completion::ignored_with(format!("inconclusive: {reason}"))),
            Outcome::Blocked(by) => Ok(Completion::ignored_with(format!("blocked by {by}"))),
        }
    }

    /// Why the profile tolerates a finding, if it does.
    fn declared(&self, check: &Check, finding: &Finding) -> Option<String> {
        let known =
            deviation::tolerates(&self.target.profile.deviations, &check.name, finding, deviation::today())?;
        let reasons: Vec<&str> = known.iter().map(|deviation| deviation.reason.as_str()).collect();
        Some(reasons.join("; "))
    }
}

/// Runs a check once, when nothing stands in its way, and says how it ended. What the profile tolerates of it does not end it.
#[must_use]
pub fn once(target: &Target, check: &Check) -> Outcome {
    let known = deviation::ways(&target.profile.deviations, &check.name, deviation::today());
    past(target, check, Over::These(known))
}

/// As [`once`], past these findings. Where it finds no other one, what it passed over is what it found.
#[must_use]
pub fn past(target: &Target, check: &Check, over: Over) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| judged(target, check, over))).unwrap_or_else(|_| {
        // Without a record it would count as nothing at all.
        Outcome::Inconclusive("the check broke down, a mistake of this program: please report it".to_owned())
    })
}

fn judged(target: &Target, check: &Check, over: Over) -> Outcome {
    let Some(scheme) = target.spec.scheme(&check.scheme) else {
        return Outcome::Skipped(format!("there is no scheme {}", check.scheme));
    };
    // Learning what the target serves needs its clock to stand still, too.
    let gate = {
        let _world = target.world.read().unwrap_or_else(PoisonError::into_inner);
        target.gate(scheme)
    };
    if check.needs_login {
        match gate.as_ref().and_then(|gate| gate.failure()) {
            None => {}
            Some(Failure::Finding(_)) => return Outcome::Blocked(gate::login_check(scheme)),
            Some(Failure::NoAccount(reason)) => return Outcome::Skipped(reason.clone()),
            Some(Failure::Inconclusive(reason)) => return Outcome::Inconclusive(reason.clone()),
        }
    }
    if let Some(reason) = check.needs.iter().find_map(|need| need.unmet(&target.profile, scheme)) {
        return Outcome::Skipped(reason);
    }
    let serial = gate.as_ref().is_some_and(|gate| gate.is_serial());
    let _alone = serial.then(|| target.scheme_lock(&check.scheme));
    let mut cx = Context::new(target, scheme, &check.name, gate).past(over);
    let result = if check.phase == Phase::Alone {
        let _world = target.world.write().unwrap_or_else(PoisonError::into_inner);
        let result = sure(check, &mut cx);
        match target.reset() {
            Ok(()) => result,
            Err(problem) => Err(Stop::Inconclusive(format!("the clock could not be set back: {problem}"))),
        }
    } else {
        let _world = target.world.read().unwrap_or_else(PoisonError::into_inner);
        sure(check, &mut cx)
    };
    let passed = cx.passed();
    let ways = || {
        let ways = passed.iter().flat_map(|finding| crate::fingerprint::ways(&finding.fingerprint));
        ways.map(str::to_owned)
    };
    match result {
        Err(Stop::Found(ending)) => {
            let mut finding = ending.into_finding();
            finding.fingerprint = fingerprint(&finding, target, scheme);
            finding.beside.extend(ways());
            Outcome::Violated(check.level, finding)
        }
        // Whatever came of it then: what was passed over did depart.
        _ if !passed.is_empty() => {
            let fingerprint = crate::fingerprint::all(&ways().collect());
            let first = passed.first().cloned().unwrap_or_default();
            Outcome::Violated(check.level, Box::new(Finding { fingerprint, ..first }))
        }
        Ok(()) => Outcome::Held,
        Err(Stop::NotApplicable(reason)) => Outcome::Skipped(reason),
        Err(Stop::Inconclusive(reason)) => Outcome::Inconclusive(reason),
        Err(Stop::Blocked(by)) => Outcome::Blocked(by),
    }
}

/// What tells a finding apart, as it may be shown.
#[must_use]
pub fn fingerprint(finding: &Finding, target: &Target, scheme: &Scheme) -> String {
    let own = &finding.fingerprint;
    // A rule for all exchanges knows better what broke it.
    let known = if own.is_empty() { crate::fingerprint::of(finding, scheme) } else { own.clone() };
    Secrets::of_profile(&target.profile).hide(&known)
}

/// Runs a check and takes its verdict back where the target had locked an account that it used.
fn sure(check: &Check, cx: &mut Context<'_>) -> Result<(), Stop> {
    let result = (check.run)(cx);
    // A lock refuses. What was let in was let in.
    let may_be_a_lock = match &result {
        Ok(()) => true,
        Err(Stop::Found(ending)) => ending.finding().exchanges.last().is_none_or(|exchange| {
            let scheme = cx.scheme.operation(&exchange.operation);
            scheme.is_none_or(|operation| judge::judge(cx.scheme, operation, exchange) != Verdict::Accepted)
        }),
        Err(_) => false,
    };
    if may_be_a_lock && !check.about_lockout {
        cx.accounts_still_work(result.is_err())?;
    }
    result
}

struct Done<'s> {
    shared: &'s Shared,
    wave: usize,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        lock(&self.shared.unfinished)[self.wave] -= 1;
        self.shared.finished.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
