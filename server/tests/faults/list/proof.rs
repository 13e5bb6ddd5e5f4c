//! Faults of signatures, by wallets and by registered keys.

use super::{accepts, decides, refuses};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Auth, ProofKind, Role, Scheme, Step};
use data_encoding::HEXLOWER_PERMISSIVE;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest as _, Keccak256, Sha3_256};

/// What is put under a signature in place of the documented bytes.
type Hash = fn(&[u8]) -> [u8; 32];

pub(super) fn prefixed(text: &[u8], length: usize) -> Vec<u8> {
    [b"\x19Ethereum Signed Message:\n", length.to_string().as_bytes(), text].concat()
}

pub(super) fn personal(text: &[u8]) -> [u8; 32] {
    Keccak256::digest(prefixed(text, text.len())).into()
}

/// A login as a wallet sends it.
pub(super) struct Signed {
    pub(super) address: String,
    pub(super) text: String,
    signature: Vec<u8>,
    pub(super) written: String,
}

impl Signed {
    pub(super) fn read(seen: &Seen<'_>) -> Option<Self> {
        let text = seen.text(Role::SignedText).or_else(|| seen.text(Role::Challenge))?;
        let written = seen.text(Role::Signature)?;
        let signature = HEXLOWER_PERMISSIVE.decode(written.trim_start_matches("0x").as_bytes());
        let address = seen.text(Role::Address)?;
        Some(Self { address, text, signature: signature.unwrap_or_default(), written })
    }

    /// The address whose key signed this digest.
    pub(super) fn signer(&self, digest: &[u8; 32]) -> Option<String> {
        let (scalars, v) = (self.signature.get(..64)?, self.signature.get(64)?);
        let signature = Signature::from_slice(scalars).ok()?;
        let recovery = RecoveryId::from_byte(v.wrapping_sub(27))?;
        let key = VerifyingKey::recover_from_prehash(digest, &signature, recovery).ok()?;
        let hash = Keccak256::digest(&key.to_sec1_point(false).as_bytes()[1..]);
        Some(format!("0x{}", HEXLOWER_PERMISSIVE.encode(&hash[12..])))
    }

    /// Whether the named wallet signed this.
    pub(super) fn signed(&self, digest: &[u8; 32]) -> bool {
        self.signer(digest).is_some_and(|signer| signer.eq_ignore_ascii_case(&self.address))
    }
}

fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 40
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits.bytes().any(|byte| byte != b'0')
}

const ZERO: &str = "0x0000000000000000000000000000000000000000";

/// Lines of a text without what differs from login to login.
fn shape(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return "a bare challenge".to_owned();
    }
    text.lines().map(|line| line.split([':', '0']).next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    if scheme.proof.kind != ProofKind::Eip191 {
        return Vec::new();
    }
    let Some(login) = scheme.step(Step::Login) else { return Vec::new() };
    let mut list = List { id: scheme.id.clone(), login: login.name.clone(), faults: Vec::new() };
    hashes(&mut list);
    signatures(&mut list);
    addresses(&mut list);
    texts(scheme, &mut list);
    registered(scheme, &mut list);
    forms(&mut list);
    curve(scheme, &mut list);
    list.faults
}

struct List {
    id: String,
    login: String,
    faults: Vec<Fault>,
}

impl List {
    fn trips(&self, sentences: &[&str]) -> Vec<String> {
        let names = sentences.iter().map(|sentence| check(&self.id, "proof", sentence));
        names.filter(|name| exists(name)).collect()
    }

    fn push(
        &mut self,
        name: &str,
        does: &str,
        sentences: &[&str],
        make: impl Fn() -> Bend + Send + Sync + 'static,
    ) {
        let trips = self.trips(sentences);
        if !trips.is_empty() {
            self.faults.push(Fault::new(&self.id, name, does, &trips, make));
        }
    }

    fn accept(&mut self, name: &str, does: &str, sentences: &[&str], when: fn(&Seen<'_>) -> bool) {
        let make = accepts(&self.id, &self.login, when);
        self.push(name, does, sentences, make);
    }

    fn refuse(&mut self, name: &str, does: &str, sentences: &[&str], when: fn(&Seen<'_>) -> bool) {
        let make = refuses(&self.id, &self.login, when);
        self.push(name, does, sentences, make);
    }
}

fn hashes(list: &mut List) {
    let ways: [(&str, &str, Hash); 9] = [
        (
            "signatures without the prefix are good",
            "a signature without the personal prefix is refused",
            |text| Keccak256::digest(text).into(),
        ),
        (
            "the length in the prefix is not looked at",
            "a signature with a wrong length in its prefix is refused",
            |text| Keccak256::digest(prefixed(text, text.len() + 1)).into(),
        ),
        ("signatures over the hash are good", "a signature over the hash of the text is refused", |text| {
            Keccak256::digest(prefixed(&Keccak256::digest(text), 32)).into()
        }),
        ("signatures over decoded hex are good", "a signature over hex decoded bytes is refused", |text| {
            let bytes = HEXLOWER_PERMISSIVE.decode(text).unwrap_or_default();
            Keccak256::digest(prefixed(&bytes, bytes.len())).into()
        }),
        ("SHA3 is taken for Keccak", "a signature over another hash is refused", |text| {
            Sha3_256::digest(prefixed(text, text.len())).into()
        }),
        ("SHA-256 of the text is good", "a signature over sha256 of the text is refused", |text| {
            sha2::Sha256::digest(text).into()
        }),
        (
            "signatures for another chain are good",
            "a signature with the prefix of another chain is refused",
            |text| {
                let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
                let message = [b"\x18Bitcoin Signed Message:\n".as_slice(), &[length], text].concat();
                sha2::Sha256::digest(sha2::Sha256::digest(message)).into()
            },
        ),
        ("any prefix is good", "a signature with a foreign prefix is refused", |text| {
            let length = text.len().to_string();
            let message = [b"\x18Bitcoin Signed Message:\n".as_slice(), length.as_bytes(), text].concat();
            Keccak256::digest(message).into()
        }),
        ("the text is taken for a hash", "a signature over the bytes of the text is refused", |text| {
            let mut bytes = [0; 32];
            let length = text.len().min(32);
            bytes[..length].copy_from_slice(&text[..length]);
            bytes
        }),
    ];
    for (name, sentence, hash) in ways {
        let make = accepts(&list.id, &list.login, move |seen| {
            Signed::read(seen).is_some_and(|signed| signed.signed(&hash(signed.text.as_bytes())))
        });
        list.push(name, "another digest than the documented one is accepted as well", &[sentence], make);
    }
}

fn signatures(list: &mut List) {
    list.accept(
        "signatures are not verified",
        "whatever has the form of a signature is good",
        &[
            "a signature by another wallet is refused",
            "another address beside a good signature is refused",
            "a signature with the other recovery bit is refused",
            "an earlier signature of the wallet is refused",
            "a signature over a part of the text is refused",
        ],
        |seen| Signed::read(seen).is_some_and(|signed| signed.signature.len() == 65),
    );
    list.accept(
        "the signer is not compared with the address",
        "whoever signed the text is let in under any address",
        &["a signature by another wallet is refused", "another address beside a good signature is refused"],
        |seen| {
            Signed::read(seen)
                .is_some_and(|signed| signed.signer(&personal(signed.text.as_bytes())).is_some())
        },
    );
    list.accept(
        "either recovery bit is good",
        "both keys that a signature allows are tried",
        &["a signature with the other recovery bit is refused"],
        |seen| {
            Signed::read(seen).is_some_and(|mut signed| {
                if let Some(v) = signed.signature.get_mut(64) {
                    *v = if *v == 27 { 28 } else { 27 };
                }
                signed.signed(&personal(signed.text.as_bytes()))
            })
        },
    );
    list.accept(
        "malformed signatures are let in",
        "an error of the verifier is taken for a success",
        &["a malformed signature is refused"],
        |seen| {
            Signed::read(seen).is_none_or(|signed| signed.signer(&personal(signed.text.as_bytes())).is_none())
        },
    );
    list.accept(
        "any recovery byte is good",
        "the recovery byte is not looked at",
        &["an impossible recovery byte is refused"],
        |seen| {
            Signed::read(seen).is_some_and(|signed| {
                signed.signature.get(64).is_some_and(|v| ![0, 1, 27, 28].contains(v))
                    && signed.signature.len() == 65
            })
        },
    );
    list.refuse(
        "numbers lose their zeros",
        "signatures whose r or s begins with a zero byte are refused",
        &["a signature whose numbers begin with zeros is accepted"],
        |seen| {
            Signed::read(seen).is_some_and(|signed| {
                signed.signature.first() == Some(&0) || signed.signature.get(32) == Some(&0)
            })
        },
    );
    if let Some(fault) = list.faults.last_mut() {
        // One signature in 128 is refused, whoever makes it.
        fault.broad = true;
    }
    list.refuse(
        "recovery bytes start at 27",
        "recovery bytes 0 and 1 are refused",
        &["a recovery byte of 0 or 1 is accepted"],
        |seen| Signed::read(seen).is_some_and(|signed| signed.signature.get(64).is_some_and(|v| *v < 2)),
    );
    list.accept(
        "signatures are malleable",
        "a high s is accepted",
        &["the high s twin of a signature is refused"],
        |seen| {
            Signed::read(seen)
                .is_some_and(|signed| signed.signature.get(32).is_some_and(|byte| *byte >= 0x80))
        },
    );
    list.refuse(
        "0x is needed",
        "signatures without 0x are refused",
        &["a signature without 0x is accepted"],
        |seen| Signed::read(seen).is_some_and(|signed| !signed.written.starts_with("0x")),
    );
}

fn addresses(list: &mut List) {
    list.accept(
        "nobody is the zero address",
        "a recovery that fails yields the zero address, and that is compared",
        &["a signature that recovers nobody is refused for the zero address"],
        |seen| Signed::read(seen).is_some_and(|signed| signed.address == ZERO),
    );
    list.accept(
        "addresses are not validated",
        "what is no address is let in",
        &["a login for something that is no address is refused"],
        |seen| seen.text(Role::Address).is_some_and(|address| !is_address(&address)),
    );
    list.refuse(
        "addresses lose their zeros",
        "wallets whose address begins with a zero byte are refused",
        &["a wallet whose address begins with zeros logs in"],
        |seen| {
            // The first login is that by which the harness learns whether logins work at all, and its wallet is drawn too.
            let later = seen.memory().count("login") > 1;
            later && seen.text(Role::Address).is_some_and(|at| at.starts_with("0x00") && at != ZERO)
        },
    );
    if let Some(fault) = list.faults.last_mut() {
        // One wallet in 256 is refused, whichever check draws it.
        fault.broad = true;
    }
    list.refuse(
        "addresses must be lower case",
        "upper-case letters in addresses are refused",
        &[
            "an address with its checksum is accepted",
            "an address in upper case is accepted",
            "an address written differently at both steps is the same wallet",
        ],
        |seen| {
            seen.text(Role::Address)
                .is_some_and(|address| address.bytes().skip(2).any(|b| b.is_ascii_uppercase()))
        },
    );
    list.refuse(
        "addresses need their checksum after a while",
        "addresses without upper-case letters are refused from the second login on",
        &["an address in lower case is accepted"],
        |seen| {
            let lower = seen
                .text(Role::Address)
                .is_some_and(|address| !address.bytes().skip(2).any(|b| b.is_ascii_uppercase()));
            lower && seen.memory().count("lower") > 1
        },
    );
    if let Some(fault) = list.faults.last_mut() {
        fault.broad = true;
    }
}

fn texts(scheme: &Scheme, list: &mut List) {
    list.accept(
        "texts are trimmed",
        "white space around the text is dropped before it is verified",
        &["a text changed after signing is refused"],
        |seen| {
            Signed::read(seen).is_some_and(|signed| signed.signed(&personal(signed.text.trim().as_bytes())))
        },
    );
    list.accept(
        "a signed line is enough",
        "a signature over a line of the text is good",
        &["a signature over a part of the text is refused"],
        |seen| {
            Signed::read(seen).is_some_and(|signed| {
                signed.text.lines().any(|line| signed.signed(&personal(line.as_bytes())))
            })
        },
    );
    list.refuse(
        "lengths are counted in characters",
        "texts beyond ASCII are refused",
        &["a text beyond ascii is signed by its bytes"],
        |seen| Signed::read(seen).is_some_and(|signed| !signed.text.is_ascii()),
    );
    for text in &scheme.proof.other_texts {
        let spelt: String = text
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
            .collect();
        let sentence =
            format!("the text of {} is accepted", spelt.split_whitespace().collect::<Vec<_>>().join(" "));
        let make = refuses(&list.id, &list.login, |seen| {
            let Some(signed) = Signed::read(seen) else { return false };
            let shape = shape(&signed.text);
            let mut memory = seen.memory();
            *memory.notes.entry("shape".to_owned()).or_insert_with(|| shape.clone()) != shape
        });
        let name = format!("the text of {} is refused", text.name);
        list.push(&name, "only the documented text is accepted", &[&sentence], make);
    }
    let mut derived: Vec<String> = [
        "a value computed with another hash is refused",
        "a value computed with an older hash is refused",
        "a value computed in another order is refused",
        "a value that is right in its beginning only is refused",
        "a value computed with two members swapped is refused",
        "a value with one character changed is refused",
        "a value cut short is refused",
        "a value computed without one of its members is refused",
        "a computed value in upper case is refused",
        "a text without the computed value is refused",
        "any text of the wallet in place of the documented one is refused",
    ]
    .map(str::to_owned)
    .to_vec();
    for place in &scheme.proof.binds {
        let words = place.name().to_ascii_lowercase().replace('_', " ");
        derived.push(format!("{words} that does not belong to the computed value is refused"));
        derived.push(format!("a login with an unknown {words} is refused although it is signed"));
    }
    // One fault for each, so that no check hides behind another.
    for sentence in derived {
        let make = accepts(&list.id, &list.login, |seen| {
            Signed::read(seen).is_some_and(|signed| signed.signed(&personal(signed.text.as_bytes())))
        });
        let name = format!("the computed value is not looked at so {sentence} fails");
        list.push(&name, "any text that the wallet signed is good", &[&sentence], make);
    }
    list.accept(
        "keys are not validated",
        "what is no ed25519 key is registered",
        &["a login with a key that is none is refused"],
        |seen| {
            seen.text(Role::PublicKey)
                .is_some_and(|key| HEXLOWER_PERMISSIVE.decode(key.as_bytes()).map_or(0, |k| k.len()) != 32)
        },
    );
}

/// Requests that the registered key signs.
fn registered(scheme: &Scheme, list: &mut List) {
    let Some(operation) = scheme.operations.iter().find(|operation| operation.auth == Auth::Signed) else {
        return;
    };
    let name = &operation.name;
    let sentences: [(&str, String); 6] = [
        ("another key", format!("{name} signed by another key is refused")),
        ("another account's key", format!("{name} signed by another account's key is refused")),
        ("another userid", format!("{name} with userid changed after signing is refused")),
        ("another time", format!("{name} with timestamp changed after signing is refused")),
        ("a part of the members", format!("{name} signed over a part of its members is refused")),
        ("nobody's key", format!("{name} for an account that does not exist is refused")),
    ];
    let written = |seen: &Seen<'_>| seen.text(Role::Signature).unwrap_or_default();
    for (what, sentence) in sentences {
        let make = accepts(&list.id, name, move |seen| written(seen).len() == 88);
        list.push(&format!("{name} with {what}"), "request signatures are not verified", &[&sentence], make);
    }
    let make =
        accepts(&list.id, name, move |seen| written(seen).len() != 88 || written(seen).starts_with("AAAA"));
    list.push(
        &format!("{name} without a signature"),
        "requests without a signature are let in",
        &[&format!("{name} without a signature is refused")],
        make,
    );
    let (id, login, used) = (list.id.clone(), list.login.clone(), name.clone());
    list.push(
        "weak keys are registered",
        "a key of small order is registered, and its signatures hold for every text",
        &[&format!("{name} for a weak registered key is refused")],
        move || {
            let (id, login, used) = (id.clone(), login.clone(), used.clone());
            Bend::decide(move |seen| {
                let identity = format!("01{}", "00".repeat(31));
                let registers = seen.is(&id, &login) && seen.text(Role::PublicKey) == Some(identity);
                let uses = seen.is(&id, &used)
                    && seen.text(Role::Signature).is_some_and(|text| text.starts_with("AQAAAAAAAAAA"));
                if registers || uses { Way::Accept } else { Way::Pass }
            })
        },
    );
    let (id, login, used) = (list.id.clone(), list.login.clone(), name.clone());
    list.push(
        "names are taken over",
        "a login under a taken name replaces the owner's key",
        &["a wallet does not take over another wallet's account"],
        move || {
            let (id, login, used) = (id.clone(), login.clone(), used.clone());
            Bend::decide(move |seen| {
                let name = seen.text(Role::Identifier).unwrap_or_default();
                if seen.is(&id, &login) {
                    let address = seen.text(Role::Address).unwrap_or_default();
                    let mut memory = seen.memory();
                    let owner = memory
                        .notes
                        .entry(format!("owner/{name}"))
                        .or_insert_with(|| address.clone())
                        .clone();
                    if owner != address {
                        memory.notes.insert(format!("taken/{name}"), address);
                    }
                }
                let taken = seen.memory().notes.contains_key(&format!("taken/{name}"));
                if seen.is(&id, &used) && taken { Way::Accept } else { Way::Pass }
            })
        },
    );
    let make = decides(
        &list.id,
        &list.login,
        |seen| seen.account().is_some_and(|account| seen.memory().count(&account) > 1),
        || Way::Pretend,
    );
    list.push(
        "the first key stays",
        "later logins of a wallet register no key",
        &["a new login of the wallet registers its new key"],
        make,
    );
}

/// Other things that a wallet signs, and other forms of a signature.
fn forms(list: &mut List) {
    list.accept(
        "whatever a wallet signed is a login",
        "the digest under a signature is not looked at",
        &[
            "a signature over typed data is refused",
            "a signature over a transaction is refused",
            "a signature for a validating contract is refused",
            "a length counted in characters is refused",
        ],
        |seen| Signed::read(seen).is_some_and(|signed| signed.signature.len() == 65),
    );
    list.accept(
        "numbers out of range are let in",
        "a signature that yields no key is taken for a good one",
        &["a signature with numbers out of range is refused"],
        |seen| {
            Signed::read(seen).is_none_or(|signed| signed.signer(&personal(signed.text.as_bytes())).is_none())
        },
    );
    list.accept(
        "signatures are read in every form",
        "a signature is whatever stands in its place",
        &["a signature in another form is refused"],
        |seen| Signed::read(seen).is_some_and(|signed| signed.written.chars().count() != 132),
    );
}

/// What the curve of a registered key allows.
fn curve(scheme: &Scheme, list: &mut List) {
    use base64::Engine as _;
    let Some(operation) = scheme.operations.iter().find(|operation| operation.auth == Auth::Signed) else {
        return;
    };
    let name = &operation.name;
    let bytes = |seen: &Seen<'_>| {
        let written = seen.text(Role::Signature).unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(written).unwrap_or_default()
    };
    let make = accepts(&list.id, name, move |seen| bytes(seen).get(63).is_some_and(|top| *top >= 0x10));
    list.push(
        &format!("{name} takes s beyond the order"),
        "the s of a signature is not held against the order",
        &[&format!("{name} with a signature beyond the order is refused")],
        make,
    );
    let make = accepts(&list.id, name, move |seen| bytes(seen).len() == 64);
    list.push(
        &format!("{name} does not verify what is signed"),
        "any signature of 64 bytes is good",
        &[&format!("{name} signed over the hash of its members is refused")],
        make,
    );
    let make = accepts(&list.id, name, move |seen| matches!(bytes(seen).len(), 63 | 65));
    list.push(
        &format!("{name} takes signatures of any length"),
        "what is too long or too short is let in",
        &[&format!("{name} with a signature of another length is refused")],
        make,
    );
    let (id, login, used) = (list.id.clone(), list.login.clone(), name.clone());
    list.push(
        "all weak keys are registered",
        "a key of small order is registered, however it is written",
        &[&format!("{name} under any key of small order is refused")],
        move || {
            let (id, login, used) = (id.clone(), login.clone(), used.clone());
            Bend::decide(move |seen| {
                let weak = seen.text(Role::PublicKey).is_some_and(|key| key.starts_with("edffff"));
                let registers = seen.is(&id, &login) && weak;
                let forged = |bytes: &[u8]| bytes.len() == 64 && bytes[32..].iter().all(|byte| *byte == 0);
                let uses = seen.is(&id, &used) && forged(&bytes(seen));
                if registers || uses { Way::Accept } else { Way::Pass }
            })
        },
    );
}
