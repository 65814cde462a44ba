//! The Kafka adapter, against librdkafka's mock cluster and against a real broker.

mod breakable;
mod consumer;
mod fairness;
mod fakes;
mod members;
mod outage;
mod positions;
mod publisher;
mod rebalance;
mod relay;
mod stalls;
mod support;
mod topics;
mod valve;
