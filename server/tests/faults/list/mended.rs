//! Faults of readers that mend what they are sent: bytes that are no text, digits of other scripts, white space.

use super::proof::{Signed, personal};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Scheme, Step};

/// How a server is bent that serves this scheme.
type Make = fn(&'static Scheme) -> Bend;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let all: [(&str, &str, &str, &str, Make); 5] = [
        (
            "bytes that are no text are left out of logins",
            "what is no UTF-8 is dropped before a login is read",
            "form",
            "a login with a byte that is no text in a member is refused",
            |of| mends(of, Step::Login, without),
        ),
        (
            "letters in two bytes are read in logins",
            "overlong forms are taken for the letters they would be",
            "form",
            "a login with a byte that is no text in a member is refused",
            |of| mends(of, Step::Login, shortened),
        ),
        (
            "bytes that are no text are left out of refreshes",
            "what is no UTF-8 is dropped before a refresh is read",
            "form",
            "a refresh with a byte that is no text in its token is refused",
            |of| mends(of, Step::Refresh, without),
        ),
        (
            "digits of any script are digits",
            "addresses are read as numbers are, in whatever script they are written",
            "proof",
            "an address in characters that only look like hex is refused",
            |of| written_otherwise(of, |address| address.chars().map(plain).collect()),
        ),
        (
            "addresses are trimmed",
            "white space around an address is dropped",
            "proof",
            "an address with white space around it is refused",
            |of| written_otherwise(of, |address| address.trim().to_owned()),
        ),
    ];
    let mut faults = Vec::new();
    for (name, does, group, sentence, make) in all {
        let trips = check(&scheme.id, group, sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || make(scheme)));
        }
    }
    faults
}

fn is_step(seen: &Seen<'_>, of: &Scheme, step: Step) -> bool {
    seen.at.is_some_and(|(at, now)| at.id == of.id && now.step == step)
}

/// Bodies that are no UTF-8 are read as if they were this.
fn mends(of: &'static Scheme, step: Step, mended: fn(&[u8]) -> Vec<u8>) -> Bend {
    Bend::rewrite(move |seen, req| {
        if is_step(seen, of, step) && std::str::from_utf8(&req.body).is_err() {
            req.body = mended(&req.body).into();
            drop(req.headers.remove("content-length"));
        }
    })
}

fn without(body: &[u8]) -> Vec<u8> {
    body.utf8_chunks().map(|chunk| chunk.valid()).collect::<String>().into_bytes()
}

fn shortened(body: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut rest = body.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            0xc0 | 0xc1 => read.push((byte << 6) | (rest.next().unwrap_or_default() & 0x3f)),
            other => read.push(other),
        }
    }
    read
}

/// A character of ASCII for one that looks like it.
fn plain(c: char) -> char {
    let code = u32::from(c);
    char::from_u32(code.wrapping_sub(0xfee0)).filter(char::is_ascii_graphic).unwrap_or(c)
}

/// Whoever signed is let in under an address that is the signer's once it is read so.
fn written_otherwise(of: &'static Scheme, read: fn(&str) -> String) -> Bend {
    Bend::decide(move |seen| {
        let signed = Signed::read(seen).filter(|_| is_step(seen, of, Step::Login));
        let Some(signed) = signed else { return Way::Pass };
        let meant = read(&signed.address).to_ascii_lowercase();
        let signer = signed.signer(&personal(signed.text.as_bytes()));
        let other = !signed.address.eq_ignore_ascii_case(&meant);
        if other && signer == Some(meant) { Way::Accept } else { Way::Pass }
    })
}
