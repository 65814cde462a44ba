//! The relay over the real topic: who leads, what is set aside, what a restored database is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_payments::adapters::kafka::KafkaEventPublisher;
use order_payments::adapters::memory::order_repository::MemoryOrderRepository;
use order_payments::adapters::system::SystemClock;
use order_payments::application::relay_outbox::{CatchUp, RelayOutbox, RelayPolicy, Relayed};
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::outcome::{FailureCategory, FailureReason};
use order_payments::domain::payment::{ChargeFlow, Payment};
use order_payments::domain::request::{Origin, PaymentRequest};
use order_payments::ports::clock::Clock;
use order_payments::ports::event_publisher::EventPublisher;
use order_payments::ports::order_repository::{Begun, OrderRepository, Standing};
use order_payments::ports::outbox::{Adopted, Outbox};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::contract::event_publisher as contract;
use crate::kafka::publisher::open_transaction;
use crate::kafka::support::Cluster;
use crate::support::eventually;

/// The defaults of `config/default.toml`.
const LEASE: Duration = Duration::from_secs(6);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

fn store() -> Arc<MemoryOrderRepository> {
    Arc::new(MemoryOrderRepository::new(Arc::new(SystemClock)))
}

fn publisher(cluster: &Cluster) -> Arc<dyn EventPublisher> {
    Arc::new(KafkaEventPublisher::new(&cluster.config, &cluster.storage()).expect("a publisher"))
}

fn relay(cluster: &Cluster, store: &Arc<MemoryOrderRepository>, name: &str) -> RelayOutbox {
    let topic = cluster.config.outcome_topic.clone();
    let (name, batch_size) = (name.to_owned(), 100);
    let policy = RelayPolicy { name, topic, batch_size, lease: LEASE, poll_interval: POLL_INTERVAL };
    RelayOutbox::new(Arc::clone(store) as _, publisher(cluster), policy)
}

async fn begun(store: &MemoryOrderRepository, name: &str) -> Payment {
    let email = "ada@example.com".parse().expect("an address");
    let order = Order::new(name.parse().expect("an id"), email, Money::parse("12.50", "EUR").expect("an amount"));
    let payment_method = "pm_card_visa".parse().expect("a token");
    let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
    let begun = store.begin(&request, ChargeFlow::OneStep, SystemClock.now()).await.expect("memory answers");
    let Begun::Met(Standing::Armed(armed)) = begun else { panic!("a new one-step payment is armed") };
    armed.payment().clone()
}

async fn pay(store: &MemoryOrderRepository, name: &str) {
    let payment = begun(store, name).await;
    let settlement = payment.paid("pi_1".parse().expect("a token"), SystemClock.now()).expect("pending");
    store.settle(&settlement).await.expect("memory answers");
}

/// Settles an order whose outcome is above the topic's limit of 1 MiB, and nothing that compresses.
async fn fail_too_large(store: &MemoryOrderRepository, name: &str) {
    let message = std::iter::repeat_with(fastrand::alphanumeric).take(2_500_000).collect();
    let reason = FailureReason { code: "card_declined".to_owned(), category: FailureCategory::HardDecline, message };
    let settlement = begun(store, name).await.failed(reason, SystemClock.now()).expect("pending");
    store.settle(&settlement).await.expect("memory answers");
}

/// The orders whose outcomes the world can read.
async fn told(cluster: &Cluster) -> Vec<String> {
    let found = cluster.read(&cluster.config.outcome_topic).await.into_iter();
    let mut orders: Vec<String> =
        found.map(|record| String::from_utf8(record.key.expect("a key")).expect("text")).collect();
    orders.sort();
    orders
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_the_topic_refuses_keeps_no_other_waiting() {
    let (cluster, store) = (Cluster::real().await, store());
    pay(&store, "o-1").await;
    fail_too_large(&store, "large").await;
    for name in ["o-2", "o-3", "o-4"] {
        pay(&store, name).await;
    }
    let mut relay = relay(&cluster, &store, "a");
    while relay.run_once().await.expect("a round") != Relayed::Idle {}
    assert_eq!(told(&cluster).await, ["o-1", "o-2", "o-3", "o-4"]);
    pay(&store, "o-5").await;
    assert_eq!(relay.run_once().await.expect("a round"), Relayed::Published(1), "and later ones do not wait either");
    let left = store.unpublished(10).await.expect("memory answers");
    assert_eq!(left.iter().map(|event| event.order_id.as_str()).collect::<Vec<_>>(), ["large"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_relay_publishes_within_ten_seconds_of_a_kill_in_mid_transaction() {
    let (cluster, store) = (Cluster::real().await, store());
    let (stop, bell) = (CancellationToken::new(), Arc::new(Notify::new()));
    let _stopped_at_the_end = stop.clone().drop_guard();
    let mut relays = JoinSet::new();
    let leader = relays.spawn(relay(&cluster, &store, "leader").run(stop.clone(), Arc::clone(&bell)));
    pay(&store, "before").await;
    eventually("the first outcome", LEASE, async || (!told(&cluster).await.is_empty()).then_some(())).await;
    relays.spawn(relay(&cluster, &store, "standby").run(stop.clone(), bell));

    // The leader dies with its lead just renewed and records of a transaction on every partition.
    leader.abort();
    let _dead = open_transaction(&cluster, &format!("order-payments-outcomes-{}", cluster.storage())).await;
    assert!(store.lead("leader", LEASE).await.expect("memory answers"));
    let killed = Instant::now();
    pay(&store, "after").await;
    let is_told = async || store.unpublished(1).await.expect("memory answers").is_empty().then_some(());
    eventually("the outcome of the second order", Duration::from_secs(10), is_told).await;
    assert!(killed.elapsed() > LEASE / 2, "the dead one led: {:?}", killed.elapsed());
    assert_eq!(told(&cluster).await, ["after", "before"]);
    stop.cancel();
    while relays.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_told_what_the_world_was_told_and_nobody_is_fenced() {
    let cluster = Cluster::real().await;
    let leader = publisher(&cluster);
    leader.take_over().await.expect("taken over");
    leader.publish(&[contract::paid("o-1"), contract::failed("o-2")]).await.expect("published");
    let restored = store();
    let catch_up = CatchUp::new(Arc::clone(&restored) as _, publisher(&cluster), &*cluster.config.outcome_topic);
    assert_eq!(catch_up.run().await.expect("read to its end"), Adopted { marked: 0, stored: 2 });
    assert_eq!(catch_up.run().await.expect("read to its end"), Adopted::default(), "cheap the second time");
    leader.publish(&[contract::paid("o-3")]).await.expect("the leader was not fenced");
    assert_eq!(catch_up.run().await.expect("read to its end"), Adopted { marked: 0, stored: 1 });
}
