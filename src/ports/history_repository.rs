//! History that is no longer wanted: what became of orders that were settled long ago.

use async_trait::async_trait;

use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::RepositoryError;

/// What may be removed, and who had it removed.
///
/// # Contract
/// 1. An order stays for good, with its id, terms and status: it is what keeps a request for it from being
///    paid once more, however late and however young it looks. Its attempts, outcomes, refunds, findings and
///    journal may go.
/// 2. They go together, in one transaction, and only where the order was settled before the given moment,
///    each of its attempts and refunds has ended, no finding about it is open, no outcome of it waits to be
///    published, and nothing was stored for it since that moment.
/// 3. One call looks at a bounded number of orders, in the order of their ids, and waits for no one: an order
///    that someone else is just changing stays.
/// 4. A call that observes counts what would go, and removes nothing.
#[async_trait]
pub trait HistoryRepository: Send + Sync {
    /// Removes the history of those among the next `limit` orders behind `after` that were settled before then.
    ///
    /// # Errors
    /// [`RepositoryError`]; all of it may have been removed, or nothing. Repeat it.
    async fn prune(
        &self,
        before: Timestamp,
        after: Option<&OrderId>,
        limit: usize,
        removal: Removal,
    ) -> Result<PrunedPage, RepositoryError>;
}

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is only counted.
    Observe,
    /// It is removed for good.
    Remove,
}

/// What one call has looked at, and removed or counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedPage {
    /// The last order that was looked at; `None` where there is none behind.
    pub last: Option<OrderId>,
    /// Orders that were looked at.
    pub seen: u64,
    /// What was removed.
    pub removed: Removed,
}

/// Rows by what they are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Orders whose history went; they themselves stay.
    pub orders: u64,
    /// Attempts to pay.
    pub payments: u64,
    /// Outcomes that were published.
    pub outcomes: u64,
    /// Refunds that have ended.
    pub refunds: u64,
    /// Findings that were resolved.
    pub findings: u64,
    /// Entries of the journal.
    pub journal: u64,
}

impl Removed {
    /// These and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            orders: self.orders + other.orders,
            payments: self.payments + other.payments,
            outcomes: self.outcomes + other.outcomes,
            refunds: self.refunds + other.refunds,
            findings: self.findings + other.findings,
            journal: self.journal + other.journal,
        }
    }

    /// All rows that went.
    pub fn rows(self) -> u64 {
        self.payments + self.outcomes + self.refunds + self.findings + self.journal
    }
}
