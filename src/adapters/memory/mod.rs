//! Adapters that keep everything in this process: for tests, for learning, for an embedded trial.

pub mod clock;
pub mod payment_gateway;
