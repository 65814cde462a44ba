//! The entries of the journal that belong to no order.

use async_trait::async_trait;

use crate::adapters::memory::journal::NO_ORDER;
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::evidence::Evidence;
use crate::domain::timestamp::Timestamp;
use crate::ports::audit_trail::{Act, AuditTrail};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl AuditTrail for MemoryOrderRepository {
    async fn enter(&self, acts: &[Act]) -> Result<Vec<bool>, RepositoryError> {
        let now = self.clock.now();
        let journal = &mut self.tables().journal;
        let mut entered = Vec::with_capacity(acts.len());
        for Act { subject, version, state, actor, note } in acts {
            let is_known = |known: &JournalEntry| known.subject == *subject && known.version == *version;
            let is_new = !journal.of(NO_ORDER).iter().any(is_known);
            if is_new {
                journal.add(NO_ORDER, subject.clone(), *version, now, state, &Evidence::decided(actor, note));
            }
            entered.push(is_new);
        }
        Ok(entered)
    }

    async fn entries_under(&self, prefix: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        let tables = self.tables();
        let under = tables.journal.of(NO_ORDER).iter().filter(|entry| entry.subject.starts_with(prefix));
        let mut entries: Vec<JournalEntry> = under.cloned().collect();
        entries.sort_by(|one, other| (&one.subject, one.version).cmp(&(&other.subject, other.version)));
        Ok(entries)
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        Ok(self.clock.now())
    }
}
