//! Commits positions on a thread of its own: librdkafka's commit waits for the group's coordinator
//! without a bound, and the thread that polls may not. Asks nothing, decides nothing, one commit at a time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::adapters::kafka::group::GroupContext;

/// What became of a commit.
pub(crate) type Answer = (TopicPartitionList, KafkaResult<()>);

/// The thread that commits, as the thread that polls sees it.
pub(crate) struct Committer {
    orders: Sender<TopicPartitionList>,
    answers: Receiver<Answer>,
    is_busy: bool,
    thread: JoinHandle<()>,
}

impl Committer {
    /// Starts the thread.
    pub(crate) fn start(consumer: Arc<BaseConsumer<GroupContext>>) -> std::io::Result<Self> {
        let (orders, ordered) = channel::<TopicPartitionList>();
        let (answer, answers) = channel();
        let commit = move || {
            for positions in ordered {
                // Synchronous: rdkafka never reports how an asynchronous commit ended (R8 of the pitfalls).
                let result = consumer.commit(&positions, CommitMode::Sync);
                let _fails_once_nobody_waits = answer.send((positions, result));
            }
        };
        let thread = thread::Builder::new().name("kafka-commit".to_owned()).spawn(commit)?;
        Ok(Self { orders, answers, is_busy: false, thread })
    }

    /// Whether a commit has not been answered yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Commits these positions. To be called while not busy.
    pub(crate) fn commit(&mut self, positions: TopicPartitionList) {
        self.is_busy = self.orders.send(positions).is_ok();
    }

    /// The answer to the last commit, if there is one within `wait`.
    pub(crate) fn answer(&mut self, wait: Duration) -> Option<Answer> {
        let answer = match self.answers.recv_timeout(wait) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            // Without it nothing would ever be committed again: the service has to stop and say so.
            Err(RecvTimeoutError::Disconnected) => panic!("the thread that commits positions has ended"),
        };
        self.is_busy &= answer.is_none();
        answer
    }

    /// Ends the thread and its hold on the consumer; one that still waits for the coordinator is left behind.
    pub(crate) fn end(self) {
        let Self { orders, thread, is_busy, .. } = self;
        drop(orders);
        if !is_busy && thread.join().is_err() {
            tracing::error!("the thread that commits positions panicked");
        }
    }
}
