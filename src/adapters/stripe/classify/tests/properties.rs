//! What must hold for every answer, however absurd: there is a class, and it is never too sure.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::adapters::stripe::observation::ExpectedRefund;
use crate::domain::order::OrderId;

static REFERENCE: LazyLock<ProviderToken> = LazyLock::new(reference);

const STATUSES: [&str; 9] = [
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
    "brand_new",
    "",
];
const CODES: [&str; 16] = [
    "",
    "card_declined",
    "expired_card",
    "insufficient_funds",
    "duplicate_transaction",
    "authentication_required",
    "payment_intent_unexpected_state",
    "idempotency_key_in_use",
    "lock_timeout",
    "rate_limit",
    "amount_too_small",
    "resource_missing",
    "payment_method_unactivated",
    "api_key_expired",
    "charge_already_refunded",
    "brand_new",
];

fn any_intent() -> impl Strategy<Value = Value> {
    let status = prop::sample::select(&STATUSES[..]);
    let amount = prop_oneof![4 => Just(1250_i64), 1 => any::<i64>()];
    let received = prop_oneof![4 => Just(json!(1250)), 1 => Just(json!(0)), 1 => Just(Value::Null)];
    let order = prop_oneof![6 => Just("ord_1"), 1 => Just("ord_2")];
    let id = prop_oneof![6 => Just("pi_1"), 1 => Just("pi_2"), 1 => Just("pi/1")];
    let attempt = prop_oneof![6 => Just("1"), 1 => Just("2"), 1 => Just("x")];
    let currency = prop_oneof![6 => Just("eur"), 1 => Just("usd")];
    let error = prop_oneof![Just(Value::Null), any_error()];
    let livemode = prop_oneof![6 => Just(false), 1 => Just(true)];
    let told = prop::sample::select(vec![Value::Null, json!("fraudulent"), json!("automatic"), json!("brand_new")]);
    (status, amount, received, order, id, (attempt, currency, error, livemode, told)).prop_map(
        |(status, amount, received, order, id, (attempt, currency, error, livemode, told))| {
            json!({"id": id, "object": "payment_intent", "status": status, "amount": amount, "currency": currency,
                "amount_received": received, "livemode": livemode, "last_payment_error": error,
                "cancellation_reason": told, "created": 1_700_000_000,
                "metadata": {"order_id": order, "attempt": attempt}})
        },
    )
}

fn any_error() -> impl Strategy<Value = Value> {
    let kind =
        prop::sample::select(&["card_error", "invalid_request_error", "api_error", "idempotency_error", "new"][..]);
    let code = || prop::sample::select(&CODES[..]);
    let param = prop::sample::select(&["", "amount", "payment_method", "intent"][..]);
    let advice = prop::sample::select(&["", "do_not_try_again", "try_again_later", "confirm_card_data"][..]);
    (kind, code(), prop::option::of(code()), param, advice).prop_map(|(kind, code, decline, param, advice)| {
        json!({"type": kind, "code": code, "decline_code": decline, "param": param, "advice_code": advice})
    })
}

fn any_refund() -> impl Strategy<Value = Value> {
    let status = prop::sample::select(&["succeeded", "pending", "requires_action", "failed", "canceled", "new"][..]);
    let mark = prop::sample::select(&["r-1", "r-1", "r-2"][..]);
    let amount = prop_oneof![4 => Just(1250_i64), 1 => any::<i64>()];
    (status, mark, amount).prop_map(|(status, mark, amount)| {
        json!({"id": "re_1", "object": "refund", "status": status, "amount": amount, "currency": "eur",
            "payment_intent": "pi_1", "metadata": {"refund_id": mark}})
    })
}

fn any_error_body() -> impl Strategy<Value = Value> {
    (any_error(), prop::option::of(any_intent())).prop_map(|(mut error, intent)| {
        error["payment_intent"] = json!(intent);
        json!({ "error": error })
    })
}

/// Whole documents, cut ones, ones with a changed byte, and noise.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let document = prop_oneof![
        any_intent(),
        any_error_body(),
        any_refund(),
        (prop::collection::vec(any_intent(), 0..4), any::<bool>())
            .prop_map(|(data, has_more)| json!({"data": data, "has_more": has_more})),
        (prop::collection::vec(any_refund(), 0..4), any::<bool>())
            .prop_map(|(data, has_more)| json!({"data": data, "has_more": has_more})),
    ]
    .prop_map(|document| document.to_string().into_bytes());
    let damage = (document.clone().boxed(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    prop_oneof![
        6 => document,
        2 => damage.prop_map(|(mut bytes, at, byte, cut)| {
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let status = prop_oneof![
        3 => Just(200_u16),
        3 => prop::sample::select(&[400_u16, 401, 402, 403, 404, 409, 424, 429, 500, 502, 503][..]),
        1 => any::<u16>(),
    ];
    (status, any_body(), any::<Option<bool>>(), any::<bool>(), any::<Option<u16>>()).prop_map(
        |(status, body, should_retry, replayed, after)| Answer {
            status,
            body,
            should_retry,
            replayed,
            retry_after: after.map(|seconds| Duration::from_secs(seconds.into())),
            request_id: None,
        },
    )
}

fn any_asked() -> impl Strategy<Value = Asked<'static>> {
    let expected = prop_oneof![Just(EXPECTED), Just(Expected { reference: Some(&REFERENCE), ..EXPECTED })];
    let step = prop::sample::select(&[Step::Prepare, Step::Charge, Step::LookUp, Step::Cancel][..]);
    let refund = ExpectedRefund { units: 1250, currency: "eur", reference: &REFERENCE, refund_id: "r-1" };
    prop_oneof![
        6 => (step, expected).prop_map(|(step, expected)| Asked::Intent(step, expected)),
        2 => Just(Asked::Search(EXPECTED)),
        1 => Just(Asked::Refund(refund)),
        1 => Just(Asked::Refunds(refund)),
        1 => Just(Asked::List { livemode: Some(false) }),
        1 => Just(Asked::ListRefunds),
        1 => Just(Asked::Probe),
    ]
}

/// Whether this document is an intent of that status with every field as it was asked for.
fn agrees(intent: &Value, status: &str, asked: &Asked<'_>) -> bool {
    let name = intent["id"].as_str().unwrap_or_default();
    intent["status"] == status
        && intent["amount"] == 1250
        && intent["currency"] == "eur"
        && intent["livemode"] == false
        && intent["metadata"]["order_id"] == "ord_1"
        && intent["metadata"]["attempt"] == "1"
        && asked.reference().is_none_or(|reference| reference.as_str() == name)
}

/// Whether an intent names an order and an attempt, as ours do.
fn is_ours(intent: &Value) -> bool {
    let named = |name: &str| intent["metadata"][name].as_str();
    named("order_id").is_some_and(|id| id.parse::<OrderId>().is_ok())
        && named("attempt").is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0))
}

/// Every intent that an answer shows where the table allows it to be believed.
fn shown(status: u16, body: &Value) -> Vec<&Value> {
    match status {
        200..300 => body["data"].as_array().map_or_else(|| vec![body], |data| data.iter().collect()),
        400 if body["error"]["code"] == "payment_intent_unexpected_state" => vec![&body["error"]["payment_intent"]],
        _ => Vec::new(),
    }
}

/// Whether a document shows our refund, of the whole amount, in one of these states.
fn is_refund(body: &Value, statuses: &[&str]) -> bool {
    let single = [body.clone()];
    let refunds = body["data"].as_array().map_or(&single[..], Vec::as_slice);
    refunds.iter().any(|refund| {
        refund["amount"] == 1250
            && refund["metadata"]["refund_id"] == "r-1"
            && refund["status"].as_str().is_some_and(|status| statuses.contains(&status))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_has_a_class_that_is_never_too_sure(answer in any_answer(), asked in any_asked()) {
        let status = answer.status;
        // A field that is not read may hold any bytes, which a `Value` would not.
        let body: Value = serde_json::from_str(&String::from_utf8_lossy(&answer.body)).unwrap_or_default();
        let error = &body["error"];
        let shown = shown(status, &body);
        match classify(&Seen::Answered(answer), &asked) {
            Class::Approved(_) => prop_assert!(
                shown.iter().any(|intent| intent["amount_received"] == 1250 && agrees(intent, "succeeded", &asked))
            ),
            Class::Canceled(_) => prop_assert!(
                shown.iter().any(|intent| agrees(intent, "canceled", &asked) && intent["cancellation_reason"] == "fraudulent")
            ),
            Class::Void => prop_assert!(
                shown.iter().any(|intent| agrees(intent, "canceled", &asked) && intent["cancellation_reason"] != "fraudulent")
            ),
            Class::Declined { reference, .. } => {
                let by_intent = shown.iter().any(|intent| agrees(intent, "requires_action", &asked)
                    || (agrees(intent, "requires_payment_method", &asked) && !intent["last_payment_error"].is_null()));
                let by_error = matches!(status, 400 | 402 | 404)
                    && matches!(asked, Asked::Intent(Step::Prepare | Step::Charge, _))
                    && error["payment_intent"]["status"] != "succeeded";
                prop_assert!(by_intent || by_error);
                prop_assert!(asked.reference().is_none_or(|asked| *asked == reference));
            }
            Class::Refused(_) => {
                let unmade = error["payment_intent"].is_null() && asked.reference().is_none();
                let lawful = match &asked {
                    Asked::Intent(Step::Prepare, _) => matches!(status, 400 | 402 | 404) && unmade,
                    Asked::Intent(Step::Charge, _) => matches!(status, 400 | 404) && unmade,
                    Asked::Refund(_) => status == 400,
                    _ => false,
                };
                prop_assert!(lawful);
            }
            Class::Rejected(_) => {
                let may_be_charged = matches!(
                    error["payment_intent"]["status"].as_str(),
                    Some("succeeded" | "processing" | "requires_capture" | "brand_new" | "")
                );
                prop_assert!(matches!(status, 400..500) && !matches!(status, 401..=403 | 408 | 409 | 424 | 429));
                prop_assert!(error["type"] == "invalid_request_error" && !may_be_charged);
            }
            Class::Refunded(_) => prop_assert!(is_refund(&body, &["succeeded"])),
            Class::RefundPending(_) => prop_assert!(is_refund(&body, &["pending", "requires_action"])),
            Class::RefundFailed { .. } => prop_assert!(is_refund(&body, &["failed", "canceled"])),
            Class::NotFound => prop_assert!(body["has_more"] == false),
            Class::Continued(_) => prop_assert!(body["has_more"] == true && matches!(asked, Asked::Refunds(_))),
            Class::Listed(page) => {
                prop_assert_eq!(page.charges.len(), shown.iter().filter(|intent| is_ours(intent)).count());
                prop_assert_eq!(page.next.is_some(), body["has_more"] == true);
            }
            Class::Unavailable(_) => prop_assert!(false, "one answer never ends the tries"),
            _ => {}
        }
    }

    #[test]
    fn a_request_that_may_have_been_executed_is_never_called_unsent(answer in any_answer(), asked in any_asked()) {
        let status = answer.status;
        if let Class::Retry { executed: false, .. } = classify(&Seen::Answered(answer), &asked) {
            prop_assert_eq!(status, 429);
        }
    }
}
