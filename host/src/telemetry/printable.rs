//! Text of somebody else, made fit for a log: nothing in it can end a line, move a cursor or turn the direction of writing,
//! and it is no longer than it may be.

use std::fmt::Write as _;

/// Ends what was cut.
const CUT: char = '…';

/// `text` with control characters escaped as JSON escapes them, in at most `max_bytes` bytes, or that and a `…` if it was cut.
pub(super) fn printable(text: &str, max_bytes: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max_bytes));
    for character in text.chars() {
        let before = shown.len();
        push(&mut shown, character);
        if shown.len() > max_bytes {
            shown.truncate(before);
            shown.push(CUT);
            break;
        }
    }
    shown
}

fn push(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ if is_unsafe(character) => {
            // Writing to a `String` does not fail, and all of these have four digits.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        }
        _ => shown.push(character),
    }
}

fn is_unsafe(character: char) -> bool {
    let separator = matches!(character, '\u{2028}' | '\u{2029}');
    let direction =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || separator || direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_ends_a_line_or_moves_a_cursor() {
        let hostile = "a\nERROR forged\r\u{1b}[2K\u{9b}1m\u{202e}b\u{2028}c\0\u{7f}";
        let shown = printable(hostile, 1000);
        assert!(!shown.contains(is_unsafe), "{shown}");
        assert_eq!(
            shown,
            "a\\nERROR forged\\r\\u001b[2K\\u009b1m\\u202eb\\u2028c\\u0000\\u007f"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(printable("abcd", 4), "abcd");
        assert_eq!(printable("abcde", 4), "abcd…");
        assert_eq!(printable("äöü", 5), "äö…");
        assert_eq!(printable("abc\n", 4), "abc…");
    }
}
