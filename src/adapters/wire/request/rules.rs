//! What a payment request has to be: one rule for each field, with how to mend it. The service stops at the first
//! that is broken, `lint-event` tells of all.

use std::fmt::Display;
use std::str::FromStr;

use crate::adapters::wire::rejection::{Rejection, RejectionReason, Stage};
use crate::adapters::wire::request::DecodeOptions;
use crate::adapters::wire::request::members::{Field, Members};
use crate::domain::money::{Currency, Money, parse_decimal, positive};
use crate::domain::order::{EmailAddress, OrderId};
use crate::domain::request::ProviderToken;

const MEND_ID: &str = "use 1 to 128 letters, digits and . _ : / # -";
const MEND_EMAIL: &str = "send one plain address as name@domain.tld, without a display name";
const MEND_AMOUNT: &str =
    "send a decimal string such as \"12.50\", more than zero, with no more decimals than the currency has";
const MEND_CURRENCY: &str = "send an ISO 4217 code in capitals, as \"EUR\"";
const MEND_TOKEN: &str = "send the gateway's own name, as \"pm_...\" or \"cus_...\"";

/// The record's key is the order's id, where it has one.
pub(in crate::adapters::wire) fn key(key: Option<&[u8]>, order_id: &str) -> Result<(), Rejection> {
    match key {
        Some(key) if key != order_id.as_bytes() => Err(Rejection {
            reason: RejectionReason::KeyMismatch,
            stage: Stage::Validate,
            message: "the record's key is not its /order_id: the order's records would not keep their order".to_owned(),
            pointer: Some("/order_id".to_owned()),
            remedy: "send order_id as the record's key, byte for byte: no quotes, no schema registry's prefix",
        }),
        _ => Ok(()),
    }
}

/// The order's id is lawful.
pub(in crate::adapters::wire) fn order_id(text: &str) -> Result<OrderId, Rejection> {
    field("/order_id", text, MEND_ID)
}

/// The customer's address looks like one.
pub(in crate::adapters::wire) fn customer_email(text: &str) -> Result<EmailAddress, Rejection> {
    field("/customer_email", text, MEND_EMAIL)
}

/// There is a currency, sent or assumed.
pub(in crate::adapters::wire) fn currency(text: Option<&str>, options: &DecodeOptions) -> Result<Currency, Rejection> {
    match text {
        Some(code) => field("/currency", code, MEND_CURRENCY),
        None => options.default_currency.ok_or_else(|| missing("/currency", MEND_CURRENCY)),
    }
}

/// The amount can be charged in that currency, exactly.
pub(in crate::adapters::wire) fn total_amount(text: &str, currency: Currency) -> Result<Money, Rejection> {
    amount(parse_decimal(text).and_then(|amount| Money::new(amount, currency)))
}

/// There is something to charge, sent or assumed.
pub(in crate::adapters::wire) fn payment_method(
    text: Option<&str>,
    options: &DecodeOptions,
) -> Result<ProviderToken, Rejection> {
    match text {
        Some(token) => field("/payment_method", token, MEND_TOKEN),
        None => options.default_payment_method.clone().ok_or_else(|| missing("/payment_method", MEND_TOKEN)),
    }
}

/// The customer's name at the gateway is lawful.
pub(in crate::adapters::wire) fn customer(text: &str) -> Result<ProviderToken, Rejection> {
    field("/customer", text, MEND_TOKEN)
}

/// What is wrong first with data that cannot be read as a request.
pub(in crate::adapters::wire) fn first_problem(key: Option<&[u8]>, data: &[u8], options: &DecodeOptions) -> Rejection {
    problems(key, data, options).into_iter().next().unwrap_or_else(|| {
        Rejection::undecodable("the value cannot be read", "compare it with `order-payments schema payment-requested`")
    })
}

/// Everything that is wrong with the data: how its fields were sent, then the key, then what is in the fields.
pub(in crate::adapters::wire) fn problems(key: Option<&[u8]>, data: &[u8], options: &DecodeOptions) -> Vec<Rejection> {
    match Members::of(data) {
        Err(unreadable) => vec![unreadable],
        Ok(members) => {
            let mut problems = members.problems();
            problems.extend(wrong_values(key, &members, options));
            problems
        }
    }
}

fn wrong_values(key: Option<&[u8]>, members: &Members<'_>, options: &DecodeOptions) -> Vec<Rejection> {
    let [id, email, total, code, method, of_customer] = [0, 1, 2, 3, 4, 5].map(|index| members.field(index));
    // Wrong fields were told of already; absent ones may have a default.
    let code = (code != Field::Wrong).then(|| currency(text(&code), options));
    let method = (method != Field::Wrong).then(|| payment_method(text(&method), options)).and_then(Result::err);
    let known_currency = code.as_ref().and_then(|read| read.as_ref().ok().copied());
    let problems = [
        text(&id).and_then(|text| self::key(key, text).err()),
        text(&id).and_then(|text| order_id(text).err()),
        text(&email).and_then(|text| customer_email(text).err()),
        code.and_then(Result::err),
        text(&total).and_then(|text| match known_currency {
            Some(currency) => total_amount(text, currency).err(),
            None => amount(parse_decimal(text).and_then(positive)).err(),
        }),
        method,
        text(&of_customer).and_then(|text| customer(text).err()),
    ];
    problems.into_iter().flatten().collect()
}

fn text<'a>(field: &'a Field<'_>) -> Option<&'a str> {
    if let Field::Text(text) = field { Some(text) } else { None }
}

fn amount<T>(read: Result<T, impl Display>) -> Result<T, Rejection> {
    read.map_err(|problem| Rejection::contract("/total_amount", problem, MEND_AMOUNT))
}

fn field<T: FromStr<Err: Display>>(pointer: &str, text: &str, remedy: &'static str) -> Result<T, Rejection> {
    text.parse().map_err(|problem| Rejection::contract(pointer, problem, remedy))
}

fn missing(pointer: &str, remedy: &'static str) -> Rejection {
    Rejection::contract(pointer, "is missing, and no default is configured", remedy)
}
