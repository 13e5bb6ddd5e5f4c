//! The caller's own keys: an Ethereum wallet and an ed25519 login key.
//!
//! Written apart from any server on purpose: a misreading has to be made twice to go unseen. The wrong ways to sign stand
//! here too, because a check needs them to see whether a server takes them.

use data_encoding::HEXLOWER;
use k256::ecdsa::{RecoveryId, Signature, SigningKey};
use rand::Rng;
use sha3::{Digest, Keccak256, Sha3_224, Sha3_256};

/// An Ethereum wallet: a secp256k1 key and the address made from it.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    address: [u8; 20],
}

/// What a wallet puts under its signature; all but [`SignAs::Personal`] are mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignAs {
    /// EIP-191, version byte 0x45: prefix, length in bytes, text.
    Personal,
    /// Keccak-256 of the bare text.
    Unprefixed,
    /// The personal prefix with a length that is one too large.
    WrongLength,
    /// The personal prefix around the 32-byte hash of the text.
    Prehashed,
    /// The personal prefix around the bytes that the text spells in hex.
    HexDecoded,
    /// The personal prefix, but hashed with FIPS-202 SHA3-256.
    Sha3,
    /// SHA-256 of the bare text.
    Sha256,
    /// The prefix of another chain, hashed as that chain does.
    Bitcoin,
    /// The prefix of another chain, hashed with Keccak-256.
    OtherPrefix,
    /// The first 32 bytes of the text itself, as if they were the hash.
    Raw,
    /// The personal prefix with the text's length in characters where it has more bytes.
    Characters,
    /// EIP-712: the text as the only member of a typed structure.
    TypedData,
    /// The hash of a transaction that carries the text as data.
    Transaction,
    /// EIP-191, version byte 0x00: for a contract that validates, here the zero address.
    Validator,
}

impl Wallet {
    /// A wallet from this source of chance.
    pub fn random(rng: &mut impl Rng) -> Self {
        loop {
            let mut bytes = [0_u8; 32];
            rng.fill_bytes(&mut bytes);
            if let Some(wallet) = Self::from_bytes(&bytes) {
                return wallet;
            }
        }
    }

    /// The wallet of a 32-byte key, unless the key is zero or beyond the group's order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = SigningKey::from_slice(bytes).ok()?;
        let point = key.verifying_key().to_sec1_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        let mut address = [0; 20];
        address.copy_from_slice(&hash[12..]);
        Some(Self { key, address })
    }

    /// The wallet of a key written in hex, with or without `0x`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("0x").to_ascii_lowercase();
        Self::from_bytes(&HEXLOWER.decode(text.as_bytes()).ok()?)
    }

    /// The address with the letter case that EIP-55 gives it.
    #[must_use]
    pub fn address(&self) -> String {
        eip55(&HEXLOWER.encode(&self.address))
    }

    /// The address in lower case.
    #[must_use]
    pub fn lower_address(&self) -> String {
        format!("0x{}", HEXLOWER.encode(&self.address))
    }

    /// The private key, for whoever has to sign as this wallet again.
    #[must_use]
    pub fn key_hex(&self) -> secrecy::SecretString {
        HEXLOWER.encode(&self.key.to_bytes()).into()
    }

    /// Signs a text: 65 bytes, `r`, `s` and a recovery byte of 27 or 28.
    #[must_use]
    pub fn sign(&self, text: &str, how: SignAs) -> [u8; 65] {
        self.sign_digest(&digest(text.as_bytes(), how))
    }

    /// Signs a text as wallets do, drawing signatures until the byte at this place is zero: one in 256 is.
    pub fn sign_with_zero(
        &self,
        text: &str,
        at: usize,
        rng: &mut (impl rand::CryptoRng + ?Sized),
    ) -> Option<[u8; 65]> {
        let digest = digest(text.as_bytes(), SignAs::Personal);
        (0..8_192).find_map(|_| {
            let (signature, recovery) = self.key.sign_prehash_recoverable_with_rng(rng, &digest).ok()?;
            let mut bytes = [0; 65];
            bytes[..64].copy_from_slice(&signature.to_bytes());
            bytes[64] = 27 + recovery.to_byte();
            (bytes.get(at) == Some(&0)).then_some(bytes)
        })
    }

    fn sign_digest(&self, digest: &[u8; 32]) -> [u8; 65] {
        let mut bytes = [0; 65];
        let (signature, recovery) = self.key.sign_prehash_recoverable(digest);
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + recovery.to_byte();
        bytes
    }
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// An address with the letter case that EIP-55 gives it; `None` for what is no address.
#[must_use]
pub fn checksummed(address: &str) -> Option<String> {
    let digits = address.strip_prefix("0x")?;
    let plain = digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| eip55(&digits.to_ascii_lowercase()))
}

/// Forty hex digits in lower case, as EIP-55 writes them.
fn eip55(lower: &str) -> String {
    let hash = Keccak256::digest(lower.as_bytes());
    let cased = lower.chars().enumerate().map(|(index, letter)| {
        let nibble = if index % 2 == 0 { hash[index / 2] >> 4 } else { hash[index / 2] & 15 };
        if nibble >= 8 { letter.to_ascii_uppercase() } else { letter }
    });
    std::iter::once('0').chain(std::iter::once('x')).chain(cased).collect()
}

/// A signature as wallets write it: `0x` and 130 lower-case hex digits.
#[must_use]
pub fn signature_hex(bytes: &[u8]) -> String {
    format!("0x{}", HEXLOWER.encode(bytes))
}

/// The other signature that verifies for the same text and key: `s` negated, recovery bit flipped (EIP-2).
#[must_use]
pub fn high_s_twin(signature: &[u8; 65]) -> [u8; 65] {
    // Order of the group minus s, in big-endian arithmetic.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
        0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let mut twin = *signature;
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let mut difference = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        if difference < 0 {
            difference += 256;
        }
        twin[32 + index] = u8::try_from(difference).unwrap_or_default();
    }
    twin[64] = if signature[64] == 27 { 28 } else { 27 };
    twin
}

/// The signature in the 64 bytes of EIP-2098: the recovery bit in the top bit of `s`.
#[must_use]
pub fn compact(signature: &[u8; 65]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes.copy_from_slice(&signature[..64]);
    if signature[64] == 28 {
        bytes[32] |= 0x80;
    }
    bytes
}

/// Who signed a text, read back from the signature; only tests of this side need it.
#[must_use]
pub fn recover(text: &str, signature: &[u8; 65]) -> Option<String> {
    let parsed = Signature::from_slice(&signature[..64]).ok()?;
    let recovery = RecoveryId::from_byte(signature[64].checked_sub(27)?)?;
    let key = k256::ecdsa::VerifyingKey::recover_from_prehash(
        &digest(text.as_bytes(), SignAs::Personal),
        &parsed,
        recovery,
    )
    .ok()?;
    let hash = Keccak256::digest(&key.to_sec1_point(false).as_bytes()[1..]);
    Some(format!("0x{}", HEXLOWER.encode(&hash[12..])))
}

fn digest(text: &[u8], how: SignAs) -> [u8; 32] {
    match how {
        SignAs::Personal => Keccak256::digest(prefixed(text, text.len())).into(),
        SignAs::Unprefixed => Keccak256::digest(text).into(),
        SignAs::WrongLength => Keccak256::digest(prefixed(text, text.len() + 1)).into(),
        SignAs::Prehashed => Keccak256::digest(prefixed(&Keccak256::digest(text), 32)).into(),
        SignAs::HexDecoded => {
            let bytes = HEXLOWER.decode(text).unwrap_or_else(|_| text.iter().rev().copied().collect());
            Keccak256::digest(prefixed(&bytes, bytes.len())).into()
        }
        SignAs::Sha3 => Sha3_256::digest(prefixed(text, text.len())).into(),
        SignAs::Sha256 => sha2::Sha256::digest(text).into(),
        SignAs::Bitcoin => {
            let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            let message = [b"\x18Bitcoin Signed Message:\n".as_slice(), &[length], text].concat();
            sha2::Sha256::digest(sha2::Sha256::digest(message)).into()
        }
        SignAs::OtherPrefix => {
            let length = text.len().to_string();
            let message = [b"\x18Bitcoin Signed Message:\n".as_slice(), length.as_bytes(), text].concat();
            Keccak256::digest(message).into()
        }
        SignAs::Raw => {
            let mut bytes = [0; 32];
            let length = text.len().min(32);
            bytes[..length].copy_from_slice(&text[..length]);
            bytes
        }
        SignAs::Characters => {
            let characters = String::from_utf8_lossy(text).chars().count();
            Keccak256::digest(prefixed(text, characters)).into()
        }
        SignAs::TypedData => {
            let domain =
                [Keccak256::digest(b"EIP712Domain(string name)"), Keccak256::digest(b"Login")].concat();
            let message = [Keccak256::digest(b"Login(string text)"), Keccak256::digest(text)].concat();
            let parts = [Keccak256::digest(domain), Keccak256::digest(message)].concat();
            Keccak256::digest([b"\x19\x01".as_slice(), &parts].concat()).into()
        }
        SignAs::Transaction => Keccak256::digest(transaction(text)).into(),
        SignAs::Validator => Keccak256::digest([b"\x19\x00".as_slice(), &[0; 20], text].concat()).into(),
    }
}

/// A transaction before it is signed, in RLP: nonce, price, limit, receiver, value, and the text as data.
fn transaction(text: &[u8]) -> Vec<u8> {
    let length = |base: u8, length: usize| match u8::try_from(length) {
        Ok(short @ ..=55) => vec![base + short],
        _ => {
            let bytes = length.to_be_bytes();
            let bytes = &bytes[bytes.iter().position(|byte| *byte > 0).unwrap_or(0)..];
            [&[base + 55 + u8::try_from(bytes.len()).unwrap_or(8)], bytes].concat()
        }
    };
    // Nonce 0, gas price 1, gas limit 21,000; a receiver of 20 bytes; value 0.
    let fields =
        [b"\x80\x01\x82\x52\x08\x94".as_slice(), &[0; 20], b"\x80", &length(0x80, text.len()), text].concat();
    [length(0xc0, fields.len()), fields].concat()
}

fn prefixed(text: &[u8], length: usize) -> Vec<u8> {
    [b"\x19Ethereum Signed Message:\n", length.to_string().as_bytes(), text].concat()
}

/// Lower-case hex of a hash over the text.
#[must_use]
pub fn hash_hex(hash: countersign_spec::Concat, text: &str) -> String {
    use countersign_spec::Concat;
    match hash {
        Concat::Sha3_224 => HEXLOWER.encode(&Sha3_224::digest(text)),
        Concat::Sha3_256 => HEXLOWER.encode(&Sha3_256::digest(text)),
        Concat::Keccak256 => HEXLOWER.encode(&Keccak256::digest(text)),
        Concat::Sha256 => HEXLOWER.encode(&sha2::Sha256::digest(text)),
    }
}

/// The pre-standard sibling of a documented hash, the classic mistake; where there is none, another hash of that length.
#[must_use]
pub fn sibling_hash_hex(hash: countersign_spec::Concat, text: &str) -> String {
    use countersign_spec::Concat;
    match hash {
        Concat::Sha3_224 => HEXLOWER.encode(&sha3::Keccak224::digest(text)),
        Concat::Sha3_256 => HEXLOWER.encode(&Keccak256::digest(text)),
        Concat::Keccak256 | Concat::Sha256 => HEXLOWER.encode(&Sha3_256::digest(text)),
    }
}

/// The hash of the same length from another generation of the standard.
#[must_use]
pub fn older_hash_hex(hash: countersign_spec::Concat, text: &str) -> String {
    use countersign_spec::Concat;
    match hash {
        Concat::Sha3_224 => HEXLOWER.encode(&sha2::Sha224::digest(text)),
        Concat::Sha3_256 | Concat::Keccak256 => HEXLOWER.encode(&sha2::Sha256::digest(text)),
        Concat::Sha256 => HEXLOWER.encode(&Keccak256::digest(text)),
    }
}

/// A key registered at login, which signs later requests.
#[derive(Clone)]
pub struct LoginKey(ed25519_dalek::SigningKey);

impl LoginKey {
    /// A key from this source of chance.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut seed = [0_u8; 32];
        rng.fill_bytes(&mut seed);
        Self::from_seed(&seed)
    }

    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public key: 64 lower-case hex digits.
    #[must_use]
    pub fn public_hex(&self) -> String {
        HEXLOWER.encode(self.0.verifying_key().as_bytes())
    }

    /// Signature of a text in standard base64 with padding.
    #[must_use]
    pub fn sign_base64(&self, text: &str) -> String {
        use base64::Engine as _;
        use ed25519_dalek::Signer as _;
        base64::engine::general_purpose::STANDARD.encode(self.0.sign(text.as_bytes()).to_bytes())
    }
}

impl std::fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LoginKey").field(&self.public_hex()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_spec::Concat;

    /// The key that the web3 documentation made well known.
    fn known() -> Wallet {
        Wallet::from_hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318").unwrap()
    }

    #[test]
    fn the_known_key_has_its_checksummed_address() {
        assert_eq!(known().address(), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
        assert_eq!(checksummed(&known().lower_address()), Some(known().address()));
        for none in
            ["0x12", "2c7536e3605d9c16a7a3d7b1898e529396a65c23", "0xzz7536e3605d9c16a7a3d7b1898e529396a65c23"]
        {
            assert_eq!(checksummed(none), None);
        }
    }

    #[test]
    fn the_known_secret_is_signed_as_the_known_signature() {
        let text = "b1e069cab9827c08700280b6ed1151fe";
        let right = "0xc894b1b9b34227cc7e0a8541ccc1687b3ac548cfc8e007c4927b8a8b53f27b1d0337998fbfaaacf2fead0b99b4b3a1c068962cf93987d3a22fe9e92c1efe8a9d1c";
        let wrong = "0x53ad52bdd342dbffdcf2886ac1884b4ca94fe2710157be6862d81a8829fcfc9a33e03a51af19dc5fa3386a7bdb6166e3833c2a149f011d49bc2e601f39a532a51c";
        assert_eq!(signature_hex(&known().sign(text, SignAs::Personal)), right);
        assert_eq!(signature_hex(&known().sign(text, SignAs::HexDecoded)), wrong);
        let signed = known().sign(text, SignAs::Personal);
        assert_eq!(recover(text, &signed), Some(known().lower_address()));
    }

    #[test]
    fn the_twin_has_another_s_and_adds_up_to_the_order() {
        let signature = known().sign("text", SignAs::Personal);
        let twin = high_s_twin(&signature);
        assert_ne!(signature, twin);
        assert_eq!(high_s_twin(&twin), signature);
    }

    #[test]
    fn no_two_ways_to_sign_agree() {
        let ways = [
            SignAs::Personal,
            SignAs::Characters,
            SignAs::TypedData,
            SignAs::Transaction,
            SignAs::Validator,
            SignAs::Unprefixed,
        ];
        let digests: std::collections::BTreeSet<[u8; 32]> =
            ways.iter().map(|how| digest("Züge".as_bytes(), *how)).collect();
        assert_eq!(digests.len(), ways.len());
        assert_eq!(digest(b"plain", SignAs::Characters), digest(b"plain", SignAs::Personal));
    }

    #[test]
    fn the_hashes_are_those_of_the_vectors() {
        assert_eq!(
            hash_hex(Concat::Sha3_224, ""),
            "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7"
        );
        let input = "user:3fasdf324234ed2551959daabd77706ba02a97c523513a2ceaed10e4275bd6eth0x123456160000000";
        let right = "34353007d61748309804db9b3035646fcb291c5fb834edd3210772d7";
        let wrong = "5760b9707c95f45f1ea965c269ada594b5b0261a8bf1dc3993c42ffd";
        assert_eq!(hash_hex(Concat::Sha3_224, input), right);
        assert_eq!(sibling_hash_hex(Concat::Sha3_224, input), wrong);
    }

    #[test]
    fn the_login_key_signs_as_rfc_8032_does() {
        let seed =
            HEXLOWER.decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = LoginKey::from_seed(&seed.try_into().unwrap());
        let right =
            "ofuc323rbSHZ2//4tXrWZOhj9G/lywuW20mSns/jtZIetVJiMdm2FjmVHH830i/4oPpfSGZY87a1aSNt7DBpCQ==";
        assert_eq!(key.sign_base64("user:abc1656991509327"), right);
    }
}
