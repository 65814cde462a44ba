//! The cluster goes away and comes back: nothing is lost, nothing is refused, nothing is said twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_payments::adapters::kafka::KafkaEventPublisher;
use order_payments::ports::event_publisher::EventPublisher;

use crate::contract::event_publisher as contract;
use crate::kafka::breakable::Breakable;
use crate::kafka::fakes::Recorder;
use crate::kafka::support::{run, run_until};

fn orders() -> impl Iterator<Item = String> {
    (0..6).map(|number| format!("o-{number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_out_and_nothing_is_refused_or_said_twice() {
    let broker = Breakable::start();
    let cluster = &broker.cluster;
    let publisher = KafkaEventPublisher::new(&cluster.config, &cluster.storage()).expect("a publisher");
    publisher.take_over().await.expect("taken over");
    cluster.request(orders()).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(cluster, 8, &handler);
    handler.wait_for_calls(6).await;

    broker.is_up(false);
    handler.let_through(6);
    running.wait_until(|status| status.in_flight == 0 && status.held_records == 0).await;
    let batch: Vec<_> = orders().map(|order| contract::paid(&order)).collect();
    let publish = publisher.publish(&batch);
    tokio::pin!(publish);
    let early = tokio::time::timeout(Duration::from_secs(1), &mut publish).await;
    assert!(early.is_err(), "there is nowhere to publish to: {early:?}");

    broker.is_up(true);
    if let Err(problem) = publish.await {
        // As the relay does: what is on the topic decides.
        publisher.take_over().await.unwrap_or_else(|error| panic!("{error} after {problem}"));
        assert_eq!(publisher.tail(&[], 1_000).await.expect("read").events.len(), 0);
        publisher.publish(&batch).await.expect("published");
    }
    cluster.wait_for_committed(6).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 6, "nothing was handled twice");
    assert!(cluster.read(&cluster.config.dead_letter_topic).await.is_empty());
    assert_eq!(cluster.read(&cluster.config.outcome_topic).await.len(), 6, "each outcome once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_an_outage_ends_in_time() {
    let mut broker = Breakable::start();
    broker.cluster.config.commit_interval = Duration::from_hours(1); // So that the stop has something to commit.
    broker.cluster.request(orders()).await;
    let handler = Arc::new(Recorder::open());
    let drain = Duration::from_secs(1);
    let running = run_until(&broker.cluster, 8, &handler, drain);
    handler.wait_for_calls(6).await;

    broker.is_up(false);
    let began = Instant::now();
    let ended = running.stop().await;
    let took = began.elapsed();
    // Three seconds more than the deadline, as promised, and one for a busy machine.
    assert!(took < drain + Duration::from_secs(4), "{took:?}: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_whose_leaders_are_elsewhere_for_a_moment_is_asked_for_again() {
    let broker = Breakable::start();
    let cluster = &broker.cluster;
    let publisher = KafkaEventPublisher::new(&cluster.config, &cluster.storage()).expect("a publisher");
    publisher.take_over().await.expect("taken over");
    let batch: Vec<_> = orders().map(|order| contract::paid(&order)).collect();
    publisher.publish(&batch).await.expect("published");
    broker.tells_no_offsets(3);
    assert_eq!(publisher.tail(&[], 1_000).await.expect("read").events.len(), 6);
}
