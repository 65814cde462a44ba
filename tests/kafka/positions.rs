//! The database's positions beside the group's: stored first, believed where they are lower, and what a restored
//! database has forgotten is read again as something that may have happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::kafka::FirstStart;
use order_payments::adapters::system::SystemClock;
use order_payments::domain::request::Past;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::clock::Clock;
use order_payments::ports::position_repository::{HandledPosition, PositionRepository};

use crate::kafka::fakes::{Health, Recorder};
use crate::kafka::support::{Cluster, PARTITIONS, Sent, request_of, run};

/// One request for each partition, in partition order, for the orders `PREFIX-0`, `PREFIX-1`, ….
async fn one_for_each_partition(cluster: &Cluster, prefix: &str) -> Vec<String> {
    let orders: Vec<String> = (0..PARTITIONS).map(|partition| format!("{prefix}-{partition}")).collect();
    let one =
        |(partition, order): (i32, &String)| Sent { partition: Some(partition), ..Sent::of(order, request_of(order)) };
    cluster.send((0..).zip(&orders).map(one).collect()).await;
    orders
}

/// Handles one request of each partition and stops.
async fn handle_one_of_each(cluster: &Cluster, prefix: &str) -> Vec<String> {
    let orders = one_for_each_partition(cluster, prefix).await;
    let (handler, before) = (Arc::new(Recorder::open()), cluster.committed().await.values().sum::<i64>());
    let running = run(cluster, 8, &handler);
    cluster.wait_for_committed(before + i64::from(PARTITIONS)).await;
    running.stop().await.expect("an orderly end");
    orders
}

fn everywhere(offset: i64) -> BTreeMap<i32, i64> {
    (0..PARTITIONS).map(|partition| (partition, offset)).collect()
}

fn stored(cluster: &Cluster) -> BTreeMap<i32, (i64, i64)> {
    let positions = cluster.positions.positions().into_iter();
    positions.map(|(partition, position)| (partition, (position.next_offset, position.horizon))).collect()
}

fn sorted(mut orders: Vec<String>) -> Vec<String> {
    orders.sort();
    orders
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_before_the_database_has_stored_it() {
    let cluster = Cluster::real().await;
    one_for_each_partition(&cluster, "o").await;
    cluster.positions.is_from_now_on(Health::Slow);
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    // The second question comes once the first was given up: the deadline works.
    cluster.positions.wait_for_stores(2).await;
    running.wait_until(|status| status.held_records == 0 && status.assigned_partitions == 3).await;
    assert_eq!(handler.calls().len(), 3, "handling goes on");
    assert_eq!((cluster.committed().await, cluster.positions.sum()), (BTreeMap::new(), 0));
    cluster.positions.is_from_now_on(Health::Well);
    cluster.wait_for_committed(3).await;
    assert_eq!(cluster.positions.sum(), 3);
    running.stop().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_commits_nothing_and_loses_nothing() {
    let cluster = Cluster::real().await;
    let orders = one_for_each_partition(&cluster, "o").await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 8, &handler);
    handler.wait_for_calls(3).await;
    cluster.positions.is_from_now_on(Health::Away);
    handler.let_through(3);
    running.wait_until(|status| status.held_records == 0).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(cluster.committed().await.values().sum::<i64>(), 0);

    cluster.positions.is_from_now_on(Health::Well);
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(3).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(sorted(handler.calls()), orders, "delivered again to be met as settled");
    assert!(handler.of_unknown_past().is_empty(), "{:?}", handler.pasts());
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_wait_for_a_database_that_is_away_and_the_reason_is_told() {
    let cluster = Cluster::real().await;
    one_for_each_partition(&cluster, "o").await;
    cluster.positions.is_from_now_on(Health::Away);
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    running.wait_until(|status| status.waiting_reason.is_some_and(|reason| reason.contains("shelf is locked"))).await;
    let status = running.status.now();
    assert_eq!((status.waiting_partitions, status.assigned_partitions), (3, 0), "{status:?}");
    assert!(status.last_poll_age < Duration::from_secs(1), "polling goes on: {status:?}");
    cluster.positions.is_from_now_on(Health::Well);
    cluster.wait_for_committed(3).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_wait_can_be_given_to_another_member() {
    let waits = Cluster::real().await;
    let reads = Cluster::at(waits.config.clone());
    waits.positions.is_from_now_on(Health::Away);
    let handler = Arc::new(Recorder::open());
    let first = run(&waits, 8, &Arc::new(Recorder::shut()));
    first.wait_until(|status| status.waiting_partitions == 3).await;
    let second = run(&reads, 8, &handler);
    second.wait_until(|status| status.assigned_partitions > 0).await;
    first.stop().await.expect("an orderly end");
    second.wait_for_partitions(3).await;
    let orders = one_for_each_partition(&reads, "o").await;
    reads.wait_for_committed(3).await;
    second.stop().await.expect("an orderly end");
    assert_eq!(sorted(handler.calls()), orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_ahead_of_the_group_skips_no_record() {
    let cluster = Cluster::real().await;
    handle_one_of_each(&cluster, "before").await;
    // As after a kill between the database's commit and Kafka's.
    let ahead = |partition| HandledPosition { partition, next_offset: 2, horizon: 0 };
    let ahead: Vec<_> = (0..PARTITIONS).map(ahead).collect();
    let (group, topic) = (&cluster.config.group_id, &cluster.config.request_topic);
    cluster.positions.store_positions(group, topic, &ahead).await.expect("a shelf");
    let orders = one_for_each_partition(&cluster, "again").await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(6).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(sorted(handler.calls()), orders);
    assert_eq!((cluster.guard.calls(), handler.of_unknown_past().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_database_reads_everything_again_as_something_that_may_have_happened() {
    let cluster = Cluster::real().await;
    let known = handle_one_of_each(&cluster, "known").await;
    cluster.positions.restore(BTreeMap::new());
    cluster.guard.refuse(2);
    let fresh = one_for_each_partition(&cluster, "new").await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    running.wait_until(|status| status.waiting_reason.is_some_and(|reason| reason.contains("not done yet"))).await;
    assert_eq!(handler.calls(), Vec::<String>::new(), "nothing before the guard has answered");
    cluster.wait_for_committed(6).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(cluster.guard.calls(), 3);
    assert_eq!(sorted(handler.calls()), sorted([known.clone(), fresh].concat()));
    assert_eq!(handler.of_unknown_past(), known);
    assert_eq!(stored(&cluster), (0..PARTITIONS).map(|partition| (partition, (2, 1))).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_reads_again_what_it_has_forgotten_and_no_more() {
    let cluster = Cluster::real().await;
    handle_one_of_each(&cluster, "kept").await;
    let backup = cluster.positions.backup();
    let forgotten = handle_one_of_each(&cluster, "forgotten").await;
    cluster.positions.restore(backup);
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 8, &handler);
    handler.wait_for_calls(3).await;
    assert_eq!(sorted(handler.calls()), forgotten);
    assert_eq!(handler.of_unknown_past(), forgotten);
    assert_eq!(stored(&cluster), (0..PARTITIONS).map(|partition| (partition, (1, 2))).collect(), "before any is done");
    handler.let_through(3);
    running.wait_until(|status| status.held_records == 0).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(cluster.committed().await, everywhere(2));
    assert_eq!(cluster.guard.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_is_known_as_that_after_a_restart_in_the_middle_of_it() {
    let cluster = Cluster::real().await;
    let orders = [handle_one_of_each(&cluster, "a").await, handle_one_of_each(&cluster, "b").await].concat();
    cluster.positions.restore(BTreeMap::new());
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 1, &handler);
    handler.let_through(2);
    handler.wait_for_calls(3).await;
    running.ask_to_stop();
    running.wait_until(|status| status.held_records == 1).await;
    handler.let_through(1);
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.of_unknown_past().len(), handler.calls().len());
    assert_eq!(cluster.committed().await, everywhere(2), "the group's position is never taken back");

    let rest = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &rest);
    let left = orders.len() - handler.calls().len();
    rest.wait_for_calls(left).await;
    let fresh = one_for_each_partition(&cluster, "new").await;
    cluster.wait_for_committed(9).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(sorted([handler.of_unknown_past(), rest.of_unknown_past()].concat()), orders);
    assert!(fresh.iter().all(|order| rest.calls().contains(order)));
    assert_eq!(stored(&cluster), (0..PARTITIONS).map(|partition| (partition, (3, 2))).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_database_of_a_first_start_at_the_end_pays_nothing_from_before_it() {
    let mut cluster = Cluster::real().await;
    cluster.config.first_start = FirstStart::Latest;
    one_for_each_partition(&cluster, "never-to-be-paid").await;
    let running = run(&cluster, 8, &Arc::new(Recorder::open()));
    cluster.wait_for_committed(3).await;
    running.stop().await.expect("an orderly end");
    cluster.positions.restore(BTreeMap::new());
    let fresh = one_for_each_partition(&cluster, "new").await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(6).await;
    running.stop().await.expect("an orderly end");
    assert_eq!((sorted(handler.calls()), cluster.guard.calls()), (fresh, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restored_in_mid_run_is_found_out_with_the_next_commit() {
    for is_paused in [false, true] {
        let cluster = Cluster::real().await;
        let known = one_for_each_partition(&cluster, "known").await;
        let handler = Arc::new(Recorder::open());
        let running = run(&cluster, 8, &handler);
        cluster.wait_for_committed(3).await;
        let cause = Sent { partition: Some(1), ..Sent::of("cause", request_of("cause")) };
        cluster.positions.restore(BTreeMap::new());
        cluster.send(vec![cause]).await;
        handler.wait_for_calls(4).await;
        if is_paused {
            cluster.valve.send_replace(Some("a test".to_owned()));
        }
        running.wait_until(|_| cluster.guard.calls() > 0).await;
        cluster.valve.send_replace(None);
        handler.wait_for_calls(6).await;
        // Of the partition that moved: what came after the restore is known to the restored database.
        assert_eq!(handler.of_unknown_past(), [known[1].clone()]);
        cluster.wait_for_committed(4).await;
        running.stop().await.expect("an orderly end");
        assert_eq!(stored(&cluster).get(&1), Some(&(2, 1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_sent_long_ago_is_of_unknown_past() {
    let cluster = Cluster::real().await;
    let now = SystemClock.now().as_micros() / 1_000;
    let hours = |hours: i64| now - hours * 3_600_000;
    let sent = |order: &str, age| Sent { timestamp_ms: Some(hours(age)), ..Sent::of(order, request_of(order)) };
    let redriven = b"2025-01-01T00:00:00Z".to_vec();
    let headers = vec![("order-payments-first-failed-at", Some(redriven))];
    cluster.send(vec![sent("young", 19), sent("old", 21), Sent { headers, ..sent("redriven", 1) }]).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(3).await;
    running.stop().await.expect("an orderly end");
    let since = |millis: i64| Past::Unknown { since: Some(Timestamp::from_micros(millis * 1_000)) };
    let pasts: BTreeMap<String, Past> = handler.pasts().into_iter().collect();
    assert_eq!(pasts["young"], Past::Known);
    assert_eq!(pasts["old"], since(hours(22)));
    assert_eq!(pasts["redriven"], since(1_735_689_600_000 - 3_600_000));
}
