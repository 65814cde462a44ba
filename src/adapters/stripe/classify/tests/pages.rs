//! Pages of a list of intents or refunds: whose they are, and that none is lost.

use serde_json::{Value, json};

use super::*;
use crate::domain::attempt::Attempt;
use crate::domain::money::Money;
use crate::domain::timestamp::Timestamp;
use crate::ports::payment_gateway::{ListedCharge, ListedPage, ListedRefund, ListedStanding, RefundPage};

fn page(intents: &[Value], has_more: bool) -> Class {
    let page = json!({"object": "list", "data": intents, "has_more": has_more});
    classify(&Seen::Answered(answer(200, &page)), &Asked::List { livemode: Some(false) })
}

fn listed(intent: Value) -> ListedCharge {
    match page(&[intent], false) {
        Class::Listed(ListedPage { mut charges, next: None }) if charges.len() == 1 => charges.remove(0),
        class => panic!("{class:?}"),
    }
}

#[test]
fn a_charge_is_listed_with_everything_that_it_says() {
    let paid = Money::parse("12.50", "EUR").ok();
    let expected = ListedCharge {
        reference: reference(),
        order_id: "ord_1".parse().expect("an id"),
        attempt: Attempt::FIRST,
        made_at: Timestamp::from_micros(1_700_000_000_000_000),
        amount: paid,
        standing: ListedStanding::Succeeded(paid),
    };
    assert_eq!(listed(intent("succeeded")), expected);
}

#[test]
fn a_listed_charge_stands_where_its_status_says() {
    for (status, standing) in [
        ("requires_payment_method", ListedStanding::Open),
        ("requires_confirmation", ListedStanding::Open),
        ("requires_action", ListedStanding::Open),
        ("requires_capture", ListedStanding::Open),
        ("processing", ListedStanding::Pending),
        ("canceled", ListedStanding::Canceled),
    ] {
        assert_eq!(listed(intent(status)).standing, standing, "{status}");
    }
    let no_amount = listed(altered("succeeded", "/currency", "xyz"));
    assert_eq!((no_amount.amount, no_amount.standing), (None, ListedStanding::Succeeded(None)));
}

#[test]
fn what_is_not_ours_is_left_out_and_the_next_page_begins_after_it_all_the_same() {
    let last = Some("pi_9".parse().expect("a token"));
    for (field, value) in [
        ("/metadata", json!(null)),
        ("/metadata", json!({"order_id": "ord_1"})),
        ("/metadata/order_id", json!("an order of another shop")),
        ("/metadata/attempt", json!("0")),
        ("/metadata/attempt", json!("first")),
    ] {
        let mut foreign = altered("brand_new_status", field, value.clone());
        foreign["id"] = json!("pi_9");
        assert_eq!(
            page(&[foreign], true),
            Class::Listed(ListedPage { charges: Vec::new(), next: last.clone() }),
            "{value}"
        );
    }
}

#[test]
fn a_page_that_cannot_be_read_whole_is_none() {
    for (field, value) in [
        ("/status", json!("brand_new_status")),
        ("/created", json!(null)),
        ("/id", json!("pi/1")),
        ("/object", json!("charge")),
        ("/amount_received", json!(null)),
        ("/amount", json!("1250")),
    ] {
        let odd = altered("succeeded", field, value.clone());
        assert_eq!(name(&page(&[intent("succeeded"), odd], false)), "unknown", "{field} = {value}");
    }
    assert_eq!(name(&page(&[], true)), "unknown", "there is more, but nothing to go on from");
    assert_eq!(name(&page(&[altered("succeeded", "/livemode", true)], false)), "configuration");
}

const MARK: &str = "00000000-0000-0000-0000-000000000001";

fn refund() -> Value {
    json!({"id": "re_1", "object": "refund", "status": "succeeded", "amount": 500, "currency": "eur",
        "payment_intent": "pi_1", "charge": "ch_1", "created": 1_700_000_000,
        "metadata": {"refund_id": MARK, "order_id": "ord_1"}})
}

fn refund_with(field: &str, value: &Value) -> Value {
    let mut altered = refund();
    altered[field] = value.clone();
    altered
}

fn refund_page(refunds: &[Value], has_more: bool) -> Class {
    let page = json!({"object": "list", "data": refunds, "has_more": has_more});
    classify(&Seen::Answered(answer(200, &page)), &Asked::ListRefunds)
}

fn listed_refund(refund: Value) -> ListedRefund {
    match refund_page(&[refund], false) {
        Class::ListedRefunds(RefundPage { mut refunds, next: None }) if refunds.len() == 1 => refunds.remove(0),
        class => panic!("{class:?}"),
    }
}

fn ours() -> ListedRefund {
    ListedRefund {
        name: "re_1".parse().expect("a token"),
        charge: reference(),
        refund_id: MARK.parse().ok(),
        order_id: "ord_1".parse().ok(),
        amount: Money::parse("5.00", "EUR").ok(),
        has_failed: false,
        made_at: Timestamp::from_micros(1_700_000_000_000_000),
    }
}

#[test]
fn a_refund_is_listed_whoever_made_it() {
    assert_eq!(listed_refund(refund()), ours());
    let foreign = ListedRefund { refund_id: None, order_id: None, ..ours() };
    for metadata in [json!(null), json!({}), json!({"refund_id": "r-1", "order_id": "a b"})] {
        assert_eq!(listed_refund(refund_with("metadata", &metadata)), foreign, "{metadata}");
    }
    let of_a_bare_charge = ListedRefund { charge: "ch_1".parse().expect("a token"), ..ours() };
    assert_eq!(listed_refund(refund_with("payment_intent", &json!(null))), of_a_bare_charge);
    for (status, has_failed) in
        [("failed", true), ("canceled", true), ("pending", false), ("requires_action", false), ("brand_new", false)]
    {
        assert_eq!(listed_refund(refund_with("status", &json!(status))).has_failed, has_failed, "{status}");
    }
    assert_eq!(listed_refund(refund_with("currency", &json!("xyz"))).amount, None);
}

#[test]
fn a_page_of_refunds_that_cannot_be_read_whole_is_none() {
    for (field, value) in [
        ("created", json!(null)),
        ("id", json!("re/1")),
        ("object", json!("charge")),
        ("payment_intent", json!("pi/1")),
        ("amount", json!("500")),
    ] {
        let odd = refund_with(field, &value);
        assert_eq!(name(&refund_page(&[refund(), odd], false)), "unknown", "{field} = {value}");
    }
    assert_eq!(name(&refund_page(&[], true)), "unknown", "there is more, but nothing to go on from");
}

#[test]
fn a_refund_of_no_charge_is_left_out_and_the_next_page_begins_after_it_all_the_same() {
    let of_a_balance = json!({"id": "re_9", "object": "refund", "status": null, "amount": 1, "currency": "eur",
        "payment_intent": null, "charge": null, "metadata": {}});
    let next = "re_9".parse().ok();
    let expected = Class::ListedRefunds(RefundPage { refunds: vec![ours()], next });
    assert_eq!(refund_page(&[refund(), of_a_balance], true), expected);
    let mut of_ours = refund_with("payment_intent", &json!(null));
    of_ours["charge"] = json!(null);
    assert_eq!(name(&refund_page(&[of_ours], false)), "unknown", "ours always have a charge");
}
