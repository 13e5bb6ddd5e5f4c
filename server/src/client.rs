//! Who a request comes from, as limits count it.
//!
//! The address of the connection is the only thing a stranger cannot write at will. What a header says about the client
//! behind a proxy is believed only as far as the proxies that wrote it are ours: see [`Proxies::source`].

mod forwarded;

use http::HeaderMap;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

/// The other end of the connection, put into a request's extensions by whoever accepted it.
///
/// [`serve`](crate::http::serve::serve) does. Who mounts a [`Login`](crate::Login) elsewhere does so too, or else all
/// requests count as from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// In a request's extensions: it came over TLS that ended in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted;

/// Who a request comes from: an IPv4 address, or the /64 of an IPv6 one, which is what one subscriber is given.
///
/// An IPv4 address in IPv6 writing is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// Nobody said where from. All such requests are one source.
    pub const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// The source this address belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

/// The one header in which our proxies say whom they speak for.
///
/// It is one by configuration: a proxy writes one and passes the other on as a stranger wrote it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
}

/// Which peers are proxies of ours. By default none are, and headers say nothing.
#[derive(Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
    /// Whether it was said that headers of a stranger are not believed.
    told: AtomicBool,
}

impl Proxies {
    /// Believes this header of peers in these networks.
    #[must_use]
    pub fn new(trusted: &[IpNet], header: ForwardedHeader) -> Self {
        Self { trusted: trusted.to_vec(), header, told: AtomicBool::new(false) }
    }

    /// Whether this address is a proxy of ours.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Who a request comes from.
    ///
    /// Each proxy appends the address it was called from, so the list is walked from its end: from the peer on, as long as
    /// an address is a proxy of ours the one before it is believed. The first that is none is the client, whatever
    /// stands further left, for that it wrote itself. What is no address ends the walk at the proxy that passed it on.
    /// Several lines of the header are one list.
    #[must_use]
    pub fn source(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Source {
        let Some(mut client) = peer else { return Source::UNKNOWN };
        if !self.trusts(client) {
            self.tell_of_stranger(client, headers);
            return Source::of(client);
        }
        for before in forwarded::from_the_end(headers, self.header) {
            let Some(address) = before else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        Source::of(client)
    }

    /// A proxy that nobody configured makes all its clients one source, which its operator should learn once.
    fn tell_of_stranger(&self, peer: IpAddr, headers: &HeaderMap) {
        if headers.contains_key(forwarded::name(self.header)) && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "a peer that is no trusted proxy sent {}; if it is yours, name its network in proxy.trusted",
                forwarded::name(self.header)
            );
        }
    }
}

#[cfg(test)]
mod tests;
