//! The clauses about the list of refunds.

use std::collections::BTreeSet;
use std::slice;
use std::time::Duration;

use order_payments::adapters::simulator::faults::Fault;
use order_payments::adapters::simulator::request::{Operation, Request};
use order_payments::domain::refund::RefundId;
use order_payments::domain::request::ProviderToken;
use order_payments::ports::payment_gateway::{GatewayError, ListedRefund, Refunding, Window};
use uuid::Uuid;

use crate::contract::payment_gateway::every_gateway_keeps;
use crate::contract::payment_gateway::refunds::{charged, sending};
use crate::contract::payment_gateway::world::{NOW, World, money};

every_gateway_keeps!(
    a_refund_is_on_the_list_at_once_and_tells_whose_it_is,
    pages_meet_every_refund_once_newest_first,
    a_window_holds_the_refunds_that_were_made_within_it,
    a_list_of_refunds_that_cannot_be_read_is_not_an_empty_one,
);

const EVER: Window = Window { from: None, to: None };

/// Every refund of the window, page after page.
async fn all(world: &World, window: Window) -> Vec<ListedRefund> {
    const MAX_PAGES: usize = 10;
    let (mut refunds, mut after) = (Vec::new(), None);
    for _page in 0..MAX_PAGES {
        let page = world.gateway.refunds(window, after.as_ref()).await.expect("a page");
        refunds.extend(page.refunds);
        after = page.next;
        if after.is_none() {
            return refunds;
        }
    }
    panic!("more than {MAX_PAGES} pages");
}

/// Gives a cent back past the gateway.
fn refunded_elsewhere(world: &World, reference: &ProviderToken, number: usize) {
    let form = format!("payment_intent={reference}&amount=1");
    world.provider.handle(&Request::post("/v1/refunds", &form, Some(&format!("foreign-{number}"))));
}

async fn a_refund_is_on_the_list_at_once_and_tells_whose_it_is(world: &World) {
    let (_, reference) = charged(world, "pm_card_visa").await;
    let refund = sending(1, &reference, 1);
    let Ok(Refunding::Succeeded(name)) = world.refund(&refund).await else { panic!("not refunded") };
    let ours = ListedRefund {
        name,
        charge: reference.clone(),
        refund_id: Some(refund.id),
        order_id: Some(refund.order_id.clone()),
        amount: Some(refund.amount),
        has_failed: false,
        made_at: NOW,
    };
    assert_eq!(all(world, EVER).await, slice::from_ref(&ours));
    assert!(world.provider.fail_refund(ours.name.as_str()));
    let bounced = ListedRefund { has_failed: true, ..ours };
    assert_eq!(all(world, EVER).await, slice::from_ref(&bounced));
    refunded_elsewhere(world, &reference, 0);
    let [foreign, _] = all(world, EVER).await.try_into().expect("two refunds");
    let (amount, name) = (Some(money("0.01")), foreign.name.clone());
    let expected = ListedRefund { name, refund_id: None, order_id: None, amount, has_failed: false, ..bounced };
    assert_eq!(foreign, expected);
}

async fn pages_meet_every_refund_once_newest_first(world: &World) {
    let (_, reference) = charged(world, "pm_card_visa").await;
    world.refund(&sending(1, &reference, 1)).await.expect("refunded");
    for number in 0..140 {
        refunded_elsewhere(world, &reference, number);
    }
    world.refund(&sending(2, &reference, 1)).await.expect("refunded");
    let listed = all(world, EVER).await;
    let names: BTreeSet<_> = listed.iter().map(|refund| refund.name.as_str()).collect();
    assert_eq!((listed.len(), names.len()), (142, 142));
    let ids = [listed.first(), listed.last()].map(|refund| refund.and_then(|refund| refund.refund_id));
    assert_eq!(ids, [2, 1].map(|id| Some(RefundId::from_uuid(Uuid::from_u128(id)))));
}

async fn a_window_holds_the_refunds_that_were_made_within_it(world: &World) {
    const STEP: Duration = Duration::from_secs(10);
    let (_, reference) = charged(world, "pm_card_visa").await;
    world.refund(&sending(1, &reference, 1)).await.expect("refunded");
    world.pass(STEP);
    world.refund(&sending(2, &reference, 1)).await.expect("refunded");
    let later = NOW.plus(STEP);
    for (from, to, expected) in [
        (Some(NOW), None, vec![2, 1]),
        (Some(later), None, vec![2]),
        (None, Some(later), vec![1]),
        (Some(NOW), Some(later), vec![1]),
        (None, Some(NOW), vec![]),
        // The provider keeps whole seconds: what may lie in the window is on the list.
        (Some(later.plus(STEP / 20)), Some(later.plus(STEP / 20)), vec![2]),
    ] {
        let listed = all(world, Window { from, to }).await;
        let ids: Vec<_> = listed.into_iter().filter_map(|refund| refund.refund_id).collect();
        let expected: Vec<_> = expected.into_iter().map(|id| RefundId::from_uuid(Uuid::from_u128(id))).collect();
        assert_eq!(ids, expected, "{from:?} {to:?}");
    }
}

async fn a_list_of_refunds_that_cannot_be_read_is_not_an_empty_one(world: &World) {
    let (_, reference) = charged(world, "pm_card_visa").await;
    world.refund(&sending(1, &reference, 1)).await.expect("refunded");
    for fault in [Fault::Garbage, Fault::CutBefore, Fault::CutAfter, Fault::ErrorBefore] {
        world.provider.inject_on(Operation::ListRefunds, fault);
        let answer = world.gateway.refunds(EVER, None).await;
        assert!(matches!(answer, Err(GatewayError::Unknown { .. })), "{fault:?}: {answer:?}");
    }
    world.provider.inject_on(Operation::ListRefunds, Fault::Unauthorized);
    let answer = world.gateway.refunds(EVER, None).await;
    assert!(matches!(answer, Err(GatewayError::Closed { .. })), "{answer:?}");
    let nowhere = "re_unknown".parse().expect("a token");
    let answer = world.gateway.refunds(EVER, Some(&nowhere)).await;
    assert!(matches!(answer, Err(GatewayError::Rejected { .. })), "{answer:?}");
    assert_eq!(all(world, EVER).await.len(), 1);
}
