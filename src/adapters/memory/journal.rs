//! The journal in memory: what was stored, when, and what it rests on. Entries are only ever added.

use std::collections::HashMap;

use crate::adapters::wire::exchanges::recorded;
use crate::domain::evidence::Evidence;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::JournalEntry;

/// Whose the entries are that belong to no order.
pub(in crate::adapters::memory) const NO_ORDER: &str = "";

/// The entries by order, oldest first.
#[derive(Clone, Default)]
pub(in crate::adapters::memory) struct Journal(HashMap<String, Vec<JournalEntry>>);

impl Journal {
    pub(in crate::adapters::memory) fn add(
        &mut self,
        owner: &str,
        subject: String,
        version: u64,
        recorded_at: Timestamp,
        state: &str,
        evidence: &Evidence,
    ) {
        let (state, evidence) = (state.to_owned(), recorded(evidence));
        let entry = JournalEntry { subject, version, recorded_at, state, evidence };
        self.0.entry(owner.to_owned()).or_default().push(entry);
    }

    pub(in crate::adapters::memory) fn forget(&mut self, owner: &str) {
        self.0.remove(owner);
    }

    pub(in crate::adapters::memory) fn of(&self, owner: &str) -> &[JournalEntry] {
        self.0.get(owner).map(Vec::as_slice).unwrap_or_default()
    }
}
