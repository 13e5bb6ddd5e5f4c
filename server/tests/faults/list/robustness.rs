//! Faults in reading what HTTP allows, and in letting pass what it forbids.

use super::{decides, refuses};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::front::{Entry, Opening};
use crate::world::Seen;
use countersign_spec::{Role, Scheme, Step};

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let Some(login) = scheme.step(Step::Login) else { return Vec::new() };
    let id = scheme.id.as_str();
    let mut faults = Vec::new();
    for sentence in
        ["a login in one chunk works", "a login in many chunks works", "a login that arrives slowly works"]
    {
        let trips = check(id, "robustness", sentence);
        if exists(&trips) {
            let name = format!("needs a length so {sentence} fails");
            let make = refuses(id, &login.name, |seen| seen.req.chunked);
            faults.push(Fault::new(id, &name, "bodies without Content-Length are refused", &[trips], make));
        }
    }
    let empty = check(id, "robustness", "a login with nothing in it is answered");
    if exists(&empty) {
        let make = decides(id, &login.name, |seen| seen.req.body.is_empty(), || Way::Close);
        faults.push(Fault::new(id, "waits for a body", "an empty login is never answered", &[empty], make));
    }
    odd(scheme, &mut faults);
    let behind = check(id, "robustness", "a login behind a refused request on its connection works");
    if exists(&behind) {
        let does = "what follows a refused request on its connection is misread";
        let owned = id.to_owned();
        let mut fault = Fault::new(id, "leaves a refused body unread", does, &[behind], move || {
            let id = owned.clone();
            Bend::decide(move |seen| {
                let count = seen.memory().count("asked");
                let Some((at, now)) = seen.at else {
                    seen.memory().notes.insert("unread".to_owned(), count.to_string());
                    return Way::Pass;
                };
                let unread = seen.memory().notes.get("unread").and_then(|count| count.parse::<u64>().ok());
                let next = at.id == id && now.step == Step::Login && unread == Some(count - 1);
                if next { Way::Refuse } else { Way::Pass }
            })
        });
        // It is seen by whatever logs in behind a request to no path.
        fault.broad = true;
        faults.push(fault);
    }
    for (name, does, sentence, look) in STRICT.into_iter().chain(LENIENT) {
        let trips = check(id, "robustness", sentence);
        if exists(&trips) {
            let path = login.path.clone();
            let make = move || {
                let path = path.clone();
                Bend::bytes(move |opening| if opening.asks(&path) { look(opening) } else { Entry::Open })
            };
            faults.push(Fault::new(id, name, does, &[trips], make));
        }
    }
    faults
}

/// Servers that fail at names or queries they did not expect.
fn odd(scheme: &Scheme, faults: &mut Vec<Fault>) {
    let id = scheme.id.as_str();
    let mut add = |name: &str, does: &str, sentence: &str, fails: fn(&Seen<'_>) -> bool| {
        let trips = check(id, "robustness", sentence);
        if exists(&trips) {
            let id = id.to_owned();
            faults.push(Fault::new(&id.clone(), name, does, &[trips], move || {
                let id = id.clone();
                Bend::after(move |seen, resp| {
                    if seen.at.is_some_and(|(at, _)| at.id == id) && fails(seen) {
                        resp.status = http::StatusCode::INTERNAL_SERVER_ERROR;
                    }
                })
            }));
        }
    };
    add(
        "names are keys of an object",
        "a name that every object has ends in HTTP 500",
        "a name that programs use themselves is answered",
        |seen| seen.text(Role::Identifier).as_deref() == Some("constructor"),
    );
    for operation in &scheme.operations {
        add(
            &format!("{} takes no parameter twice", operation.name),
            "a parameter that stands twice in a query ends in HTTP 500",
            &format!("{} with an odd query is answered", operation.name),
            |seen| seen.req.query.as_deref().is_some_and(|query| query.matches("userid=").count() > 1),
        );
    }
}

/// What a fault is called, what it does, which check it trips, and how it looks at a connection.
type Reading = (&'static str, &'static str, &'static str, fn(&mut Opening) -> Entry);

/// Servers that cannot read what is legal.
const STRICT: [Reading; 6] = [
    (
        "knows lower case names only",
        "a header whose name has a capital is a mistake",
        "a login with header names in upper case works",
        |opening| {
            refuse_if(opening.fields().any(|line| {
                let name = line.split(':').next().unwrap_or_default();
                name.contains(|c: char| c.is_ascii_uppercase())
            }))
        },
    ),
    (
        "needs a space behind the colon",
        "headers are cut at a colon and a space",
        "a login without spaces before header values works",
        |opening| refuse_if(opening.fields().any(|line| !line.contains(": "))),
    ),
    (
        "keeps spaces behind values",
        "a header that ends in white space is a mistake",
        "a login with spaces behind header values works",
        |opening| refuse_if(opening.fields().any(|line| line.ends_with([' ', '\t']))),
    ),
    (
        "reads once",
        "what came with the head is taken for the whole body",
        "a login in several segments works",
        |opening| {
            let length = opening.field("content-length").and_then(|length| length.parse().ok());
            refuse_if(length.is_some_and(|length: usize| opening.rest.len() < length))
        },
    ),
    (
        "never tells to go on",
        "a request that expects 100 is refused",
        "a login that asks before it sends its body is answered",
        |opening| refuse_if(opening.field("expect").is_some()),
    ),
    (
        "reads segments as text",
        "a segment that ends inside a character is no text",
        "a login whose segments end inside a character works",
        |opening| refuse_if(std::str::from_utf8(&opening.rest).is_err()),
    ),
];

/// Servers that make sense of what is not legal.
const LENIENT: [Reading; 13] = [
    (
        "takes the second framing",
        "Content-Length is dropped where there is Transfer-Encoding",
        "two framings of one body are refused",
        |opening| {
            if opening.field("transfer-encoding").is_some() {
                keep(opening, |line, _| !is(line, "content-length"));
            }
            Entry::Open
        },
    ),
    (
        "takes the length for the framing",
        "Transfer-Encoding is dropped where there is Content-Length",
        "a body that claims chunks is not framed by its length",
        |opening| {
            if opening.field("content-length").is_some() {
                keep(opening, |line, _| !is(line, "transfer-encoding"));
            }
            Entry::Open
        },
    ),
    (
        "takes the first length",
        "a second Content-Length is dropped",
        "two lengths of one body are refused",
        |opening| {
            keep(opening, |line, before| {
                !(is(line, "content-length") && before.iter().any(|other| is(other, "content-length")))
            });
            Entry::Open
        },
    ),
    (
        "takes a sign for a part of a length",
        "a plus sign before a Content-Length is dropped",
        LENGTH,
        |opening| rewrite_length(opening, |length| length.strip_prefix('+').map(str::to_owned)),
    ),
    ("reads lengths in hex", "a Content-Length behind 0x is read in hex", LENGTH, |opening| {
        rewrite_length(opening, |length| {
            let length = usize::from_str_radix(length.strip_prefix("0x")?, 16).ok()?;
            Some(length.to_string())
        })
    }),
    (
        "takes the first of listed lengths",
        "of two lengths in one Content-Length the second is dropped",
        LENGTH,
        |opening| rewrite_length(opening, |length| Some(length.split_once(',')?.0.to_owned())),
    ),
    (
        "takes a sign for a part of a chunk's size",
        "a plus sign before the size of a chunk is dropped",
        CHUNK,
        |opening| cut_size(opening, b"+"),
    ),
    ("reads 0x before a chunk's size", "a size of a chunk may stand behind 0x", CHUNK, |opening| {
        cut_size(opening, b"0x")
    }),
    (
        "reads digits with underscores",
        "the size of a chunk may have underscores between its digits",
        CHUNK,
        |opening| cut_size(opening, b"0_"),
    ),
    (
        "heads have bodies",
        "what is asked by HEAD is answered with a page",
        "an answer to head has no content",
        |opening| {
            let by_head = opening.lines.first().is_some_and(|line| line.starts_with(b"HEAD "));
            if by_head { Entry::Said(PAGE) } else { Entry::Open }
        },
    ),
    (
        "needs no host",
        "a request without Host is for whoever listens",
        "a request without host is refused",
        |opening| {
            if opening.field("host").is_none() {
                let fields: Vec<String> = opening.fields().collect();
                opening.set_fields(std::iter::once("host: localhost".to_owned()).chain(fields));
            }
            Entry::Open
        },
    ),
    (
        "takes a line feed for a line end",
        "lines end in LF, with or without CR",
        "lines that end in line feed alone are refused",
        |opening| {
            for line in &mut opening.lines {
                if line.ends_with(b"\n") && !line.ends_with(b"\r\n") {
                    line.insert(line.len() - 1, b'\r');
                }
            }
            Entry::Open
        },
    ),
    (
        "trims names of headers",
        "white space before a colon is dropped",
        "white space before a header's colon is refused",
        |opening| {
            let fields: Vec<String> = opening.fields().collect();
            let trimmed = fields.iter().map(|line| match line.split_once(':') {
                Some((name, value)) => format!("{}:{value}", name.trim_end()),
                None => line.clone(),
            });
            if fields.iter().any(|line| line.contains(" :")) {
                opening.set_fields(trimmed.collect::<Vec<_>>());
            }
            Entry::Open
        },
    ),
];

/// A page where nothing but a head should be.
const PAGE: &[u8] =
    b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 9\r\nconnection: close\r\n\r\nnot there";
/// What those faults trip that read a length which is no number.
const LENGTH: &str = "a content length that is no plain number is refused";
/// What those faults trip that read a chunk's size which is no number.
const CHUNK: &str = "a chunk whose size is no plain number is refused";

fn rewrite_length(opening: &mut Opening, read: fn(&str) -> Option<String>) -> Entry {
    let Some(length) = opening.field("content-length").and_then(|length| read(&length)) else {
        return Entry::Open;
    };
    let fields: Vec<String> = opening.fields().filter(|line| !is(line, "content-length")).collect();
    opening.set_fields(fields.into_iter().chain([format!("content-length: {length}")]));
    Entry::Open
}

fn cut_size(opening: &mut Opening, what: &[u8]) -> Entry {
    if opening.field("transfer-encoding").is_some() && opening.rest.starts_with(what) {
        opening.rest.drain(..what.len());
    }
    Entry::Open
}

const fn refuse_if(wrong: bool) -> Entry {
    if wrong { Entry::Refused } else { Entry::Open }
}

fn is(line: &str, name: &str) -> bool {
    line.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name))
}

/// Leaves out fields; each is looked at with those before it.
fn keep(opening: &mut Opening, stays: fn(&str, &[String]) -> bool) {
    let fields: Vec<String> = opening.fields().collect();
    let kept: Vec<String> = fields
        .iter()
        .enumerate()
        .filter(|(at, line)| stays(line, &fields[..*at]))
        .map(|(_, line)| line.clone())
        .collect();
    if kept.len() < fields.len() {
        opening.set_fields(kept);
    }
}
