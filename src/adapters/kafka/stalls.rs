//! Notices a partition that is read no more though it should be, and says what to do about it, in steps. Pure:
//! what is known comes in, an alarm goes out. A false alarm costs more than a late one.
//!
//! ```text
//! silent for PATIENCE ─► seek ─► reassign ─► renew the client ─► give up      each PATIENCE after the one before
//! ```
//! Silent is a partition that is not paused, whose broker is connected and does not throttle us, and that got
//! nothing although there is more, or that does not even ask for more. What is held of it does not matter:
//! orders that wait for the world are no stall of the reading.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

/// What is known of the reading of one of our partitions at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) partition: i32,
    /// Whether we do not want it to be read.
    pub(crate) is_paused: bool,
    /// The offset that is handed over next.
    pub(crate) position: i64,
    /// The offset that the client fetches next; beyond the end of a transaction, too.
    pub(crate) fetched_to: i64,
    /// Where the partition ends for readers of committed records, where that is known.
    pub(crate) end: Option<i64>,
    /// What the client says it does with it: "active" where it fetches.
    pub(crate) fetch_state: String,
    pub(crate) broker: Link,
}

/// How the broker is that the partition is fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Connected.
    Up,
    /// Not connected: the client connects by itself.
    Away,
    /// Connected, and told us to slow down.
    Throttling,
}

/// How the reading of a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// It goes on.
    Moves,
    /// Everything there is has been read.
    Idle,
    /// It does not go on, and it is known why: paused, or for the broker to mend.
    Excused,
    Silent,
}

/// What is done about a partition that stalls. Each step is harder than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Repair {
    /// Has the client look again where we stand.
    Seek,
    /// Takes the partition from the client and gives it back.
    Reassign,
    /// Closes the client and joins the group with another one.
    Renew,
    /// Ends the service: another instance, or the next start, may have more luck.
    GiveUp,
}

impl Repair {
    /// A word for metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Seek => "seek",
            Self::Reassign => "reassign",
            Self::Renew => "renew",
            Self::GiveUp => "give_up",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Seek => Self::Reassign,
            Self::Reassign => Self::Renew,
            Self::Renew | Self::GiveUp => Self::GiveUp,
        }
    }
}

/// A partition stalls, and this is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) sight: Sight,
    pub(crate) silent_for: Duration,
    pub(crate) repair: Repair,
}

impl fmt::Display for Alarm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sight { partition, fetched_to, fetch_state, .. } = &self.sight;
        write!(
            formatter,
            "partition {partition} was not read for {} s: it is not paused, its broker is connected, it is fetched \
             from offset {fetched_to} ({fetch_state})",
            self.silent_for.as_secs()
        )?;
        match self.sight.end {
            Some(end) => write!(formatter, " and ends at {end}"),
            None => write!(formatter, " and its end is not known"),
        }
    }
}

/// How many times its patience a watch remembers what it did about a partition that left.
const MEMORY: u32 = 20;

/// Watches the reading of all our partitions.
#[derive(Debug)]
pub(crate) struct StallWatch {
    patience: Duration,
    watched: HashMap<i32, Watched>,
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    position: i64,
    fetched_to: i64,
    /// Where it ends, as was heard last: from the client, or from the cluster where that was asked.
    end: Option<i64>,
    /// What the client said last, which is old news until it says something else.
    told: Option<i64>,
    /// Since when it is silent, if it is.
    since: Instant,
    /// What is to be done next, and not before `due`.
    next: Repair,
    due: Instant,
    seen: Instant,
}

impl StallWatch {
    /// A watch that is alarmed by a partition that was silent for so long.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, watched: HashMap::new(), looked_at: None }
    }

    /// Says that another client is looked at from `now` on: it was not looked at for as long as that took, and
    /// has its time for every partition.
    pub(crate) fn begin_again(&mut self, now: Instant) {
        self.looked_at = None;
        self.watched.values_mut().for_each(|watched| watched.due = now + self.patience);
    }

    /// How many of the partitions that were looked at last were found stalled and not read since.
    pub(crate) fn stalled_count(&self) -> usize {
        let is_ours = |watched: &&Watched| Some(watched.seen) == self.looked_at;
        self.watched.values().filter(is_ours).filter(|watched| watched.next > Repair::Seek).count()
    }

    /// The partitions that do not move and may only seem to be at their end: what the client knows of that
    /// comes with what it fetches.
    pub(crate) fn doubtful(&self, now: Instant) -> Vec<i32> {
        let is_doubtful = |watched: &Watched| now.duration_since(watched.since) >= self.patience / 2;
        self.watched.iter().filter(|(_, watched)| is_doubtful(watched)).map(|(partition, _)| *partition).collect()
    }

    /// Notes where a partition ends, as the cluster told.
    pub(crate) fn note_end(&mut self, partition: i32, end: i64) {
        if let Some(watched) = self.watched.get_mut(&partition) {
            watched.end = Some(end);
        }
    }

    /// Takes in all our partitions as they are `now`, some times within the patience.
    pub(crate) fn observe(&mut self, now: Instant, sights: &[Sight]) -> Vec<Alarm> {
        // This process was stopped in between: nothing could have been read, and everyone gets the time anew.
        let has_slept = self.looked_at.is_some_and(|at| now.duration_since(at) > self.patience);
        self.looked_at = Some(now);
        let memory = self.patience * MEMORY;
        // What a repair took from the client comes back, and what was done before is not forgotten.
        self.watched.retain(|_, watched| !has_slept && now.duration_since(watched.seen) <= memory);
        sights.iter().filter_map(|sight| self.look(now, sight)).collect()
    }

    fn look(&mut self, now: Instant, sight: &Sight) -> Option<Alarm> {
        let patience = self.patience;
        let watched = self.watched.entry(sight.partition).or_insert_with(|| Watched::from(sight, now, patience));
        if sight.end.is_some() && sight.end != watched.told {
            (watched.end, watched.told) = (sight.end, sight.end);
        }
        let course = watched.course(sight);
        if now.duration_since(watched.seen) > patience {
            (watched.since, watched.due) = (now, now + patience); // It was another member's, or nobody's.
        }
        (watched.position, watched.seen) = (sight.position, now);
        if sight.fetched_to >= 0 {
            watched.fetched_to = sight.fetched_to;
        }
        match course {
            Course::Moves => {
                let Watched { end, told, .. } = *watched;
                *watched = Watched { end, told, ..Watched::from(sight, now, patience) };
            }
            Course::Idle => {
                // It stays doubtful whether it is, so `since` stays.
                (watched.next, watched.due) = (Repair::Seek, now + patience);
            }
            Course::Excused => (watched.since, watched.due) = (now, now + patience),
            Course::Silent if now < watched.due => {}
            Course::Silent => {
                let (repair, silent_for) = (watched.next, now.duration_since(watched.since));
                (watched.next, watched.due) = (repair.next(), now + patience);
                return Some(Alarm { sight: Sight { end: watched.end, ..sight.clone() }, silent_for, repair });
            }
        }
        None
    }
}

impl Watched {
    fn from(sight: &Sight, now: Instant, patience: Duration) -> Self {
        let Sight { position, fetched_to, end, .. } = *sight;
        let (next, due) = (Repair::Seek, now + patience);
        Self { position, fetched_to, end, told: end, since: now, next, due, seen: now }
    }

    fn course(&self, sight: &Sight) -> Course {
        if sight.position > self.position || sight.fetched_to > self.fetched_to.max(self.position) {
            return Course::Moves;
        }
        if sight.is_paused || sight.broker != Link::Up {
            return Course::Excused;
        }
        let is_behind = self.end.is_some_and(|end| sight.fetched_to.max(sight.position) < end);
        if is_behind || sight.fetch_state != "active" { Course::Silent } else { Course::Idle }
    }
}

#[cfg(test)]
mod tests;
