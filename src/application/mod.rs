//! The use cases: what the service does, in the order in which it does it. Ports only, no technology.

pub mod dead_letters;
pub mod gatekeeper;
pub mod guarded_gateway;
pub mod history;
pub mod process_payment;
pub mod prune;
pub mod reconcile;
pub mod refund_payment;
pub mod relay_outbox;
pub mod replay;
pub mod review;
pub(crate) mod sparingly;
pub mod sweep;

#[cfg(test)]
mod tests;
