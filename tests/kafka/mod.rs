//! The Kafka adapter, against librdkafka's mock cluster and against a real broker.

mod consumer;
mod outage;
mod publisher;
mod rebalance;
mod support;
mod topics;
