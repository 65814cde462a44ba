//! The settings as types, in the words of config/default.toml. What they mean to Kafka, a database or a
//! gateway is those adapters' to say; what lies outside a range never gets past here.

mod gateway;
pub(crate) mod kafka;

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::reader::Reader;
pub use crate::config::settings::gateway::{GatewayKind, GatewaySettings, StripeAccount};
use crate::domain::money::Currency;
use crate::domain::request::ProviderToken;

/// Where orders are kept.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Which database.
    pub url: DatabaseUrl,
    /// Connections held at once, 2 to 100.
    pub max_connections: u32,
}

/// A database by its kind. An address may hold a password.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// `postgres://user:password@host/name`
    Postgres(SecretString),
    /// `sqlite://path/to/file.db`
    Sqlite(SecretString),
    /// Nothing is kept beyond the process.
    Memory,
}

impl DatabaseSettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        const KEY: &str = "database.url";
        let secret = reader.secret(KEY, "database.url_file");
        let is_named = !reader.text("database.url_file").is_empty();
        let url = match secret.map(DatabaseUrl::parse) {
            Some(Some(url)) => url,
            Some(None) => {
                let wanted = "must be postgres://user:password@host/name, sqlite://path/to/file.db or memory:";
                reader.refuse(if is_named { "database.url_file" } else { KEY }, wanted);
                DatabaseUrl::Memory
            }
            None => {
                if !is_named {
                    reader.require(KEY, ", or a file named by database.url_file");
                }
                DatabaseUrl::Memory
            }
        };
        Self { url, max_connections: reader.integer("database.max_connections", 2..=100) }
    }
}

impl DatabaseUrl {
    fn parse(secret: SecretString) -> Option<Self> {
        let text = secret.expose_secret();
        if text == "memory:" {
            return Some(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let has_path = !path.trim_start_matches('/').is_empty();
            return has_path.then_some(Self::Sqlite(secret));
        }
        let is_postgres = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        is_postgres.then_some(Self::Postgres(secret))
    }
}

/// How orders are worked on.
#[derive(Clone, Debug)]
pub struct ProcessingSettings {
    /// Orders that are paid at the same time, 1 to 100000.
    pub max_in_flight: usize,
    /// Currency of requests that name none.
    pub default_currency: Option<Currency>,
    /// Payment method of requests that name none.
    pub default_payment_method: Option<ProviderToken>,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
}

impl ProcessingSettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        const CURRENCY: &str = "processing.default_currency";
        const PAYMENT_METHOD: &str = "processing.default_payment_method";
        let (currency, payment_method) = (reader.text(CURRENCY), reader.text(PAYMENT_METHOD));
        let default_currency = currency.parse().ok();
        if default_currency.is_none() && !currency.is_empty() {
            reader.refuse(CURRENCY, &format!("is \"{currency}\", must be a currency of ISO 4217, as \"EUR\""));
        }
        let default_payment_method = payment_method.parse().ok();
        if default_payment_method.is_none() && !payment_method.is_empty() {
            reader.refuse(PAYMENT_METHOD, "must be the name of a payment method at the gateway, as \"pm_...\"");
        }
        Self {
            max_in_flight: reader.integer("processing.max_in_flight", 1..=100_000),
            default_currency,
            default_payment_method,
            shutdown_timeout: reader.milliseconds("processing.shutdown_timeout_ms", 5_000..=300_000),
        }
    }
}

/// How outcomes are published.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Outcomes published in one transaction, 1 to 10000.
    pub batch_size: usize,
    /// How often the outbox is looked at when nothing rings.
    pub poll_interval: Duration,
    /// After how long of silence another instance takes over.
    pub lease: Duration,
}

impl RelaySettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        Self {
            batch_size: reader.integer("relay.batch_size", 1..=10_000),
            poll_interval: reader.milliseconds("relay.poll_interval_ms", 5..=60_000),
            lease: reader.milliseconds("relay.lease_ms", 1_000..=60_000),
        }
    }
}

/// How payments with an unknown answer are looked up.
#[derive(Clone, Debug)]
pub struct ReconcileSettings {
    /// How often they are looked for.
    pub interval: Duration,
    /// How long a payment rests before it is looked up for the first time.
    pub first_look: Duration,
    /// After how long an outcome that is still unknown is given up for another attempt.
    pub abandon_after: Duration,
    /// How often the gateway's list is compared with the orders.
    pub sweep_interval: Duration,
    /// How far back it is compared.
    pub sweep_window: Duration,
    /// How many are looked up at a time, 1 to 10000.
    pub batch_size: usize,
}

impl ReconcileSettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        Self {
            interval: reader.milliseconds("reconcile.interval_ms", 100..=3_600_000),
            first_look: reader.milliseconds("reconcile.first_look_ms", 100..=3_600_000),
            sweep_interval: reader.milliseconds("reconcile.sweep_interval_ms", 1_000..=86_400_000),
            sweep_window: reader.milliseconds("reconcile.sweep_window_ms", 1_000..=2_592_000_000),
            abandon_after: reader.milliseconds("reconcile.abandon_after_ms", 1_000..=86_400_000),
            batch_size: reader.integer("reconcile.batch_size", 1..=10_000),
        }
    }
}

/// Where health and metrics are served.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The address; `None` for nowhere.
    pub listen: Option<SocketAddr>,
}

impl HttpSettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        const KEY: &str = "http.listen";
        let text = reader.text(KEY);
        let listen = text.parse().ok();
        if listen.is_none() && !text.is_empty() {
            reader.refuse(KEY, &format!("is \"{text}\", must be an address and a port, as 127.0.0.1:8080, or empty"));
        }
        Self { listen }
    }
}

/// How logs are written.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// For whom.
    pub log_format: LogFormat,
    /// What, in the words of `RUST_LOG`.
    pub log_filter: String,
}

/// Who reads the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// People.
    Text,
    /// Machines.
    Json,
}

impl TelemetrySettings {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        Self {
            log_format: reader.choice("telemetry.log_format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
            log_filter: reader.name("telemetry.log_filter"),
        }
    }
}
