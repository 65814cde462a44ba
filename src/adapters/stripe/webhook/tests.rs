//! Signatures as Stripe documents them, and what is read of an event.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::adapters::stripe::journal::hexadecimal;

const SECRET: &str = "whsec_canary";
const SIGNED_AT: i64 = 1_700_000_000;
const NOW: Timestamp = Timestamp::from_micros(SIGNED_AT * 1_000_000 + 999_999);

fn signature(secret: &str, time: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hexadecimal(hmac::sign(&key, &[time.to_string().as_bytes(), b".", body].concat()).as_ref())
}

fn header(body: &[u8]) -> String {
    format!("t={SIGNED_AT},v1={}", signature(SECRET, SIGNED_AT, body))
}

fn read_at(header: &str, body: &[u8], now: Timestamp) -> Result<Hint, WebhookError> {
    read(Some(header), body, &SecretString::from(SECRET), now)
}

fn told(event: &Value) -> Result<Hint, WebhookError> {
    let body = event.to_string().into_bytes();
    read_at(&header(&body), &body, NOW)
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"id": "evt_1", "object": "event", "type": kind, "livemode": false, "data": {"object": object}})
}

fn intent() -> Value {
    json!({"id": "pi_1", "object": "payment_intent", "status": "succeeded", "receipt_email": "ada@example.com",
        "metadata": {"order_id": "shop:ord_1/#1", "attempt": "1"}})
}

#[test]
fn a_signature_is_what_other_implementations_make_of_it() {
    // By `printf '12341234.{}' | openssl dgst -sha256 -hmac secret`.
    let known = "d0215fee7f0c5ef5d5d889474d69236cbcddc08a03cf16f5b569e585f029db71";
    assert_eq!(verify(&format!("t=12341234,v1={known}"), b"{}", &SecretString::from("secret")), Ok(12_341_234));
}

#[test]
fn an_intents_event_hints_at_its_order() {
    let expected = Hint {
        order_id: Some("shop:ord_1/#1".parse().expect("an id")),
        refund_id: None,
        reference: Some("pi_1".parse().expect("a token")),
    };
    assert_eq!(told(&event("payment_intent.succeeded", &intent())), Ok(expected.clone()));
    assert_eq!(told(&event("payment_intent.brand_new", &intent())), Ok(expected.clone()));
    let charge = json!({"id": "ch_1", "object": "charge", "payment_intent": "pi_1",
        "metadata": {"order_id": "shop:ord_1/#1", "attempt": "1"}});
    assert_eq!(told(&event("charge.refunded", &charge)), Ok(expected));
}

#[test]
fn a_refunds_event_hints_at_the_refund() {
    let id = "00000000-0000-0000-0000-000000000001";
    let metadata = json!({"refund_id": id, "order_id": "shop:ord_1/#1"});
    let refund = json!({"id": "re_1", "object": "refund", "payment_intent": "pi_1", "metadata": metadata});
    for kind in ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"] {
        let expected = Hint {
            order_id: Some("shop:ord_1/#1".parse().expect("an id")),
            refund_id: Some(id.parse().expect("an id")),
            reference: Some("re_1".parse().expect("a token")),
        };
        assert_eq!(told(&event(kind, &refund)), Ok(expected), "{kind}");
    }
}

#[test]
fn an_event_about_something_else_hints_at_nothing() {
    for kind in [
        "customer.created",
        "payment_intent.created",
        "charge.dispute.created",
        "charge.succeeded",
        "refundable.thing",
        "",
    ] {
        assert_eq!(told(&event(kind, &intent())), Ok(Hint::default()), "{kind}");
    }
    let unheard_of = json!({"type": "v2.brand.new", "data": [1, 2]});
    assert_eq!(told(&unheard_of), Ok(Hint::default()));
    for metadata in [json!({}), json!(null), json!({"order_id": "ord_1"}), json!({"order_id": "a b", "attempt": "1"})] {
        let mut foreign = intent();
        foreign["metadata"] = metadata.clone();
        assert_eq!(told(&event("payment_intent.canceled", &foreign)).map(|hint| hint.order_id), Ok(None), "{metadata}");
    }
}

#[test]
fn what_is_signed_and_no_event_is_refused() {
    for body in [&b""[..], b"{}", b"[]", br#"{"type":"payment_intent.succeeded"}"#, b"\xff"] {
        assert_eq!(read_at(&header(body), body, NOW), Err(WebhookError::Unreadable));
    }
}

#[test]
fn any_signature_of_ours_will_do_and_other_schemes_are_ignored() {
    let body = event("payment_intent.succeeded", &intent()).to_string().into_bytes();
    let (ours, other) = (signature(SECRET, SIGNED_AT, &body), signature("whsec_old", SIGNED_AT, &body));
    for right in [
        format!("t={SIGNED_AT},v1={other},v1={ours},v0=abc"),
        format!("v0={other}, v1={ours}, t={SIGNED_AT}"),
        format!("t={SIGNED_AT},v1={},v1=zz,v1=1", ours.to_uppercase()),
    ] {
        assert!(read_at(&right, &body, NOW).is_ok(), "{right}");
    }
    for (wrong, error) in [
        (format!("t={SIGNED_AT},v1={other}"), WebhookError::Forged),
        (format!("t={SIGNED_AT},v1={}", &ours[..62]), WebhookError::Forged),
        (format!("t={SIGNED_AT},v1="), WebhookError::Forged),
        (format!("t={},v1={ours}", SIGNED_AT + 1), WebhookError::Forged),
        (format!("t={SIGNED_AT},v0={ours}"), WebhookError::Unsigned),
        (format!("v1={ours}"), WebhookError::Unsigned),
        (format!("t=now,v1={ours}"), WebhookError::Unsigned),
        (String::new(), WebhookError::Unsigned),
    ] {
        assert_eq!(read_at(&wrong, &body, NOW), Err(error), "{wrong}");
    }
    assert_eq!(read(None, &body, &SecretString::from(SECRET), NOW), Err(WebhookError::Unsigned));
}

#[test]
fn a_signature_is_good_for_five_minutes() {
    let body = event("payment_intent.succeeded", &intent()).to_string().into_bytes();
    let at = |seconds: i64| read_at(&header(&body), &body, Timestamp::from_micros((SIGNED_AT + seconds) * 1_000_000));
    assert!(at(300).is_ok() && at(-300).is_ok());
    assert_eq!((at(301), at(-301)), (Err(WebhookError::Stale), Err(WebhookError::Stale)));
}

proptest! {
    #[test]
    fn nothing_but_the_signed_bytes_passes(header in "[tv10=,. a-f-]{0,40}", body in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(read_at(&header, &body, NOW).is_err());
    }

    #[test]
    fn a_changed_byte_is_seen(at in any::<prop::sample::Index>(), change in 1_u8..) {
        let body = event("payment_intent.succeeded", &intent()).to_string().into_bytes();
        let header = header(&body);
        let mut changed = body;
        let at = at.index(changed.len());
        changed[at] ^= change;
        prop_assert_eq!(read_at(&header, &changed, NOW), Err(WebhookError::Forged));
    }
}
