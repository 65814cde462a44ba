//! How partitions come: the group is answered at once, and they are read as soon as it is known from where.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use crate::adapters::kafka::arrivals::Entry;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::{accept, is_incremental};
use crate::adapters::kafka::poller::Poller;
use crate::adapters::kafka::starts::Start;

/// How long the client may take to look elsewhere in a partition: no request is needed for it.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

impl Poller {
    /// Takes partitions. The group waits for this answer, all members of it, so it is given before anyone
    /// asks the database; partitions are added to it later.
    pub(super) fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), ConsumerError> {
        self.suspect_until = None;
        accepted(accept(&self.consumer, &TopicPartitionList::new()))?;
        let partitions: Vec<i32> = partitions.elements().iter().map(TopicPartitionListElem::partition).collect();
        // Nothing new is begun while everything ends.
        if self.stop_at.is_none() && !partitions.is_empty() {
            self.arrivals.look_up(partitions, Entry::Assign);
        }
        Ok(())
    }

    /// Reads the partitions of which it is known by now where they start.
    pub(super) fn read_arrived(&mut self) -> Result<(), ConsumerError> {
        let arrived = self.arrivals.take_found()?;
        if arrived.is_empty() {
            return Ok(());
        }
        let starts: Vec<Start> = arrived.iter().map(|(start, _)| *start).collect();
        let (assigned, sought): (Vec<_>, Vec<_>) = arrived.iter().partition(|(_, entry)| *entry == Entry::Assign);
        let numbers = |of: &[&(Start, Entry)]| of.iter().map(|(start, _)| start.partition).collect::<Vec<i32>>();
        let (assigned, sought) = (numbers(&assigned), numbers(&sought));
        self.holdings.take(&starts);
        self.seek(&sought).map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        self.add(&assigned)?;
        if !self.wires.valve.is_open() || self.stop_at.is_some() {
            self.pause(&self.holdings.read())?;
        }
        let mut partitions: Vec<i32> = starts.iter().map(|start| start.partition).collect();
        partitions.sort_unstable();
        tracing::info!("partitions {partitions:?} of {:?} are read now", self.config.request_topic);
        Ok(())
    }

    /// Lets go of partitions that the database has forgotten in mid-run, and finds out where to read them again.
    pub(super) fn start_over(&mut self, forgotten: &[i32]) -> Result<(), ConsumerError> {
        let is_ours = |partition: &i32| self.holdings.lease(*partition).is_some();
        let partitions: Vec<i32> = forgotten.iter().copied().filter(is_ours).collect();
        if partitions.is_empty() || self.stop_at.is_some() {
            return Ok(()); // Whoever has them next finds out.
        }
        tracing::error!("the database has forgotten how far partitions {partitions:?} were handled: it was restored");
        self.revoke_leases(&partitions);
        self.resume(&self.holdings.paused(&partitions))?;
        self.holdings.drop_partitions(&partitions);
        self.arrivals.look_up(partitions, Entry::Seek);
        Ok(())
    }

    /// Has the client read these of our partitions, too, from where we stand.
    pub(super) fn add(&self, partitions: &[i32]) -> Result<(), ConsumerError> {
        let added = if is_incremental(&self.consumer) {
            accept(&self.consumer, &self.holdings.at_positions(partitions))
        } else if partitions.is_empty() {
            Ok(())
        } else {
            // All that it reads is said anew: it drops what it has fetched, and reads on from where we stand.
            accept(&self.consumer, &self.holdings.at_positions(&self.holdings.partitions()))
        };
        accepted(added)
    }

    /// Looks in partitions that the client has from where we stand. What it fetched before is dropped by it.
    pub(super) fn seek(&self, partitions: &[i32]) -> KafkaResult<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        let sought = self.consumer.seek_partitions(self.holdings.at_positions(partitions), SEEK_TIMEOUT)?;
        sought.elements().iter().try_for_each(TopicPartitionListElem::error)
    }
}

fn accepted(answer: KafkaResult<()>) -> Result<(), ConsumerError> {
    answer.map_err(|problem| ConsumerError::Fatal(problem.to_string()))
}
