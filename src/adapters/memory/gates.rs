//! The gates in memory.

use async_trait::async_trait;

use crate::adapters::memory::journal::NO_ORDER;
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::adapters::memory::tables::Tables;
use crate::ports::gate_repository::{Gate, GateChange, GateRepository};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

#[async_trait]
impl GateRepository for MemoryOrderRepository {
    async fn gate(&self, gateway: &str) -> Result<Gate, RepositoryError> {
        Ok(self.tables().gates.get(gateway).cloned().unwrap_or_default())
    }

    async fn change_gate(&self, gateway: &str, seen: u64, change: &GateChange) -> Result<bool, RepositoryError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let Tables { gates, journal, .. } = &mut *tables;
        let gate = gates.entry(gateway.to_owned()).or_default();
        if gate.version != seen {
            return Ok(false);
        }
        *gate = Gate { version: seen + 1, closed: change.closed.clone() };
        journal.add(
            NO_ORDER,
            JournalEntry::subject_of_gate(gateway),
            gate.version,
            now,
            change.state_name(),
            &change.evidence(),
        );
        Ok(true)
    }

    async fn gate_journal(&self, gateway: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        let (tables, subject) = (self.tables(), JournalEntry::subject_of_gate(gateway));
        let entries = tables.journal.of(NO_ORDER).iter().filter(|entry| entry.subject == subject);
        Ok(entries.cloned().collect())
    }
}
