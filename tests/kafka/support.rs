//! A cluster with topics of its own for every test, what is sent to it and what is read from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use order_payments::adapters::kafka::{
    Config, ConsumerError, ConsumerStatus, DeadLetters, EmbeddedBroker, Intake, PaymentConsumer, RequestHandler,
    StatusHandle, ensure_topics,
};
use order_payments::adapters::memory::clock::ManualClock;
use order_payments::adapters::system::SystemClock;
use order_payments::adapters::wire::request::DecodeOptions;
use order_payments::domain::timestamp::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::kafka::fakes::{Guard, Recorder, Shelf};

/// Where the real broker is.
const BROKERS_VARIABLE: &str = "ORDER_PAYMENTS_TEST_KAFKA_BROKERS";

/// What any of the conditions below may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at that cannot be waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 3;

/// A cluster and topics that no other test uses, and what a consumer of them stands on.
pub(crate) struct Cluster {
    pub(crate) config: Config,
    pub(crate) positions: Arc<Shelf>,
    pub(crate) guard: Arc<Guard>,
    /// Why nothing new may be read.
    pub(crate) valve: watch::Sender<Option<String>>,
    _embedded: Option<EmbeddedBroker>,
}

/// Settings with names that no other test uses.
pub(crate) fn named(brokers: &str) -> Config {
    let name = Uuid::new_v4().simple().to_string();
    let mut config = Config::new(brokers);
    config.group_id = format!("group-{name}");
    config.request_topic = format!("requested-{name}");
    config.outcome_topic = format!("outcomes-{name}");
    config.dead_letter_topic = format!("requested-{name}.dlq");
    config.commit_interval = Duration::from_millis(50);
    config.new_topic_partitions = PARTITIONS;
    config
}

/// The real broker's address.
#[expect(clippy::disallowed_methods, reason = "the test's own setting, not the program's")]
pub(crate) fn real_brokers() -> String {
    std::env::var(BROKERS_VARIABLE).unwrap_or_else(|_| panic!("{BROKERS_VARIABLE} must name a Kafka broker for tests"))
}

impl Cluster {
    /// A broker in this process.
    pub(crate) fn embedded() -> Self {
        let mut config = named("");
        let topics = [&*config.request_topic, &config.outcome_topic, &config.dead_letter_topic];
        let broker = EmbeddedBroker::start(&topics, PARTITIONS).expect("a mock cluster");
        broker.bootstrap_servers().clone_into(&mut config.brokers);
        Self { _embedded: Some(broker), ..Self::at(config) }
    }

    /// A cluster that has the topics of these settings.
    pub(crate) fn at(config: Config) -> Self {
        let (positions, guard, valve) = (Arc::default(), Arc::default(), watch::channel(None).0);
        Self { config, positions, guard, valve, _embedded: None }
    }

    /// The real broker, with its three topics created.
    pub(crate) async fn real() -> Self {
        Self::real_at(&real_brokers()).await
    }

    /// A real broker there, with its three topics created.
    pub(crate) async fn real_at(brokers: &str) -> Self {
        let config = named(brokers);
        create_topic(&config, &config.request_topic).await;
        ensure_topics(&config).await.expect("the other topics are created");
        Self::at(config)
    }

    /// The same for a member that is set up otherwise.
    pub(crate) fn but(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.config.clone();
        change(&mut config);
        let (positions, guard, valve) = (Arc::clone(&self.positions), Arc::clone(&self.guard), self.valve.clone());
        Self { config, positions, guard, valve, _embedded: None }
    }

    /// The name of the storage whose outcomes are published here.
    pub(crate) fn storage(&self) -> String {
        format!("storage-of-{}", self.config.group_id)
    }

    /// A producer as a sender of requests has it.
    pub(crate) fn sender(&self) -> FutureProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.config.brokers).set("enable.idempotence", "true");
        config.set("message.max.bytes", "10000000").create().expect("a producer")
    }

    /// Sends lawful requests for these orders, in this order.
    pub(crate) async fn request(&self, orders: impl IntoIterator<Item = impl AsRef<str>>) {
        let records = orders.into_iter().map(|order| (order.as_ref().to_owned(), request_of(order.as_ref())));
        self.send(records.map(|(key, value)| Sent::of(&key, value)).collect()).await;
    }

    /// Sends any records.
    pub(crate) async fn send(&self, records: Vec<Sent>) {
        let sender = self.sender();
        let sent = records.iter().map(|record| {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            });
            let mut message = FutureRecord::<[u8], [u8]>::to(&self.config.request_topic).headers(headers);
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            message.partition = record.partition;
            message.timestamp = record.timestamp_ms;
            sender.send_result(message).map_err(|(problem, _)| problem).expect("queued")
        });
        for delivered in join_all(sent.collect::<Vec<_>>()).await {
            delivered.expect("the sender lives").expect("delivered");
        }
    }

    /// Everything committed on a topic, by partition, in order.
    pub(crate) async fn read(&self, topic: &str) -> Vec<Found> {
        let (brokers, topic) = (self.config.brokers.clone(), topic.to_owned());
        tokio::task::spawn_blocking(move || read_all(&brokers, &topic)).await.expect("reading does not panic")
    }

    /// The group's positions on the request topic; partitions without one are left out.
    pub(crate) async fn committed(&self) -> BTreeMap<i32, i64> {
        let config = self.config.clone();
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", &config.brokers)
                .set("group.id", &config.group_id)
                .create()
                .expect("a consumer");
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&config.request_topic, 0, PARTITIONS - 1);
            let deadline = Instant::now() + DEADLINE;
            let found = loop {
                match consumer.committed_offsets(list.clone(), DEADLINE) {
                    // A broker that has just started hands its groups around.
                    Err(problem)
                        if problem.rdkafka_error_code() == Some(RDKafkaErrorCode::NotCoordinator)
                            && Instant::now() < deadline => {}
                    found => break found.expect("positions"),
                }
            };
            let elements = found.elements();
            let known = elements.iter().filter_map(|element| match element.offset() {
                Offset::Offset(offset) => Some((element.partition(), offset)),
                _ => None,
            });
            known.collect()
        })
        .await
        .expect("asking does not panic")
    }

    /// Waits until the group's positions add up to this.
    pub(crate) async fn wait_for_committed(&self, sum: i64) {
        let deadline = Instant::now() + DEADLINE;
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        let mut committed = self.committed().await;
        while committed.values().sum::<i64>() != sum {
            assert!(Instant::now() < deadline, "the positions are {committed:?}, not {sum} in all");
            look.tick().await;
            committed = self.committed().await;
        }
    }
}

async fn create_topic(config: &Config, name: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().expect("an admin client");
    let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1)).set("max.message.bytes", "4000000");
    let created = admin.create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
    for answer in created {
        answer.expect("created");
    }
    // A broker hears of a new topic from its controller, a moment after the one who asked for it does.
    let is_known = || {
        tokio::task::block_in_place(|| admin.inner().fetch_metadata(Some(name), DEADLINE)).is_ok_and(|found| {
            found.topics().iter().all(|topic| topic.error().is_none() && !topic.partitions().is_empty())
        })
    };
    let deadline = Instant::now() + DEADLINE;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    while !is_known() {
        assert!(Instant::now() < deadline, "the broker does not know the topic {name:?} that was created");
        look.tick().await;
    }
}

/// The value of a lawful request.
pub(crate) fn request_of(order: &str) -> Vec<u8> {
    format!(
        r#"{{"order_id":"{order}","customer_email":"ann@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_card_visa"}}"#
    )
    .into_bytes()
}

/// A record to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(&'static str, Option<Vec<u8>>)>,
    pub(crate) partition: Option<i32>,
    /// Now where there is none.
    pub(crate) timestamp_ms: Option<i64>,
}

impl Sent {
    pub(crate) fn of(key: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.as_bytes().to_vec()), value: Some(value.into()), ..Self::default() }
    }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

fn read_all(brokers: &str, topic: &str) -> Vec<Found> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader-of-tests")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let (mut found, mut open) = (Vec::new(), PARTITIONS);
    while open > 0 {
        match consumer.poll(DEADLINE).expect("a record or the end, in time") {
            Ok(message) => found.push(Found {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: message.headers().map_or_else(Vec::new, |headers| {
                    headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
                }),
            }),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(problem) => panic!("cannot read {topic}: {problem}"),
        }
    }
    found
}

/// A consumer that runs beside the test.
pub(crate) struct Running {
    pub(crate) status: StatusHandle,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), ConsumerError>>,
    /// Stops the consumer of a test that fails: its thread would hold up the runtime for ever.
    _guard: DropGuard,
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_micros(1_767_323_045_000_000)))
}

/// What a consumer of this cluster is given.
pub(crate) fn intake(cluster: &Cluster, max_in_flight: usize) -> Intake {
    Intake {
        max_in_flight,
        decode: DecodeOptions::default(),
        clock: Arc::new(SystemClock),
        valve: cluster.valve.subscribe(),
        positions: Arc::clone(&cluster.positions) as _,
        restore_guard: Arc::clone(&cluster.guard) as _,
    }
}

/// Starts a consumer with this handler.
pub(crate) fn run(cluster: &Cluster, max_in_flight: usize, handler: &Arc<Recorder>) -> Running {
    run_until(cluster, max_in_flight, handler, Duration::from_secs(20))
}

/// Starts a consumer with this handler that drains for at most `drain` at its end.
pub(crate) fn run_until(cluster: &Cluster, max_in_flight: usize, handler: &Arc<Recorder>, drain: Duration) -> Running {
    let dead_letters = Arc::new(DeadLetters::new(&cluster.config, clock()).expect("a producer"));
    let handler: Arc<dyn RequestHandler> = Arc::clone(handler) as _;
    let intake = intake(cluster, max_in_flight);
    let consumer = PaymentConsumer::start(&cluster.config, intake, handler, dead_letters).expect("a consumer");
    let (status, shutdown) = (consumer.status(), CancellationToken::new());
    let running = consumer.run(shutdown.clone(), drain);
    let ended = tokio::task::spawn_blocking(move || tokio::runtime::Handle::current().block_on(running));
    Running { status, _guard: shutdown.clone().drop_guard(), shutdown, ended }
}

impl Running {
    /// Waits until the consumer has this many partitions.
    pub(crate) async fn wait_for_partitions(&self, many: usize) {
        self.wait_until(|status| status.assigned_partitions == many).await;
    }

    pub(crate) async fn wait_until(&self, mut reached: impl FnMut(ConsumerStatus) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        while !reached(self.status.now()) {
            assert!(Instant::now() < deadline, "{:?}", self.status.now());
            look.tick().await;
        }
    }

    /// Asks it to stop, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    /// Asks it to stop and waits for its end.
    pub(crate) async fn stop(self) -> Result<(), ConsumerError> {
        self.shutdown.cancel();
        self.end().await
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Result<(), ConsumerError> {
        let ended = tokio::time::timeout(DEADLINE, self.ended).await.expect("it ends in time");
        ended.expect("it does not panic")
    }
}
