//! `Forwarded` and `X-Forwarded-For`, read from the end.

use super::ForwardedHeader;
use http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header's name.
pub(super) const fn name(header: ForwardedHeader) -> HeaderName {
    match header {
        ForwardedHeader::Forwarded => header::FORWARDED,
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
    }
}

/// The addresses of all lines as one list, the last first; nothing for an element that has none.
pub(super) fn from_the_end(
    headers: &HeaderMap,
    header: ForwardedHeader,
) -> impl Iterator<Item = Option<IpAddr>> {
    let mut lines: Vec<_> = headers.get_all(name(header)).iter().collect();
    lines.reverse();
    lines.into_iter().flat_map(move |line| {
        // Quoted commas cut an element in two, neither of which is an address: no address has one.
        line.as_bytes().rsplit(|byte| *byte == b',').map(move |element| {
            let element = std::str::from_utf8(element).ok()?;
            match header {
                ForwardedHeader::Forwarded => node(element),
                ForwardedHeader::XForwardedFor => address(element.trim()),
            }
        })
    })
}

/// The address of the `for` parameter of one element of `Forwarded`.
fn node(element: &str) -> Option<IpAddr> {
    let mut nodes = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let (Some(value), None) = (nodes.next(), nodes.next()) else { return None };
    let quoted = value.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
    address(quoted.unwrap_or(Some(value))?)
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse().ok().map(IpAddr::V6)
}
