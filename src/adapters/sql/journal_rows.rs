//! An entry of the journal as a row of `journal`, and what a step writes there.

use std::borrow::Cow;

use sqlx::FromRow;

use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::storable;
use crate::adapters::wire::exchanges::encode;
use crate::domain::evidence::Evidence;
use crate::ports::order_repository::{JournalEntry, RecordedEvidence};

/// The columns of `journal` that make an entry, but for the order.
#[derive(FromRow)]
pub struct JournalRow {
    subject: String,
    version: i64,
    recorded_at: Moment,
    state: String,
    exchanges: Option<String>,
    actor: Option<String>,
    note: Option<String>,
}

impl JournalRow {
    /// The entry of this row. Whatever it says can be shown: nothing is read into it.
    pub fn read(self) -> JournalEntry {
        let exchanges = self.exchanges.unwrap_or_default();
        JournalEntry {
            subject: self.subject,
            version: self.version.unsigned_abs(),
            recorded_at: self.recorded_at.0,
            state: self.state,
            evidence: RecordedEvidence { exchanges, actor: self.actor, note: self.note },
        }
    }
}

/// The columns of `journal` that say what a step rests on.
pub struct EvidenceRow<'step> {
    pub(crate) exchanges: Option<String>,
    pub(crate) actor: Option<Cow<'step, str>>,
    pub(crate) note: Option<Cow<'step, str>>,
}

impl<'step> EvidenceRow<'step> {
    /// The columns of this evidence; those that it has no value for are null.
    pub fn of(evidence: &'step Evidence) -> Self {
        let (actor, note) = (evidence.actor.as_deref().map(storable), evidence.note.as_deref().map(storable));
        Self { exchanges: encode(&evidence.exchanges), actor, note }
    }
}
