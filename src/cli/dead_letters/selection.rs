//! Which dead letters are meant: by where they lie, or by what they tell.

use std::fmt;

use crate::adapters::kafka::letters::{Dialect, Letter};
use crate::adapters::kafka::scan::ScannedRecord;
use crate::adapters::wire::rejection::RejectionReason;
use crate::cli::moment::{Since, since};
use crate::domain::timestamp::Timestamp;

/// The word for letters that we did not refuse.
const FOREIGN: &str = "foreign";

/// The letters that are meant. Without any of these: all.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Letters by where they lie in the dead-letter topic, as 3/17.
    #[arg(value_name = "PARTITION/OFFSET", value_parser = position)]
    pub(super) positions: Vec<Position>,
    #[command(flatten)]
    pub(super) filters: Filters,
}

/// The letters that are to be decided about: a selection, or all by a word of its own.
#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// All letters nobody has decided about.
    #[arg(long)]
    all: bool,
    /// How many letters at the most, the oldest first.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// What letters that are meant have in common.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filters {
    /// Only letters that were refused for this: `no_value`, `undecodable`, `contract`, `key_mismatch`, `contradiction`,
    /// `unstorable`, or `foreign` where somebody else refused them.
    #[arg(long, value_name = "REASON", value_parser = why)]
    refused_for: Option<Why>,
    /// Only letters of this writer: `order-payments`, `kafka`, `connect`, `streams`, `spring`, `smallrye` or `watermill`.
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    dialect: Option<Dialect>,
    /// Only letters written then or later: a time back from now, as 2h, or a moment as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "2h|MOMENT", value_parser = since)]
    from: Option<Since>,
    /// Only letters written before then.
    #[arg(long, value_name = "2h|MOMENT", value_parser = since)]
    to: Option<Since>,
    /// Only letters of this order: by their key, or by what their value says.
    #[arg(long, value_name = "ORDER_ID")]
    order_id: Option<String>,
}

/// Where a letter lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Position {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.partition, self.offset)
    }
}

/// Why letters were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// By us.
    Ours(&'static str),
    /// By somebody else.
    Foreign,
}

impl Why {
    pub(super) fn of(letter: &Letter) -> Self {
        letter.reason.map_or(Self::Foreign, |reason| Self::Ours(reason.as_str()))
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ours(reason) => reason,
            Self::Foreign => FOREIGN,
        }
    }
}

impl Chosen {
    /// Goes on where the choice may be made.
    ///
    /// # Errors
    /// Where nothing is chosen, `--all` stands beside a selection, or that may not be made: in words.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), &'static str> {
        if self.selection.is_all() != self.all {
            return Err("say which letters: PARTITION/OFFSET, a filter, or --all alone");
        }
        self.selection.check(now)
    }

    /// How many letters at the most.
    pub(super) fn limit(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

impl Selection {
    /// Whether nothing was selected: all letters are meant.
    fn is_all(&self) -> bool {
        self.positions.is_empty() && self.filters.is_empty()
    }

    /// Goes on where the selection may be made.
    ///
    /// # Errors
    /// Where it says two things at once, or its end lies before its beginning: in words.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), &'static str> {
        if !self.positions.is_empty() && !self.filters.is_empty() {
            return Err("name letters by PARTITION/OFFSET or by what they tell, not both");
        }
        let (from, to) = (self.filters.from(now), self.filters.to(now));
        if from.zip(to).is_some_and(|(from, to)| to <= from) {
            return Err("--to lies before --from, so no letter is meant");
        }
        if from.is_some_and(|from| from > now) {
            return Err("--from lies in the future, so no letter is meant");
        }
        Ok(())
    }
}

impl Filters {
    fn is_empty(&self) -> bool {
        let Self { refused_for, dialect, from, to, order_id } = self;
        refused_for.is_none() && dialect.is_none() && from.is_none() && to.is_none() && order_id.is_none()
    }

    /// From when on.
    pub(super) fn from(&self, now: Timestamp) -> Option<Timestamp> {
        self.from.map(|since| at(since, now))
    }

    fn to(&self, now: Timestamp) -> Option<Timestamp> {
        self.to.map(|since| at(since, now))
    }

    /// Whether a letter is meant.
    pub(super) fn admit(&self, record: &ScannedRecord, letter: &Letter, now: Timestamp) -> bool {
        let written = record.timestamp;
        self.refused_for.is_none_or(|why| why == Why::of(letter))
            && self.dialect.is_none_or(|dialect| letter.dialect == Some(dialect))
            && self.from(now).is_none_or(|from| written.is_some_and(|written| written >= from))
            && self.to(now).is_none_or(|to| written.is_some_and(|written| written < to))
            && self.order_id.as_deref().is_none_or(|order_id| is_of(record, order_id))
    }
}

/// The moment that is meant; one in the future is one.
fn at(since: Since, now: Timestamp) -> Timestamp {
    match since {
        Since::Ago(period) => now.minus(period).max(Timestamp::EPOCH),
        Since::At(moment) => moment,
    }
}

/// Whether a record speaks of this order, by its key or, where that is wrong, by its value.
fn is_of(record: &ScannedRecord, order_id: &str) -> bool {
    let is_key = record.key.as_deref() == Some(order_id.as_bytes());
    is_key || record.value.as_deref().is_some_and(|value| says(value, order_id))
}

fn says(value: &[u8], order_id: &str) -> bool {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(value) else { return false };
    json["order_id"] == order_id || json["data"]["order_id"] == order_id
}

/// Reads `3/17`.
pub(super) fn position(text: &str) -> Result<Position, String> {
    let read = text.split_once('/').and_then(|(partition, offset)| {
        let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
        (partition >= 0 && offset >= 0).then_some(Position { partition, offset })
    });
    read.ok_or_else(|| "it should be PARTITION/OFFSET, as 3/17".to_owned())
}

fn why(text: &str) -> Result<Why, String> {
    let ours = RejectionReason::ALL.into_iter().map(RejectionReason::as_str);
    let mut all = ours.clone().map(Why::Ours).chain([Why::Foreign]);
    let names = || ours.clone().chain([FOREIGN]).collect::<Vec<_>>().join(", ");
    all.find(|why| why.as_str() == text).ok_or_else(|| format!("it should be one of {}", names()))
}

fn dialect(text: &str) -> Result<Dialect, String> {
    let names = || Dialect::ALL.map(Dialect::as_str).join(", ");
    Dialect::from_name(text).ok_or_else(|| format!("it should be one of {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_partition_and_an_offset() {
        assert_eq!(position("3/17"), Ok(Position { partition: 3, offset: 17 }));
        for text in ["", "3", "3/", "/17", "3/17/1", "-1/2", "1/-2", "a/b", "3:17", "3/9223372036854775808"] {
            assert!(position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_order_is_found_by_key_and_by_value() {
        let record = |key: Option<&str>, value: &str| {
            let (key, value) = (key.map(|key| key.as_bytes().to_vec()), Some(value.as_bytes().to_vec()));
            ScannedRecord { partition: 0, offset: 0, timestamp: None, key, value, headers: None }
        };
        assert!(is_of(&record(Some("o-1"), "x"), "o-1"));
        assert!(is_of(&record(Some("o-2"), r#"{"order_id":"o-1"}"#), "o-1"));
        assert!(is_of(&record(None, r#"{"data":{"order_id":"o-1"}}"#), "o-1"));
        assert!(!is_of(&record(Some("o-2"), r#"{"order_id":"o-3"}"#), "o-1"));
        assert!(!is_of(&record(None, r#"[{"order_id":"o-1"}]"#), "o-1"));
    }

    #[test]
    fn reasons_and_dialects_are_a_closed_set() {
        assert_eq!(why("contract"), Ok(Why::Ours("contract")));
        assert_eq!(why("foreign"), Ok(Why::Foreign));
        assert!(why("bad").is_err_and(|problem| problem.contains("key_mismatch")));
        assert!(dialect("rabbit").is_err_and(|problem| problem.contains("watermill")));
    }
}
