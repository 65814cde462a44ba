//! What a run happens on: servers, proxies, instances, a gateway; and how things go wrong there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use order_payments::adapters::simulator::faults::Faults;
use order_payments::adapters::simulator::server::{Simulator, SimulatorConfig};
use order_payments::adapters::system::SystemClock;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant as Moment, sleep_until};

use crate::chaos::form::{Form, INSTANCES};
use crate::chaos::instances::{Fleet, Order};
use crate::chaos::plan::{Act, Plan, Server};
use crate::chaos::recovery::Silence;
use crate::chaos::servers::Servers;
use crate::support::kafka::{PARTITIONS, Topics};
use crate::support::postgres::Database;
use crate::support::proxy::{Entrance, Mode, Proxy};
use crate::support::service::Setup;
use crate::support::unique;

/// A hung answer of the gateway outlasts the instances' patience.
const GATEWAY_TIMEOUT_MS: u64 = 4_000;
const GATEWAY_HANG_MS: u64 = 10_000;

/// The ways of one instance to each server.
type Ways = BTreeMap<Server, Proxy>;

/// Everything of a run that is shared while things go wrong.
pub(crate) struct Stage {
    servers: Servers,
    /// By instance.
    ways: Vec<Ways>,
    pub(crate) simulator: Simulator,
    /// How the servers are reached without a proxy.
    pub(crate) setup: Setup,
    /// When no instance could reach a server, or none was there.
    outages: Mutex<Vec<Silence>>,
}

impl Stage {
    /// Servers that are ready, and no instance yet.
    pub(crate) async fn set(form: &Form) -> Self {
        let simulator = Simulator::start(SimulatorConfig::default(), Arc::new(SystemClock)).expect("a free port");
        let (servers, ways) = servers_behind_proxies(simulator.address().port()).await;
        let topics = Topics::create_at(servers.brokers.clone(), PARTITIONS).await;
        topics.create_topic(&topics.outcomes).await;
        let database = Database::create_at(&servers.postgres_url).await;
        let setup = setup(form, topics, database, simulator.url());
        setup.migrate().await;
        Self { servers, ways, simulator, setup, outages: Mutex::default() }
    }

    /// Starts every instance, each behind its own proxies.
    pub(crate) fn start_instances(&self, folder: &Path) -> Fleet {
        Fleet::start(self.ways.iter().map(|ways| behind(&self.setup, ways)).collect(), folder)
    }

    /// Has everything go wrong that is planned, and returns when all of it is over.
    pub(crate) async fn wreck(self: &Arc<Self>, fleet: &Fleet, plan: &Plan) {
        let start = Moment::now();
        let mut under_way = JoinSet::new();
        for step in &plan.steps {
            sleep_until(start + step.at).await;
            println!("{:7.1} s {:?}", step.at.as_secs_f64(), step.act);
            match step.act {
                Act::Kill { instance, down, is_lone } => fleet.order(instance, Order::Kill { down, is_lone }).await,
                Act::Pause { instance, lasts } => fleet.order(instance, Order::Pause(lasts)).await,
                Act::Leave { instance, away } => fleet.order(instance, Order::Leave(away)).await,
                _ => drop(under_way.spawn(Arc::clone(self).disturb(step.act.clone()))),
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended.expect("what goes wrong goes wrong as planned");
        }
        sleep_until(start + plan.lasts).await;
    }

    /// Does to servers and networks what is planned.
    async fn disturb(self: Arc<Self>, act: Act) {
        let (from, end) = (Instant::now(), Moment::now() + act.lasts());
        let is_outage = act.is_outage();
        match act {
            Act::Restart { server, signal } => self.restart(server, signal).await,
            Act::Network { instances, server, mode, .. } => {
                let set = |mode| instances.iter().for_each(|instance| self.ways[*instance][&server].set(mode));
                set(mode);
                sleep_until(end).await;
                set(Mode::Pass);
            }
            Act::Gateway { shares, .. } => {
                let shares = shares.into_iter().collect();
                let faults = Faults { shares, hang_ms: GATEWAY_HANG_MS, slow_ms: 800, ..Faults::default() };
                self.simulator.provider().set_faults(faults);
                sleep_until(end).await;
                self.simulator.provider().set_faults(Faults::default());
            }
            Act::Kill { .. } | Act::Pause { .. } | Act::Leave { .. } => unreachable!("instances have keepers"),
        }
        if is_outage {
            let outage = Silence { from, to: Instant::now() };
            self.outages.lock().unwrap_or_else(PoisonError::into_inner).push(outage);
        }
    }

    /// Restarts a server, and returns once it serves again.
    async fn restart(&self, server: Server, signal: &str) {
        self.servers.restart(server, signal).await;
        if server == Server::Kafka {
            let (topics, group) = (self.setup.topics.clone(), self.setup.group.clone());
            let served = spawn_blocking(move || topics.wait_until_it_serves(&group)).await;
            served.expect("Kafka serves groups again");
        }
    }

    /// When no instance could reach a server, or none was there.
    pub(crate) fn outages(&self) -> Vec<Silence> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the servers.
    pub(crate) async fn strike(self) {
        self.servers.stop().await;
    }
}

async fn servers_behind_proxies(gateway_port: u16) -> (Servers, Vec<Ways>) {
    let mut entrances = Vec::new();
    for _ in 0..INSTANCES {
        entrances.push([Entrance::open().await, Entrance::open().await, Entrance::open().await]);
    }
    let kafka: Vec<_> = entrances.iter().map(|[kafka, ..]| kafka.port()).collect();
    let servers = Servers::start(&kafka).await;
    let ways = entrances.into_iter().zip(&servers.proxied).map(|([kafka, postgres, gateway], kafka_port)| {
        BTreeMap::from([
            (Server::Kafka, kafka.lead_to(*kafka_port)),
            (Server::Postgres, postgres.lead_to(servers.postgres_port())),
            (Server::Gateway, gateway.lead_to(gateway_port)),
        ])
    });
    let ways = ways.collect();
    (servers, ways)
}

fn setup(form: &Form, topics: Topics, database: Database, gateway_url: String) -> Setup {
    let mut further = vec![
        ("GATEWAY__STRIPE__TIMEOUT_MS", GATEWAY_TIMEOUT_MS.to_string()),
        ("GATEWAY__STRIPE__CONNECT_TIMEOUT_MS", "2000".to_owned()),
        ("RECONCILE__INTERVAL_MS", "500".to_owned()),
        ("RECONCILE__FIRST_LOOK_MS", "1000".to_owned()),
        ("RECONCILE__ABANDON_AFTER_MS", form.abandon_after.as_millis().to_string()),
        ("RECONCILE__SWEEP_INTERVAL_MS", form.sweep_interval.as_millis().to_string()),
        ("GATEWAY__GATE__PROBE_INTERVAL_MS", "1000".to_owned()),
    ];
    if let Some(session_timeout) = form.session_timeout {
        further.push(("KAFKA__SESSION_TIMEOUT_MS", session_timeout.as_millis().to_string()));
    }
    Setup { topics, database, gateway_url, group: unique("group"), charge_flow: form.charge_flow, further }
}

/// The setup of an instance that reaches its servers over these ways.
fn behind(setup: &Setup, ways: &Ways) -> Setup {
    let mut setup = setup.clone();
    setup.topics.brokers = ways[&Server::Kafka].address.to_string();
    setup.database = setup.database.behind(ways[&Server::Postgres].address.port());
    setup.gateway_url = format!("http://{}", ways[&Server::Gateway].address);
    setup
}
