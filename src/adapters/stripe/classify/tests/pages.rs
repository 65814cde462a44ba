//! Pages of a list of intents: whose they are, and that none is lost.

use serde_json::{Value, json};

use super::*;
use crate::domain::attempt::Attempt;
use crate::domain::money::Money;
use crate::domain::timestamp::Timestamp;
use crate::ports::payment_gateway::{ListedCharge, ListedPage, ListedStanding};

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
