//! What must have come about once nothing goes wrong any more.

use std::collections::BTreeMap;

use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::PaymentState;
use order_payments::domain::refund::RefundState;

use crate::explore::facts::Facts;
use crate::explore::invariants::outcomes::end_of;
use crate::explore::invariants::{Invariant, Violation, check as holds};
use crate::explore::records::Standing;
use crate::explore::task::at_once;
use crate::explore::watch::Watch;
use crate::explore::world::World;

/// Whether nothing is left to be done, lawfully or not.
pub(crate) fn is_at_rest(facts: &Facts, watch: &Watch, world: &World) -> bool {
    let all_read = facts.records.iter().all(|standing| *standing != Standing::Unread);
    let has_ended = match facts.payment() {
        Some(payment) => payment.order().status() != OrderStatus::Pending || is_reviewed(facts, watch),
        None => true,
    };
    let refunds_ended = facts.stored.refunds.iter().all(|refund| match refund.state {
        RefundState::Succeeded(_) | RefundState::Failed { .. } => true,
        RefundState::Requested | RefundState::Sending(_) | RefundState::Pending(_) => false,
    });
    let is_paid = facts.status() == Some(OrderStatus::Paid);
    let requested = world.scenario.refunds.is_empty() || watch.refunds_requested || !is_paid;
    let gate = world.keeper.as_ref().is_none_or(|keeper| keeper.valve().borrow().is_none());
    let keeps_open = gate && at_once(world.store.gates.gate("simulated")).is_ok_and(|gate| gate.closed.is_none());
    world.is_swept
        && all_read
        && has_ended
        && refunds_ended
        && requested
        && keeps_open
        && facts.stored.unpublished.is_empty()
}

fn is_reviewed(facts: &Facts, watch: &Watch) -> bool {
    let in_review = facts.payment().is_some_and(|payment| matches!(payment.state, PaymentState::Review { .. }));
    in_review && !watch.may_be_reviewed()
}

/// It never came to rest.
pub(crate) fn unfinished(facts: &Facts) -> Violation {
    let invariant =
        if facts.stored.unpublished.is_empty() { Invariant::EverythingEnds } else { Invariant::OutboxDrains };
    Violation { invariant, detail: format!("after days there is still {facts}; records {:?}", facts.records) }
}

/// It did more than any case does.
pub(crate) fn endless(call: &str) -> Violation {
    Violation { invariant: Invariant::NoLoop, detail: format!("{call} is called again and again") }
}

/// Holds the end of a case against what it must be.
pub(crate) fn look(facts: &Facts, watch: &Watch) -> Result<(), Violation> {
    let in_review = facts.payment().is_some_and(|payment| matches!(payment.state, PaymentState::Review { .. }));
    let finding = || format!("{:?}", facts.payment().map(|payment| &payment.state));
    holds(Invariant::ReviewIsEarned, !in_review || watch.contradicted, finding)?;
    if in_review {
        return Ok(());
    }
    let mut visible: BTreeMap<&str, usize> = BTreeMap::new();
    for event in facts.topic.iter() {
        *visible.entry(event.event_type.as_str()).or_default() += 1;
    }
    let ends = facts.topic.iter().filter(|event| end_of(event).is_some()).count();
    let expected = usize::from(facts.status().is_some_and(|status| status != OrderStatus::Pending));
    // A restored database that refuses to store a request anew has told its end before it forgot the order.
    let is_forgotten = watch.was_restored && facts.stored.order.is_none() && ends == 1;
    holds(Invariant::OneVisibleOutcome, ends == expected || is_forgotten, || {
        format!("{visible:?} are visible of {facts}")
    })?;
    let succeeded =
        facts.stored.refunds.iter().filter(|refund| matches!(refund.state, RefundState::Succeeded(_))).count();
    let refunded = visible.get("payment-refunded").copied().unwrap_or_default();
    let is_told = watch.was_restored || refunded >= succeeded;
    holds(Invariant::OneVisibleOutcome, is_told, || format!("{visible:?} are visible of {facts}"))
}
