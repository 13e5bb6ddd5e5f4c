//! Making tokens: everything in one follows from who it is for, from when, and from the policy.

use super::claims::{Own, Word, Written};
use super::family::{self, AccountEpoch, Family};
use super::{Issuer, Policy, RefreshToken, Renewal, Subject, TokenRules, Tokens, Use, jwt};
use crate::env::{Timestamp, random_bytes};
use crate::error::LoginError;
use base64_simd::URL_SAFE_NO_PAD;
use std::borrow::Cow;

impl Issuer {
    pub(super) fn fresh_id(&self) -> Result<String, LoginError> {
        //= common.flow.distinct-tokens
        //= common.challenge.unpredictable
        Ok(URL_SAFE_NO_PAD.encode_to_string(random_bytes::<16>(self.random.as_ref())?))
    }

    /// Both tokens of a generation. Everything in them follows from the family, so that every caller that is given this
    /// generation is given the same bytes.
    pub(super) fn pair(
        &self,
        rules: &dyn TokenRules,
        session: &str,
        family: &Family,
    ) -> Result<Tokens, LoginError> {
        let Renewal::Rotate { lifetime, .. } = rules.policy().renewal else {
            return Err(LoginError::internal("a pair for a scheme without refresh tokens"));
        };
        let identity = Identity::Member { session, generation: family.generation };
        let over = self.sessions.limits.end(family.began_at);
        let mut tokens =
            self.access(rules, &family.subject, family.issued_at, over, identity, Some(&family.kid))?;
        let lifetime = cut(family.issued_at, self.sessions.limits.refresh_lifetime(lifetime), over);
        let own = rules.claims(&family.subject, Use::Refresh);
        let issued = family.issued_at.secs();
        let id = identity.token_id(Use::Refresh);
        let mut claims = Written::new(&own);
        self.bind(&mut claims, rules, &family.subject, Use::Refresh, identity, &id);
        //= common.token.fresh-times
        claims.set(Own::Iat, Word::Whole(issued));
        claims.set(Own::Exp, Word::Whole(issued + lifetime));
        let token = jwt::encode(&self.keys.now().writer_of(&family.kid), &claims.json())?;
        tokens.refresh = Some(RefreshToken { token, lifetime });
        Ok(tokens)
    }

    /// The access token of a scheme that keeps nothing, for somebody who logged in then.
    pub(super) fn reissued(
        &self,
        rules: &dyn TokenRules,
        subject: &Subject,
        now: Timestamp,
        login: Timestamp,
        account: Option<&AccountEpoch>,
    ) -> Result<Tokens, LoginError> {
        // A name like a request's: whoever guesses it has no token, for that is signed.
        let id = URL_SAFE_NO_PAD.encode_to_string(self.nonces.draw()?);
        let over = self.sessions.limits.reissue_end(login);
        self.access(rules, subject, now, over, Identity::Alone { id: &id, login, account }, None)
    }

    fn access(
        &self,
        rules: &dyn TokenRules,
        subject: &Subject,
        now: Timestamp,
        over: Timestamp,
        identity: Identity<'_>,
        kid: Option<&str>,
    ) -> Result<Tokens, LoginError> {
        let policy = rules.policy();
        let issued = now.secs();
        //= common.token.lifetime-stated
        //= common.refresh.new-lifetime
        let lifetime = cut(now, policy.lifetime, over);
        let ends = issued + lifetime;
        let own = rules.claims(subject, Use::Access);
        let id = identity.token_id(Use::Access);
        let mut claims = Written::new(&own);
        self.bind(&mut claims, rules, subject, Use::Access, identity, &id);
        claims.set(Own::Iat, Word::Whole(issued));
        claims.set_named(policy.began, Word::Whole(issued));
        // A reader that knows only `exp` must not refuse a token that can still be exchanged.
        let exp = match policy.renewal {
            Renewal::Reissue { window, .. } if policy.ends != "exp" => (ends + window).min(over.secs()),
            _ => ends,
        };
        claims.set(Own::Exp, Word::Whole(exp));
        claims.set_named(policy.ends, Word::Whole(ends));
        let payload = claims.json();
        let keys = self.keys.now();
        let writer = kid.map_or_else(|| keys.writer(), |kid| keys.writer_of(kid));
        let access = jwt::encode(&writer, &payload)?;
        Ok(Tokens { access, lifetime, ends: Timestamp::from_secs(ends), refresh: None })
    }

    fn bind<'a>(
        &'a self,
        claims: &mut Written<'a>,
        rules: &'a dyn TokenRules,
        subject: &'a Subject,
        r#use: Use,
        identity: Identity<'a>,
        id: &'a str,
    ) {
        claims.set(Own::Iss, Word::Text(&self.name));
        //= common.token.other-scheme
        //= common.refresh.other-scheme
        claims.set(Own::Aud, Word::Text(rules.id()));
        //= common.refresh.keeps-identity
        claims.set(Own::Sub, Word::Text(&subject.id));
        //= common.refresh.not-an-access-token
        //= common.refresh.not-for-access
        //= ethgas.token.refresh-token-is-none
        claims.set(Own::Use, Word::Text(r#use.name()));
        claims.set(Own::Jti, Word::Text(id));
        match identity {
            Identity::Alone { login, account, .. } => {
                claims.set(Own::AuthTime, Word::Whole(login.secs()));
                if let Some(AccountEpoch { name, epoch }) = account {
                    claims.set(Own::Acc, Word::Text(name));
                    claims.set(Own::Epoch, Word::Whole(*epoch));
                }
            }
            Identity::Member { session, generation } => {
                claims.set(Own::Sid, Word::Text(session));
                claims.set(Own::Gen, Word::Whole(generation));
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Identity<'a> {
    Alone { id: &'a str, login: Timestamp, account: Option<&'a AccountEpoch> },
    Member { session: &'a str, generation: u64 },
}

impl<'a> Identity<'a> {
    /// The `jti` of its token for this use.
    fn token_id(self, r#use: Use) -> Cow<'a, str> {
        match self {
            Identity::Alone { id, .. } => Cow::Borrowed(id),
            Identity::Member { session, generation } => {
                Cow::Owned(family::token_id(session, generation, r#use.name()))
            }
        }
    }
}

/// Seconds a token lasts that must not outlive its session.
fn cut(issued: Timestamp, lifetime: u64, over: Timestamp) -> u64 {
    lifetime.min(over.secs().saturating_sub(issued.secs()))
}

/// When nothing of the family can be good any more.
pub(super) fn keep_until(policy: Policy, family: &Family) -> Timestamp {
    let Renewal::Rotate { lifetime, .. } = policy.renewal else { return family.issued_at };
    let last = family.issued_at.plus_secs(lifetime.max(policy.lifetime));
    last.max(family.extended_until(family.generation)).plus_secs(1)
}
