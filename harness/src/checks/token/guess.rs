//! Which of many keys a token was signed with, found without asking the target.
//!
//! The token is laid out in blocks once; a key then costs four compressions more than the token has blocks (RFC 2104). The
//! compression functions are compiled in their own crate, so this is quick in unoptimised builds too.

use super::keys::Key;
use crate::jwt::Jwt;
use sha2::block_api::{compress256, compress512};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// The first of the keys under which the token's signature is the HMAC that its header names; also how many were tried.
/// `None` where the token is not signed by an HMAC at all.
pub(super) fn key_of(jwt: &Jwt, keys: impl Iterator<Item = Key>) -> Option<(Option<Key>, usize)> {
    let input = jwt.signing_input().as_bytes();
    let right: Box<IsKey<'_>> = match (jwt.alg(), jwt.signature.len()) {
        ("HS256", 32) => {
            let mac = Blocks::<64>::new(input, 32);
            Box::new(move |key| mac.sha256(key) == *jwt.signature)
        }
        ("HS384", 48) => {
            let mac = Blocks::<128>::new(input, 48);
            Box::new(move |key| mac.sha512(&SHA384, 48, key)[..48] == *jwt.signature)
        }
        ("HS512", 64) => {
            let mac = Blocks::<128>::new(input, 64);
            Box::new(move |key| mac.sha512(&SHA512, 64, key) == *jwt.signature)
        }
        _ => return None,
    };
    let mut tried = 0;
    let found = { keys }.find(|key| {
        tried += 1;
        right(&key.bytes)
    });
    Some((found, tried))
}

/// Whether these bytes are the key.
type IsKey<'t> = dyn Fn(&[u8]) -> bool + 't;

/// A text as it stands behind one block of key, in blocks of `N` bytes, and the one block in which a digest does.
struct Blocks<const N: usize> {
    text: Vec<[u8; N]>,
    digest: [u8; N],
}

/// Initial values of FIPS 180-4, sections 5.3.3 to 5.3.5.
const SHA256: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const SHA384: [u64; 8] = [
    0xcbbb_9d5d_c105_9ed8,
    0x629a_292a_367c_d507,
    0x9159_015a_3070_dd17,
    0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31,
    0x8eb4_4a87_6858_1511,
    0xdb0c_2e0d_64f9_8fa7,
    0x47b5_481d_befa_4fa4,
];
const SHA512: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

impl<const N: usize> Blocks<N> {
    fn new(text: &[u8], digest: usize) -> Self {
        let digest = Self::padded(&vec![0; digest]).first().copied().unwrap_or([0; N]);
        Self { text: Self::padded(text), digest }
    }

    /// A one, zeros, and the length in bits in the last bytes (FIPS 180-4, section 5.1); the key's block counts.
    fn padded(text: &[u8]) -> Vec<[u8; N]> {
        let room = N / 8;
        let mut padded = text.to_vec();
        padded.push(0x80);
        while padded.len() % N != N - room {
            padded.push(0);
        }
        let bits = (text.len() + N) as u128 * 8;
        padded.extend_from_slice(&bits.to_be_bytes()[16 - room..]);
        padded.chunks_exact(N).map(|chunk| std::array::from_fn(|index| chunk[index])).collect()
    }

    /// The key in one block, combined with the byte of the inner or outer pass.
    fn key(key: &[u8], with: u8) -> [u8; N] {
        let mut block = [with; N];
        for (place, byte) in block.iter_mut().zip(key) {
            *place ^= byte;
        }
        block
    }
}

impl Blocks<64> {
    fn sha256(&self, key: &[u8]) -> [u8; 32] {
        let run = |with: u8, blocks: &[[u8; 64]]| {
            let mut state = SHA256;
            compress256(&mut state, &[Self::key(key, with)]);
            compress256(&mut state, blocks);
            let mut out = [0; 32];
            for (place, word) in out.chunks_exact_mut(4).zip(state) {
                place.copy_from_slice(&word.to_be_bytes());
            }
            out
        };
        if key.len() > 64 {
            return self.sha256(&Sha256::digest(key));
        }
        let mut outer = self.digest;
        outer[..32].copy_from_slice(&run(0x36, &self.text));
        run(0x5c, &[outer])
    }
}

impl Blocks<128> {
    fn sha512(&self, start: &[u64; 8], length: usize, key: &[u8]) -> [u8; 64] {
        let run = |with: u8, blocks: &[[u8; 128]]| {
            let mut state = *start;
            compress512(&mut state, &[Self::key(key, with)]);
            compress512(&mut state, blocks);
            let mut out = [0; 64];
            for (place, word) in out.chunks_exact_mut(8).zip(state) {
                place.copy_from_slice(&word.to_be_bytes());
            }
            out
        };
        if key.len() > 128 {
            let short =
                if length == 48 { Sha384::digest(key).to_vec() } else { Sha512::digest(key).to_vec() };
            return self.sha512(start, length, &short);
        }
        let mut outer = self.digest;
        outer[..length].copy_from_slice(&run(0x36, &self.text)[..length]);
        run(0x5c, &[outer])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};

    fn keys(texts: &[&str]) -> std::vec::IntoIter<Key> {
        texts.iter().map(|text| Key::text((*text).to_owned().into())).collect::<Vec<_>>().into_iter()
    }

    fn signed(alg: &str, claims: &str, mac: impl Fn(&[u8]) -> Vec<u8>) -> Jwt {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#));
        let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(mac(input.as_bytes()));
        Jwt::read(&format!("{input}.{signature}")).unwrap()
    }

    macro_rules! check {
        ($alg:literal, $hash:ty) => {
            // Lengths around one block and the padding of another, keys around one block.
            for length in [0, 1, 40, 63, 64, 65, 90, 150, 400] {
                let claims = format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
                for key in ["", "k", &"k".repeat(64), &"k".repeat(65), &"k".repeat(128), &"k".repeat(129)] {
                    let jwt = signed($alg, &claims, |input| {
                        let mut mac = Hmac::<$hash>::new_from_slice(key.as_bytes()).unwrap();
                        mac.update(input);
                        mac.finalize().into_bytes().to_vec()
                    });
                    let (found, tried) = key_of(&jwt, keys(&["another", key, "last"])).unwrap();
                    assert_eq!((&*found.unwrap().bytes, tried), (key.as_bytes(), 2), "{} {length}", $alg);
                    assert_eq!(key_of(&jwt, keys(&["another"])), Some((None, 1)));
                }
            }
        };
    }

    #[test]
    fn keys_of_all_three_algorithms_are_found() {
        check!("HS256", Sha256);
        check!("HS384", Sha384);
        check!("HS512", Sha512);
    }

    #[test]
    fn other_signatures_have_no_such_key() {
        for (alg, length) in [("ES256", 64), ("EdDSA", 64), ("HS256", 64), ("none", 0)] {
            let jwt = signed(alg, "{}", |_| vec![0; length]);
            assert_eq!(key_of(&jwt, keys(&["secret"])), None, "{alg}");
        }
    }
}
