//! Tests of the gateway without a network: both flows, and what each fault looks like from here.

use uuid::Uuid;

use super::*;
use crate::adapters::memory::clock::ManualClock;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::provider::ProviderConfig;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::outcome::FailureCategory;
use crate::domain::refund::{RefundId, RefundPurpose, RefundState, Sending};
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
            ChargeFlow::TwoStep => match self.gateway.prepare(&payment, &mut Exchanges::new()).await.expect("prepared")
            {
                Preparation::Prepared(reference) => payment.armed(reference, NOW),
                Preparation::Refused(reason) => panic!("refused: {reason:?}"),
            },
        }
    }

    async fn approved(&self, armed: &Armed) -> ProviderToken {
        match self.gateway.charge(armed, &mut Exchanges::new()).await.expect("charged") {
            Charge::Approved(reference) => reference,
            charge => panic!("not approved: {charge:?}"),
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
        let first = bench.gateway.charge(&armed, &mut Exchanges::new()).await.expect("charged");
        assert!(matches!(first, Charge::Approved(_)), "{first:?}");
        assert_eq!(bench.gateway.charge(&armed, &mut Exchanges::new()).await.expect("charged"), first);
        assert_eq!(
            bench.gateway.look_up(armed.payment(), &mut Exchanges::new()).await.expect("seen"),
            Sighting::Answered(first)
        );
        assert_eq!(bench.charged(), 1250);
    }
}

#[tokio::test]
async fn preparing_charges_nothing() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    assert_eq!(bench.charged(), 0);
    let sighting = bench.gateway.look_up(armed.payment(), &mut Exchanges::new()).await.expect("seen");
    assert!(matches!(sighting, Sighting::Unconfirmed(_)), "{sighting:?}");
}

#[tokio::test]
async fn a_decline_names_its_reason_and_can_be_canceled() {
    for flow in FLOWS {
        let bench = bench();
        let armed = bench.armed(flow, "pm_card_visa_chargeDeclinedLostCard").await;
        let Charge::Declined { reference, reason } =
            bench.gateway.charge(&armed, &mut Exchanges::new()).await.expect("an answer")
        else {
            panic!("not declined");
        };
        assert_eq!((reason.code.as_str(), reason.category), ("lost_card", FailureCategory::HardDecline));
        for _twice in 0..2 {
            let canceled =
                bench.gateway.cancel(armed.payment(), &reference, &mut Exchanges::new()).await.expect("an answer");
            assert_eq!(canceled, Cancellation::Canceled);
        }
        bench.clock.advance(keys::RETENTION);
        let again = bench.gateway.charge(&armed, &mut Exchanges::new()).await;
        assert!(flow == ChargeFlow::OneStep || matches!(again, Ok(Charge::Void)), "{again:?}");
        assert_eq!(bench.charged(), 0);
    }
}

#[tokio::test]
async fn a_charge_that_was_made_cannot_be_canceled() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    let Charge::Approved(reference) = bench.gateway.charge(&armed, &mut Exchanges::new()).await.expect("charged")
    else {
        panic!("declined")
    };
    let canceled = bench.gateway.cancel(armed.payment(), &reference, &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(canceled, Cancellation::Succeeded(reference));
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_found_by_looking_up() {
    for flow in FLOWS {
        for (fault, charged) in [(Fault::CutAfter, 1250), (Fault::ErrorAfterSticky, 1250), (Fault::CutBefore, 0)] {
            let bench = bench();
            let armed = bench.armed(flow, "pm_card_visa").await;
            bench.gateway.provider().inject(fault);
            let error = bench.gateway.charge(&armed, &mut Exchanges::new()).await.expect_err("no answer");
            assert!(matches!(error, GatewayError::Unknown { .. }), "{error:?}");
            assert_eq!(bench.charged(), charged, "{fault:?}");
            let sighting = bench.gateway.look_up(armed.payment(), &mut Exchanges::new()).await.expect("seen");
            assert_eq!(matches!(sighting, Sighting::Answered(Charge::Approved(_))), charged > 0, "{sighting:?}");
        }
    }
}

#[tokio::test]
async fn a_late_charge_arrives_after_it_was_looked_up() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::OneStep, "pm_card_visa").await;
    bench.gateway.provider().inject(Fault::Late);
    assert!(bench.gateway.charge(&armed, &mut Exchanges::new()).await.is_err());
    assert_eq!(bench.gateway.look_up(armed.payment(), &mut Exchanges::new()).await.expect("seen"), Sighting::NotFound);
    bench.clock.advance(bench.gateway.provider().faults().lateness());
    let sighting = bench.gateway.look_up(armed.payment(), &mut Exchanges::new()).await.expect("seen");
    assert!(matches!(sighting, Sighting::Answered(Charge::Approved(_))), "{sighting:?}");
}

#[tokio::test]
async fn refused_credentials_and_limits_are_no_unknowns() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    bench.gateway.provider().inject(Fault::Unauthorized);
    assert!(matches!(bench.gateway.charge(&armed, &mut Exchanges::new()).await, Err(GatewayError::Closed { .. })));
    bench.gateway.provider().inject(Fault::RateLimited);
    assert!(matches!(bench.gateway.charge(&armed, &mut Exchanges::new()).await, Err(GatewayError::Unavailable { .. })));
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
        let refused = bench.gateway.prepare(&two_step, &mut Exchanges::new()).await.expect("an answer");
        assert!(matches!(&refused, Preparation::Refused(reason) if reason.category == category), "{refused:?}");
        let one_step = payment(ChargeFlow::OneStep, payment_method, amount).as_armed(NOW).expect("armed");
        let refused = bench.gateway.charge(&one_step, &mut Exchanges::new()).await.expect("an answer");
        assert!(matches!(&refused, Charge::Refused(reason) if reason.category == category), "{refused:?}");
        assert_eq!(bench.gateway.provider().totals().intents, 0);
    }
}

/// A refund of this charge that may be sent under its `number`th key.
fn refund(reference: &ProviderToken, id: u128, amount: &str, number: u32) -> Refund {
    Refund {
        id: RefundId::from_uuid(Uuid::from_u128(id)),
        order_id: "o-1".parse().expect("an id"),
        reference: reference.clone(),
        amount: Money::parse(amount, "EUR").expect("an amount"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada".to_owned(),
        requested_at: NOW,
        state: RefundState::Sending(Sending { number, since: NOW }),
    }
}

#[tokio::test]
async fn a_refund_that_was_made_is_found_where_another_key_may_not_make_it() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    let reference = bench.approved(&armed).await;
    let mut sent = Exchanges::new();
    let first = bench.gateway.refund(&refund(&reference, 1, "12.50", 1), &mut sent).await.expect("refunded");
    assert!(matches!(first, Refunding::Succeeded(_)), "{first:?}");
    let again = refund(&reference, 1, "12.50", 2);
    assert_eq!(bench.gateway.refund(&again, &mut sent).await.expect("found"), first);
    assert_eq!(bench.gateway.look_up_refund(&again, &mut sent).await.expect("found"), Some(first));
    let other = refund(&reference, 2, "5", 1);
    let refused = bench.gateway.refund(&other, &mut sent).await.expect("an answer");
    assert!(matches!(&refused, Refunding::Failed { name: None, reason } if reason.code == "charge_already_refunded"));
    assert_eq!(bench.gateway.provider().ledger().orders["o-1"].refunded, 1250);
    let noted: Vec<_> = sent.iter().map(|exchange| (exchange.operation, exchange.class)).collect();
    let expected = [
        ("refund", "refunded"),
        ("refund", "refused"),
        ("look_up_refund", "refunded"),
        ("look_up_refund", "refunded"),
        ("refund", "refused"),
        ("look_up_refund", "not_found"),
    ];
    assert_eq!(noted, expected);
}

#[tokio::test]
async fn a_refund_is_sent_only_with_a_stored_permission() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_card_visa").await;
    let reference = bench.approved(&armed).await;
    let mut sent = Exchanges::new();
    let unsent = Refund { state: RefundState::Requested, ..refund(&reference, 1, "5", 1) };
    let answer = bench.gateway.refund(&unsent, &mut sent).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
    assert!(sent.is_empty());
}

#[tokio::test]
async fn each_request_is_noted_with_what_it_came_to() {
    let bench = bench();
    let mut sent = Exchanges::new();
    let payment = payment(ChargeFlow::TwoStep, "pm_card_visa", "12.50");
    let Ok(Preparation::Prepared(reference)) = bench.gateway.prepare(&payment, &mut sent).await else {
        panic!("not prepared");
    };
    let armed = payment.armed(reference.clone(), NOW);
    bench.gateway.provider().inject(Fault::CutAfter);
    assert!(bench.gateway.charge(&armed, &mut sent).await.is_err());
    assert!(bench.gateway.charge(&armed, &mut sent).await.is_ok());
    assert!(bench.gateway.cancel(armed.payment(), &reference, &mut sent).await.is_ok());
    let noted: Vec<_> = sent
        .iter()
        .map(|exchange| (exchange.operation, exchange.key.as_deref(), exchange.status, exchange.class))
        .collect();
    let expected = [
        ("prepare", Some("o-1:1:prepare"), Some(200), "unconfirmed"),
        ("charge", Some("o-1:1:charge"), None, "unknown"),
        ("charge", Some("o-1:1:charge"), Some(200), "approved"),
        ("cancel", None, Some(400), "approved"),
    ];
    assert_eq!(noted, expected);
    assert_eq!(sent[1].digest, sent[2].digest, "the same key comes with the same bytes");
    assert_ne!(sent[0].digest, sent[1].digest);
    assert_eq!((sent[1].is_replayed, sent[2].is_replayed), (false, true));
    assert_eq!(sent[3].code.as_deref(), Some("payment_intent_unexpected_state"));
    assert!(sent[0].request_id.is_some() && sent[0].request_id != sent[2].request_id);
}

#[tokio::test]
async fn a_bank_debit_is_pending_until_it_is_decided() {
    let bench = bench();
    let armed = bench.armed(ChargeFlow::TwoStep, "pm_usBankAccount_success").await;
    assert_eq!(bench.gateway.charge(&armed, &mut Exchanges::new()).await.expect("an answer"), Charge::Pending);
    bench.clock.advance(std::time::Duration::from_secs(5));
    let sighting = bench.gateway.look_up(armed.payment(), &mut Exchanges::new()).await.expect("seen");
    assert!(matches!(sighting, Sighting::Answered(Charge::Approved(_))), "{sighting:?}");
}
