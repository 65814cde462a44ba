//! Orders in, charges at the gateway, outcomes out: whole, killed in the middle, and replayed.

use std::time::Duration;

use crate::flow::Stage;

const DECLINE_SHARE: f64 = 0.05;
const PATIENCE: Duration = Duration::from_mins(3);

/// `count` orders, every tenth of which is delivered a second time some records later.
pub(crate) fn requests(count: usize) -> Vec<(String, Option<Vec<u8>>)> {
    let mut records: Vec<_> = (0..count).map(request).collect();
    for number in (0..count).step_by(10) {
        let later = (number + 7 * (number % 97)).min(records.len());
        records.insert(later, request(number));
    }
    records
}

fn request(number: usize) -> (String, Option<Vec<u8>>) {
    let id = format!("ord_{number:08}");
    let body = format!(
        r#"{{"order_id":"{id}","customer_email":"canary{number}@example.com","total_amount":"{}.{:02}","currency":"EUR","payment_method":"pm_card_visa"}}"#,
        1 + number % 400,
        number % 100,
    );
    (id, Some(body.into_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_is_charged_once_and_told_once_and_a_replay_changes_nothing() {
    let orders = 20_000;
    let stage = Stage::new("two-step", DECLINE_SHARE).await;
    stage.setup.topics.send(&requests(orders)).await;
    let service = stage.setup.start();
    stage.settled(orders, PATIENCE).await;
    let log = service.stop().await;
    assert!(!log.contains("@example.com") && !log.contains("sk_test_canary"), "personal data or secrets in the log");
    let account = stage.account().await;
    account.assert_balanced(20_000);
    assert!(account.with_one("payment-failed") > 0, "some orders are declined");

    stage.setup.topics.rewind(&stage.setup.group);
    let service = stage.setup.start();
    stage.settled(orders, PATIENCE).await;
    service.stop().await;
    assert_eq!(stage.account().await, account, "a replay charges nothing and tells nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_and_doubles_nothing() {
    for charge_flow in ["two-step", "one-step"] {
        let orders = 4_000;
        let stage = Stage::new(charge_flow, DECLINE_SHARE).await;
        stage.setup.topics.send(&requests(orders)).await;
        for part in [4, 2] {
            let service = stage.setup.start();
            crate::support::eventually("a part of the orders settled", PATIENCE, async || {
                let settled: i64 = stage.setup.database.statuses().await.values().sum();
                (settled >= i64::try_from(orders / part).expect("few orders")).then_some(())
            })
            .await;
            service.kill().await;
        }
        let service = stage.setup.start();
        stage.settled(orders, PATIENCE).await;
        service.stop().await;
        stage.account().await.assert_balanced(4_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_work_and_double_nothing() {
    let orders = 4_000;
    let stage = Stage::new("two-step", DECLINE_SHARE).await;
    let (first, second) = (stage.setup.start(), stage.setup.start());
    stage.setup.topics.send(&requests(orders)).await;
    stage.settled(orders, PATIENCE).await;
    first.stop().await;
    second.stop().await;
    stage.account().await.assert_balanced(4_000);
}
