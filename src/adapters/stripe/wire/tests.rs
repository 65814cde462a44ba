//! Golden forms. If one of these fails, do not mend the test: a release that sends other bytes under
//! the keys of payments already under way gets `idempotency_error` for each of them. New bytes need
//! new keys, or fields that only new payments have.

use crate::adapters::stripe::gateway::tests::payment;
use crate::adapters::stripe::gateway::tests::refunds::refund;
use crate::domain::payment::ChargeFlow;

use super::*;

#[test]
fn the_forms_never_change() {
    let payment = payment(ChargeFlow::TwoStep);
    let made = "amount=1250&currency=eur&payment_method=pm_card_visa&customer=cus_1\
                &automatic_payment_methods%5Benabled%5D=true&automatic_payment_methods%5Ballow_redirects%5D=never\
                &metadata%5Border_id%5D=shop%3Aord_1%2F%231&metadata%5Battempt%5D=1";
    let absent = "off_session=true&error_on_requires_action=true";
    assert_eq!(intent_form(&payment, 1250), made);
    assert_eq!(charged_intent_form(&payment, 1250), format!("{made}&confirm=true&{absent}"));
    assert_eq!(confirm_form(), absent);
    let marks = "metadata%5Brefund_id%5D=00000000-0000-0000-0000-000000000001\
                 &metadata%5Border_id%5D=shop%3Aord_1%2F%231";
    assert_eq!(refund_form(&refund(1), 500), format!("payment_intent=pi_1&amount=500&{marks}"));
}

#[test]
fn no_form_tells_the_customers_address() {
    for form in [intent_form(&payment(ChargeFlow::TwoStep), 1), charged_intent_form(&payment(ChargeFlow::OneStep), 1)] {
        assert!(!form.contains("ada%40") && !form.contains("example.com"), "{form}");
    }
}

#[test]
fn texts_are_borrowed_where_they_can_be_and_escapes_are_read() {
    let plain: Text<'_> = serde_json::from_str(r#""pi_1""#).expect("a text");
    assert!(matches!(plain, Text(Cow::Borrowed("pi_1"))));
    let escaped: Text<'_> = serde_json::from_str(r#""pi_\u0031""#).expect("a text");
    assert_eq!(escaped.as_str(), "pi_1");
    assert!(serde_json::from_str::<Text<'_>>("1").is_err());
}

#[test]
fn only_plain_names_are_put_into_paths() {
    assert!(object_id("pi_3MtwBwLkdIwHu7ix28a3tqPa").is_some());
    for unfit in ["", "..", "pi_1/confirm", "pi_1?x", "pi 1", "pi_ä", &"x".repeat(256)] {
        assert!(object_id(unfit).is_none(), "{unfit:?}");
    }
}
