//! A broker inside this process, in memory: librdkafka's mock cluster, spoken to by the real protocol.
//!
//! For trying things out. It has no isolation (what a transaction aborts stays visible) and keeps at
//! most 5 MiB or 100,000 records a partition: never for anything that matters.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rdkafka::mocking::MockCluster;

use crate::adapters::kafka::client::SetupError;

/// A broker inside this process; it ends when this is dropped.
///
/// The cluster's handle may not leave the thread that made it, so a thread of its own holds it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    bootstrap_servers: String,
    stop: Option<mpsc::Sender<()>>,
    holder: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts a broker with these topics, each with `partitions` partitions.
    ///
    /// # Errors
    /// [`SetupError::Settings`] where it cannot start, as when no port is free.
    pub fn start(topics: &[&str], partitions: i32) -> Result<Self, SetupError> {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let (started, address) = mpsc::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let hold = move || match open(&topics, partitions) {
            Ok(cluster) => {
                let told = started.send(Ok(cluster.bootstrap_servers()));
                let _ends_when_the_owner_drops = told.is_ok().then(|| stopped.recv());
            }
            Err(problem) => {
                let _owner_is_waiting = started.send(Err(problem));
            }
        };
        let holder = thread::Builder::new().name("embedded-kafka".to_owned()).spawn(hold);
        let holder = holder.map_err(|problem| SetupError::Settings(problem.to_string()))?;
        let answer = address.recv().map_err(|_| SetupError::Settings("the embedded broker ended".to_owned()))?;
        Ok(Self { bootstrap_servers: answer?, stop: Some(stop), holder: Some(holder) })
    }

    /// Where it listens, as `kafka.brokers` has it.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}

type Cluster = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

fn open(topics: &[String], partitions: i32) -> Result<Cluster, SetupError> {
    let cluster = MockCluster::new(1)?;
    for topic in topics {
        cluster.create_topic(topic, partitions, 1)?;
    }
    Ok(cluster)
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.holder.take().map(JoinHandle::join) {
            tracing::error!("the embedded broker's thread panicked");
        }
    }
}
