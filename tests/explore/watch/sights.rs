//! Recognises what a run must have seen.

use std::collections::{BTreeMap, BTreeSet};

use order_payments::adapters::simulator::faults::Fault;
use order_payments::adapters::simulator::intent::Status;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::refund::RefundState;
use order_payments::ports::order_repository::{Renewing, Settling};

use crate::explore::calls::Call;
use crate::explore::events::{Class, Event};
use crate::explore::facts::Facts;
use crate::explore::sightings::{Sighting, Sightings};

/// What has to be remembered for that.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    /// The attempt that a task has charged last.
    charged: BTreeMap<u32, u32>,
    /// Attempts whose charge had an unknown answer.
    unknown: BTreeSet<u32>,
    /// Confirmations when a look showed that there was none, since the last charge that was sent.
    looked: Option<u32>,
}

impl Sights {
    /// What is to be seen in this step.
    pub(crate) fn see(
        &mut self,
        facts: &Facts,
        events: &[(u32, Event)],
        stored_references: &BTreeSet<String>,
        states: &BTreeMap<String, Vec<String>>,
    ) -> Sightings {
        let mut seen = Sightings::default();
        self.late(facts, events, &mut seen);
        for (task, event) in events {
            self.of_event(*task, event, &mut seen);
        }
        let mut see = |sighting, is_seen: bool| {
            if is_seen {
                seen.add(sighting);
            }
        };
        let struck = |fault| facts.provider.ledger.totals.faults.contains_key(&fault);
        let is_paid = facts.status() == Some(OrderStatus::Paid);
        let attempt = facts.payment().map_or(0, |payment| payment.attempt.number());
        let ended_as = |subject: &str, ends: &[&str]| {
            let ended = states.get(subject).map(Vec::as_slice).unwrap_or_default();
            ended.len() >= ends.len()
                && ended[ended.len() - ends.len()..].iter().zip(ends).all(|(one, other)| one == other)
        };
        see(Sighting::UnknownTurnedOutPaid, is_paid && self.unknown.contains(&attempt));
        see(Sighting::NextAttemptPaid, is_paid && attempt > 1 && ended_as("payment/1", &["ABANDONED"]));
        see(Sighting::FencingTurnedOutPaid, ended_as("payment/1", &["FENCING", "SUCCEEDED"]));
        see(Sighting::StickyErrorWithEffect, is_paid && struck(Fault::ErrorAfterSticky));
        let is_settled = facts.status().is_some_and(|status| status != OrderStatus::Pending);
        let is_orphan = |status: Status, name: &String| status.may_be_confirmed() && !stored_references.contains(name);
        let has_orphan = facts.provider.charged.intents.iter().any(|intent| is_orphan(intent.status, &intent.id));
        see(Sighting::Orphan, is_settled && has_orphan);
        let bounced = |state: &RefundState| matches!(state, RefundState::Failed { name: Some(_), .. });
        see(Sighting::RefundBounced, facts.stored.refunds.iter().any(|refund| bounced(&refund.state)));
        seen
    }

    /// A charge that arrived though nobody has sent one since it was looked for.
    fn late(&mut self, facts: &Facts, events: &[(u32, Event)], seen: &mut Sightings) {
        let confirmed: u32 = facts.provider.charged.intents.iter().map(|intent| intent.confirmations).sum();
        let is_sent = |event: &Event| matches!(event, Event::Sent(request) if request.call == Call::Charge);
        if events.iter().any(|(_, event)| is_sent(event)) {
            self.looked = None;
        }
        if self.looked.is_some_and(|looked| confirmed > looked) {
            seen.add(Sighting::LateChargeAfterLook);
        }
        let is_absent =
            |event: &Event| matches!(event, Event::Answered(Call::LookUp, Class::Unconfirmed | Class::NotFound));
        if events.iter().any(|(_, event)| is_absent(event)) {
            self.looked = Some(confirmed);
        }
    }

    fn of_event(&mut self, task: u32, event: &Event, seen: &mut Sightings) {
        match event {
            Event::Sent(request) if request.call == Call::Charge => {
                self.charged.insert(task, request.attempt);
            }
            Event::Answered(call, class) => {
                if *call == Call::Charge && matches!(class, Class::Unknown | Class::InUse) {
                    self.unknown.extend(self.charged.get(&task));
                }
                match class {
                    Class::InUse => seen.add(Sighting::KeyInUse),
                    Class::Closed => seen.add(Sighting::GateClosed),
                    Class::Canceled => seen.add(Sighting::ToldCancellation),
                    _ => {}
                }
            }
            Event::NotArmed | Event::Settled(Settling::MovedOn) | Event::Renewed(Renewing::MovedOn, ..) => {
                seen.add(Sighting::RaceLost);
            }
            Event::Settled(Settling::Before) => seen.add(Sighting::AmbiguousCommit),
            Event::Adopted(marked, stored) if marked + stored > 0 => seen.add(Sighting::OutcomesAdopted),
            Event::Renewed(Renewing::Stored, true, attempt) if *attempt > 1 => seen.add(Sighting::LaterAttemptTakenUp),
            Event::Fenced => seen.add(Sighting::ZombieFenced),
            _ => {}
        }
    }
}
