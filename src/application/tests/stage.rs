//! A stage for the use cases: adapters in memory, a provider with a ledger, a repository that fails when told to.

mod cuttable;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::adapters::memory::clock::ManualClock;
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::adapters::memory::payment_gateway::SimulatedGateway;
use crate::adapters::simulator::intent::Status;
use crate::adapters::simulator::provider::{Provider, ProviderConfig};
use crate::adapters::simulator::request::Request;
use crate::adapters::wire::outcome::encode;
use crate::application::gatekeeper::{GatePolicy, Gatekeeper};
use crate::application::guarded_gateway::GuardedGateway;
use crate::application::process_payment::{PaymentPolicy, ProcessPayment};
use crate::application::reconcile::Reconcile;
use crate::application::refund_payment::RefundPayment;
use crate::application::review::Review;
use crate::application::sweep::Sweep;
use crate::domain::attempt::Attempt;
use crate::domain::money::Money;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::payment::{ChargeFlow, Payment};
use crate::domain::request::{Origin, PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::order_repository::{OrderRepository, StoredOrder};
use crate::ports::outbox::{FoundEvent, Outbox};
use crate::ports::payment_gateway::PaymentGateway;
use crate::ports::store::Store;

pub(crate) use cuttable::{Cut, Cuttable, Step};

pub(crate) const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
pub(crate) const FIRST_LOOK_AFTER: Duration = Duration::from_secs(5);
pub(crate) const ABANDON_AFTER: Duration = Duration::from_mins(15);
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const MAX_FAILURES: u32 = 5;
pub(crate) const MAX_REFUSALS: usize = 3;
pub(crate) const MAX_UNRESOLVED: u64 = 4;
pub(crate) const FLOWS: [ChargeFlow; 2] = [ChargeFlow::TwoStep, ChargeFlow::OneStep];

const CHARGED: &str = "&confirm=true&off_session=true&error_on_requires_action=true";

/// The use cases over adapters in memory.
pub(crate) struct Stage {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) orders: Arc<Cuttable>,
    pub(crate) store: Store,
    pub(crate) provider: Arc<Provider>,
    pub(crate) gateway: Arc<dyn PaymentGateway>,
    pub(crate) keeper: Arc<Gatekeeper>,
    pub(crate) service: Arc<ProcessPayment>,
    pub(crate) reconcile: Arc<Reconcile>,
    pub(crate) refunds: RefundPayment,
    pub(crate) sweep: Sweep,
    pub(crate) review: Review,
}

impl Stage {
    pub(crate) fn new(flow: ChargeFlow) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        Self::before(flow, clock.clone(), Arc::new(Provider::new(ProviderConfig::default(), clock)))
    }

    /// An empty database before a provider that has perhaps seen another.
    pub(crate) fn before(flow: ChargeFlow, clock: Arc<ManualClock>, provider: Arc<Provider>) -> Self {
        let time: Arc<dyn Clock> = clock.clone();
        let inner = Arc::new(MemoryOrderRepository::new(Arc::clone(&time)));
        let orders = Arc::new(Cuttable::over(Arc::clone(&inner)));
        let store = Store {
            orders: orders.clone(),
            outbox: inner.clone(),
            refunds: inner.clone(),
            gates: inner.clone(),
            findings: inner.clone(),
            positions: inner.clone(),
            history: inner.clone(),
            audit: inner.clone(),
            waits: inner,
        };
        let bare: Arc<dyn PaymentGateway> = Arc::new(SimulatedGateway::new(Arc::clone(&provider)));
        let gate_policy = GatePolicy {
            gateway: "simulator".to_owned(),
            interval: Duration::from_secs(1),
            probe_interval: PROBE_INTERVAL,
            max_failures: MAX_FAILURES,
            max_refusals: MAX_REFUSALS,
            max_unresolved: MAX_UNRESOLVED,
        };
        let keeper = Arc::new(Gatekeeper::new(Arc::clone(&bare), store.clone(), Arc::clone(&time), gate_policy));
        let gateway: Arc<dyn PaymentGateway> = Arc::new(GuardedGateway::new(bare, Arc::clone(&keeper)));
        let policy = PaymentPolicy {
            flow,
            default_payment_method: Some("pm_card_visa".parse().expect("a token")),
            first_look_after: FIRST_LOOK_AFTER,
            abandon_after: ABANDON_AFTER,
        };
        let bell = Arc::new(Notify::new());
        let service = Arc::new(ProcessPayment::new(
            store.clone(),
            Arc::clone(&gateway),
            Arc::clone(&time),
            policy,
            Arc::clone(&bell),
        ));
        let repository: Arc<dyn OrderRepository> = orders.clone();
        let reconcile =
            Arc::new(Reconcile::new(repository, Arc::clone(&gateway), Arc::clone(&time), Arc::clone(&service)));
        let refunds = RefundPayment::new(store.clone(), Arc::clone(&gateway), Arc::clone(&time), bell);
        let sweep = Sweep::new(
            store.clone(),
            Arc::clone(&gateway),
            Arc::clone(&time),
            Arc::clone(&service),
            Arc::clone(&reconcile),
        );
        let review = Review::new(store.clone(), Arc::clone(&gateway), time, Arc::clone(&service));
        Self { clock, orders, store, provider, gateway, keeper, service, reconcile, refunds, sweep, review }
    }

    /// Another service has told of the order's end, as reading the topic finds out.
    pub(crate) async fn adopt(&self, told: OrderStatus) {
        let payment = Payment::first(Arc::new(request()), ChargeFlow::OneStep, START);
        let settlement = match told {
            OrderStatus::Paid => payment.paid("pi_other".parse().expect("a token"), START),
            _ => payment.failed(reason(), START),
        };
        let event = encode(&settlement.expect("pending").outcome);
        let found = [FoundEvent { event, partition: 0, offset: 0 }];
        self.orders.inner.adopt("outcomes", &found, &[], &[]).await.expect("memory answers");
    }

    /// Someone charges the order behind our back, with keys of their own; the name of that charge.
    pub(crate) fn charged_elsewhere(&self, attempt: Attempt) -> ProviderToken {
        self.charged_elsewhere_for(attempt, 1250)
    }

    pub(crate) fn charged_elsewhere_for(&self, attempt: Attempt, cents: u32) -> ProviderToken {
        self.made_elsewhere(attempt, cents, CHARGED, "elsewhere")
    }

    pub(crate) fn charged_elsewhere_by(&self, attempt: Attempt, key: &str) -> ProviderToken {
        self.made_elsewhere(attempt, 1250, CHARGED, key)
    }

    /// Someone makes an object for the order behind our back, and leaves it at that; its name.
    pub(crate) fn prepared_elsewhere(&self, attempt: Attempt) -> ProviderToken {
        self.made_elsewhere(attempt, 1250, "", "elsewhere")
    }

    fn made_elsewhere(&self, attempt: Attempt, cents: u32, and: &str, key: &str) -> ProviderToken {
        let body = format!(
            "amount={cents}&currency=eur&payment_method=pm_card_visa\
             &metadata[order_id]=ord_1&metadata[attempt]={}{and}",
            attempt.number()
        );
        let reply = self.provider.handle(&Request::post("/v1/payment_intents", &body, Some(key)));
        let answer = reply.answer.expect("it is answered");
        let intent: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        intent["id"].as_str().expect("it has a name").parse().expect("a token")
    }

    /// A sweep over this stage's store and the gateway of another.
    pub(crate) fn sweep_before(&self, other: &Self) -> Sweep {
        let (store, gateway, clock) = (self.store.clone(), Arc::clone(&other.gateway), self.clock.clone());
        Sweep::new(store, gateway, clock, Arc::clone(&self.service), Arc::clone(&self.reconcile))
    }

    pub(crate) async fn status(&self) -> OrderStatus {
        self.stored().await.order.status()
    }

    pub(crate) async fn state(&self) -> &'static str {
        self.stored().await.payment.expect("it was begun").state.name()
    }

    pub(crate) async fn attempt(&self) -> u32 {
        self.stored().await.payment.expect("it was begun").attempt.number()
    }

    pub(crate) async fn stored(&self) -> StoredOrder {
        self.orders.find(order().id()).await.expect("memory answers").expect("it is stored")
    }

    pub(crate) async fn reconcile_after(&self, wait: Duration) -> usize {
        self.clock.advance(wait);
        self.provider.run_due();
        self.reconcile.run_once(10).await.expect("memory answers").settled
    }

    /// Lets time pass in such steps, with everything running that runs by itself, until nothing is pending.
    pub(crate) async fn live(&self, step: Duration, limit: u32) {
        for _ in 0..limit {
            self.reconcile_after(step).await;
            self.keeper.round().await.expect("memory answers");
            if self.orders.tally().await.expect("memory answers").pending == 0 {
                return;
            }
        }
        panic!("still {} under {:?} after {limit} steps of {step:?}", self.state().await, self.stored().await);
    }

    /// In the one-step flow an order of unknown past waits until whatever was on its way has arrived.
    pub(crate) async fn settle_what_waits(&self) {
        if self.orders.tally().await.expect("memory answers").pending > 0 {
            self.live(ABANDON_AFTER, 4).await;
        }
    }

    pub(crate) async fn assert_paid(&self, id: &str) {
        let stored = self.orders.find(&id.parse().expect("an id")).await.expect("memory answers");
        assert_eq!(stored.expect("it is stored").order.status(), OrderStatus::Paid);
        assert_eq!(self.provider.ledger().orders[id].successes, 1);
    }

    /// One success at most, and as many as the store says; no intent that could still be charged.
    pub(crate) async fn assert_settled(&self, expected: OrderStatus) {
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
        assert_eq!(self.orders.tally().await.expect("memory answers").pending, 0);
    }
}

pub(crate) fn order() -> Order {
    order_of("ord_1")
}

pub(crate) fn order_of(id: &str) -> Order {
    Order::new(
        id.parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse("12.50", "EUR").expect("an amount"),
    )
}

pub(crate) fn request_with(method: &str) -> PaymentRequest {
    let payment_method = method.parse().expect("a token");
    PaymentRequest { order: order(), payment_method, customer: None, origin: Origin::default() }
}

pub(crate) fn request_for(id: &str, method: &str) -> PaymentRequest {
    PaymentRequest { order: order_of(id), ..request_with(method) }
}

pub(crate) fn request() -> PaymentRequest {
    request_with("pm_card_visa")
}

pub(crate) fn reason() -> FailureReason {
    let message = "the card is not known".to_owned();
    FailureReason { code: "resource_missing".to_owned(), category: FailureCategory::InvalidPaymentMethod, message }
}

pub(crate) fn declined() -> PaymentRequest {
    request_with("pm_card_visa_chargeDeclinedInsufficientFunds")
}
