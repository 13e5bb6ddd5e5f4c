//! Keys registered at login, and what they sign afterwards.

use ed25519_dalek::{Signature, VerifyingKey};

/// A key that may be registered: 32 bytes, the one encoding of a point of the curve, not of small order.
///
/// A small-order key verifies signatures over anything, so whoever registers one has registered everybody's key. A second
/// encoding of a point would be a second name for one key.
#[must_use]
pub fn registrable(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    //= common.proof.malformed-key
    let key = VerifyingKey::from_bytes(bytes).ok()?;
    let canonical = key.to_edwards().compress().to_bytes() == *bytes;
    //= common.proof.weak-key
    (canonical && !key.is_weak()).then_some(key)
}

/// Whether the key signed this message.
///
/// Strict: the cofactorless equation, no small-order points, no `s` beyond the group order, so that a signature has
/// one form only (RFC 8032 section 5.1.7 leaves this open).
#[must_use]
pub fn signed_by(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Some(key), Ok(signature)) = (registrable(key), Signature::from_slice(signature)) else {
        return false;
    };
    //= common.proof.registered-key
    //= web3mq.profile.registered-key-only
    key.verify_strict(message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64_simd::STANDARD;
    use ed25519_dalek::SigningKey;

    fn seed() -> [u8; 32] {
        let hex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_known_vector_verifies_and_any_change_does_not() {
        let key = SigningKey::from_bytes(&seed()).verifying_key().to_bytes();
        let signature = STANDARD
            .decode_to_vec(
                "ofuc323rbSHZ2//4tXrWZOhj9G/lywuW20mSns/jtZIetVJiMdm2FjmVHH830i/4oPpfSGZY87a1aSNt7DBpCQ==",
            )
            .unwrap();
        assert!(signed_by(&key, b"user:abc1656991509327", &signature));
        assert!(!signed_by(&key, b"user:abc1656991509328", &signature));
        assert!(!signed_by(&key, b"user:abc1656991509327", &signature[..63]));
        let mut flipped = signature;
        flipped[40] ^= 1;
        assert!(!signed_by(&key, b"user:abc1656991509327", &flipped));
    }

    #[test]
    fn small_order_keys_are_refused_and_verify_nothing() {
        let small = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        let mut identity = [0; 64];
        identity[0] = 1;
        for hex in small {
            let key: [u8; 32] = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap();
            assert!(registrable(&key).is_none(), "{hex}");
            assert!(!signed_by(&key, b"anything", &identity), "{hex}");
        }
    }

    #[test]
    fn a_signature_with_s_beyond_the_order_is_refused() {
        let signing = SigningKey::from_bytes(&seed());
        let mut signature = ed25519_dalek::Signer::sign(&signing, b"m").to_bytes();
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0u16;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + add + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert!(!signed_by(&signing.verifying_key().to_bytes(), b"m", &signature));
    }
}
