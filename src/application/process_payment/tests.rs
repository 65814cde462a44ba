//! Tests of a payment from request to settlement, cut off at every step, against a provider that
//! keeps its own ledger.

mod others;

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::adapters::memory::clock::ManualClock;
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::adapters::memory::payment_gateway::SimulatedGateway;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::intent::Status;
use crate::adapters::simulator::provider::{Provider, ProviderConfig};
use crate::adapters::simulator::request::Operation as Request;
use crate::adapters::wire::outcome::encode;
use crate::application::reconcile::{NEXT_LOOK_AFTER, Reconcile};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::money::Money;
use crate::domain::order::OrderStatus;
use crate::domain::outcome::FailureCategory;
use crate::ports::order_repository::{Repository, StoredOrder, Tally, UNATTENDED_AFTER};
use crate::ports::outbox::{FoundEvent, Outbox};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(5);
const FLOWS: [ChargeFlow; 2] = [ChargeFlow::TwoStep, ChargeFlow::OneStep];

/// A step of the repository that a process may not survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Arm,
    Settle,
    Park,
}

/// Whether the step was stored before the process lost its database, or its data was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Before,
    After,
    Refused,
}

/// A repository whose connection is lost at one step, once.
struct Cuttable {
    inner: MemoryOrderRepository,
    cut: Mutex<Option<(Step, Cut)>>,
}

impl Cuttable {
    fn is_cut(&self, step: Step, cut: Cut) -> Result<(), RepositoryError> {
        let mut next = self.cut.lock().expect("not poisoned");
        if cut == Cut::Before && *next == Some((step, Cut::Refused)) {
            *next = None;
            return Err(RepositoryError::Refused { order_id: "ord_1".to_owned(), source: "too long".into() });
        }
        if *next == Some((step, cut)) {
            *next = None;
            return Err(RepositoryError::Unavailable("the connection was cut".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Repository<Order, OrderId> for Cuttable {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        self.inner.save(order).await
    }
    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        self.inner.get(id).await
    }
}

#[async_trait]
impl OrderRepository for Cuttable {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        self.is_cut(Step::Begin, Cut::Before)?;
        let begun = self.inner.begin(request, flow, now).await?;
        self.is_cut(Step::Begin, Cut::After).map(|()| begun)
    }
    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
    ) -> Result<Standing, RepositoryError> {
        self.is_cut(Step::Arm, Cut::Before)?;
        let standing = self.inner.arm(payment, reference, now).await?;
        self.is_cut(Step::Arm, Cut::After).map(|()| standing)
    }
    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        self.is_cut(Step::Settle, Cut::Before)?;
        let settling = self.inner.settle(settlement).await?;
        self.is_cut(Step::Settle, Cut::After).map(|()| settling)
    }
    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        self.is_cut(Step::Park, Cut::Before)?;
        self.inner.park(transition, due).await?;
        self.is_cut(Step::Park, Cut::After)
    }
    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        self.inner.claim_due(now, lease, limit).await
    }
    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        self.inner.find(id).await
    }
    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        self.inner.list(after, limit).await
    }
    async fn tally(&self) -> Result<Tally, RepositoryError> {
        self.inner.tally().await
    }
}

struct Stage {
    clock: Arc<ManualClock>,
    orders: Arc<Cuttable>,
    provider: Arc<Provider>,
    service: Arc<ProcessPayment>,
    reconcile: Reconcile,
}

impl Stage {
    fn new(flow: ChargeFlow) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let time: Arc<dyn Clock> = clock.clone();
        let inner = MemoryOrderRepository::new(Arc::clone(&time));
        let orders = Arc::new(Cuttable { inner, cut: Mutex::new(None) });
        let provider = Arc::new(Provider::new(ProviderConfig::default(), Arc::clone(&time)));
        let gateway: Arc<dyn PaymentGateway> = Arc::new(SimulatedGateway::new(Arc::clone(&provider)));
        let policy = PaymentPolicy { flow, default_payment_method: None, first_look_after: FIRST_LOOK_AFTER };
        let repository: Arc<dyn OrderRepository> = orders.clone();
        let service = Arc::new(ProcessPayment::new(
            Arc::clone(&repository),
            Arc::clone(&gateway),
            Arc::clone(&time),
            policy,
            Arc::new(Notify::new()),
        ));
        let reconcile = Reconcile::new(repository, gateway, time, Arc::clone(&service));
        Self { clock, orders, provider, service, reconcile }
    }

    /// Another service has told of the order's end, as reading the topic finds out.
    async fn adopt(&self, told: OrderStatus) {
        let payment = Payment::first(Arc::new(request()), ChargeFlow::OneStep, START);
        let settlement = match told {
            OrderStatus::Paid => payment.paid("pi_other".parse().expect("a token"), START),
            _ => payment.failed(reason(), START),
        };
        let event = encode(&settlement.expect("pending").outcome);
        let found = [FoundEvent { event, partition: 0, offset: 0 }];
        self.orders.inner.adopt("outcomes", &found, &[]).await.expect("memory answers");
    }

    async fn status(&self) -> OrderStatus {
        self.stored().await.order.status()
    }

    async fn state(&self) -> &'static str {
        self.stored().await.payment.expect("it was begun").state.name()
    }

    async fn stored(&self) -> StoredOrder {
        self.orders.find(&order().id().clone()).await.expect("memory answers").expect("it is stored")
    }

    async fn reconcile_after(&self, wait: Duration) -> usize {
        self.clock.advance(wait);
        self.provider.run_due();
        self.reconcile.run_once(10).await.expect("memory answers").settled
    }

    /// One success at most, and as many as the store says; no intent that could still be charged.
    async fn assert_settled(&self, expected: OrderStatus) {
        assert_eq!(self.status().await, expected);
        let ledger = self.provider.ledger();
        let intents = &ledger.orders["ord_1"].intents;
        let successes = intents.iter().filter(|intent| intent.status == Status::Succeeded).count();
        assert_eq!(successes, usize::from(expected == OrderStatus::Paid), "{intents:?}");
        assert!(ledger.double_charged.is_empty());
        assert_eq!(ledger.totals.mismatches, 0, "a key was sent with two bodies");
        if expected == OrderStatus::Failed {
            assert!(intents.iter().all(|intent| intent.status == Status::Canceled), "{intents:?}");
        }
        assert_eq!(self.orders.inner.tally().await.expect("memory answers").pending, 0);
    }
}

fn order() -> Order {
    Order::new(
        "ord_1".parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse("12.50", "EUR").expect("an amount"),
    )
}

fn request_with(method: &str) -> PaymentRequest {
    let payment_method = method.parse().expect("a token");
    PaymentRequest { order: order(), payment_method, customer: None, origin: Origin::default() }
}

fn request() -> PaymentRequest {
    request_with("pm_card_visa")
}

fn reason() -> FailureReason {
    let message = "the card is not known".to_owned();
    FailureReason { code: "resource_missing".to_owned(), category: FailureCategory::InvalidPaymentMethod, message }
}

fn declined() -> PaymentRequest {
    request_with("pm_card_visa_chargeDeclinedInsufficientFunds")
}

#[tokio::test]
async fn an_order_is_charged_once_and_paid() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let settled = stage.service.handle(&request()).await.expect("nothing fails");
        assert!(matches!(settled, Settled::Now(order) if order.status() == OrderStatus::Paid));
        stage.assert_settled(OrderStatus::Paid).await;
        assert_eq!(stage.provider.totals().without_key, 0);
    }
}

#[tokio::test]
async fn a_decline_fails_the_order_only_once_its_charge_is_impossible() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let settled = stage.service.handle(&declined()).await.expect("nothing fails");
        assert!(matches!(settled, Settled::Now(order) if order.status() == OrderStatus::Failed));
        stage.assert_settled(OrderStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_declined_order_is_pending_until_its_cancel_is_seen() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        stage.provider.inject_on(Request::Cancel, Fault::CutBefore);
        assert!(matches!(stage.service.handle(&declined()).await, Ok(Settled::Later(_))));
        assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "FENCING"));
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1);
        stage.assert_settled(OrderStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_refused_payment_method_fails_the_order_and_charges_nothing() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        let settled = stage.service.handle(&request_with("pm_card_missing")).await.expect("nothing fails");
        assert!(matches!(settled, Settled::Now(order) if order.status() == OrderStatus::Failed));
        assert_eq!(stage.provider.totals().charges, 0);
    }
}

#[tokio::test]
async fn a_second_delivery_does_not_charge_again() {
    for (flow, request) in FLOWS.into_iter().flat_map(|flow| [(flow, request()), (flow, declined())]) {
        let stage = Stage::new(flow);
        let Ok(Settled::Now(first)) = stage.service.handle(&request).await else { panic!("it settles") };
        let requests = stage.provider.totals().requests;
        assert_eq!(stage.service.handle(&request).await.expect("nothing fails"), Settled::Before(first));
        assert_eq!(stage.provider.totals().requests, requests, "the gateway was asked again");
    }
}

#[tokio::test]
async fn another_request_for_the_same_order_changes_nothing() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.service.handle(&request()).await.expect("nothing fails");
    let other = request_with("pm_card_mastercard");
    assert!(matches!(stage.service.handle(&other).await, Err(ProcessError::Contradicts(_))));
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_process_that_dies_at_any_step_is_resumed_without_a_second_charge() {
    let steps = [Step::Begin, Step::Arm, Step::Settle, Step::Park];
    let cuts = steps.into_iter().flat_map(|step| [(step, Cut::Before), (step, Cut::After)]);
    let cases = cuts.flat_map(|cut| FLOWS.into_iter().map(move |flow| (flow, cut)));
    for (flow, cut) in cases {
        for (request, expected) in [(request(), OrderStatus::Paid), (declined(), OrderStatus::Failed)] {
            let stage = Stage::new(flow);
            *stage.orders.cut.lock().expect("not poisoned") = Some(cut);
            let first = stage.service.handle(&request).await;
            if first.is_err() {
                stage.service.handle(&request).await.expect("the connection is back");
            }
            stage.reconcile_after(FIRST_LOOK_AFTER).await;
            stage.assert_settled(expected).await;
        }
    }
}

#[tokio::test]
async fn an_unknown_answer_is_looked_up_and_never_charged_under_another_key() {
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::ErrorAfterSticky,
        Fault::Garbage,
        Fault::Late,
    ];
    for (flow, fault) in FLOWS.into_iter().flat_map(|flow| faults.map(|fault| (flow, fault))) {
        let stage = Stage::new(flow);
        let charging = if flow == ChargeFlow::TwoStep { Request::Confirm } else { Request::Create };
        stage.provider.inject_on(charging, fault);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))), "{flow:?} {fault:?}");
        assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "UNRESOLVED"));
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1, "{flow:?} {fault:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn an_unknown_answer_to_preparing_harms_nothing() {
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::ErrorAfter, Fault::Garbage] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.provider.inject_on(Request::Create, fault);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))), "{fault:?}");
        assert_eq!(stage.state().await, "PREPARING");
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1, "{fault:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn a_gateway_that_takes_no_request_fails_no_order() {
    for (flow, fault) in FLOWS.into_iter().flat_map(|flow| [(flow, Fault::RateLimited), (flow, Fault::Unauthorized)]) {
        let stage = Stage::new(flow);
        stage.provider.inject(fault);
        assert!(matches!(stage.service.handle(&request()).await, Err(ProcessError::Gateway { .. })));
        assert_eq!(stage.status().await, OrderStatus::Pending);
        stage.service.handle(&request()).await.expect("the gateway is back");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_under_an_old_key() {
    for flow in FLOWS {
        let stage = Stage::new(flow);
        *stage.orders.cut.lock().expect("not poisoned") = Some((Step::Settle, Cut::Before));
        assert!(stage.service.handle(&request()).await.is_err());
        let requests = stage.provider.totals().requests;
        stage.clock.advance(IdempotencyKey::WINDOW);
        assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
        assert_eq!(stage.provider.totals().requests, requests, "an old key was sent");
        assert_eq!(stage.reconcile_after(FIRST_LOOK_AFTER).await, 1, "the charge is found by looking it up");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn a_payment_that_stays_unknown_is_looked_at_again_and_again_and_never_fails() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject_on(Request::Confirm, Fault::CutBefore);
    assert!(matches!(stage.service.handle(&request()).await, Ok(Settled::Later(_))));
    for wait in [FIRST_LOOK_AFTER, NEXT_LOOK_AFTER, NEXT_LOOK_AFTER] {
        stage.provider.inject_on(Request::Retrieve, Fault::CutBefore);
        assert_eq!(stage.reconcile_after(wait).await, 0);
        assert_eq!(stage.status().await, OrderStatus::Pending);
    }
    assert_eq!(stage.reconcile_after(NEXT_LOOK_AFTER).await, 1);
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_stored_order_can_be_paid_by_its_id() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let id = order().id().clone();
    assert!(matches!(stage.service.process_payment(&id).await, Err(ProcessError::UnknownOrder(_))));
    stage.orders.save(&order()).await.expect("memory answers");
    assert!(matches!(stage.service.process_payment(&id).await, Err(ProcessError::NoPaymentMethod(_))));
    stage.service.handle(&request()).await.expect("nothing fails");
    assert!(matches!(stage.service.process_payment(&id).await, Ok(Settled::Before(_))));
    stage.assert_settled(OrderStatus::Paid).await;
}
