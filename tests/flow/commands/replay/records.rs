//! The records of a topic as a year leaves them: settled, failed, unknown, repeated, contradicting, and garbage.

use std::collections::BTreeMap;
use std::time::Duration;

use order_payments::adapters::system::SystemClock;
use order_payments::ports::clock::Clock;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::flow::Stage;
use crate::flow::commands::replay::Place;
use crate::support::kafka::request_headers;

/// How many records the topic holds, about.
pub(super) const RECORDS: usize = 3_000;
pub(super) const PATIENCE: Duration = Duration::from_mins(20);

/// How many of each.
pub(super) struct Mixture {
    /// Orders that the service has settled.
    first: usize,
    young: usize,
    old: usize,
    /// Of each: settled orders asked for again, with other terms, unknown orders asked for again, garbage.
    few: usize,
}

impl Mixture {
    pub(super) fn of(records: usize) -> Self {
        Self { first: records * 6 / 10, young: records / 10, old: records / 10, few: records / 20 }
    }

    pub(super) fn settled(&self) -> i64 {
        i64::try_from(self.first).expect("few")
    }

    pub(super) fn unknown(&self) -> u64 {
        (self.young + self.old) as u64
    }

    pub(super) async fn settle_the_first(&self, stage: &Stage) {
        let service = stage.setup.start();
        let records = (0..self.first).map(|number| request(&format!("s-{number}"), "12.50", 0));
        send(stage, records).await;
        stage.settled(self.first, PATIENCE).await;
        service.stop().await;
    }

    /// What nobody has read yet.
    pub(super) async fn send_the_rest(&self, stage: &Stage) {
        let few = 0..self.few;
        let records = (0..self.young)
            .map(|number| request(&format!("y-{number}"), "12.50", 1))
            .chain((0..self.old).map(|number| request(&format!("o-{number}"), "7.00", 30)))
            .chain(few.clone().map(|number| request(&format!("s-{number}"), "12.50", 1)))
            .chain(few.clone().map(|number| request(&format!("s-{number}"), "12.51", 1)))
            .chain(few.clone().map(|number| request(&format!("y-{number}"), "12.50", 1)))
            .chain(few.clone().map(|number| (format!("g-{number}"), b"{garbage".to_vec(), request_headers())));
        send(stage, records).await;
    }

    pub(super) fn assert_foreseen(&self, plan: &BTreeMap<Place, String>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for verdict in plan.values() {
            *counts.entry(verdict).or_default() += 1;
        }
        let settled = counts.remove("already_paid").unwrap_or(0) + counts.remove("already_failed").unwrap_or(0);
        assert_eq!(settled, self.first + self.few, "{counts:?}");
        let others = [
            ("contradicts", self.few),
            ("repeats", self.few),
            ("undecodable", self.few),
            ("unknown", self.young + self.old),
        ];
        assert_eq!(counts, others.into());
    }
}

type Sent = (String, Vec<u8>, OwnedHeaders);

/// A request that was made so many hours ago.
fn request(order_id: &str, amount: &str, hours: i64) -> Sent {
    let body = format!(
        r#"{{"order_id":"{order_id}","customer_email":"ada@example.com","total_amount":"{amount}","currency":"EUR","payment_method":"pm_card_visa"}}"#
    );
    let made_at = OffsetDateTime::from_unix_timestamp(SystemClock.now().as_micros() / 1_000_000).expect("now")
        - time::Duration::hours(hours);
    let made_at = made_at.format(&Rfc3339).expect("a moment");
    let headers = request_headers().insert(Header { key: "ce_time", value: Some(&made_at) });
    (order_id.to_owned(), body.into_bytes(), headers)
}

/// Sends them, and waits until the broker has them all.
async fn send(stage: &Stage, records: impl Iterator<Item = Sent>) {
    let mut client = stage.setup.topics.client();
    let producer: FutureProducer =
        client.set("linger.ms", "5").set("enable.idempotence", "true").create().expect("a lawful configuration");
    let mut deliveries = Vec::new();
    for (key, value, headers) in records {
        let record = FutureRecord::to(&stage.setup.topics.requests).key(&key).payload(&value).headers(headers);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error).expect("the queue has room"));
    }
    for delivery in deliveries {
        delivery.await.expect("the producer lives").expect("the broker takes it");
    }
}
