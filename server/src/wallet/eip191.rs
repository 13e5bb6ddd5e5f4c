//! Ethereum's personal_sign (EIP-191, version byte 0x45) and addresses.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use k256::elliptic_curve::scalar::IsHigh as _;
use sha3::{Digest, Keccak256};
use std::fmt;

/// An Ethereum address: the twenty bytes, however they were written.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address([u8; 20]);

impl Address {
    /// Reads `0x` and forty hex digits of any letter case.
    ///
    /// The mixed case of EIP-55 is a checksum for people who type. Clients of the documents lower-case, pass through or
    /// checksum as they like, so letter case says nothing here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        //= common.proof.address-case
        //= common.proof.malformed-address
        let digits = text.strip_prefix("0x")?.as_bytes();
        let mut bytes = [0; 20];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        data_encoding::HEXLOWER_PERMISSIVE.decode_mut(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn of(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        let mut address = [0; 20];
        address.copy_from_slice(&hash[12..]);
        Self(address)
    }
}

impl fmt::Display for Address {
    /// Lower case with `0x`: the one form used for identity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0x----------------------------------------";
        data_encoding::HEXLOWER.encode_mut(&self.0, &mut text[2..]);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who signed this message, if the signature is one.
///
/// A signature is 65 bytes in hex, `0x` optional, letters in any case: r, s, v with v one of 0, 1, 27, 28. A high s is
/// refused (EIP-2): both halves of a malleable pair would otherwise prove the same thing.
#[must_use]
pub fn signer(message: &[u8], signature: &str) -> Option<Address> {
    //= common.proof.unprefixed-hex
    //= swapchat.proof.unprefixed-hex
    //= web3mq.proof.unprefixed-hex
    let hex = signature.strip_prefix("0x").unwrap_or(signature);
    //= common.proof.malformed-signature
    //= swapchat.proof.signature-form
    //= web3mq.proof.signature-form
    if hex.len() != 130 {
        return None;
    }
    let mut bytes = [0; 65];
    data_encoding::HEXLOWER_PERMISSIVE.decode_mut(hex.as_bytes(), &mut bytes).ok()?;
    signer_of(&hash(message), &bytes)
}

/// Who signed what has this hash, if these bytes are a signature.
fn signer_of(hash: &[u8; 32], signature: &[u8]) -> Option<Address> {
    let (&v, rs) = signature.split_last()?;
    let recovery = RecoveryId::from_byte(match v {
        //= common.proof.recovery-id
        //= swapchat.proof.recovery-byte
        //= web3mq.proof.recovery-byte
        0 | 1 => v,
        27 | 28 => v - 27,
        //= common.proof.invalid-recovery-id
        //= swapchat.proof.invalid-recovery-byte
        //= web3mq.proof.invalid-recovery-byte
        _ => return None,
    })?;
    let signature = Signature::from_slice(rs).ok()?;
    //= common.proof.low-s
    //= swapchat.proof.low-s
    //= web3mq.proof.low-s
    if bool::from(signature.s().is_high()) {
        return None;
    }
    //= common.proof.signer-is-address
    let key = VerifyingKey::recover_from_prehash(hash, &signature, recovery).ok()?;
    Some(Address::of(&key))
}

/// Keccak-256 over the prefix, the length in bytes and the message.
fn hash(message: &[u8]) -> [u8; 32] {
    //= common.proof.personal-prefix
    //= common.proof.prefix-length
    //= swapchat.proof.personal-message
    //= swapchat.proof.prefix-length
    //= web3mq.proof.personal-message
    //= web3mq.proof.prefix-length
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    //= common.proof.prehashed
    //= common.proof.text-is-signed
    //= swapchat.proof.prehashed
    //= web3mq.proof.prehashed
    Keccak256::new().chain_update(prefix).chain_update(message).finalize().into()
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::SigningKey;

    const ADDRESS: &str = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
    const SECRET: &str = "b1e069cab9827c08700280b6ed1151fe";
    const GOOD: &str = "0xc894b1b9b34227cc7e0a8541ccc1687b3ac548cfc8e007c4927b8a8b53f27b1d0337998fbfaaacf2fead0b99b4b3a1c068962cf93987d3a22fe9e92c1efe8a9d1c";
    const OVER_DECODED_SECRET: &str = "0x53ad52bdd342dbffdcf2886ac1884b4ca94fe2710157be6862d81a8829fcfc9a33e03a51af19dc5fa3386a7bdb6166e3833c2a149f011d49bc2e601f39a532a51c";

    fn proves(signature: &str) -> bool {
        signer(SECRET.as_bytes(), signature) == Address::parse(ADDRESS)
    }

    #[test]
    fn the_known_vector_proves_its_address() {
        assert!(proves(GOOD));
        assert!(
            !proves(OVER_DECODED_SECRET),
            "the secret is text; decoding it before signing is another message"
        );
    }

    #[test]
    fn the_written_form_of_a_good_signature_is_free_within_its_rule() {
        let bare = &GOOD[2..];
        assert!(proves(bare), "0x is optional");
        assert!(proves(&format!("0x{}", bare.to_uppercase())));
        assert!(proves(&format!("{}01", &GOOD[..130])), "v may count from 0");
    }

    #[test]
    fn other_forms_are_refused() {
        let rs = &GOOD[..130];
        for v in ["02", "03", "1a", "1d", "23", "25", "ff"] {
            assert_eq!(signer(SECRET.as_bytes(), &format!("{rs}{v}")), None, "v {v}");
        }
        let wide = GOOD.replacen('c', "\u{ff23}", 1);
        for bad in [
            "",
            "0x",
            "0x1c",
            rs,
            &format!("{GOOD}00"),
            &format!("0X{}", &GOOD[2..]),
            &format!(" {GOOD}"),
            &wide,
        ] {
            assert_eq!(signer(SECRET.as_bytes(), bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_outside_the_group_are_refused() {
        let zero = "00".repeat(32);
        let n = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let good = &GOOD[2..66];
        for (r, s) in [(zero.as_str(), good), (good, zero.as_str()), (n, good), (good, n), (n, n)] {
            for v in ["1b", "1c"] {
                assert_eq!(signer(SECRET.as_bytes(), &format!("0x{r}{s}{v}")), None);
            }
        }
    }

    #[test]
    fn the_high_s_twin_is_refused() {
        let bytes = data_encoding::HEXLOWER.decode(&GOOD.as_bytes()[2..130]).unwrap();
        let signature = Signature::from_slice(&bytes).unwrap();
        let (r, s) = signature.split_scalars();
        let twin = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let twin = format!("0x{}1b", data_encoding::HEXLOWER.encode(&twin.to_bytes()));
        assert_eq!(signer(SECRET.as_bytes(), &twin), None);
    }

    #[test]
    fn the_length_in_the_prefix_counts_bytes() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let text = "žluťoučký";
        let (signature, recovery) = key.sign_prehash_recoverable(&hash(text.as_bytes()));
        let written =
            format!("{}{:02x}", data_encoding::HEXLOWER.encode(&signature.to_bytes()), recovery.to_byte());
        assert_eq!(signer(text.as_bytes(), &written), Some(Address::of(key.verifying_key())));
        let in_characters = format!("\x19Ethereum Signed Message:\n{}{text}", text.chars().count());
        let (signature, recovery) = key.sign_prehash_recoverable(&Keccak256::digest(in_characters));
        let written =
            format!("{}{:02x}", data_encoding::HEXLOWER.encode(&signature.to_bytes()), recovery.to_byte());
        assert_ne!(signer(text.as_bytes(), &written), Some(Address::of(key.verifying_key())));
    }

    #[test]
    fn addresses_are_twenty_bytes_in_any_letter_case() {
        let lower = ADDRESS.to_lowercase();
        assert_eq!(Address::parse(ADDRESS), Address::parse(&lower));
        assert_eq!(Address::parse(&format!("0x{}", ADDRESS[2..].to_uppercase())), Address::parse(&lower));
        assert_eq!(Address::parse(ADDRESS).unwrap().to_string(), lower);
        for bad in [
            &lower[2..],
            &lower[..41],
            &format!("{lower}0"),
            "",
            "0x",
            "vitalik.eth",
            &format!("0X{}", &lower[2..]),
        ] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
    }
}
