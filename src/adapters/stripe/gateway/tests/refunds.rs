//! Refunds: what is sent under which key, and what a refusal comes to.

use uuid::Uuid;

use super::*;
use crate::domain::refund::{RefundId, RefundPurpose, RefundState, Sending};

const ID: &str = "00000000-0000-0000-0000-000000000001";

pub(crate) fn refund(number: u32) -> Refund {
    Refund {
        id: RefundId::from_uuid(Uuid::from_u128(1)),
        order_id: "shop:ord_1/#1".parse().expect("an id"),
        reference: reference(),
        amount: Money::parse("5", "EUR").expect("an amount"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada".to_owned(),
        requested_at: NOW,
        state: RefundState::Sending(Sending { number, since: NOW }),
    }
}

fn made(name: &str, mark: &str, status: &str) -> Value {
    json!({"id": name, "object": "refund", "status": status, "amount": 500, "currency": "eur",
        "payment_intent": "pi_1", "metadata": {"refund_id": mark}})
}

fn list(refunds: &[Value], has_more: bool) -> Act {
    Act::reply(200, &json!({"object": "list", "data": refunds, "has_more": has_more}))
}

fn name(text: &str) -> ProviderToken {
    text.parse().expect("a token")
}

#[tokio::test]
async fn a_refund_is_one_request_under_its_own_key() {
    let stage = Stage::set([Act::reply(200, &made("re_1", ID, "pending"))]).await;
    let answer = gateway(&stage.base()).refund(&refund(2), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(answer, Refunding::Pending(name("re_1")));
    let [sent] = stage.requests().try_into().expect("one request");
    assert_eq!(sent.line, "POST /v1/refunds HTTP/1.1");
    assert_eq!(sent.header("idempotency-key"), Some("00000000-0000-0000-0000-000000000001#refund:2"));
    assert_eq!(sent.body, wire::refund_form(&refund(2), 500));
}

#[tokio::test]
async fn a_refund_without_a_stored_permission_is_not_sent() {
    let stage = Stage::set([]).await;
    let unsent = Refund { state: RefundState::Requested, ..refund(1) };
    let answer = gateway(&stage.base()).refund(&unsent, &mut Exchanges::new()).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
    assert_eq!(stage.requests().len(), 0);
}

#[tokio::test]
async fn a_charge_that_is_refunded_already_was_refunded_by_us_or_by_another() {
    let gone = || Act::reply(400, &failure("invalid_request_error", "charge_already_refunded"));
    let stage =
        Stage::set([gone(), list(&[made("re_9", "r-9", "succeeded"), made("re_1", ID, "succeeded")], false)]).await;
    let answer = gateway(&stage.base()).refund(&refund(1), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(answer, Refunding::Succeeded(name("re_1")));

    let stage = Stage::set([gone(), list(&[made("re_9", "r-9", "succeeded")], false)]).await;
    let answer = gateway(&stage.base()).refund(&refund(1), &mut Exchanges::new()).await.expect("an answer");
    let Refunding::Failed { name: None, reason } = answer else { panic!("{answer:?}") };
    assert_eq!(reason.code, "charge_already_refunded");

    let unavailable = Act::reply(429, &failure("invalid_request_error", "rate_limit")).with_header("Retry-After: 3600");
    let stage = Stage::set([gone(), unavailable]).await;
    let answer = gateway(&stage.base()).refund(&refund(1), &mut Exchanges::new()).await;
    assert!(answer.is_err(), "whose it was is not known: {answer:?}");
}

#[tokio::test]
async fn a_refund_key_used_with_other_bytes_is_looked_up() {
    let reused = || Act::reply(400, &failure("idempotency_error", ""));
    let stage = Stage::set([reused(), list(&[made("re_1", ID, "succeeded")], false)]).await;
    let answer = gateway(&stage.base()).refund(&refund(1), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(answer, Refunding::Succeeded(name("re_1")));
    let stage = Stage::set([reused(), list(&[], false)]).await;
    let answer = gateway(&stage.base()).refund(&refund(1), &mut Exchanges::new()).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_refund_is_absent_only_by_the_end_of_the_list() {
    let first = || list(&[made("re_8", "r-8", "succeeded"), made("re_9", "r-9", "succeeded")], true);
    let stage = Stage::set([first(), list(&[], false)]).await;
    let mut sent = Exchanges::new();
    let seen = gateway(&stage.base()).look_up_refund(&refund(1), &mut sent).await.expect("an answer");
    assert_eq!(seen, None);
    let lines: Vec<_> = stage.requests().into_iter().map(|request| request.line).collect();
    let page = "GET /v1/refunds?payment_intent=pi_1&limit=100";
    assert_eq!(lines, [format!("{page} HTTP/1.1"), format!("{page}&starting_after=re_9 HTTP/1.1")]);
    assert_eq!(sent.iter().map(|exchange| exchange.class).collect::<Vec<_>>(), ["continued", "not_found"]);

    let stage = Stage::set([first(), list(&[made("re_1", ID, "failed")], false)]).await;
    let seen = gateway(&stage.base()).look_up_refund(&refund(1), &mut Exchanges::new()).await.expect("an answer");
    assert!(matches!(&seen, Some(Refunding::Failed { name: Some(own), .. }) if *own == name("re_1")), "{seen:?}");

    let stage = Stage::set([first(), Act::Close]).await;
    let seen = gateway(&stage.base()).look_up_refund(&refund(1), &mut Exchanges::new()).await;
    assert!(matches!(seen, Err(GatewayError::Unknown { .. })), "{seen:?}");
}
