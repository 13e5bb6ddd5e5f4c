//! Which peers are proxies of ours.

use crate::client::{ForwardedHeader, Proxies};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::net::IpAddr;

/// `[proxy]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Networks of our proxies, such as `10.0.0.0/8` or `192.0.2.7`. Headers of all other peers say nothing.
    #[serde(deserialize_with = "networks", serialize_with = "as_texts")]
    #[schemars(with = "Vec<String>")]
    pub trusted: Vec<IpNet>,
    /// The header in which they say whom they speak for: `x-forwarded-for` or `forwarded`.
    pub header: ForwardedHeader,
}

impl ProxyConfig {
    /// The proxies this names.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        Proxies::new(&self.trusted, self.header)
    }
}

fn as_texts<S: Serializer>(networks: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(networks.iter().map(ToString::to_string))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| {
            let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse().ok().or_else(one).ok_or_else(|| {
                D::Error::custom(format!("`{text}` is no network: write it like 10.0.0.0/8 or 192.0.2.7"))
            })
        })
        .collect()
}
