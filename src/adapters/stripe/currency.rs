//! Amounts as Stripe counts them: an integer of its own smallest unit, which is not always ISO's.
//! Never rounds, and never guesses: what Stripe's tables do not settle is not charged.
//! <https://docs.stripe.com/currencies>

use rust_decimal::Decimal;

use crate::domain::money::{Currency, Money};

/// Charged without decimals. Stripe's own list, but for UGX, which its special cases overrule.
const WHOLE: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Whole currencies that Stripe still counts in hundredths; the hundredths must be zero.
const WHOLE_IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Charged in thousandths; the last digit must be zero, as card networks take two.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// The most that a charge may be, in Stripe's units: eight digits.
/// <https://docs.stripe.com/api/payment_intents/create#create_payment_intent-amount>
const MAX_UNITS: i64 = 99_999_999;
/// The same for the Indonesian rupiah: twelve digits.
const MAX_UNITS_IDR: i64 = 999_999_999_999;

/// Why an amount cannot be sent to Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unchargeable {
    /// Finer than Stripe charges in this currency.
    TooFine,
    /// More than Stripe charges at once.
    TooLarge,
    /// How Stripe counts this currency is not documented.
    UnknownScale,
}

impl Unchargeable {
    /// The code and the sentence that a failed order tells the world.
    pub(crate) const fn reason(self) -> (&'static str, &'static str) {
        match self {
            Self::TooFine => ("amount_too_fine", "the amount has more decimals than can be charged in its currency"),
            Self::TooLarge => ("amount_too_large", "the amount is more than can be charged at once"),
            Self::UnknownScale => ("currency_not_supported", "this currency cannot be charged"),
        }
    }
}

/// The amount in Stripe's units of its currency.
pub(crate) fn minor_units(money: Money) -> Result<i64, Unchargeable> {
    let code = money.currency().code();
    let (decimals, step) = scale(money.currency()).ok_or(Unchargeable::UnknownScale)?;
    let mut amount = money.amount().normalize();
    if amount.scale() > decimals {
        return Err(Unchargeable::TooFine);
    }
    amount.rescale(decimals); // Only ever adds zeros: the scale was checked above.
    let units = i64::try_from(amount.mantissa()).map_err(|_| Unchargeable::TooLarge)?;
    let most = if code == "IDR" { MAX_UNITS_IDR } else { MAX_UNITS };
    match units {
        units if units % step != 0 => Err(Unchargeable::TooFine),
        units if units > most => Err(Unchargeable::TooLarge),
        units => Ok(units),
    }
}

/// The amount that Stripe tells in its units of a currency in lower case; `None` where that is none of ours.
pub(crate) fn money(units: i64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let (decimals, _) = scale(currency)?;
    Money::new(Decimal::new(units, decimals), currency).ok()
}

/// The decimals that Stripe counts in, and the least step of its units; `None` where that is not documented.
fn scale(currency: Currency) -> Option<(u32, i64)> {
    let code = currency.code();
    match code {
        _ if WHOLE.contains(&code) => Some((0, 1)),
        _ if WHOLE_IN_HUNDREDTHS.contains(&code) => Some((2, 100)),
        _ if THOUSANDTHS.contains(&code) => Some((3, 10)),
        _ if currency.decimals() == 2 => Some((2, 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(amount: &str, currency: &str) -> Result<i64, Unchargeable> {
        minor_units(Money::parse(amount, currency).expect("an amount of that currency"))
    }

    /// Every currency that an order can be in, by code.
    fn every_currency() -> Vec<Currency> {
        let letters = || 'A'..='Z';
        letters()
            .flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))))
            .filter_map(|code| code.parse().ok())
            .collect()
    }

    #[test]
    fn every_iso_currency_is_counted_as_stripe_counts_it() {
        let currencies = every_currency();
        assert!(currencies.len() > 160, "{}", currencies.len());
        for currency in currencies {
            let expected = match currency.code() {
                "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV"
                | "XAF" | "XOF" | "XPF" => Ok(7),
                "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Ok(7000),
                // Not in Stripe's tables, and not of two decimals in ISO's.
                "CLF" | "IQD" | "LYD" | "UYI" | "UYW" => Err(Unchargeable::UnknownScale),
                _ => Ok(700),
            };
            assert_eq!(units("7", currency.code()), expected, "{currency}");
        }
    }

    #[test]
    fn what_stripe_counts_is_read_as_it_was_sent() {
        for currency in every_currency() {
            let code = currency.code();
            let seven = Money::parse("7", code).expect("an amount");
            let told = |units| money(units, &code.to_ascii_lowercase());
            match minor_units(seven) {
                Ok(units) => assert_eq!(told(units), Some(seven), "{currency}"),
                Err(_) => assert_eq!(told(7), None, "{currency}"),
            }
            assert_eq!((told(0), told(-1)), (None, None), "{currency}");
        }
        assert_eq!(money(1250, "eur"), Money::parse("12.50", "EUR").ok());
        assert_eq!(money(50, "isk"), None, "there are no hundredths of a krona");
        assert_eq!(money(5124, "kwd"), Money::parse("5.124", "KWD").ok());
        assert_eq!(money(100, "xxx"), None);
    }

    #[test]
    fn decimals_that_stripe_does_not_charge_are_refused_not_rounded() {
        assert_eq!(units("5.12", "KWD"), Ok(5120));
        assert_eq!(units("5.124", "KWD"), Err(Unchargeable::TooFine));
        assert_eq!(units("12.50", "MGA"), Err(Unchargeable::TooFine));
        assert_eq!(units("12.00", "MGA"), Ok(12));
        assert_eq!(units("175.25", "HUF"), Ok(17_525));
        assert_eq!(units("30.05", "TWD"), Ok(3005));
        assert_eq!(units("500", "ISK"), Ok(50_000));
        assert_eq!(units("5", "UGX"), Ok(500));
        assert_eq!(units("0.01", "USD"), Ok(1));
    }

    #[test]
    fn an_amount_of_nine_digits_is_refused_but_for_rupiahs() {
        assert_eq!(units("999999.99", "USD"), Ok(99_999_999));
        assert_eq!(units("1000000.00", "USD"), Err(Unchargeable::TooLarge));
        assert_eq!(units("99999999", "JPY"), Ok(99_999_999));
        assert_eq!(units("100000000", "JPY"), Err(Unchargeable::TooLarge));
        assert_eq!(units("9999999999.99", "IDR"), Ok(999_999_999_999));
    }
}
