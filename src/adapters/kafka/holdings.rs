//! Which partitions are ours and what is held of them. Pure bookkeeping: knows no consumer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::adapters::kafka::committer::{Progress, Reached};
use crate::adapters::kafka::lag::Fetching;
use crate::adapters::kafka::offsets::OffsetTracker;
use crate::adapters::kafka::record::{Completion, Lease, Record};
use crate::adapters::kafka::shares::{Load, Shares};
use crate::adapters::kafka::stalls::Sight;
use crate::adapters::kafka::starts::Start;

/// The partitions that are ours, and everything that is held.
#[derive(Debug)]
pub(crate) struct Holdings {
    topic: String,
    partitions: HashMap<i32, Held>,
    generation: u64,
    completions: Sender<Completion>,
    shares: Shares,
    /// Everything that is held, of partitions that have left as well.
    total: Load,
}

/// A partition that is ours.
#[derive(Debug)]
struct Held {
    lease: Arc<Lease>,
    offsets: OffsetTracker,
    /// What is out: handed over and not let go.
    out: Load,
    /// Whether the client was told to read no more of it.
    is_paused: bool,
    /// The position that the group has; `None` where it has none yet. It is never taken back: while the group
    /// is ahead, what is handled again has moved only the database's.
    committed: Option<i64>,
    /// The position that the database has; `None` where it has none yet.
    stored: Option<i64>,
}

impl Holdings {
    /// Nothing of this topic yet, and at most `all` of it; `completions` are told of what is let go.
    pub(crate) fn of(topic: &str, all: Load, completions: Sender<Completion>) -> Self {
        let (partitions, total) = (HashMap::new(), Load::default());
        Self { topic: topic.to_owned(), partitions, generation: 0, completions, shares: Shares::of(all), total }
    }

    /// Everything that is held.
    pub(crate) fn total(&self) -> Load {
        self.total
    }

    /// The numbers of our partitions.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.partitions.keys().copied().collect()
    }

    /// How many partitions are ours.
    pub(crate) fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// Takes partitions, each from its start, as a new generation.
    pub(crate) fn take(&mut self, starts: &[Start]) {
        self.generation += 1;
        for start in starts {
            let Start { partition, committed, stored, horizon, .. } = *start;
            let lease = Arc::new(Lease::of(partition, self.generation, horizon, &self.completions));
            let (offsets, out) = (OffsetTracker::starting_at(start.offset), Load::default());
            self.partitions.insert(partition, Held { lease, offsets, out, is_paused: false, committed, stored });
        }
        self.share();
    }

    /// Drops partitions. What is still out of them is only counted from now on.
    pub(crate) fn drop_partitions(&mut self, leaving: &[i32]) {
        self.partitions.retain(|partition, _| !leaving.contains(partition));
        self.share();
    }

    fn share(&mut self) {
        let mut left = self.total;
        for held in self.partitions.values() {
            left -= held.out;
        }
        self.shares.share(self.partitions.values().map(|held| held.out), left);
    }

    /// The lease of a partition, if it is ours.
    pub(crate) fn lease(&self, partition: i32) -> Option<Arc<Lease>> {
        self.partitions.get(&partition).map(|held| Arc::clone(&held.lease))
    }

    /// Counts a record. False where it was delivered before: it is let go at once, and counted off.
    pub(crate) fn count(&mut self, record: &Record) -> bool {
        let load = Load::one(record.bytes());
        let held = self.partitions.get_mut(&record.lease.partition);
        let held = held.expect("a record is copied where its partition is ours");
        self.total += load;
        self.shares.add(&mut held.out, load);
        held.offsets.deliver(record.offset)
    }

    /// Counts off a record that was let go. One of an earlier generation moves no watermark.
    pub(crate) fn count_off(&mut self, completion: &Completion) {
        let load = Load::one(completion.bytes);
        self.total -= load;
        let held = self.partitions.get_mut(&completion.lease.partition);
        match held.filter(|held| held.lease.generation == completion.lease.generation) {
            None => self.shares.subtract_left(load),
            Some(held) => {
                self.shares.subtract(&mut held.out, load);
                if completion.is_done {
                    held.offsets.done(completion.offset);
                }
            }
        }
    }

    /// Whether a partition may hold no more.
    pub(crate) fn is_full(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|held| self.shares.is_full(held.out))
    }

    /// The partitions that are read.
    pub(crate) fn read(&self) -> Vec<i32> {
        self.those(|held| !held.is_paused)
    }

    /// The partitions that are read and may hold no more.
    pub(crate) fn full(&self) -> Vec<i32> {
        self.those(|held| !held.is_paused && self.shares.is_full(held.out))
    }

    /// The partitions that are paused and have room again.
    pub(crate) fn with_room(&self) -> Vec<i32> {
        self.those(|held| held.is_paused && self.shares.has_room(held.out))
    }

    /// Those of these partitions that still have no room to speak of.
    pub(crate) fn without_slack(&self, of: &[i32]) -> Vec<i32> {
        self.those(|held| of.contains(&held.lease.partition) && !self.shares.has_slack(held.out))
    }

    /// Notes that these partitions are paused, or are read again.
    pub(crate) fn note_paused(&mut self, partitions: &[i32], is_paused: bool) {
        for partition in partitions {
            if let Some(held) = self.partitions.get_mut(partition) {
                held.is_paused = is_paused;
            }
        }
    }

    /// Those of these partitions that are paused.
    pub(crate) fn paused(&self, of: &[i32]) -> Vec<i32> {
        self.those(|held| held.is_paused && of.contains(&held.lease.partition))
    }

    /// How many partitions are paused.
    pub(crate) fn paused_count(&self) -> usize {
        self.partitions.values().filter(|held| held.is_paused).count()
    }

    fn those(&self, wanted: impl Fn(&Held) -> bool) -> Vec<i32> {
        let held = self.partitions.values().filter(|held| wanted(held));
        held.map(|held| held.lease.partition).collect()
    }

    /// Says that nothing more of these partitions is to be started.
    pub(crate) fn revoke_leases(&self, leaving: &[i32]) {
        for held in leaving.iter().filter_map(|partition| self.partitions.get(partition)) {
            held.lease.revoked.cancel();
        }
    }

    /// How many records of a partition are not done, if it is ours and ends at this offset.
    pub(crate) fn lag(&self, partition: i32, end: i64) -> Option<i64> {
        self.partitions.get(&partition).map(|held| (end - held.offsets.watermark()).max(0))
    }

    /// How the reading of a partition is, if it is ours.
    pub(crate) fn sight(&self, fetching: &Fetching) -> Option<Sight> {
        let held = self.partitions.get(&fetching.partition)?;
        Some(Sight {
            partition: fetching.partition,
            is_paused: held.is_paused,
            position: held.offsets.next(),
            fetched_to: fetching.fetched_to,
            end: fetching.end,
            fetch_state: fetching.state.clone(),
            broker: fetching.broker,
        })
    }

    /// Whether records of these partitions are still out.
    pub(crate) fn is_any_out(&self, partitions: &[i32]) -> bool {
        partitions.iter().filter_map(|partition| self.partitions.get(partition)).any(|held| held.out.records > 0)
    }

    /// Those of these partitions that are ours, each at the offset that is read next.
    pub(crate) fn at_positions(&self, wanted: &[i32]) -> TopicPartitionList {
        self.list(|held| wanted.contains(&held.lease.partition), OffsetTracker::next)
    }

    /// What the database or the group does not know yet of these partitions.
    pub(crate) fn progress(&self, wanted: &[i32]) -> Progress {
        let is_wanted = |held: &Held| wanted.contains(&held.lease.partition);
        let is_uncommitted = |held: &Held| held.committed < Some(held.offsets.watermark());
        let is_unstored = |held: &Held| held.stored < Some(held.offsets.watermark());
        let for_group = self.list(|held| is_wanted(held) && is_uncommitted(held), OffsetTracker::watermark);
        let moved = self.partitions.values();
        let moved = moved.filter(|held| is_wanted(held) && (is_uncommitted(held) || is_unstored(held)));
        Progress { reached: moved.map(Held::reached).collect(), for_group }
    }

    /// Notes the positions that the database has now.
    pub(crate) fn note_stored(&mut self, reached: &[Reached]) {
        for reached in reached {
            if let Some(held) = self.partitions.get_mut(&reached.partition) {
                held.stored = held.stored.max(Some(reached.next_offset));
            }
        }
    }

    /// Notes the positions that the group has now; one that was refused stays to be committed.
    pub(crate) fn note_committed(&mut self, list: &TopicPartitionList) {
        for element in list.elements().iter().filter(|element| element.error().is_ok()) {
            let held = self.partitions.get_mut(&element.partition());
            if let (Some(held), Offset::Offset(offset)) = (held, element.offset()) {
                held.committed = held.committed.max(Some(offset));
            }
        }
    }

    fn list(&self, wanted: impl Fn(&Held) -> bool, at: impl Fn(&OffsetTracker) -> i64) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(self.partitions.len());
        for held in self.partitions.values().filter(|held| wanted(held)) {
            let offset = Offset::Offset(at(&held.offsets));
            list.add_partition_offset(&self.topic, held.lease.partition, offset)
                .expect("no offset of ours is negative");
        }
        list
    }
}

impl Held {
    fn reached(&self) -> Reached {
        let Lease { partition, horizon, .. } = *self.lease;
        Reached { partition, next_offset: self.offsets.watermark(), horizon, stored: self.stored }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rdkafka::topic_partition_list::TopicPartitionListElem;

    use super::*;

    const ALL: Load = Load { records: 100, bytes: 100 };

    fn start(partition: i32, offset: i64) -> Start {
        let known = Some(offset);
        Start { partition, offset, committed: known, stored: known, horizon: 0, is_restored: false }
    }

    fn completion(lease: &Arc<Lease>, offset: i64) -> Completion {
        Completion { lease: Arc::clone(lease), offset, bytes: 0, is_done: true }
    }

    fn watermark(holdings: &Holdings) -> Option<Offset> {
        holdings.progress(&[7]).for_group.elements().first().map(TopicPartitionListElem::offset)
    }

    #[test]
    fn a_completion_of_an_earlier_generation_moves_no_watermark() {
        let (completions, completed) = mpsc::channel();
        let mut holdings = Holdings::of("t", ALL, completions);
        holdings.take(&[start(7, 5)]);
        let old = holdings.lease(7).expect("ours");
        assert!(holdings.count(&Record::empty(&old, 5)));
        holdings.drop_partitions(&[7]);
        holdings.take(&[start(7, 5)]);
        let new = holdings.lease(7).expect("ours again");
        let record = Record::empty(&new, 5);
        assert!(holdings.count(&record));
        assert!(!holdings.count(&record), "a second delivery is not new");
        holdings.count_off(&completion(&old, 5));
        assert!(holdings.is_any_out(&[7]));
        assert_eq!(watermark(&holdings), None, "the new holder has not finished it");
        holdings.count_off(&completion(&new, 5));
        assert_eq!(watermark(&holdings), Some(Offset::Offset(6)));
        drop((record, completed));
    }
    #[test]
    fn what_is_handled_again_moves_the_database_and_not_the_group() {
        let (completions, _completed) = mpsc::channel();
        let mut holdings = Holdings::of("t", ALL, completions);
        let again = Start { committed: Some(7), horizon: 7, is_restored: true, ..start(7, 5) };
        holdings.take(&[again]);
        let lease = holdings.lease(7).expect("ours");
        let mut handle = |offset| {
            assert!(holdings.count(&Record::empty(&lease, offset)));
            holdings.count_off(&completion(&lease, offset));
            let progress = holdings.progress(&[7]);
            holdings.note_stored(&progress.reached);
            holdings.note_committed(&progress.for_group);
            let offset = progress.for_group.elements().first().map(TopicPartitionListElem::offset);
            (progress.reached, offset)
        };
        let reached = |next_offset, stored| Reached { partition: 7, next_offset, horizon: 7, stored: Some(stored) };
        assert_eq!(handle(5), (vec![reached(6, 5)], None));
        assert_eq!(handle(6), (vec![reached(7, 6)], None));
        assert_eq!(handle(7), (vec![reached(8, 7)], Some(Offset::Offset(8))));
        assert_eq!(holdings.progress(&[7]).reached, []);
    }
}
