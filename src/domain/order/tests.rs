//! Tests of the order: its names, its one transition.

use proptest::prelude::*;

use super::*;

fn order() -> Order {
    Order::new(
        "ord_1".parse().expect("an id"),
        "ada@example.com".parse().expect("an address"),
        Money::parse("12.50", "EUR").expect("an amount"),
    )
}

#[test]
fn a_pending_order_can_be_paid_and_stays_as_it_was() {
    let pending = order();
    let paid = pending.mark_as_paid().expect("it is pending");
    assert_eq!((pending.status(), paid.status()), (OrderStatus::Pending, OrderStatus::Paid));
    assert!(paid.has_same_terms_as(&pending));
}

#[test]
fn a_settled_order_is_never_settled_again() {
    for settled in [order().mark_as_paid(), order().mark_as_failed()] {
        let settled = settled.expect("it was pending");
        let refused = OrderError::NotPending { id: settled.id().clone(), status: settled.status() };
        assert_eq!(settled.mark_as_paid(), Err(refused.clone()));
        assert_eq!(settled.mark_as_failed(), Err(refused));
    }
}

#[test]
fn an_address_never_shows_in_debug_output() {
    assert!(!format!("{:?}", order()).contains("ada"));
}

#[test]
fn addresses_are_judged_by_their_shape() {
    for good in ["a@b.de", "first.last+tag@sub.example.com", "ü@exämple.org", "\"odd\"@example.com"] {
        assert!(good.parse::<EmailAddress>().is_ok(), "{good}");
    }
    let long = format!("{}@example.com", "a".repeat(250));
    for bad in ["", "@", "a@", "@b.de", "a@b", "a b@c.de", "a@b@c.de", "a@b..de", "a@.de", "a@b.", "a\n@b.de", &long] {
        assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
    }
}

#[test]
fn ids_are_judged_by_length_and_characters() {
    assert!("A-z_0.9:/#".parse::<OrderId>().is_ok());
    assert!("a".repeat(128).parse::<OrderId>().is_ok());
    assert_eq!("".parse::<OrderId>(), Err(OrderIdError::Empty));
    assert_eq!("a".repeat(129).parse::<OrderId>(), Err(OrderIdError::TooLong));
    for bad in ["a b", "a'b", "a\"b", "ä", "a\n", "a\0"] {
        assert_eq!(bad.parse::<OrderId>(), Err(OrderIdError::UnlawfulCharacter), "{bad:?}");
    }
}

#[test]
fn a_status_is_read_by_its_own_name_only() {
    for status in [OrderStatus::Pending, OrderStatus::Paid, OrderStatus::Failed] {
        assert_eq!(OrderStatus::from_name(status.as_str()), Some(status));
    }
    assert_eq!(OrderStatus::from_name("paid"), None);
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in ".*") {
        if let Ok(id) = text.parse::<OrderId>() {
            prop_assert_eq!(id.as_str(), &text);
        }
        if let Ok(address) = text.parse::<EmailAddress>() {
            prop_assert_eq!(address.expose(), &text);
        }
    }
}
