//! What stands in records, made safe for a terminal and for a ticket.

/// The most characters of one text that is not asked for whole.
const MAX_CHARS: usize = 200;
/// What ends a word that could be an address.
const DELIMITERS: &str = " ,;<>\"'()[]{}=:&?/|\\";

/// Bytes as text without addresses, control characters or great length.
pub(super) fn masked(bytes: &[u8]) -> String {
    let Ok(text) = str::from_utf8(bytes) else { return format!("({} bytes that are no text)", bytes.len()) };
    let is_end = |letter: char| letter.is_whitespace() || letter.is_control() || DELIMITERS.contains(letter);
    let words = text.split_inclusive(is_end).map(|word| {
        let end = word.chars().next_back().filter(|last| is_end(*last));
        if is_address(word) { format!("***@***{}", end.map(String::from).unwrap_or_default()) } else { word.to_owned() }
    });
    let text = escaped(&words.collect::<String>());
    let is_long = text.chars().count() > MAX_CHARS;
    if is_long { text.chars().take(MAX_CHARS).chain(['…']).collect() } else { text }
}

/// Bytes as they are, but for control characters.
pub(super) fn revealed(bytes: &[u8]) -> String {
    escaped(&String::from_utf8_lossy(bytes))
}

fn is_address(word: &str) -> bool {
    word.contains('@') || word.to_ascii_lowercase().contains("%40")
}

fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_debug().collect() } else { vec![letter] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_and_no_control_character_is_shown() {
        let cases: [(&[u8], &str); 6] = [
            (b"e-1", "e-1"),
            (b"ada@example.com", "***@***"),
            (b"to \"Ada\" <ada@example.com>, twice", "to \"Ada\" <***@***>, twice"),
            (b"user=ada%40example.com&x=1", "user=***@***&x=1"),
            (b"a\x1b[31mb\nada@example.com\r", "a\\u{1b}[31mb\\n***@***\\r"),
            (b"\xff\xfe", "(2 bytes that are no text)"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(masked(bytes), shown);
        }
        assert_eq!(masked("x".repeat(500).as_bytes()).chars().count(), MAX_CHARS + 1);
        assert_eq!(revealed(b"ada@example.com\x07"), "ada@example.com\\u{7}");
    }
}
