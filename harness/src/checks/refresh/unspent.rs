//! A refresh that is refused has not happened: its token is as good as before.

use crate::check::{Checks, Group};
use crate::checks::flow::refreshable;
use crate::context::{Context, Session};
use crate::draft::{Draft, Writing};
use crate::finding::Stop;
use crate::judge::Verdict;
use crate::jwt::{self, Jwt};
use countersign_spec::{Operation, Role};

/// What makes two tokens of one account differ surely.
const APART: std::time::Duration = std::time::Duration::from_millis(1_100);

/// Adds the check of tokens that were presented in requests which are refused for something else.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Refresh,
        "a refused refresh spends no token",
        &["common.refresh.refused-spends-nothing"],
        |cx| {
            let (session, token) = refreshable(cx)?;
            let (operation, good) = cx.refresh_draft(&session, &token)?;
            // With one token for all of them first: where it is good afterwards, none of them spent it.
            let mut answers = Vec::new();
            for (_, spoilt) in spoilt(operation, &good, &session) {
                answers.push(answer(cx, operation, &spoilt)?);
            }
            let all_refused = answers.iter().all(|answer| *answer == Some(Verdict::Refused));
            if all_refused && cx.refresh_with(&session, &token)?.accepted() {
                return Ok(());
            }
            each_with_its_own(cx, token, &answers)
        },
    );
}

/// Presents a token of its own in each of the requests that were not let in: which of them spends it, or that none does.
fn each_with_its_own(cx: &mut Context<'_>, used: String, answers: &[Option<Verdict>]) -> Result<(), Stop> {
    let mut known = vec![used];
    let mut always_the_same = false;
    for (nth, answered) in answers.iter().enumerate() {
        // What is let in shows nothing here.
        if *answered == Some(Verdict::Accepted) {
            continue;
        }
        let (mut session, mut token) = refreshable(cx)?;
        if known.contains(&token) && !always_the_same {
            // Tokens that count seconds and nothing else are the same within one.
            std::thread::sleep(APART);
            (session, token) = refreshable(cx)?;
            always_the_same = known.contains(&token);
        }
        known.push(token.clone());
        let (operation, good) = cx.refresh_draft(&session, &token)?;
        let Some((how, spoilt)) = spoilt(operation, &good, &session).into_iter().nth(nth) else { break };
        // What a target lets in counts, and what becomes of a token in an error nobody can say.
        if answer(cx, operation, &spoilt)? != Some(Verdict::Refused) {
            continue;
        }
        let again = cx.refresh_with(&session, &token)?;
        if !again.accepted() {
            let (other, _) = refreshable(cx)?;
            cx.refresh(&other)?;
        }
        let did = format!("was given nothing for a refresh {how}, and refreshed rightly with the same token");
        cx.must_accept(&again, &did)?;
    }
    Ok(())
}

/// How the request was answered; nothing where it was one too many, and not refused for what it is.
fn answer<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    spoilt: &Draft,
) -> Result<Option<Verdict>, Stop> {
    if let Some(beside) = beside_the_body(operation, spoilt) {
        cx.secrets.add(beside, "$BROKEN_TOKEN");
    }
    let answer = cx.send(operation, spoilt)?;
    Ok((answer.exchange.status() != Some(429)).then_some(answer.verdict))
}

/// What stands in `Authorization` where the token itself stands in the body.
fn beside_the_body<'d>(operation: &Operation, draft: &'d Draft) -> Option<&'d str> {
    let field = operation.request_field(Role::RefreshToken)?;
    draft.text(&field.at)?;
    let (_, value) = draft.headers.iter().find(|(name, _)| name == "authorization")?;
    value.strip_prefix("Bearer ")
}

/// Requests with a good token and something wrong beside it.
fn spoilt(operation: &Operation, good: &Draft, session: &Session<'_>) -> Vec<(String, Draft)> {
    let mut list = Vec::new();
    let mut add = |how: &str, change: &dyn Fn(&mut Draft)| {
        let mut draft = good.clone();
        change(&mut draft);
        list.push((how.to_owned(), draft));
    };
    let in_body =
        operation.request_field(Role::RefreshToken).and_then(|field| good.text(&field.at)).is_some();
    if in_body {
        add("beside what is no access token", &|draft| draft.authorize("not-a-token"));
        if let Some(jwt) = session.access.as_deref().and_then(Jwt::read) {
            let imitated = jwt::with_invented_signature(&jwt.text);
            add("beside an access token with an invented signature", &|draft| draft.authorize(&imitated));
        }
        add("as text/plain", &|draft| draft.set_header("content-type", "text/plain"));
        add("in a body without its last brace", &|draft| {
            let mut body = draft.body.clone().unwrap_or_default().to_string();
            body.pop();
            draft.writing = Writing::Bytes(body.into_bytes());
        });
    }
    // By HEAD a target may do what it does by GET.
    let methods: &[&str] = if operation.method == "GET" { &["PUT", "POST"] } else { &["PUT", "GET", "HEAD"] };
    for method in
        methods.iter().filter(|method| !operation.other_methods.iter().any(|other| other == *method))
    {
        add(&format!("by {method}"), &|draft| (*method).clone_into(&mut draft.method));
    }
    list
}
