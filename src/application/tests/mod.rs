//! Tests of the use cases together, on a stage in memory.

mod gate;
mod old_events;
mod refunds;
mod review;
pub(crate) mod stage;
mod sweep;
mod unknowns;
