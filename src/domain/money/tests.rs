//! Tests of money: a table over the edges, and properties over all amounts.

use proptest::prelude::*;

use super::*;

#[test]
fn amounts_are_taken_exactly_or_refused() {
    let eur: Currency = "EUR".parse().expect("a currency");
    let kwd: Currency = "KWD".parse().expect("a currency");
    let jpy: Currency = "JPY".parse().expect("a currency");
    let table = [
        ("12.50", "EUR", Ok("12.50 EUR")),
        ("12.5", "EUR", Ok("12.50 EUR")),
        ("12.500", "EUR", Ok("12.50 EUR")),
        ("1e2", "EUR", Ok("100.00 EUR")),
        ("1.25E+1", "EUR", Ok("12.50 EUR")),
        ("1250e-2", "EUR", Ok("12.50 EUR")),
        ("0.01", "EUR", Ok("0.01 EUR")),
        ("5.124", "KWD", Ok("5.124 KWD")),
        ("500", "JPY", Ok("500 JPY")),
        ("9999999999.99", "EUR", Ok("9999999999.99 EUR")),
        ("10000000000.00", "EUR", Err(MoneyError::TooLarge { currency: eur })),
        ("79228162514264337593543950335", "EUR", Err(MoneyError::TooLarge { currency: eur })),
        ("0.001", "EUR", Err(MoneyError::TooManyDecimals { currency: eur, allowed: 2 })),
        ("5.1245", "KWD", Err(MoneyError::TooManyDecimals { currency: kwd, allowed: 3 })),
        ("0.5", "JPY", Err(MoneyError::TooManyDecimals { currency: jpy, allowed: 0 })),
        ("0", "EUR", Err(MoneyError::NotPositive)),
        ("-0.00", "EUR", Err(MoneyError::NotPositive)),
        ("-1", "EUR", Err(MoneyError::NotPositive)),
        ("", "EUR", Err(MoneyError::NotANumber)),
        ("ten", "EUR", Err(MoneyError::NotANumber)),
        ("12_50", "EUR", Err(MoneyError::NotANumber)),
        ("+12", "EUR", Err(MoneyError::NotANumber)),
        ("12.500000000000000000000000000000001e0", "EUR", Err(MoneyError::NotANumber)),
        ("1e29", "EUR", Err(MoneyError::NotANumber)),
        ("1e-29", "EUR", Err(MoneyError::NotANumber)),
        ("1e", "EUR", Err(MoneyError::NotANumber)),
        ("1e9999", "EUR", Err(MoneyError::NotANumber)),
        ("0.00000000000000000000000000000001", "EUR", Err(MoneyError::NotANumber)),
        ("NaN", "EUR", Err(MoneyError::NotANumber)),
        ("1", "eur", Err(MoneyError::UnknownCurrency)),
        ("1", "EURO", Err(MoneyError::UnknownCurrency)),
        ("1", "XAU", Err(MoneyError::UnknownCurrency)),
        ("1", "XTS", Err(MoneyError::UnknownCurrency)),
        ("1", "", Err(MoneyError::UnknownCurrency)),
    ];
    for (amount, currency, expected) in table {
        let got = Money::parse(amount, currency).map(|money| money.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{amount} {currency}");
    }
}

proptest! {
    #[test]
    fn no_amount_changes_its_value_on_the_way_in(minor in 1..=Money::MAX_MINOR_UNITS, scale in 0_u32..6) {
        let amount = Decimal::new(minor, scale);
        for code in ["JPY", "EUR", "KWD", "CLF"] {
            if let Ok(money) = Money::new(amount, code.parse().expect("a currency")) {
                prop_assert_eq!(money.amount(), amount);
                prop_assert_eq!(money.amount().scale(), money.currency().decimals());
            }
        }
    }

    #[test]
    fn whatever_is_shown_is_read_back(minor in 1..=Money::MAX_MINOR_UNITS) {
        let money = Money::new(Decimal::new(minor, 2), "EUR".parse().expect("a currency")).expect("in range");
        prop_assert_eq!(Money::parse(&money.amount().to_string(), "EUR"), Ok(money));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = Money::parse(&text, "EUR");
    }
}
