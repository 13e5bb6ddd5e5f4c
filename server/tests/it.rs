//! The server over real HTTP, driven by a client that shares no code with it.
//!
//! One binary, so that it links once. Time is moved, never waited for.

mod it {
    mod accounts;
    #[cfg(unix)]
    mod audit;
    mod browsers;
    mod cbs;
    mod crash;
    mod edge;
    mod ethgas;
    mod examples;
    mod framework;
    mod framing;
    mod fuzz;
    #[cfg(unix)]
    mod given_secrets;
    mod http2;
    mod keys;
    mod limits;
    mod nftrainbow;
    #[cfg(unix)]
    mod operators;
    #[cfg(all(feature = "postgres", feature = "redis"))]
    mod outage;
    mod passwords;
    #[cfg(all(feature = "postgres", feature = "redis"))]
    mod private;
    mod process;
    #[cfg(unix)]
    mod production;
    mod published_vectors;
    #[cfg(unix)]
    mod redaction;
    mod rotation;
    mod settings;
    #[cfg(unix)]
    mod shutdown;
    mod store_dump;
    #[cfg(all(feature = "postgres", feature = "redis", feature = "test-util"))]
    mod store_tls;
    #[cfg(all(feature = "postgres", feature = "redis", feature = "test-util"))]
    mod stores;
    mod support;
    mod swapchat;
    mod tls;
    mod vectors;
    mod web3mq;
}
