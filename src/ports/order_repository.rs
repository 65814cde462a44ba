//! Where orders and their payments are kept: saves and gets, and the steps of a payment.
//!
//! ```text
//! begin ──► Prepare ──(gateway.prepare)──► arm ──► Armed ──(gateway.charge)──► settle | park
//! ```

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId};
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::{Armed, ChargeFlow, Payment, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;

pub mod answers;

/// A collection of entities, each found by its id.
#[async_trait]
pub trait Repository<Entity, Id>: Send + Sync {
    /// Adds an entity that is new; one that is stored already, and equal, is left as it is.
    ///
    /// # Errors
    /// [`RepositoryError::Conflict`] where another entity has this id: nothing was stored.
    async fn save(&self, entity: &Entity) -> Result<(), RepositoryError>;

    /// The entity of this id, if there is one.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn get(&self, id: &Id) -> Result<Option<Entity>, RepositoryError>;
}

/// How long a new attempt is left to whoever began it. Longer than any step takes with all its
/// retries, so that only the payments of the dead are looked at.
pub const UNATTENDED_AFTER: Duration = Duration::from_mins(10);

/// How long an attempt that follows another one is left to whoever began it. No record asks for it again,
/// so a gateway that is away just then would hold the order up for longer than it is away.
pub const RENEWED_AFTER: Duration = Duration::from_secs(30);

/// The orders, and how far the payment of each is.
///
/// # Contract
/// 1. Every step is one transaction: it is stored whole, durably, before it returns `Ok`, or not at all.
/// 2. Every step may be repeated with the same arguments, by the same or another process, after any
///    error: an answer that was lost does no harm.
/// 3. `save` stores PENDING orders alone: an order is settled by `settle`, never by saving it.
/// 4. `begin` stores an order once, whatever the number of racers, and tells each how far it is.
/// 5. `arm` accepts one reference per attempt; whoever comes later is told the stored one.
/// 6. `settle` stores order, payment and exactly one outcome, or none of the three. A settled order
///    never changes.
/// 7. `park` and `settle` never take a payment back: they replace the states alone that their caller
///    knew of, as [`Transition::replaces`] says.
/// 8. An attempt that was begun is due [`UNATTENDED_AFTER`] later, until it is settled or put under
///    review, because whoever began it may have died. `park` may set another date, nothing removes it.
/// 9. One call that is refused for its data fails alone, whatever else the adapter stores with it.
/// 10. Every step that stores something adds one entry to the journal, in the same transaction: the state
///     that it stored and the evidence that it rests on. Entries are never changed.
#[async_trait]
pub trait OrderRepository: Repository<Order, OrderId> {
    /// Stores the order and its first attempt where they are new, and says how far the order is.
    ///
    /// `flow` counts for a new attempt only; a stored one keeps its own.
    ///
    /// # Errors
    /// [`RepositoryError`]; the order may have been stored, no permission to charge was used.
    async fn begin(&self, request: &PaymentRequest, flow: ChargeFlow, now: Timestamp)
    -> Result<Begun, RepositoryError>;

    /// Stores the gateway's object as the one that may be charged from now on: a compare-and-set on
    /// "this attempt is PREPARING". When it is due stays as it is.
    ///
    /// # Errors
    /// [`RepositoryError`]; the reference may have been stored. It must not be charged by this caller.
    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError>;

    /// Stores the end of a payment, its order and its outcome event, at once.
    ///
    /// # Errors
    /// [`RepositoryError`]; all of it may have been stored, or nothing. Repeat it.
    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError>;

    /// Stores a payment that has to wait, and when it is to be looked at again; where `due` is `None`,
    /// that stays as it is. A payment under review waits for a person and is never due.
    ///
    /// Where the stored payment may not be replaced by this one, nothing is stored and that is no error.
    ///
    /// # Errors
    /// [`RepositoryError`]; the state may have been stored, or not. Repeat it.
    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError>;

    /// Ends an attempt that nobody declined and begins the next one, which is due at once where it is not
    /// PREPARING and [`RENEWED_AFTER`] its beginning otherwise: both or neither.
    ///
    /// Where the stored attempt may not be ended so, is not the order's latest, or its order is settled,
    /// nothing is stored.
    ///
    /// # Errors
    /// [`RepositoryError`]; both may have been stored, or neither. Load the order.
    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError>;

    /// Which end of this order the outbox holds, be it stored by settling or found on the topic.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError>;

    /// Makes the latest attempt of an order due at `now`, unless it has ended or is under review; false
    /// where no such order is known.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may be due, or not. Repeat it.
    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError>;

    /// Takes up to `limit` payments that are due at `now`, oldest first, and puts off each by `lease`,
    /// so that no other worker takes the same ones meanwhile.
    ///
    /// # Errors
    /// [`RepositoryError`]; some payments may have been put off.
    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError>;

    /// An order with its latest attempt, if it is known.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError>;

    /// Up to `limit` orders by id, those after `after` alone where it is given.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError>;

    /// How many orders have each status.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn tally(&self) -> Result<Tally, RepositoryError>;

    /// How many orders wait for the gateway's answer or for a person.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn waiting(&self) -> Result<Waiting, RepositoryError>;

    /// Up to `limit` orders whose latest attempt is under review, by id, those after `after` alone where it
    /// is given.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError>;

    /// Up to `limit` PAID orders that were settled from `since` on, in the order in which they were, those
    /// behind `after` alone where it is given. One that is settled meanwhile may come too late to be among them.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn paid_since(
        &self,
        since: Timestamp,
        after: Option<&PaidAt>,
        limit: usize,
    ) -> Result<Vec<PaidOrder>, RepositoryError>;

    /// The order's journal, oldest first: its attempts' entries and its refunds'.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn journal(&self, id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError>;
}

/// Orders that are held up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Attempts that are UNRESOLVED, FENCING or ABANDONING: the gateway's answer is awaited.
    pub unresolved: u64,
    /// Attempts under REVIEW: a person is awaited.
    pub under_review: u64,
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Whose it is: `payment/1` for the first attempt, `refund/UUID` for a refund.
    pub subject: String,
    /// Its number among those of its subject, from 1, without gaps.
    pub version: u64,
    /// When it was stored, by the storage's clock.
    pub recorded_at: Timestamp,
    /// The state that was stored.
    pub state: String,
    /// What it rests on.
    pub evidence: RecordedEvidence,
}

/// Evidence as it was kept: texts, as a newer version may have written words that this one does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedEvidence {
    /// The requests that were sent, as a JSON array of objects; empty where there were none.
    pub exchanges: String,
    /// The person who decided it, where it was one.
    pub actor: Option<String>,
    /// In a sentence, where more is to be said.
    pub note: Option<String>,
}

/// An order as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// The order.
    pub order: Order,
    /// Its latest attempt; `None` where the order was saved but never asked to be paid.
    pub payment: Option<Payment>,
}

/// A PAID order, and where it stands among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidOrder {
    /// Where.
    pub at: PaidAt,
    /// The order.
    pub stored: StoredOrder,
}

/// Where a PAID order stands among the others: by when it was settled, then by its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaidAt {
    /// When it was settled, by the storage's clock.
    pub settled_at: Timestamp,
    /// Its id.
    pub id: OrderId,
}

/// Orders by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Orders that are PENDING.
    pub pending: u64,
    /// Orders that are PAID.
    pub paid: u64,
    /// Orders that are FAILED.
    pub failed: u64,
}

/// How far an order is when its payment is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// New, or met before the gateway's object was stored.
    Prepare(Payment),
    /// Met further on.
    Met(Standing),
    /// An order of this id is stored with other terms; it stays as it is.
    Contradicts(Box<Order>),
}

/// How far a stored payment is, once it has been prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be charged; if it was already, charging again under the same key is the same charge.
    Armed(Armed),
    /// It waits for reconciliation or for a person.
    Parked(Payment),
    /// Its order is PAID or FAILED.
    Settled(Order),
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewing {
    /// Stored now, or before by the very same call.
    Stored,
    /// The stored attempt is further than the caller knew: whoever moved it on carries on.
    MovedOn,
}

/// What became of a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// Stored now.
    Stored,
    /// The order had this very end already; nothing was added.
    Before,
    /// The order is PENDING, and its payment further than the caller knew: whoever moved it on will
    /// settle it. Nothing was stored.
    MovedOn,
    /// The order has the other end. Nothing was changed: a person must look.
    Contradicts(Order),
    /// The order is PENDING, but its other end was found on the topic, told by someone else. Nothing
    /// was stored: a person must look.
    ToldOtherwise,
}

/// Why a repository could not answer.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// The storage cannot be reached or broke off: the step may or may not be stored. Repeat it.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The storage refused this entity's data: nothing of it is stored, and repeating is useless.
    #[error("the database refused the data of order {order_id:?}")]
    Refused {
        /// The order.
        order_id: String,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another entity with this id is stored: nothing was changed.
    #[error("order {order_id:?} is stored with other data")]
    Conflict {
        /// The order.
        order_id: String,
    },
    /// A stored row cannot be understood: nothing was changed. A newer version may have written it.
    #[error("the stored row of order {order_id:?} cannot be read: {problem}")]
    Corrupt {
        /// The order.
        order_id: String,
        /// Which column, and why.
        problem: String,
    },
}
