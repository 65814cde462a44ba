//! Which records of a topic are meant: by place, by time, by order, by event. Pure.
//!
//! Of one kind any may hold, of different kinds all must: two orders and a partition are the records of either
//! order in that partition.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::adapters::kafka::scan::Stretch;
use crate::domain::order::OrderId;

/// Stretches that lie closer together than this are read in one go.
const MAX_GAP: i64 = 10_000;
/// The longest event id that is compared.
const MAX_EVENT_ID_CHARS: usize = 1_024;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Whole partitions.
    pub partitions: BTreeSet<i32>,
    /// Offsets of partitions.
    pub offsets: Vec<Offsets>,
    /// Orders.
    pub orders: HashSet<OrderId>,
    /// Ids of events.
    pub events: HashSet<String>,
}

/// Offsets of one partition, as `2:100..200`, `2:100..` or `2:100`: the end is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The first offset behind them; `None` for the partition's end.
    pub to: Option<i64>,
}

/// Why nothing can be selected so.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SelectionError {
    /// The topic has no such partition.
    #[error("topic {topic:?} has no partition {partition}: it has {known} of them, from 0 on")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: i32,
        /// How many there are.
        known: usize,
    },
    /// The offsets are not on the topic.
    #[error("offsets {offsets} are outside the log: partition {partition} of {topic:?} holds {from}..{to}")]
    OutsideTheLog {
        /// What was asked for.
        offsets: Offsets,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Its oldest offset.
        from: i64,
        /// Its end.
        to: i64,
    },
    /// The offsets and the partitions have nothing in common.
    #[error("offsets {offsets} are in none of the partitions that are named: nothing is selected")]
    NothingInCommon {
        /// The first of the offsets.
        offsets: Offsets,
    },
    /// A line of a file says nothing that is understood.
    #[error("line {line}: {problem}")]
    BadLine {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

const EXAMPLES: &str = "it should be offsets as 0:100..200, 0:100.. or 0:100";

impl FromStr for Offsets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (partition, range) = text.split_once(':').ok_or(EXAMPLES)?;
        let partition = number(partition).and_then(|number| i32::try_from(number).ok()).ok_or(EXAMPLES)?;
        let (from, to) = range_of(range)?;
        Ok(Self { partition, from, to })
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(formatter, "{}:{}..{to}", self.partition, self.from),
            None => write!(formatter, "{}:{}..", self.partition, self.from),
        }
    }
}

/// Reads `100..200`, `100..` or `100`.
///
/// # Errors
/// In words, where it is none of them, or nothing lies between its ends.
pub fn range_of(text: &str) -> Result<(i64, Option<i64>), String> {
    let Some((from, to)) = text.split_once("..") else {
        let offset = number(text).ok_or(EXAMPLES)?;
        return Ok((offset, Some(offset.saturating_add(1))));
    };
    let from = number(from).ok_or(EXAMPLES)?;
    if to.is_empty() {
        return Ok((from, None));
    }
    let to = number(to).ok_or(EXAMPLES)?;
    if to <= from {
        return Err(format!(
            "{from}..{to} ends before it starts: the end, which is not included, lies behind the start"
        ));
    }
    Ok((from, Some(to)))
}

/// A number that is not negative, in digits alone.
fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// An event's id, as it was given.
///
/// # Errors
/// In words, where no event can have it.
pub fn event_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=MAX_EVENT_ID_CHARS => Ok(text.to_owned()),
        0 => Err("an event's id is not empty".to_owned()),
        _ => Err(format!("an event's id has at most {MAX_EVENT_ID_CHARS} characters")),
    }
}

impl Criteria {
    /// Adds what the lines of a file ask for: `order ID`, `event ID`, `offsets 0:100..200`, or `0:100`.
    ///
    /// # Errors
    /// [`SelectionError::BadLine`], the first one.
    pub fn add_lines(&mut self, text: &str) -> Result<(), SelectionError> {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.add_line(line).map_err(|problem| SelectionError::BadLine { line: index + 1, problem })?;
            }
        }
        Ok(())
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        match line.split_once(char::is_whitespace).map(|(kind, rest)| (kind, rest.trim())) {
            Some(("order", id)) => {
                self.orders.insert(id.parse().map_err(|problem| format!("{problem}"))?);
            }
            Some(("event", id)) => {
                self.events.insert(event_id(id)?);
            }
            Some(("offsets", range)) => self.offsets.push(range.parse()?),
            None if line.contains(':') => self.offsets.push(line.parse()?),
            _ => return Err("it should be `order ID`, `event ID`, `offsets 0:100..200` or `0:100`".to_owned()),
        }
        Ok(())
    }

    /// The stretches of this topic that are asked for, by partition: each within `bounds`, and within the times that
    /// are given as each partition's first offsets. None is empty, none touches another.
    ///
    /// # Errors
    /// [`SelectionError`] where the topic does not have what is asked for.
    pub fn stretches(
        &self,
        topic: &str,
        bounds: &[Stretch],
        from: Option<&[(i32, i64)]>,
        to: Option<&[(i32, i64)]>,
    ) -> Result<Vec<Stretch>, SelectionError> {
        let bounds_of: BTreeMap<i32, Stretch> = bounds.iter().map(|stretch| (stretch.partition, *stretch)).collect();
        let bounds_of = |partition| {
            let known = bounds.len();
            bounds_of.get(&partition).copied().ok_or(SelectionError::UnknownPartition {
                topic: topic.to_owned(),
                partition,
                known,
            })
        };
        let mut wanted = Vec::new();
        for partition in &self.partitions {
            wanted.push(bounds_of(*partition)?);
        }
        if !self.offsets.is_empty() {
            let within = |partition| self.partitions.is_empty() || self.partitions.contains(&partition);
            wanted = Vec::with_capacity(self.offsets.len());
            for offsets in &self.offsets {
                let stretch = offsets.within(topic, bounds_of(offsets.partition)?)?;
                wanted.extend(within(offsets.partition).then_some(stretch));
            }
            if wanted.is_empty() {
                return Err(SelectionError::NothingInCommon { offsets: self.offsets[0] });
            }
        } else if self.partitions.is_empty() {
            wanted = bounds.to_vec();
        }
        let narrowed = wanted.into_iter().map(|stretch| narrowed(stretch, from, to));
        Ok(merged(narrowed.filter(|stretch| stretch.from < stretch.to).collect()))
    }

    /// Whether a record of this order and this event is asked for, wherever it lies.
    pub fn wants(&self, order_id: Option<&str>, event_id: Option<&str>) -> bool {
        let is_order = || order_id.and_then(|id| id.parse().ok()).is_some_and(|id: OrderId| self.orders.contains(&id));
        let is_event = || event_id.is_some_and(|id| self.events.contains(id));
        (self.orders.is_empty() || is_order()) && (self.events.is_empty() || is_event())
    }
}

impl Offsets {
    fn within(self, topic: &str, bounds: Stretch) -> Result<Stretch, SelectionError> {
        let to = self.to.unwrap_or(bounds.to);
        if self.from < bounds.from || to > bounds.to || self.from >= to {
            return Err(SelectionError::OutsideTheLog {
                offsets: self,
                topic: topic.to_owned(),
                partition: self.partition,
                from: bounds.from,
                to: bounds.to,
            });
        }
        Ok(Stretch { partition: self.partition, from: self.from, to })
    }
}

fn narrowed(stretch: Stretch, from: Option<&[(i32, i64)]>, to: Option<&[(i32, i64)]>) -> Stretch {
    let at = |moments: Option<&[(i32, i64)]>| {
        let found = moments?.iter().find(|(partition, _)| *partition == stretch.partition);
        found.map(|(_, offset)| *offset)
    };
    let from = at(from).map_or(stretch.from, |offset| offset.max(stretch.from));
    let to = at(to).map_or(stretch.to, |offset| offset.min(stretch.to));
    Stretch { from, to, ..stretch }
}

/// The same offsets, each once.
fn merged(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|stretch| (stretch.partition, stretch.from));
    let mut merged: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if last.partition == stretch.partition && stretch.from <= last.to => {
                last.to = last.to.max(stretch.to);
            }
            _ => merged.push(stretch),
        }
    }
    merged
}

/// How to read these stretches: one round after the other, each with one stretch of a partition at the most. What
/// lies in a small gap between two is read as well.
pub fn rounds(stretches: &[Stretch]) -> Vec<Vec<Stretch>> {
    let mut by_partition: BTreeMap<i32, Vec<Stretch>> = BTreeMap::new();
    for stretch in stretches {
        let own = by_partition.entry(stretch.partition).or_default();
        match own.last_mut() {
            Some(last) if stretch.from - last.to <= MAX_GAP => last.to = stretch.to,
            _ => own.push(*stretch),
        }
    }
    let longest = by_partition.values().map(Vec::len).max().unwrap_or(0);
    let round = |index: usize| by_partition.values().filter_map(|own| own.get(index).copied()).collect();
    (0..longest).map(round).collect()
}

/// Whether this place lies in one of these stretches, which come by partition and offset.
pub fn covers(stretches: &[Stretch], partition: i32, offset: i64) -> bool {
    let behind = stretches.partition_point(|stretch| (stretch.partition, stretch.from) <= (partition, offset));
    let before = behind.checked_sub(1).and_then(|index| stretches.get(index));
    before.is_some_and(|stretch| stretch.partition == partition && offset < stretch.to)
}

#[cfg(test)]
mod tests;
