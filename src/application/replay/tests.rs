//! What looking does, and what it leaves alone: in memory, before a provider that keeps its own ledger.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::application::process_payment::PaymentPolicy;
use crate::application::replay::looking_gateway::LookingGateway;
use crate::application::tests::stage::{ABANDON_AFTER, FIRST_LOOK_AFTER, START, Stage, order, request};
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Exchanges;
use crate::domain::order::OrderStatus;
use crate::domain::payment::{ChargeFlow, Payment};
use crate::domain::request::{Origin, Past};
use crate::ports::event_publisher::PublishError;
use crate::ports::order_repository::{OrderRepository, StoredOrder};
use crate::ports::outbox::{Outbox, OutcomeEvent};
use crate::ports::payment_gateway::{GatewayError, PaymentGateway};

fn looking(stage: &Stage) -> Arc<dyn PaymentGateway> {
    Arc::new(LookingGateway::new(Arc::clone(&stage.gateway)))
}

fn repair(stage: &Stage) -> Effect {
    let policy = PaymentPolicy {
        flow: ChargeFlow::TwoStep,
        default_payment_method: None,
        first_look_after: FIRST_LOOK_AFTER,
        abandon_after: ABANDON_AFTER,
    };
    let (store, clock) = (stage.store.clone(), stage.clock.clone());
    let process = ProcessPayment::new(store.clone(), looking(stage), clock.clone(), policy, Arc::new(Notify::new()));
    Effect::Reconcile(Box::new(Repair::new(store.orders, looking(stage), clock, process)))
}

/// The request as it is read once more.
fn replayed() -> PaymentRequest {
    let origin =
        Origin { past: Past::Unknown { since: Some(START.minus(Duration::from_hours(1))) }, ..Origin::default() };
    PaymentRequest { origin, ..request() }
}

async fn told(stage: &Stage, effect: Effect, requests: &[PaymentRequest]) -> Vec<Told> {
    let mut replay = Replay::new(&stage.store, stage.clock.clone(), effect);
    let asked = |(offset, request): (i64, &PaymentRequest)| Asked {
        place: Place { partition: 0, offset },
        content: Content::Request(Arc::new(request.clone())),
    };
    let mut all_told = Vec::new();
    let batch = (0..).zip(requests).map(asked).collect();
    replay.run(batch, &mut |told| all_told.push(told)).await.expect("memory answers");
    all_told
}

async fn one(stage: &Stage, effect: Effect) -> (Verdict, Deed) {
    let told = told(stage, effect, &[replayed()]).await;
    (told[0].foreseen.verdict, told[0].deed)
}

async fn stored(stage: &Stage) -> Option<StoredOrder> {
    stage.orders.find(order().id()).await.expect("memory answers")
}

fn intents(stage: &Stage) -> usize {
    stage.provider.ledger().orders.values().map(|order| order.intents.len()).sum()
}

#[tokio::test]
async fn a_gateway_that_is_only_looked_at_makes_charges_and_cancels_nothing() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let (gateway, sent) = (looking(&stage), &mut Exchanges::default());
    let payment = Payment::first(Arc::new(request()), ChargeFlow::TwoStep, START);
    let armed = payment.armed("pi_1".parse().expect("a token"), START);
    let (prepared, charged) = (gateway.prepare(&payment, sent).await.err(), gateway.charge(&armed, sent).await.err());
    let canceled = gateway.cancel(armed.payment(), &"pi_1".parse().expect("a token"), sent).await.err();
    for refused in [prepared, charged, canceled] {
        assert!(matches!(refused, Some(GatewayError::Unavailable { .. })), "{refused:?}");
    }
    assert!(stage.provider.ledger().totals.requests.is_empty(), "something was sent");
}

#[tokio::test]
async fn an_unknown_order_of_which_the_gateway_has_nothing_stays_unknown() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    assert_eq!(one(&stage, repair(&stage)).await, (Verdict::Unknown, Deed::NotAtGateway));
    assert_eq!((stored(&stage).await, intents(&stage)), (None, 0), "the service would charge what is stored");
}

#[tokio::test]
async fn an_unknown_order_with_an_open_object_stays_unknown() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.prepared_elsewhere(Attempt::FIRST);
    assert_eq!(one(&stage, repair(&stage)).await, (Verdict::Unknown, Deed::AtGateway));
    assert_eq!((stored(&stage).await, intents(&stage)), (None, 1));
}

#[tokio::test]
async fn an_unknown_order_that_was_charged_is_adopted_by_that_charge() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.charged_elsewhere(Attempt::FIRST.next());
    assert_eq!(one(&stage, repair(&stage)).await, (Verdict::Unknown, Deed::Paid));
    stage.assert_settled(OrderStatus::Paid).await;
    assert_eq!(one(&stage, Effect::Observe).await.0, Verdict::AlreadyPaid);
}

#[tokio::test]
async fn an_unknown_order_that_was_charged_another_amount_stays_unknown() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.charged_elsewhere_for(Attempt::FIRST, 1251);
    assert_eq!(one(&stage, repair(&stage)).await, (Verdict::Unknown, Deed::AtGateway));
    assert_eq!(stored(&stage).await, None);
}

#[tokio::test]
async fn looking_at_an_order_that_waits_changes_nothing_from_which_it_would_be_charged() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let orders = &stage.orders;
    orders.begin(&request(), ChargeFlow::TwoStep, START).await.expect("memory answers");
    let before = stored(&stage).await;
    stage.prepared_elsewhere(Attempt::FIRST);
    assert_eq!(one(&stage, repair(&stage)).await, (Verdict::Resumed, Deed::Found(Verdict::Waits)));
    assert_eq!((stored(&stage).await, intents(&stage)), (before, 1));
    let soon = START.plus(Duration::from_mins(9));
    assert!(orders.claim_due(soon, FIRST_LOOK_AFTER, 10).await.expect("memory answers").is_empty(), "due sooner");
}

#[tokio::test]
async fn an_armed_order_that_was_never_charged_is_left_as_it_is() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let reference = stage.prepared_elsewhere(Attempt::FIRST);
    stage.orders.begin(&request(), ChargeFlow::TwoStep, START).await.expect("memory answers");
    let payment = stored(&stage).await.and_then(|stored| stored.payment).expect("begun");
    stage.orders.arm(&payment, &reference, START, &crate::domain::evidence::Evidence::default()).await.expect("armed");
    let before = stored(&stage).await;
    assert_eq!(one(&stage, repair(&stage)).await, (Verdict::Resumed, Deed::Found(Verdict::Waits)));
    assert_eq!(stored(&stage).await, before);
    assert_eq!(stage.provider.ledger().totals.charges, 0);
}

#[tokio::test]
async fn processing_anew_charges_each_unknown_order_once_and_looks_it_up_first() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let other = PaymentRequest { payment_method: "pm_other".parse().expect("a token"), ..replayed() };
    let requests = [replayed(), replayed(), other];
    let foreseen = told(&stage, Effect::Observe, &requests).await;
    let told = told(&stage, Effect::Process(Arc::clone(&stage.service)), &requests).await;
    let ends: Vec<_> = told.iter().map(|told| (told.foreseen.verdict, told.deed)).collect();
    let expected = [
        (Verdict::Unknown, Deed::Paid),
        (Verdict::Repeats, Deed::Found(Verdict::AlreadyPaid)),
        (Verdict::Contradicts, Deed::Found(Verdict::Contradicts)),
    ];
    assert_eq!(ends, expected);
    assert!(told.iter().zip(&foreseen).all(|(told, foreseen)| told.foreseen == foreseen.foreseen));
    assert_eq!((intents(&stage), stage.provider.ledger().totals.charges), (1, 1));
}

#[tokio::test]
async fn what_an_earlier_run_found_unknown_is_compared_with_what_comes_after_it() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.charged_elsewhere(Attempt::FIRST);
    let mut replay = Replay::new(&stage.store, stage.clock.clone(), repair(&stage));
    let other = PaymentRequest { payment_method: "pm_other".parse().expect("a token"), ..replayed() };
    let asked = |offset, content| Asked { place: Place { partition: 0, offset }, content };
    let batch = vec![
        asked(0, Content::ToldBefore(Arc::new(replayed()))),
        asked(1, Content::Request(Arc::new(other))),
        asked(2, Content::Request(Arc::new(replayed()))),
    ];
    let mut ends = Vec::new();
    replay
        .run(batch, &mut |told| ends.push((told.place.offset, told.foreseen.verdict, told.deed)))
        .await
        .expect("memory answers");
    let expected = [(1, Verdict::Contradicts, Deed::Found(Verdict::Contradicts)), (2, Verdict::Repeats, Deed::Paid)];
    assert_eq!(ends, expected, "an order was adopted on other terms");
}

#[tokio::test]
async fn what_was_not_begun_when_it_was_stopped_is_not_told() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let mut replay = Replay::new(&stage.store, stage.clock.clone(), Effect::Process(Arc::clone(&stage.service)));
    let halt = replay.halt();
    let asked =
        |offset| Asked { place: Place { partition: 0, offset }, content: Content::Request(Arc::new(replayed())) };
    halt.stop();
    let mut all_told = Vec::new();
    replay.run(vec![asked(0), asked(1)], &mut |told| all_told.push(told)).await.expect("memory answers");
    assert_eq!(all_told, []);
    assert_eq!((stored(&stage).await, intents(&stage)), (None, 0));
}

/// A topic that takes everything.
#[derive(Default)]
struct Sent(Mutex<Vec<OutcomeEvent>>);

#[async_trait]
impl EventResender for Sent {
    async fn send_again(&self, event: &OutcomeEvent) -> Result<(), PublishError> {
        self.0.lock().expect("not poisoned").push(event.clone());
        Ok(())
    }
}

#[tokio::test]
async fn an_outcome_is_sent_again_once_for_its_order_and_only_after_it_was_published() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("paid");
    let resender = Arc::new(Sent::default());
    let republish = || Effect::Republish { resender: resender.clone(), with_refunds: false };
    assert_eq!(one(&stage, republish()).await, (Verdict::AlreadyPaid, Deed::LeftToRelay));
    let events = stage.store.outbox.unpublished(10).await.expect("memory answers");
    let published = crate::ports::outbox::Published { event_id: events[0].id, partition: 0, offset: 0 };
    stage.orders.inner.mark_published("outcomes", &[published]).await.expect("memory answers");
    let told = told(&stage, republish(), &[replayed(), replayed()]).await;
    assert!(told.iter().all(|told| told.deed == Deed::Republished), "{told:?}");
    assert_eq!(*resender.0.lock().expect("not poisoned"), events);
}
