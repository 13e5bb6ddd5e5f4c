//! Every documented way in which a refresh takes its token: what must be refused is tried in each of them.

use crate::context::{Answer, Context, Session};
use crate::draft::Draft;
use crate::finding::Stop;
use countersign_spec::{Auth, Operation, RefreshTakes, Role, Step, Variant};
use serde_json::json;

/// One documented way to present a token.
#[derive(Debug, Clone, Copy)]
pub enum Form<'s> {
    /// As the operation says first.
    First,
    /// As one of its variants says.
    Other(&'s Variant),
    /// In the body, without the `Authorization` that is optional.
    BodyAlone,
}

impl Form<'_> {
    /// In words, for findings.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::First => "in the first documented form".to_owned(),
            Self::Other(variant) => format!("in the documented form `{}`", variant.name),
            Self::BodyAlone => "in the body alone".to_owned(),
        }
    }
}

impl<'t> Context<'t> {
    /// The documented forms of a refresh.
    ///
    /// # Errors
    /// Not applicable where the scheme has no refresh, or the target serves none.
    pub fn refresh_forms(&self) -> Result<Vec<Form<'t>>, Stop> {
        let operation = self.step(Step::Refresh)?;
        let mut forms = vec![Form::First];
        forms.extend(operation.variants.iter().map(Form::Other));
        if operation.auth_optional && operation.request_field(Role::RefreshToken).is_some() {
            forms.push(Form::BodyAlone);
        }
        Ok(forms)
    }

    /// A refresh that presents this token in this form, beside whatever else a session may add.
    pub fn refresh_in(
        &mut self,
        operation: &'t Operation,
        form: Form<'_>,
        session: &Session<'_>,
        token: &str,
    ) -> Draft {
        let takes = self.scheme.refresh.as_ref().map_or(RefreshTakes::Access, |refresh| refresh.takes);
        let mut draft = self.fill(operation, &session.actor, None);
        let mut body = true;
        match form {
            Form::Other(variant) => {
                body = variant.body;
                if !variant.body {
                    draft.body = None;
                }
                match variant.auth {
                    Auth::Access | Auth::Refresh => draft.authorize(token),
                    Auth::None | Auth::Signed => {}
                }
            }
            Form::First => match (operation.auth, takes) {
                (Auth::Access, RefreshTakes::Refresh) => {
                    draft.authorize(session.access.as_deref().unwrap_or_default());
                }
                (Auth::Access | Auth::Refresh, _) => draft.authorize(token),
                (Auth::None | Auth::Signed, _) => {}
            },
            Form::BodyAlone => {}
        }
        if let (Some(field), true) = (operation.request_field(Role::RefreshToken), body) {
            draft.set(&field.at, json!(token));
        }
        draft
    }

    /// Demands that a refresh with this token is refused in every documented form.
    ///
    /// # Errors
    /// The finding, where one of them lets it in.
    pub fn must_not_refresh(&mut self, session: &Session<'_>, token: &str, did: &str) -> Result<(), Stop> {
        for form in self.refresh_forms()? {
            let answer = self.refresh_by(form, session, token)?;
            self.must_refuse(&answer, &format!("{did}, {}", form.says()))?;
        }
        Ok(())
    }

    /// Refreshes with this token in this form.
    ///
    /// # Errors
    /// As [`Self::refresh_forms`] and [`Self::send`].
    pub fn refresh_by(
        &mut self,
        form: Form<'_>,
        session: &Session<'_>,
        token: &str,
    ) -> Result<Answer<'t>, Stop> {
        let operation = self.step(Step::Refresh)?;
        let draft = self.refresh_in(operation, form, session, token);
        self.send(operation, &draft)
    }
}
