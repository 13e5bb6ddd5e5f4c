//! `countersign sign`: what a wallet or a client library would compute, for trying an API by hand.

use crate::wallet::{LoginKey, SignAs, Wallet, hash_hex, signature_hex};
use clap::Subcommand;
use countersign_spec::Concat;

/// What to compute.
#[derive(Debug, Subcommand)]
pub enum Sign {
    /// The address of a secp256k1 key, with its checksum (EIP-55)
    Address {
        /// Private key: 64 hex digits; for tests only, as other users of the machine can see it
        #[arg(long, value_name = "HEX")]
        key: String,
    },
    /// Signature of a text as base64, by an ed25519 key (RFC 8032)
    Ed25519 {
        /// Seed: 64 hex digits; for tests only
        #[arg(long, value_name = "HEX")]
        seed: String,
        /// Text to sign; without it the public key is printed in hex
        #[arg(long)]
        text: Option<String>,
    },
    /// Hash of a text in lower-case hex
    Nonce {
        /// Hash function
        #[arg(value_parser = ["sha3-224", "sha3-256", "keccak-256", "sha-256"])]
        hash: String,
        /// Text to hash
        #[arg(long)]
        text: String,
    },
    /// Signature of a text by a wallet (EIP-191, personal message)
    Personal {
        /// Private key: 64 hex digits; for tests only
        #[arg(long, value_name = "HEX")]
        key: String,
        /// Text to sign
        #[arg(long)]
        text: String,
    },
}

/// Computes it.
///
/// # Errors
/// A key that is none.
pub fn run(what: &Sign) -> Result<String, String> {
    match what {
        Sign::Address { key } => Ok(wallet(key)?.address()),
        Sign::Ed25519 { seed, text } => {
            let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(seed.trim_start_matches("0x").as_bytes());
            let seed: Option<[u8; 32]> = bytes.ok().and_then(|bytes| bytes.try_into().ok());
            let key = LoginKey::from_seed(&seed.ok_or("--seed must be 64 hex digits")?);
            Ok(text.as_ref().map_or_else(|| key.public_hex(), |text| key.sign_base64(text)))
        }
        Sign::Nonce { hash, text } => {
            let hash = match hash.as_str() {
                "sha3-224" => Concat::Sha3_224,
                "sha3-256" => Concat::Sha3_256,
                "keccak-256" => Concat::Keccak256,
                _ => Concat::Sha256,
            };
            Ok(hash_hex(hash, text))
        }
        Sign::Personal { key, text } => Ok(signature_hex(&wallet(key)?.sign(text, SignAs::Personal))),
    }
}

fn wallet(key: &str) -> Result<Wallet, String> {
    Wallet::from_hex(key).ok_or_else(|| "--key must be a secp256k1 key of 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_key_signs_and_has_its_address() {
        let key = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318".to_owned();
        assert_eq!(
            run(&Sign::Address { key: key.clone() }).unwrap(),
            "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
        );
        assert!(run(&Sign::Personal { key, text: "text".into() }).unwrap().starts_with("0x"));
        assert!(run(&Sign::Address { key: "12".into() }).is_err());
        let hash = run(&Sign::Nonce { hash: "sha3-224".into(), text: String::new() }).unwrap();
        assert_eq!(hash, "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7");
    }
}
