//! Stores positions in the database and then commits them to the group, on a thread of its own: both may
//! take their time, and the thread that polls may not. Decides nothing, does one at a time.
//!
//! The order is what makes a restored database known: the database is never behind the group, unless it
//! was set back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::adapters::kafka::books::Books;
use crate::adapters::kafka::group::GroupContext;
use crate::ports::position_repository::HandledPosition;

/// Positions that are to be stored and committed.
pub(crate) struct Progress {
    /// All of them, for the database.
    pub(crate) reached: Vec<Reached>,
    /// Those that the group does not have yet.
    pub(crate) for_group: TopicPartitionList,
}

/// How far a partition is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) partition: i32,
    pub(crate) next_offset: i64,
    pub(crate) horizon: i64,
    /// What the database knew of it last.
    pub(crate) stored: Option<i64>,
}

/// What became of them.
pub(crate) enum Answer {
    /// Stored and committed.
    Committed(Progress),
    /// Stored; the group does not take them.
    Stored(Progress, KafkaError),
    /// The database does not answer: nothing is committed either.
    NotStored(String),
    /// The database has forgotten what it was told of these partitions. Nothing was stored.
    Forgotten(Vec<i32>),
}

/// The thread that commits, as the thread that polls sees it.
pub(crate) struct Committer {
    orders: Sender<Progress>,
    answers: Receiver<Answer>,
    is_busy: bool,
    thread: JoinHandle<()>,
}

impl Committer {
    /// Starts the thread.
    pub(crate) fn start(consumer: Arc<BaseConsumer<GroupContext>>, books: Books) -> std::io::Result<Self> {
        let (orders, ordered) = channel::<Progress>();
        let (answer, answers) = channel();
        let commit = move || {
            for progress in ordered {
                let _fails_once_nobody_waits = answer.send(carry_out(&consumer, &books, progress));
            }
        };
        let thread = thread::Builder::new().name("kafka-commit".to_owned()).spawn(commit)?;
        Ok(Self { orders, answers, is_busy: false, thread })
    }

    /// Whether an order has not been answered yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Stores and commits these positions. To be called while not busy.
    pub(crate) fn commit(&mut self, progress: Progress) {
        self.is_busy = self.orders.send(progress).is_ok();
    }

    /// The answer to the last order, if there is one within `wait`.
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

    /// Ends the thread and its hold on the consumer; one that still waits for an answer is left behind.
    pub(crate) fn end(self) {
        let Self { orders, thread, is_busy, .. } = self;
        drop(orders);
        if !is_busy && thread.join().is_err() {
            tracing::error!("the thread that commits positions panicked");
        }
    }
}

fn carry_out(consumer: &BaseConsumer<GroupContext>, books: &Books, progress: Progress) -> Answer {
    let known = match books.read() {
        Ok(known) => known,
        Err(problem) => return Answer::NotStored(problem),
    };
    let forgotten = forgotten(&progress.reached, &known);
    if !forgotten.is_empty() {
        return Answer::Forgotten(forgotten);
    }
    if let Err(problem) = books.raise(progress.reached.iter().copied().map(Reached::to_be_stored).collect()) {
        return Answer::NotStored(problem);
    }
    if progress.for_group.count() == 0 {
        return Answer::Committed(progress);
    }
    // Synchronous: rdkafka never reports how an asynchronous commit ended (R8 of the pitfalls).
    match consumer.commit(&progress.for_group, CommitMode::Sync) {
        Ok(()) => Answer::Committed(progress),
        Err(problem) => Answer::Stored(progress, problem),
    }
}

/// The partitions of which the database knows less than it has stored: it was set back under our feet.
fn forgotten(reached: &[Reached], known: &[HandledPosition]) -> Vec<i32> {
    let knows = |partition| known.iter().find(|known| known.partition == partition).map(|known| known.next_offset);
    let is_forgotten = |reached: &&Reached| knows(reached.partition) < reached.stored;
    reached.iter().filter(is_forgotten).map(|reached| reached.partition).collect()
}

impl Reached {
    fn to_be_stored(self) -> HandledPosition {
        HandledPosition { partition: self.partition, next_offset: self.next_offset, horizon: self.horizon }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_knows_less_than_it_stored_was_set_back() {
        let reached = |partition, stored| Reached { partition, next_offset: 90, horizon: 0, stored };
        let known = |partition, next_offset| HandledPosition { partition, next_offset, horizon: 0 };
        let reached = [reached(1, Some(50)), reached(2, Some(50)), reached(3, Some(50)), reached(4, None)];
        let known = [known(1, 50), known(2, 49), known(4, 7)];
        assert_eq!(forgotten(&reached, &known), [2, 3]);
    }
}
