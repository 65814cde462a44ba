//! From the settings to each adapter's own configuration. Says nothing twice, decides nothing.

use std::sync::Arc;

use secrecy::SecretString;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::sql::config::Config as DatabaseConfig;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::wire::request::DecodeOptions;
use crate::adapters::{kafka, stripe};
use crate::app::Store;
use crate::config::{DatabaseSettings, DatabaseUrl, FirstStart, GatewaySettings, Settings, StripeAccount};
use crate::ports::clock::Clock;
use crate::ports::order_repository::OrderRepository;
use crate::ports::outbox::Outbox;

/// What `kafka.brokers` says where the broker runs in this process.
pub(super) const EMBEDDED: &str = "embedded";

/// The storage that the settings name.
///
/// # Errors
/// Where it cannot be reached, is not durable, or is not migrated.
pub async fn open_store(settings: &DatabaseSettings, clock: &Arc<dyn Clock>) -> anyhow::Result<Store> {
    Ok(match &settings.url {
        DatabaseUrl::Postgres(url) => store(PostgresOrderRepository::connect(&database_config(settings, url)).await?),
        DatabaseUrl::Sqlite(url) => store(SqliteOrderRepository::connect(&database_config(settings, url)).await?),
        DatabaseUrl::Memory => store(MemoryOrderRepository::new(Arc::clone(clock))),
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

fn store<Repository: OrderRepository + Outbox + 'static>(repository: Repository) -> Store {
    let repository = Arc::new(repository);
    Store { orders: repository.clone(), outbox: repository }
}

fn database_config(settings: &DatabaseSettings, url: &SecretString) -> DatabaseConfig {
    DatabaseConfig { url: url.clone(), max_connections: settings.max_connections }
}

/// How Kafka is reached.
pub fn kafka_config(settings: &Settings) -> kafka::Config {
    let kafka = settings.kafka.clone();
    kafka::Config {
        brokers: kafka.brokers,
        group_id: kafka.group_id,
        request_topic: kafka.request_topic,
        outcome_topic: kafka.outcome_topic,
        dead_letter_topic: kafka.dead_letter_topic,
        first_start: match kafka.first_start {
            FirstStart::Earliest => kafka::FirstStart::Earliest,
            FirstStart::Latest => kafka::FirstStart::Latest,
        },
        create_topics: kafka.create_topics,
        new_topic_partitions: kafka.new_topic_partitions,
        new_topic_replication: kafka.new_topic_replication,
        session_timeout: kafka.session_timeout,
        commit_interval: kafka.commit_interval,
        drain_timeout: kafka.drain_timeout,
        max_held_bytes: kafka.max_held_bytes,
        client: kafka.client,
    }
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
