//! Pruning in memory.

use async_trait::async_trait;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::adapters::memory::refunds::StoredRefund;
use crate::adapters::memory::tables::{Entry, Tables};
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::history_repository::{HistoryRepository, PrunedPage, Removal, Removed};
use crate::ports::order_repository::RepositoryError;

#[async_trait]
impl HistoryRepository for MemoryOrderRepository {
    async fn prune(
        &self,
        before: Timestamp,
        after: Option<&OrderId>,
        limit: usize,
        removal: Removal,
    ) -> Result<PrunedPage, RepositoryError> {
        let mut tables = self.tables();
        let behind = |id: &&OrderId| after.is_none_or(|after| *id > after);
        let page: Vec<OrderId> = tables.orders.keys().filter(behind).take(limit).cloned().collect();
        let ended: Vec<&OrderId> = page.iter().filter(|id| tables.have_ended(id, before)).collect();
        let counted = ended.iter().map(|id| tables.history_of(id));
        let removed = counted.fold(Removed::default(), Removed::and);
        if removal == Removal::Remove {
            for id in ended {
                tables.forget(id);
            }
        }
        Ok(PrunedPage { last: page.last().cloned(), seen: page.len() as u64, removed })
    }
}

impl Tables {
    /// Whether everything of this order has ended, and nothing was stored for it since then.
    fn have_ended(&self, id: &OrderId, before: Timestamp) -> bool {
        let is_old = |entry: &Entry| entry.settled_at.is_some_and(|settled_at| settled_at < before);
        let rest = |entry: &Entry| entry.attempts.iter().all(|attempt| attempt.due.is_none() && attempt.has_ended());
        let has_history = |entry: &Entry| !entry.attempts.is_empty() || self.events.of(id).next().is_some();
        self.orders.get(id).is_some_and(|entry| is_old(entry) && rest(entry) && has_history(entry))
            && self.refunds.values().filter(|stored| stored.is_of(id)).all(StoredRefund::has_ended)
            && self.findings.values().filter(|stored| stored.is_about(id)).all(|stored| stored.ended_before(before))
            && self.events.of(id).all(|is_published| is_published)
            && self.journal.of(id.as_str()).iter().all(|entry| entry.recorded_at < before)
    }

    fn history_of(&self, id: &OrderId) -> Removed {
        Removed {
            orders: 1,
            payments: self.orders.get(id).map_or(0, |entry| entry.attempts.len() as u64),
            outcomes: self.events.of(id).count() as u64,
            refunds: self.refunds.values().filter(|stored| stored.is_of(id)).count() as u64,
            findings: self.findings.values().filter(|stored| stored.is_about(id)).count() as u64,
            journal: self.journal.of(id.as_str()).len() as u64,
        }
    }

    fn forget(&mut self, id: &OrderId) {
        if let Some(entry) = self.orders.get_mut(id) {
            entry.attempts.clear();
        }
        self.events.forget(id);
        self.refunds.retain(|_, stored| !stored.is_of(id));
        self.findings.retain(|_, stored| !stored.is_about(id));
        self.journal.forget(id.as_str());
    }
}
