//! The orders of a run, sent at an even pace, every tenth a second time, every twentieth not to be paid.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::kafka::{Topics, request_headers};

/// How often it is looked how many are due.
const BEAT: Duration = Duration::from_millis(20);

/// What an order asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) amount_minor: u64,
    /// As on the wire.
    pub(crate) amount: String,
    /// ISO 4217.
    pub(crate) currency: &'static str,
    /// Its card is declined.
    pub(crate) is_declined: bool,
}

/// When the broker had an order's first request.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) order: String,
    pub(crate) partition: i32,
    pub(crate) at: Instant,
}

pub(crate) fn order_id(number: usize) -> String {
    format!("ord_{number:08}")
}

/// What that order asks for.
pub(crate) fn requested(number: usize) -> Requested {
    let (units, hundredths) = (100 + number % 400, number % 100); // Providers refuse less than about half a euro.
    let (currency, amount, amount_minor) = match number % 3 {
        0 => ("JPY", units.to_string(), units), // Has no hundredths.
        1 => ("EUR", format!("{units}.{hundredths:02}"), units * 100 + hundredths),
        _ => ("USD", format!("{units}.{hundredths:02}"), units * 100 + hundredths),
    };
    let amount_minor = u64::try_from(amount_minor).expect("small");
    Requested { amount_minor, amount, currency, is_declined: number % 20 == 7 }
}

/// Every order that a run asks for.
pub(crate) fn all_requested(orders: usize) -> BTreeMap<String, Requested> {
    (0..orders).map(|number| (order_id(number), requested(number))).collect()
}

/// The value of that order's request.
pub(crate) fn body(number: usize) -> String {
    let Requested { amount, currency, is_declined, .. } = requested(number);
    let method = if is_declined { "pm_card_chargeDeclined" } else { "pm_card_visa" };
    let id = order_id(number);
    format!(
        r#"{{"order_id":"{id}","customer_email":"canary{number}@example.com","total_amount":"{amount}","currency":"{currency}","payment_method":"{method}"}}"#
    )
}

/// The numbers of the orders in the order in which they are sent.
fn sequence(orders: usize) -> Vec<usize> {
    let mut numbers: Vec<_> = (0..orders).collect();
    for number in (0..orders).step_by(10) {
        let later = (number + 7 * (number % 97)).min(numbers.len());
        numbers.insert(later, number);
    }
    numbers
}

/// Sends all of them over this long; returns once the broker has every one.
pub(crate) async fn send(topics: &Topics, orders: usize, lasts: Duration) -> Vec<Sent> {
    let producer: FutureProducer = topics
        .client()
        .set("enable.idempotence", "true")
        .set("reconnect.backoff.max.ms", "200")
        .create()
        .expect("a lawful configuration");
    let numbers = sequence(orders);
    let (start, mut beats) = (Instant::now(), tokio::time::interval(BEAT));
    let (mut on_the_way, mut sent) = (FuturesUnordered::new(), BTreeMap::new());
    let mut next = 0;
    while next < numbers.len() || !on_the_way.is_empty() {
        tokio::select! {
            _ = beats.tick() => {
                let due = due(numbers.len(), start.elapsed(), lasts);
                for number in &numbers[next.min(due)..due] {
                    on_the_way.push(deliver(&producer, &topics.requests, *number));
                }
                next = next.max(due);
            }
            Some(delivered) = on_the_way.next() => {
                let delivered: Sent = delivered;
                sent.entry(delivered.order.clone()).or_insert(delivered);
            }
        }
    }
    sent.into_values().collect()
}

fn due(records: usize, elapsed: Duration, lasts: Duration) -> usize {
    let part = elapsed.as_millis().saturating_mul(records as u128) / lasts.as_millis().max(1);
    usize::try_from(part).unwrap_or(records).min(records)
}

/// Hands that order's request over to be sent.
pub(crate) fn hand_over(producer: &FutureProducer, topic: &str, number: usize) -> DeliveryFuture {
    let (order, body) = (order_id(number), body(number));
    let record = FutureRecord::to(topic).key(&order).payload(&body).headers(request_headers());
    producer.send_result(record).map_err(|(error, _)| error).expect("the queue has room")
}

async fn deliver(producer: &FutureProducer, topic: &str, number: usize) -> Sent {
    let order = order_id(number);
    let delivered = hand_over(producer, topic, number)
        .await
        .expect("the producer lives")
        .expect("the broker takes it, sooner or later");
    Sent { partition: delivered.partition, at: Instant::now(), order }
}
