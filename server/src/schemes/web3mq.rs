//! Document 001, Web3MQ: a wallet signs a text that binds an ed25519 key, and that key signs every later request.
//!
//! Published clients sign different texts, so the text is never compared with the document's: it must carry the nonce,
//! which binds every member that matters, and the address. What is wrong travels as HTTP 200 with another code.

use crate::error::{Denied, LoginError, Malformed, Why};
use crate::scheme::{
    Body, Cx, Grants, LoginScheme, Never, Proven, Refusal, Refused, Registration, Said, Step, Subject, Use,
};
use crate::wallet::ed25519;
use crate::wallet::eip191::{self, Address};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha3::{Digest as _, Sha3_224};
use std::borrow::Cow;
use subtle::ConstantTimeEq as _;

/// `[scheme.web3mq]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Web3mqSettings {
    /// The operator's key for the test network; any text, also none, is taken if this is absent.
    #[serde(serialize_with = "crate::config::hidden")]
    #[schemars(with = "Option<crate::config::Secret>")]
    pub testnet_access_key: Option<String>,
    /// Seconds by which the timestamp of a signed request may differ from our clock.
    pub timestamp_window: u64,
}

impl Default for Web3mqSettings {
    fn default() -> Self {
        Self { testnet_access_key: None, timestamp_window: 24 * 3_600 }
    }
}

/// The scheme.
#[derive(Debug)]
pub struct Web3mq {
    settings: Web3mqSettings,
}

impl Web3mq {
    /// The scheme with these settings.
    #[must_use]
    pub const fn new(settings: Web3mqSettings) -> Self {
        Self { settings }
    }
}

/// `POST /api/user_login/`
#[derive(Debug, Deserialize)]
pub struct Login {
    //= web3mq.login.userid
    //= web3mq.login.userid-opaque
    //= web3mq.login.required-members
    userid: String,
    //= web3mq.login.did-type
    did_type: String,
    //= web3mq.login.did-value
    //= web3mq.login.did-value-as-sent
    did_value: String,
    //= web3mq.login.timestamp
    //= web3mq.login.timestamp-integer
    //= web3mq.login.timestamp-age
    timestamp: u64,
    //= web3mq.login.did-signature
    did_signature: String,
    //= web3mq.login.signature-content
    signature_content: String,
    //= web3mq.login.pubkey-type
    pubkey_type: String,
    //= web3mq.login.pubkey-value
    pubkey_value: String,
    #[serde(default)]
    //= web3mq.login.nickname
    //= web3mq.login.optional-members
    //= web3mq.login.misspelt-nickname
    nickname: Option<String>,
    #[serde(default)]
    //= web3mq.login.avatar-url
    avatar_url: Option<String>,
    //= web3mq.login.testnet-access-key
    testnet_access_key: String,
}

/// `POST /api/get_user_info/`
#[derive(Debug, Deserialize)]
pub struct Lookup {
    //= web3mq.lookup.did-type
    did_type: String,
    //= web3mq.lookup.did-value
    did_value: String,
}

impl LoginScheme for Web3mq {
    const ID: &'static str = "web3mq";
    const OPERATIONS: &'static [(&'static str, Step)] = &[
        //= web3mq.lookup.endpoint
        //= web3mq.lookup.without-proof
        //= web3mq.lookup.timestamp
        ("get_user_info", Step::Lookup),
        //= web3mq.login.endpoint
        //= web3mq.login.trailing-slash
        ("user_login", Step::Login),
        //= web3mq.profile.endpoint
        ("my_profile", Step::Protected),
    ];

    type Start = Never;
    type Pending = Never;
    type Answer = Login;
    type Query = Lookup;

    fn grants(&self) -> Grants {
        Grants::Key { window: self.settings.timestamp_window }
    }

    fn claims<'s>(&self, _: &'s Subject, _: Use) -> Cow<'s, Map<String, Value>> {
        Cow::Owned(Map::new())
    }

    async fn proceed(&self, cx: &Cx<'_>, _: Option<Never>, input: Login) -> Result<Proven, LoginError> {
        let refused = |reason: &'static str| LoginError::new(Denied::Proof, reason);
        let invalid = |reason: &'static str| LoginError::new(Malformed::Invalid, reason);
        //= web3mq.login.other-did-type
        //= web3mq.login.other-pubkey-type
        if input.did_type != "eth" || input.pubkey_type != "ed25519" {
            return Err(invalid("another kind of wallet or key"));
        }
        if input.userid.len() > LONGEST {
            return Err(invalid("the userid is too long"));
        }
        //= web3mq.login.did-value-malformed
        let address = Address::parse(&input.did_value).ok_or_else(|| invalid("did_value is no address"))?;
        //= web3mq.key.malformed
        //= web3mq.key.weak
        //= web3mq.key.wrapped-form
        let key = key(&input.pubkey_value)
            .ok_or_else(|| invalid("pubkey_value is no key that may be registered"))?;
        //= web3mq.login.testnet-access-key-empty
        if let Some(expected) = &self.settings.testnet_access_key
            && !bool::from(expected.as_bytes().ct_eq(input.testnet_access_key.as_bytes()))
        {
            return Err(LoginError::new(Denied::Credentials, "another testnet_access_key"));
        }
        headers_agree(cx, &input)?;

        //= web3mq.nonce.in-text
        //= web3mq.text.clients-differ
        //= web3mq.text.issued-at-not-compared
        if !input.signature_content.contains(&nonce(&input)) {
            return Err(refused("the signed text lacks the nonce of these members"));
        }
        //= web3mq.text.address
        //= web3mq.text.address-any-case
        if !input.signature_content.to_ascii_lowercase().contains(&address.to_string()) {
            return Err(refused("the signed text lacks the address"));
        }
        //= web3mq.proof.signer
        //= web3mq.proof.text
        if eip191::signer(input.signature_content.as_bytes(), &input.did_signature) != Some(address) {
            return Err(refused("the wallet did not sign signature_content"));
        }
        let notes = [("nickname", input.nickname), ("avatar_url", input.avatar_url)];
        let notes = notes
            .into_iter()
            .filter_map(|(name, note)| Some((name, note.filter(|note| note.len() <= 4 * LONGEST)?)));
        let facts = [
            ("did_type", input.did_type),
            ("did_value", input.did_value),
            ("pubkey_type", input.pubkey_type),
            ("pubkey", input.pubkey_value),
        ];
        let mut attributes: Map<String, Value> =
            facts.into_iter().chain(notes).map(|(name, value)| (name.to_owned(), value.into())).collect();
        attributes.insert("timestamp".into(), input.timestamp.into());
        Ok(Proven {
            subject: Subject { id: input.userid, attributes },
            //= web3mq.login.userid-not-taken-over
            //= web3mq.login.again
            key: Some(Registration { owner: owner(address), key, stamp: input.timestamp }),
        })
    }

    async fn look_up(&self, cx: &Cx<'_>, input: Lookup) -> Result<Subject, LoginError> {
        let unknown = || LoginError::new(Denied::UnknownUser, "nobody registered with that wallet");
        let address =
            Some(&input.did_value).filter(|_| input.did_type == "eth").and_then(|text| Address::parse(text));
        //= web3mq.lookup.userid
        cx.registered_by(&owner(address.ok_or_else(unknown)?)).await?.ok_or_else(unknown)
    }

    fn say(&self, said: &Said<'_>) -> Option<Body> {
        let data = match said {
            Said::LoggedIn { subject, .. } => {
                let fact = |name: &str| subject.attributes.get(name);
                //= web3mq.answer.data
                //= web3mq.answer.userid
                //= web3mq.answer.did-value
                //= web3mq.answer.did-type
                //= web3mq.answer.own-account
                json!({ "userid": subject.id, "did_value": fact("did_value"), "did_type": fact("did_type") })
            }
            //= web3mq.profile.own
            Said::Own { subject } => about(subject),
            Said::Found { subject } => {
                // What was signed is not shown: whoever has it could register that key again.
                //= web3mq.lookup.did-value-answer
                //= web3mq.lookup.did-type-answer
                let mut data = about(subject);
                data["wallet_address"] = data["did_value"].clone();
                data["wallet_type"] = data["did_type"].clone();
                data
            }
            _ => return None,
        };
        //= web3mq.answer.status
        //= web3mq.answer.code
        //= web3mq.answer.msg
        //= web3mq.answer.message-text
        let mut answer = json!({ "code": 0, "msg": "ok" });
        // Put in: the macro would copy it.
        answer["data"] = data;
        Some(answer.into())
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        let (status, code, msg) = match refusal.why {
            Why::Denied(Denied::UnknownUser) => {
                // The family's own answer to this has no data.
                //= web3mq.lookup.unknown
                return Refused {
                    status: 200,
                    body: json!({ "code": 404, "msg": "User not found" }),
                    authenticate: None,
                };
            }
            Why::Denied(Denied::NameTaken) => (200, 409, "The userid belongs to another wallet"),
            Why::Denied(Denied::Credentials) => (200, 403, "Wrong testnet_access_key"),
            //= web3mq.failure.status
            //= web3mq.failure.status-plain
            //= web3mq.failure.msg
            Why::Denied(_) => (200, 401, "Wrong signature"),
            Why::Malformed(Malformed::Invalid) => (200, 400, "A required parameter is missing or malformed"),
            why => (why.status(), why.status(), why.phrase()),
        };
        //= web3mq.failure.code
        //= web3mq.failure.data
        //= web3mq.failure.no-account
        Refused { status, body: json!({ "code": code, "msg": msg, "data": null }), authenticate: None }
    }
}

/// Bytes a userid may have.
const LONGEST: usize = 256;

fn about(subject: &Subject) -> Value {
    let mut data = subject.attributes.clone();
    data.insert("userid".into(), subject.id.as_str().into());
    Value::Object(data)
}

fn owner(address: Address) -> String {
    format!("eth:{address}")
}

fn key(hex: &str) -> Option<[u8; 32]> {
    //= web3mq.key.raw-form
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()?;
    ed25519::registrable(&bytes).map(|_| bytes)
}

/// The hash that binds the login's members: FIPS-202 SHA3-224 in lower-case hex, over the texts as they were sent.
fn nonce(login: &Login) -> String {
    let Login { userid, pubkey_type, pubkey_value, did_type, did_value, timestamp, .. } = login;
    //= web3mq.nonce.members
    //= web3mq.nonce.joined
    let members = format!("{userid}{pubkey_type}{pubkey_value}{did_type}{did_value}{timestamp}");
    //= web3mq.nonce.hash
    //= web3mq.nonce.lower-hex
    data_encoding::HEXLOWER.encode(&Sha3_224::digest(members))
}

/// Headers the document calls required and no client of it sends: absent and empty are alike, anything else must agree.
fn headers_agree(cx: &Cx<'_>, login: &Login) -> Result<(), LoginError> {
    let did = format!("{}:{}", login.did_type, login.did_value);
    //= web3mq.login.header-pubkey
    //= web3mq.login.header-didkey
    for (name, expected) in [("web3mq-request-pubkey", &login.pubkey_value), ("didkey", &did)] {
        let sent = cx.header(name).unwrap_or_default();
        //= web3mq.login.headers-empty
        //= web3mq.login.headers-agree
        if !sent.is_empty() && !sent.eq_ignore_ascii_case(expected) {
            return Err(LoginError::new(
                Denied::Proof,
                format!("the header {name} says something else than the body"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_of_the_documents_sample_is_met() {
        let login = Login {
            userid: "user:3fasdf324234".into(),
            pubkey_type: "ed25519".into(),
            pubkey_value: "59daabd77706ba02a97c523513a2ceaed10e4275bd6".into(),
            did_type: "eth".into(),
            did_value: "0x123456".into(),
            timestamp: 160_000_000,
            did_signature: String::new(),
            signature_content: String::new(),
            nickname: None,
            avatar_url: None,
            testnet_access_key: String::new(),
        };
        let keccak = "5760b9707c95f45f1ea965c269ada594b5b0261a8bf1dc3993c42ffd";
        assert_eq!(nonce(&login), "34353007d61748309804db9b3035646fcb291c5fb834edd3210772d7");
        assert_ne!(nonce(&login), keccak);
    }

    #[test]
    fn keys_are_thirty_two_bytes_of_a_good_point() {
        let good = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(key(good).is_some() && key(&good.to_uppercase()).is_some());
        let small = format!("01{}", "00".repeat(31));
        for bad in ["", &good[..62], &format!("{good}00"), &format!("0x{good}"), &small, &"zz".repeat(32)] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }
}
