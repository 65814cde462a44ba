//! Orders, requests and outcomes to try the clauses on.

use std::sync::Arc;

use order_payments::domain::money::Money;
use order_payments::domain::order::{Order, OrderId};
use order_payments::domain::outcome::{FailureCategory, FailureReason};
use order_payments::domain::payment::{Armed, ChargeFlow, Payment, Settlement};
use order_payments::domain::request::{Assumed, Origin, PaymentRequest, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{Begun, Standing};

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
        assumed: Assumed::default(),
    };
    PaymentRequest { order, payment_method: token("pm_card_visa"), customer: Some(token("cus_9")), origin }
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
    match store.arm(&payment, &token(&format!("pi_{name}")), NOW).await.expect("an armed payment") {
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
