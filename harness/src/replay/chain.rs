//! Which exchanges lead to a finding, and what each takes from the answers before it.
//!
//! Found by following values, not by knowing schemes: a text that an answer brought and a later request repeats is what ties
//! the two together, whatever it is called.

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::redact::Secrets;
use crate::report::curl;
use crate::wallet::{SignAs, Wallet, signature_hex};
use countersign_spec::{Operation, Place, ProofKind, Role, Scheme, Step};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Texts below this length come together by chance.
const SHORTEST: usize = 12;

/// Exchanges beyond this many are no script that anybody would read.
const LONGEST: usize = 24;

/// The way to a finding.
#[derive(Debug, Clone)]
pub struct Chain {
    /// In order; the deciding one last.
    pub steps: Vec<Link>,
    /// What stands for secrets, tokens and challenges in it.
    pub secrets: Secrets,
    /// The target's URL, without a slash at its end.
    pub base: String,
    /// The account that logs in on it, where it is one.
    pub account: Option<String>,
    /// Whether it could not be followed to its beginning.
    pub cut: bool,
}

/// One exchange on the way.
#[derive(Debug, Clone)]
pub struct Link {
    /// What was exchanged in the run.
    pub exchange: Arc<Exchange>,
    /// Whether the finding shows it; the others only prepare.
    pub shown: bool,
    /// Signatures that have to be made before it is sent.
    pub signs: Vec<Signing>,
    /// What is taken from its answer.
    pub takes: Vec<Taking>,
}

/// A text that an answer brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// The variable it goes into.
    pub variable: String,
    /// JSON Pointer of the member.
    pub pointer: String,
}

/// A signature of a wallet over a text that is new each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The variable it goes into.
    pub variable: String,
    /// The key, as a word of a shell: that of a wallet made for the run, or the variable of one that is kept secret.
    pub key: String,
    /// The text, as a word of a shell.
    pub text: String,
}

/// Finds the way to a finding. `secrets` are those of the profile, `base` is the target's URL.
#[must_use]
pub fn to(finding: &Finding, scheme: &Scheme, base: &str, secrets: &Secrets) -> Chain {
    let log = log_of(finding);
    let is_shown =
        |exchange: &Arc<Exchange>| finding.exchanges.iter().any(|shown| Arc::ptr_eq(shown, exchange));
    let brought = brought(&log);
    let texts: Vec<String> = log.iter().map(|exchange| request_text(exchange)).collect();
    let mut needed: BTreeSet<usize> =
        log.iter().enumerate().filter(|(_, exchange)| is_shown(exchange)).map(|(at, _)| at).collect();
    let mut used: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut cut = false;
    loop {
        let before = (needed.len(), used.len());
        for (value, (from, pointer)) in &brought {
            if needed.iter().any(|at| at > from && texts.get(*at).is_some_and(|text| repeats(text, value))) {
                needed.insert(*from);
                used.insert(value, (*from, pointer));
            }
        }
        // Who has used a token or challenge up, or ended its session, belongs to the way.
        for (at, exchange) in log.iter().enumerate() {
            let text = texts.get(at).map(String::as_str).unwrap_or_default();
            let mut known = brought.iter().filter(|(_, (from, _))| *from < at && needed.contains(from));
            if changes(exchange, scheme) && known.any(|(value, _)| repeats(text, value)) {
                needed.insert(at);
            }
        }
        while needed.len() > LONGEST {
            cut = true;
            needed.pop_first();
        }
        if cut || before == (needed.len(), used.len()) {
            break;
        }
    }
    used.retain(|_, (from, _)| needed.contains(from));
    let (names, captured) = named(&used, &log, scheme);
    let is_part =
        |value: &str| used.keys().any(|token| payload(token).is_some_and(|part| value.contains(part)));
    // A token that differs from one that was taken in its head or signature only is made from that one.
    let others = finding.secrets.with(secrets).without(is_part);
    let mut all = captured.with(&others);
    let (mut steps, mut signed) = (Vec::new(), BTreeSet::new());
    for (at, exchange) in log.iter().enumerate().filter(|(at, _)| needed.contains(at)) {
        let mut signs = Vec::new();
        if let Some((signature, sign)) = signing(exchange, scheme, finding, &captured, &all, signed.len() + 1)
            && signed.insert(signature.clone())
        {
            let mut own = Secrets::default();
            own.add(&signature, &format!("${}", sign.variable));
            all = own.with(&all);
            signs.push(sign);
        }
        let takes = names.iter().filter(|(_, (from, _))| *from == at);
        steps.push(Link {
            exchange: Arc::clone(exchange),
            shown: is_shown(exchange),
            signs,
            takes: takes
                .map(|(variable, (_, pointer))| Taking {
                    variable: variable.clone(),
                    pointer: (*pointer).to_owned(),
                })
                .collect(),
        });
    }
    let account = account(&steps, scheme).map(|name| all.hide(&name));
    Chain { steps, secrets: all, account, base: base.trim_end_matches('/').to_owned(), cut }
}

/// Who logs in, if it is one and the same by a secret.
fn account(steps: &[Link], scheme: &Scheme) -> Option<String> {
    if scheme.proof.kind != ProofKind::Secret {
        return None;
    }
    let mut names = BTreeSet::new();
    for link in steps {
        let Some(operation) = scheme.operation(&link.exchange.operation) else { continue };
        let Some(field) = operation.request_field(Role::Identifier) else { continue };
        let body: Value = serde_json::from_slice(&link.exchange.request.body.bytes()).unwrap_or_default();
        if let Place::Body(pointer) = &field.at {
            names.extend(body.pointer(pointer).and_then(Value::as_str).map(str::to_owned));
        }
    }
    names.pop_first().filter(|_| names.is_empty())
}

/// Everything exchanged up to the deciding exchange.
fn log_of(finding: &Finding) -> Vec<Arc<Exchange>> {
    let last = finding.exchanges.last();
    let end = finding.log.iter().position(|known| last.is_some_and(|last| Arc::ptr_eq(known, last)));
    let mut log: Vec<Arc<Exchange>> = match end {
        Some(end) => finding.log.iter().take(end + 1).cloned().collect(),
        None => finding.log.clone(),
    };
    // An exchange that another check, or the first look at the target, has made.
    for shown in &finding.exchanges {
        if !log.iter().any(|known| Arc::ptr_eq(known, shown)) {
            log.push(Arc::clone(shown));
        }
    }
    log
}

/// Every text that answers brought and no request had said before, with the first answer that brought it.
fn brought(log: &[Arc<Exchange>]) -> BTreeMap<String, (usize, String)> {
    fn walk(value: &Value, at: &str, into: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) if text.len() >= SHORTEST => into.push((text.clone(), at.to_owned())),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{at}/{index}"), into));
            }
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| walk(member, &format!("{at}/{name}"), into));
            }
            _ => {}
        }
    }
    let (mut brought, mut said) = (BTreeMap::new(), String::new());
    for (at, exchange) in log.iter().enumerate() {
        said.push_str(&request_text(exchange));
        let mut leaves = Vec::new();
        exchange.json.iter().for_each(|body| walk(body, "", &mut leaves));
        for (text, pointer) in leaves {
            if !brought.contains_key(&text) && !said.contains(&text) {
                brought.insert(text, (at, pointer));
            }
        }
    }
    brought
}

/// The variables of what is taken, and secrets that put them in place of the values.
fn named<'v>(
    used: &BTreeMap<&str, (usize, &'v str)>,
    log: &[Arc<Exchange>],
    scheme: &Scheme,
) -> (BTreeMap<String, (usize, &'v str)>, Secrets) {
    let mut in_order: Vec<(&str, usize, &str)> =
        used.iter().map(|(value, (from, pointer))| (*value, *from, *pointer)).collect();
    in_order.sort_by_key(|(_, from, pointer)| (*from, *pointer));
    let (mut names, mut secrets) = (BTreeMap::new(), Secrets::default());
    for (value, from, pointer) in in_order {
        let operation = log.get(from).and_then(|exchange| scheme.operation(&exchange.operation));
        let stem = stem(operation, pointer);
        let number = (2..).map(|number| format!("{stem}_{number}"));
        let name = std::iter::once(stem.clone()).chain(number).find(|name| !names.contains_key(name));
        let name = name.unwrap_or(stem);
        secrets.add(value, &format!("${name}"));
        if let Some(part) = payload(value) {
            secrets.add(part, &format!("$(printf %s \"${name}\" | cut -d. -f2)"));
        }
        if let Some((_, (_, pointer))) = used.get_key_value(value) {
            names.insert(name, (from, *pointer));
        }
    }
    (names, secrets)
}

/// What a member is called in a shell: by its role, else by its name.
fn stem(operation: Option<&Operation>, pointer: &str) -> String {
    let role = operation.and_then(|operation| {
        let mut fields = operation.success.fields.iter();
        fields.find(|field| field.at == Place::Body(pointer.to_owned())).map(|field| field.role)
    });
    match role {
        Some(Role::AccessToken) => return "ACCESS_TOKEN".to_owned(),
        Some(Role::RefreshToken) => return "REFRESH_TOKEN".to_owned(),
        Some(Role::Challenge) => return "CHALLENGE".to_owned(),
        _ => {}
    }
    let name = pointer.rsplit('/').next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .map(|c| c.to_ascii_uppercase())
        .collect();
    format!("TAKEN_{name}")
}

/// The signature in a request over a text that holds something taken, by a wallet that is known.
fn signing(
    exchange: &Exchange,
    scheme: &Scheme,
    finding: &Finding,
    captured: &Secrets,
    all: &Secrets,
    number: usize,
) -> Option<(String, Signing)> {
    let operation = scheme.operation(&exchange.operation)?;
    let body: Value = serde_json::from_slice(&exchange.request.body.bytes()).ok()?;
    let text_of = |role| match &operation.request_field(role)?.at {
        Place::Body(pointer) => body.pointer(pointer)?.as_str(),
        _ => None,
    };
    let (signature, text) = (text_of(Role::Signature)?, text_of(Role::SignedText)?);
    let signed_it = |wallet: &&Wallet| {
        signature_hex(&wallet.sign(text, SignAs::Personal)).eq_ignore_ascii_case(signature)
    };
    let wallet = finding.wallets.iter().find(signed_it)?;
    if captured.split(text).iter().all(Result::is_ok) {
        // The text is the same each time, and so is what was signed.
        return None;
    }
    let sign = Signing {
        variable: if number == 1 { "SIGNATURE".to_owned() } else { format!("SIGNATURE_{number}") },
        key: curl::quote(wallet.key_hex().expose_secret(), all),
        text: curl::quote(text, all),
    };
    Some((signature.to_owned(), sign))
}

/// Whether an exchange may have changed what a token or challenge is worth.
fn changes(exchange: &Exchange, scheme: &Scheme) -> bool {
    let operation = scheme.operation(&exchange.operation);
    operation.is_some_and(|operation| matches!(operation.step, Step::Login | Step::Refresh | Step::Logout))
        && exchange.status().is_some_and(|status| (200..300).contains(&status))
}

/// Whether a request repeats a text, or a token made from it.
fn repeats(request: &str, value: &str) -> bool {
    request.contains(value) || payload(value).is_some_and(|part| request.contains(part))
}

/// The middle of a token in three parts.
fn payload(token: &str) -> Option<&str> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(payload), Some(_), None) if token.starts_with("ey") && payload.len() >= SHORTEST => {
            Some(payload)
        }
        _ => None,
    }
}

/// A request as one text.
fn request_text(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let mut text = request.path.clone();
    for (_, value) in &request.headers {
        text.push('\n');
        text.push_str(value);
    }
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&request.body.bytes()));
    text
}
