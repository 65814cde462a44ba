//! Tests of the gateway without a network: both flows, and what each fault looks like from here.

use super::*;
use crate::adapters::memory::clock::ManualClock;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::provider::ProviderConfig;
use crate::domain::order::Order;
use crate::domain::request::{Origin, PaymentRequest};
use crate::domain::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

struct Bench {
    gateway: SimulatedGateway,
    clock: Arc<ManualClock>,
}

fn bench() -> Bench {
    let clock = Arc::new(ManualClock::at(NOW));
    let provider = Provider::new(ProviderConfig::default(), Arc::clone(&clock) as _);
    Bench { gateway: SimulatedGateway::new(Arc::new(provider)), clock }
}

fn payment(flow: ChargeFlow, payment_method: &str, amount: &str) -> Payment {
    let order = Order::new(
        "o-1".parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse(amount, "EUR").expect("an amount"),
    );
    let payment_method = payment_method.parse().expect("a token");
    let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
    Payment::first(Arc::new(request), flow, NOW)
}

impl Bench {
    async fn armed(&self, flow: ChargeFlow, payment_method: &str) -> Armed {
        let payment = payment(flow, payment_method, "12.50");
        match flow {
            ChargeFlow::OneStep => payment.as_armed(NOW).expect("the one-step flow starts armed"),
            ChargeFlow::TwoStep => match self.gateway.prepare(&payment).await.expect("prepared") {
                Preparation::Prepared(reference) => payment.armed(reference, NOW),
                Preparation::Refused(reason) => panic!("refused: {reason:?}"),
            },
        }
    }

    fn charged(&self) -> u64 {
        self.gateway.provider().ledger().orders.values().map(|order| order.charged).sum()
    }
}

const FLOWS: [ChargeFlow; 2] = [ChargeFlow::OneStep, ChargeFlow::TwoStep];

#[tokio::test]
async fn a_charge_takes_the_exact_amount_once_however_often_it_is_sent() {
    for flow in FLOWS {
        let bench = bench();
        let armed = bench.armed(flow, "pm_card_visa").await;
        let first = bench.gateway.charge(&armed).await.expect("charged");
        assert!(matches!(first, Charge::Approved(_)), "{first:?}");
        assert_eq!(bench.gateway.charge(&armed).await.expect("charged"), first);
        assert_eq!(bench.gateway.look_up(armed.payment()).await.expect("seen"), Sighting::Answered(first));
        assert_eq!(bench.charged(), 1250);
    }
}

#[tokio::test]
async fn preparing_charges_nothing() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    assert_eq!(bench.charged(), 0);
    let sighting = bench.gateway.look_up(armed.payment()).await.expect("seen");
    assert!(matches!(sighting, Sighting::Unconfirmed(_)), "{sighting:?}");
}

#[tokio::test]
async fn a_decline_names_its_reason_and_can_be_canceled() {
    for flow in FLOWS {
        let bench = bench();
        let armed = bench.armed(flow, "pm_card_visa_chargeDeclinedLostCard").await;
        let Charge::Declined { reference, reason } = bench.gateway.charge(&armed).await.expect("an answer") else {
            panic!("not declined");
        };
        assert_eq!((reason.code.as_str(), reason.category), ("lost_card", FailureCategory::HardDecline));
        for _twice in 0..2 {
            let canceled = bench.gateway.cancel(armed.payment(), &reference).await.expect("an answer");
            assert_eq!(canceled, Cancellation::Canceled);
        }
        bench.clock.advance(keys::RETENTION);
        let again = bench.gateway.charge(&armed).await;
        assert!(flow == ChargeFlow::OneStep || matches!(again, Ok(Charge::Canceled(_))), "{again:?}");
        assert_eq!(bench.charged(), 0);
    }
}

#[tokio::test]
async fn a_charge_that_was_made_cannot_be_canceled() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    let Charge::Approved(reference) = bench.gateway.charge(&armed).await.expect("charged") else { panic!("declined") };
    let canceled = bench.gateway.cancel(armed.payment(), &reference).await.expect("an answer");
    assert_eq!(canceled, Cancellation::Succeeded(reference));
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_found_by_looking_up() {
    for flow in FLOWS {
        for (fault, charged) in [(Fault::CutAfter, 1250), (Fault::ErrorAfterSticky, 1250), (Fault::CutBefore, 0)] {
            let bench = bench();
            let armed = bench.armed(flow, "pm_card_visa").await;
            bench.gateway.provider().inject(fault);
            let error = bench.gateway.charge(&armed).await.expect_err("no answer");
            assert!(matches!(error, GatewayError::Unknown { .. }), "{error:?}");
            assert_eq!(bench.charged(), charged, "{fault:?}");
            let sighting = bench.gateway.look_up(armed.payment()).await.expect("seen");
            assert_eq!(matches!(sighting, Sighting::Answered(Charge::Approved(_))), charged > 0, "{sighting:?}");
        }
    }
}

#[tokio::test]
async fn a_late_charge_arrives_after_it_was_looked_up() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::OneStep, "pm_card_visa").await;
    bench.gateway.provider().inject(Fault::Late);
    assert!(bench.gateway.charge(&armed).await.is_err());
    assert_eq!(bench.gateway.look_up(armed.payment()).await.expect("seen"), Sighting::NotFound);
    bench.clock.advance(bench.gateway.provider().faults().lateness());
    let sighting = bench.gateway.look_up(armed.payment()).await.expect("seen");
    assert!(matches!(sighting, Sighting::Answered(Charge::Approved(_))), "{sighting:?}");
}

#[tokio::test]
async fn refused_credentials_and_limits_are_no_unknowns() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    bench.gateway.provider().inject(Fault::Unauthorized);
    assert!(matches!(bench.gateway.charge(&armed).await, Err(GatewayError::Closed { .. })));
    bench.gateway.provider().inject(Fault::RateLimited);
    assert!(matches!(bench.gateway.charge(&armed).await, Err(GatewayError::Unavailable { .. })));
    bench.gateway.provider().inject(Fault::Unauthorized);
    assert!(matches!(bench.gateway.probe().await, Err(GatewayError::Closed { .. })));
    assert!(bench.gateway.probe().await.is_ok());
    assert_eq!(bench.charged(), 0);
}

#[tokio::test]
async fn bad_amounts_and_methods_are_refused_before_anything_is_made() {
    let cases = [
        ("pm_card_missing", "12.50", FailureCategory::InvalidPaymentMethod),
        ("pm_card_visa", "0.01", FailureCategory::InvalidAmount),
        ("pm_card_visa", "1000000.00", FailureCategory::InvalidAmount),
    ];
    for (payment_method, amount, category) in cases {
        let bench = bench();
        let two_step = payment(ChargeFlow::TwoStep, payment_method, amount);
        let refused = bench.gateway.prepare(&two_step).await.expect("an answer");
        assert!(matches!(&refused, Preparation::Refused(reason) if reason.category == category), "{refused:?}");
        let one_step = payment(ChargeFlow::OneStep, payment_method, amount).as_armed(NOW).expect("armed");
        let refused = bench.gateway.charge(&one_step).await.expect("an answer");
        assert!(matches!(&refused, Charge::Refused(reason) if reason.category == category), "{refused:?}");
        assert_eq!(bench.gateway.provider().totals().intents, 0);
    }
}

#[tokio::test]
async fn the_same_refund_is_made_once_even_when_its_key_is_forgotten() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    let Charge::Approved(reference) = bench.gateway.charge(&armed).await.expect("charged") else { panic!("declined") };
    let part = Money::parse("5.00", "EUR").expect("an amount");
    let first = bench.gateway.refund(&reference, part, "r-1").await.expect("refunded");
    assert!(matches!(first, Refund::Succeeded(_)), "{first:?}");
    bench.clock.advance(keys::RETENTION);
    assert_eq!(bench.gateway.refund(&reference, part, "r-1").await.expect("refunded"), first);
    assert_eq!(bench.gateway.provider().ledger().orders["o-1"].refunded, 500);
}

#[tokio::test]
async fn more_than_was_charged_is_not_given_back() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    let Charge::Approved(reference) = bench.gateway.charge(&armed).await.expect("charged") else { panic!("declined") };
    let total = Money::parse("12.50", "EUR").expect("an amount");
    bench.gateway.refund(&reference, total, "r-1").await.expect("refunded");
    let second = bench.gateway.refund(&reference, total, "r-2").await.expect("an answer");
    assert!(matches!(second, Refund::Failed(_)), "{second:?}");
    assert_eq!(bench.gateway.provider().ledger().orders["o-1"].refunded, 1250);
}

#[tokio::test]
async fn a_bank_debit_is_pending_until_it_is_decided() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_usBankAccount_success").await;
    assert_eq!(bench.gateway.charge(&armed).await.expect("an answer"), Charge::Pending);
    bench.clock.advance(std::time::Duration::from_secs(5));
    let sighting = bench.gateway.look_up(armed.payment()).await.expect("seen");
    assert!(matches!(sighting, Sighting::Answered(Charge::Approved(_))), "{sighting:?}");
}
