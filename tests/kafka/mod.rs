//! The Kafka adapter, against librdkafka's mock cluster and against a real broker.

mod consumer;
mod fairness;
mod fakes;
mod outage;
mod positions;
mod publisher;
mod rebalance;
mod relay;
mod support;
mod topics;
mod valve;
