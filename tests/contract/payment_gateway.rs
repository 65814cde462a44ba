//! The contract of `PaymentGateway`, clause by clause: for the Stripe adapter over real HTTP and for
//! the gateway in memory, both against the provider whose ledger says what was truly done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use order_payments::adapters::memory::clock::ManualClock;
use order_payments::adapters::memory::payment_gateway::SimulatedGateway;
use order_payments::adapters::simulator::faults::{Fault, Faults};
use order_payments::adapters::simulator::ledger::OrderEntry;
use order_payments::adapters::simulator::provider::{Provider, ProviderConfig};
use order_payments::adapters::simulator::request::Operation;
use order_payments::adapters::simulator::server::{Simulator, SimulatorConfig};
use order_payments::adapters::stripe::{Config, StripeGateway};
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::outcome::{FailureCategory, FailureReason};
use order_payments::domain::payment::{Armed, ChargeFlow, Payment};
use order_payments::domain::request::{Origin, PaymentRequest, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::payment_gateway::{
    Cancellation, Charge, GatewayError, PaymentGateway, Preparation, Refund, Sighting,
};
use secrecy::SecretString;

macro_rules! every_gateway_keeps {
    ($($clause:ident),+ $(,)?) => {
        mod stripe { $(#[tokio::test] async fn $clause() { super::kept(super::World::over_http().await, super::$clause).await; })+ }
        mod memory { $(#[tokio::test] async fn $clause() { super::kept(super::World::in_memory(), super::$clause).await; })+ }
    };
}

every_gateway_keeps!(
    preparing_moves_no_money,
    preparing_again_makes_the_same_object,
    a_charge_takes_the_exact_amount,
    charging_again_is_the_same_charge,
    twenty_racers_charge_once,
    a_declined_charge_takes_nothing_and_can_be_made_impossible,
    every_kind_of_decline_has_its_category,
    what_does_not_exist_is_refused_before_anything_is_made,
    what_is_decided_later_is_pending_until_then,
    a_look_up_tells_how_far_a_charge_is,
    a_look_up_finds_nothing_where_nothing_is,
    a_look_up_tells_one_order_from_another,
    two_charges_of_one_order_are_a_contradiction,
    a_canceled_object_is_never_charged,
    a_cancellation_that_comes_too_late_says_so,
    canceling_again_is_the_same_cancellation,
    a_refund_repeated_is_one_refund,
    parts_of_a_charge_are_refunded_by_their_own_names,
    no_fault_turns_a_charge_into_a_wrong_answer,
    no_fault_while_preparing_moves_money,
    a_charge_that_arrives_late_is_found,
    refused_credentials_close_the_gateway_and_charge_nothing,
);

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const FLOWS: [ChargeFlow; 2] = [ChargeFlow::TwoStep, ChargeFlow::OneStep];
const RACERS: usize = 20;

/// A gateway, and the provider that it talks to.
struct World {
    gateway: Arc<dyn PaymentGateway>,
    provider: Arc<Provider>,
    clock: Arc<ManualClock>,
    simulator: Option<Simulator>,
}

/// Tries a clause, then holds the ledger against what no clause may ever cause.
async fn kept(world: World, clause: impl AsyncFn(&World)) {
    clause(&world).await;
    let ledger = world.provider.ledger();
    assert_eq!(ledger.totals.without_key, 0, "every change has a key");
    for (key, entry) in &ledger.keys {
        assert_eq!(entry.bodies.len(), 1, "the key {key} came with different bytes");
    }
    if let Some(simulator) = world.simulator {
        simulator.shutdown().await;
    }
}

impl World {
    fn in_memory() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let provider = Arc::new(Provider::new(provider_config(), Arc::clone(&clock) as _));
        let gateway = Arc::new(SimulatedGateway::new(Arc::clone(&provider)));
        Self { gateway, provider, clock, simulator: None }
    }

    async fn over_http() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let config = SimulatorConfig { provider: provider_config(), ..SimulatorConfig::default() };
        let simulator = Simulator::start(config, Arc::clone(&clock) as _).await.expect("a free port");
        let gateway = StripeGateway::new(&Config {
            api_base: simulator.url().parse().expect("an address"),
            api_key: SecretString::from("sk_test_contract"),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            max_tries: 3,
            requests_per_second: 0,
        });
        let gateway = Arc::new(gateway.expect("a gateway"));
        Self { gateway, provider: Arc::clone(simulator.provider()), clock, simulator: Some(simulator) }
    }

    /// What the provider did for this order.
    fn entry(&self, payment: &Payment) -> OrderEntry {
        self.provider.ledger().orders.remove(payment.order().id().as_str()).unwrap_or_default()
    }

    /// Lets what is due by then happen.
    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.provider.run_due();
    }

    async fn prepared(&self, payment: &Payment) -> ProviderToken {
        match self.gateway.prepare(payment).await.expect("prepared") {
            Preparation::Prepared(reference) => reference,
            Preparation::Refused(reason) => panic!("refused: {reason:?}"),
        }
    }

    /// The payment with its permission to be charged.
    async fn armed(&self, payment: &Payment) -> Armed {
        match payment.flow {
            ChargeFlow::OneStep => payment.as_armed(NOW).expect("a one-step payment starts armed"),
            ChargeFlow::TwoStep => payment.armed(self.prepared(payment).await, NOW),
        }
    }

    async fn approved(&self, armed: &Armed) -> ProviderToken {
        match self.gateway.charge(armed).await.expect("charged") {
            Charge::Approved(reference) => reference,
            answer => panic!("not approved: {answer:?}"),
        }
    }

    async fn declined(&self, armed: &Armed) -> (ProviderToken, FailureReason) {
        match self.gateway.charge(armed).await.expect("charged") {
            Charge::Declined { reference, reason } => (reference, reason),
            answer => panic!("not declined: {answer:?}"),
        }
    }
}

/// A connection that hangs is cut after this; the gateway itself is patient.
fn provider_config() -> ProviderConfig {
    ProviderConfig { faults: Faults { hang_ms: 50, ..Faults::default() }, ..ProviderConfig::default() }
}

fn payment(order_id: &str, flow: ChargeFlow) -> Payment {
    payment_by(order_id, "pm_card_visa", flow)
}

fn payment_by(order_id: &str, payment_method: &str, flow: ChargeFlow) -> Payment {
    let email = "ada@example.com".parse().expect("an address");
    let order = Order::new(order_id.parse().expect("an id"), email, money("12.50"));
    let payment_method = payment_method.parse().expect("a token");
    let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
    Payment::first(Arc::new(request), flow, NOW)
}

fn money(amount: &str) -> Money {
    Money::parse(amount, "EUR").expect("an amount")
}

async fn preparing_moves_no_money(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    world.prepared(&payment).await;
    assert_eq!(world.entry(&payment).charged, 0);
    assert_eq!(world.entry(&payment).intents.len(), 1);
}

async fn preparing_again_makes_the_same_object(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    assert_eq!(world.prepared(&payment).await, world.prepared(&payment).await);
    assert_eq!(world.entry(&payment).intents.len(), 1);
}

async fn a_charge_takes_the_exact_amount(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "shop/eu:ord#2.1"]) {
        let payment = payment(id, flow);
        let reference = world.approved(&world.armed(&payment).await).await;
        let entry = world.entry(&payment);
        assert_eq!((entry.successes, entry.charged), (1, 1250));
        assert_eq!(entry.intents[0].id, reference.as_str());
        assert_eq!(entry.intents[0].currency, "eur");
    }
}

async fn charging_again_is_the_same_charge(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment(id, flow);
        let armed = world.armed(&payment).await;
        assert_eq!(world.approved(&armed).await, world.approved(&armed).await);
        assert_eq!((world.entry(&payment).successes, world.entry(&payment).intents.len()), (1, 1));
    }
}

async fn twenty_racers_charge_once(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment(id, flow);
        let armed = world.armed(&payment).await;
        let answers = join_all((0..RACERS).map(|_| world.gateway.charge(&armed))).await;
        for answer in answers {
            assert!(matches!(answer, Ok(Charge::Approved(_)) | Err(GatewayError::Unknown { .. })), "{answer:?}");
        }
        assert_eq!((world.entry(&payment).successes, world.entry(&payment).intents.len()), (1, 1));
    }
}

async fn a_declined_charge_takes_nothing_and_can_be_made_impossible(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment_by(id, "pm_card_chargeDeclined", flow);
        let armed = world.armed(&payment).await;
        let (reference, reason) = world.declined(&armed).await;
        assert_eq!((reason.code.as_str(), reason.category), ("generic_decline", FailureCategory::SoftDecline));
        let canceled = world.gateway.cancel(armed.payment(), &reference).await.expect("canceled");
        assert_eq!(canceled, Cancellation::Canceled);
        assert_eq!(world.entry(&payment).charged, 0);
        assert_eq!(world.entry(&payment).intents[0].status.as_str(), "canceled");
    }
}

async fn every_kind_of_decline_has_its_category(world: &World) {
    let rows = [
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", FailureCategory::SoftDecline),
        ("pm_card_chargeDeclinedLostCard", "lost_card", FailureCategory::HardDecline),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", FailureCategory::HardDecline),
        ("pm_card_authenticationRequired", "authentication_required", FailureCategory::AuthenticationRequired),
    ];
    for (row, (payment_method, code, category)) in rows.into_iter().enumerate() {
        for flow in FLOWS {
            let payment = payment_by(&format!("ord_{row}_{}", flow.as_str()), payment_method, flow);
            let (_, reason) = world.declined(&world.armed(&payment).await).await;
            assert_eq!((reason.code.as_str(), reason.category), (code, category));
            assert_eq!(world.entry(&payment).charged, 0);
        }
    }
}

async fn what_does_not_exist_is_refused_before_anything_is_made(world: &World) {
    let prepared = payment_by("ord_1", "pm_card_missing", ChargeFlow::TwoStep);
    let answer = world.gateway.prepare(&prepared).await.expect("an answer");
    let Preparation::Refused(reason) = answer else { panic!("{answer:?}") };
    assert_eq!(reason.category, FailureCategory::InvalidPaymentMethod);

    let charged = payment_by("ord_2", "pm_card_missing", ChargeFlow::OneStep);
    let answer = world.gateway.charge(&world.armed(&charged).await).await.expect("an answer");
    let Charge::Refused(reason) = answer else { panic!("{answer:?}") };
    assert_eq!(reason.category, FailureCategory::InvalidPaymentMethod);
    for payment in [prepared, charged] {
        assert_eq!(world.entry(&payment), OrderEntry::default());
    }
}

async fn what_is_decided_later_is_pending_until_then(world: &World) {
    for (flow, id) in FLOWS.into_iter().zip(["ord_1", "ord_2"]) {
        let payment = payment_by(id, "pm_usBankAccount_success", flow);
        let armed = world.armed(&payment).await;
        assert_eq!(world.gateway.charge(&armed).await.expect("an answer"), Charge::Pending);
        let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
        assert_eq!(seen, Sighting::Answered(Charge::Pending));
        world.pass(Duration::from_secs(60));
        let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
        assert!(matches!(seen, Sighting::Answered(Charge::Approved(_))), "{seen:?}");
    }
}

async fn a_look_up_tells_how_far_a_charge_is(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    let armed = world.armed(&payment).await;
    let reference = armed.payment().reference().expect("a reference").clone();
    let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
    assert_eq!(seen, Sighting::Unconfirmed(reference.clone()));
    world.approved(&armed).await;
    let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
    assert_eq!(seen, Sighting::Answered(Charge::Approved(reference)));

    let declined = payment_by("ord_2", "pm_card_chargeDeclined", ChargeFlow::OneStep);
    let (reference, reason) = world.declined(&world.armed(&declined).await).await;
    let seen = world.gateway.look_up(&declined).await.expect("an answer");
    assert_eq!(seen, Sighting::Answered(Charge::Declined { reference, reason }));
}

async fn a_look_up_finds_nothing_where_nothing_is(world: &World) {
    let seen = world.gateway.look_up(&payment("ord_1", ChargeFlow::OneStep)).await.expect("an answer");
    assert_eq!(seen, Sighting::NotFound);
}

async fn a_look_up_tells_one_order_from_another(world: &World) {
    world.approved(&world.armed(&payment("ORD_1", ChargeFlow::OneStep)).await).await;
    let seen = world.gateway.look_up(&payment("ord_1", ChargeFlow::OneStep)).await.expect("an answer");
    assert_eq!(seen, Sighting::NotFound, "search ignores case, an order id does not");
}

async fn two_charges_of_one_order_are_a_contradiction(world: &World) {
    let first = payment("ord_1", ChargeFlow::OneStep);
    let second = Payment { attempt: first.attempt.next(), ..first.clone() };
    for payment in [&first, &second] {
        world.approved(&world.armed(payment).await).await;
    }
    let answer = world.gateway.look_up(&first).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
}

async fn a_canceled_object_is_never_charged(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    let armed = world.armed(&payment).await;
    let reference = armed.payment().reference().expect("a reference");
    let canceled = world.gateway.cancel(armed.payment(), reference).await.expect("canceled");
    assert_eq!(canceled, Cancellation::Canceled);
    let answer = world.gateway.charge(&armed).await.expect("an answer");
    assert!(matches!(answer, Charge::Canceled(_)), "{answer:?}");
    let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
    assert!(matches!(seen, Sighting::Answered(Charge::Canceled(_))), "{seen:?}");
    assert_eq!(world.entry(&payment).charged, 0);
}

async fn a_cancellation_that_comes_too_late_says_so(world: &World) {
    let armed = world.armed(&payment("ord_1", ChargeFlow::TwoStep)).await;
    let reference = world.approved(&armed).await;
    let answer = world.gateway.cancel(armed.payment(), &reference).await.expect("an answer");
    assert_eq!(answer, Cancellation::Succeeded(reference));
}

async fn canceling_again_is_the_same_cancellation(world: &World) {
    let armed = world.armed(&payment("ord_1", ChargeFlow::TwoStep)).await;
    let reference = armed.payment().reference().expect("a reference");
    for fault in [None, Some(Fault::CutAfter), None] {
        if let Some(fault) = fault {
            world.provider.inject_on(Operation::Cancel, fault);
        }
        match (fault, world.gateway.cancel(armed.payment(), reference).await) {
            (None, Ok(Cancellation::Canceled)) | (Some(_), Err(GatewayError::Unknown { .. })) => {}
            (fault, answer) => panic!("{fault:?}: {answer:?}"),
        }
    }
}

async fn a_refund_repeated_is_one_refund(world: &World) {
    let payment = payment("ord_1", ChargeFlow::TwoStep);
    let reference = world.approved(&world.armed(&payment).await).await;
    world.provider.inject_on(Operation::Refund, Fault::CutAfter);
    let lost = world.gateway.refund(&reference, money("5"), "r-1").await;
    assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "{lost:?}");
    for wait in [Duration::ZERO, Duration::from_hours(48)] {
        world.pass(wait); // A key is long forgotten after two days.
        let answer = world.gateway.refund(&reference, money("5"), "r-1").await.expect("refunded");
        assert!(matches!(answer, Refund::Succeeded(_)), "{answer:?}");
    }
    assert_eq!(world.entry(&payment).refunded, 500);
}

async fn parts_of_a_charge_are_refunded_by_their_own_names(world: &World) {
    let payment = payment_by("ord_1", "pm_card_pendingRefund", ChargeFlow::TwoStep);
    let reference = world.approved(&world.armed(&payment).await).await;
    for refund_id in ["r-1", "r-2"] {
        let answer = world.gateway.refund(&reference, money("5"), refund_id).await.expect("refunded");
        assert!(matches!(answer, Refund::Pending(_)), "{answer:?}");
    }
    assert_eq!(world.entry(&payment).refunded, 1000);
    let too_much = world.gateway.refund(&reference, money("5"), "r-3").await;
    assert!(!matches!(too_much, Ok(Refund::Succeeded(_) | Refund::Pending(_))), "{too_much:?}");
    assert_eq!(world.entry(&payment).refunded, 1000);
}

/// Charges and looks up, as the application does, until an answer settles it or the tries are over.
async fn pursued(world: &World, armed: &Armed) -> Option<Charge> {
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        match world.gateway.charge(armed).await {
            Ok(answer) => return Some(answer),
            Err(GatewayError::Contradiction { detail }) => panic!("a contradiction: {detail}"),
            Err(GatewayError::Unavailable { .. } | GatewayError::Closed { .. }) => {
                assert_eq!(world.entry(armed.payment()).charged, 0, "said to be certainly not executed");
            }
            Err(GatewayError::Unknown { .. }) => world.pass(Duration::from_secs(1)),
        }
        if let Ok(Sighting::Answered(answer)) = world.gateway.look_up(armed.payment()).await {
            return Some(answer);
        }
    }
    None
}

async fn no_fault_turns_a_charge_into_a_wrong_answer(world: &World) {
    for flow in FLOWS {
        let operation = if flow == ChargeFlow::OneStep { Operation::Create } else { Operation::Confirm };
        for fault in Fault::ALL {
            let payment = payment(&format!("{}:{}", fault.as_str().replace('_', "-"), flow.as_str()), flow);
            let armed = world.armed(&payment).await;
            world.provider.inject_on(operation, fault);
            let answer = pursued(world, &armed).await;
            let entry = world.entry(&payment);
            match (fault, answer) {
                (Fault::Decline, Some(Charge::Declined { .. })) => assert_eq!(entry.charged, 0),
                // The key replays the error for ever: nothing was done, and nothing tells so.
                (Fault::ErrorBeforeSticky, None) => assert_eq!(entry.charged, 0),
                (_, Some(Charge::Approved(_))) => assert_eq!((entry.successes, entry.charged), (1, 1250), "{fault:?}"),
                (fault, answer) => panic!("{fault:?}, {flow:?}: {answer:?}"),
            }
            assert!(entry.intents.len() <= 1, "{fault:?}, {flow:?}: {entry:?}");
        }
    }
}

async fn no_fault_while_preparing_moves_money(world: &World) {
    for fault in Fault::ALL {
        let payment = payment(&format!("ord_{}", fault.as_str()), ChargeFlow::TwoStep);
        world.provider.inject_on(Operation::Create, fault);
        let answer = world.gateway.prepare(&payment).await;
        assert!(!matches!(answer, Ok(Preparation::Refused(_))), "{fault:?}: {answer:?}");
        world.pass(Duration::from_secs(1));
        assert_eq!(world.entry(&payment).charged, 0);
    }
}

async fn a_charge_that_arrives_late_is_found(world: &World) {
    for (flow, id, operation) in
        [(ChargeFlow::TwoStep, "ord_1", Operation::Confirm), (ChargeFlow::OneStep, "ord_2", Operation::Create)]
    {
        let payment = payment(id, flow);
        let armed = world.armed(&payment).await;
        world.provider.inject_on(operation, Fault::Late);
        let answer = world.gateway.charge(&armed).await;
        assert!(matches!(answer, Err(GatewayError::Unknown { .. })), "{answer:?}");
        let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
        assert!(matches!(seen, Sighting::Unconfirmed(_) | Sighting::NotFound), "{seen:?}");
        world.pass(Duration::from_secs(1));
        let seen = world.gateway.look_up(armed.payment()).await.expect("an answer");
        assert!(matches!(seen, Sighting::Answered(Charge::Approved(_))), "{seen:?}");
        world.approved(&armed).await;
        assert_eq!(world.entry(&payment).successes, 1);
    }
}

async fn refused_credentials_close_the_gateway_and_charge_nothing(world: &World) {
    world.gateway.probe().await.expect("let in");
    let payment = payment("ord_1", ChargeFlow::OneStep);
    world.provider.set_faults(Faults::only(Fault::Unauthorized, 1.0));
    let charge = world.gateway.charge(&world.armed(&payment).await).await;
    assert!(matches!(charge, Err(GatewayError::Closed { .. })), "{charge:?}");
    let probe = world.gateway.probe().await;
    assert!(matches!(probe, Err(GatewayError::Closed { .. })), "{probe:?}");
    assert_eq!(world.entry(&payment), OrderEntry::default());
    world.provider.set_faults(Faults::default());
    world.gateway.probe().await.expect("let in again");
}
