//! How partitions come: the group is answered at once, and they are read as soon as it is known from where.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use crate::adapters::kafka::arrivals::Entry;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::accept;
use crate::adapters::kafka::poller::Poller;
use crate::adapters::kafka::starts::Start;

/// How long the client may take to look elsewhere in a partition: no request is needed for it.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

impl Poller {
    /// Takes partitions. The group waits for this answer, all members of it, so it is given before anyone
    /// asks the database; partitions are added to it later.
    pub(super) fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), ConsumerError> {
        self.suspect_until = None;
        self.accept(&TopicPartitionList::new())?;
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
        let (assigned, sought) = (self.list(&assigned)?, self.list(&sought)?);
        self.seek(&sought)?;
        self.holdings.take(&starts);
        self.accept(&assigned)?;
        if self.is_paused {
            self.set_paused(true)?;
        } else {
            self.resume(&sought)?; // One that was paused when it was let go is so still.
        }
        tracing::info!("{} partitions of {:?} are read now", starts.len(), self.config.request_topic);
        Ok(())
    }

    /// Lets go of partitions that the database has forgotten in mid-run, and finds out where to read them again.
    pub(super) fn start_over(&mut self, forgotten: &[i32]) {
        let is_ours = |partition: &i32| self.holdings.lease(*partition).is_some();
        let partitions: Vec<i32> = forgotten.iter().copied().filter(is_ours).collect();
        if partitions.is_empty() || self.stop_at.is_some() {
            return; // Whoever has them next finds out.
        }
        tracing::error!("the database has forgotten how far partitions {partitions:?} were handled: it was restored");
        self.revoke_leases(&partitions);
        self.holdings.drop_partitions(&partitions);
        self.arrivals.look_up(partitions, Entry::Seek);
    }

    fn list(&self, arrived: &[&(Start, Entry)]) -> Result<TopicPartitionList, ConsumerError> {
        let mut list = TopicPartitionList::with_capacity(arrived.len());
        for (start, _) in arrived {
            let topic = &self.config.request_topic;
            let added = list.add_partition_offset(topic, start.partition, Offset::Offset(start.offset));
            added.map_err(|problem| ConsumerError::Fatal(problem.to_string()))?;
        }
        Ok(list)
    }

    fn accept(&self, list: &TopicPartitionList) -> Result<(), ConsumerError> {
        accept(&self.consumer, list).map_err(|problem| ConsumerError::Fatal(problem.to_string()))
    }

    /// Looks elsewhere in partitions that the client has. What it fetched before is dropped by it.
    fn seek(&self, list: &TopicPartitionList) -> Result<(), ConsumerError> {
        if list.count() == 0 {
            return Ok(());
        }
        let sought = self.consumer.seek_partitions(list.clone(), SEEK_TIMEOUT);
        let sought = sought.and_then(|list| list.elements().iter().try_for_each(TopicPartitionListElem::error));
        sought.map_err(|problem| ConsumerError::Fatal(problem.to_string()))
    }

    fn resume(&self, list: &TopicPartitionList) -> Result<(), ConsumerError> {
        self.consumer.resume(list).map_err(|problem| ConsumerError::Fatal(problem.to_string()))
    }
}
