//! Orders, requests and outcomes to try the clauses on.

use std::sync::Arc;

use order_payments::domain::evidence::{Evidence, Exchange};
use order_payments::domain::money::Money;
use order_payments::domain::order::{Order, OrderId};
use order_payments::domain::outcome::{FailureCategory, FailureReason};
use order_payments::domain::payment::{Armed, ChargeFlow, Payment, Settlement};
use order_payments::domain::refund::{Refund, RefundId, RefundPurpose, RefundState};
use order_payments::domain::request::{Assumed, Origin, Past, PaymentRequest, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{Begun, Standing};
use uuid::Uuid;

use crate::contract::database::Store;

/// 2026-01-01T00:00:00Z and a few microseconds, which must not be lost.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_123);

pub(crate) fn id(text: &str) -> OrderId {
    text.parse().expect("an order id")
}

pub(crate) fn token(text: &str) -> ProviderToken {
    text.parse().expect("a token")
}

pub(crate) fn order(name: &str) -> Order {
    order_of(name, "12.50")
}

pub(crate) fn order_of(name: &str, amount: &str) -> Order {
    let email = "ada@example.com".parse().expect("an address");
    Order::new(id(name), email, Money::parse(amount, "EUR").expect("an amount"))
}

pub(crate) fn request(name: &str) -> PaymentRequest {
    request_for(order(name))
}

pub(crate) fn request_for(order: Order) -> PaymentRequest {
    let origin = Origin {
        event_id: Some("evt-1".to_owned()),
        correlation_id: Some("cart \u{2764} 7".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        requested_at: Some(Timestamp::from_micros(NOW.as_micros() - 77)),
        past: Past::default(),
        assumed: Assumed::default(),
    };
    PaymentRequest { order, payment_method: token("pm_card_visa"), customer: Some(token("cus_9")), origin }
}

/// A request to the provider, and its answer.
pub(crate) fn exchange(operation: &'static str) -> Exchange {
    Exchange {
        operation,
        key: Some(format!("ord_1:1:{operation}")),
        digest: "9f86d081".to_owned(),
        status: Some(402),
        code: Some("card_declined".to_owned()),
        request_id: Some("req_7".to_owned()),
        is_replayed: true,
        class: "declined",
        took_ms: 12,
    }
}

/// A refund of this much of what was charged for an order.
pub(crate) fn refund(number: u128, name: &str, amount: &str) -> Refund {
    Refund {
        id: RefundId::from_uuid(Uuid::from_u128(number)),
        order_id: id(name),
        reference: token(&format!("pi_{name}")),
        amount: Money::parse(amount, "EUR").expect("an amount"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada".to_owned(),
        requested_at: NOW,
        state: RefundState::Requested,
    }
}

pub(crate) fn reason() -> FailureReason {
    let message = "the card has insufficient funds".to_owned();
    FailureReason { code: "insufficient_funds".to_owned(), category: FailureCategory::SoftDecline, message }
}

/// A payment that was begun in two steps.
pub(crate) async fn begun(store: &dyn Store, name: &str) -> Payment {
    match store.begin(&request(name), ChargeFlow::TwoStep, NOW).await.expect("a begun payment") {
        Begun::Prepare(payment) => payment,
        other => panic!("expected to prepare, was told {other:?}"),
    }
}

/// A payment that was begun and armed.
pub(crate) async fn armed(store: &dyn Store, name: &str) -> Armed {
    let payment = begun(store, name).await;
    match store.arm(&payment, &token(&format!("pi_{name}")), NOW, &Evidence::default()).await.expect("an armed payment")
    {
        Standing::Armed(armed) => armed,
        other => panic!("expected to charge, was told {other:?}"),
    }
}

pub(crate) fn paid(armed: &Armed) -> Settlement {
    let reference = armed.payment().reference().cloned().unwrap_or_else(|| token("pi_one_step"));
    armed.payment().paid(reference, NOW).expect("a pending order")
}

pub(crate) fn failed(armed: &Armed) -> Settlement {
    armed.payment().failed(reason(), NOW).expect("a pending order")
}

/// The first attempt of this request, as if it had been stored.
pub(crate) fn first(request: &PaymentRequest, flow: ChargeFlow) -> Payment {
    Payment::first(Arc::new(request.clone()), flow, NOW)
}

/// The latest attempt to pay this order, as it is stored.
pub(crate) async fn stored_payment(store: &dyn Store, name: &str) -> Payment {
    store.find(&id(name)).await.expect("read").expect("stored").payment.expect("an attempt")
}

/// The permission to charge that this answer gives.
pub(crate) fn charged(standing: Standing) -> Armed {
    match standing {
        Standing::Armed(armed) => armed,
        other => panic!("expected to charge, was told {other:?}"),
    }
}

/// The payment that this answer tells of, and whether a charge of it may have been sent before.
pub(crate) fn told(begun: Begun) -> (Payment, bool) {
    match begun {
        Begun::Prepare(payment) => (payment, false),
        Begun::Met(Standing::Armed(armed)) => (armed.payment().clone(), armed.is_resumed()),
        other => panic!("expected to prepare or to charge, was told {other:?}"),
    }
}
