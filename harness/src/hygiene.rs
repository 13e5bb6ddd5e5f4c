//! What every exchange must respect, whatever it was sent for.
//!
//! Each exchange is inspected as it is recorded; what it shows goes into the ledger, once for each rule and place. The
//! hygiene checks read the ledger after all others have run.

use crate::client::WireError;
use crate::context::Context;
use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::jwt::Jwt;
use countersign_spec::{Auth, Operation, Role, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Beyond so many ways to break a rule nobody would read them.
const MOST_WAYS: usize = 24;

/// A rule for every exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every request is answered.
    Answers,
    /// Cookies that stand for a session are no business of scripts.
    Cookies,
    /// No credentials for every origin.
    CrossOrigin,
    /// No digest of a secret is shown.
    Digest,
    /// No secret that was sent comes back.
    EchoedSecret,
    /// Where one refusal of a token says how to authenticate, each does.
    EveryChallenge,
    /// No credentials for a foreign origin.
    ForeignOrigin,
    /// Tokens have no time for which they may be kept.
    Fresh,
    /// No traces of the inside.
    Internals,
    /// Nobody is invited to keep tokens.
    NoSharedCache,
    /// Tokens are not cached.
    NotCached,
    /// The code of a refusal is its status, where the document says so.
    RefusalCode,
    /// The code of a refusal begins with its status, where the document says so.
    RefusalCodeBegins,
    /// The members of a refusal that are there have the documented types.
    RefusalMembers,
    /// A refusal has no code of a success.
    RefusalSuccess,
    /// Nothing makes the server fail.
    ServerError,
    /// Cookies that hold a token are no business of scripts.
    TokenCookies,
    /// No tokens outside the documented member.
    TokenInHeader,
    /// What says it is JSON is JSON.
    ValidJson,
}

/// What was seen of one rule.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// The first few findings; which these are depends on what ran at the same time.
    pub findings: Vec<Finding>,
    /// Every way in which the rule was broken, as fingerprints.
    pub ways: BTreeSet<String>,
}

/// What exchanges showed, by scheme and rule; the first few of each.
#[derive(Debug, Default)]
pub struct Ledger {
    seen: Mutex<BTreeMap<(String, Rule), Seen>>,
    probed: Mutex<BTreeMap<String, Arc<Mutex<bool>>>>,
    /// Refusals with 401 and no WWW-Authenticate, by scheme and operation.
    bare: Mutex<BTreeMap<(String, String), Seen>>,
    /// Operations that answered 401 with WWW-Authenticate, by scheme.
    challenging: Mutex<BTreeSet<(String, String)>>,
}

impl Ledger {
    /// What was seen of a rule.
    #[must_use]
    pub fn seen(&self, scheme: &str, rule: Rule) -> Seen {
        if rule == Rule::EveryChallenge {
            return self.without_challenge(scheme);
        }
        let entries = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&(scheme.to_owned(), rule)).cloned().unwrap_or_default()
    }

    /// Makes the traffic of the rules' own, once for each scheme; who comes later waits for it.
    ///
    /// # Errors
    /// What the traffic ended with.
    pub fn probe<E>(&self, scheme: &str, make: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mine = {
            let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(probed.entry(scheme.to_owned()).or_default())
        };
        let mut done = mine.lock().unwrap_or_else(PoisonError::into_inner);
        if *done {
            return Ok(());
        }
        *done = true;
        make()
    }

    fn note_challenge(&self, scheme: &str, operation: &str) {
        let mut known = self.challenging.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((scheme.to_owned(), operation.to_owned()));
    }

    /// What was seen of refusals with 401 that lack what others of the same operation have.
    fn without_challenge(&self, scheme: &str) -> Seen {
        let challenging = self.challenging.lock().unwrap_or_else(PoisonError::into_inner);
        let bare = self.bare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Seen::default();
        for (_, seen) in bare.iter().filter(|(place, _)| place.0 == scheme && challenging.contains(*place)) {
            all.findings.extend(seen.findings.clone());
            all.ways.extend(seen.ways.clone());
        }
        all
    }

    fn add(&self, scheme: &str, operation: &str, rule: Rule, finding: Finding, way: String) {
        let mut bare = self.bare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match rule {
            Rule::EveryChallenge => bare.entry((scheme.to_owned(), operation.to_owned())).or_default(),
            _ => entries.entry((scheme.to_owned(), rule)).or_default(),
        };
        if known.findings.len() < 5 {
            known.findings.push(finding);
        }
        if known.ways.len() < MOST_WAYS {
            known.ways.insert(way);
        }
    }
}

/// Looks at one exchange.
pub fn inspect(cx: &Context<'_>, operation: &Operation, exchange: &Arc<Exchange>) {
    let mut seen = Vec::new();
    match &exchange.outcome {
        Err(WireError::Connect { .. } | WireError::Unsendable(_)) => {}
        // The first of its kind was given all the time there is, and says so.
        Err(error) if cx.target.was_cut_short(error) => {}
        // Who refuses a large body may close before it has read it (RFC 9112 section 9.6).
        Err(WireError::Closed(_)) if exchange.request.body.bytes().len() > 60_000 => {}
        Err(error) => seen.push((Rule::Answers, "a whole answer in time".to_owned(), error.to_string())),
        Ok(response) => {
            let text = exchange.text();
            if is_server_error(exchange) {
                let expected = "any answer but a server error".to_owned();
                seen.push((Rule::ServerError, expected, exchange.got()));
            }
            if let Some(mark) = crate::internals::shown(&text, &exchange.request.body.bytes()) {
                let expected = "an answer that shows nothing of the server's inside".to_owned();
                seen.push((Rule::Internals, expected, format!("`{mark}` in: {}", exchange.got())));
            }
            if exchange.declares_json() && exchange.json.is_none() && !response.body.is_empty() {
                let expected = "JSON, as Content-Type says".to_owned();
                seen.push((Rule::ValidJson, expected, exchange.got()));
            }
            if let Some(secret) = echoed(operation, exchange, &text) {
                let expected = "an answer that does not repeat the secret".to_owned();
                seen.push((
                    Rule::EchoedSecret,
                    expected,
                    cx.secrets.hide(&format!("the secret `{secret}` came back")),
                ));
            }
            if let Some(secret) = cx.passwords().iter().find(|secret| repeats_unread(exchange, secret, &text))
            {
                let expected = "an answer that does not repeat what it cannot read".to_owned();
                let got = cx.secrets.hide(&format!("the secret `{secret}` came back"));
                seen.push((Rule::EchoedSecret, expected, got));
            }
            for (rule, expected, got) in crate::refusal::complaints(cx, operation, exchange) {
                seen.push((rule, expected, got));
            }
            if let Some(challenge) = cx.challenge_told(exchange, &text) {
                let expected = "a refusal that does not tell what there is to sign".to_owned();
                let got = format!("the challenge `{challenge}`, which was not sent, stands in it");
                seen.push((Rule::EchoedSecret, expected, got));
            }
            if let Some(name) = echoing_header(operation, exchange) {
                let expected = "headers that do not repeat a secret".to_owned();
                seen.push((
                    Rule::EchoedSecret,
                    expected,
                    format!("the header {name} repeats a secret that was sent"),
                ));
            }
            if let Some(secret) =
                cx.passwords().iter().find(|secret| secret.len() >= 8 && text.contains(secret.as_str()))
                && !exchange
                    .request
                    .body
                    .bytes()
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes())
            {
                let expected = "an answer without the account's secret".to_owned();
                let got = cx.secrets.hide(&format!("the account's secret `{secret}` stands in it"));
                seen.push((Rule::EchoedSecret, expected, got));
            }
            let token =
                given_out(operation).find_map(|role| crate::judge::text_of(operation, exchange, role));
            let tokens: Vec<&str> = [Role::AccessToken, Role::RefreshToken]
                .into_iter()
                .filter_map(|role| crate::judge::text_of(operation, exchange, role))
                .filter(|token| token.len() > 8)
                .collect();
            if let Some(got) = shows_digest(cx, exchange, &text, &tokens) {
                let expected = "an answer without a digest of the account's secret".to_owned();
                seen.push((Rule::Digest, expected, got));
            }
            if let Some(got) = states_freshness(exchange).filter(|_| !tokens.is_empty()) {
                let expected = "Cache-Control: no-store, or at least no time to keep it for".to_owned();
                seen.push((Rule::Fresh, expected, got));
            }
            if exchange.status() == Some(401)
                && presents_token(operation, exchange)
                && crate::refusal::is_plain(cx, operation, exchange)
            {
                if exchange.header("www-authenticate").is_some() {
                    cx.target.ledger.note_challenge(&cx.scheme.id, &operation.name);
                } else {
                    let expected = "WWW-Authenticate, as in other refusals of the operation".to_owned();
                    let got = format!("no such header; {}", exchange.got());
                    seen.push((Rule::EveryChallenge, expected, got));
                }
            }
            let tls = cx.target.client().base().tls;
            if let Some(problem) =
                tokens.iter().find_map(|token| open_cookie(exchange, Some(token), tls, true))
            {
                let expected = "a cookie with HttpOnly, and behind TLS with Secure".to_owned();
                seen.push((Rule::TokenCookies, expected, problem));
            }
            if let Some(problem) = allows_foreigner(exchange) {
                seen.push((Rule::ForeignOrigin, "no credentials for a foreign origin".to_owned(), problem));
            }
            if let Some(invitation) = invites_caches(exchange)
                && is_for_one(operation, exchange)
            {
                let expected = "no invitation to keep the answer for others".to_owned();
                seen.push((Rule::NoSharedCache, expected, format!("Cache-Control: {invitation}")));
            }
            if let Some(token) = token {
                if !exchange
                    .headers("cache-control")
                    .any(|value| value.to_ascii_lowercase().contains("no-store"))
                {
                    let got = exchange.header("cache-control").unwrap_or("no such header").to_owned();
                    seen.push((Rule::NotCached, "Cache-Control: no-store".to_owned(), got));
                }
                let carrier =
                    response.headers.iter().find(|(_, value)| token.len() > 8 && value.contains(token));
                if let Some((name, _)) = carrier {
                    let expected = "the token in the documented member only".to_owned();
                    seen.push((Rule::TokenInHeader, expected, format!("it stands in the header {name} too")));
                }
            }
            if let Some(problem) = open_cookie(exchange, token, tls, false) {
                let expected = "a cookie with HttpOnly, and behind TLS with Secure".to_owned();
                seen.push((Rule::Cookies, expected, problem));
            }
            if let Some(problem) = allows_everybody(exchange) {
                seen.push((Rule::CrossOrigin, "no credentials for every origin".to_owned(), problem));
            }
        }
    }
    for (rule, expected, got) in seen {
        let did = format!("sent a request to {} (in {})", exchange.operation, cx.check);
        let finding = cx.finding(&did, &expected, &got, std::slice::from_ref(exchange));
        let way = crate::fingerprint::of_exchange(exchange, &finding.got, cx.scheme);
        cx.target.ledger.add(&cx.scheme.id, &operation.name, rule, finding, way);
    }
}

/// What an operation gives out that is the caller's alone: tokens and challenges.
pub fn given_out(operation: &Operation) -> impl Iterator<Item = Role> {
    let roles = [Role::AccessToken, Role::RefreshToken, Role::Challenge];
    roles.into_iter().filter(|role| operation.success_field(*role).is_some())
}

/// Whether an answer is its caller's alone: a success that gives something out, or that was had by a proof.
fn is_for_one(operation: &Operation, exchange: &Exchange) -> bool {
    let success = exchange.status().is_some_and(|status| (200..300).contains(&status));
    let proven = operation.auth != Auth::None || operation.step == Step::Login;
    success && (proven || given_out(operation).next().is_some())
}

/// What of Cache-Control lets caches keep an answer for others: a word that says so, or a lifetime of what is asked by GET,
/// where nothing else forbids it (RFC 9111 sections 3 and 5.2.2).
fn invites_caches(exchange: &Exchange) -> Option<String> {
    let all = exchange.headers("cache-control").collect::<Vec<_>>().join(", ");
    let words: Vec<String> = all.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
    let says = |word: &str| words.iter().any(|one| one.split('=').next() == Some(word));
    if says("no-store") || says("private") || says("no-cache") {
        return None;
    }
    let lives = |name: &str| {
        let seconds = |word: &String| word.strip_prefix(name)?.trim_matches('"').parse::<u64>().ok();
        words.iter().filter_map(seconds).any(|seconds| seconds > 0)
    };
    let by_get = exchange.request.method == "GET" && lives("max-age=");
    (says("public") || lives("s-maxage=") || by_get).then_some(all)
}

/// Whether a request presents what may be a token. How a request is refused that lacks one, or is malformed, may be another
/// layer's affair.
fn presents_token(operation: &Operation, exchange: &Exchange) -> bool {
    let bearer = exchange
        .request
        .headers
        .iter()
        .filter(|(name, _)| name == "authorization")
        .filter_map(|(_, value)| value.strip_prefix("Bearer "))
        .any(|token| token.len() >= 8);
    let sent: serde_json::Value = serde_json::from_slice(&exchange.request.body.bytes()).unwrap_or_default();
    operation.step != Step::Login
        && match operation.request_field(Role::RefreshToken).map(|field| &field.at) {
            Some(countersign_spec::Place::Body(pointer)) => {
                let token = sent.pointer(pointer).and_then(serde_json::Value::as_str);
                token.is_some_and(|token| token.len() >= 8)
            }
            _ => bearer,
        }
}

/// A status that says the server failed; 501 for an unknown method, 503 with Retry-After and 505 are meant.
fn is_server_error(exchange: &Exchange) -> bool {
    match exchange.status() {
        Some(501 | 505) => false,
        Some(503) => exchange.header("retry-after").is_none(),
        Some(status) => status >= 500,
        None => false,
    }
}

/// A password that was sent and stands in the answer.
fn echoed(operation: &Operation, exchange: &Exchange, text: &str) -> Option<String> {
    let field = operation.request_field(Role::Password)?;
    let sent: serde_json::Value = serde_json::from_slice(&exchange.request.body.bytes()).ok()?;
    let countersign_spec::Place::Body(pointer) = &field.at else { return None };
    let secret = sent.pointer(pointer)?.as_str()?;
    let name = operation.request_field(Role::Identifier).and_then(|field| match &field.at {
        countersign_spec::Place::Body(pointer) => sent.pointer(pointer)?.as_str().map(str::to_owned),
        _ => None,
    });
    // A secret that is also the name, or an ordinary short word, proves nothing.
    let is_word = secret.len() <= 12 && secret.bytes().all(|byte| byte.is_ascii_lowercase());
    let telling = secret.len() >= 8 && !is_word && name.as_deref() != Some(secret);
    let escaped = serde_json::Value::String(secret.to_owned()).to_string();
    let escaped = &escaped[1..escaped.len() - 1];
    (telling && (text.contains(secret) || text.contains(escaped))).then(|| secret.to_owned())
}

/// Whether a body that is no JSON held this secret and the answer quotes it.
fn repeats_unread(exchange: &Exchange, secret: &str, text: &str) -> bool {
    let sent = exchange.request.body.bytes();
    let quoted = || {
        let escaped = serde_json::Value::String(secret.to_owned()).to_string();
        text.contains(secret) || text.contains(&escaped[1..escaped.len() - 1])
    };
    secret.len() >= 8
        && sent.windows(secret.len()).any(|window| window == secret.as_bytes())
        && serde_json::from_slice::<serde_json::Value>(&sent).is_err()
        && quoted()
}

/// The header of an answer that repeats a password, signature or token of the request.
fn echoing_header(operation: &Operation, exchange: &Exchange) -> Option<String> {
    let sent: serde_json::Value = serde_json::from_slice(&exchange.request.body.bytes()).unwrap_or_default();
    let members = operation
        .request
        .fields
        .iter()
        .filter(|field| matches!(field.role, Role::Password | Role::Signature | Role::RefreshToken));
    let mut secrets: Vec<String> = members
        .filter_map(|field| match &field.at {
            countersign_spec::Place::Body(pointer) => sent.pointer(pointer)?.as_str().map(str::to_owned),
            _ => None,
        })
        .collect();
    let header = exchange.request.headers.iter().find(|(name, _)| name == "authorization");
    secrets.extend(header.and_then(|(_, value)| value.split_once(' ')).map(|(_, token)| token.to_owned()));
    let response = exchange.outcome.as_ref().ok()?;
    let echoing = response
        .headers
        .iter()
        .find(|(_, value)| secrets.iter().any(|secret| secret.len() >= 8 && value.contains(secret.as_str())));
    echoing.map(|(name, _)| name.clone())
}

/// A cookie that by its name stands for a session, open to scripts or to plain connections.
fn open_cookie(exchange: &Exchange, token: Option<&str>, tls: bool, only_tokens: bool) -> Option<String> {
    const SESSION: [&str; 6] = ["sess", "sid", "token", "auth", "jwt", "login"];
    exchange.headers("set-cookie").find_map(|cookie| {
        let mut parts = cookie.split(';').map(|part| part.trim().to_ascii_lowercase());
        let (name, value) =
            parts.next()?.split_once('=').map(|(name, value)| (name.to_owned(), value.len()))?;
        let is_token = token.is_some_and(|token| token.len() > 8 && cookie.contains(token));
        let attributes: Vec<String> = parts.collect();
        // A page has to read the one against forged requests; an empty one is being taken back.
        let named = SESSION.iter().any(|word| name.contains(word)) && !name.contains("srf") && value >= 8;
        let telling = is_token || (named && !only_tokens);
        let has = |word: &str| attributes.iter().any(|attribute| attribute == word);
        let missing = if !has("httponly") {
            "HttpOnly"
        } else if tls && !has("secure") {
            "Secure"
        } else {
            return None;
        };
        telling.then(|| format!("the cookie {name} comes without {missing}"))
    })
}

/// Credentials for every origin, or for whichever asks (Fetch standard, CORS protocol).
fn allows_everybody(exchange: &Exchange) -> Option<String> {
    let credentials = exchange.header("access-control-allow-credentials")?.eq_ignore_ascii_case("true");
    let origin = exchange.header("access-control-allow-origin")?;
    let asked =
        exchange.request.headers.iter().find(|(name, _)| name == "origin").map(|(_, value)| value.as_str());
    (credentials && (origin == "*" || (Some(origin) == asked && !is_foreign(origin)))).then(|| {
        format!("Access-Control-Allow-Origin: {origin} together with Access-Control-Allow-Credentials: true")
    })
}

/// Credentials for an origin that nobody trusts.
fn allows_foreigner(exchange: &Exchange) -> Option<String> {
    let credentials = exchange.header("access-control-allow-credentials")?.eq_ignore_ascii_case("true");
    let origin = exchange.header("access-control-allow-origin")?;
    let asked = exchange.request.headers.iter().any(|(name, value)| name == "origin" && value == origin);
    (credentials && asked && is_foreign(origin)).then(|| {
        format!("Access-Control-Allow-Origin: {origin} together with Access-Control-Allow-Credentials: true")
    })
}

/// Origins that no service can mean: `null`, and names that belong to nobody (RFC 2606).
fn is_foreign(origin: &str) -> bool {
    origin == "null" || origin.ends_with("evil.example")
}

/// A digest of an account's secret in an answer's head or body, or in the claims of its tokens.
fn shows_digest(cx: &Context<'_>, exchange: &Exchange, text: &str, tokens: &[&str]) -> Option<String> {
    let headers = exchange.outcome.as_ref().map(|response| response.headers.as_slice()).unwrap_or_default();
    let claims = tokens.iter().filter_map(|token| Jwt::read(token));
    let mut told: Vec<(String, String)> = vec![("body".to_owned(), text.to_owned())];
    told.extend(headers.iter().map(|(name, value)| (format!("header {name}"), value.clone())));
    told.extend(
        claims.map(|jwt| ("token's claims".to_owned(), serde_json::Value::Object(jwt.claims).to_string())),
    );
    let sent = exchange.request.body.bytes();
    let sent = String::from_utf8_lossy(&sent);
    cx.digests().iter().find_map(|digests| {
        let (place, digest) = told.iter().find_map(|(place, text)| Some((place, digests.within(text)?)))?;
        let (name, letters) = digest;
        // Whoever sends a digest may find it again.
        (!sent.to_ascii_lowercase().contains(&letters.to_ascii_lowercase()))
            .then(|| format!("the {name} digest of the account's secret stands in the {place}"))
    })
}

/// A time for which an answer may be kept (RFC 9111 section 4.2.1), where nothing else forbids it.
fn states_freshness(exchange: &Exchange) -> Option<String> {
    let all = exchange.headers("cache-control").collect::<Vec<_>>().join(", ");
    let words: Vec<String> = all.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
    let says = |word: &str| words.iter().any(|one| one.split('=').next() == Some(word));
    if says("no-store") || says("no-cache") {
        return None;
    }
    let lives = |name: &str| {
        let seconds = |word: &String| word.strip_prefix(name)?.trim_matches('"').parse::<u64>().ok();
        words.iter().filter_map(seconds).max()
    };
    if let Some(seconds) = lives("s-maxage=").max(lives("max-age=")) {
        return (seconds > 0).then(|| format!("Cache-Control: {all}"));
    }
    let time = |name| jiff::fmt::rfc2822::parse(exchange.header(name)?).ok();
    let (expires, date) = (time("expires")?, time("date")?);
    (expires.timestamp() > date.timestamp())
        .then(|| format!("Expires: {}", exchange.header("expires").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_cookie(cookie: &str) -> Exchange {
        use crate::client::{WireBody, WireRequest, WireResponse};
        let (method, path) = ("GET".to_owned(), "/".to_owned());
        let request = WireRequest { method, path, headers: Vec::new(), body: WireBody::None };
        let headers = vec![("set-cookie".to_owned(), cookie.to_owned())];
        let elapsed = std::time::Duration::ZERO;
        let response = WireResponse { status: 200, headers, body: bytes::Bytes::new(), elapsed };
        Exchange::new("login", String::new(), request, Ok(response))
    }

    #[test]
    fn invitations_to_caches_are_told_from_prohibitions() {
        let answer = |method: &str, value: &str| {
            let mut exchange = with_cookie("a=b");
            exchange.request.method = method.to_owned();
            if let Ok(response) = &mut exchange.outcome {
                response.headers = vec![("cache-control".to_owned(), value.to_owned())];
            }
            invites_caches(&exchange)
        };
        for open in ["public", "Public, max-age=60", "s-maxage=5"] {
            assert!(answer("POST", open).is_some(), "{open}");
        }
        assert!(answer("GET", "max-age=60").is_some() && answer("POST", "max-age=60").is_none());
        for closed in ["no-store", "public, no-store", "private, max-age=60", "max-age=0", "no-cache", ""] {
            assert_eq!(answer("GET", closed), None, "{closed}");
        }
    }

    #[test]
    fn cookies_of_sessions_are_told_from_others() {
        for open in ["sessionid=0123456789; Path=/", "connect.sid=s%3A0123456789; Secure"] {
            assert!(open_cookie(&with_cookie(open), None, false, false).is_some(), "{open}");
            assert!(open_cookie(&with_cookie(open), None, false, true).is_none(), "{open}");
        }
        let closed = "JSESSIONID=0123456789; Path=/; HttpOnly";
        assert!(open_cookie(&with_cookie(closed), None, false, false).is_none());
        assert!(open_cookie(&with_cookie(closed), None, true, false).is_some());
        let token = "rt=0123456789.abc; Path=/";
        assert!(open_cookie(&with_cookie(token), Some("0123456789.abc"), false, true).is_some());
        for other in ["XSRF-TOKEN=0123456789", "AWSALB=0123456789abcdef; Path=/", "session=; Max-Age=0"] {
            assert!(open_cookie(&with_cookie(other), None, true, false).is_none(), "{other}");
        }
    }

    #[test]
    fn a_time_to_keep_an_answer_is_told_from_none() {
        let answer = |headers: &[(&str, &str)]| {
            let mut exchange = with_cookie("a=b");
            if let Ok(response) = &mut exchange.outcome {
                let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
                response.headers = headers.iter().map(owned).collect();
            }
            states_freshness(&exchange)
        };
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for kept in [("cache-control", "private, max-age=60"), ("expires", "Mon, 07 Nov 1994 08:49:37 GMT")] {
            assert!(answer(&[date, kept]).is_some(), "{kept:?}");
        }
        for not in ["no-store, max-age=60", "max-age=0, private", "no-cache", ""] {
            assert_eq!(answer(&[date, ("cache-control", not)]), None, "{not}");
        }
        assert_eq!(answer(&[date, ("expires", "0")]), None);
    }
}
