//! What the contract says of sessions, without stores, keys or racers.

/// A session as the contract knows it. Times are in seconds.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) who: usize,
    began: u64,
    /// When each generation was made.
    made: Vec<u64>,
    /// How often all sessions of the account had been ended when this one began.
    epoch: u64,
    over: bool,
}

/// What must come of presenting a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every caller gets the one successor, made now.
    Next,
    /// Every caller gets the newest pair again.
    Again,
    /// Every caller is refused.
    Refused,
}

/// Seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) lifetime: u64,
    pub(super) refresh_lifetime: u64,
    pub(super) grace: u64,
    pub(super) absolute: u64,
}

impl Session {
    pub(super) fn begin(who: usize, now: u64, epoch: u64) -> Self {
        Self { who, began: now, made: vec![now], epoch, over: false }
    }

    /// How often it was refreshed.
    pub(super) fn newest(&self) -> usize {
        self.made.len() - 1
    }

    /// Seconds for which a token made then lasts that would last so long.
    fn lasts(&self, rules: Rules, made: u64, lifetime: u64) -> u64 {
        lifetime.min((self.began + rules.absolute).saturating_sub(made))
    }

    /// Whether the access token of a generation is good. `known`: whether its key still is.
    pub(super) fn usable(&self, rules: Rules, generation: usize, now: u64, epoch: u64, known: bool) -> bool {
        let made = self.made[generation];
        let live = now < made + self.lasts(rules, made, rules.lifetime);
        known && live && !self.over && self.epoch == epoch
    }

    /// What comes of presenting the refresh token of a generation, however many callers do so at this moment.
    pub(super) fn present(
        &mut self,
        rules: Rules,
        generation: usize,
        now: u64,
        epoch: u64,
        known: bool,
    ) -> Outcome {
        let made = self.made[generation];
        let live = now < made + self.lasts(rules, made, rules.refresh_lifetime);
        // What is no good token says nothing about the session: anybody could send it.
        if !known || !live || self.over {
            return Outcome::Refused;
        }
        if self.epoch != epoch {
            self.over = true;
            return Outcome::Refused;
        }
        let newest = self.newest();
        if generation == newest {
            self.made.push(now);
            return Outcome::Next;
        }
        if generation + 1 == newest && now <= self.made[newest] + rules.grace {
            return Outcome::Again;
        }
        self.over = true;
        Outcome::Refused
    }

    pub(super) fn end(&mut self) {
        self.over = true;
    }
}
