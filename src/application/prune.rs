//! Removes the history of orders that were settled long ago, a little at a time.
//!
//! ```text
//! how long do the topics keep their records? ─► is what is to go older? ─no─► refused, with what to do
//!                                                       │yes
//!            journal: STARTED ─► page by page, each a transaction, at a pace ─► journal: ENDED
//! ```
//! The orders themselves stay: a request for one of them, read again however late, finds it settled.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::sleep;
use uuid::Uuid;

use crate::domain::idempotency::IdempotencyKey;
use crate::domain::timestamp::Timestamp;
use crate::ports::audit_trail::{Act, AuditTrail};
use crate::ports::history_repository::{HistoryRepository, Removal, Removed};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// How long a topic keeps what was written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// So long, at the least.
    For(Duration),
    /// For ever.
    Unlimited,
    /// The latest record of each key, for ever.
    Compacted,
}

/// Something that history is kept for at least as long as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// In words, as `the request topic "payments.requested"`.
    pub what: String,
    /// How long.
    pub keeps: Retention,
    /// What may be done where it is too long.
    pub remedy: &'static str,
}

/// Why history of that age must stay. Nothing was removed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Something is kept for longer.
    #[error("{what} keeps records for {days} days, and history may not be shorter: {remedy}")]
    KeptLonger {
        /// What.
        what: String,
        /// For how many days, rounded up.
        days: u64,
        /// What may be done.
        remedy: &'static str,
    },
    /// Something is kept for ever.
    #[error("{what} keeps {kept} for ever, so that each order may be asked for again at any time: {remedy}")]
    KeptForEver {
        /// What.
        what: String,
        /// Records, or the latest of each key.
        kept: &'static str,
        /// What may be done.
        remedy: &'static str,
    },
}

/// How a run goes about it.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Orders that are looked at in one transaction, 1 to 10000.
    pub batch: usize,
    /// Orders whose history is removed in a second, at the most; 0 for no limit.
    pub orders_per_second: u32,
}

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Orders that were looked at.
    pub seen: u64,
    /// What went.
    pub removed: Removed,
}

/// Who has it done, and why.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// The person.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What was settled before then goes.
    pub before: Timestamp,
}

/// Prunes a store.
pub struct Prune {
    history: Arc<dyn HistoryRepository>,
    audit: Arc<dyn AuditTrail>,
}

/// Nothing younger than this is ever removed, whatever the topics keep: until then a key may still be honoured,
/// and what was sent under it may still arrive.
pub const SHORTEST: Duration = IdempotencyKey::FORGOTTEN_AFTER;

/// Whether history older than that may be removed.
///
/// # Errors
/// [`Refusal`], for the first of these that is kept for longer.
pub fn may_remove(older_than: Duration, keepers: &[Keeper]) -> Result<(), Refusal> {
    const DAY_SECS: u64 = 24 * 60 * 60;
    for Keeper { what, keeps, remedy } in keepers {
        let for_ever = |kept| Refusal::KeptForEver { what: what.clone(), kept, remedy };
        match keeps {
            Retention::For(kept) if *kept <= older_than => {}
            Retention::For(kept) => {
                let days = kept.as_secs().div_ceil(DAY_SECS);
                return Err(Refusal::KeptLonger { what: what.clone(), days, remedy });
            }
            Retention::Unlimited => return Err(for_ever("records")),
            Retention::Compacted => return Err(for_ever("the latest record of each key")),
        }
    }
    Ok(())
}

impl Prune {
    /// Over these ports of one storage.
    pub fn new(history: Arc<dyn HistoryRepository>, audit: Arc<dyn AuditTrail>) -> Self {
        Self { history, audit }
    }

    /// Counts what would go; tells of its progress after each page.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    pub async fn observe(
        &self,
        before: Timestamp,
        batch: usize,
        progress: &(dyn Fn(&Pruned) + Send + Sync),
    ) -> Result<Pruned, RepositoryError> {
        self.pages(before, &Pace { batch, orders_per_second: 0 }, Removal::Observe, progress).await
    }

    /// Removes it, with an entry in the journal before and after; tells of its progress after each page.
    ///
    /// # Errors
    /// [`RepositoryError`]; what was removed stays so, and the next run goes on with the rest.
    pub async fn remove(
        &self,
        instruction: &Instruction,
        pace: &Pace,
        progress: &(dyn Fn(&Pruned) + Send + Sync),
    ) -> Result<Pruned, RepositoryError> {
        let run = Uuid::new_v4();
        let Instruction { actor, reason, before } = instruction;
        let subject = JournalEntry::subject_of_pruning(run);
        let act = |version, state, note| Act { subject: subject.clone(), version, state, actor: actor.clone(), note };
        self.audit.enter(&[act(1, "STARTED", reason.clone())]).await?;
        let pruned = self.pages(*before, pace, Removal::Remove, progress).await?;
        let Removed { orders, .. } = pruned.removed;
        let ended = format!("{} rows of {orders} orders were removed", pruned.removed.rows());
        self.audit.enter(&[act(2, "ENDED", ended)]).await?;
        tracing::info!(prune.run = %run, "pruned: {} rows of {orders} orders", pruned.removed.rows());
        Ok(pruned)
    }

    async fn pages(
        &self,
        before: Timestamp,
        pace: &Pace,
        removal: Removal,
        progress: &(dyn Fn(&Pruned) + Send + Sync),
    ) -> Result<Pruned, RepositoryError> {
        let (mut pruned, mut after) = (Pruned::default(), None);
        loop {
            let page = self.history.prune(before, after.as_ref(), pace.batch, removal).await?;
            pruned = Pruned { seen: pruned.seen + page.seen, removed: pruned.removed.and(page.removed) };
            progress(&pruned);
            if page.last.is_none() {
                return Ok(pruned);
            }
            after = page.last;
            sleep(pace.rest_after(page.removed.orders)).await;
        }
    }
}

impl Pace {
    /// How long to rest once the history of that many orders was removed.
    fn rest_after(&self, orders: u64) -> Duration {
        match u64::from(self.orders_per_second) {
            0 => Duration::ZERO,
            per_second => Duration::from_micros(orders.saturating_mul(1_000_000) / per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn keeper(keeps: Retention) -> Keeper {
        Keeper { what: "the request topic \"r\"".to_owned(), keeps, remedy: "keep more history" }
    }

    #[test]
    fn history_is_never_shorter_than_what_is_kept() {
        assert_eq!(may_remove(7 * DAY, &[keeper(Retention::For(7 * DAY))]), Ok(()));
        let refusal = may_remove(7 * DAY, &[keeper(Retention::For(DAY)), keeper(Retention::For(7 * DAY + DAY / 2))]);
        assert_eq!(
            refusal.expect_err("kept longer").to_string(),
            "the request topic \"r\" keeps records for 8 days, and history may not be shorter: keep more history"
        );
    }

    #[test]
    fn nothing_goes_while_a_topic_keeps_its_records_for_ever() {
        for (keeps, what) in
            [(Retention::Unlimited, "keeps records"), (Retention::Compacted, "latest record of each key")]
        {
            let refusal = may_remove(10_000 * DAY, &[keeper(keeps)]).expect_err("kept for ever").to_string();
            assert!(refusal.contains(what) && refusal.ends_with("keep more history"), "{refusal}");
        }
    }

    #[test]
    fn a_pace_is_kept_by_resting() {
        let pace = |orders_per_second| Pace { batch: 500, orders_per_second };
        assert_eq!(pace(0).rest_after(500), Duration::ZERO);
        assert_eq!(pace(1_000).rest_after(500), Duration::from_millis(500));
        assert_eq!(pace(1_000).rest_after(0), Duration::ZERO, "what was only looked at costs no rest");
    }
}
