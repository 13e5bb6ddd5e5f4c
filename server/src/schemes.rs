//! The list of schemes.

mod cbs;
mod ethgas;
mod nftrainbow;
mod swapchat;
mod web3mq;

use crate::service::ErasedScheme;
pub use cbs::{Cbs, CbsSettings, RefreshAnswer};
pub use ethgas::{Ethgas, EthgasSettings};
pub use nftrainbow::{Nftrainbow, NftrainbowSettings};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
pub use swapchat::{Swapchat, SwapchatSettings};
pub use web3mq::{Web3mq, Web3mqSettings};

/// Every scheme this crate has, in the order of their documents.
pub(crate) fn all(settings: &Settings) -> Vec<Arc<dyn ErasedScheme>> {
    let Settings { swapchat, web3mq, ethgas, nftrainbow, cbs } = settings.clone();
    vec![
        Arc::new(Swapchat::new(swapchat)),
        Arc::new(Web3mq::new(web3mq)),
        Arc::new(Ethgas::new(ethgas)),
        Arc::new(Nftrainbow::new(nftrainbow)),
        Arc::new(Cbs::new(cbs)),
    ]
}

/// Seconds the longest-lived token of any scheme lasts.
pub(crate) fn longest(settings: &Settings) -> u64 {
    all(settings).iter().map(|scheme| scheme.policy().longest()).max().unwrap_or_default()
}

/// All settings of all schemes, one table each.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[scheme.swapchat]`
    pub swapchat: SwapchatSettings,
    /// `[scheme.web3mq]`
    pub web3mq: Web3mqSettings,
    /// `[scheme.ethgas]`
    pub ethgas: EthgasSettings,
    /// `[scheme.nftrainbow]`
    pub nftrainbow: NftrainbowSettings,
    /// `[scheme.cbs]`
    pub cbs: CbsSettings,
}

impl Settings {
    /// Stops comparing callers' clocks with ours, for a server whose clock is moved under its callers.
    pub fn for_a_moving_clock(&mut self) {
        self.web3mq.timestamp_window = u64::MAX / 1_000;
    }
}
