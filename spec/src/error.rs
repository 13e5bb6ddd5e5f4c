//! Mistakes in specification folders: which file, which key, how to mend it.

/// One mistake in a specification folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}: {problem}")]
pub struct SpecError {
    /// The file, relative to the folder that was read.
    pub file: String,
    /// The key, JSON pointer or clause id in it.
    pub key: String,
    /// What is wrong and how to mend it.
    pub problem: String,
}

/// Every mistake found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SpecErrors(pub Vec<SpecError>);

/// Collects mistakes while reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<SpecError>);

impl Mistakes {
    pub(crate) fn add(&mut self, file: &str, key: &str, problem: impl Into<String>) {
        self.0.push(SpecError { file: file.to_owned(), key: key.to_owned(), problem: problem.into() });
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value, if nothing was wrong.
    pub(crate) fn or(self, value: crate::Spec) -> Result<crate::Spec, SpecErrors> {
        if self.0.is_empty() { Ok(value) } else { Err(SpecErrors(self.0)) }
    }
}

/// ` (did you mean x?)`, or nothing where no known word is near.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default()
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 2)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not_offered() {
        assert_eq!(nearest("pasword", &["username", "password"]), Some("password"));
        assert_eq!(nearest("zzz", &["username", "password"]), None);
    }
}
