//! Whether a payment gateway may be used, as all instances see it, and who changed that.

use async_trait::async_trait;

use crate::domain::evidence::Evidence;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// The gate of each gateway: open, or closed for a reason.
///
/// # Contract
/// 1. A gate that was never changed is open.
/// 2. A change is stored where the gate still has the version that the caller saw, together with its entry
///    in the journal, or not at all.
#[async_trait]
pub trait GateRepository: Send + Sync {
    /// The gate of this gateway.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn gate(&self, gateway: &str) -> Result<Gate, RepositoryError>;

    /// Stores a change; false where someone else changed the gate since `seen`.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been stored. Load the gate.
    async fn change_gate(&self, gateway: &str, seen: u64, change: &GateChange) -> Result<bool, RepositoryError>;

    /// The changes of a gate, oldest first, as entries of the journal under the subject `gate/NAME`.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn gate_journal(&self, gateway: &str) -> Result<Vec<JournalEntry>, RepositoryError>;
}

/// A gate as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// How often it was changed.
    pub version: u64,
    /// Why it is closed; `None` while it is open.
    pub closed: Option<Closed>,
}

/// Why a gate is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// In a sentence; holds nothing private.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who closed it: a person's name, or `None` for the service, which also opens it again by itself.
    pub actor: Option<String>,
}

/// A change of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateChange {
    /// What it becomes: closed, or open.
    pub closed: Option<Closed>,
    /// Who changes it: a person's name, or `None` for the service.
    pub actor: Option<String>,
    /// Why, in a sentence.
    pub note: String,
    /// When.
    pub at: Timestamp,
}

impl GateChange {
    /// What the journal says that the gate became: `CLOSED` or `OPEN`.
    pub const fn state_name(&self) -> &'static str {
        if self.closed.is_some() { "CLOSED" } else { "OPEN" }
    }

    /// What the journal says that the change rests on.
    pub fn evidence(&self) -> Evidence {
        Evidence { actor: self.actor.clone(), note: Some(self.note.clone()), ..Evidence::default() }
    }
}
