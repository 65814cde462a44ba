//! Adapters that keep everything in this process: for tests, for learning, for an embedded trial.

mod audit;
pub mod clock;
pub mod event_publisher;
mod findings;
mod gates;
mod history;
mod journal;
pub mod order_repository;
mod outbox;
pub mod payment_gateway;
mod positions;
mod refunds;
mod tables;
mod waits;
