//! The events as they are published: CloudEvents 1.0, Kafka binding.
//!
//! Shared by every adapter that reads or stores an event, and by the JSON Schemas.

pub mod cloud_event;
pub mod exchanges;
pub mod lint;
pub mod outcome;
pub mod refund;
pub mod rejection;
pub mod request;
pub mod schema;
