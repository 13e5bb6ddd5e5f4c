//! Words of a text that a server compares with its own: the site, the chain, the version, the end. A signature over a text
//! for somebody else is a good one, and proves nothing here.

use super::refuse;
use crate::check::{Checks, Group};
use crate::flow::rfc3339;

/// Adds a check for each word that the scheme says is judged.
pub(super) fn add(checks: &mut Checks<'_>) {
    for (name, clause) in &checks.scheme.proof.judged {
        if name == "expires_at" {
            ended(checks, clause);
            continue;
        }
        let word = name.replace('_', " ");
        let sentence = format!("a text with another {word} is refused");
        let name = name.clone();
        checks
            .add(Group::Proof, &sentence, &[clause], move |cx| {
                let own = cx.own_words().remove(&name).unwrap_or_default();
                for other in others(&own) {
                    let did =
                        format!("signed a text with the {word} `{other}` where the target's own is `{own}`");
                    refuse(cx, &did, |_, attempt| attempt.words.push((name.clone(), other.clone())))?;
                }
                Ok(())
            })
            .family("signature", 2);
    }
}

/// A text says itself until when it is good. No clock need be moved to hold a server to that.
fn ended(checks: &mut Checks<'_>, clause: &str) {
    checks
        .add(Group::Proof, "a text that has ended is refused", &[clause], |cx| {
            for ago in [1, 2, 365 * 24] {
                let now = cx.target.now().as_secs();
                let (end, start) = (now.saturating_sub(ago * 3_600), now.saturating_sub((ago + 1) * 3_600));
                let did = format!("signed a text that ended {ago} hours ago");
                refuse(cx, &did, |_, attempt| {
                    attempt.words.push(("expires_at".to_owned(), rfc3339(end)));
                    attempt.words.push(("issued_at".to_owned(), rfc3339(start)));
                })?;
            }
            Ok(())
        })
        .family("signature", 2);
}

/// Words that are not this one, and some that a careless comparison takes for it.
fn others(own: &str) -> Vec<String> {
    if let Ok(number) = own.parse::<u64>() {
        return vec![number.wrapping_add(1).to_string(), format!("{own}0"), format!("{own}1")];
    }
    let (start, site) = match own.split_once("://") {
        Some((scheme, site)) => (format!("{scheme}://"), site),
        None => (String::new(), own),
    };
    // Whoever looks for a beginning, an end or a part of the name is deceived by one of these.
    vec![
        format!("{start}phishing.example"),
        format!("{start}{site}.phishing.example"),
        format!("{start}phishing-{site}"),
        format!("{start}{site}@phishing.example"),
        format!("{start}phishing.example/{site}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_word_is_the_own_one() {
        for own in
            ["login.example.org", "https://login.example.org/login", "1", "137", "18446744073709551615"]
        {
            let others = others(own);
            assert!(others.len() >= 3 && others.iter().all(|other| other != own), "{others:?}");
        }
        assert!(others("https://a.example/b").contains(&"https://a.example/b.phishing.example".to_owned()));
    }
}
