//! From the settings to each adapter's own configuration. Says nothing twice, decides nothing.

use std::sync::Arc;

use secrecy::SecretString;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::sql::config::Config as DatabaseConfig;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::stripe;
use crate::adapters::wire::request::DecodeOptions;
use crate::config::{DatabaseSettings, DatabaseUrl, GatewaySettings, Settings, StripeAccount};
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// What `kafka.brokers` says where the broker runs in this process.
pub(super) const EMBEDDED: &str = "embedded";

/// The storage that the settings name.
///
/// # Errors
/// Where it cannot be reached, is not durable, or is not migrated.
pub async fn open_store(settings: &DatabaseSettings, clock: &Arc<dyn Clock>) -> anyhow::Result<Store> {
    Ok(match &settings.url {
        DatabaseUrl::Postgres(url) => {
            Store::of(PostgresOrderRepository::connect(&database_config(settings, url)).await?)
        }
        DatabaseUrl::Sqlite(url) => Store::of(SqliteOrderRepository::connect(&database_config(settings, url)).await?),
        DatabaseUrl::Memory => Store::of(MemoryOrderRepository::new(Arc::clone(clock))),
    })
}

/// Creates or upgrades the tables of the storage that the settings name.
///
/// # Errors
/// Where it cannot be reached or upgraded; repeating is safe.
pub async fn migrate(settings: &DatabaseSettings) -> anyhow::Result<()> {
    match &settings.url {
        DatabaseUrl::Postgres(url) => PostgresOrderRepository::migrate(&database_config(settings, url)).await?,
        DatabaseUrl::Sqlite(url) => SqliteOrderRepository::migrate(&database_config(settings, url)).await?,
        DatabaseUrl::Memory => {}
    }
    Ok(())
}

fn database_config(settings: &DatabaseSettings, url: &SecretString) -> DatabaseConfig {
    DatabaseConfig { url: url.clone(), max_connections: settings.max_connections }
}

/// How Stripe, or what speaks as it does, is reached with this account.
pub(super) fn stripe_config(settings: &GatewaySettings, account: StripeAccount) -> stripe::Config {
    stripe::Config {
        api_base: account.api_base,
        api_key: account.api_key,
        connect_timeout: settings.connect_timeout,
        timeout: settings.timeout,
        max_tries: settings.max_tries,
        requests_per_second: settings.requests_per_second,
    }
}

/// What is assumed where a request says nothing.
pub fn decode_options(settings: &Settings) -> DecodeOptions {
    DecodeOptions {
        default_currency: settings.processing.default_currency,
        default_payment_method: settings.processing.default_payment_method.clone(),
    }
}
