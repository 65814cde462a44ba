//! The payment provider Stripe, and whatever speaks as it does.
//!
//! ```text
//! gateway ──► wire (forms) ──► client ──► HTTP
//!    ▲                            │
//!    └── Class ◄── classify ◄── observation
//!
//! webhook ──► Hint: where to look now
//! ```
//!
//! Only `client` touches the network and only `classify` decides what an answer means. Neither key,
//! e-mail address nor body ever reaches an error, a log or a `Debug` output.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use thiserror::Error;
use url::Url;

mod class;
mod classify;
mod client;
mod currency;
mod declines;
mod gateway;
mod journal;
mod observation;
mod rate;
pub mod webhook;
mod wire;

pub use gateway::{StripeGateway, measured};

/// How Stripe is reached.
#[derive(Clone)]
pub struct Config {
    /// Where the API is, as `https://api.stripe.com`.
    pub api_base: Url,
    /// The secret key: `sk_live_…`, `sk_test_…`, or a restricted `rk_…`.
    pub api_key: SecretString,
    /// How long a connection may take to be made. Shorter than `timeout`, or else a provider that cannot
    /// be reached looks like an answer that was lost, which is safe, but has to be looked up.
    pub connect_timeout: Duration,
    /// How long one try may take, connection and answer together.
    pub timeout: Duration,
    /// How often one request is sent at the most, at least 1.
    pub max_tries: u32,
    /// Requests sent per second at the most, 0 for no limit.
    pub requests_per_second: u32,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The base may carry a user and a password before its host.
        formatter
            .debug_struct("Config")
            .field("host", &self.api_base.host_str())
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("max_tries", &self.max_tries)
            .field("requests_per_second", &self.requests_per_second)
            .finish_non_exhaustive()
    }
}

/// Why the gateway cannot be set up. Nothing was sent.
#[derive(Debug, Error)]
pub enum SetupError {
    /// Empty, or with characters that no key has.
    #[error("gateway.stripe.api_key is not an API key")]
    ApiKey,
    /// Not an address of a web server.
    #[error("gateway.stripe.api_base must be an http or https address without user, query or fragment")]
    ApiBase,
    /// A live key would be readable by everyone on the way.
    #[error("gateway.stripe.api_base must be https where gateway.stripe.api_key is a live key")]
    LiveKeyInTheClear,
    /// The HTTP client could not be made, as where the system has no root certificates.
    #[error("the HTTP client for the payment gateway cannot be made")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}
