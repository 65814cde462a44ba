//! What one run happens on: new topics, a new database, a gateway; and what it all cost.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::chaos::checker::Evidence;
use crate::chaos::evidence::gather;
use crate::chaos::load::{body, order_id, requested};
use crate::gateway::Gateway;
use crate::options::Options;
use crate::processes::{Cpu, cpu_of, cpu_of_machine, cpu_of_this};
use crate::servers::Servers;
use crate::support::kafka::Topics;
use crate::support::postgres::Database;
use crate::support::service::{Service, Setup};
use crate::support::unique;
use crate::written::Written;

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Of every topic: as many for each of one, two, three, four or six instances.
pub(crate) const PARTITIONS: i32 = 12;

/// Records that are handed to one producer: fewer than its queue holds.
const CHUNK: usize = 20_000;

/// Everything of one run but the instances.
pub(crate) struct Stage {
    servers: Servers,
    pub(crate) setup: Setup,
    gateway: Gateway,
}

impl Stage {
    /// Empty topics, empty tables, and a gateway that answers after this long.
    pub(crate) async fn set(servers: &Servers, options: &Options, charge_flow: &'static str, gateway_ms: u64) -> Self {
        let topics = empty_topics(servers).await;
        let database = Database::create_at(&servers.postgres_url).await;
        let gateway = Gateway::start(gateway_ms).await;
        let (group, gateway_url) = (unique("bench"), gateway.url.clone());
        let further = options.max_in_flight.map(|most| ("PROCESSING__MAX_IN_FLIGHT", most.to_string()));
        let further = further.into_iter().collect();
        let setup = Setup { topics, database, gateway_url, group, charge_flow, further };
        setup.migrate().await;
        // So that every run begins alike: what earlier ones left to be written is written.
        ask(&servers.postgres_url, "CHECKPOINT".to_owned()).await;
        Self { servers: servers.clone(), setup, gateway }
    }

    /// Starts so many instances.
    pub(crate) fn start(&self, instances: usize) -> Vec<Service> {
        (0..instances).map(|_| self.setup.start()).collect()
    }

    /// CPU time up to now.
    pub(crate) fn cpu(&self, instances: &[Service]) -> Cpu {
        Cpu {
            service: instances.iter().map(|instance| cpu_of(Some(instance.pid()))).sum(),
            postgres: cpu_of(self.servers.postgres_pid),
            kafka: cpu_of(self.servers.kafka_pid),
            gateway: cpu_of(Some(self.gateway.pid())),
            bench: cpu_of_this(),
            machine: cpu_of_machine(),
        }
    }

    /// Bytes and transactions up to now.
    pub(crate) async fn written(&self) -> Written {
        Written::now(&self.servers, &self.setup).await
    }

    /// Everything that can be known of these orders now.
    pub(crate) async fn evidence(&self, orders: impl Iterator<Item = usize>) -> Evidence {
        let requested: BTreeMap<_, _> = orders.map(|number| (order_id(number), requested(number))).collect();
        gather(&self.setup, requested, self.gateway.ledger().await).await
    }

    /// Clears up; the topics stay until their broker ends.
    pub(crate) async fn strike(self) {
        let url = url::Url::parse(&self.setup.database.url).expect("a url");
        let name = url.path().trim_start_matches('/');
        ask(&self.servers.postgres_url, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

/// Topics of requests and of outcomes.
pub(crate) async fn empty_topics(servers: &Servers) -> Topics {
    let topics = Topics::create_at(servers.brokers.clone(), PARTITIONS).await;
    topics.create_topic(&topics.outcomes).await;
    topics
}

/// Sends the requests of these orders, and returns when the broker has them all.
pub(crate) async fn send(topics: &Topics, orders: &[usize]) {
    for chunk in orders.chunks(CHUNK) {
        let record = |number: &usize| (order_id(*number), Some(body(*number).into_bytes()));
        topics.send(&chunk.iter().map(record).collect::<Vec<_>>()).await;
    }
}

/// Every order once and every hundredth a second time, later.
pub(crate) fn backlog(orders: usize) -> Vec<usize> {
    let mut numbers: Vec<_> = (0..orders).collect();
    for number in (0..orders).step_by(100) {
        let later = (number + 1 + 7 * (number % 97)).min(numbers.len());
        numbers.insert(later, number);
    }
    numbers
}

/// Ends these instances in order.
pub(crate) async fn stop(instances: Vec<Service>) {
    join_all(instances.into_iter().map(Service::stop)).await;
}

async fn ask(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL answers");
    connection.execute(AssertSqlSafe(statement)).await.expect("the role may do this");
}
