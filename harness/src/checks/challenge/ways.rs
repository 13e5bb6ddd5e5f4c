//! Ways to present a challenge: bare, and in the texts that known clients write around it.

use crate::actor::Actor;
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::flow::Attempt;
use countersign_spec::Text;

/// One way.
#[derive(Debug, Clone)]
pub(in crate::checks) struct Way {
    pub(in crate::checks) form: Option<Text>,
    /// What to add to what was done.
    pub(in crate::checks) said: String,
}

impl Way {
    /// A login with this challenge, or where there is none yet with one that is asked for.
    pub(in crate::checks) fn attempt(
        &self,
        cx: &mut Context<'_>,
        actor: &Actor,
        challenge: Option<String>,
    ) -> Result<Attempt, Stop> {
        let challenge = match challenge {
            Some(challenge) => challenge,
            None => cx.challenge(actor)?,
        };
        Ok(Attempt { form: self.form.clone(), ..cx.attempt_with(actor, Some(challenge)) })
    }

    /// Logs in with this challenge.
    pub(in crate::checks) fn send<'t>(
        &self,
        cx: &mut Context<'t>,
        actor: &Actor,
        challenge: &str,
    ) -> Result<Answer<'t>, Stop> {
        let attempt = self.attempt(cx, actor, Some(challenge.to_owned()))?;
        cx.send_attempt(&attempt)
    }
}

/// The usual way, and of the others those by which the target lets somebody in. Each may be read by code of its own, so that
/// what holds of a challenge in one of them need not hold in the next.
pub(in crate::checks) fn ways(cx: &mut Context<'_>) -> Result<Vec<Way>, Stop> {
    let mut ways = vec![Way { form: cx.scheme.proof.text.clone(), said: String::new() }];
    for text in cx.scheme.proof.other_texts.clone() {
        let said = format!(", in the text of {}", text.name);
        let way = Way { form: Some(text), said };
        let actor = cx.actor()?;
        let challenge = cx.challenge(&actor)?;
        if way.send(cx, &actor, &challenge)?.accepted() {
            ways.push(way);
        }
    }
    Ok(ways)
}
