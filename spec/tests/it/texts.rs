//! Texts that a wallet signs are data: their words, and what a server compares of them.

use crate::loader::Copy;

/// Changes one thing in the example scheme and expects exactly these mistakes, a line each.
fn check(from: &str, to: &str, expected: &str) {
    let copy = Copy::from("examples", "siwe");
    let mistakes = copy.replace("scheme.toml", from, to).mistakes();
    assert_eq!(mistakes.join("\n"), format!("siwe/scheme.toml: {expected}"), "`{from}` became `{to}`");
}

#[test]
fn the_words_of_a_text_are_read() {
    let spec = Copy::from("examples", "siwe").load().unwrap();
    let proof = &spec.scheme("siwe").unwrap().proof;
    assert_eq!(proof.words["domain"], "login.example.org");
    assert_eq!(proof.judged["domain"], "siwe.message.domain");
    assert_eq!(proof.text_lifetime, Some(600));
}

#[test]
fn placeholders_without_a_meaning_and_words_without_a_use_are_named() {
    check(
        "Chain ID: {chain_id}",
        "Chain ID: {chain}",
        "proof.text: `EIP-4361` has no meaning for {chain} (did you mean `chain_id`?)\n\
         siwe/scheme.toml: proof.words: no text has {chain_id}: use it or delete it\n\
         siwe/scheme.toml: proof.judged: the text has no {chain_id} (did you mean `chain`?)",
    );
    check(
        "statement = \"Sign",
        "issued_at = \"2026\"\nstatement = \"Sign",
        "proof.words: issued_at is not fixed: it changes from login to login",
    );
}

#[test]
fn what_is_judged_rests_on_a_clause_and_stands_in_the_text() {
    check(
        "domain = \"siwe.message.domain\"",
        "domain = \"siwe.message.domian\"",
        "proof.judged: domain rests on `siwe.message.domian`, which is no clause (did you mean `siwe.message.domain`?)",
    );
    check(
        "domain = \"siwe.message.domain\"",
        "address_checksum = \"siwe.message.domain\"",
        "proof.judged: address_checksum is the caller's own and is judged without being named here",
    );
}

#[test]
fn an_end_needs_a_lifetime() {
    check("text_lifetime = 600\n", "", "proof.text_lifetime: goes together with {expires_at} in a text");
}

/// Where neither a member nor the text names the signer, there is nobody to compare with.
#[test]
fn a_text_names_its_signer_or_a_member_does() {
    check(
        "{address_checksum}\n",
        "nobody\n",
        "proof.kind: needs a request field with role \"address\" at the login",
    );
}
