//! The publisher of outcomes against a real broker: the contract, and what only Kafka can do wrong.

use std::sync::Arc;

use order_payments::adapters::kafka::KafkaEventPublisher;
use order_payments::ports::event_publisher::{EventPublisher, PublishError};
use order_payments::ports::outbox::Position;
use rdkafka::producer::FutureRecord;

use crate::contract::event_publisher as contract;
use crate::kafka::support::{Cluster, DEADLINE};

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

fn publisher(cluster: &Cluster) -> Arc<dyn EventPublisher> {
    Arc::new(KafkaEventPublisher::new(&cluster.config).expect("a publisher"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_the_broker_refuses_keeps_the_whole_batch_back() {
    let cluster = Cluster::real().await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let mut too_large = contract::paid("large");
    // Above the topic's limit of 1 MiB, and nothing that compresses.
    too_large.payload = std::iter::repeat_with(|| fastrand::u8(..)).take(2_000_000).collect();
    let batch = [contract::paid("o-1"), too_large, contract::paid("o-2")];
    let refused = publisher.publish(&batch).await;
    assert!(matches!(refused, Err(PublishError::NotPublished { .. })), "{refused:?}");
    assert!(cluster.read(&cluster.config.outcome_topic).await.is_empty());
    publisher.publish(&[contract::paid("o-1")]).await.expect("the publisher goes on");
    assert_eq!(cluster.read(&cluster.config.outcome_topic).await.len(), 1);
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
async fn a_tail_passes_over_what_others_wrote_and_positions_that_are_gone() {
    let cluster = Cluster::real().await;
    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let stray = FutureRecord::to(&cluster.config.outcome_topic).key("stray").payload("not one of ours");
    cluster.sender().send(stray, DEADLINE).await.expect("sent");
    publisher.publish(&[contract::paid("o-1"), contract::paid("o-2")]).await.expect("published");
    let beyond: Vec<Position> = (0..3).map(|partition| Position { partition, next_offset: 1_000 }).collect();
    let tail = publisher.tail(&beyond, 1_000).await.expect("read");
    assert_eq!((tail.events.len(), tail.complete), (2, true), "a topic that was made anew is read from its start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_dead_publisher_left_open_is_ended_by_the_take_over() {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{FutureProducer, Producer};

    let cluster = Cluster::real().await;
    let dead: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &cluster.config.brokers)
        .set("transactional.id", format!("{}-outcomes", cluster.config.group_id))
        .create()
        .expect("a producer");
    tokio::task::block_in_place(|| dead.init_transactions(DEADLINE)).expect("initialised");
    dead.begin_transaction().expect("begun");
    let event = contract::paid("o-1");
    let record = FutureRecord::to(&cluster.config.outcome_topic).key("o-1").payload(&event.payload);
    dead.send(record, DEADLINE).await.expect("sent, not committed");

    let publisher = publisher(&cluster);
    publisher.take_over().await.expect("taken over");
    let tail = publisher.tail(&[], 1_000).await.expect("read");
    assert_eq!((tail.events.len(), tail.complete), (0, true));
    publisher.publish(&[event]).await.expect("published");
    assert_eq!(publisher.tail(&[], 1_000).await.expect("read").events.len(), 1);
}
