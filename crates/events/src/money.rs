//! Money: integer minor units with a currency. KRW has no minor unit below the
//! won (ISO 4217), so an amount is a number of won. There is no float anywhere.

use serde::{Deserialize, Deserializer, Serialize};

/// The smallest amount of a request, in won.
pub const AMOUNT_MIN: i64 = 1;
/// The largest amount of a request, in won.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// What is wrong with an amount; the text is meant for the person who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not an integer, or not in its one canonical spelling.
    #[error(
        "must be a whole number of won, as a JSON integer or a string of digits without leading zeros, signs, spaces or exponents"
    )]
    NotAnInteger,
    /// Outside the limits.
    #[error("must be between {AMOUNT_MIN} and {AMOUNT_MAX} won")]
    OutOfRange,
    /// Below zero where that cannot be.
    #[error("must not be below 0 won")]
    Negative,
}

/// The currency of an amount (ISO 4217).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    sqlx::Type,
)]
#[sqlx(type_name = "text")]
pub enum Currency {
    /// South Korean won; it has no minor unit.
    #[default]
    KRW,
}

impl Currency {
    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KRW => "KRW",
        }
    }
}

/// An amount that is asked for, lent or booked: 1 … 1,000,000,000,000 won.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[sqlx(transparent)]
#[schema(value_type = i64, minimum = 1, maximum = 1_000_000_000_000_i64, example = 10_000)]
pub struct Amount(i64);

impl Amount {
    /// An amount within the limits.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] outside of them.
    pub const fn try_new(won: i64) -> Result<Self, AmountError> {
        if won < AMOUNT_MIN || won > AMOUNT_MAX {
            return Err(AmountError::OutOfRange);
        }
        Ok(Self(won))
    }

    /// In won.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads what a person or program sent: a JSON integer, or a string of
    /// ASCII digits (command-line clients send `amountOfMoney=10000` as text).
    /// Every amount has one spelling of each kind, so `1e3`, `100.0`, `"007"`,
    /// signs, spaces and other digits are refused rather than guessed at.
    ///
    /// # Errors
    /// [`AmountError`] says which rule was broken.
    pub fn from_wire(value: &serde_json::Value) -> Result<Self, AmountError> {
        let won = match value {
            serde_json::Value::Number(number) => match (number.as_i64(), number.is_u64()) {
                (Some(won), _) => won,
                (None, true) => return Err(AmountError::OutOfRange),
                (None, false) => return Err(AmountError::NotAnInteger),
            },
            serde_json::Value::String(text) => from_digits(text)?,
            _ => return Err(AmountError::NotAnInteger),
        };
        Self::try_new(won)
    }
}

fn from_digits(text: &str) -> Result<i64, AmountError> {
    let canonical = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return Err(AmountError::NotAnInteger);
    }
    // Only digits are left, so the one way to fail is to be too large.
    text.parse().map_err(|_| AmountError::OutOfRange)
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer",
            "minimum": AMOUNT_MIN,
            "maximum": AMOUNT_MAX,
            "description": "in won"
        })
    }
}

/// What is still owed on a loan: 0 … its amount, in won.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[sqlx(transparent)]
#[schema(value_type = i64, minimum = 0, maximum = 1_000_000_000_000_i64, example = 4_000)]
pub struct Outstanding(i64);

impl Outstanding {
    /// Nothing is owed any more.
    pub const ZERO: Self = Self(0);

    /// What is owed, in won.
    ///
    /// # Errors
    /// [`AmountError::Negative`] below zero, [`AmountError::OutOfRange`] above the limit.
    pub const fn try_new(won: i64) -> Result<Self, AmountError> {
        if won < 0 {
            return Err(AmountError::Negative);
        }
        if won > AMOUNT_MAX {
            return Err(AmountError::OutOfRange);
        }
        Ok(Self(won))
    }

    /// In won.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether the loan is repaid.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What is left after a booking; `None` if that were more than is owed.
    #[must_use]
    pub const fn minus(self, booked: Amount) -> Option<Self> {
        if booked.0 > self.0 {
            return None;
        }
        Some(Self(self.0 - booked.0))
    }
}

impl From<Amount> for Outstanding {
    /// What is owed right after the execution.
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

impl<'de> Deserialize<'de> for Outstanding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Outstanding {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Outstanding".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer",
            "minimum": 0,
            "maximum": AMOUNT_MAX,
            "description": "in won"
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_spelling_of_each_kind_is_read() {
        for good in [json!(1), json!("1"), json!(AMOUNT_MAX), json!("1000000000000")] {
            assert!(Amount::from_wire(&good).is_ok(), "{good}");
        }
        for text in [
            r#"1e3"#, r#"100.0"#, r#""007""#, r#""+1""#, r#"" 1""#, r#""1 ""#, r#""-1""#, r#""""#,
            r#""1e3""#, r#""１""#, r#""0x1""#, "true", "null", "[1]", "{}", "1.5", "1e400",
        ] {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
                continue; // 1e400 is not even JSON to serde_json
            };
            assert_eq!(Amount::from_wire(&value), Err(AmountError::NotAnInteger), "{text}");
        }
        for text in [
            "0",
            "-1",
            "1000000000001",
            "\"0\"",
            "\"1000000000001\"",
            "18446744073709551615",
            "\"99999999999999999999999999\"",
        ] {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(Amount::from_wire(&value), Err(AmountError::OutOfRange), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_owed_never_goes_below_zero(owed in 0..=AMOUNT_MAX, booked in AMOUNT_MIN..=AMOUNT_MAX) {
            let left = Outstanding::try_new(owed).unwrap().minus(Amount::try_new(booked).unwrap());
            prop_assert_eq!(left.map(Outstanding::get), (booked <= owed).then(|| owed - booked));
        }
    }
}
