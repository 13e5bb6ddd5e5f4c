//! What wallets and registered keys prove, verified.

pub mod ed25519;
pub mod eip191;
