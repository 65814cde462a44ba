//! A broker in this process that can be broken: away, or there and of no use.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::kafka::support::{Cluster, DEADLINE, PARTITIONS, named};

/// The one broker of the cluster.
const BROKER: i32 = 1;

/// What clients are told who ask in vain, and how often those are who fetch: for longer than any test lasts.
const REFUSAL: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
const REFUSALS: usize = 10_000;

/// What is done to it.
enum Switch {
    Up(bool),
    Fetches(bool),
    NoOffsets(usize),
}

/// A broker in this process whose connections can be cut. Its handle may not leave its thread.
pub(crate) struct Breakable {
    pub(crate) cluster: Cluster,
    switch: mpsc::Sender<Switch>,
    switched: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Breakable {
    pub(crate) fn start() -> Self {
        let ((tell, told), (switch, wanted), (done, switched)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let mut config = named("");
        let topics = [&config.request_topic, &config.outcome_topic, &config.dead_letter_topic].map(Clone::clone);
        let hold = move || {
            let broker: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("a mock cluster");
            for topic in topics {
                broker.create_topic(&topic, PARTITIONS, 1).expect("a topic");
            }
            tell.send(broker.bootstrap_servers()).expect("the test waits");
            for switch in wanted {
                match switch {
                    Switch::Up(true) => broker.broker_up(BROKER).expect("switched"),
                    Switch::Up(false) => broker.broker_down(BROKER).expect("switched"),
                    Switch::Fetches(true) => broker.clear_request_errors(RDKafkaApiKey::Fetch),
                    Switch::Fetches(false) => broker.request_errors(RDKafkaApiKey::Fetch, &vec![REFUSAL; REFUSALS]),
                    Switch::NoOffsets(times) => {
                        broker.request_errors(RDKafkaApiKey::ListOffsets, &vec![REFUSAL; times]);
                    }
                }
                done.send(()).expect("the test waits");
            }
        };
        let thread = thread::spawn(hold);
        config.brokers = told.recv_timeout(DEADLINE).expect("started");
        Self { cluster: Cluster::at(config), switch, switched, thread: Some(thread) }
    }

    pub(crate) fn is_up(&self, up: bool) {
        self.tell(Switch::Up(up));
    }

    /// While it does not, its connections are open, and whoever fetches gets an error of the kind that clients
    /// keep to themselves.
    pub(crate) fn answers_fetches(&self, answers: bool) {
        self.tell(Switch::Fetches(answers));
    }

    /// Refuses the next so many questions for offsets, as a broker does that has just ceased to lead.
    pub(crate) fn tells_no_offsets(&self, times: usize) {
        self.tell(Switch::NoOffsets(times));
    }

    fn tell(&self, switch: Switch) {
        self.switch.send(switch).expect("the broker's thread lives");
        self.switched.recv_timeout(DEADLINE).expect("switched");
    }
}

impl Drop for Breakable {
    fn drop(&mut self) {
        self.switch = mpsc::channel().0; // The last sender: the thread ends.
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the broker's thread panicked");
    }
}
