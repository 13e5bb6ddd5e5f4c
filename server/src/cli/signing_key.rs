//! The keys that sign tokens: given, kept, or made.

use super::folder::store_kind;
use super::given_secrets::GivenSecrets;
use super::{Args, Problem, told};
use crate::config::{Config, StoreKind};
use crate::env::{Clock, Random};
use crate::store::Store;
use crate::token::KeyRing;
use crate::token::ring::{Follower, Following, KeptRing, KeyFile, RingError, RingHome, SealedRing};
use std::path::Path;
use std::sync::Arc;

/// The keys of a server, and what keeps them up to date for as long as it is held.
pub(super) struct SigningKeys {
    pub(super) ring: KeyRing,
    pub(super) following: Option<Following>,
}

/// The keys that the configuration gives, or those kept where it says; made where there are none.
pub(super) async fn signing_keys(
    args: &Args,
    config: &Config,
    folder: Option<&Path>,
    store: &Arc<dyn Store>,
    clock: &dyn Clock,
    random: &Arc<dyn Random>,
) -> Result<SigningKeys, Problem> {
    let algorithm = config.token.algorithm;
    if let Some(given) = GivenSecrets::of(config)? {
        let ring = KeyRing::of(given.keys()?);
        return Ok(SigningKeys { following: given.follow(ring.clone()), ring });
    }
    let now = clock.now();
    let fresh = || KeptRing::fresh(algorithm, now, random.as_ref());
    let Some(home) = ring_home(config, folder, store, random)? else {
        let keys = fresh().and_then(|ring| ring.open()).map_err(told)?;
        return Ok(SigningKeys { ring: KeyRing::of(keys), following: None });
    };
    let alone = matches!(store_kind(args, config), StoreKind::Embedded | StoreKind::Memory);
    if matches!(home, RingHome::File(_)) && !alone {
        tracing::warn!(
            "the signing keys are in this server's folder, so no other replica takes its tokens: give all the same token.ring_secret"
        );
    }
    let mut waits = false;
    let take = |was: Option<KeptRing>| {
        let Some(mut ring) = was else { return fresh() };
        ring.prepare(algorithm, now, random.as_ref())?;
        waits = ring.open()?.current().algorithm() != algorithm.name();
        Ok::<_, RingError>(ring)
    };
    let ring = home.update(take).await.map_err(told)?;
    if waits {
        tracing::warn!(
            algorithm = algorithm.name(),
            "another token.algorithm is published and signs after the next `countersign-server keys rotate`"
        );
    }
    let follower = Follower::new(home, &ring).map_err(told)?;
    Ok(SigningKeys { ring: follower.keys(), following: Some(follower.run()) })
}

/// Where keys are kept; nothing where they live as long as the program.
pub(super) fn ring_home(
    config: &Config,
    folder: Option<&Path>,
    store: &Arc<dyn Store>,
    random: &Arc<dyn Random>,
) -> Result<Option<RingHome>, Problem> {
    if let Some(secret) = &config.token.ring_secret {
        let secret = secret.resolve("token.ring_secret").map_err(told)?;
        let sealed = SealedRing::new(store.clone(), &secret, &config.token.issuer, random.clone());
        return Ok(Some(RingHome::Sealed(sealed.map_err(told)?)));
    }
    Ok(folder.map(|folder| RingHome::File(KeyFile::new(folder))))
}
