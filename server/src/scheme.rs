//! What the author of a login scheme writes.
//!
//! A scheme says how its messages are read, how a proof is judged and how answers look. Routes, single use, attempt
//! limits, tokens and storage are the framework's: a scheme returns a [`Subject`] and can neither mint a token nor touch
//! the store.

use crate::accounts::{Account, Accounts};
pub use crate::body::{Body, Members};
use crate::client::Source;
use crate::env::{Clock, Random, Timestamp, random_bytes};
use crate::error::{LoginError, Why};
use crate::limits::Limits;
use crate::nonces::Nonces;
use crate::store::tables::Registry;
pub use crate::token::{Caller, Policy, Renewal, Subject, Tokens, Use};
pub use countersign_spec::Step;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// One way to log in.
///
/// [`Self::ID`] names a scheme of the specification; [`Self::OPERATIONS`] must be exactly that scheme's operations, which
/// is checked when a server is built. Which method is called follows from an operation's step: `challenge` calls
/// [`Self::start`], `login` calls [`Self::proceed`], `lookup` calls [`Self::look_up`]; the other steps need no code.
///
/// Bodies have passed the operation's schema before a type of the scheme is read from them.
pub trait LoginScheme: Debug + Sized + Send + Sync + 'static {
    /// The scheme's id in the specification.
    const ID: &'static str;

    /// The operations it serves, by name, with the step each takes.
    const OPERATIONS: &'static [(&'static str, Step)];

    /// What asks for a challenge; [`Never`] where there is none.
    type Start: DeserializeOwned + Send;

    /// What is remembered about a challenge, beside whom it is for; [`Never`] where there is none.
    type Pending: Serialize + DeserializeOwned + Send;

    /// What presents a proof.
    type Answer: DeserializeOwned + Send;

    /// What looks an account up; [`Never`] where nothing does.
    type Query: DeserializeOwned + Send;

    /// What a login gives.
    fn grants(&self) -> Grants;

    /// Claims that clients read from a token, beside those the issuer writes.
    fn claims<'s>(&self, subject: &'s Subject, r#use: Use) -> Cow<'s, Map<String, Value>> {
        let _ = r#use;
        Cow::Borrowed(&subject.attributes)
    }

    /// Makes a challenge.
    fn start(
        &self,
        cx: &Cx<'_>,
        input: Self::Start,
    ) -> impl Future<Output = Result<Ask<Self::Pending>, LoginError>> + Send {
        let _ = (cx, input);
        async { Err(unserved()) }
    }

    /// Which challenges this answer may be an answer to. Only schemes with challenges have any; the first that is
    /// outstanding is judged, and used up by success.
    fn answered(&self, input: &Self::Answer) -> Option<Answered> {
        let _ = input;
        None
    }

    /// Judges a proof.
    fn proceed(
        &self,
        cx: &Cx<'_>,
        was: Option<Self::Pending>,
        input: Self::Answer,
    ) -> impl Future<Output = Result<Proven, LoginError>> + Send;

    /// Finds what anybody may know of an account.
    fn look_up(
        &self,
        cx: &Cx<'_>,
        input: Self::Query,
    ) -> impl Future<Output = Result<Subject, LoginError>> + Send {
        let _ = (cx, input);
        async { Err(unserved()) }
    }

    /// Whether a subject may still refresh; says no for accounts that are gone.
    fn welcome(&self, cx: &Cx<'_>, subject: &Subject) -> impl Future<Output = Result<(), LoginError>> + Send {
        let _ = (cx, subject);
        async { Ok(()) }
    }

    /// The body of a success, or nothing for what the scheme has no words for.
    fn say(&self, said: &Said<'_>) -> Option<Body>;

    /// The answer to a refusal, for every step and also for malformed messages.
    fn refuse(&self, refusal: &Refusal<'_>) -> Refused;
}

/// What a login gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// A key is registered, with which later requests are signed.
    Key {
        /// Seconds by which the timestamp of a signed request may differ from our clock.
        window: u64,
    },
    /// Tokens.
    Tokens(Policy),
}

/// A new challenge.
#[derive(Debug)]
pub struct Ask<P> {
    /// Sent to the caller, and how the challenge is found again.
    pub challenge: String,
    /// Whom it is for; an answer must be from the same.
    pub bound_to: String,
    /// Seconds it lasts.
    pub lifetime: u64,
    /// Remembered until then.
    pub pending: P,
}

/// What an answer says it answers.
#[derive(Debug)]
pub struct Answered {
    /// Who answers.
    pub bound_to: String,
    /// Challenges that may be meant.
    pub candidates: Vec<String>,
}

/// Somebody proved who they are.
#[derive(Debug)]
pub struct Proven {
    /// Who.
    pub subject: Subject,
    /// The key to register, where the scheme grants keys.
    pub key: Option<Registration>,
}

impl From<Subject> for Proven {
    fn from(subject: Subject) -> Self {
        Self { subject, key: None }
    }
}

/// A key to register under the subject's id.
#[derive(Debug)]
pub struct Registration {
    /// Who may register under that id from now on, if nobody has yet.
    pub owner: String,
    /// The ed25519 key.
    pub key: [u8; 32],
    /// When the caller says it asked, in milliseconds.
    pub stamp: u64,
}

/// What happened, to be said in the scheme's words.
#[derive(Debug)]
#[non_exhaustive]
pub enum Said<'a> {
    /// A challenge was made.
    Asked {
        /// It.
        challenge: &'a str,
    },
    /// An account was found.
    Found {
        /// Whose.
        subject: &'a Subject,
    },
    /// Somebody logged in.
    LoggedIn {
        /// Who.
        subject: &'a Subject,
        /// What they got, where the scheme grants tokens.
        tokens: Option<&'a Tokens>,
    },
    /// A session was ended.
    LoggedOut,
    /// Somebody asked for what is their own.
    Own {
        /// Who.
        subject: &'a Subject,
    },
    /// Somebody refreshed.
    Renewed {
        /// Who.
        subject: &'a Subject,
        /// What they got; nothing where the tokens at hand live longer.
        tokens: Option<&'a Tokens>,
    },
    /// A token was good.
    Valid {
        /// Whose, and how long.
        caller: &'a Caller,
    },
}

/// A refusal, to be said in the scheme's words.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// What is wrong. The private reason is kept from the scheme, so it cannot leak.
    pub why: Why,
    /// The step that was asked for.
    pub step: Step,
    /// The operation's name.
    pub operation: &'a str,
}

/// A refusal in the scheme's words.
#[derive(Debug)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Value,
    /// `WWW-Authenticate`, where the scheme has its own.
    pub authenticate: Option<&'static str>,
}

/// What a step may use: time, chance, accounts, the request's headers. No store and no issuer.
#[derive(Debug, Clone, Copy)]
pub struct Cx<'a> {
    pub(crate) scheme: &'static str,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a dyn Random,
    pub(crate) nonces: &'a Nonces,
    pub(crate) accounts: &'a Accounts,
    pub(crate) registry: &'a Registry,
    pub(crate) headers: &'a HeaderMap,
    /// The account whose password was right in this step: its sessions end with it, whatever the scheme calls it.
    pub(crate) proven: &'a Mutex<Option<Account>>,
    pub(crate) limits: &'a Limits,
    pub(crate) source: Source,
}

impl Cx<'_> {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Bytes nobody can predict.
    ///
    /// # Errors
    /// When the source fails.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], LoginError> {
        Ok(random_bytes(self.random)?)
    }

    /// 16 bytes nobody can predict, for what is no secret from whoever asks, such as a challenge. Cheaper than
    /// [`Self::random`]: they are drawn ahead, for many at once.
    ///
    /// # Errors
    /// When the source fails.
    pub fn nonce(&self) -> Result<[u8; 16], LoginError> {
        Ok(self.nonces.draw()?)
    }

    /// A header of the request, if it was sent; where it was sent more than once, all its values with commas between.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The account of this name, if the password is its own. An unknown name costs what a known one does and is
    /// refused alike.
    ///
    /// # Errors
    /// [`Denied::Credentials`](crate::error::Denied::Credentials), that there were too many attempts, or that the store or
    /// the hashing pool cannot serve.
    pub async fn log_in(&self, name: &str, password: &str) -> Result<Account, LoginError> {
        let attempt = self.limits.attempt(self.scheme, name, self.source).await?;
        let accounts = self.accounts.on_behalf_of(self.source);
        let account = accounts.log_in(self.scheme, name, password).await?;
        if let Some(attempt) = attempt {
            attempt.succeeded().await;
        }
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(account.clone());
        Ok(account)
    }

    /// Who asks.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The account of this name, if there is one that may log in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account(&self, name: &str) -> Result<Option<Account>, LoginError> {
        self.accounts.find(self.scheme, name).await
    }

    /// Who registered a key first for this owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn registered_by(&self, owner: &str) -> Result<Option<Subject>, LoginError> {
        self.registry.first_of(self.scheme, owner).await
    }
}

/// Stands for a message a scheme does not have. Nothing can be read into it.
#[derive(Debug, Clone, Copy)]
pub enum Never {}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("this scheme has no such message"))
    }
}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

fn unserved() -> LoginError {
    LoginError::internal("the scheme serves no such step")
}
