//! Tests of comparing refunds: money that goes back past this service is found, a bounce is looked at.

use uuid::Uuid;

use super::*;
use crate::adapters::simulator::request::Request as Sent;
use crate::application::refund_payment::RefundRequest;
use crate::domain::money::Money;
use crate::domain::refund::RefundId;

const REFUND: RefundId = RefundId::from_uuid(Uuid::from_u128(1));

async fn paid() -> Stage {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    stage
}

/// Five euros of the order's money are asked for here, and sent.
async fn refunded() -> Stage {
    let (stage, order_id) = (paid().await, order().id().clone());
    let amount = Money::parse("5.00", "EUR").ok();
    let asked = RefundRequest { id: REFUND, order_id, amount, actor: "ada".to_owned() };
    stage.refunds.request(&asked).await.expect("5.00 of 12.50");
    stage.refunds.run_once(10).await.expect("memory answers");
    stage
}

/// Someone gives back some of the order's money behind our back; the name of that refund.
async fn refunded_elsewhere(stage: &Stage, marks: &str) -> String {
    let reference = stage.stored().await.payment.expect("it was begun").reference().expect("it was charged").clone();
    let body = format!("payment_intent={reference}&amount=300{marks}");
    let answer = stage.provider.handle(&Sent::post("/v1/refunds", &body, Some("elsewhere"))).answer;
    let refund: serde_json::Value = serde_json::from_slice(&answer.expect("it is answered").body).expect("it is JSON");
    refund["id"].as_str().expect("it has a name").to_owned()
}

async fn refund_state(stage: &Stage) -> &'static str {
    stage.store.refunds.refund(REFUND).await.expect("memory answers").expect("it was asked for").state.name()
}

#[tokio::test]
async fn a_refund_that_was_asked_for_here_is_no_finding() {
    let stage = refunded().await;
    let swept = swept(&stage, Effect::Repair).await;
    assert_eq!((swept.refunds, swept.unclaimed_refunds, swept.looked_at, kinds(&swept)), (1, 0, 0, vec![]));
}

#[tokio::test]
async fn a_refund_of_our_name_that_is_not_known_here_is_found_once() {
    let stage = paid().await;
    let name = refunded_elsewhere(&stage, &format!("&metadata[refund_id]={REFUND}&metadata[order_id]=ord_1")).await;
    assert_eq!(kinds(&swept(&stage, Effect::Observe).await), [FindingKind::RefundDiffers]);
    assert_eq!(stored_kinds(&stage).await, [], "to observe stores nothing");
    for _ in 0..2 {
        swept(&stage, Effect::Repair).await;
    }
    let [finding] =
        stage.store.findings.findings_of(order().id()).await.expect("read").try_into().expect("one finding");
    assert_eq!(finding.reference.expect("it is named").as_str(), name);
    assert!(finding.detail.contains(&REFUND.to_string()) && finding.detail.contains("pi_"), "{}", finding.detail);
}

#[tokio::test]
async fn an_unknown_refund_of_an_older_charge_is_found_by_the_order_that_it_tells() {
    for (marks, expected) in [("", (1, vec![])), ("&metadata[order_id]=ord_1", (0, vec![FindingKind::RefundDiffers]))] {
        let stage = paid().await;
        stage.clock.advance(Duration::from_hours(24));
        refunded_elsewhere(&stage, &format!("&metadata[refund_id]={REFUND}{marks}")).await;
        let since = START.plus(Duration::from_hours(12));
        let swept = stage.sweep.run(since, Effect::Repair, &|_| {}).await.expect("nothing fails");
        assert_eq!((swept.unclaimed_refunds, kinds(&swept)), expected, "{marks}");
    }
}

#[tokio::test]
async fn a_refund_that_gives_another_amount_back_than_here_is_found() {
    let stage = refunded().await;
    refunded_elsewhere(&stage, &format!("&metadata[refund_id]={REFUND}")).await;
    assert_eq!(kinds(&swept(&stage, Effect::Repair).await), [FindingKind::RefundDiffers]);
}

#[tokio::test]
async fn a_refund_that_another_made_of_a_charge_of_ours_is_found_with_the_charge() {
    let stage = paid().await;
    let name = refunded_elsewhere(&stage, "").await;
    let swept = swept(&stage, Effect::Repair).await;
    assert_eq!((swept.refunds, swept.unclaimed_refunds), (1, 0));
    let [finding] = swept.findings.try_into().expect("one finding");
    assert_eq!((finding.kind, &finding.order_id), (FindingKind::RefundDiffers, order().id()));
    assert_eq!(finding.reference.expect("it is named").as_str(), name);
    let charge = stage.stored().await.payment.expect("it was begun").reference().expect("it was charged").to_string();
    assert!(finding.detail.contains(&charge), "{}", finding.detail);
}

#[tokio::test]
async fn a_refund_that_another_made_and_that_bounced_is_no_finding() {
    let stage = paid().await;
    let name = refunded_elsewhere(&stage, "").await;
    assert!(stage.provider.fail_refund(&name));
    assert_eq!(kinds(&swept(&stage, Effect::Repair).await), []);
}

#[tokio::test]
async fn a_refund_of_a_charge_that_is_older_than_the_sweep_is_counted_alone() {
    let stage = paid().await;
    stage.clock.advance(Duration::from_hours(24));
    refunded_elsewhere(&stage, "").await;
    let since = START.plus(Duration::from_hours(12));
    let swept = stage.sweep.run(since, Effect::Repair, &|_| {}).await.expect("nothing fails");
    assert_eq!((swept.charges, swept.refunds, swept.unclaimed_refunds, kinds(&swept)), (0, 1, 1, vec![]));
}

#[tokio::test]
async fn a_refund_that_bounced_there_is_looked_at_here() {
    let stage = refunded().await;
    assert!(stage.provider.fail_refund(&REFUND.to_string()));
    assert_eq!(swept(&stage, Effect::Observe).await.looked_at, 1);
    stage.refunds.run_once(10).await.expect("memory answers");
    assert_eq!(refund_state(&stage).await, "SUCCEEDED", "to observe changes nothing");
    let repaired = swept(&stage, Effect::Repair).await;
    assert_eq!((repaired.looked_at, kinds(&repaired)), (1, vec![]));
    stage.refunds.run_once(10).await.expect("memory answers");
    assert_eq!(refund_state(&stage).await, "FAILED");
    assert_eq!(swept(&stage, Effect::Repair).await.looked_at, 0);
}
