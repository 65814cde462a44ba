//! What may be sent to the provider, and what its answers may lead to.

use order_payments::adapters::simulator::intent::Status;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::ChargeFlow;
use order_payments::domain::request::ProviderToken;

use crate::explore::calls::Call;
use crate::explore::events::{Class, Event, Request};
use crate::explore::facts::Facts;
use crate::explore::invariants::{Invariant, Violation, check};
use crate::explore::watch::Watch;

/// Holds what was sent and answered in this step against what was stored before it.
pub(crate) fn look(watch: &Watch, facts: &Facts, events: &[(u32, Event)]) -> Result<(), Violation> {
    confirmed(watch, facts)?;
    for (_, event) in events {
        match event {
            Event::Sent(request) => sent(watch, request)?,
            Event::Armed(attempt, reference) => armed(facts, *attempt, reference)?,
            _ => {}
        }
    }
    renewed(watch, facts)?;
    unchanged(watch, facts, events)
}

/// What is to fail has been answered for.
pub(crate) fn settling(watch: &Watch, events: &[(u32, Event)]) -> Result<(), Violation> {
    for (task, event) in events {
        if matches!(event, Event::Settling(OrderStatus::Failed)) {
            let last = watch.last_answer(*task);
            let says_nothing = last.is_some_and(Class::says_nothing);
            check(Invariant::SilenceNeverFails, !says_nothing, || format!("to be FAILED after {last:?}"))?;
        }
    }
    Ok(())
}

/// The permission is in the journal as it was before this step.
fn sent(watch: &Watch, request: &Request) -> Result<(), Violation> {
    let stored = watch.states_of(&format!("payment/{}", request.attempt));
    let is_permitted = match (request.call, &request.refund) {
        (Call::Prepare, _) => stored.iter().any(|state| state == "PREPARING"),
        (Call::Charge, _) => {
            let may_be_charged = stored.iter().any(|state| state == "CONFIRMING" || state == "UNRESOLVED");
            let is_named = request.reference.as_ref().is_none_or(|reference| watch.knows(reference));
            may_be_charged && (is_named || request.flow == ChargeFlow::OneStep)
        }
        (Call::Refund, Some((id, number))) => {
            let sendings = watch.states_of(&format!("refund/{id}")).iter().filter(|state| *state == "SENDING").count();
            *number > 0 && sendings >= *number as usize
        }
        _ => true,
    };
    check(Invariant::PermittedBeforeSent, is_permitted, || format!("{request:?} after {stored:?}"))
}

/// Whoever is told that it may charge, is told what is stored.
fn armed(facts: &Facts, attempt: u32, reference: &str) -> Result<(), Violation> {
    let stored = facts.payment().filter(|payment| payment.attempt.number() == attempt);
    let stored = stored.filter(|payment| payment.state.name() == "CONFIRMING").and_then(|payment| payment.reference());
    let is_stored = stored.is_some_and(|stored| stored.as_str() == reference);
    check(Invariant::PermittedBeforeSent, is_stored, || format!("armed with {reference}, and {stored:?} is stored"))
}

/// The one-step flow's first attempt may be confirmed before its name is known; nothing else may.
fn confirmed(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let unknown =
        facts.provider.charged.intents.iter().filter(|intent| intent.confirmations > 0 && !watch.knows(&intent.id));
    let unknown: Vec<_> = unknown.map(|intent| &intent.id).collect();
    let allowed = usize::from(watch.flow == ChargeFlow::OneStep || watch.foreign_cents > 0);
    check(Invariant::StoredBeforeConfirmed, unknown.len() <= allowed, || format!("confirmed: {unknown:?}"))
}

fn renewed(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    let Some((before, after)) = watch.payment().zip(facts.payment()) else { return Ok(()) };
    if after.attempt <= before.attempt {
        return Ok(());
    }
    let own = after.reference().map(ProviderToken::as_str);
    let open = facts.provider.charged.intents.iter().find(|intent| {
        let was_chargeable = intent.confirmations > 0 || watch.knows(&intent.id);
        was_chargeable && intent.status != Status::Canceled && Some(intent.id.as_str()) != own
    });
    let detail = || format!("attempt {} has begun, and there is {open:?}", after.attempt.number());
    check(Invariant::CanceledBeforeRenewed, open.is_none(), detail)
}

/// After refused credentials, what their task stores next is what was stored before.
fn unchanged(watch: &Watch, facts: &Facts, events: &[(u32, Event)]) -> Result<(), Violation> {
    let Some((task, state)) = &watch.refused_us else { return Ok(()) };
    let is_answered = events.iter().any(|(of, event)| of == task && matches!(event, Event::Answered(..)));
    if is_answered || watch.stepped != Some(*task) {
        return Ok(());
    }
    let now = facts.payment().map(|payment| (payment.order().status(), payment.state.clone()));
    check(Invariant::RefusalOfUsChangesNothing, now == *state, || format!("{state:?} became {now:?}"))
}
