//! Foreign bytes on a terminal: nothing of them moves the cursor or reorders a line, and no e-mail address is shown
//! unless that is asked for. Pure.

use std::fmt::Write;

use serde_json::value::RawValue;

/// The most characters of a value that are shown.
const MOST_VALUE_CHARS: usize = 64 * 1024;
/// The most characters of a header that are shown: some hold a whole stack trace.
const MOST_LINE_CHARS: usize = 2_000;
/// Deeper than this nothing is indented further.
const MOST_INDENTS: usize = 16;
/// Ways to write the sign that is in every e-mail address, in small letters.
const AT_SIGNS: [&str; 9] = ["@", "\\u0040", "\\x40", "%40", "%2540", "&#64", "&#x40", "\u{ff20}", "\u{fe6b}"];
const MASK: &str = "[e-mail]";

/// What becomes of e-mail addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    Masked,
    Revealed,
}

/// One line of it.
pub(crate) fn line(bytes: &[u8], addresses: Addresses) -> String {
    shortened(&escaped(&shown(&readable(bytes), addresses), |_| false), MOST_LINE_CHARS)
}

/// One line of a text that is not ours.
pub(crate) fn text(text: &str) -> String {
    line(text.as_bytes(), Addresses::Masked)
}

/// A value: JSON over several lines, digit by digit as it came; anything else as one line.
pub(crate) fn value(bytes: &[u8], addresses: Addresses) -> String {
    let json = std::str::from_utf8(bytes).ok().filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    let lines = match json {
        Some(json) => escaped(&shown(&pretty(json), addresses), |letter| letter == '\n'),
        None => escaped(&shown(&readable(bytes), addresses), |_| false),
    };
    shortened(&lines, MOST_VALUE_CHARS)
}

/// Addresses go first: what is written for a character that is escaped could divide one.
fn shown(text: &str, addresses: Addresses) -> String {
    match addresses {
        Addresses::Masked => masked(text),
        Addresses::Revealed => text.to_owned(),
    }
}

/// Text, and what is none in hexadecimal digits.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _written = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Without anything that a terminal would act on: control characters, and those that hide or reorder others.
fn escaped(text: &str, may_stay: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmless(letter) || may_stay(letter) {
            safe.push(letter);
        } else {
            safe.extend(letter.escape_unicode());
        }
    }
    safe
}

fn is_harmless(letter: char) -> bool {
    let hides = matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !letter.is_control() && !hides
}

/// Whatever stands around the sign of an address, up to what is in none (RFC 5322, section 3.2.3).
fn masked(text: &str) -> String {
    let ends = |letter: char| letter.is_whitespace() || "\"<>()[],;:".contains(letter);
    let mut masked = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let end = piece.chars().next_back().filter(|letter| ends(*letter));
        let word = end.map_or(piece, |end| &piece[..piece.len() - end.len_utf8()]);
        masked.push_str(if is_address(word) { MASK } else { word });
        masked.extend(end);
    }
    masked
}

fn is_address(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    AT_SIGNS.iter().any(|sign| word.contains(sign) && word.len() > sign.len())
}

fn shortened(text: &str, most_chars: usize) -> String {
    match text.char_indices().nth(most_chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} more)", &text[..end], text[end..].chars().count()),
    }
}

/// JSON, which it must be, over several lines.
fn pretty(json: &str) -> String {
    let mut lines = Lines { text: String::with_capacity(json.len() * 2), depth: 0 };
    let (mut in_string, mut is_escaped, mut is_fresh) = (false, false, false);
    for letter in json.chars() {
        if in_string {
            lines.text.push(letter);
            in_string = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
            continue;
        }
        if letter.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(letter, '}' | ']');
        if closes {
            lines.depth = lines.depth.saturating_sub(1);
        }
        if closes != is_fresh {
            lines.next();
        }
        is_fresh = matches!(letter, '{' | '[');
        in_string = letter == '"';
        lines.add(letter);
    }
    lines.text
}

struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    fn next(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth.min(MOST_INDENTS)));
    }

    fn add(&mut self, letter: char) {
        self.text.push(letter);
        match letter {
            '{' | '[' => self.depth += 1,
            ':' => self.text.push(' '),
            ',' => self.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_reorders_the_line() {
        let foreign = "a\u{1b}[2Jb\r\n\u{7}\u{9b}c\u{202e}d\u{0}";
        assert_eq!(line(foreign.as_bytes(), Addresses::Revealed), r"a\u{1b}[2Jb\u{d}\u{a}\u{7}\u{9b}c\u{202e}d\u{0}");
        assert_eq!(line(b"\xff\xfe ok", Addresses::Masked), r"\xff\xfe ok");
        let json = "{\"a\":\"\u{7f}\u{202e}\"}";
        assert_eq!(value(json.as_bytes(), Addresses::Masked), "{\n  \"a\": \"\\u{7f}\\u{202e}\"\n}");
    }

    #[test]
    fn an_address_is_masked_wherever_it_stands() {
        for (text, expected) in [
            ("ada@example.com", "[e-mail]"),
            (r#"{"customer_email":"ada@example.com"}"#, r#"{"customer_email":"[e-mail]"}"#),
            (r"ada\u0040example.com", "[e-mail]"),
            ("to=ada%40example.com&x=1", "[e-mail]"),
            ("<Ada Lovelace> ada.l+x@sub.example.com, bob@b.de", "<Ada Lovelace> [e-mail], [e-mail]"),
            ("ädä@exämple.de", "[e-mail]"),
            ("mailto:ada@b", "mailto:[e-mail]"),
            ("to mary.o'brien@x.ie, please", "to [e-mail], please"),
            ("{ada}@example.com", "[e-mail]"),
            ("a/b=c@example.com x=1", "[e-mail] x=1"),
            ("ada&#X40;example.com", "[e-mail];example.com"),
            ("at 12 @ noon", "at 12 @ noon"),
            ("o-1", "o-1"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
        assert_eq!(line(b"ada@example.com", Addresses::Revealed), "ada@example.com");
        let divided = "to mary\u{7f}smith\u{200b}@x\u{1b}.ie now";
        assert_eq!(line(divided.as_bytes(), Addresses::Masked), "to [e-mail] now");
        assert_eq!(value(b"mary\xffsmith@x.ie", Addresses::Masked), "[e-mail]");
        assert_eq!(value(b"{\"a\":\"o'b\\u0040x.ie\"}", Addresses::Masked), "{\n  \"a\": \"[e-mail]\"\n}");
    }

    #[test]
    fn json_is_shown_over_lines_with_every_digit() {
        let json = br#"{"a":12.50,"b":[],"c":{ },"d":[1,{"e":"x:,{\"}"}],"a":1e400}"#;
        let expected = "{\n  \"a\": 12.50,\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    1,\n    {\n      \"e\": \"x:,{\\\"}\"\n    }\n  ],\n  \"a\": 1e400\n}";
        assert_eq!(value(json, Addresses::Masked), expected);
        assert_eq!(value(b"12.50", Addresses::Masked), "12.50");
        assert_eq!(value(b"{\"a\":", Addresses::Masked), "{\"a\":");
        assert_eq!(value(b"{}{}", Addresses::Masked), "{}{}");
    }

    #[test]
    fn what_is_long_is_cut_and_said_so() {
        let long = "ä".repeat(MOST_LINE_CHARS + 3);
        assert!(line(long.as_bytes(), Addresses::Masked).ends_with("ä… (3 more)"));
        assert_eq!(line(&long.as_bytes()[..MOST_LINE_CHARS * 2], Addresses::Masked).chars().count(), MOST_LINE_CHARS);
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(value(deep.as_bytes(), Addresses::Masked).len() < MOST_VALUE_CHARS + 100);
    }
}
