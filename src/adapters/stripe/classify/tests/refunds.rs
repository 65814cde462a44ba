//! Refunds, made and listed.

use serde_json::json;

use super::*;
use crate::adapters::stripe::observation::ExpectedRefund;

#[test]
fn a_refund_must_be_the_one_that_was_asked_for() {
    let reference = reference();
    let expected = ExpectedRefund { units: 500, currency: "eur", reference: &reference, refund_id: "r-1" };
    let refund = |status: &str, amount: i64, refund_id: &str| {
        let body = json!({"id": "re_1", "object": "refund", "status": status, "amount": amount, "currency": "eur",
            "payment_intent": "pi_1", "metadata": {"refund_id": refund_id}});
        name(&classify(&Seen::Answered(answer(200, &body)), &Asked::Refund(expected)))
    };
    assert_eq!(refund("succeeded", 500, "r-1"), "refunded");
    assert_eq!(refund("pending", 500, "r-1"), "refund pending");
    assert_eq!(refund("failed", 500, "r-1"), "refund failed");
    assert_eq!(refund("canceled", 500, "r-1"), "refund failed");
    assert_eq!(refund("brand_new", 500, "r-1"), "unknown");
    assert_eq!(refund("succeeded", 501, "r-1"), "quarantine");
    assert_eq!(refund("succeeded", 500, "r-2"), "quarantine");

    let refused = |code| {
        let body = error("invalid_request_error", code);
        name(&classify(&Seen::Answered(answer(400, &body)), &Asked::Refund(expected)))
    };
    assert_eq!(refused("charge_disputed"), "refused hard_decline");
    assert_eq!(refused("charge_already_refunded"), "refused hard_decline", "by whom is to be looked up");
    assert_eq!(refused("parameter_unknown"), "rejected");
}

fn refunds_listed(marks: &[&str], has_more: bool) -> Class {
    let reference = reference();
    let expected = ExpectedRefund { units: 500, currency: "eur", reference: &reference, refund_id: "r-1" };
    let refund = |(place, mark): (usize, &&str)| {
        json!({"id": format!("re_{place}"), "object": "refund", "status": "succeeded", "amount": 500,
            "currency": "eur", "payment_intent": "pi_1", "metadata": {"refund_id": mark}})
    };
    let data: Vec<_> = marks.iter().enumerate().map(refund).collect();
    let page = json!({"object": "list", "data": data, "has_more": has_more});
    classify(&Seen::Answered(answer(200, &page)), &Asked::Refunds(expected))
}

#[test]
fn only_a_whole_list_of_refunds_proves_that_one_was_never_made() {
    assert_eq!(name(&refunds_listed(&[], false)), "not found");
    assert_eq!(name(&refunds_listed(&["r-2"], false)), "not found");
    assert_eq!(refunds_listed(&["r-2", "r-3"], true), Class::Continued("re_1".parse().expect("a token")));
    assert_eq!(name(&refunds_listed(&[], true)), "unknown");
    assert_eq!(refunds_listed(&["r-2", "r-1"], true), Class::Refunded("re_1".parse().expect("a token")));
}
