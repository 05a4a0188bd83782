//! Money, counted exactly: whole millionths of a dollar, never a floating-point number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Digits after the point.
const DECIMALS: usize = 6;
/// At least so many are shown, as is usual with dollars.
const SHOWN_DECIMALS: usize = 2;
const MICROS_PER_DOLLAR: i64 = 1_000_000;

/// An amount in US dollars. Written as decimal dollars, in JSON as text: `"12.50"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(i64);

impl schemars::JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^-?[0-9]+\.[0-9]{2,6}$",
            "description": "Decimal dollars.",
        })
    }
}

/// A text that is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no amount: expected decimal dollars with at most {DECIMALS} decimals, such as `12.50`")]
pub struct InvalidMoney {
    /// What was given.
    pub found: String,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that can be counted.
    pub const MAX: Self = Self(i64::MAX);

    /// From millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole dollars.
    pub const fn from_dollars(dollars: u32) -> Self {
        Self(dollars as i64 * MICROS_PER_DOLLAR)
    }

    /// Millionths of a dollar.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum; absent if it cannot be counted.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference; absent if it cannot be counted.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The sum, or the nearest amount that can be counted: of what was spent, more than that is no different.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Whether it is at least so many hundredths of `whole`.
    pub fn is_at_least_percent_of(self, percent: u32, whole: Self) -> bool {
        i128::from(self.0) * 100 >= i128::from(whole.0) * i128::from(percent)
    }

    /// How many hundredths of `whole` it is, rounded down; absent of nothing.
    pub fn percent_of(self, whole: Self) -> Option<i64> {
        let percent = (i128::from(self.0) * 100).checked_div_euclid(i128::from(whole.0))?;
        i64::try_from(percent).ok()
    }

    /// `numerator / denominator` of it, rounded up; absent if it cannot be counted.
    pub fn share(self, numerator: u64, denominator: u64) -> Option<Self> {
        let denominator = i128::from(denominator);
        let product = i128::from(self.0).checked_mul(i128::from(numerator))?;
        let floor = product.checked_div_euclid(denominator)?;
        let up = i128::from(product.rem_euclid(denominator) > 0);
        i64::try_from(floor + up).ok().map(Self)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_dollar = MICROS_PER_DOLLAR.unsigned_abs();
        let micros = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let decimals = format!("{:0DECIMALS$}", micros % per_dollar);
        let needed = decimals.trim_end_matches('0').len().max(SHOWN_DECIMALS);
        f.pad(&format!("{sign}{}.{}", micros / per_dollar, &decimals[..needed]))
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        parsed(text).map(Self).ok_or_else(|| InvalidMoney {
            found: text.escape_debug().take(40).collect(),
        })
    }
}

fn parsed(text: &str) -> Option<i64> {
    let (is_negative, amount) = match text.strip_prefix('-') {
        Some(amount) => (true, amount),
        None => (false, text),
    };
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let micros: i128 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
    let amount = whole
        .checked_mul(i128::from(MICROS_PER_DOLLAR))?
        .checked_add(micros)?;
    i64::try_from(if is_negative { -amount } else { amount }).ok()
}

impl TryFrom<String> for Money {
    type Error = InvalidMoney;
    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_and_shown_as_people_write_them() {
        for (text, micros, shown) in [
            ("0", 0, "0.00"),
            ("200", 200_000_000, "200.00"),
            ("0.1", 100_000, "0.10"),
            ("12.345678", 12_345_678, "12.345678"),
            ("007.5", 7_500_000, "7.50"),
            ("-0.000001", -1, "-0.000001"),
            ("9223372036854.775807", i64::MAX, "9223372036854.775807"),
            ("-9223372036854.775808", i64::MIN, "-9223372036854.775808"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!((money.as_micros(), money.to_string().as_str()), (micros, shown));
        }
    }

    #[test]
    fn what_cannot_be_counted_exactly_is_no_amount() {
        for text in [
            "",
            "-",
            ".",
            ".5",
            "5.",
            "1e3",
            "+1",
            "$1",
            "1,5",
            " 1",
            "--1",
            "0.0000001",
            "1_000",
            "NaN",
            "1.-5",
            "9223372036854.775808",
            "99999999999999999999999999999999999999999999",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_micro_dollar_counts_as_a_whole_one() {
        assert_eq!(Money::from_micros(10).share(1, 3), Some(Money::from_micros(4)));
        assert_eq!(Money::from_micros(9).share(1, 3), Some(Money::from_micros(3)));
        assert_eq!(Money::from_micros(9).share(1, 0), None);
        assert_eq!(Money::MAX.share(u64::MAX, 1), None);
    }

    proptest! {
        #[test]
        fn every_amount_reads_back_as_it_was_shown(micros: i64) {
            let money = Money::from_micros(micros);
            prop_assert_eq!(money.to_string().parse::<Money>().unwrap(), money);
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn sums_are_exact_or_absent(a: i64, b: i64) {
            let exact = i128::from(a) + i128::from(b);
            let sum = Money::from_micros(a).checked_add(Money::from_micros(b));
            prop_assert_eq!(sum.map(|sum| i128::from(sum.as_micros())), Some(exact).filter(|e| i64::try_from(*e).is_ok()));
            let difference = Money::from_micros(a).checked_sub(Money::from_micros(b));
            let exact = i128::from(a) - i128::from(b);
            prop_assert_eq!(difference.map(|d| i128::from(d.as_micros())), Some(exact).filter(|e| i64::try_from(*e).is_ok()));
        }

        #[test]
        fn a_share_is_the_least_amount_that_is_not_below_the_exact_one(
            micros in 0_i64..1_000_000_000_000_000, numerator in 0_u64..10_000, denominator in 1_u64..1_000_000,
        ) {
            let share = i128::from(Money::from_micros(micros).share(numerator, denominator).unwrap().as_micros());
            let exact = i128::from(micros) * i128::from(numerator);
            prop_assert!(share * i128::from(denominator) >= exact);
            prop_assert!((share - 1) * i128::from(denominator) < exact);
        }
    }
}
