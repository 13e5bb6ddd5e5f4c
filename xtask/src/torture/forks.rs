//! Whether two answers to one refresh token make a fork.

use super::caller::{Session, Told};
use std::fmt::{self, Display, Formatter};

/// What two submits of one refresh token at one moment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both were given the same successor.
    Same,
    /// One was given a successor and the other refused.
    OneRefused,
    /// Two successors: a session became two.
    Fork,
    /// Both were refused: the user is logged out for having asked twice.
    Lost,
    /// One of them had no answer, or one that is neither yes nor no.
    Unanswered,
}

/// Judges the answers to two submits.
pub(super) fn judge(first: &Told<Session>, second: &Told<Session>) -> Verdict {
    match (first, second) {
        // The access token may be made anew, though ours is not; what may not be is the refresh token.
        (Told::Done(one), Told::Done(other)) if one.refresh == other.refresh => Verdict::Same,
        (Told::Done(_), Told::Done(_)) => Verdict::Fork,
        (Told::Done(_), Told::Refused) | (Told::Refused, Told::Done(_)) => Verdict::OneRefused,
        (Told::Refused, Told::Refused) => Verdict::Lost,
        _ => Verdict::Unanswered,
    }
}

/// How often each came out.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Submits {
    same: u64,
    one_refused: u64,
    forks: u64,
    lost: u64,
    unanswered: u64,
}

impl Submits {
    /// Judges two answers and counts them.
    pub(super) fn count(&mut self, first: &Told<Session>, second: &Told<Session>) -> Verdict {
        let verdict = judge(first, second);
        let count = match verdict {
            Verdict::Same => &mut self.same,
            Verdict::OneRefused => &mut self.one_refused,
            Verdict::Fork => &mut self.forks,
            Verdict::Lost => &mut self.lost,
            Verdict::Unanswered => &mut self.unanswered,
        };
        *count += 1;
        verdict
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.same += other.same;
        self.one_refused += other.one_refused;
        self.forks += other.forks;
        self.lost += other.lost;
        self.unanswered += other.unanswered;
    }
}

impl Display for Submits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { same, one_refused, forks, lost, unanswered } = self;
        let all = same + one_refused + forks + lost + unanswered;
        write!(
            f,
            "{all} double submits: {same} same successor, {one_refused} one refused, {forks} forks, {lost} lost, {unanswered} unanswered"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(refresh: &str) -> Told<Session> {
        Told::Done(Session { access: "a".to_owned(), refresh: refresh.to_owned() })
    }

    #[test]
    fn two_successors_are_a_fork() {
        assert_eq!(judge(&done("x"), &done("y")), Verdict::Fork);
        assert_eq!(judge(&done("x"), &done("x")), Verdict::Same);
    }

    #[test]
    fn a_refusal_of_one_is_fine_and_of_both_is_not() {
        assert_eq!(judge(&done("x"), &Told::Refused), Verdict::OneRefused);
        assert_eq!(judge(&Told::Refused, &done("x")), Verdict::OneRefused);
        assert_eq!(judge(&Told::Refused, &Told::Refused), Verdict::Lost);
    }

    #[test]
    fn no_answer_is_neither() {
        for other in [Told::Hung, Told::Nothing(String::new()), Told::Later { says_when: true }] {
            assert_eq!(judge(&done("x"), &other), Verdict::Unanswered, "{other:?}");
        }
    }

    #[test]
    fn counts_are_shown() {
        let mut submits = Submits::default();
        submits.count(&done("x"), &done("y"));
        submits.count(&done("x"), &done("x"));
        let mut all = Submits::default();
        all.add(&submits);
        assert_eq!(
            all.to_string(),
            "2 double submits: 1 same successor, 0 one refused, 1 forks, 0 lost, 0 unanswered"
        );
    }
}
