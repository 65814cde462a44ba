//! Kafka: requests in, dead letters and outcomes out. Only here is librdkafka known.
//!
//! ```text
//! poll thread ──records──► dispatcher ──► lane of each order ──► RequestHandler | dead letter
//!      ▲                                                              │
//!      └── offset tracker ◄──────────── completions ◄─────────────────┘
//! ```

mod age;
mod arrivals;
mod backoff;
mod books;
mod budget;
pub mod client;
mod committer;
pub mod config;
pub mod consumer;
pub mod dead_letter;
pub mod embedded;
mod found;
mod group;
pub(crate) mod group_state;
pub mod handler;
mod holdings;
mod lag;
pub mod lanes;
pub mod letters;
mod membership;
pub mod offsets;
mod patience;
mod poller;
mod positions;
pub mod publisher;
pub mod reader;
mod record;
pub mod requests;
pub mod resender;
pub(crate) mod reset;
pub mod restore;
pub mod retention;
pub mod scan;
pub mod selection;
mod shares;
mod stalls;
pub(crate) mod standing;
pub(crate) mod starts;
pub mod status;
mod tail;
mod threads;
pub mod topics;
mod turns;
mod workshop;

pub use client::SetupError;
pub use config::{Assignment, Config, FirstStart, GroupProtocol};
pub use consumer::{ConsumerError, Intake, PaymentConsumer};
pub use dead_letter::DeadLetters;
pub use embedded::EmbeddedBroker;
pub use lanes::{Handling, RequestHandler};
pub use publisher::KafkaEventPublisher;
pub use restore::RestoreGuard;
pub use status::{ConsumerStatus, StatusHandle};
pub use topics::ensure_topics;
