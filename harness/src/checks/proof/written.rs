//! Where a server reads whole texts, it hashes them as they are written: letter by letter, byte by byte.

use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::flow::Attempt;
use crate::wallet::SignAs;
use countersign_spec::Text;

/// A site whose name and path have more bytes than characters.
const FOREIGN: &str = "https://b\u{fc}cher.example/\u{1f511}";

/// Adds the check of texts as they are written, where texts beside the usual one are documented.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.proof.other_texts.is_empty() {
        return;
    }
    checks
        .add(
            Group::Proof,
            "a text is signed as it is written",
            &["common.proof.prefix-length", "common.proof.text-is-signed"],
            |cx| {
                let actor = cx.actor()?;
                let mut taken = 0;
                for text in cx.scheme.proof.other_texts.clone() {
                    let plain = lower(&text);
                    let beyond = "with characters beyond ASCII";
                    // Servers that read no texts, or this one not, have their reasons: then there is nothing to write.
                    if send(cx, &actor, &plain)?.accepted() {
                        for (what, other) in
                            [("with capitals", with_capitals(&plain)), (beyond, with_line(&plain, FOREIGN))]
                        {
                            let answer = send(cx, &actor, &other)?;
                            let did = format!(
                                "signed the text that {} writes {what}, having logged in with it without",
                                text.name
                            );
                            cx.must_accept(&answer, &did)?;
                        }
                    } else if send(cx, &actor, &text)?.accepted() {
                        // A server that looks for the labels as they are written may hold the URI against a grammar,
                        // too. One that takes it is asked how it counts.
                        let foreign = with_line(&text, FOREIGN);
                        let attempt = Attempt {
                            form: Some(foreign),
                            sign_as: SignAs::Characters,
                            ..cx.attempt(&actor)?
                        };
                        let answer = cx.send_attempt(&attempt)?;
                        let did = format!(
                            "signed the text that {} writes {beyond}, its length counted in characters",
                            text.name
                        );
                        cx.must_refuse(&answer, &did)?;
                    } else {
                        continue;
                    }
                    taken += 1;
                }
                if taken == 0 {
                    return Err(Stop::NotApplicable(
                        "the target takes no text but the bare challenge".to_owned(),
                    ));
                }
                Ok(())
            },
        )
        .at_most(countersign_spec::Level::Should)
        .family("signature", 2);
}

fn send<'t>(cx: &mut Context<'t>, actor: &Actor, form: &Text) -> Result<Answer<'t>, Stop> {
    let attempt = Attempt { form: Some(form.clone()), ..cx.attempt(actor)? };
    cx.send_attempt(&attempt)
}

/// The text in lower case; what stands in braces is filled in later.
fn lower(text: &Text) -> Text {
    let mut inside = false;
    let template = text
        .template
        .chars()
        .map(|c| {
            inside = (inside || c == '{') && c != '}';
            if inside { c } else { c.to_ascii_lowercase() }
        })
        .collect();
    Text { template, ..text.clone() }
}

/// The text with capitals where people read it.
fn with_capitals(text: &Text) -> Text {
    let template =
        text.template.replace("sign in", "Sign In").replace("uri:", "URI:").replace("nonce:", "Nonce:");
    Text { template, ..text.clone() }
}

/// The text with another site.
fn with_line(text: &Text, site: &str) -> Text {
    Text { template: text.template.replace("{uri}", site), ..text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_keeps_its_name() {
        let scheme = countersign_spec::Spec::embedded().scheme("swapchat").unwrap();
        for text in &scheme.proof.other_texts {
            let plain = lower(text);
            assert!(
                plain.template.contains("{address}") && plain.template.contains("uri: {uri}"),
                "{}",
                plain.template
            );
            assert_ne!(with_capitals(&plain).template, plain.template);
            assert_ne!(with_line(&plain, "x").template, plain.template);
        }
    }
}
