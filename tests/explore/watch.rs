//! What was seen of a case so far, so that the next moment can be held against it.

mod sights;

use std::collections::{BTreeMap, BTreeSet};

use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::{ChargeFlow, Payment, PaymentState};
use order_payments::domain::refund::RefundId;
use order_payments::ports::order_repository::StoredOrder;

use crate::explore::calls::Call;
use crate::explore::events::{Class, Event};
use crate::explore::facts::Facts;
use crate::explore::invariants::{Violation, money, outcomes, refunds, requests, states};
use crate::explore::scenario::{Scenario, TOTAL_CENTS};
use crate::explore::sightings::Sightings;
use crate::explore::watch::sights::Sights;
use crate::explore::world::World;

/// How often a person looks at an order under review.
const MAX_REVIEWS: u32 = 2;

/// The memory of one case.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a case")]
pub(crate) struct Watch {
    pub(crate) flow: ChargeFlow,
    /// What the order costs, as it is stored or will be.
    pub(crate) total_cents: u64,
    /// What was taken for it before, by others.
    pub(crate) foreign_cents: u64,
    /// Whether a database was restored.
    pub(crate) was_restored: bool,
    /// Whether facts were claimed that contradict our records.
    pub(crate) contradicted: bool,
    /// Whether the provider has declined, refused, or canceled with a reason.
    pub(crate) reason_seen: bool,
    /// Whether every refund that is asked for was answered.
    pub(crate) refunds_requested: bool,
    /// The task that was refused as us, and what was stored then.
    pub(crate) refused_us: Option<(u32, Option<(OrderStatus, PaymentState)>)>,
    /// The only task that made a step last.
    pub(crate) stepped: Option<u32>,
    pub(crate) sightings: Sightings,
    reviews: u32,
    /// When a database was restored: the first attempt that had left nothing at the provider.
    traceless_from: Option<u32>,
    /// And the refunds that had left something.
    refunds_made: BTreeSet<String>,
    last: Facts,
    stored_references: BTreeSet<String>,
    references: BTreeMap<u32, String>,
    /// By subject: the last version and state.
    latest: BTreeMap<String, (u64, String)>,
    /// By subject: every state.
    states: BTreeMap<String, Vec<String>>,
    bytes: BTreeMap<u128, Vec<u8>>,
    answers: BTreeMap<u32, Class>,
    refunds: BTreeSet<RefundId>,
    sights: Sights,
}

impl Watch {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            flow: scenario.flow,
            total_cents: TOTAL_CENTS,
            foreign_cents: scenario.foreign_cents.unwrap_or(0),
            was_restored: false,
            contradicted: scenario.foreign_cents.is_some(),
            reason_seen: false,
            refunds_requested: false,
            refused_us: None,
            stepped: None,
            sightings: Sightings::default(),
            reviews: 0,
            traceless_from: None,
            refunds_made: BTreeSet::new(),
            last: Facts::default(),
            stored_references: BTreeSet::new(),
            references: BTreeMap::new(),
            latest: BTreeMap::new(),
            states: BTreeMap::new(),
            bytes: BTreeMap::new(),
            answers: BTreeMap::new(),
            refunds: BTreeSet::new(),
            sights: Sights::default(),
        }
    }

    /// Holds a moment against every invariant, and remembers it.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub(crate) fn look(
        &mut self,
        stepped: Option<u32>,
        facts: Facts,
        events: &[(u32, Event)],
    ) -> Result<(), Violation> {
        self.stepped = stepped;
        self.note_reasons(&facts, events);
        // Most calls only ask: then nothing but what was sent and answered is new.
        if facts.is_as(&self.last) && facts.records == self.last.records {
            requests::look(self, &facts, events)?;
            self.note_answers(&facts, events);
            self.sightings.join(self.sights.see(&facts, events, &self.stored_references, &self.states));
            return Ok(());
        }
        if let Some(stored) = &facts.stored.order {
            let cents = stored.order.total_amount().amount().mantissa();
            self.total_cents = u64::try_from(cents).expect("a total is positive");
        }
        requests::settling(self, events)?;
        money::look(self, &facts)?;
        requests::look(self, &facts, events)?;
        states::look(self, &facts)?;
        outcomes::look(self, &facts, events)?;
        refunds::look(self, &facts)?;
        self.remember(facts, events);
        Ok(())
    }

    fn note_reasons(&mut self, facts: &Facts, events: &[(u32, Event)]) {
        let is_reason = |event: &Event| matches!(event, Event::Answered(_, Class::Refused | Class::Canceled));
        self.reason_seen |=
            facts.provider.ledger.totals.declines > 0 || events.iter().any(|(_, event)| is_reason(event));
        if let Some(payment) = facts.payment()
            && let Some(reference) = payment.reference()
        {
            self.stored_references.insert(reference.to_string());
        }
    }

    fn remember(&mut self, facts: Facts, events: &[(u32, Event)]) {
        self.note_answers(&facts, events);
        self.remember_stored(&facts);
        self.sightings.join(self.sights.see(&facts, events, &self.stored_references, &self.states));
        self.last = facts;
    }

    fn note_answers(&mut self, facts: &Facts, events: &[(u32, Event)]) {
        if self.refused_us.as_ref().is_some_and(|(task, _)| self.stepped != Some(*task)) {
            self.refused_us = None;
        }
        for (task, event) in events {
            if let Event::Answered(_, class) = event {
                self.answers.insert(*task, *class);
                let state = facts.payment().map(|payment| (payment.order().status(), payment.state.clone()));
                self.refused_us = (*class == Class::Closed).then_some((*task, state));
            }
        }
    }

    fn remember_stored(&mut self, facts: &Facts) {
        if let Some(payment) = facts.payment()
            && let Some(reference) = payment.reference()
        {
            self.references.insert(payment.attempt.number(), reference.to_string());
        }
        for entry in facts.stored.journal.iter().skip(self.last.stored.journal.len()) {
            self.latest.insert(entry.subject.clone(), (entry.version, entry.state.clone()));
            let states = self.states.entry(entry.subject.clone()).or_default();
            states.push(entry.state.clone());
            let was_reviewed = states.len() > 1 && states[states.len() - 2] == "REVIEW";
            self.reviews += u32::from(was_reviewed);
        }
        for event in facts.topic.iter().chain(&facts.stored.unpublished) {
            self.bytes.insert(event.id.as_uuid().as_u128(), event.payload.clone());
        }
        self.refunds.extend(facts.stored.refunds.iter().map(|refund| refund.id));
    }

    /// What is true after this call, which alone was made since.
    pub(crate) fn next(&self, call: Call, world: &World) -> Facts {
        self.last.after(call, world)
    }

    /// The database was set back: what it held since is not to be held against it.
    pub(crate) fn restored(&mut self) {
        self.was_restored = true;
        let made = u32::try_from(self.last.provider.charged.intents.len()).expect("few objects");
        self.traceless_from = Some(made + 1);
        let refunds = self.last.provider.charged.intents.iter().flat_map(|intent| &intent.refunds);
        self.refunds_made = refunds.filter_map(|refund| refund.refund_id.clone()).collect();
        let topic = std::mem::take(&mut self.last.topic);
        self.last = Facts { topic, ..Facts::default() };
        self.references.clear();
        self.latest.clear();
        self.states.clear();
        self.refunds.clear();
        self.refused_us = None;
        self.refunds_requested = false;
    }

    /// Whether a person still looks at what is under review.
    pub(crate) const fn may_be_reviewed(&self) -> bool {
        self.contradicted && self.reviews < MAX_REVIEWS
    }

    /// Whether a key was used by an earlier life of the database, and left nothing that this one could see.
    pub(crate) fn is_traceless(&self, key: &str) -> bool {
        if let Some((refund, _)) = key.split_once("#refund:") {
            return self.was_restored && !self.refunds_made.contains(refund);
        }
        let attempt = key.split(':').nth(1).and_then(|attempt| attempt.parse::<u32>().ok());
        self.traceless_from.is_some_and(|from| attempt.is_some_and(|attempt| attempt >= from))
    }

    /// Whether this name was ever stored as an object that may be charged.
    pub(crate) fn knows(&self, reference: &str) -> bool {
        self.stored_references.contains(reference)
    }

    /// The name that this attempt had before.
    pub(crate) fn reference_of(&self, attempt: u32) -> Option<&str> {
        self.references.get(&attempt).map(String::as_str)
    }

    /// Every state that the journal had of this subject before.
    pub(crate) fn states_of(&self, subject: &str) -> &[String] {
        self.states.get(subject).map(Vec::as_slice).unwrap_or_default()
    }

    /// The last version and state of each subject of the journal as it was before.
    pub(crate) fn latest_entries(&self) -> &BTreeMap<String, (u64, String)> {
        &self.latest
    }

    pub(crate) fn journal_length(&self) -> usize {
        self.last.stored.journal.len()
    }

    pub(crate) fn topic_length(&self) -> usize {
        self.last.topic.len()
    }

    /// The order as it was before.
    pub(crate) fn order(&self) -> Option<&StoredOrder> {
        self.last.stored.order.as_ref()
    }

    /// Its latest attempt as it was before.
    pub(crate) fn payment(&self) -> Option<&Payment> {
        self.last.payment()
    }

    pub(crate) fn refunds_seen(&self) -> &BTreeSet<RefundId> {
        &self.refunds
    }

    /// The bytes of this event as they were seen first.
    pub(crate) fn bytes_of(&self, event: u128) -> Option<&[u8]> {
        self.bytes.get(&event).map(Vec::as_slice)
    }

    /// What the provider truly answered to this task last.
    pub(crate) fn last_answer(&self, task: u32) -> Option<Class> {
        self.answers.get(&task).copied()
    }
}
