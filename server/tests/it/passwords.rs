//! A flood of passwords costs the flooder.

use super::support::{Answer, Server, account};
use countersign_server::client::{ForwardedHeader, Proxies};
use countersign_server::env::SystemRandom;
use countersign_server::password::{Cost, Passwords};
use countersign_server::schemes::Settings;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn from(server: &Server, client: &str, path: &str, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json"), ("X-Forwarded-For", client)];
    server.send("POST", path, &headers, body.to_string().as_bytes())
}

#[test]
fn while_one_source_floods_the_pool_others_log_in_and_challenges_are_answered() {
    let slow = Cost { memory_kib: 8 * 1024, passes: 3, lanes: 1 };
    let loopback = ["127.0.0.0/8".parse().unwrap()];
    let server = Server::with(&Settings::default(), |builder| {
        builder
            .passwords(Passwords::start(slow, 1, 4, Arc::new(SystemRandom)).unwrap())
            .proxies(Proxies::new(&loopback, ForwardedHeader::XForwardedFor))
    });
    let (username, password) = account("ethgas");
    let right = json!({ "username": username, "password": password });
    let wrong = json!({ "username": "nobody", "password": "a guess" });
    let wallet = json!({ "wallet_address": format!("0x{}", "1".repeat(40)) });
    let done = AtomicBool::new(false);
    let flood = |done: &AtomicBool| {
        let mut statuses = Vec::new();
        while !done.load(Ordering::SeqCst) && statuses.len() < 100_000 {
            let answer = from(&server, "198.51.100.1", "/api/v1/user/login", &wrong);
            if answer.status == 503 {
                assert_eq!(
                    (answer.header("retry-after"), answer.json()["code"].clone()),
                    (Some("1"), json!(503))
                );
            }
            statuses.push(answer.status);
        }
        statuses
    };
    let (flooded, logins, challenges) = std::thread::scope(|scope| {
        let flooders: Vec<_> = (0..12).map(|_| scope.spawn(|| flood(&done))).collect();
        let logins: Vec<u16> =
            (0..10).map(|_| from(&server, "192.0.2.1", "/api/v1/user/login", &right).status).collect();
        let challenges: Vec<Value> = (0..50)
            .map(|_| from(&server, "192.0.2.1", "/login_random_secret", &wallet).json()["code"].clone())
            .collect();
        done.store(true, Ordering::SeqCst);
        let flooded: Vec<u16> = flooders.into_iter().flat_map(|flooder| flooder.join().unwrap()).collect();
        (flooded, logins, challenges)
    });
    assert_eq!(logins, [200; 10]);
    assert_eq!(challenges, vec![json!(0); 50]);
    assert!(flooded.iter().all(|status| [401, 503].contains(status)), "{flooded:?}");
    assert!(flooded.contains(&503) && flooded.contains(&401), "{} of the flood", flooded.len());
}
