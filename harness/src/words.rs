//! The words of a signed text that belong to a site, a wallet or the moment, and not to the request.

use crate::context::Context;
use crate::draft::Draft;
use crate::flow::{Attempt, rfc3339};
use crate::wallet;
use countersign_spec::{Operation, Role};
use std::collections::BTreeMap;

impl Context<'_> {
    /// The words that stand in a text: the scheme's, a target's own in their place, and last the attempt's; and who signs,
    /// where no member of the request says it.
    pub(crate) fn text_words(
        &self,
        operation: &Operation,
        draft: &Draft,
        attempt: &Attempt,
    ) -> BTreeMap<String, String> {
        let mut words = self.own_words();
        let named = operation.request_field(Role::Address);
        let address =
            named.map_or_else(|| Some(attempt.actor.address.clone()), |field| draft.text(&field.at));
        if let Some(address) = address {
            let checksummed = wallet::checksummed(&address).unwrap_or_else(|| address.clone());
            words.insert("address_checksum".to_owned(), checksummed);
            words.insert("address".to_owned(), address);
        }
        if let Some(lifetime) = self.scheme.proof.text_lifetime {
            let ends = self.target.now().as_secs().saturating_add(lifetime);
            words.insert("expires_at".to_owned(), rfc3339(ends));
        }
        words.extend(attempt.words.iter().cloned());
        words
    }

    /// The words of texts as this target's own: the scheme's, and the profile's in their place.
    #[must_use]
    pub fn own_words(&self) -> BTreeMap<String, String> {
        let mut words = self.scheme.proof.words.clone();
        if let Some(profile) = self.target.profile.schemes.get(&self.scheme.id) {
            words.extend(profile.words.clone());
        }
        words
    }
}
