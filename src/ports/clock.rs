//! The time, so that tests can own it.

use crate::domain::timestamp::Timestamp;

/// Tells the time.
///
/// # Contract
/// 1. `now` is UTC and never blocks.
/// 2. It may be set back by an operator: nothing that guards money may rest on it alone.
pub trait Clock: Send + Sync {
    /// The moment now.
    fn now(&self) -> Timestamp;
}
