//! The publisher of outcomes against a real broker: the contract, and what only Kafka can do wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use order_payments::adapters::kafka::KafkaEventPublisher;
use order_payments::ports::event_publisher::{EventPublisher, PublishError};
use order_payments::ports::outbox::{OutcomeEvent, Position};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use crate::contract::event_publisher as contract;
use crate::kafka::support::{Cluster, DEADLINE, PARTITIONS};

macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let cluster = Cluster::real().await;
            contract::$name(&|| publisher(&cluster)).await;
        })+
    };
}

contract!(
    what_is_published_is_found_as_it_was_sent,
    the_outcomes_of_an_order_keep_their_order,
    a_tail_goes_on_where_the_last_one_ended,
    a_long_tail_is_read_in_stretches,
    a_publisher_that_was_taken_over_publishes_nothing,
    nothing_is_published_before_a_take_over,
);

/// What the embedded broker can do; it fences no one and isolates nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_takes_outcomes_too() {
    let cluster = Cluster::embedded();
    contract::what_is_published_is_found_as_it_was_sent(&|| publisher(&cluster)).await;
    let cluster = Cluster::embedded();
    contract::a_tail_goes_on_where_the_last_one_ended(&|| publisher(&cluster)).await;
}

fn headers(event: &OutcomeEvent) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(event.headers.len());
    event.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

fn publisher(cluster: &Cluster) -> Arc<dyn EventPublisher> {
    Arc::new(KafkaEventPublisher::new(&cluster.config, &cluster.storage()).expect("a publisher"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_the_broker_refuses_keeps_the_whole_batch_back() {
    let cluster = Cluster::real().await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let mut too_large = contract::paid("large");
    let began = Instant::now();
    // Above the topic's limit of 1 MiB, and nothing that compresses.
    too_large.payload = std::iter::repeat_with(|| fastrand::u8(..)).take(2_000_000).collect();
    let batch = [contract::paid("o-1"), too_large, contract::paid("o-2")];
    let refused = publisher.publish(&batch).await;
    assert!(matches!(refused, Err(PublishError::Refused { .. })), "{refused:?}");
    assert!(cluster.read(&cluster.config.outcome_topic).await.is_empty());
    publisher.take_over().await.expect("taken over");
    publisher.publish(&[contract::paid("o-1")]).await.expect("the publisher goes on");
    publisher.publish(&[contract::paid("o-3")]).await.expect("and on");
    assert_eq!(cluster.read(&cluster.config.outcome_topic).await.len(), 2);
    assert!(began.elapsed() < Duration::from_secs(15), "no delivery was waited for in vain: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_on_the_topic_is_the_event_and_nothing_else() {
    let cluster = Cluster::real().await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let event = contract::failed("o-1");
    let at = publisher.publish(std::slice::from_ref(&event)).await.expect("published")[0];
    let found = cluster.read(&cluster.config.outcome_topic).await;
    let headers: Vec<_> =
        event.headers.iter().map(|(name, value)| (name.clone(), Some(value.as_bytes().to_vec()))).collect();
    assert_eq!((found[0].partition, found[0].offset), (at.partition, at.offset));
    assert_eq!(found[0].key.as_deref(), Some(&b"o-1"[..]));
    assert_eq!(found[0].value.as_deref(), Some(&event.payload[..]));
    assert_eq!(found[0].headers, headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_passes_over_what_others_wrote() {
    let cluster = Cluster::real().await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let stray = FutureRecord::to(&cluster.config.outcome_topic).key("stray").payload("not one of ours");
    cluster.sender().send(stray, DEADLINE).await.expect("sent");
    // Says that o-1 was paid, under another order's key: o-1's own outcome must not count as published.
    let forged = contract::paid("o-1");
    let record = FutureRecord::to(&cluster.config.outcome_topic).key("o-9").payload(&forged.payload);
    cluster.sender().send(record.headers(headers(&forged)), DEADLINE).await.expect("sent");
    publisher.publish(&[contract::paid("o-2"), contract::paid("o-3")]).await.expect("published");
    let tail = publisher.tail(&[], 1_000).await.expect("read");
    let orders: BTreeSet<&str> = tail.events.iter().map(|found| found.event.order_id.as_str()).collect();
    assert_eq!((orders, tail.complete), (BTreeSet::from(["o-2", "o-3"]), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_beyond_the_end_are_read_from_the_start_and_corrected() {
    let cluster = Cluster::real().await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let published = publisher.publish(&[contract::paid("o-1")]).await.expect("published")[0];
    let beyond = |partition| Position { partition, next_offset: 1_000 };
    let stored: Vec<Position> = (0..PARTITIONS).map(beyond).chain([beyond(77)]).collect();
    let tail = publisher.tail(&stored, 1_000).await.expect("read");
    assert_eq!((tail.events.len(), tail.complete), (1, true), "a topic that was made anew is read from its start");
    let true_position = |partition| Position { partition, next_offset: i64::from(partition == published.partition) };
    assert_eq!(tail.read_up_to, (0..PARTITIONS).map(true_position).collect::<Vec<_>>());
}

/// A producer of someone else with a transaction open on every partition.
pub(crate) async fn open_transaction(cluster: &Cluster, name: &str) -> FutureProducer {
    let stranger: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &cluster.config.brokers)
        .set("transactional.id", name)
        .create()
        .expect("a producer");
    tokio::task::block_in_place(|| stranger.init_transactions(DEADLINE)).expect("initialised");
    stranger.begin_transaction().expect("begun");
    for partition in 0..PARTITIONS {
        let record = FutureRecord::to(&cluster.config.outcome_topic).partition(partition).key("x").payload("open");
        stranger.send(record, DEADLINE).await.expect("sent, not committed");
    }
    stranger
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_is_not_complete_while_a_strangers_transaction_hides_our_records() {
    let cluster = Cluster::real().await;
    let stranger = open_transaction(&cluster, &format!("stranger-of-{}", cluster.config.group_id)).await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    publisher.publish(&[contract::paid("o-1")]).await.expect("committed behind the open one");
    let tail = publisher.tail(&[], 1_000);
    tokio::pin!(tail);
    let early = tokio::time::timeout(Duration::from_secs(2), &mut tail).await;
    assert!(early.is_err(), "complete before the hidden records could be seen: {early:?}");
    tokio::task::block_in_place(|| stranger.abort_transaction(DEADLINE)).expect("aborted");
    let tail = tail.await.expect("read");
    assert_eq!((tail.events.len(), tail.complete), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_dead_publisher_left_open_is_ended_by_the_take_over() {
    let cluster = Cluster::real().await;
    let _dead = open_transaction(&cluster, &format!("order-payments-outcomes-{}", cluster.storage())).await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let tail = publisher.tail(&[], 1_000).await.expect("read");
    assert_eq!((tail.events.len(), tail.complete), (0, true));
    publisher.publish(&[contract::paid("o-1")]).await.expect("published");
    assert_eq!(publisher.tail(&[], 1_000).await.expect("read").events.len(), 1);
}

/// The storage names the publisher: a new consumer group must not let two relays publish at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_of_the_same_storage_is_fenced_under_another_group() {
    let cluster = Cluster::real().await;
    let old = publisher(&cluster);
    old.take_over().await.expect("taken over");
    let mut renamed = cluster.config.clone();
    renamed.group_id.push_str("-renamed");
    let new = KafkaEventPublisher::new(&renamed, &cluster.storage()).expect("a publisher");
    new.take_over().await.expect("taken over");
    let fenced = old.publish(&[contract::paid("o-1")]).await;
    assert!(matches!(fenced, Err(PublishError::Fenced)), "{fenced:?}");
}
