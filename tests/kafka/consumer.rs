//! One consumer: everything is handled, in order, and only what is done is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use order_payments::adapters::kafka::{ConsumerError, Handling};
use order_payments::adapters::wire::rejection::{Rejection, RejectionReason};

use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, Sent, request_of, run};

/// The cases that need no real broker run on both.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Cluster::embedded()).await })+
        }
        mod real {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Cluster::real().await).await })+
        }
    };
}

on_both!(
    every_record_is_handled_and_committed,
    an_orders_records_are_handled_in_order_and_never_at_once,
    a_record_that_cannot_be_understood_becomes_a_dead_letter_whole,
    a_record_that_the_handler_refuses_becomes_a_dead_letter,
    a_dead_letter_that_was_sent_again_keeps_its_history,
    a_retry_holds_the_watermark_and_nothing_else,
    a_restart_goes_on_where_the_group_stands,
    a_stop_finishes_what_is_in_flight_and_commits_it,
    a_full_house_pauses_and_goes_on,
    a_panic_in_a_handler_ends_the_consumer_and_loses_nothing,
);

async fn every_record_is_handled_and_committed(cluster: Cluster) {
    let orders: Vec<String> = (0..500).map(|number| format!("o-{number}")).collect();
    cluster.request(&orders).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 64, &handler);
    handler.wait_for_calls(orders.len()).await;
    cluster.wait_for_committed(500).await;
    running.stop().await.expect("an orderly end");
    let mut calls = handler.calls();
    calls.sort();
    let mut expected = orders;
    expected.sort();
    assert_eq!(calls, expected);
}

async fn an_orders_records_are_handled_in_order_and_never_at_once(cluster: Cluster) {
    cluster.request(["a", "a", "b", "a"]).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 8, &handler);
    handler.wait_for_calls(2).await;
    running.wait_until(|status| status.held_records == 4).await;
    let mut calls = handler.calls();
    calls.sort();
    assert_eq!(calls, ["a", "b"], "the later records of an order wait");
    handler.let_through(2);
    handler.wait_for_calls(3).await;
    handler.let_through(2);
    cluster.wait_for_committed(4).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 4);
}

async fn a_record_that_cannot_be_understood_becomes_a_dead_letter_whole(cluster: Cluster) {
    let headers = vec![("x-own", Some(b"\xff\x00".to_vec())), ("x-empty", None), ("x-own", Some(b"twice".to_vec()))];
    let poison = Sent { headers: headers.clone(), partition: Some(1), ..Sent::of("k", *b"not json") };
    let tombstone = Sent { partition: Some(1), ..Sent { key: Some(b"t".to_vec()), ..Sent::default() } };
    let huge = Sent { partition: Some(1), ..Sent::of("h", vec![b'x'; 1_000_000]) };
    let good = Sent { partition: Some(1), ..Sent::of("o-1", request_of("o-1")) };
    cluster.send(vec![poison, tombstone, huge, good]).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(4).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls(), ["o-1"], "the others disturb nothing");

    let letters = cluster.read(&cluster.config.dead_letter_topic).await;
    let letter = |key: &[u8]| letters.iter().find(|letter| letter.key.as_deref() == Some(key)).expect("a letter");
    assert_eq!(letters.len(), 3);
    assert_eq!(letter(b"t").value, None);
    assert_eq!(letter(b"h").value.as_ref().map(Vec::len), Some(1_000_000));
    let letter = letter(b"k");
    assert_eq!(letter.value.as_deref(), Some(&b"not json"[..]));
    let text = |value: &str| Some(value.as_bytes().to_vec());
    let mut expected: Vec<(String, Option<Vec<u8>>)> =
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    expected.extend([
        ("__dlq.errors.topic".to_owned(), text(&cluster.config.request_topic)),
        ("__dlq.errors.partition".to_owned(), text("1")),
        ("__dlq.errors.offset".to_owned(), text("0")),
        ("__dlq.errors.group".to_owned(), text(&cluster.config.group_id)),
        ("__dlq.errors.message".to_owned(), text("the value is not valid JSON (line 1, column 2)")),
        ("order-payments-reason".to_owned(), text("undecodable")),
        ("order-payments-stage".to_owned(), text("decode")),
        ("order-payments-first-failed-at".to_owned(), text("2026-01-02T03:04:05Z")),
        ("order-payments-redrives".to_owned(), text("0")),
    ]);
    assert_eq!(letter.headers, expected);
}

async fn a_record_that_the_handler_refuses_becomes_a_dead_letter(cluster: Cluster) {
    cluster.request(["o-1", "o-2"]).await;
    let refuse = || Handling::DeadLetter(Rejection::process(RejectionReason::Contradiction, "stored otherwise"));
    let handler = Arc::new(Recorder::open().answering("o-2", refuse));
    let running = run(&cluster, 8, &handler);
    cluster.wait_for_committed(2).await;
    running.stop().await.expect("an orderly end");
    let letters = cluster.read(&cluster.config.dead_letter_topic).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value, Some(request_of("o-2")));
    let header = |wanted: &str| {
        let found = letters[0].headers.iter().find(|(name, _)| name == wanted).expect("a header");
        String::from_utf8(found.1.clone().expect("a value")).expect("text")
    };
    assert_eq!(header("order-payments-reason"), "contradiction");
    assert_eq!(header("order-payments-stage"), "process");
    assert_eq!(header("__dlq.errors.message"), "stored otherwise");
}

async fn a_dead_letter_that_was_sent_again_keeps_its_history(cluster: Cluster) {
    let header = |name, value: &str| (name, Some(value.as_bytes().to_vec()));
    let headers = vec![
        header("order-payments-reason", "contract"),
        header("x-own", "kept"),
        header("order-payments-first-failed-at", "2025-01-01T00:00:00Z"),
        header("order-payments-redrives", "2"),
    ];
    cluster.send(vec![Sent { headers, ..Sent::of("k", *b"still not json") }]).await;
    let running = run(&cluster, 8, &Arc::new(Recorder::open()));
    cluster.wait_for_committed(1).await;
    running.stop().await.expect("an orderly end");
    let letters = cluster.read(&cluster.config.dead_letter_topic).await;
    let values = |wanted: &str| -> Vec<String> {
        let found = letters[0].headers.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| String::from_utf8(value.clone().expect("a value")).expect("text")).collect()
    };
    assert_eq!(values("x-own"), ["kept"]);
    assert_eq!(values("order-payments-reason"), ["undecodable"]);
    assert_eq!(values("order-payments-first-failed-at"), ["2025-01-01T00:00:00Z"]);
    assert_eq!(values("order-payments-redrives"), ["2"]);
}

async fn a_retry_holds_the_watermark_and_nothing_else(cluster: Cluster) {
    let one = |order: &str| Sent { partition: Some(0), ..Sent::of(order, request_of(order)) };
    cluster.send(vec![one("before"), one("stuck"), one("after")]).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let answer = move || match counted.fetch_add(1, Ordering::SeqCst) {
        0..3 => Handling::Retry("the gateway is away".to_owned()),
        _ => Handling::Done,
    };
    let handler = Arc::new(Recorder::shut().answering("stuck", answer));
    let running = run(&cluster, 8, &handler);
    handler.let_through(4);
    handler.wait_for_calls(5).await;
    let status = running.status.now();
    assert_eq!((status.retrying, status.retry_reason.as_deref()), (1, Some("the gateway is away")));
    cluster.wait_for_committed(1).await;
    handler.let_through(2);
    cluster.wait_for_committed(3).await;
    assert_eq!(running.status.now().retrying, 0);
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().iter().filter(|order| *order == "stuck").count(), 4);
    assert!(cluster.read(&cluster.config.dead_letter_topic).await.is_empty());
}

async fn a_restart_goes_on_where_the_group_stands(cluster: Cluster) {
    cluster.request((0..20).map(|number| format!("first-{number}"))).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    handler.wait_for_calls(20).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(cluster.committed().await.values().sum::<i64>(), 20, "a stop commits what was done");

    cluster.request((0..20).map(|number| format!("second-{number}"))).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    handler.wait_for_calls(20).await;
    running.stop().await.expect("an orderly end");
    let calls = handler.calls();
    assert!(calls.len() == 20 && calls.iter().all(|order| order.starts_with("second-")), "{calls:?}");
}

async fn a_stop_finishes_what_is_in_flight_and_commits_it(cluster: Cluster) {
    let one = |order: &str| Sent { partition: Some(2), ..Sent::of(order, request_of(order)) };
    cluster.send(vec![one("a"), one("b"), one("waits"), one("waits-too")]).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 2, &handler);
    handler.wait_for_calls(2).await;
    running.wait_until(|status| status.held_records == 4).await;
    running.ask_to_stop();
    // What has not been started is let go; what runs is waited for.
    running.wait_until(|status| status.held_records == 2).await;
    handler.let_through(2);
    running.stop().await.expect("an orderly end");
    let mut calls = handler.calls();
    calls.sort();
    assert_eq!(calls, ["a", "b"], "the orders run at the same time, so either may begin");
    assert_eq!(cluster.committed().await.get(&2), Some(&2));
}

async fn a_full_house_pauses_and_goes_on(cluster: Cluster) {
    cluster.request((0..400).map(|number| format!("o-{number}"))).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 4, &handler);
    running.wait_until(|status| status.is_paused).await;
    let status = running.status.now();
    assert!(status.held_records <= 128 && status.in_flight == 4, "{status:?}");
    handler.let_through(400);
    cluster.wait_for_committed(400).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 400, "nothing was handled twice");
}

async fn a_panic_in_a_handler_ends_the_consumer_and_loses_nothing(cluster: Cluster) {
    let one = |order: &str| Sent { partition: Some(0), ..Sent::of(order, request_of(order)) };
    cluster.send(vec![one("fine"), one("bad")]).await;
    let handler = Arc::new(Recorder::open().answering("bad", || panic!("a broken invariant")));
    let running = run(&cluster, 8, &handler);
    let ended = running.end().await;
    assert!(matches!(ended, Err(ConsumerError::HandlerPanicked)), "{ended:?}");
    assert_eq!(cluster.committed().await.get(&0), Some(&1), "the order with the panic comes again");
}

/// The only test of this process that installs a recorder. Others' consumers write the same series, so
/// the number is one that they never have.
#[tokio::test(flavor = "multi_thread")]
async fn the_lag_of_a_partition_is_told() {
    let metrics = order_payments::telemetry::install_metrics().expect("nobody else collects");
    let cluster = Cluster::real().await;
    let one = |order: String| Sent { partition: Some(1), ..Sent::of(&order, request_of(&order)) };
    cluster.send((0..17).map(|number| one(format!("o-{number}"))).collect()).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 64, &handler);
    running.wait_until(|_| metrics.render().contains(r#"order_payments_consumer_lag_records{partition="1"} 17"#)).await;
    handler.let_through(17);
    running.stop().await.expect("an orderly end");
}
