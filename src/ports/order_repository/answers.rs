//! What a repository answers about what it has stored. Pure, so that every repository says the same.

use uuid::Uuid;

use crate::domain::attempt::Attempt;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::outcome::{EventId, OutcomeKind};
use crate::domain::payment::{Payment, PaymentState, Renewal, Settlement};
use crate::domain::refund::RefundId;
use crate::domain::request::PaymentRequest;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{Begun, JournalEntry, RENEWED_AFTER, Settling, Standing, StoredOrder};

impl StoredOrder {
    /// Whether saving `order` again finds this one: equal, or the same order PENDING then and settled since.
    pub fn answers_save_of(&self, order: &Order) -> bool {
        let unsettled = order.status() == OrderStatus::Pending;
        self.order.has_same_terms_as(order) && (unsettled || self.order.status() == order.status())
    }

    /// Whether it was settled so long ago that nothing else of it is known.
    pub fn is_pruned(&self) -> bool {
        self.payment.is_none() && self.order.status() != OrderStatus::Pending
    }

    /// How far this order is, for a request that meets it; `None` where only its first attempt is missing.
    pub fn met_by(&self, request: &PaymentRequest, now: Timestamp) -> Option<Begun> {
        let contradicts = || Some(Begun::Contradicts(Box::new(self.order.clone())));
        match &self.payment {
            Some(payment) if request.has_same_terms_as(&payment.request) => Some(Begun::met(payment.clone(), now)),
            // Its payments were pruned: whatever it was paid with, it is paid no more.
            None if request.is_for(&self.order) && self.order.status() != OrderStatus::Pending => {
                Some(Begun::Met(Standing::Settled(self.order.clone())))
            }
            None if request.is_for(&self.order) => None,
            _ => contradicts(),
        }
    }
}

impl Begun {
    /// How far a payment is whose first attempt was stored by this very call.
    pub fn first(payment: Payment, now: Timestamp) -> Self {
        match payment.as_first_armed() {
            Some(armed) => Self::Met(Standing::Armed(armed)),
            None => Self::met(payment, now),
        }
    }

    /// How far a stored payment is, judged by its state and the age of its keys.
    pub fn met(payment: Payment, now: Timestamp) -> Self {
        if payment.order().status() != OrderStatus::Pending {
            return Self::Met(Standing::Settled(payment.order().clone()));
        }
        match &payment.state {
            PaymentState::Preparing if IdempotencyKey::is_usable(payment.begun_at, now) => Self::Prepare(payment),
            PaymentState::Confirming(_) => {
                Self::Met(payment.as_armed(now).map_or(Standing::Parked(payment), Standing::Armed))
            }
            _ => Self::Met(Standing::Parked(payment)),
        }
    }
}

impl Standing {
    /// How far a payment is that someone else moved on before this caller could.
    pub fn of(payment: Payment, now: Timestamp) -> Self {
        match Begun::met(payment.clone(), now) {
            Begun::Met(standing) => standing,
            // Another attempt is being prepared by another worker: none of this caller's business.
            Begun::Prepare(_) | Begun::Contradicts(_) => Self::Parked(payment),
        }
    }
}

impl Settling {
    /// What a settlement is told that could not be stored: `stored` is its attempt as it is.
    pub fn met_by(settlement: &Settlement, stored: &Payment) -> Self {
        let (order, ended) = (stored.order(), &settlement.outcome.order);
        if order.status() == OrderStatus::Pending {
            // Where the state was not in the way, a published outcome was.
            let may_replace = settlement.replaces.contains(&stored.state.name());
            return if may_replace { Self::ToldOtherwise } else { Self::MovedOn };
        }
        // PAID under two names is two charges, however alike the orders look.
        let same_charge = ended.status() == OrderStatus::Failed || stored.reference() == settlement.payment.reference();
        let same_end = order.status() == ended.status() && same_charge;
        if same_end { Self::Before } else { Self::Contradicts(order.clone()) }
    }
}

impl Renewal {
    /// When the attempt that begins is to be looked at first.
    pub fn due(&self) -> Timestamp {
        match self.next.state {
            PaymentState::Preparing => self.next.begun_at.plus(RENEWED_AFTER),
            _ => self.next.begun_at,
        }
    }

    /// Whether this very renewal is what stored these two attempts; `next` may be further since.
    pub fn is_stored_as(&self, ended: &Payment, next: &Payment) -> bool {
        let is_ended = matches!(ended.state, PaymentState::Abandoned { .. });
        is_ended && next.attempt == self.next.attempt && next.begun_at == self.next.begun_at
    }
}

impl JournalEntry {
    /// The subject of an attempt's entries.
    pub fn subject_of_payment(attempt: Attempt) -> String {
        format!("payment/{}", attempt.number())
    }

    /// The subject of a refund's entries.
    pub fn subject_of_refund(id: RefundId) -> String {
        format!("refund/{id}")
    }

    /// The subject of the entries of a run of pruning.
    pub fn subject_of_pruning(run: Uuid) -> String {
        format!("prune/{run}")
    }

    /// The beginning of the subjects of all entries of a dead-letter topic.
    pub fn subjects_of_letters(topic: &str) -> String {
        format!("dead-letter/{topic}/")
    }

    /// The subject of a dead letter's entries. The time tells it from one that lay there before the topic was made
    /// anew; -1 where it bears none.
    pub fn subject_of_letter(topic: &str, partition: i32, offset: i64, written_at_millis: i64) -> String {
        format!("dead-letter/{topic}/{partition}/{offset}@{written_at_millis}")
    }

    /// The subject of the entries of one setting of a consumer group's offsets.
    pub fn subject_of_offsets(group: &str, run: Uuid) -> String {
        format!("offsets/{group}/{run}")
    }

    /// The subject of the entries of a replay.
    pub fn subject_of_replay(run: &str) -> String {
        format!("replay/{run}")
    }

    /// The subject of a gate's entries.
    pub fn subject_of_gate(gateway: &str) -> String {
        format!("gate/{gateway}")
    }
}

impl PaymentState {
    /// Whether an attempt that is so is never due: it has ended, or waits for a person.
    pub const fn rests(&self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Canceled { .. } | Self::Abandoned { .. } | Self::Review { .. } => true,
            Self::Preparing
            | Self::Confirming(_)
            | Self::Unresolved(_)
            | Self::Fencing { .. }
            | Self::Abandoning(_) => false,
        }
    }
}

/// The event that says the opposite: where it was published, this settlement must not be.
pub fn opposite_event(settlement: &Settlement) -> EventId {
    let kind = match settlement.outcome.kind() {
        OutcomeKind::Paid => OutcomeKind::Failed,
        OutcomeKind::Failed => OutcomeKind::Paid,
    };
    EventId::of(settlement.outcome.order.id(), kind)
}
