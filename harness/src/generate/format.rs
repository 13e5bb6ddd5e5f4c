//! Texts of the formats JSON Schema 2020-12 names (section 7.3 of its validation vocabulary).

use super::draw::Draw;
use std::fmt::Write as _;

/// Formats that texts can be drawn for; others are annotations here as they are for the validator.
const KNOWN: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// Whether texts can be drawn for it.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// A text of the format, short if there is little room.
pub(super) fn text(name: &str, draw: &mut Draw, most: Option<usize>) -> Option<String> {
    let short = most.is_some_and(|most| most < 40);
    Some(match name {
        "date" => date(draw),
        "time" => time(draw),
        "date-time" => format!("{}T{}", date(draw), time(draw)),
        "duration" => duration(draw),
        "email" | "idn-email" => email(draw, short),
        "hostname" | "idn-hostname" => hostname(draw, short),
        "ipv4" => ipv4(draw),
        "ipv6" => ipv6(draw),
        "uri" | "iri" => uri(draw, short),
        "uri-reference" | "iri-reference" => reference(draw, short),
        "uri-template" => format!("/{}/{{{}}}", word(draw, 1, 6), word(draw, 1, 6)),
        "uuid" => uuid(draw),
        "json-pointer" => pointer(draw),
        "relative-json-pointer" => format!("{}{}", draw.below(12), pointer(draw)),
        "regex" => (*draw.pick(&["^[a-z]+$", "a|b", ".*", "\\d{2,4}", "", "(x)?y"])?).to_owned(),
        _ => return None,
    })
}

/// A text that is nearly of the format but not quite: one mistake a sloppy reader lets pass.
pub(super) fn near_miss(name: &str, draw: &mut Draw) -> Option<String> {
    let good = text(name, draw, None)?;
    let digits = |text: &str, from: &str, to: &str| text.replacen(from, to, 1);
    let choices: Vec<String> = match name {
        "date" => vec![
            digits(&good, "-", "/"),
            format!("{}-13-01", &good[..4]),
            format!("{}-02-30", &good[..4]),
            good[2..].to_owned(),
            format!("{good}T00:00:00Z"),
        ],
        "time" => vec![format!("24{}", &good[2..]), good[..5].to_owned(), good.replace(':', ".")],
        "date-time" => vec![
            digits(&good, "T", " "),
            good[..10].to_owned(),
            good[..19].to_owned(),
            format!("{}25{}", &good[..11], &good[13..]),
            "1735689600".to_owned(),
        ],
        "duration" => vec!["P".to_owned(), "PT".to_owned(), "1D".to_owned(), format!("{good} ")],
        "email" | "idn-email" => vec![
            good.replace('@', ""),
            good.replace('@', "@@"),
            format!("{good}@"),
            good.split('@').next().unwrap_or_default().to_owned() + "@",
            format!("@{}", good.split('@').nth(1).unwrap_or_default()),
            format!(".{good}"),
            good.replace('@', " @"),
        ],
        "hostname" | "idn-hostname" => {
            vec![
                format!("-{good}"),
                good.replace('.', "..") + "-",
                format!("{good}_"),
                "a".repeat(64),
                format!("{good} x"),
            ]
        }
        "ipv4" => vec![
            format!("{good}.1"),
            good.rsplit_once('.').map_or_else(String::new, |(head, _)| head.to_owned()),
            "256.1.1.1".to_owned(),
            format!("0x7f.{}", "0.0.1"),
            format!("{good}/24"),
        ],
        "ipv6" => vec![
            format!("{good}:1:1:1:1:1:1:1:1"),
            "1::2::3".to_owned(),
            "12345::".to_owned(),
            ":::".to_owned(),
        ],
        "uri" | "iri" => vec![
            format!("//{}", word(draw, 1, 6)),
            "not a uri".to_owned(),
            format!("{good} x"),
            "http://[::1".to_owned(),
        ],
        "uri-reference" | "iri-reference" => vec!["a b".to_owned(), "\\\\host".to_owned(), "%zz".to_owned()],
        "uri-template" => vec![format!("/{{{}", word(draw, 1, 4)), "}".to_owned()],
        "uuid" => vec![
            good.replace('-', ""),
            good[1..].to_owned(),
            format!("{{{good}}}"),
            digits(&good, "-", "_"),
            format!("g{}", &good[1..]),
        ],
        "json-pointer" => vec!["a".to_owned(), "/~2".to_owned(), "#/a".to_owned()],
        "relative-json-pointer" => vec!["/a".to_owned(), "-1/a".to_owned(), "01".to_owned()],
        "regex" => vec!["(".to_owned(), "[a".to_owned(), "*".to_owned()],
        _ => return None,
    };
    draw.pick(&choices).cloned()
}

fn word(draw: &mut Draw, low: usize, high: usize) -> String {
    let count = draw.within(low, high);
    (0..count).map(|_| char::from(b'a' + draw.below(26) as u8)).collect()
}

fn date(draw: &mut Draw) -> String {
    if draw.chance(20) {
        let edges = ["1970-01-01", "2000-02-29", "2038-01-19", "9999-12-31", "0001-01-01", "2024-12-31"];
        return edges[draw.below(edges.len())].to_owned();
    }
    format!("{:04}-{:02}-{:02}", draw.within(1990, 2060), draw.within(1, 12), draw.within(1, 28))
}

fn time(draw: &mut Draw) -> String {
    let mut text = match draw.below(8) {
        0 => "00:00:00".to_owned(),
        1 => "23:59:59".to_owned(),
        _ => format!("{:02}:{:02}:{:02}", draw.below(24), draw.below(60), draw.below(60)),
    };
    if draw.chance(40) {
        let digits = draw.within(1, 9);
        text.push('.');
        for _ in 0..digits {
            text.push(char::from(b'0' + draw.below(10) as u8));
        }
    }
    match draw.below(4) {
        0 => {
            let sign = if draw.chance(50) { '+' } else { '-' };
            let _ = write!(text, "{sign}{:02}:{:02}", draw.below(15), draw.below(2) * 30);
        }
        _ => text.push('Z'),
    }
    text
}

fn duration(draw: &mut Draw) -> String {
    match draw.below(5) {
        0 => format!("P{}W", draw.within(1, 60)),
        1 => format!("P{}Y{}M{}D", draw.below(5), draw.below(12), draw.below(30)),
        2 => format!("PT{}H{}M{}S", draw.below(24), draw.below(60), draw.below(60)),
        3 => "PT0S".to_owned(),
        _ => format!("P{}DT{}H", draw.within(1, 400), draw.within(1, 23)),
    }
}

fn email(draw: &mut Draw, short: bool) -> String {
    if short {
        return format!("{}@{}.{}", word(draw, 1, 3), word(draw, 1, 3), word(draw, 2, 2));
    }
    let name = match draw.below(6) {
        0 => format!("{}.{}", word(draw, 1, 8), word(draw, 1, 8)),
        1 => format!("{}+{}", word(draw, 1, 8), word(draw, 1, 8)),
        2 => format!("{}{}", word(draw, 1, 8).to_uppercase(), draw.below(1000)),
        3 => format!("{}_{}-{}", word(draw, 1, 4), word(draw, 1, 4), word(draw, 1, 4)),
        4 => word(draw, 64, 64),
        _ => word(draw, 1, 12),
    };
    // Top-level names kept for documentation and tests (RFC 2606): no one's mail is in them.
    let host = ["example.com", "example.org", "mail.example.net", "x.test"];
    format!("{name}@{}", host[draw.below(host.len())])
}

fn hostname(draw: &mut Draw, short: bool) -> String {
    match draw.below(if short { 2 } else { 5 }) {
        0 => word(draw, 1, 3),
        1 => format!("{}.{}", word(draw, 1, 4), word(draw, 2, 3)),
        2 => format!("{}-{}.{}.example", word(draw, 1, 9), draw.below(100), word(draw, 1, 9)),
        3 => format!("{}.example.com", word(draw, 63, 63)),
        _ => format!("{}.example.org", word(draw, 1, 16)),
    }
}

fn ipv4(draw: &mut Draw) -> String {
    let edges = ["0.0.0.0", "127.0.0.1", "255.255.255.255", "192.0.2.1", "10.0.0.1"];
    if draw.chance(40) {
        return edges[draw.below(edges.len())].to_owned();
    }
    format!("{}.{}.{}.{}", draw.below(256), draw.below(256), draw.below(256), draw.below(256))
}

fn ipv6(draw: &mut Draw) -> String {
    let edges = ["::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1"];
    if draw.chance(50) {
        return edges[draw.below(edges.len())].to_owned();
    }
    let groups: Vec<String> = (0..8).map(|_| format!("{:x}", draw.below(65536))).collect();
    groups.join(":")
}

fn uri(draw: &mut Draw, short: bool) -> String {
    if short {
        return format!("{}:{}", word(draw, 1, 4), word(draw, 1, 4));
    }
    match draw.below(6) {
        0 => format!("https://{}/", hostname(draw, false)),
        1 => format!("http://127.0.0.1:{}/{}", draw.within(1, 65535), word(draw, 1, 8)),
        2 => format!(
            "https://{}/{}?{}={}#{}",
            hostname(draw, false),
            word(draw, 1, 8),
            word(draw, 1, 4),
            draw.below(100),
            word(draw, 1, 4)
        ),
        3 => format!("urn:uuid:{}", uuid(draw)),
        4 => format!("https://example.com/%C3%A9/{}", word(draw, 1, 6)),
        _ => format!("{}://{}", word(draw, 2, 6), hostname(draw, false)),
    }
}

fn reference(draw: &mut Draw, short: bool) -> String {
    match draw.below(4) {
        0 => String::new(),
        1 => format!("/{}", word(draw, 1, 6)),
        2 => format!("#{}", word(draw, 1, 6)),
        _ => uri(draw, short),
    }
}

fn uuid(draw: &mut Draw) -> String {
    if draw.chance(8) {
        return "00000000-0000-0000-0000-000000000000".to_owned();
    }
    let (a, b) = (draw.bits(), draw.bits());
    // Version 4, variant 1 (RFC 9562 section 5.4).
    let text = format!(
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        8 + ((b >> 62) & 3),
        (b >> 48) & 0xfff,
        b & 0xffff_ffff_ffff
    );
    if draw.chance(15) { text.to_uppercase() } else { text }
}

fn pointer(draw: &mut Draw) -> String {
    let count = draw.below(4);
    (0..count).fold(String::new(), |mut text, _| {
        let part = match draw.below(4) {
            0 => draw.below(10).to_string(),
            1 => "~0~1".to_owned(),
            _ => word(draw, 0, 6),
        };
        let _ = write!(text, "/{part}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_format_is_kept_by_what_is_drawn_and_missed_by_what_is_near() {
        for name in KNOWN {
            let check = super::super::text::validator(&json!({ "format": name })).expect("a schema");
            let mut draw = Draw::new(5);
            let misses = (0..300)
                .filter_map(|_| near_miss(name, &mut draw))
                .filter(|text| !check.is_valid(&Value::String(text.clone())))
                .count();
            // Internationalised names need tables the validator is built without; they are not asserted.
            let asserted = !check.is_valid(&json!("\u{1} {%")) || *name == "regex";
            for _ in 0..300 {
                let text = text(name, &mut draw, None).expect("a text");
                assert!(check.is_valid(&Value::String(text.clone())), "{name}: {text:?}");
            }
            assert!(!asserted || misses > 150, "{name}: {misses} of 300 near misses were refused");
        }
    }

    #[test]
    fn short_texts_fit_little_room() {
        let mut draw = Draw::new(6);
        for name in ["email", "hostname", "uri"] {
            let shortest =
                (0..50).filter_map(|_| text(name, &mut draw, Some(12))).map(|t| t.len()).min().unwrap_or(99);
            assert!(shortest <= 12, "{name}: {shortest}");
        }
    }
}
