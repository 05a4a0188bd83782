//! Spans of time as they are written on a command line.

/// Units with their seconds.
const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

/// `90s`, `15m`, `2h`, `1d` as seconds.
///
/// # Errors
/// What was expected.
pub(in crate::cli::command) fn seconds(text: &str) -> Result<u64, String> {
    let expected = || "expected a whole number with a unit: `90s`, `15m`, `2h` or `1d`".to_owned();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, seconds)))
        .ok_or_else(expected)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected());
    }
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(*unit).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_whole_number_with_a_unit() {
        assert_eq!(
            ["90s", "15m", "2h", "1d"].map(seconds),
            [Ok(90), Ok(900), Ok(7_200), Ok(86_400)]
        );
        for bad in [
            "",
            "s",
            "90",
            "-1s",
            "+1s",
            "1.5h",
            "2 h",
            "1w",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
