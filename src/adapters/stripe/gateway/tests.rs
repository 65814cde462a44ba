//! The gateway against a server that plays a script: what is sent, how often, and what it comes to.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::outcome::FailureCategory;
use crate::domain::request::{Origin, PaymentRequest};
use crate::domain::timestamp::Timestamp;
use script::{Act, Stage};

mod exchanges;
mod lists;
pub(crate) mod refunds;
mod script;

const KEY: &str = "sk_test_canary";
const NOW: Timestamp = Timestamp::from_micros(0);

pub(crate) fn payment(flow: ChargeFlow) -> Payment {
    paying("12.50", "EUR", flow)
}

fn paying(amount: &str, currency: &str, flow: ChargeFlow) -> Payment {
    let order = Order::new(
        "shop:ord_1/#1".parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse(amount, currency).expect("an amount"),
    );
    let payment_method = "pm_card_visa".parse().expect("a token");
    let customer = Some("cus_1".parse().expect("a token"));
    let request = PaymentRequest { order, payment_method, customer, origin: Origin::default() };
    Payment::first(Arc::new(request), flow, NOW)
}

fn reference() -> ProviderToken {
    "pi_1".parse().expect("a token")
}

fn armed(flow: ChargeFlow) -> Armed {
    match flow {
        ChargeFlow::OneStep => payment(flow).as_armed(NOW).expect("a one-step payment starts armed"),
        ChargeFlow::TwoStep => payment(flow).armed(reference(), NOW),
    }
}

fn config(base: &str) -> Config {
    Config {
        api_base: base.parse().expect("an address"),
        api_key: SecretString::from(KEY),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        max_tries: 3,
        requests_per_second: 0,
    }
}

fn gateway(base: &str) -> StripeGateway {
    StripeGateway::new(&config(base)).expect("a gateway")
}

fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 1250, "currency": "eur",
        "amount_received": if status == "succeeded" { 1250 } else { 0 }, "livemode": false,
        "metadata": {"order_id": "shop:ord_1/#1", "attempt": "1"},
    })
}

fn failure(kind: &str, code: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": "private words"}})
}

#[tokio::test]
async fn a_payment_is_prepared_then_charged_by_its_name() {
    let ready = Act::reply(200, &intent("requires_confirmation"));
    let stage = Stage::set([ready, Act::reply(200, &intent("succeeded"))]).await;
    let gateway = gateway(&stage.base());

    let prepared = gateway.prepare(&payment(ChargeFlow::TwoStep), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(prepared, Preparation::Prepared(reference()));
    let charged = gateway.charge(&armed(ChargeFlow::TwoStep), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(charged, Charge::Approved(reference()));

    let [made, confirmed] = stage.requests().try_into().expect("two requests");
    assert_eq!(made.line, "POST /v1/payment_intents HTTP/1.1");
    assert_eq!(made.header("idempotency-key"), Some("shop:ord_1/#1:1:prepare"));
    assert_eq!(made.body, wire::intent_form(&payment(ChargeFlow::TwoStep), 1250));
    assert_eq!(confirmed.line, "POST /v1/payment_intents/pi_1/confirm HTTP/1.1");
    assert_eq!(confirmed.header("idempotency-key"), Some("shop:ord_1/#1:1:charge"));
    assert_eq!(confirmed.body, wire::confirm_form());
    for request in [made, confirmed] {
        assert_eq!(request.header("authorization"), Some("Bearer sk_test_canary"));
        assert_eq!(request.header("stripe-version"), Some("2025-08-27.basil"));
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(request.header("user-agent"), Some(concat!("order-payments/", env!("CARGO_PKG_VERSION"))));
    }
}

#[tokio::test]
async fn a_one_step_charge_is_one_request() {
    let stage = Stage::set([Act::reply(200, &intent("succeeded"))]).await;
    let charged =
        gateway(&stage.base()).charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(charged, Charge::Approved(reference()));
    let [request] = stage.requests().try_into().expect("one request");
    assert_eq!(request.line, "POST /v1/payment_intents HTTP/1.1");
    assert_eq!(request.body, wire::charged_intent_form(&payment(ChargeFlow::OneStep), 1250));
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_to_the_byte() {
    let busy = Act::reply(409, &failure("idempotency_error", "idempotency_key_in_use"));
    let bad_gateway = Act::reply(503, &failure("api_error", ""));
    let stage = Stage::set([busy, bad_gateway, Act::reply(200, &intent("succeeded"))]).await;
    let charged =
        gateway(&stage.base()).charge(&armed(ChargeFlow::TwoStep), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(charged, Charge::Approved(reference()));
    let requests = stage.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_nothing_is_sent_again() {
    for act in [Act::Close, Act::CutShort, Act::Hang] {
        let stage = Stage::set([act.clone()]).await;
        let short = Config { timeout: Duration::from_millis(150), ..config(&stage.base()) };
        let gateway = StripeGateway::new(&short).expect("a gateway");
        let answer = gateway.charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await;
        assert!(matches!(answer, Err(GatewayError::Unknown { .. })), "{act:?}: {answer:?}");
        assert_eq!(stage.requests().len(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn a_connection_that_closes_between_two_requests_makes_no_third() {
    let acts = [Act::reply_and_close(200, &intent("succeeded")), Act::reply(200, &intent("succeeded"))];
    let stage = Stage::set(acts).await;
    let gateway = gateway(&stage.base());
    assert!(matches!(
        gateway.charge(&armed(ChargeFlow::TwoStep), &mut Exchanges::new()).await,
        Ok(Charge::Approved(_))
    ));
    // Whether the closing was seen in time is the network's to say; both answers are right.
    match gateway.charge(&armed(ChargeFlow::TwoStep), &mut Exchanges::new()).await {
        Ok(Charge::Approved(_)) => assert_eq!(stage.requests().len(), 2),
        Err(GatewayError::Unknown { .. }) => assert_eq!(stage.requests().len(), 1),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_unavailable() {
    let base = Stage::deserted().await;
    let answer = gateway(&base).charge(&armed(ChargeFlow::TwoStep), &mut Exchanges::new()).await;
    assert!(matches!(answer, Err(GatewayError::Unavailable { .. })), "{answer:?}");
}

#[tokio::test]
async fn the_end_of_all_tries_is_unavailable_only_if_none_can_have_been_executed() {
    let limited = Act::reply(429, &failure("invalid_request_error", "rate_limit"));
    let bad_gateway = Act::reply(502, &failure("api_error", ""));
    let closed = Act::reply(401, &failure("invalid_request_error", ""));
    let refused = Act::reply(400, &failure("invalid_request_error", "amount_too_small"));
    let rejected = Act::reply(400, &failure("invalid_request_error", "parameter_unknown"));
    let answer = async |acts: &[&Act]| {
        let stage = Stage::set(acts.iter().map(|act| (*act).clone())).await;
        let answer = gateway(&stage.base()).charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await;
        assert_eq!(stage.requests().len(), acts.len());
        answer
    };
    assert!(matches!(answer(&[&limited, &limited, &limited]).await, Err(GatewayError::Unavailable { .. })));
    assert!(matches!(answer(&[&closed]).await, Err(GatewayError::Closed { .. })));
    assert!(matches!(answer(&[&refused]).await, Ok(Charge::Refused(_))));
    assert!(matches!(answer(&[&rejected]).await, Err(GatewayError::Rejected { .. })));
    for acts in [[&bad_gateway, &limited, &limited], [&bad_gateway, &bad_gateway, &bad_gateway]] {
        assert!(matches!(answer(&acts).await, Err(GatewayError::Unknown { .. })));
    }
    for last in [&closed, &refused, &rejected] {
        assert!(matches!(answer(&[&bad_gateway, last]).await, Err(GatewayError::Unknown { .. })));
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_the_call() {
    let limited = Act::reply(429, &failure("", "rate_limit")).with_header("Retry-After: 3600");
    let stage = Stage::set([limited]).await;
    let answer = gateway(&stage.base()).charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await;
    assert!(matches!(answer, Err(GatewayError::Unavailable { .. })), "{answer:?}");
    assert_eq!(stage.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Act::reply(307, &json!({})).with_header("Location: /v1/elsewhere");
    let stage = Stage::set([elsewhere]).await;
    let answer = gateway(&stage.base()).charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await;
    assert!(matches!(answer, Err(GatewayError::Closed { .. })), "{answer:?}");
    assert_eq!(stage.requests().len(), 1);
}

#[tokio::test]
async fn a_key_used_with_other_bytes_is_looked_up() {
    let reused = || Act::reply(400, &failure("idempotency_error", ""));
    let stage = Stage::set([reused(), Act::reply(200, &intent("succeeded"))]).await;
    let charged =
        gateway(&stage.base()).charge(&armed(ChargeFlow::TwoStep), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(charged, Charge::Approved(reference()));
    assert_eq!(stage.requests()[1].line, "GET /v1/payment_intents/pi_1 HTTP/1.1");

    let nothing = Act::reply(200, &json!({"object": "search_result", "data": [], "has_more": false}));
    let stage = Stage::set([reused(), nothing]).await;
    let answer = gateway(&stage.base()).charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await;
    assert!(matches!(answer, Err(GatewayError::Contradiction { .. })), "{answer:?}");
}

#[tokio::test]
async fn an_order_without_a_reference_is_searched_by_its_quoted_id() {
    let page = json!({"object": "search_result", "data": [intent("processing")], "has_more": false});
    let stage = Stage::set([Act::reply(200, &page)]).await;
    let seen =
        gateway(&stage.base()).look_up(&payment(ChargeFlow::OneStep), &mut Exchanges::new()).await.expect("an answer");
    assert_eq!(seen, Sighting::Answered(Charge::Pending));
    let query = "query=metadata%5B%27order_id%27%5D%3A%27shop%3Aord_1%2F%231%27&limit=100";
    assert_eq!(stage.requests()[0].line, format!("GET /v1/payment_intents/search?{query} HTTP/1.1"));
    assert_eq!(stage.requests()[0].header("idempotency-key"), None);
}

#[tokio::test]
async fn a_cancellation_tells_what_it_was_too_late_for() {
    let late = |status: &str| {
        let mut body = failure("invalid_request_error", "payment_intent_unexpected_state");
        body["error"]["payment_intent"] = intent(status);
        Act::reply(400, &body)
    };
    let declined = payment(ChargeFlow::TwoStep);
    let keys = RefCell::new(HashSet::new());
    let cancel = async |act| {
        let stage = Stage::set([act]).await;
        let answer = gateway(&stage.base()).cancel(&declined, &reference(), &mut Exchanges::new()).await;
        let [request] = stage.requests().try_into().expect("one request");
        assert_eq!(request.line, "POST /v1/payment_intents/pi_1/cancel HTTP/1.1");
        let key = request.header("idempotency-key").expect("as every request that acts").to_owned();
        assert!(keys.borrow_mut().insert(key), "a key that is used again would keep an old error alive");
        assert_eq!(request.body, "");
        answer
    };
    assert!(matches!(cancel(Act::reply(200, &intent("canceled"))).await, Ok(Cancellation::Canceled)));
    assert!(matches!(cancel(late("canceled")).await, Ok(Cancellation::Canceled)));
    assert!(matches!(cancel(late("succeeded")).await, Ok(Cancellation::Succeeded(_))));
    assert!(matches!(cancel(late("processing")).await, Err(GatewayError::Unknown { .. })));
    assert!(matches!(cancel(Act::reply(200, &intent("requires_action"))).await, Err(GatewayError::Unknown { .. })));
}

#[tokio::test]
async fn what_stripe_cannot_charge_is_refused_before_anything_is_sent() {
    let stage = Stage::set([]).await;
    let gateway = gateway(&stage.base());
    for (amount, currency) in [("5.124", "KWD"), ("1000000", "USD"), ("1", "CLF")] {
        let prepared = gateway
            .prepare(&paying(amount, currency, ChargeFlow::TwoStep), &mut Exchanges::new())
            .await
            .expect("an answer");
        let Preparation::Refused(reason) = prepared else { panic!("{prepared:?}") };
        assert_eq!(reason.category, FailureCategory::InvalidAmount);
        let armed = paying(amount, currency, ChargeFlow::OneStep).as_armed(NOW).expect("armed");
        assert!(
            matches!(gateway.charge(&armed, &mut Exchanges::new()).await, Ok(Charge::Refused(again)) if again == reason)
        );
    }
    assert_eq!(stage.requests().len(), 0);
}

#[tokio::test]
async fn a_probe_asks_for_one_intent() {
    let list = json!({"object": "list", "data": [], "has_more": false});
    let stage = Stage::set([Act::reply(200, &list), Act::reply(403, &json!({}))]).await;
    let gateway = gateway(&stage.base());
    assert!(gateway.probe().await.is_ok());
    assert!(matches!(gateway.probe().await, Err(GatewayError::Closed { .. })));
    assert_eq!(stage.requests()[0].line, "GET /v1/payment_intents?limit=1 HTTP/1.1");
}

#[tokio::test]
async fn neither_key_nor_address_nor_the_providers_words_are_told() {
    let stage = Stage::set([Act::reply(400, &failure("invalid_request_error", "parameter_unknown"))]).await;
    let gateway = gateway(&stage.base());
    let error = gateway.charge(&armed(ChargeFlow::OneStep), &mut Exchanges::new()).await.expect_err("rejected");
    let told = format!("{error} {error:?} {gateway:?} {:?}", config(&stage.base()));
    for private in ["canary", "ada@", "private words"] {
        assert!(!told.contains(private), "{told}");
    }
}

#[test]
fn a_wrong_set_up_is_named() {
    let set_up = |base: &str, key: &str| {
        StripeGateway::new(&Config { api_key: SecretString::from(key), ..config(base) }).map(|_| ())
    };
    assert!(matches!(set_up("http://127.0.0.1:1", ""), Err(SetupError::ApiKey)));
    assert!(matches!(set_up("http://127.0.0.1:1", "sk_test_a\nb"), Err(SetupError::ApiKey)));
    assert!(matches!(set_up("ftp://example.com", KEY), Err(SetupError::ApiBase)));
    assert!(matches!(set_up("https://me:secret@example.com", KEY), Err(SetupError::ApiBase)));
    assert!(matches!(set_up("http://example.com", "sk_live_1"), Err(SetupError::LiveKeyInTheClear)));
    assert!(set_up("http://127.0.0.1:1/stripe", KEY).is_ok());
}
