//! Everything that can be seen from outside at one moment: the storage, the topic, the provider's ledger.
//!
//! Read again only where a call may have changed it: most calls change one of the three.

use std::fmt;
use std::rc::Rc;

use order_payments::adapters::simulator::ledger::{Ledger, OrderEntry};
use order_payments::domain::order::{OrderId, OrderStatus};
use order_payments::domain::outcome::OutcomeKind;
use order_payments::domain::payment::Payment;
use order_payments::domain::refund::Refund;
use order_payments::ports::finding_repository::Finding;
use order_payments::ports::order_repository::{JournalEntry, StoredOrder};
use order_payments::ports::outbox::OutcomeEvent;
use order_payments::ports::store::Store;

use crate::explore::calls::Call;
use crate::explore::records::Standing;
use crate::explore::task::at_once;
use crate::explore::world::World;

/// More than a case has of anything.
const ALL: usize = 1_000;

/// One moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) stored: Rc<Stored>,
    pub(crate) provider: Rc<AtProvider>,
    pub(crate) topic: Rc<Vec<OutcomeEvent>>,
    pub(crate) records: Vec<Standing>,
}

/// What the database holds.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) order: Option<StoredOrder>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) told: Option<OutcomeKind>,
    pub(crate) unpublished: Vec<OutcomeEvent>,
    pub(crate) refunds: Vec<Refund>,
    /// Those that are open.
    pub(crate) findings: Vec<Finding>,
}

/// What the provider has done.
#[derive(Debug, Default)]
pub(crate) struct AtProvider {
    pub(crate) ledger: Ledger,
    /// For the order of the case.
    pub(crate) charged: OrderEntry,
}

impl Facts {
    /// What is true now.
    pub(crate) fn of(world: &World) -> Self {
        Self {
            stored: Rc::new(Stored::of(&world.store, world.order_id())),
            provider: Rc::new(AtProvider::of(world)),
            topic: Rc::new(world.topic.records()),
            records: world.records.iter().map(|record| record.standing).collect(),
        }
    }

    /// What is true now, where this call was all that happened since.
    pub(crate) fn after(&self, call: Call, world: &World) -> Self {
        let mut facts = self.clone();
        if call.stores() {
            facts.stored = Rc::new(Stored::of(&world.store, world.order_id()));
        }
        if call.is_of_gateway() {
            facts.provider = Rc::new(AtProvider::of(world));
        }
        if call == Call::Publish {
            facts.topic = Rc::new(world.topic.records());
        }
        facts.records.clear();
        facts.records.extend(world.records.iter().map(|record| record.standing));
        facts
    }

    /// Whether nothing but the records' standing differs.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.stored, &other.stored)
            && Rc::ptr_eq(&self.provider, &other.provider)
            && Rc::ptr_eq(&self.topic, &other.topic)
    }

    /// Where the order stands, as far as it is known at all.
    pub(crate) fn status(&self) -> Option<OrderStatus> {
        self.stored.order.as_ref().map(|stored| stored.order.status())
    }

    /// The order's latest attempt.
    pub(crate) fn payment(&self) -> Option<&Payment> {
        self.stored.order.as_ref().and_then(|stored| stored.payment.as_ref())
    }
}

impl Stored {
    fn of(store: &Store, id: &OrderId) -> Self {
        let kept = "it is in memory";
        Self {
            order: at_once(store.orders.find(id)).expect(kept),
            journal: at_once(store.orders.journal(id)).expect(kept),
            told: at_once(store.orders.told(id)).expect(kept),
            unpublished: at_once(store.outbox.unpublished(ALL)).expect(kept),
            refunds: at_once(store.refunds.refunds_of(id)).expect(kept),
            findings: at_once(store.findings.findings_of(id)).expect(kept),
        }
    }
}

impl AtProvider {
    fn of(world: &World) -> Self {
        let mut ledger = world.provider.ledger();
        let charged = ledger.orders.remove(world.order_id().as_str()).unwrap_or_default();
        Self { ledger, charged }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.stored.order, self.payment()) {
            (Some(stored), Some(payment)) => {
                let reference = payment.reference().map_or("-", |reference| reference.as_str());
                let (status, attempt) = (stored.order.status(), payment.attempt.number());
                write!(formatter, "order {status}, attempt {attempt} {} {reference}", payment.state.name())?;
            }
            (Some(stored), None) => write!(formatter, "order {}, never begun", stored.order.status())?,
            (None, _) => write!(formatter, "no order")?,
        }
        for intent in &self.provider.charged.intents {
            write!(formatter, "; {} {}", intent.id, intent.status.as_str())?;
            if intent.refunded > 0 {
                write!(formatter, " -{}", intent.refunded)?;
            }
        }
        for refund in &self.stored.refunds {
            write!(formatter, "; refund {} {}", refund.amount, refund.state.name())?;
        }
        write!(formatter, "; outbox {}, topic {}", self.stored.unpublished.len(), self.topic.len())
    }
}
