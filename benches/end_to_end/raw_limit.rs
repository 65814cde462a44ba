//! What the transport alone allows on this machine: requests are read, as many outcomes written, positions
//! committed, in batches. No order is looked at, no database and no gateway is asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use order_payments::adapters::wire::cloud_event::EventHeaders;
use order_payments::adapters::wire::outcome::encode;
use order_payments::adapters::wire::request::{DecodeOptions, Decoded, decode};
use order_payments::domain::payment::{ChargeFlow, Payment};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::outbox::OutcomeEvent;
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use serde::Serialize;

use crate::chaos::load::{body, order_id};
use crate::options::Options;
use crate::reader::{Reader, moments};
use crate::report::{Run, figure};
use crate::servers::Servers;
use crate::stage::{PATIENCE, empty_topics, send};
use crate::statistics::steady_per_second;
use crate::support::kafka::Topics;
use crate::support::unique;

/// Records that share a commit at the most.
const BATCH: usize = 10_000;
const FIRST_RECORD: Duration = Duration::from_millis(100);

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RawLimit {
    records: usize,
    pub(crate) records_per_second: f64,
    wrongs: Vec<String>,
}

impl Run for RawLimit {
    const COLUMNS: (&'static [&'static str], &'static [&'static str]) = (&["records"], &["records/s"]);

    fn labels(&self) -> Vec<String> {
        vec![self.records.to_string()]
    }

    fn figures(&self) -> Vec<String> {
        vec![figure(self.records_per_second)]
    }

    fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}

/// Measures it, over a backlog of its own.
pub(crate) async fn measure(servers: &Servers, options: &Options) -> RawLimit {
    let (topics, records) = (empty_topics(servers).await, options.limit_records);
    send(&topics, &(0..records).collect::<Vec<_>>()).await;
    let start = Instant::now();
    let reader = Reader::start(&topics);
    let carried = {
        let topics = topics.clone();
        std::thread::spawn(move || carry(&topics, records, &sample()))
    };
    reader.wait_for(records, PATIENCE).await;
    carried.join().expect("the transport does not panic");
    let told = reader.finish();
    let missing = topics.count(&topics.outcomes) - i64::try_from(records).expect("a small number");
    let wrongs = if missing == 0 { Vec::new() } else { vec![format!("{missing} outcomes more than requests")] };
    RawLimit { records, records_per_second: steady_per_second(&moments(&told, start)), wrongs }
}

/// An outcome as the service would write it, so that as many bytes are sent.
fn sample() -> OutcomeEvent {
    let (key, value, now) = (order_id(1), body(1), Timestamp::from_micros(1_767_323_045_678_901));
    let nothing = EventHeaders::gather([("ce_id", Some(&b"request-5e5f0b1c9e4d4c0f8f7a6b5c4d3e2f1a"[..]))]);
    match decode(Some(key.as_bytes()), Some(value.as_bytes()), &nothing, &DecodeOptions::default()) {
        Ok(Decoded::Request(request)) => {
            let reference = "pi_3OxAbCdEfGhIjKlM".parse().expect("a name of a payment");
            let payment = Payment::first(Arc::from(request), ChargeFlow::OneStep, now);
            encode(&payment.paid(reference, now).expect("it is pending").outcome)
        }
        other => panic!("what is sent is a request, not {other:?}"),
    }
}

/// Counts what the broker has.
struct Delivered(Arc<AtomicUsize>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        // One that failed is missed by who waits for all of them.
        self.0.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
    }
}

/// Reads so many records and writes an outcome for each. A batch is committed once its outcomes are
/// delivered; the next ones do not wait for that.
fn carry(topics: &Topics, records: usize, event: &OutcomeEvent) {
    let consumer: BaseConsumer = topics
        .client()
        .set("group.id", unique("limit"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a lawful configuration");
    consumer.subscribe(&[&topics.requests]).expect("a topic's name");
    let delivered = Arc::new(AtomicUsize::new(0));
    let producer: ThreadedProducer<Delivered> = topics
        .client()
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "1000000")
        .create_with_context(Delivered(Arc::clone(&delivered)))
        .expect("a lawful configuration");
    let (mut sent, mut on_the_way) = (0, VecDeque::new());
    while sent < records || !on_the_way.is_empty() {
        let batch = receive(&consumer, if sent < records { BATCH } else { 1 });
        for record in &batch {
            write(&producer, &topics.outcomes, record.key().unwrap_or_default(), event);
        }
        sent += batch.len();
        if !batch.is_empty() {
            on_the_way.push_back((sent, consumer.position().expect("it has partitions")));
        }
        let done = delivered.load(Ordering::Relaxed);
        while let Some((_, positions)) = on_the_way.pop_front_if(|(needed, _)| *needed <= done) {
            let mode = if on_the_way.is_empty() && sent == records { CommitMode::Sync } else { CommitMode::Async };
            consumer.commit(&positions, mode).expect("it is a member");
        }
    }
}

/// What is there, up to this many.
fn receive(consumer: &BaseConsumer, most: usize) -> Vec<BorrowedMessage<'_>> {
    let mut batch = Vec::new();
    let mut patience = FIRST_RECORD;
    while batch.len() < most
        && let Some(record) = consumer.poll(patience)
    {
        batch.push(record.expect("the broker gives what it has"));
        patience = Duration::ZERO;
    }
    batch
}

fn write(producer: &ThreadedProducer<Delivered>, topic: &str, key: &[u8], event: &OutcomeEvent) {
    let headers = event
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_str()) }));
    let record = BaseRecord::to(topic).key(key).payload(&event.payload).headers(headers);
    producer.send(record).map_err(|(problem, _)| problem).expect("the queue has room");
}
