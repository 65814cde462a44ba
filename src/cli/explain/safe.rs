//! What stands in records, made safe for a terminal and for a ticket.

/// The most characters of one text that is not asked for whole.
const MAX_CHARS: usize = 200;
/// What stands in no address, so that one ends there (RFC 5322, section 3.2.3: all else may be part of one).
const DELIMITERS: &str = "\"(),:;<>[]";
/// Ways to write the sign that is in every address, in small letters.
const AT_SIGNS: [&str; 9] = ["@", "\\u0040", "\\x40", "%40", "%2540", "&#64", "&#x40", "\u{ff20}", "\u{fe6b}"];
const MASK: &str = "***@***";
/// Headers whose values are shown though nobody asks for them: whatever others send may be a secret.
const SHOWN_HEADERS: [&str; 2] = ["content-type", "traceparent"];
const SHOWN_PREFIXES: [&str; 2] = ["ce_", "order-payments-"];

/// Bytes as text without addresses, great length, or anything that a terminal would act on.
pub(super) fn masked(bytes: &[u8]) -> String {
    let Ok(text) = str::from_utf8(bytes) else { return format!("({} bytes that are no text)", bytes.len()) };
    // Masked first: an escape in the midst of an address would hide it.
    let text = escaped(&without_addresses(text));
    let is_long = text.chars().count() > MAX_CHARS;
    if is_long { text.chars().take(MAX_CHARS).chain(['…']).collect() } else { text }
}

/// Bytes as they are, but for what a terminal would act on.
pub(super) fn revealed(bytes: &[u8]) -> String {
    escaped(&String::from_utf8_lossy(bytes))
}

/// Whether the value of a header of this name is shown.
pub(super) fn is_shown(name: &str) -> bool {
    SHOWN_HEADERS.contains(&name) || SHOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn without_addresses(text: &str) -> String {
    let is_end = |letter: char| letter.is_whitespace() || letter.is_control() || DELIMITERS.contains(letter);
    let words = text.split_inclusive(is_end).map(|word| {
        let end = word.chars().next_back().filter(|last| is_end(*last));
        if is_address(word) { format!("{MASK}{}", end.map(String::from).unwrap_or_default()) } else { word.to_owned() }
    });
    words.collect()
}

fn is_address(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    AT_SIGNS.iter().any(|sign| word.contains(sign))
}

/// Without control characters, and without those that hide or reorder others.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\'' | '\\' => safe.push(letter),
            _ => safe.extend(letter.escape_debug()),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_and_no_control_character_is_shown() {
        let cases: [(&[u8], &str); 13] = [
            (b"e-1", "e-1"),
            (b"ada@example.com", "***@***"),
            (b"to \"Ada\" <ada@example.com>, twice", "to \"Ada\" <***@***>, twice"),
            (b"user=ada%40example.com x=1", "***@*** x=1"),
            (b"a\x1b[31mb\nada@example.com\r", "a\\u{1b}[31mb\\n***@***\\r"),
            (br"ada\u0040example.com", "***@***"),
            (br#"{"mail":"ada\u0040example.com"}"#, r#"{"mail":"***@***"}"#),
            (b"o'brien@example.com", "***@***"),
            (b"{ada}@example.com", "***@***"),
            (b"a/b=c@example.com", "***@***"),
            ("ada\u{200b}@example.com".as_bytes(), "***@***"),
            ("ada＠example.com".as_bytes(), "***@***"),
            (b"\xff\xfe", "(2 bytes that are no text)"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(masked(bytes), shown);
        }
        assert_eq!(masked("x".repeat(500).as_bytes()).chars().count(), MAX_CHARS + 1);
        assert_eq!(revealed(b"ada@example.com\x07"), "ada@example.com\\u{7}");
    }

    #[test]
    fn nothing_hides_or_reorders_what_is_shown() {
        let text = "a\u{202e}b\u{200b}c\u{2028}d\u{ad}\u{feff}\u{2066}\u{61c}\u{e0041}\u{9b}";
        let shown = r"a\u{202e}b\u{200b}c\u{2028}d\u{ad}\u{feff}\u{2066}\u{61c}\u{e0041}\u{9b}";
        assert_eq!((masked(text.as_bytes()), revealed(text.as_bytes())), (shown.to_owned(), shown.to_owned()));
        let kept = "Größe 12,50 € \"it's\" \\n 注文";
        assert_eq!(revealed(kept.as_bytes()), kept);
    }

    #[test]
    fn values_of_headers_that_others_made_up_are_not_shown() {
        for (name, is_told) in [
            ("ce_id", true),
            ("content-type", true),
            ("traceparent", true),
            ("order-payments-reason", true),
            ("authorization", false),
            ("__dlq.errors.exception.stacktrace", false),
            ("x-ce_id", false),
        ] {
            assert_eq!(is_shown(name), is_told, "{name}");
        }
    }
}
