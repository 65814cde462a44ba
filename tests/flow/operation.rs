//! What an operator meets: health, metrics, a stop, settings that cannot work.

use std::time::Duration;

use crate::flow::Stage;
use crate::support::eventually;
use crate::support::http::get;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_live_then_ready_and_counts_what_it_does() {
    let stage = Stage::new("two-step", 0.0).await;
    let service = stage.setup.start();
    let address = service.http_address().await;
    assert_eq!(get(&format!("{address}/livez")).await.0, 200);
    eventually("the instance being ready", PATIENCE, async || {
        (get(&format!("{address}/readyz")).await.0 == 200).then_some(())
    })
    .await;
    let order = br#"{"order_id":"o-1","customer_email":"ada@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_card_visa"}"#;
    stage.setup.topics.send(&[("o-1".to_owned(), Some(order.to_vec()))]).await;
    stage.settled(1, PATIENCE).await;
    let (status, metrics) = get(&format!("{address}/metrics")).await;
    assert_eq!(status, 200);
    assert!(metrics.contains(r#"order_payments_orders_settled_total{status="PAID"} 1"#), "{metrics}");
    assert!(!metrics.contains("o-1") && !metrics.contains('@'), "an order or a person in the metrics");
    assert!(service.stop().await.contains("stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_leaves_nothing_half_done_for_long() {
    let orders = 2_000;
    let stage = Stage::new("two-step", 0.05).await;
    stage.setup.topics.send(&crate::flow::main_job::requests(orders)).await;
    let service = stage.setup.start();
    eventually("some orders settled", PATIENCE, async || {
        let settled: i64 = stage.setup.database.statuses().await.values().sum();
        (settled > 100).then_some(())
    })
    .await;
    service.stop().await;
    let published = stage.setup.topics.read(&stage.setup.topics.outcomes).len();
    let settled = stage.setup.database.settled().await;
    assert_eq!(published, usize::try_from(settled).expect("few orders"), "a stop publishes what was settled");
    let service = stage.setup.start();
    stage.settled(orders, PATIENCE).await;
    service.stop().await;
    stage.account().await.assert_balanced(2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_work_says_why_and_does_not_start() {
    let stage = Stage::new("two-step", 0.0).await;
    let mut missing_topic = stage.setup.clone();
    missing_topic.topics.requests = "no-such-topic".to_owned();
    let mut other_database = stage.setup.clone();
    other_database.database = crate::support::postgres::Database::create().await;
    for (setup, expected) in [(missing_topic, "no-such-topic"), (other_database, "order-payments migrate")] {
        let (status, log) = setup.start().end().await;
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains(expected), "{log}");
    }
}
