//! Looking for bytes in short texts, eight at a time.
//!
//! Claims and members are mostly shorter than what a search of many bytes at once is made for, and there are dozens of them
//! in each request.

/// The same byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Not zero where one of the eight bytes is. The lowest bit that is set belongs to the lowest byte that is zero.
const fn zeros(bytes: u64) -> u64 {
    bytes.wrapping_sub(each(0x01)) & !bytes & each(0x80)
}

/// Not zero where one of the eight bytes cannot stand in a JSON text as it is (RFC 8259 section 7); the lowest bit that is
/// set belongs to the lowest of them.
const fn escaped(bytes: u64) -> u64 {
    let controls = bytes.wrapping_sub(each(0x20)) & !bytes & each(0x80);
    controls | zeros(bytes ^ each(b'"')) | zeros(bytes ^ each(b'\\'))
}

/// Whether a JSON text of these bytes has nothing escaped in it.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    // Without a branch for each, so that long ones are looked at in larger pieces yet.
    let found = words.iter().fold(0, |found, word| found | escaped(u64::from_ne_bytes(*word)));
    found | escaped(u64::from_ne_bytes(last)) == 0
}

/// Where the first byte is that cannot stand in a JSON text as it is: the quotation mark after it, or what is escaped.
pub(crate) fn special(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let found = escaped(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(8 * number + found.trailing_zeros() as usize / 8);
        }
    }
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    rest.iter().position(is_special).map(|at| 8 * words.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            20 => Just(b'a'),
            1 => prop::sample::select(b"\"\\ !#[]\x00\x01\x1f\x20\x21\x7f\x80\xa2\xdc\xff".as_slice()),
        ];
        prop::collection::vec(byte, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_finds_what_a_look_at_each_byte_finds(text in text()) {
            let found = text.iter().position(|byte| *byte < 0x20 || b"\"\\".contains(byte));
            prop_assert_eq!(special(&text), found);
            prop_assert_eq!(is_plain(&text), found.is_none());
        }
    }
}
