//! Tests of what a person decides: nothing against what the gateway shows.

use crate::application::review::{Decision, ReviewError};
use crate::application::tests::stage::{FIRST_LOOK_AFTER, START, Stage, order, request};
use crate::domain::attempt::Attempt;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::payment::ChargeFlow;
use crate::ports::order_repository::OrderRepository;
use crate::ports::outbox::Outbox;

/// An order under review, of which nothing was charged.
async fn reviewed() -> Stage {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let begun = stage.orders.begin(&request(), ChargeFlow::TwoStep, START).await.expect("memory answers");
    let crate::ports::order_repository::Begun::Prepare(payment) = begun else { panic!("it is new") };
    let transition = payment.under_review("a test asks for it".to_owned());
    stage.orders.park(&transition, None).await.expect("memory answers");
    assert_eq!(stage.state().await, "REVIEW");
    stage
}

async fn resolve(stage: &Stage, decision: Decision) -> Result<Order, ReviewError> {
    stage.review.resolve(order().id(), &decision, "ada", "I have looked").await
}

#[tokio::test]
async fn a_review_that_is_released_is_paid() {
    let stage = reviewed().await;
    resolve(&stage, Decision::Retry).await.expect("it is under review");
    stage.live(FIRST_LOOK_AFTER, 5).await;
    stage.assert_settled(OrderStatus::Paid).await;
    let journal = stage.orders.journal(order().id()).await.expect("memory answers");
    assert!(journal.iter().any(|entry| entry.evidence.actor.as_deref() == Some("ada")), "{journal:?}");
    assert!(matches!(resolve(&stage, Decision::Retry).await, Err(ReviewError::NotUnderReview(_))));
}

#[tokio::test]
async fn an_order_is_paid_by_a_persons_word_only_with_a_charge_that_the_gateway_shows() {
    let stage = reviewed().await;
    let invented = "pi_invented".parse().expect("a token");
    assert!(matches!(resolve(&stage, Decision::Paid(invented)).await, Err(ReviewError::NoSuchCharge { .. })));
    let charge = stage.charged_elsewhere(Attempt::FIRST);
    stage.clock.advance(std::time::Duration::from_mins(1));
    assert!(matches!(resolve(&stage, Decision::Failed).await, Err(ReviewError::Charged { .. })));
    resolve(&stage, Decision::Paid(charge)).await.expect("the gateway shows it");
    stage.assert_settled(OrderStatus::Paid).await;
    assert_eq!(stage.orders.inner.unpublished(10).await.expect("memory answers").len(), 1);
}

#[tokio::test]
async fn an_order_is_given_up_only_once_nothing_of_it_can_be_charged() {
    let stage = reviewed().await;
    let open = stage.prepared_elsewhere(Attempt::FIRST);
    resolve(&stage, Decision::Failed).await.expect("nothing was charged");
    stage.assert_settled(OrderStatus::Failed).await;
    let ledger = stage.provider.ledger();
    assert_eq!(ledger.orders["ord_1"].intents[0].id, open.as_str());
}
