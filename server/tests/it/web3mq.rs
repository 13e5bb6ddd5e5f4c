//! Document 001.

use super::support::{Answer, Server, Wallet, hex, unhex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_server::schemes::{Settings, Web3mqSettings};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha3::{Digest as _, Sha3_224};

struct User {
    wallet: Wallet,
    key: SigningKey,
    userid: String,
    timestamp: u64,
}

impl User {
    fn new(number: u8) -> Self {
        let wallet = Wallet::new(number);
        let userid = format!("user:{}", hex(&Sha3_224::digest(&wallet.address)));
        Self { wallet, key: SigningKey::from_bytes(&[number; 32]), userid, timestamp: 1_700_000_000_000 }
    }

    fn with_key(&self, number: u8) -> Self {
        let (wallet, userid) = (Wallet::of(&[self.wallet_number(); 32]), self.userid.clone());
        Self { wallet, key: SigningKey::from_bytes(&[number; 32]), userid, timestamp: self.timestamp }
    }

    fn wallet_number(&self) -> u8 {
        (1..=255).find(|number| Wallet::new(*number).address == self.wallet.address).unwrap()
    }

    fn pubkey(&self) -> String {
        hex(self.key.verifying_key().as_bytes())
    }

    fn body(&self) -> Value {
        json!({
            "userid": self.userid, "did_type": "eth", "did_value": self.wallet.address, "timestamp": self.timestamp,
            "pubkey_type": "ed25519", "pubkey_value": self.pubkey(), "nickname": "n", "testnet_access_key": "",
        })
    }

    /// The body with a nonce over its members and a signature over this layout.
    fn signed(&self, layout: &str) -> Value {
        let mut body = self.body();
        let address = body["did_value"].as_str().unwrap().to_owned();
        let text = layout.replace("{address}", &address).replace("{nonce}", &nonce(&body));
        body["did_signature"] = self.wallet.sign(text.as_bytes()).into();
        body["signature_content"] = text.into();
        body
    }
}

const DOCUMENT: &str = "Web3MQ wants you to sign in with your Ethereum account:\n{address}\nFor Web3MQ login\nURI: https://x\nVersion: 1\n\nNonce: {nonce}\nIssued At: 01/02/2023 03:04";
const NPM: &str = "Web3MQ wants you to sign in with your Ethereum account:\n{address}\nFor Web3MQ login\nURI: https://x\nVersion: 1\nNonce: {nonce}\nIssued At: 01/02/2023 13:04";
const ANDROID: &str = "Web3MQ wants you to sign in with your Ethereum account: \n{address} \nFor Web3MQ registration \nURI: x \nVersion: 1 \nNonce: {nonce} \nIssued At: 01/02/2023 03:04";

fn nonce(body: &Value) -> String {
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let members = ["userid", "pubkey_type", "pubkey_value", "did_type", "did_value"].map(text).concat();
    hex(&Sha3_224::digest(format!("{members}{}", body["timestamp"])))
}

fn log_in(server: &Server, body: &Value) -> Answer {
    let answer = server.post("/api/user_login/", body);
    assert_eq!(answer.checked(), 200);
    answer
}

fn accepted(server: &Server, body: &Value) {
    let answer = log_in(server, body).json();
    assert_eq!(answer["code"], 0, "{answer}");
    assert_eq!(
        answer["data"],
        json!({ "userid": body["userid"], "did_value": body["did_value"], "did_type": "eth" })
    );
}

fn refused(server: &Server, body: &Value) {
    let answer = log_in(server, body).json();
    assert_ne!(answer["code"], 0, "{body}");
    assert!(answer["msg"].is_string());
    assert!(answer.get("data").is_none_or(Value::is_null));
}

fn profile(server: &Server, user: &User, timestamp: u64) -> Value {
    let signature =
        STANDARD.encode(user.key.sign(format!("{}{timestamp}", user.userid).as_bytes()).to_bytes());
    let encoded = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let path =
        format!("/api/my_profile/?userid={}&timestamp={timestamp}&web3mq_signature={encoded}", user.userid);
    let got = server.send("GET", &path, &[], b"");
    let posted = server.post(
        "/api/my_profile/",
        &json!({ "userid": user.userid, "timestamp": timestamp, "web3mq_signature": signature }),
    );
    assert_eq!((got.checked(), posted.checked()), (200, 200));
    assert_eq!(got.json(), posted.json());
    got.json()
}

#[test]
fn every_clients_text_registers_a_key_that_then_signs() {
    let server = Server::start();
    for (number, layout) in [(1, DOCUMENT), (2, NPM), (3, ANDROID)] {
        let user = User::new(number);
        accepted(&server, &user.signed(layout));
        let profile = profile(&server, &user, server.now_millis());
        assert_eq!(profile["code"], 0);
        for (name, value) in [("userid", &user.userid), ("did_value", &user.wallet.address)] {
            assert_eq!(profile["data"][name], value.as_str());
        }
        assert_eq!(profile["data"]["nickname"], "n");
    }
}

#[test]
fn a_checksum_address_is_bound_and_echoed_as_sent() {
    let server = Server::start();
    let wallet = Wallet::of(&unhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"));
    let mut body = User::new(4).body();
    body["did_value"] = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23".into();
    let text = DOCUMENT.replace("{address}", &wallet.address).replace("{nonce}", &nonce(&body));
    body["did_signature"] = wallet.sign(text.as_bytes()).into();
    body["signature_content"] = text.into();
    accepted(&server, &body);
}

#[test]
fn whatever_the_nonce_binds_cannot_be_changed_after_signing() {
    let server = Server::start();
    let user = User::new(5);
    let good = user.signed(DOCUMENT);
    let other = User::new(6);
    for (name, value) in [
        ("userid", json!("user:other")),
        ("timestamp", json!(user.timestamp + 1)),
        ("pubkey_value", json!(other.pubkey())),
        ("pubkey_value", json!(user.pubkey().to_uppercase())),
        ("did_value", json!(other.wallet.address)),
        ("did_type", json!("starknet")),
        ("pubkey_type", json!("secp256k1")),
        ("did_signature", json!(other.wallet.sign(good["signature_content"].as_str().unwrap().as_bytes()))),
        ("signature_content", json!(format!("{} ", good["signature_content"].as_str().unwrap()))),
    ] {
        let mut body = good.clone();
        body[name] = value;
        refused(&server, &body);
    }
    accepted(&server, &good);
}

#[test]
fn members_are_required_and_of_their_type() {
    let server = Server::start();
    let good = User::new(7).signed(DOCUMENT);
    for name in good.as_object().unwrap().keys().filter(|name| *name != "nickname") {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(name);
        refused(&server, &body);
        let mut body = good.clone();
        body[name] = Value::Null;
        refused(&server, &body);
    }
    for timestamp in [json!("1700000000000"), json!(-1), json!(1.5), json!(1e30)] {
        let mut body = good.clone();
        body["timestamp"] = timestamp;
        refused(&server, &body);
    }
}

#[test]
fn texts_that_lack_the_nonce_or_the_address_are_refused() {
    let server = Server::start();
    let user = User::new(8);
    for layout in ["{nonce}", "{address}", "{address} {nonce_upper}"] {
        let mut body = user.signed(layout);
        let text = body["signature_content"]
            .as_str()
            .unwrap()
            .replace("{nonce_upper}", &nonce(&body).to_uppercase());
        body["did_signature"] = user.wallet.sign(text.as_bytes()).into();
        body["signature_content"] = text.into();
        refused(&server, &body);
    }
    let mut body = user.body();
    let members = format!(
        "{}{}{}{}{}{}",
        user.userid,
        "ed25519",
        user.pubkey(),
        "eth",
        user.wallet.address,
        user.timestamp
    );
    let text = format!("{} {}", user.wallet.address, hex(&sha3::Keccak224::digest(members)));
    body["did_signature"] = user.wallet.sign(text.as_bytes()).into();
    body["signature_content"] = text.into();
    refused(&server, &body);
}

#[test]
fn headers_are_optional_and_must_agree_when_sent() {
    let server = Server::start();
    let user = User::new(9);
    let body = user.signed(DOCUMENT).to_string();
    let code = |pubkey: &str, didkey: &str| {
        let headers =
            [("Content-Type", "application/json"), ("web3mq-request-pubkey", pubkey), ("didkey", didkey)];
        server.send("POST", "/api/user_login/", &headers, body.as_bytes()).json()["code"].as_i64().unwrap()
    };
    let (pubkey, didkey) = (user.pubkey(), format!("eth:{}", user.wallet.address));
    assert_eq!(code(&pubkey, &didkey), 0);
    assert_eq!(code("", ""), 0);
    assert_eq!(code(&pubkey, &didkey.to_uppercase()), 0);
    assert_ne!(code(&User::new(10).pubkey(), &didkey), 0);
    assert_ne!(code(&pubkey, "eth:0x00"), 0);
}

#[test]
fn weak_keys_are_not_registered() {
    let server = Server::start();
    let user = User::new(11);
    for weak in [
        format!("01{}", "00".repeat(31)),
        "00".repeat(32),
        "ff".repeat(32),
        format!("ec{}7f", "ff".repeat(30)),
    ] {
        let mut body = user.body();
        body["pubkey_value"] = weak.into();
        let text = format!("{} {}", user.wallet.address, nonce(&body));
        body["did_signature"] = user.wallet.sign(text.as_bytes()).into();
        body["signature_content"] = text.into();
        refused(&server, &body);
    }
}

#[test]
fn a_userid_stays_with_its_wallet_and_the_wallet_may_change_its_key() {
    let server = Server::start();
    let owner = User::new(12);
    accepted(&server, &owner.signed(DOCUMENT));
    let thief = User { userid: owner.userid.clone(), ..User::new(13) };
    refused(&server, &thief.signed(DOCUMENT));
    assert_eq!(profile(&server, &owner, server.now_millis())["code"], 0);

    let first_login = owner.signed(DOCUMENT);
    let renewed = User { timestamp: owner.timestamp + 1, ..owner.with_key(99) };
    accepted(&server, &renewed.signed(DOCUMENT));
    assert_eq!(profile(&server, &renewed, server.now_millis())["code"], 0);
    assert_ne!(profile(&server, &owner, server.now_millis())["code"], 0, "the old key is replaced");
    refused(&server, &first_login);
    assert_eq!(
        profile(&server, &renewed, server.now_millis())["code"],
        0,
        "a recorded login brings no old key back"
    );
}

#[test]
fn a_profile_needs_the_registered_keys_signature_over_exactly_its_members() {
    let server = Server::start();
    let user = User::new(14);
    let now = server.now_millis();
    assert_ne!(profile(&server, &user, now)["code"], 0, "nobody is registered yet");
    accepted(&server, &user.signed(DOCUMENT));
    let stranger = User { userid: user.userid.clone(), ..User::new(15) };
    assert_ne!(profile(&server, &stranger, now)["code"], 0);
    let good = STANDARD.encode(user.key.sign(format!("{}{now}", user.userid).as_bytes()).to_bytes());
    for (userid, timestamp, signature) in [
        (user.userid.clone(), now + 1, good.clone()),
        (format!("{}x", user.userid), now, good.clone()),
        (user.userid.clone(), now, hex(&STANDARD.decode(&good).unwrap())),
        (user.userid.clone(), now, STANDARD.encode([0; 64])),
        (user.userid.clone(), now, String::new()),
    ] {
        let body = json!({ "userid": userid, "timestamp": timestamp, "web3mq_signature": signature });
        assert_ne!(server.post("/api/my_profile/", &body).json()["code"], 0);
    }
    for body in [json!({}), json!({ "userid": user.userid }), json!([1])] {
        assert_ne!(server.post("/api/my_profile/", &body).json()["code"], 0);
    }
    for query in ["", "?userid=a&userid=b", "?userid=%ff", "?userid=a&timestamp=x&web3mq_signature=x"] {
        assert_ne!(server.send("GET", &format!("/api/my_profile/{query}"), &[], b"").json()["code"], 0);
    }
}

#[test]
fn anybody_finds_a_registered_wallet_and_nobody_else() {
    let server = Server::start();
    let user = User::new(16);
    let find = |address: &str| {
        server
            .post("/api/get_user_info/", &json!({ "did_type": "eth", "did_value": address, "timestamp": 1 }))
    };
    let unknown = find(&user.wallet.address);
    assert_eq!((unknown.checked(), unknown.json()), (200, json!({ "code": 404, "msg": "User not found" })));
    accepted(&server, &user.signed(DOCUMENT));
    let found = find(&format!("0x{}", user.wallet.address[2..].to_uppercase())).json();
    assert_eq!((&found["code"], &found["data"]["userid"]), (&json!(0), &json!(user.userid)));
    let text = found.to_string();
    assert!(!text.contains("signature"), "what was signed is not shown: {text}");
    assert_ne!(find("0x12").json()["code"], 0);
}

#[test]
fn an_operators_access_key_is_asked_for_when_set() {
    let web3mq = Web3mqSettings { testnet_access_key: Some("open".into()), ..Web3mqSettings::default() };
    let server = Server::with(&Settings { web3mq, ..Settings::default() }, |builder| builder);
    let mut body = User::new(17).signed(DOCUMENT);
    refused(&server, &body);
    body["testnet_access_key"] = "open".into();
    accepted(&server, &body);
}

#[test]
fn a_signed_request_is_good_for_a_day_on_either_side_of_our_clock() {
    let server = Server::with(&Settings::default(), |builder| builder);
    let user = User::new(18);
    accepted(&server, &user.signed(DOCUMENT));
    let (now, hour) = (server.now_millis(), 3_600_000);
    for (timestamp, good) in [
        (now, true),
        (now - 23 * hour, true),
        (now + 23 * hour, true),
        (now - 25 * hour, false),
        (now + 25 * hour, false),
        (0, false),
    ] {
        assert_eq!(profile(&server, &user, timestamp)["code"] == 0, good, "{timestamp} at {now}");
    }
}
