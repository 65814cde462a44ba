//! The records that the demo sends: orders, and everything that goes wrong with them in real life.
//!
//! Made from a seed, so that a run can be repeated.

use fastrand::Rng;

use crate::adapters::kafka::requests::RequestRecord;

/// Shares of what is not a plain order, in records per thousand orders.
const DECLINED: usize = 50;
const REDELIVERED: usize = 100;
const CONTRADICTING: usize = 5;
const UNDECODABLE: usize = 10;
const INVALID: usize = 20;

/// A second delivery follows its first within so many records, as a producer's retry would.
const REDELIVERY_WINDOW: usize = 300;

const DECLINED_METHODS: [&str; 4] = [
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_visa_chargeDeclinedLostCard",
    "pm_card_chargeDeclinedExpiredCard",
];

/// Records that were made wrong, each in its own way.
const INVALID_BODIES: [&str; 8] = [
    r#"{"order_id":"ID","customer_email":"c@example.com","total_amount":"12.345","currency":"EUR","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"c@example.com","total_amount":"0","currency":"EUR","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"c@example.com","total_amount":"-5.00","currency":"EUR","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"c@example.com","total_amount":"5.00","currency":"EURO","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"nobody","total_amount":"5.00","currency":"EUR","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"c@example.com","total_amount":"99999999999999","currency":"EUR","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"c@example.com","total_amount":[5],"currency":"EUR","payment_method":"pm_card_visa"}"#,
    r#"{"order_id":"ID","customer_email":"c@example.com","currency":"EUR","payment_method":"pm_card_visa"}"#,
];

/// Everything that is sent, in order.
pub(crate) fn records(orders: usize, seed: u64) -> Vec<RequestRecord> {
    let mut random = Rng::with_seed(seed);
    let mut records: Vec<RequestRecord> = (1..=orders).map(|number| order(number, &mut random)).collect();
    for _ in 0..share(orders, REDELIVERED) {
        repeat_one(&mut records, &mut random, orders);
    }
    for _ in 0..share(orders, CONTRADICTING) {
        contradict_one(&mut records, &mut random);
    }
    for number in 0..share(orders, UNDECODABLE) {
        let garbage = (0..random.usize(1..64)).map(|_| random.u8(..)).chain([0xff]).collect();
        insert_anywhere(&mut records, &mut random, record(&format!("garbage-{number}"), garbage));
    }
    for number in 0..share(orders, INVALID) {
        let id = format!("invalid-{number}");
        let body = INVALID_BODIES[number % INVALID_BODIES.len()].replace("ID", &id);
        insert_anywhere(&mut records, &mut random, record(&id, body.into_bytes()));
    }
    records
}

/// At least one of a kind, so that a small demo shows everything too.
fn share(orders: usize, per_thousand: usize) -> usize {
    (orders * per_thousand).div_ceil(1000)
}

fn order(number: usize, random: &mut Rng) -> RequestRecord {
    let id = format!("order-{number:06}");
    let method = if random.usize(..1000) < DECLINED {
        DECLINED_METHODS[random.usize(..DECLINED_METHODS.len())]
    } else {
        "pm_card_visa"
    };
    let (amount, currency) = match random.usize(..10) {
        0 => (random.u32(100..50_000).to_string(), "JPY"),
        1 => (format!("{}.{:02}0", random.u32(1..200), random.u32(..100)), "KWD"),
        2 | 3 => (format!("{}.{:02}", random.u32(1..500), random.u32(..100)), "USD"),
        _ => (format!("{}.{:02}", random.u32(1..500), random.u32(..100)), "EUR"),
    };
    let body = format!(
        r#"{{"order_id":"{id}","customer_email":"customer{number}@example.com","total_amount":"{amount}","currency":"{currency}","payment_method":"{method}"}}"#
    );
    record(&id, body.into_bytes())
}

fn record(key: &str, payload: Vec<u8>) -> RequestRecord {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &format!("request-of-{key}")),
        ("ce_type", "payment-requested"),
        ("ce_source", "/demo"),
        ("content-type", "application/json"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    RequestRecord { key: key.to_owned(), headers, payload }
}

fn repeat_one(records: &mut Vec<RequestRecord>, random: &mut Rng, orders: usize) {
    let place = random.usize(..records.len());
    let later = place + 1 + random.usize(..REDELIVERY_WINDOW.min(orders));
    let again = records[place].clone();
    records.insert(later.min(records.len()), again);
}

/// The same order for another amount: a mistake of the sender that must not be charged.
fn contradict_one(records: &mut Vec<RequestRecord>, random: &mut Rng) {
    let place = random.usize(..records.len());
    let mut other = records[place].clone();
    let body = String::from_utf8_lossy(&other.payload).replace("\"total_amount\":\"", "\"total_amount\":\"7");
    other.payload = body.into_bytes();
    records.push(other);
}

fn insert_anywhere(records: &mut Vec<RequestRecord>, random: &mut Rng, record: RequestRecord) {
    let place = random.usize(..=records.len());
    records.insert(place, record);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_records() {
        assert_eq!(records(200, 7), records(200, 7));
        assert_ne!(records(200, 7), records(200, 8));
    }

    #[test]
    fn every_order_is_requested_and_some_more_than_once() {
        let records = records(1000, 1);
        let orders: Vec<&str> =
            records.iter().map(|record| record.key.as_str()).filter(|key| key.starts_with("order-")).collect();
        assert_eq!(orders.iter().collect::<HashSet<_>>().len(), 1000);
        assert_eq!(orders.len(), 1000 + 100 + 5);
        assert_eq!(records.len(), 1000 + 100 + 5 + 10 + 20);
    }
}
