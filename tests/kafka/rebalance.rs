//! Two members of one group: partitions move, records do not get lost, positions stay right, however the
//! partitions are divided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::kafka::{Assignment, ConsumerError, FirstStart};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, PARTITIONS, Sent, request_of, run};

/// Each scenario in a group of each kind.
macro_rules! in_every_group {
    ($($name:ident),+ $(,)?) => {
        mod cooperative_sticky {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Cluster::real().await).await })+
        }
        mod eager {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::eager().await).await })+
        }
    };
}

in_every_group!(
    a_member_that_joins_and_one_that_leaves_lose_no_record,
    what_is_in_flight_is_finished_before_its_partition_moves,
    what_ends_after_its_partition_has_moved_changes_no_position,
);

async fn eager() -> Cluster {
    Cluster::real().await.but(|config| config.assignment = Assignment::Eager)
}

fn orders(prefix: &str, many: usize) -> Vec<String> {
    (0..many).map(|number| format!("{prefix}-{number}")).collect()
}

async fn a_member_that_joins_and_one_that_leaves_lose_no_record(cluster: Cluster) {
    cluster.request(orders("early", 1000)).await;
    let (first, second) = (Arc::new(Recorder::open()), Arc::new(Recorder::open()));
    let first_member = run(&cluster, 16, &first);
    first.wait_for_calls(300).await;
    let second_member = run(&cluster, 16, &second);
    cluster.request(orders("middle", 1000)).await;
    second_member.wait_until(|status| status.assigned_partitions > 0).await;
    cluster.request(orders("shared", 1000)).await;
    cluster.wait_for_committed(3000).await;
    assert!(!second.calls().is_empty(), "both have worked");

    first_member.stop().await.expect("an orderly end");
    second_member.wait_for_partitions(3).await;
    cluster.request(orders("late", 500)).await;
    cluster.wait_for_committed(3500).await;
    second_member.stop().await.expect("an orderly end");

    let handled: BTreeSet<String> = first.calls().into_iter().chain(second.calls()).collect();
    assert_eq!(handled.len(), 3500);
}

/// Sends two requests to every partition, both for the same order.
async fn two_for_each_partition(cluster: &Cluster) {
    let records = (0..PARTITIONS).flat_map(|partition| {
        let order = format!("o-{partition}");
        let one = Sent { partition: Some(partition), ..Sent::of(&order, request_of(&order)) };
        [one.clone(), one]
    });
    cluster.send(records.collect()).await;
}

async fn what_is_in_flight_is_finished_before_its_partition_moves(mut cluster: Cluster) {
    cluster.config.drain_timeout = Duration::from_secs(30);
    two_for_each_partition(&cluster).await;
    let (first, second) = (Arc::new(Recorder::shut()), Arc::new(Recorder::open()));
    let first_member = run(&cluster, 8, &first);
    first_member.wait_until(|status| status.held_records == 6 && status.in_flight == 3).await;
    let second_member = run(&cluster, 8, &second);
    // Partitions are leaving: what waits in them is let go, what runs is waited for.
    first_member.wait_until(|status| status.held_records < 6).await;
    assert!(second.calls().is_empty());
    first.let_through(100);
    cluster.wait_for_committed(6).await;
    assert!(!second.calls().is_empty());
    let mut calls: Vec<String> = first.calls().into_iter().chain(second.calls()).collect();
    calls.sort();
    assert_eq!(calls, ["o-0", "o-0", "o-1", "o-1", "o-2", "o-2"], "every record was handled once");
    first_member.stop().await.expect("an orderly end");
    second_member.stop().await.expect("an orderly end");
}

async fn what_ends_after_its_partition_has_moved_changes_no_position(mut cluster: Cluster) {
    cluster.config.drain_timeout = Duration::ZERO;
    two_for_each_partition(&cluster).await;
    let (first, second) = (Arc::new(Recorder::shut()), Arc::new(Recorder::open()));
    let first_member = run(&cluster, 8, &first);
    first.wait_for_calls(3).await;
    let second_member = run(&cluster, 8, &second);
    second.wait_for_calls(2).await;
    first.let_through(100);
    cluster.wait_for_committed(6).await;
    first_member.stop().await.expect("an orderly end");
    second_member.stop().await.expect("an orderly end");
    let twos: BTreeMap<i32, i64> = (0..PARTITIONS).map(|partition| (partition, 2)).collect();
    assert_eq!(cluster.committed().await, twos);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_at_the_end_skips_what_was_sent_before_it_and_nothing_else() {
    let mut cluster = Cluster::real().await;
    cluster.config.first_start = FirstStart::Latest;
    cluster.request(orders("before", 10)).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    // The start itself is committed: what comes while nobody runs is not skipped.
    cluster.wait_for_committed(10).await;
    running.stop().await.expect("an orderly end");
    cluster.request(orders("between", 10)).await;
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(20).await;
    running.stop().await.expect("an orderly end");
    let calls = handler.calls();
    assert!(calls.len() == 10 && calls.iter().all(|order| order.starts_with("between")), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_deleted_unread_end_the_consumer() {
    let cluster = Cluster::real().await;
    let one = |order: &str| Sent { partition: Some(0), ..Sent::of(order, request_of(order)) };
    cluster.send(vec![one("a")]).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(1).await;
    running.stop().await.expect("an orderly end");

    cluster.send(vec![one("b"), one("c"), one("d")]).await;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &cluster.config.brokers).create().expect("an admin client");
    let mut deleted = TopicPartitionList::new();
    deleted.add_partition_offset(&cluster.config.request_topic, 0, Offset::Offset(3)).expect("an offset");
    admin.delete_records(&deleted, &AdminOptions::new()).await.expect("deleted");

    let ended = run(&cluster, 8, &handler).end().await;
    assert!(matches!(ended, Err(ConsumerError::RequestsDeleted { .. })), "{ended:?}");
    assert_eq!(handler.calls(), ["a"]);
    assert_eq!(cluster.committed().await.get(&0), Some(&1), "the position stays where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_exist_ends_the_consumer() {
    let mut cluster = Cluster::real().await;
    cluster.config.request_topic.push_str("-not");
    let ended = run(&cluster, 8, &Arc::new(Recorder::open())).end().await;
    assert!(matches!(ended, Err(ConsumerError::Refused { .. })), "{ended:?}");
}
