//! Tests of the use cases together, on a stage in memory.

mod dead_letters;
mod gate;
mod old_events;
mod refunds;
mod review;
pub(crate) mod stage;
mod sweep;
mod unknowns;
