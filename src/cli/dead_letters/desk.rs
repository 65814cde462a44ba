//! The dead-letter topic as it is now, beside what was decided about its letters. Reads only.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::bail;

use crate::adapters::kafka;
use crate::adapters::kafka::letters::{Letter, ordering_key};
use crate::adapters::kafka::scan::{Log, ScannedRecord, Stretch};
use crate::adapters::system::SystemClock;
use crate::application::dead_letters::{Decisions, LetterId, Standing};
use crate::cli::dead_letters::selection::{Position, Selection};
use crate::cli::source::Source;
use crate::cli::{deployment, progress};
use crate::config::Settings;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// The most bytes of letters that one command holds.
const MOST_HELD_BYTES: usize = 256 << 20;

/// Where the letters lie and what is known of them. Its ends are those of the moment when it was opened: what
/// comes later, a letter that failed once more among it, is none of this command's business.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) log: Log,
    pub(super) decisions: Decisions,
    pub(super) now: Timestamp,
}

/// A letter that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) record: ScannedRecord,
    pub(super) letter: Letter,
    pub(super) standing: Standing,
    /// The order that the value speaks of, where there is no key.
    order_id: Option<Vec<u8>>,
}

impl Found {
    pub(super) fn new(record: ScannedRecord, standing: Standing) -> Self {
        let order_id = if record.key.is_none() { ordering_key(&record).map(Cow::into_owned) } else { None };
        Self { letter: Letter::of(&record), record, standing, order_id }
    }

    /// What letters that must not overtake each other have in common; `None` where that is not told.
    pub(super) fn ordering_key(&self) -> Option<&[u8]> {
        self.record.key.as_deref().or(self.order_id.as_deref())
    }

    pub(super) fn id(&self) -> LetterId {
        let ScannedRecord { partition, offset, timestamp, .. } = self.record;
        LetterId { partition, offset, written_at: timestamp }
    }

    pub(super) fn position(&self) -> Position {
        Position { partition: self.record.partition, offset: self.record.offset }
    }

    fn bytes(&self) -> usize {
        let lengths = [self.record.key.as_ref(), self.record.value.as_ref()].map(|part| part.map_or(0, Vec::len));
        let headers = self.record.headers().unwrap_or_default();
        let headers = headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        lengths.into_iter().chain(headers).sum()
    }
}

/// Letters as they are wanted: how many at the most, and whether with their values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) limit: usize,
    pub(super) with_values: bool,
}

impl Desk {
    /// Opens the dead-letter topic.
    ///
    /// # Errors
    /// Where the storage or the cluster does not answer, or there is no such topic.
    pub(super) async fn open(source: &Source, settings: &Settings) -> anyhow::Result<Self> {
        let cluster: kafka::Config = source.cluster(settings)?;
        let log = Log::of(&cluster, source.topic(&cluster.dead_letter_topic)).await?;
        let store = deployment::store(settings).await?;
        let decisions = Decisions::read(store.audit.clone(), log.topic()).await?;
        Ok(Self { store, log, decisions, now: SystemClock.now() })
    }

    /// The letters that are meant and that `admits` lets pass, oldest first: those of one partition in their order,
    /// those of different ones by when they were written.
    ///
    /// # Errors
    /// Where there is no such letter, the topic cannot be read, or they are too many to be held.
    pub(super) async fn gather(
        &self,
        selection: &Selection,
        wanted: Wanted,
        mut admits: impl FnMut(&Found) -> bool,
    ) -> anyhow::Result<Vec<Found>> {
        let stretches = self.stretches(selection).await?;
        let bar = progress::bar(stretches.iter().map(Stretch::offsets).sum(), "reading");
        let positions: HashSet<Position> = selection.positions.iter().copied().collect();
        let (mut missing, mut pile) = (positions.clone(), Pile::new(wanted));
        let mut scan = self.log.scan(&stretches)?;
        while let Some(record) = scan.next().await? {
            bar.inc(1);
            let position = Position { partition: record.partition, offset: record.offset };
            if !positions.is_empty() && !positions.contains(&position) {
                continue;
            }
            missing.remove(&position);
            let found = self.found(record);
            if selection.filters.admit(&found.record, &found.letter, self.now) && admits(&found) {
                pile.add(found)?;
            }
        }
        bar.finish_and_clear();
        if let Some(position) = missing.iter().min() {
            bail!("there is no record at {position} of topic {:?}; nothing was done", self.log.topic());
        }
        Ok(pile.sorted.into_values().collect())
    }

    fn found(&self, record: ScannedRecord) -> Found {
        let mut found = Found::new(record, Standing::Open);
        found.standing = self.decisions.standing(&found.id());
        found
    }

    /// What has to be read to find those that are meant.
    async fn stretches(&self, selection: &Selection) -> anyhow::Result<Vec<Stretch>> {
        let mut stretches = self.log.bounds().to_vec();
        if !selection.positions.is_empty() {
            return selection
                .positions
                .iter()
                .try_fold(Vec::new(), |stretches, position| self.with(stretches, *position));
        }
        if let Some(from) = selection.filters.from(self.now) {
            for (partition, offset) in self.log.offsets_at(from).await? {
                if let Some(stretch) = stretches.iter_mut().find(|stretch| stretch.partition == partition) {
                    stretch.from = offset.clamp(stretch.from, stretch.to);
                }
            }
        }
        Ok(stretches)
    }

    /// The stretches, grown by this position.
    fn with(&self, mut stretches: Vec<Stretch>, position: Position) -> anyhow::Result<Vec<Stretch>> {
        let (topic, Position { partition, offset }) = (self.log.topic(), position);
        let Some(bounds) = self.log.bounds().iter().find(|stretch| stretch.partition == partition) else {
            let count = self.log.bounds().len();
            bail!("topic {topic:?} has {count} partitions, so none {partition}; nothing was done");
        };
        if bounds.offsets() == 0 {
            bail!("partition {partition} of topic {topic:?} is empty, so there is no {position}; nothing was done");
        }
        if !(bounds.from..bounds.to).contains(&offset) {
            let last = bounds.to - 1;
            bail!(
                "partition {partition} of topic {topic:?} goes from {} to {last}, so there is no {position}; nothing \
                 was done",
                bounds.from
            );
        }
        match stretches.iter_mut().find(|stretch| stretch.partition == partition) {
            Some(known) => (known.from, known.to) = (known.from.min(offset), known.to.max(offset + 1)),
            None => stretches.push(Stretch { partition, from: offset, to: offset + 1 }),
        }
        Ok(stretches)
    }
}

/// The first letters of those that were found so far, in their order.
struct Pile {
    wanted: Wanted,
    sorted: BTreeMap<(Option<Timestamp>, Position), Found>,
    /// The latest time in each partition: none of its letters goes before an earlier one, whatever its own says.
    latest: HashMap<i32, Option<Timestamp>>,
    bytes: usize,
}

impl Pile {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, sorted: BTreeMap::new(), latest: HashMap::new(), bytes: 0 }
    }

    fn add(&mut self, mut found: Found) -> anyhow::Result<()> {
        if !self.wanted.with_values {
            found.record.value = None;
        }
        let position = found.position();
        let latest = self.latest.entry(position.partition).or_default();
        *latest = (*latest).max(found.record.timestamp);
        self.bytes += found.bytes();
        self.sorted.insert((*latest, position), found);
        if self.sorted.len() > self.wanted.limit {
            let last = self.sorted.pop_last();
            self.bytes -= last.map_or(0, |(_, last)| last.bytes());
        }
        if self.bytes > MOST_HELD_BYTES {
            bail!(
                "these letters have more than {} MiB: choose fewer, as by --limit; nothing was done",
                MOST_HELD_BYTES >> 20
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(partition: i32, offset: i64, written: i64) -> Found {
        let timestamp = Some(Timestamp::from_micros(written));
        let record = ScannedRecord { partition, offset, timestamp, key: None, value: Some(vec![0; 9]), headers: None };
        Found::new(record, Standing::Open)
    }

    #[test]
    fn letters_are_sorted_by_time_and_those_of_a_partition_stay_in_their_order() {
        let mut pile = Pile::new(Wanted { limit: 5, with_values: true });
        // Partition 0 holds an odd time, as where a sender's clock was wrong.
        for (partition, offset, written) in [(0, 0, 50), (0, 1, 10), (0, 2, 60), (1, 0, 20), (1, 1, 55), (1, 2, 70)] {
            pile.add(found(partition, offset, written)).expect("small");
        }
        let order: Vec<_> = pile.sorted.values().map(|found| found.position().to_string()).collect();
        assert_eq!(order, ["1/0", "0/0", "0/1", "1/1", "0/2"]);
        assert_eq!(pile.bytes, 5 * 9);
    }
}
