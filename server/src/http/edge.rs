//! A request's bytes, judged before anything acts on them.

use super::Served;
use crate::error::{LoginError, Malformed};
use crate::json;
use crate::service::Authorization;
use bytes::{Bytes, BytesMut};
use countersign_spec::{Auth, Place};
use http::{HeaderMap, Method, header, request};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde_json::{Map, Value};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// How much of a body is taken, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes.
    pub bytes: usize,
    /// From the end of the head to the end of the body.
    pub time: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, time: Duration::from_secs(10) }
    }
}

/// What became of a body.
#[derive(Debug)]
pub(crate) enum Received {
    /// All of it.
    Whole(Bytes),
    /// Not all of it; the connection cannot be used further.
    Refused(LoginError),
}

/// Reads a body within its limits.
///
/// A body that is somewhat too long is read to its end and thrown away: who is still writing would otherwise see a reset
/// connection and never the answer.
pub(crate) async fn receive<B>(headers: &HeaderMap, body: B, limits: BodyLimits) -> Received
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || Received::Refused(LoginError::new(Malformed::TooLarge, "the body is too long"));
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > DISCARD as u64) {
        return too_large();
    }
    if body.is_end_stream() {
        return Received::Whole(Bytes::new());
    }
    let slow = || Received::Refused(LoginError::new(Malformed::Slow, "the body took too long"));
    let mut body = std::pin::pin!(body);
    let read = async {
        let mut whole = Gathered::default();
        let mut seen = 0usize;
        loop {
            match body.frame().await {
                None if seen > limits.bytes => return too_large(),
                None => return Received::Whole(whole.bytes()),
                Some(Err(_)) => {
                    return Received::Refused(LoginError::new(Malformed::Body, "the body broke off"));
                }
                Some(Ok(frame)) => {
                    // Trailers say nothing to anybody here.
                    let Ok(data) = frame.into_data() else { continue };
                    seen = seen.saturating_add(data.len());
                    if seen <= limits.bytes {
                        whole.add(data);
                    } else {
                        whole = Gathered::default();
                    }
                    if seen > DISCARD {
                        return too_large();
                    }
                }
            }
        }
    };
    let mut read = std::pin::pin!(read);
    match at_hand(read.as_mut()).await {
        Some(received) => received,
        None => timeout(limits.time, read).await.unwrap_or_else(|_| slow()),
    }
}

/// What comes of work that waits for nothing but its turn. Most bodies came along with their heads, and the library hands
/// them over in the turn after it was asked; a timer would be set and stopped for each of them.
async fn at_hand<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut turns = 0;
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if turns == 0 => {
            turns += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Parts of a body, put together. Most have one, which is handed on as it is.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn add(&mut self, part: Bytes) {
        if self.first.is_empty() {
            self.first = part;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&part);
    }

    fn bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// Bytes that are read of a body that is too long anyway.
const DISCARD: usize = 1 << 20;

/// What stands in `Authorization`. The scheme word is compared in any letter case (RFC 9110 section 11.1) unless the
/// scheme's own servers do not.
pub(crate) fn authorization(headers: &HeaderMap, any_case: bool) -> Authorization {
    //= common.token.not-in-query
    //= cbs.token.use
    //= cbs.token.header-name
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Authorization::None };
    if values.next().is_some() {
        return Authorization::Other;
    }
    let value = value.as_bytes();
    if value.trim_ascii().is_empty() {
        return Authorization::None;
    }
    //= common.token.bearer-only
    //= nftrainbow.refresh.bare-token
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return Authorization::Other };
    let (word, token) = (&value[..space], &value[space + 1..]);
    //= common.token.scheme-case
    //= ethgas.token.scheme-case
    //= cbs.token.scheme-case
    //= swapchat.token.scheme-case
    //= nftrainbow.refresh.scheme-case
    let is_bearer = if any_case { word.eq_ignore_ascii_case(b"Bearer") } else { word == b"Bearer" };
    if !is_bearer || token.is_empty() || !is_of_token_bytes(token) {
        return Authorization::Other;
    }
    String::from_utf8(token.to_vec()).map_or(Authorization::Other, Authorization::Bearer)
}

/// Whether these are bytes that a bearer token may have (RFC 6750 section 2.1). Without a branch for each, so that many
/// are compared at once: tokens are long.
fn is_of_token_bytes(token: &[u8]) -> bool {
    let good = |byte: &u8| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        // From the hyphen to the nine stand the hyphen, the dot, the slash and the digits.
        let digit = byte.wrapping_sub(b'-') < 13;
        letter | digit | (*byte == b'_') | (*byte == b'~') | (*byte == b'+') | (*byte == b'=')
    };
    let (blocks, rest) = token.as_chunks::<32>();
    blocks.iter().all(|block| block.iter().fold(true, |all, byte| all & good(byte))) && rest.iter().all(good)
}

/// The members an operation is asked with: of its body, checked against its schema, or of the query.
pub(crate) fn members(
    served: &Served,
    head: &request::Parts,
    body: &Bytes,
    authorization: &Authorization,
) -> Result<Option<Value>, LoginError> {
    let fields = &served.operation.request.fields;
    if let Some(schema) = &served.schema {
        let bodyless =
            served.operation.variants.iter().any(|variant| !variant.body && variant.auth == Auth::Refresh);
        if body.is_empty() && bodyless {
            return Ok(None);
        }
        let input = document(&head.headers, body)?;
        if bodyless && *authorization != Authorization::None && input.as_object().is_some_and(Map::is_empty) {
            return Ok(None);
        }
        //= common.form.required-member
        //= common.form.null-member
        //= common.form.mistyped-member
        //= common.form.empty-member
        if !schema.accepts(&input) {
            let complaints = schema.complaints(&input);
            let reason =
                complaints.first().map(|(place, text)| format!("{place}: {text}")).unwrap_or_default();
            return Err(LoginError::new(Malformed::Invalid, reason));
        }
        return Ok(Some(input));
    }
    if fields.iter().any(|field| matches!(field.at, Place::Query(_))) {
        // Served by other methods too, the members then stand in the body.
        let input = if head.method == Method::GET {
            query(head.uri.query().unwrap_or_default())?
        } else {
            document(&head.headers, body)?
        };
        return Ok(Some(input));
    }
    Ok(None)
}

fn document(headers: &HeaderMap, body: &Bytes) -> Result<Value, LoginError> {
    if !is_json(headers) {
        return Err(LoginError::new(Malformed::MediaType, "the content type is not JSON"));
    }
    //= common.form.malformed-body
    //= common.form.empty-body
    //= common.form.json-writing
    json::strict(body).map_err(|error| LoginError::new(Malformed::Body, error.to_string()))
}

/// Whether there is one content type, and it is JSON in UTF-8. Anything a browser may send across sites without asking
/// first (a form, plain text, nothing) is refused here, so such a request can never log in.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    //= common.form.other-content-type
    //= ethgas.login.other-content-type
    //= cbs.refresh.content-type
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    //= common.form.content-type-parameters
    let media = parts.next().unwrap_or_default();
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        //= ethgas.login.charset
        //= cbs.login.charset
        //= nftrainbow.login.charset
        //= swapchat.login.charset
        //= web3mq.login.body-json
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    //= swapchat.login.body-json
    //= ethgas.login.content-type
    //= nftrainbow.login.body-json
    //= cbs.login.content-type
    media.eq_ignore_ascii_case("application/json") && utf8
}

/// The members of a query, each at most once.
fn query(query: &str) -> Result<Value, LoginError> {
    let bad = || LoginError::new(Malformed::Invalid, "a query that cannot be read");
    let mut members = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name).ok_or_else(bad)?, decoded(value).ok_or_else(bad)?);
        if members.insert(name, Value::String(value)).is_some() {
            return Err(bad());
        }
    }
    Ok(Value::Object(members))
}

/// Percent-decoded text, plus signs being spaces.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                *data_encoding::HEXLOWER_PERMISSIVE.decode(&pair).ok()?.first()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http_body_util::Full;
    use serde_json::json;

    fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn authorization_is_one_bearer_token_or_is_not() {
        let read =
            |values: &[&str], any_case| authorization(&headers(&header::AUTHORIZATION, values), any_case);
        let token = Authorization::Bearer("a.b.c".into());
        assert_eq!(read(&["Bearer a.b.c"], false), token);
        assert_eq!(read(&["bearer a.b.c"], true), token);
        assert_eq!(read(&["bearer a.b.c"], false), Authorization::Other);
        assert_eq!(read(&[], true), Authorization::None);
        assert_eq!(read(&[" "], true), Authorization::None);
        for wrong in [
            "a.b.c",
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer\ta",
            "Basic a",
            "Bearer a,b",
            "Bearer a b",
            "é",
        ] {
            assert_eq!(read(&[wrong], true), Authorization::Other, "{wrong}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"], true), Authorization::Other);
    }

    #[test]
    fn json_is_told_from_other_content_types() {
        let json = |values: &[&str]| is_json(&headers(&header::CONTENT_TYPE, values));
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; x=y",
        ] {
            assert!(json(&[good]), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/jsonp",
            "application/ld+json",
        ] {
            assert!(!json(&[bad]), "{bad}");
        }
        assert!(!json(&[]));
        assert!(!json(&["application/json", "text/plain"]));
    }

    #[test]
    fn queries_are_decoded_and_each_member_given_once() {
        let read = query("a=x%2By+z%3D&b=&c=user:1").unwrap();
        assert_eq!(read, json!({ "a": "x+y z=", "b": "", "c": "user:1" }));
        for bad in ["a=1&a=2", "a=%2", "a=%zz", "a=%ff"] {
            assert!(query(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn bodies_are_bounded_in_length_whatever_is_announced() {
        let limits = BodyLimits { bytes: 10, time: Duration::from_secs(5) };
        let whole = receive(&HeaderMap::new(), Full::new(Bytes::from_static(b"0123456789")), limits).await;
        assert!(matches!(whole, Received::Whole(body) if &body[..] == b"0123456789"));
        for length in [11, DISCARD + 1] {
            let refused =
                receive(&HeaderMap::new(), Full::new(Bytes::from(vec![b'x'; length])), limits).await;
            assert!(
                matches!(refused, Received::Refused(error) if error.why() == Malformed::TooLarge.into()),
                "{length}"
            );
        }
        let huge = headers(&header::CONTENT_LENGTH, &["99999999999"]);
        assert!(matches!(receive(&huge, Full::new(Bytes::new()), limits).await, Received::Refused(_)));
    }

    #[test]
    fn parts_of_a_body_are_put_together_in_turn() {
        for parts in [&[][..], &["a"], &["", "a", "", "b"], &["a", "b", "c"]] {
            let mut whole = Gathered::default();
            parts.iter().for_each(|part| whole.add(Bytes::from_static(part.as_bytes())));
            assert_eq!(whole.bytes(), parts.concat().as_bytes());
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        struct Silent;
        impl Body for Silent {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
                Poll::Pending
            }
        }
        let limits = BodyLimits { bytes: 10, time: Duration::from_millis(20) };
        let refused = receive(&HeaderMap::new(), Silent, limits).await;
        assert!(matches!(refused, Received::Refused(error) if error.why() == Malformed::Slow.into()));
    }
}
