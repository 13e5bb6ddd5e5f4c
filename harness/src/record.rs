//! What a target says on the wire, kept as text that people can read, and compared with what it says later.
//!
//! [`tour`] asks every operation of a scheme rightly and wrongly, always the same. [`redaction`] puts what a value is
//! ([`shape`]) in the place of what differs from run to run and of what is secret; [`varying`] finds the rest of what differs.
//! [`transcript`] is the text, [`folder`] where it lies, [`compare`] says what has changed. The same target leaves the same
//! bytes, whatever the seed and the time.

pub mod compare;
pub mod folder;
pub mod redaction;
pub mod shape;
pub mod tour;
pub mod transcript;
pub mod varying;

use crate::target::Target;
use tour::Trouble;
use transcript::Transcript;

/// What was recorded of a target.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The flows of all schemes, in the order of the specification.
    pub transcripts: Vec<Transcript>,
    /// Schemes that could not be toured, and why.
    pub left_out: Vec<(String, String)>,
    /// Schemes whose login was refused, and what may help; of their flows there is only what needs none.
    pub refused: Vec<(String, String)>,
}

/// Tours these schemes of a target. Each is toured twice, and what differs between the two is shown as varying.
///
/// # Errors
/// Why a tour that had begun could not be completed; half a record would look like a change.
pub fn record(target: &Target, schemes: &[String]) -> Result<Recording, String> {
    let mut recording = Recording::default();
    for scheme in target.spec.schemes().iter().filter(|scheme| schemes.contains(&scheme.id)) {
        let twice = tour::take(target, scheme).and_then(|first| Ok((first, tour::take(target, scheme)?)));
        match twice {
            Ok((first, second)) => {
                if let Some(why) = first.refused {
                    recording.refused.push((scheme.id.clone(), why));
                }
                recording.transcripts.extend(varying::merge(first.transcripts, &second.transcripts));
            }
            Err(Trouble::NotApplicable(reason)) => recording.left_out.push((scheme.id.clone(), reason)),
            Err(Trouble::Broken(reason)) => {
                return Err(format!("{}: the tour could not be completed: {reason}", scheme.id));
            }
        }
    }
    Ok(recording)
}
