//! order-payments turns `payment-requested` events into exactly one payment and exactly one outcome
//! event per order.
//!
//! ```text
//! Kafka ─► consumer ─► wire ─► lane of its order ─► ProcessPayment
//!            ▲           └ not understood ─► dead letter   │ begin    (db)  order and attempt stored
//!            │                                             │ prepare  (net) gateway object, no money moves
//!    commit watermark ◄── offsets ◄── settled or parked ◄──┤ arm      (db)  reference stored
//!                                                          │ charge   (net) money may move
//!                                                          ▼ settle   (db)  order, payment, outcome
//!                     Kafka ◄── publisher ◄── RelayOutbox ◄── outbox
//! ```
//!
//! Four layers, every arrow inwards: [`domain`] ← [`ports`] ← [`application`] ← [`adapters`].

pub mod adapters;
pub mod app;
pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod ports;
pub mod telemetry;
