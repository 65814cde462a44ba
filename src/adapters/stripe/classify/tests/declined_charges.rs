//! What counts as a decline, of what, and what does not.

use super::*;

#[test]
fn a_stored_decline_is_read_from_the_intent() {
    let rows = [
        (json!({"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}), "declined hard_decline"),
        (json!({"type": "card_error", "code": "expired_card"}), "declined hard_decline"),
        (json!({"type": "card_error", "code": "new_code"}), "declined soft_decline"),
        (json!({"type": "card_error", "code": "card_declined", "decline_code": "duplicate_transaction"}), "unknown"),
    ];
    for (error, expected) in rows {
        let class = one_step(answer(200, &altered("requires_payment_method", "/last_payment_error", error.clone())));
        assert_eq!(name(&class), expected, "{error}");
    }
}

#[test]
fn every_decline_has_its_category() {
    let rows = [
        ("lost_card", "declined hard_decline"),
        ("do_not_try_again", "declined hard_decline"),
        ("incorrect_cvc", "declined hard_decline"),
        ("insufficient_funds", "declined soft_decline"),
        ("try_again_later", "declined soft_decline"),
        ("authentication_required", "declined authentication_required"),
        ("duplicate_transaction", "unknown"),
        ("brand_new_code", "declined soft_decline"),
    ];
    for (code, expected) in rows {
        assert_eq!(name(&one_step(answer(402, &declined(code)))), expected, "{code}");
        assert_eq!(name(&two_step(answer(402, &declined(code)))), expected, "{code}");
    }
}

#[test]
fn a_decline_names_what_is_to_be_canceled_or_is_none() {
    let mut unnamed = declined("insufficient_funds");
    unnamed["error"]["payment_intent"] = Value::Null;
    assert_eq!(name(&one_step(answer(402, &unnamed))), "unknown");
    let Class::Declined { reference: canceled, .. } = two_step(answer(402, &unnamed)) else {
        panic!("the payment's own reference is known");
    };
    assert_eq!(canceled, reference());

    unnamed["error"]["decline_code"] = json!("brand_new_code");
    assert_eq!(name(&two_step(answer(402, &unnamed))), "unknown", "an unknown code needs an intent that agrees");
}

#[test]
fn a_decline_is_not_believed_against_its_own_intent() {
    for status in ["succeeded", "processing", "requires_capture", "brand_new_status"] {
        let mut body = declined("insufficient_funds");
        body["error"]["payment_intent"] = intent(status);
        assert_eq!(name(&two_step(answer(402, &body))), "unknown", "{status}");
    }
    let mut foreign = declined("insufficient_funds");
    foreign["error"]["payment_intent"]["metadata"]["order_id"] = json!("ord_2");
    assert_eq!(name(&two_step(answer(402, &foreign))), "quarantine");
}

#[test]
fn a_refusal_of_this_order_is_final_where_nothing_was_made_and_a_decline_where_something_was() {
    let about = |code: &str, param: &str| json!({"error": {"type": "invalid_request_error", "code": code, "param": param, "message": "no"}});
    let rows = [
        (400, about("amount_too_small", "amount"), "invalid_amount"),
        (400, about("", "currency"), "invalid_amount"),
        (400, about("resource_missing", "payment_method"), "invalid_payment_method"),
        (404, about("resource_missing", "customer"), "invalid_payment_method"),
        (400, about("payment_method_unactivated", ""), "invalid_payment_method"),
        (400, about("token_already_used", ""), "invalid_payment_method"),
    ];
    for (status, body, category) in rows {
        assert_eq!(name(&one_step(answer(status, &body))), format!("refused {category}"), "{body}");
        assert_eq!(name(&two_step(answer(status, &body))), format!("declined {category}"), "{body}");
    }
    assert_eq!(name(&one_step(answer(400, &about("payment_method_provider_timeout", "")))), "unknown");
    let gone = about("resource_missing", "intent");
    assert_eq!(name(&two_step(answer(404, &gone))), "quarantine", "our own intent, and not there");
}

#[test]
fn what_cannot_be_declined_is_not_declined() {
    let reference = reference();
    let expected = Expected { reference: Some(&reference), ..EXPECTED };
    for step in [Step::LookUp, Step::Cancel] {
        let class = classify(&Seen::Answered(answer(402, &declined("lost_card"))), &Asked::Intent(step, expected));
        assert_eq!(name(&class), "unknown", "{step:?}");
    }
}
