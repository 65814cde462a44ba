//! The use cases: what the service does, in the order in which it does it. Ports only, no technology.

pub mod history;
pub mod process_payment;
pub mod reconcile;
pub mod relay_outbox;
