//! Tests of the use cases together, on a stage in memory.

mod old_events;
pub(crate) mod stage;
mod unknowns;
