//! Pieces of text: strangers' words made harmless, short digests, spans of time.

/// As many digits of a digest as tell builds of one plugin apart.
const SHORT_DIGEST_CHARS: usize = 12;

/// What stands where there is nothing.
pub(in crate::cli) const NOTHING: &str = "-";

/// `text` fit for one line of a terminal: what plugins and payloads say must not move the cursor or turn the line around.
pub(in crate::cli) fn one_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// The same, but lines stay lines.
pub(in crate::cli) fn several_lines(text: &str) -> String {
    escaped(text, |character| character == '\n')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (character.is_control() || turns) && !keep(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The first digits of a digest.
pub(in crate::cli) fn short(digest: &str) -> String {
    digest.chars().take(SHORT_DIGEST_CHARS).collect()
}

/// `text`, or the sign for nothing.
pub(in crate::cli) fn or_nothing(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(NOTHING).to_owned()
}

/// Words with commas, or the sign for nothing.
pub(in crate::cli) fn list(words: &[String]) -> String {
    or_nothing(Some(&words.join(", ")))
}

/// `1 event`, `2 events`.
pub(in crate::cli) fn counted(count: u64, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

/// So many bytes in the greatest unit of which there is one, such as `1.5 GiB`.
pub(in crate::cli) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    const STEP: u64 = 1024;
    if count < STEP {
        return format!("{count} B");
    }
    // In tenths, by whole numbers: what is shown must not round up to a unit that it has not.
    let (mut unit, mut rest) = (0, count);
    while rest / STEP >= STEP && unit + 1 < UNITS.len() {
        rest /= STEP;
        unit += 1;
    }
    format!("{}.{} {}", rest / STEP, rest % STEP * 10 / STEP, UNITS[unit])
}

/// A span in its two greatest units.
pub(in crate::cli) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {} s", seconds % 60),
        () => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_words_stay_on_their_line() {
        assert_eq!(
            one_line("a\nb\u{1b}[31m\u{9b}2J\u{202e}ü"),
            r"a\nb\u{1b}[31m\u{9b}2J\u{202e}ü"
        );
        assert_eq!(several_lines("a\nb\r"), "a\nb\\r");
    }

    #[test]
    fn a_span_is_shown_in_its_two_greatest_units() {
        assert_eq!(
            [5, 65, 3_600, 90_061].map(span),
            ["5 s", "1 min 5 s", "1 h 0 min", "1 d 1 h"]
        );
    }
}
