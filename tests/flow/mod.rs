//! The main job on real servers: the real program, real Kafka, real PostgreSQL, a gateway over HTTP.
//!
//! The witnesses are not the product's own: a plain reader of the topics, plain SQL, and the ledger
//! of the simulated provider.

mod bad_input;
mod commands;
mod group;
mod main_job;
mod operation;
mod restored;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::simulator::provider::ProviderConfig;
use order_payments::adapters::simulator::server::{Simulator, SimulatorConfig};
use order_payments::adapters::system::SystemClock;
use order_payments::ports::clock::Clock;
use serde_json::Value;

use crate::support::kafka::Topics;
use crate::support::postgres::Database;
use crate::support::service::Setup;
use crate::support::{eventually, unique};

/// A real deployment of one test.
pub(crate) struct Stage {
    pub(crate) setup: Setup,
    pub(crate) simulator: Simulator,
}

impl Stage {
    pub(crate) async fn new(charge_flow: &'static str, decline_share: f64) -> Self {
        let provider = ProviderConfig { decline_share, ..ProviderConfig::default() };
        let config = SimulatorConfig { provider, ..SimulatorConfig::default() };
        Self::with(config, Arc::new(SystemClock), charge_flow).await
    }

    /// The same before a gateway that is set up so, and has this clock.
    pub(crate) async fn with(config: SimulatorConfig, clock: Arc<dyn Clock>, charge_flow: &'static str) -> Self {
        let simulator = Simulator::start(config, clock).expect("a free port");
        let (topics, database) = (Topics::create().await, Database::create().await);
        let gateway_url = simulator.url();
        // A killed member's partitions are free again after this long; the default is ten seconds.
        let further = vec![("KAFKA__SESSION_TIMEOUT_MS", "6000".to_owned())];
        let setup = Setup { topics, database, gateway_url, group: unique("group"), charge_flow, further };
        setup.migrate().await;
        Self { setup, simulator }
    }

    /// Waits until every request is committed, no order is pending and every outcome is published.
    pub(crate) async fn settled(&self, orders: usize, patience: Duration) {
        eventually("every order settled", patience, async || {
            let statuses = self.setup.database.statuses().await;
            let total: i64 = statuses.values().sum();
            let done = total == i64::try_from(orders).expect("few orders") && !statuses.contains_key("PENDING");
            (done && self.setup.topics.lag(&self.setup.group) == 0 && self.published() >= orders).then_some(())
        })
        .await;
    }

    fn published(&self) -> usize {
        self.setup.topics.read(&self.setup.topics.outcomes).len()
    }

    /// Reads every witness.
    pub(crate) async fn account(&self) -> Account {
        let mut outcomes: HashMap<String, Vec<String>> = HashMap::new();
        for seen in self.setup.topics.read(&self.setup.topics.outcomes) {
            let kind = seen.header("ce_type").expect("every outcome has a type").to_owned();
            outcomes.entry(seen.key).or_default().push(kind);
        }
        Account {
            outcomes,
            statuses: self.setup.database.statuses().await,
            ledger: serde_json::to_value(self.simulator.provider().totals()).expect("a ledger is JSON"),
            dead_letters: self.setup.topics.read(&self.setup.topics.dead_letters).len(),
        }
    }
}

/// What the witnesses say.
#[derive(Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) outcomes: HashMap<String, Vec<String>>,
    pub(crate) statuses: BTreeMap<String, i64>,
    pub(crate) ledger: Value,
    pub(crate) dead_letters: usize,
}

impl Account {
    /// How many orders have exactly one outcome, of this type.
    pub(crate) fn with_one(&self, kind: &str) -> i64 {
        let count = self.outcomes.values().filter(|kinds| kinds.as_slice() == [kind]).count();
        i64::try_from(count).expect("few orders")
    }

    pub(crate) fn ledger(&self, name: &str) -> i64 {
        self.ledger[name].as_i64().unwrap_or_else(|| panic!("the ledger has no {name}: {}", self.ledger))
    }

    /// Every order has one outcome, as the store and the gateway have it, and none was charged twice.
    pub(crate) fn assert_balanced(&self, orders: i64) {
        let (paid, failed) = (self.with_one("payment-paid"), self.with_one("payment-failed"));
        assert_eq!(paid + failed, orders, "orders with exactly one outcome");
        assert_eq!(self.outcomes.len(), usize::try_from(orders).expect("positive"), "orders with any outcome");
        assert_eq!(self.statuses.get("PAID").copied().unwrap_or(0), paid, "PAID in the store");
        assert_eq!(self.statuses.get("FAILED").copied().unwrap_or(0), failed, "FAILED in the store");
        assert_eq!(self.ledger("charges"), paid, "successful charges in the ledger");
        assert_eq!(self.ledger("double_charged"), 0, "orders charged twice");
        assert_eq!(self.ledger("without_key"), 0, "charge requests without an idempotency key");
        assert_eq!(self.ledger("mismatches"), 0, "keys that were sent with two bodies");
    }
}
