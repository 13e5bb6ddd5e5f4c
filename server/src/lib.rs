//! A login server in which every scheme is a plugin behind one token issuer.
//!
//! A scheme implements [`scheme::LoginScheme`]: how its messages are read, how a proof is judged, how answers look. Routes
//! come from its folder of the specification; single use of challenges, tokens, refresh, accounts and storage are the
//! framework's. What is put together is a [`Login`], a `tower` service over HTTP requests.
//!
//! ```
//! use countersign_server::Login;
//! use countersign_server::env::{SystemClock, SystemRandom};
//! use countersign_server::password::{Cost, Passwords};
//! use countersign_server::schemes::Settings;
//! use countersign_server::store::MemoryStore;
//! use countersign_server::token::{KeyRing, LocalKey};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let secret = *b"a secret of at least 32 random bytes";
//! let login = Login::builder()
//!     .store(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
//!     .keys(KeyRing::new(Arc::new(LocalKey::hs256(&secret)?)))
//!     .passwords(Passwords::start(Cost::FLOOR, 2, 64, Arc::new(SystemRandom))?)
//!     .all_schemes(&Settings::default())
//!     .build()?;
//! # drop(login);
//! # Ok(())
//! # }
//! ```
//!
//! Under hyper [`http::serve::serve`] accepts connections for it, with [`http::tls`] over TLS. In an axum application it is a
//! fallback service; whoever accepts connections himself puts a [`client::Peer`] into each request's extensions, so that
//! limits tell clients apart. `examples/axum.rs` does, and `examples/badge.rs` is a sixth scheme from its specification to
//! its door.
//!
//! # The way of a request
//!
//! Each module calls only those after it: [`http`] finds the route and judges the bytes, [`service`] hands members to a
//! scheme of any type, the engine takes one step (single use, attempt limits, tokens), [`schemes`] judge the proof,
//! [`token`] issues, [`store`] keeps. [`client`] says who asks and [`limits`] how often he may. [`env`](mod@env) is time and chance, passed in everywhere; [`error`] sorts what goes
//! wrong by blame. [`observer`] carries who watches: [`audit`] writes down what happened, [`metrics`] counts it, and [`admin`] shows that to
//! operators. [`cli`], [`config`] and [`settings`] make a program of it, and [`dev`] is what only a development server has.
//!
//! **Only [`http`] knows HTTP. Only [`token`] makes tokens. No scheme sees the store.**

pub mod accounts;
pub mod admin;
pub mod audit;
mod body;
pub mod cli;
pub mod client;
pub mod config;
pub mod dev;
mod engine;
pub mod env;
pub mod error;
pub mod http;
mod json;
pub mod limits;
mod log;
mod login;
pub mod metrics;
mod nonces;
pub mod observer;
pub mod password;
mod pem;
mod scan;
pub mod scheme;
pub mod schemes;
pub mod service;
pub mod settings;
pub mod store;
pub mod token;
pub mod wallet;

pub use login::{BuildError, Builder, Login};
