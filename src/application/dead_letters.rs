//! What was decided about dead letters, by whom: each is decided once, and no decision is taken back.
//!
//! ```text
//! open ──► REDRIVING ──confirmed──► REDRIVEN
//!  │           ├──the cluster refuses it──► RETURNED: open again
//!  │           └──nothing for GIVEN_UP_AFTER: whoever did it is dead──► REDRIVING, by another
//!  └─────► DISCARDED
//! ```
//! Each step is the next version of the letter's subject: of those who saw the same one alone takes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::timestamp::Timestamp;
use crate::ports::audit_trail::{Act, AuditTrail};
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// How long a redrive may be silent about a letter before it is taken over: longer than a batch is sent, and than
/// the client tries to deliver it.
pub const GIVEN_UP_AFTER: Duration = Duration::from_mins(2);

const REDRIVING: &str = "REDRIVING";
const REDRIVEN: &str = "REDRIVEN";
const RETURNED: &str = "RETURNED";
const DISCARDED: &str = "DISCARDED";

/// A dead letter, by where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LetterId {
    /// Its partition of the dead-letter topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was written.
    pub written_at: Option<Timestamp>,
}

/// How far a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nobody has decided about it.
    Open,
    /// Someone is sending it again just now.
    Redriving,
    /// Someone began to send it again and has not ended: it may have been sent.
    Interrupted,
    /// It was sent again.
    Redriven,
    /// It was left where it is, for good.
    Discarded,
}

impl Standing {
    /// Its name in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriving => "redriving",
            Self::Interrupted => "interrupted",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }

    /// Whether it has still to be dealt with.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Redriving | Self::Interrupted)
    }
}

/// What becomes of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It will be sent again.
    Redrive,
    /// It stays where it is.
    Discard,
}

/// What came of sending a letter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The topic has it.
    Confirmed,
    /// The cluster refuses it: it was not written.
    Refused,
}

/// The decisions about the letters of one topic, as they were when they were read.
pub struct Decisions {
    audit: Arc<dyn AuditTrail>,
    topic: String,
    by_subject: HashMap<String, Vec<JournalEntry>>,
    /// By the clock that dates the entries: that of whoever calls may be off by more than `GIVEN_UP_AFTER`.
    read_at: Timestamp,
}

impl Decisions {
    /// Reads what was decided about the letters of `topic`.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    pub async fn read(audit: Arc<dyn AuditTrail>, topic: &str) -> Result<Self, RepositoryError> {
        // Before the entries: so none of them seems older than it is.
        let read_at = audit.now().await?;
        let mut by_subject: HashMap<String, Vec<JournalEntry>> = HashMap::new();
        for entry in audit.entries_under(&JournalEntry::subjects_of_letters(topic)).await? {
            by_subject.entry(entry.subject.clone()).or_default().push(entry);
        }
        Ok(Self { audit, topic: topic.to_owned(), by_subject, read_at })
    }

    /// What was done to a letter, oldest first.
    pub fn history(&self, id: &LetterId) -> &[JournalEntry] {
        self.by_subject.get(&self.subject(id)).map_or(&[], Vec::as_slice)
    }

    /// How far a letter was when this was read.
    pub fn standing(&self, id: &LetterId) -> Standing {
        let Some(last) = self.history(id).last() else { return Standing::Open };
        match last.state.as_str() {
            RETURNED => Standing::Open,
            REDRIVING if self.read_at.since(last.recorded_at) < GIVEN_UP_AFTER => Standing::Redriving,
            REDRIVING => Standing::Interrupted,
            DISCARDED => Standing::Discarded,
            // Words of a newer version as well: whatever it was, it was decided.
            _ => Standing::Redriven,
        }
    }

    /// Decides about letters that are open or interrupted. One answer for each, in their order: whether it is
    /// decided so by this very call. The others were decided by someone else meanwhile.
    ///
    /// # Errors
    /// [`RepositoryError`]; all of them may be decided so, or none.
    pub async fn decide(
        &self,
        ids: &[LetterId],
        decision: Decision,
        actor: &str,
        reason: &str,
    ) -> Result<Vec<bool>, RepositoryError> {
        let state = match decision {
            Decision::Redrive => REDRIVING,
            Decision::Discard => DISCARDED,
        };
        let acts: Vec<Act> = ids.iter().map(|id| self.act(id, 1, state, actor, reason.to_owned())).collect();
        self.audit.enter(&acts).await
    }

    /// Keeps what came of letters that this command has decided to send again, with a note on each.
    ///
    /// # Errors
    /// [`RepositoryError`]; what is not kept is sent again by whoever repeats the command.
    pub async fn conclude(&self, ends: &[(LetterId, Sent, String)], actor: &str) -> Result<(), RepositoryError> {
        let act = |(id, sent, note): &(LetterId, Sent, String)| {
            let state = match sent {
                Sent::Confirmed => REDRIVEN,
                Sent::Refused => RETURNED,
            };
            self.act(id, 2, state, actor, note.clone())
        };
        // Where someone has taken it over meanwhile, that one's end is kept.
        self.audit.enter(&ends.iter().map(act).collect::<Vec<_>>()).await.map(|_| ())
    }

    fn act(&self, id: &LetterId, steps: u64, state: &'static str, actor: &str, note: String) -> Act {
        let last = self.history(id).last().map_or(0, |entry| entry.version);
        Act { subject: self.subject(id), version: last + steps, state, actor: actor.to_owned(), note }
    }

    fn subject(&self, id: &LetterId) -> String {
        let millis = id.written_at.map_or(-1, |moment| moment.as_micros().div_euclid(1_000));
        JournalEntry::subject_of_letter(&self.topic, id.partition, id.offset, millis)
    }
}
