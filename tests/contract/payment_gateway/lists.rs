//! The clauses about the list of charges.

use std::collections::BTreeSet;
use std::time::Duration;

use order_payments::adapters::simulator::faults::{Fault, Faults};
use order_payments::adapters::simulator::request::{Operation, Request};
use order_payments::domain::payment::ChargeFlow;
use order_payments::domain::request::ProviderToken;
use order_payments::ports::payment_gateway::{GatewayError, ListedCharge, ListedStanding, Window};

use crate::contract::payment_gateway::every_gateway_keeps;
use crate::contract::payment_gateway::world::{NOW, World, money, payment, payment_by};

every_gateway_keeps!(
    a_charge_is_on_the_list_at_once_and_whole,
    a_listed_charge_stands_where_the_provider_has_it,
    pages_meet_every_charge_of_ours_once_newest_first,
    a_window_holds_what_was_made_within_it,
    a_list_that_cannot_be_read_is_not_an_empty_one,
);

const EVER: Window = Window { from: None, to: None };

/// Every charge of the window, page after page.
async fn all(world: &World, window: Window) -> Vec<ListedCharge> {
    const MAX_PAGES: usize = 10;
    let mut charges = Vec::new();
    let mut after: Option<ProviderToken> = None;
    for _page in 0..MAX_PAGES {
        let page = world.gateway.charges(window, after.as_ref()).await.expect("a page");
        charges.extend(page.charges);
        after = page.next;
        if after.is_none() {
            return charges;
        }
    }
    panic!("more than {MAX_PAGES} pages");
}

fn foreign(world: &World, number: usize, metadata: &str) {
    let form = format!("amount=100&currency=eur{metadata}");
    world.provider.handle(&Request::post("/v1/payment_intents", &form, Some(&format!("foreign-{number}"))));
}

async fn a_charge_is_on_the_list_at_once_and_whole(world: &World) {
    let payment = payment("shop/eu:ord#2.1", ChargeFlow::OneStep);
    let reference = world.approved(&world.armed(&payment).await).await;
    let expected = ListedCharge {
        reference,
        order_id: payment.order().id().clone(),
        attempt: payment.attempt,
        made_at: NOW,
        amount: Some(money("12.50")),
        standing: ListedStanding::Succeeded(Some(money("12.50"))),
    };
    assert_eq!(all(world, EVER).await, [expected]);
}

async fn a_listed_charge_stands_where_the_provider_has_it(world: &World) {
    for (id, method) in [("ord_1", "pm_card_visa"), ("ord_2", "pm_card_chargeDeclined")] {
        world.prepared(&payment_by(id, method, ChargeFlow::TwoStep)).await;
    }
    let declined = payment_by("ord_3", "pm_card_chargeDeclined", ChargeFlow::OneStep);
    world.declined(&world.armed(&declined).await).await;
    let debit = payment_by("ord_4", "pm_usBankAccount_success", ChargeFlow::OneStep);
    world.charge(&world.armed(&debit).await).await.expect("pending");
    let canceled = world.armed(&payment("ord_5", ChargeFlow::TwoStep)).await;
    world.cancel(canceled.payment(), canceled.payment().reference().expect("a name")).await.expect("canceled");
    let standings: Vec<_> = all(world, EVER).await.into_iter().map(|charge| charge.standing).collect();
    let expected = [
        ListedStanding::Canceled,
        ListedStanding::Pending,
        ListedStanding::Open,
        ListedStanding::Open,
        ListedStanding::Open,
    ];
    assert_eq!(standings, expected, "newest first");
}

async fn pages_meet_every_charge_of_ours_once_newest_first(world: &World) {
    let mut made = Vec::new();
    for number in 0..3 {
        let payment = payment(&format!("ord_{number}"), ChargeFlow::TwoStep);
        made.push(world.prepared(&payment).await);
    }
    // More than a page without one of ours: the list goes on behind it.
    let not_ours = ["", "&metadata[order_id]=ord_9", "&metadata[order_id]=a b&metadata[attempt]=1"];
    for number in 0..140 {
        foreign(world, number, not_ours[number % not_ours.len()]);
    }
    for number in 3..110 {
        let payment = payment(&format!("ord_{number}"), ChargeFlow::TwoStep);
        made.push(world.prepared(&payment).await);
    }
    made.reverse();
    let listed = all(world, EVER).await;
    assert_eq!(listed.iter().map(|charge| charge.reference.clone()).collect::<Vec<_>>(), made);
    let orders: BTreeSet<_> = listed.iter().map(|charge| charge.order_id.as_str()).collect();
    assert_eq!(orders.len(), 110);
}

async fn a_window_holds_what_was_made_within_it(world: &World) {
    const STEP: Duration = Duration::from_secs(10);
    for id in ["ord_0", "ord_1", "ord_2"] {
        world.prepared(&payment(id, ChargeFlow::TwoStep)).await;
        world.pass(STEP);
    }
    let (first, second, third) = (NOW, NOW.plus(STEP), NOW.plus(STEP * 2));
    let half = Duration::from_millis(500);
    let rows = [
        (Some(first), None, "ord_2 ord_1 ord_0"),
        (Some(second), None, "ord_2 ord_1"),
        (Some(second), Some(third), "ord_1"),
        (None, Some(second), "ord_0"),
        (None, Some(first), ""),
        // The provider keeps whole seconds: what may lie in the window is on the list.
        (Some(second.plus(half)), Some(third.plus(half)), "ord_2 ord_1"),
    ];
    for (from, to, expected) in rows {
        let listed = all(world, Window { from, to }).await;
        let ids: Vec<_> = listed.iter().map(|charge| charge.order_id.as_str()).collect();
        assert_eq!(ids.join(" "), expected, "{from:?} {to:?}");
    }
}

async fn a_list_that_cannot_be_read_is_not_an_empty_one(world: &World) {
    world.prepared(&payment("ord_1", ChargeFlow::TwoStep)).await;
    for fault in [Fault::Garbage, Fault::CutBefore, Fault::CutAfter, Fault::ErrorBefore, Fault::Unauthorized] {
        world.provider.inject_on(Operation::List, fault);
        let answer = world.gateway.charges(EVER, None).await;
        match (fault, answer) {
            (Fault::Unauthorized, Err(GatewayError::Closed { .. })) | (_, Err(GatewayError::Unknown { .. })) => {}
            (fault, answer) => panic!("{fault:?}: {answer:?}"),
        }
    }
    world.provider.set_faults(Faults::only(Fault::RateLimited, 1.0));
    let answer = world.gateway.charges(EVER, None).await;
    assert!(matches!(answer, Err(GatewayError::Unavailable { .. })), "{answer:?}");
    world.provider.set_faults(Faults::default());
    let nowhere = "pi_unknown".parse().expect("a token");
    let answer = world.gateway.charges(EVER, Some(&nowhere)).await;
    assert!(matches!(answer, Err(GatewayError::Rejected { .. })), "{answer:?}");
    assert_eq!(all(world, EVER).await.len(), 1);
}
