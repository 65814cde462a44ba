//! Money: a decimal amount in an ISO 4217 currency. Never rounds, never touches a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use thiserror::Error;

/// An ISO 4217 currency that amounts can be counted in (not gold, not the test code XTS).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Three upper-case letters, as `EUR`.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimal places of the currency in ISO 4217, 0 to 4. A payment provider may count otherwise.
    pub fn decimals(self) -> u32 {
        u32::from(self.0.exponent().expect("a currency without an exponent is refused when parsed"))
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    /// Reads an upper-case ISO 4217 code.
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// A positive amount that its currency can express exactly, kept at the currency's own scale.
///
/// ```
/// use order_payments::domain::money::Money;
/// let price = Money::parse("12.5", "EUR")?;
/// assert_eq!(price.to_string(), "12.50 EUR");
/// assert!(Money::parse("12.505", "EUR").is_err(), "never rounded");
/// # Ok::<(), order_payments::domain::money::MoneyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// The largest amount, in the currency's smallest unit. Twelve digits are the most that any
    /// provider known to us takes (Stripe, for IDR); a larger one is a mistake of the sender.
    pub const MAX_MINOR_UNITS: i64 = 999_999_999_999;

    /// An amount of a currency.
    ///
    /// # Errors
    /// [`MoneyError`] where the amount is zero, negative, above [`Money::MAX_MINOR_UNITS`], or has
    /// more decimals than the currency. Trailing zeros do not count as decimals.
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.decimals();
        let mut amount = positive(amount)?.normalize();
        if amount.scale() > decimals {
            return Err(MoneyError::TooManyDecimals { currency, allowed: decimals });
        }
        if amount > Decimal::new(Self::MAX_MINOR_UNITS, decimals) {
            return Err(MoneyError::TooLarge { currency });
        }
        amount.rescale(decimals); // Only ever adds zeros: the scale was checked above.
        Ok(Self { amount, currency })
    }

    /// Reads a plain decimal, as `12.50`, and an ISO 4217 code.
    ///
    /// # Errors
    /// [`MoneyError`], as [`Money::new`], or where either text cannot be read.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        Self::new(parse_decimal(amount)?, currency.parse()?)
    }

    /// The amount at the currency's scale: 12.50 for 12.5 EUR.
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency of the amount.
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}

/// Reads a decimal exactly: digits, a point, an exponent as JSON has it. A loss of digits is an error.
///
/// # Errors
/// [`MoneyError::NotANumber`] where the text is no decimal or has more digits than can be kept.
pub fn parse_decimal(text: &str) -> Result<Decimal, MoneyError> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    // The library would also read 12_50.
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') {
        return Err(MoneyError::NotANumber);
    }
    let mantissa = Decimal::from_str_exact(digits).map_err(|_| MoneyError::NotANumber)?;
    let exponent: i32 = exponent.parse().map_err(|_| MoneyError::NotANumber)?;
    shifted(mantissa, exponent).ok_or(MoneyError::NotANumber)
}

/// The same amount, where it is more than zero: all that can be asked of one whose currency is not known.
///
/// # Errors
/// [`MoneyError::NotPositive`] where it is zero or less.
pub fn positive(amount: Decimal) -> Result<Decimal, MoneyError> {
    if amount.is_sign_negative() || amount.is_zero() { Err(MoneyError::NotPositive) } else { Ok(amount) }
}

/// The number with its point moved, or nothing where digits would be lost.
fn shifted(mantissa: Decimal, exponent: i32) -> Option<Decimal> {
    let mut shifted = mantissa.normalize();
    if exponent < 0 {
        let scale = shifted.scale().checked_add(exponent.unsigned_abs())?;
        shifted.set_scale(scale).ok()?;
        return Some(shifted);
    }
    if exponent.unsigned_abs() > Decimal::MAX_SCALE {
        return None;
    }
    (0..exponent).try_fold(shifted, |number, _| number.checked_mul(Decimal::TEN))
}

/// Why an amount cannot be taken. Nothing was stored or charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The text is not a decimal number.
    #[error("the amount is not a decimal number")]
    NotANumber,
    /// Zero or less.
    #[error("the amount must be more than zero")]
    NotPositive,
    /// Finer than the currency's smallest unit; it is not rounded.
    #[error("the amount has more decimals than {currency} has ({allowed})")]
    TooManyDecimals {
        /// The currency of the amount.
        currency: Currency,
        /// Decimal places that the currency has.
        allowed: u32,
    },
    /// More than [`Money::MAX_MINOR_UNITS`].
    #[error("the amount is too large for a payment in {currency}")]
    TooLarge {
        /// The currency of the amount.
        currency: Currency,
    },
    /// Not an ISO 4217 code of a currency with a smallest unit.
    #[error("the currency is not an ISO 4217 code such as EUR")]
    UnknownCurrency,
}

#[cfg(test)]
mod tests;
