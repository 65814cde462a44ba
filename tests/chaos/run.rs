//! A run from start to account: servers, proxies, instances, the plan beside the load, the evidence.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use order_payments::adapters::simulator::faults::Faults;
use order_payments::adapters::simulator::provider::Provider;
use order_payments::adapters::simulator::server::{Simulator, SimulatorConfig};
use order_payments::adapters::system::SystemClock;
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant as Moment, sleep_until};

use crate::chaos::account::Account;
use crate::chaos::checker::{Evidence, Outcome, Stored, judge};
use crate::chaos::form::{Form, INSTANCES};
use crate::chaos::instances::{Fleet, Order};
use crate::chaos::load::{Sent, all_requested, send};
use crate::chaos::plan::{Act, Plan, Server};
use crate::chaos::recovery::{Passage, Silence};
use crate::chaos::servers::Servers;
use crate::chaos::witness::{Told, Witness};
use crate::support::kafka::{Seen, Topics};
use crate::support::postgres::Database;
use crate::support::proxy::{Entrance, Mode, Proxy};
use crate::support::service::Setup;
use crate::support::unique;

/// How often it is looked whether everything is settled.
const GLANCE: Duration = Duration::from_millis(250);

/// A hung answer of the gateway outlasts the instances' patience.
const GATEWAY_TIMEOUT_MS: u64 = 4_000;
const GATEWAY_HANG_MS: u64 = 10_000;

/// The ways of one instance to each server.
type Ways = BTreeMap<Server, Proxy>;

/// Everything of a run that is shared while things go wrong.
struct Scene {
    servers: Servers,
    /// By instance.
    ways: Vec<Ways>,
    provider: Arc<Provider>,
    fleet: Fleet,
    /// When no instance could reach a server, or none was there.
    outages: Mutex<Vec<Silence>>,
}

/// Runs a plan to its end and gives account of it.
pub(crate) async fn run(form: &Form) -> Account {
    let began = Instant::now();
    let plan = Plan::of(form);
    println!("chaos: {} form, seed {}, {} s planned", form.name, form.seed, plan.lasts.as_secs());
    let simulator = Simulator::start(SimulatorConfig::default(), Arc::new(SystemClock)).await.expect("a free port");
    let (servers, ways) = servers_behind_proxies(simulator.address().port()).await;
    let topics = Topics::create_at(servers.brokers.clone()).await;
    topics.create_topic(&topics.outcomes).await;
    let database = Database::create_at(&servers.postgres_url).await;
    let setup = setup(form, topics.clone(), database.clone(), simulator.url());
    setup.migrate().await;
    let witness = Witness::start(&topics);
    let folder = TempDir::with_prefix("order-payments-chaos").expect("a folder for logs").keep();
    println!("chaos: logs in {}", folder.display());
    let fleet = Fleet::start(ways.iter().map(|ways| behind(&setup, ways)).collect(), &folder);
    let scene =
        Arc::new(Scene { servers, ways, provider: Arc::clone(simulator.provider()), fleet, outages: Mutex::default() });

    let start = Instant::now();
    let (sent, ()) = tokio::join!(send(&topics, form.orders, plan.lasts), wreck(&scene, &plan));
    let calm = Instant::now();
    let settled_after = settled(&setup, form, calm).await;
    let events = scene.fleet.diary.read();
    let scene = Arc::into_inner(scene).expect("nothing goes wrong any more");
    let logs = scene.fleet.stop().await;
    assert_no_secrets(&logs);

    let told = witness.finish();
    let evidence = gather(form, &topics, &database, simulator.provider()).await;
    let account = Account {
        form: form.clone(),
        records: usize::try_from(topics.count(&topics.requests)).expect("not negative"),
        requested: evidence.requested.len(),
        findings: judge(&evidence),
        events,
        outages: scene.outages.into_inner().expect("no one panicked while holding it"),
        start,
        last_sent: sent.iter().map(|sent| sent.at).max().unwrap_or(calm),
        passages: passages(&sent, &told),
        gateway_faults: evidence.ledger.totals.faults,
        plan,
        settled_after,
        took: began.elapsed(),
    };
    scene.servers.stop().await;
    // The short form runs often; who asks for the full one may want to look up what a silence was.
    if account.is_flawless() && form.account_file.is_none() {
        std::fs::remove_dir_all(&folder).expect("the logs are ours");
    }
    account
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
    ];
    if let Some(session_timeout) = form.session_timeout {
        further.push(("KAFKA__SESSION_TIMEOUT_MS", session_timeout.as_millis().to_string()));
    }
    Setup { topics, database, gateway_url, group: unique("group"), charge_flow: "two-step", further }
}

/// The setup of an instance that reaches its servers over these ways.
fn behind(setup: &Setup, ways: &Ways) -> Setup {
    let mut setup = setup.clone();
    setup.topics.brokers = ways[&Server::Kafka].address.to_string();
    setup.database = setup.database.behind(ways[&Server::Postgres].address.port());
    setup.gateway_url = format!("http://{}", ways[&Server::Gateway].address);
    setup
}

/// Has everything go wrong that is planned, and returns when all of it is over.
async fn wreck(scene: &Arc<Scene>, plan: &Plan) {
    let start = Moment::now();
    let mut under_way = JoinSet::new();
    for step in &plan.steps {
        sleep_until(start + step.at).await;
        println!("{:7.1} s {:?}", step.at.as_secs_f64(), step.act);
        under_way.spawn(perform(Arc::clone(scene), step.act.clone()));
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("what goes wrong goes wrong as planned");
    }
    sleep_until(start + plan.lasts).await;
}

async fn perform(scene: Arc<Scene>, act: Act) {
    let (from, end) = (Instant::now(), Moment::now() + act.lasts());
    let is_outage = act.is_outage();
    match act {
        Act::Kill { instance, down, is_lone } => scene.fleet.order(instance, Order::Kill { down, is_lone }).await,
        Act::Pause { instance, lasts } => scene.fleet.order(instance, Order::Pause(lasts)).await,
        Act::Leave { instance, away } => scene.fleet.order(instance, Order::Leave(away)).await,
        Act::Restart { server, signal } => scene.servers.restart(server, signal).await,
        Act::Network { instances, server, mode, .. } => {
            let set = |mode| instances.iter().for_each(|instance| scene.ways[*instance][&server].set(mode));
            set(mode);
            sleep_until(end).await;
            set(Mode::Pass);
        }
        Act::Gateway { shares, .. } => {
            let shares = shares.into_iter().collect();
            let faults = Faults { shares, hang_ms: GATEWAY_HANG_MS, slow_ms: 800, ..Faults::default() };
            scene.provider.set_faults(faults);
            sleep_until(end).await;
            scene.provider.set_faults(Faults::default());
        }
    }
    if is_outage {
        let outage = Silence { from, to: Instant::now() };
        scene.outages.lock().expect("no one panics while holding it").push(outage);
    }
}

/// Waits until every order has its end, or waits for a person, and everything is told and committed.
async fn settled(setup: &Setup, form: &Form, calm: Instant) -> Option<Duration> {
    const OPEN: &str = "
        SELECT (SELECT count(*) FROM orders),
            (SELECT count(*) FROM orders o WHERE status NOT IN ('PAID', 'FAILED') AND NOT EXISTS
                (SELECT FROM payments p WHERE p.order_id = o.id AND p.state = 'REVIEW'))
            + (SELECT count(*) FROM outbox WHERE published_at IS NULL)";
    let mut connection = PgConnection::connect(&setup.database.url).await.expect("PostgreSQL answers");
    let mut glances = tokio::time::interval(GLANCE);
    while calm.elapsed() < form.settle_within {
        glances.tick().await;
        let row = sqlx::query(OPEN).fetch_one(&mut connection).await.expect("the tables are there");
        let (orders, open): (i64, i64) = (row.get(0), row.get(1));
        let is_all_here = usize::try_from(orders).is_ok_and(|orders| orders >= form.orders);
        if is_all_here && open == 0 && setup.topics.lag(&setup.group) == 0 {
            return Some(calm.elapsed());
        }
    }
    None
}

async fn gather(form: &Form, topics: &Topics, database: &Database, provider: &Provider) -> Evidence {
    const STORED: &str = "
        SELECT id, status, EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.state = 'REVIEW')
        FROM orders o";
    let mut connection = PgConnection::connect(&database.url).await.expect("PostgreSQL answers");
    let rows = sqlx::query(STORED).fetch_all(&mut connection).await.expect("the tables are there");
    let stored = rows.iter().map(|row| (row.get(0), Stored { status: row.get(1), is_under_review: row.get(2) }));
    let unpublished = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE published_at IS NULL");
    let unpublished = unpublished.fetch_one(&mut connection).await.expect("the tables are there");
    Evidence {
        requested: all_requested(form.orders),
        outcomes: topics.read(&topics.outcomes).iter().map(outcome).collect(),
        stored: stored.collect(),
        unpublished,
        ledger: provider.ledger(),
        dead_letters: topics.read(&topics.dead_letters).len(),
    }
}

fn outcome(seen: &Seen) -> Outcome {
    let body: Value = serde_json::from_slice(seen.value.as_deref().unwrap_or_default()).expect("an outcome is JSON");
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("order_id"), seen.key, "an outcome has its order's key");
    let kind = seen.header("ce_type").expect("every outcome has a type").to_owned();
    Outcome { order: seen.key.clone(), kind, amount: text("total_amount"), currency: text("currency") }
}

fn passages(sent: &[Sent], told: &[Told]) -> Vec<Passage> {
    let told: BTreeMap<_, _> = told.iter().rev().map(|told| (told.order.as_str(), told)).collect();
    let passage = |sent: &Sent| {
        let told = told.get(sent.order.as_str())?;
        Some(Passage {
            request_partition: sent.partition,
            outcome_partition: told.partition,
            sent: sent.at,
            told: told.at,
        })
    };
    sent.iter().filter_map(passage).collect()
}

fn assert_no_secrets(logs: &[String]) {
    for log in logs {
        assert!(!log.contains("@example.com") && !log.contains("sk_test_canary"), "a person or a secret in a log");
    }
}
