//! Properties over generated requests: valid ones, ones invalid in one named way, and ones at the edges.
//!
//! A generated value goes into a request that is otherwise right, so that nothing else explains a refusal; it is held
//! against the schema again in the bytes that are sent, so that no generator can accuse wrongly.

use super::flow::served;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::{Draft, Writing, set_pointer};
use crate::finding::Stop;
use crate::generate::run::{Failure, Limits, Outcome, run_cases_with};
use crate::generate::{Generator, Mutation};
use countersign_spec::{Field, Level, Operation, Place, ProofKind, Role, Step};
use proptest::strategy::Strategy;
use serde_json::{Value, json};
use std::time::Duration;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    for operation in &checks.scheme.operations {
        let Some(file) = operation.request.schema.clone() else { continue };
        let name = operation.name.clone();
        let anchor = format!("{name}.request");
        let sentence = format!("{name} with one generated mistake is refused");
        let schema = file.clone();
        if operation.request.fields.iter().any(|field| proves(operation, field)) {
            checks
                .add(Group::Form, &sentence, &["common.form.mistyped-member", &anchor], move |cx| {
                    mistakes(cx, &name, &schema)
                })
                .at_most(Level::Should)
                .family("members", 3);
        }
        if operation.step == Step::Login {
            let name = operation.name.clone();
            let sentence = format!("{name} with generated strangers is refused");
            checks
                .add(Group::Form, &sentence, &["common.credential.hostile-text"], move |cx| {
                    strangers(cx, &name, &file)
                })
                .at_most(Level::Should)
                .family("members", 3);
        }
    }
}

/// Shrinking stops by count, so that a run is the same on every machine.
const LIMITS: Limits = Limits { shrink_runs: 24, shrink_time: Duration::from_secs(20), rechecks: 1 };

/// One member invalid in one named way, everything else right.
fn mistakes(cx: &mut Context<'_>, name: &str, file: &str) -> Result<(), Stop> {
    let operation = served(cx, name)?;
    let generator = generator(cx, file)?;
    let mutations: Vec<Mutation> =
        generator.mutations().into_iter().filter(|mutation| breaks_proof(operation, mutation)).collect();
    if mutations.is_empty() {
        return Err(Stop::NotApplicable("no member of the request proves anything".to_owned()));
    }
    let each = (cx.target.cases / u32::try_from(mutations.len()).unwrap_or(1)).max(1);
    for mutation in &mutations {
        let at = mutation.at.clone();
        let id = format!("{}:{}:{at}", cx.check, mutation.name);
        let strategy = mutation.strategy.clone().prop_map({
            let at = at.clone();
            move |whole| whole.pointer(&at).cloned().unwrap_or(Value::Null)
        });
        let did = format!("asked {name} with {} at {at}", mutation.name);
        property(cx, &id, each, &strategy, |cx, value| {
            let (operation, mut draft) = request(cx, operation)?;
            let Some(body) = &mut draft.body else { return Ok(None) };
            set_pointer(body, &at, value.clone());
            // The rest of the body is right; what is sent must be wrong by the schema all the same.
            let sent = serde_json::from_slice(body.to_string().as_bytes()).unwrap_or_default();
            if generator.accepts(&sent) {
                return Ok(None);
            }
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, &format!("{did}: {}", crate::exchange::cut(&value.to_string(), 120)))?;
            Ok(Some(()))
        })?;
    }
    extremes(cx, operation)
}

/// Numbers at the ends of what machines count and members of other types, in logins that are right in everything else.
/// What matters is that the server answers; whether it likes them is its own affair.
fn extremes(cx: &mut Context<'_>, operation: &Operation) -> Result<(), Stop> {
    if operation.step != Step::Login {
        return Ok(());
    }
    let numbers = || {
        vec![
            json!(0),
            json!(-1),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e18),
            json!(1e300),
            json!(253_402_300_800_000_u64),
        ]
    };
    let types = || {
        vec![
            json!(0),
            json!(1.5),
            json!(true),
            json!([]),
            json!({}),
            json!([{ "a": null }]),
            Value::Null,
            json!("\u{0}\u{202e}"),
        ]
    };
    for field in &operation.request.fields {
        let values = match (field.role, &field.at) {
            (Role::Timestamp, _) => numbers(),
            (Role::Note | Role::Constant, Place::Body(_)) => types(),
            _ => continue,
        };
        for extreme in values {
            let actor = cx.actor()?;
            let mut attempt = cx.attempt(&actor)?;
            attempt.before.push((field.at.clone(), extreme));
            cx.send_attempt(&attempt)?;
        }
    }
    Ok(())
}

/// Valid bodies that nobody ever registered, and bodies at the edges of what is valid.
fn strangers(cx: &mut Context<'_>, name: &str, file: &str) -> Result<(), Stop> {
    let operation = served(cx, name)?;
    let generator = generator(cx, file)?;
    let cases = cx.target.cases;
    let id = format!("{}:valid", cx.check);
    property(cx, &id, cases, &generator.valid(), |cx, value| {
        let mut draft = cx.draft(operation);
        draft.body = Some(value);
        let answer = cx.send(operation, &draft)?;
        cx.must_refuse(&answer, &format!("asked {name} with a generated body"))?;
        Ok(Some(()))
    })?;
    let Some(edge) = generator.edge() else { return Ok(()) };
    let id = format!("{}:edge", cx.check);
    property(cx, &id, cases, &edge.prop_map(|case| (case.value, case.label)), |cx, (value, label)| {
        let mut draft = cx.draft(operation);
        draft.writing = Writing::Bytes(value.to_string().into_bytes());
        let answer = cx.send(operation, &draft)?;
        cx.must_refuse(&answer, &format!("asked {name} with a generated body ({label})"))?;
        Ok(Some(()))
    })
}

/// Runs a property; the stop of its smallest failing case is the check's own.
fn property<'t, S>(
    cx: &mut Context<'t>,
    id: &str,
    cases: u32,
    strategy: &S,
    mut test: impl FnMut(&mut Context<'t>, S::Value) -> Result<Option<()>, Stop>,
) -> Result<(), Stop>
where
    S: Strategy,
    S::Value: Clone,
{
    let seed = cx.target.seed;
    let mut last = None;
    let outcome = run_cases_with(LIMITS, seed, id, cases, strategy, |value| {
        // Once there can be no verdict, further requests would only wait.
        if matches!(last, Some(Stop::Inconclusive(_) | Stop::NotApplicable(_))) {
            return Ok(());
        }
        match test(cx, value) {
            Ok(_) => Ok(()),
            Err(stop) => {
                let found = matches!(stop, Stop::Found(_));
                last = Some(stop);
                if found { Err(Failure::new("accepted")) } else { Ok(()) }
            }
        }
    });
    match (outcome, last) {
        (Outcome::Failed { .. }, Some(stop)) => Err(stop),
        (Outcome::Flaky { .. }, _) => Err(Stop::Inconclusive(
            "a generated request was let in once and refused when it was sent again".to_owned(),
        )),
        (_, Some(stop @ (Stop::Inconclusive(_) | Stop::NotApplicable(_) | Stop::Blocked(_)))) => Err(stop),
        _ => Ok(()),
    }
}

fn generator(cx: &Context<'_>, file: &str) -> Result<Generator, Stop> {
    let schema =
        cx.scheme.schema(file).ok_or_else(|| Stop::Inconclusive(format!("there is no schema {file}")))?;
    Generator::new(&schema.value)
        .map_err(|why| Stop::NotApplicable(format!("nothing can be generated for {file}: {why}")))
}

/// Whether the mutated member is one whose right value alone lets a request in.
fn breaks_proof(operation: &Operation, mutation: &Mutation) -> bool {
    if mutation.at.is_empty() || mutation.name.starts_with("drop-") {
        return false;
    }
    let field = operation.request.fields.iter().find(|field| field.at == Place::Body(mutation.at.clone()));
    field.is_some_and(|field| proves(operation, field))
}

/// Whether the right value of this member alone lets a request in.
fn proves(operation: &Operation, field: &Field) -> bool {
    let proof = matches!(
        field.role,
        Role::Identifier
            | Role::Password
            | Role::Signature
            | Role::SignedText
            | Role::RefreshToken
            | Role::PublicKey
    );
    proof && matches!(field.at, Place::Body(_)) && operation.step != Step::Challenge
}

/// A request that is right but for its account's name, where wrong secrets could lock the account.
fn request<'t>(cx: &mut Context<'t>, operation: &'t Operation) -> Result<(&'t Operation, Draft), Stop> {
    match operation.step {
        Step::Login => {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            let (operation, mut draft) = cx.write_attempt(&attempt)?;
            if cx.scheme.proof.kind == ProofKind::Secret
                && let Some(field) = operation.request_field(Role::Identifier)
            {
                let stranger = format!("nobody-{}", cx.random_hex(6));
                draft.set(&field.at, json!(stranger));
            }
            Ok((operation, draft))
        }
        Step::Refresh => {
            let (session, token) = super::flow::refreshable(cx)?;
            let (operation, draft) = cx.refresh_draft(&session, &token)?;
            if draft.body.is_none() {
                return Err(Stop::NotApplicable(
                    "the target takes the token in Authorization and no body".to_owned(),
                ));
            }
            Ok((operation, draft))
        }
        _ => {
            let actor = cx.actor()?;
            Ok((operation, cx.fill(operation, &actor, None)))
        }
    }
}
