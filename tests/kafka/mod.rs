//! The Kafka adapter, against librdkafka's mock cluster and against a real broker.

mod consumer;
#[path = "../contract/event_publisher.rs"]
mod event_publisher;
mod publisher;
mod rebalance;
mod support;
mod topics;
