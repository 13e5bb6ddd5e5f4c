//! What can be asked: operations, their requests and their outcomes.

use super::{Field, Place, Role, StatusPattern};
use serde::Deserialize;

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Asks for something to sign.
    Challenge,
    /// Looks an account up without proof.
    Lookup,
    /// Presents the proof.
    Login,
    /// Needs the access token (or registered key) and answers with what is the caller's own.
    Protected,
    /// Says whether an access token is good.
    Verify,
    /// Exchanges a token for a new one.
    Refresh,
    /// Ends the session.
    Logout,
}

/// What stands in `Authorization`, or how else a request shows who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Nothing.
    None,
    /// `Bearer` and the access token.
    Access,
    /// `Bearer` and the refresh token.
    Refresh,
    /// A signature by the key registered at login, as [`Operation::signed`] says.
    Signed,
}

/// One operation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Name; profile path overrides use it.
    pub name: String,
    /// What it is for.
    pub step: Step,
    /// HTTP method, upper case.
    pub method: String,
    /// Further methods served alike, their members in the query where the method is GET.
    #[serde(default)]
    pub other_methods: Vec<String>,
    /// Documented path.
    pub path: String,
    /// Further paths under which deployed servers have it.
    #[serde(default)]
    pub other_paths: Vec<String>,
    /// Whether a conforming server may lack it, because the login document only points to it.
    #[serde(default)]
    pub optional: bool,
    /// Whether another page than the login document describes it, as something that takes the access token. A target that
    /// does not let a good token in there does not serve it; one that does is judged by how it treats bad ones.
    #[serde(default)]
    pub sibling: bool,
    /// What authorises it.
    pub auth: Auth,
    /// Whether `auth` may be left out.
    #[serde(default)]
    pub auth_optional: bool,
    /// Present where `auth` is `signed`.
    #[serde(default)]
    pub signed: Option<KeySignature>,
    /// What is sent.
    #[serde(default)]
    pub request: Request,
    /// Other ways in which the same is asked, of which a server must serve at least one.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// What a success looks like.
    pub success: Outcome,
}

impl Operation {
    /// The request field of this role.
    #[must_use]
    pub fn request_field(&self, role: Role) -> Option<&Field> {
        self.request.fields.iter().find(|field| field.role == role)
    }

    /// The answer's field of this role.
    #[must_use]
    pub fn success_field(&self, role: Role) -> Option<&Field> {
        self.success.fields.iter().find(|field| field.role == role)
    }
}

/// An ed25519 signature that authorises a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySignature {
    /// Members whose texts are joined without separators and signed; the signature stands, in standard base64, in the
    /// field with role `signature`.
    pub over: Vec<Place>,
}

/// What an operation is sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Schema of the body; absent where there is none.
    #[serde(default)]
    pub schema: Option<String>,
    /// Encodings of the body a server must or may understand, the documented one first.
    #[serde(default)]
    pub encodings: Vec<Encoding>,
    /// The members that mean something.
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// Another way to ask for the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What it is called in findings.
    pub name: String,
    /// What authorises it.
    pub auth: Auth,
    /// Whether a body is sent.
    pub body: bool,
}

/// What an outcome looks like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// HTTP statuses it may have.
    pub status: Vec<StatusPattern>,
    /// Schema of the body.
    pub schema: String,
    /// The members that mean something.
    #[serde(default)]
    pub fields: Vec<Field>,
}
