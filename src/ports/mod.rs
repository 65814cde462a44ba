//! What the application needs from the outside world: one trait and its error in each file.
//!
//! Ports speak domain types only. An adapter maps every foreign error to the port's own, whose
//! variants answer one question: what may the caller safely do now?

pub mod audit_trail;
pub mod clock;
pub mod event_publisher;
pub mod finding_repository;
pub mod gate_repository;
pub mod history_repository;
pub mod order_repository;
pub mod order_waits;
pub mod outbox;
pub mod payment_gateway;
pub mod position_repository;
pub mod refund_repository;
pub mod store;
