//! Everything that can be seen from outside at one moment: the storage, the topic, the provider's ledger.

use std::fmt;

use order_payments::adapters::simulator::ledger::{Ledger, OrderEntry};
use order_payments::domain::order::OrderStatus;
use order_payments::domain::outcome::OutcomeKind;
use order_payments::domain::payment::Payment;
use order_payments::domain::refund::Refund;
use order_payments::ports::order_repository::{JournalEntry, StoredOrder};
use order_payments::ports::outbox::OutcomeEvent;

use crate::explore::records::Standing;
use crate::explore::task::at_once;
use crate::explore::world::World;

/// More than a case has of anything.
const ALL: usize = 1_000;

/// One moment.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) order: Option<StoredOrder>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) told: Option<OutcomeKind>,
    pub(crate) unpublished: Vec<OutcomeEvent>,
    pub(crate) topic: Vec<OutcomeEvent>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) findings: usize,
    pub(crate) records: Vec<Standing>,
    pub(crate) ledger: Ledger,
    /// What the provider did for the order.
    pub(crate) charged: OrderEntry,
}

impl Facts {
    /// What is true now.
    pub(crate) fn of(world: &World) -> Self {
        let (store, id) = (&world.store, world.order_id());
        let mut ledger = world.provider.ledger();
        let charged = ledger.orders.remove(id.as_str()).unwrap_or_default();
        let kept = "it is in memory";
        Self {
            order: at_once(store.orders.find(id)).expect(kept),
            journal: at_once(store.orders.journal(id)).expect(kept),
            told: at_once(store.orders.told(id)).expect(kept),
            unpublished: at_once(store.outbox.unpublished(ALL)).expect(kept),
            topic: world.topic.records(),
            refunds: at_once(store.refunds.refunds_of(id)).expect(kept),
            findings: at_once(store.findings.findings_of(id)).expect(kept).len(),
            records: world.records.iter().map(|record| record.standing).collect(),
            ledger,
            charged,
        }
    }

    /// Where the order stands, as far as it is known at all.
    pub(crate) fn status(&self) -> Option<OrderStatus> {
        self.order.as_ref().map(|stored| stored.order.status())
    }

    /// The order's latest attempt.
    pub(crate) fn payment(&self) -> Option<&Payment> {
        self.order.as_ref().and_then(|stored| stored.payment.as_ref())
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.order, self.payment()) {
            (Some(stored), Some(payment)) => {
                let reference = payment.reference().map_or("-", |reference| reference.as_str());
                let (status, attempt) = (stored.order.status(), payment.attempt.number());
                write!(formatter, "order {status}, attempt {attempt} {} {reference}", payment.state.name())?;
            }
            (Some(stored), None) => write!(formatter, "order {}, never begun", stored.order.status())?,
            (None, _) => write!(formatter, "no order")?,
        }
        for intent in &self.charged.intents {
            write!(formatter, "; {} {}", intent.id, intent.status.as_str())?;
            if intent.refunded > 0 {
                write!(formatter, " -{}", intent.refunded)?;
            }
        }
        for refund in &self.refunds {
            write!(formatter, "; refund {} {}", refund.amount, refund.state.name())?;
        }
        write!(formatter, "; outbox {}, topic {}", self.unpublished.len(), self.topic.len())
    }
}
