//! Letters that are meant and not sent, and the keys whose later letters have to wait for them. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::adapters::kafka::letters::Letter;
use crate::adapters::wire::rejection::RejectionReason;
use crate::application::dead_letters::Standing;
use crate::cli::dead_letters::desk::Found;
use crate::cli::safe;
use crate::domain::timestamp::Timestamp;

/// How many letters are meant and not sent, by why.
#[derive(Debug, Default, Serialize)]
pub(super) struct LeftOut {
    pub(super) decided_before: usize,
    pub(super) being_redriven: usize,
    pub(super) redriven_too_often: usize,
    pub(super) unreadable: usize,
    /// Those that carry no record, and where it is.
    pub(super) without_record: Vec<String>,
    /// An earlier letter of their key is not sent: they would overtake it.
    pub(super) behind_another_of_its_key: usize,
    #[serde(skip)]
    held: Held,
}

impl LeftOut {
    /// Whether this letter is sent again; counted where not.
    pub(super) fn passes(&mut self, found: &Found, max_redrives: u32) -> bool {
        match found.standing {
            Standing::Redriven | Standing::Discarded => {
                self.decided_before += 1;
                return false;
            }
            Standing::Redriving => self.being_redriven += 1,
            _ if !found.letter.is_readable => self.unreadable += 1,
            _ if lacks_its_record(found) => self.without_record.push(place_of_the_record(found)),
            _ if found.letter.redrives >= max_redrives => self.redriven_too_often += 1,
            _ if self.held.holds(found) => self.behind_another_of_its_key += 1,
            Standing::Open | Standing::Interrupted => return true,
        }
        self.held.add(found);
        false
    }

    /// Whether nothing that is left out lies before this letter of the same key, wherever; counted where something does.
    pub(super) fn passes_others(&mut self, found: &Found) -> bool {
        let passes = !self.held.holds(found);
        self.behind_another_of_its_key += usize::from(!passes);
        passes
    }

    /// Whether a person should know of it.
    pub(super) fn asks_for_attention(&self) -> bool {
        let Self { being_redriven, redriven_too_often, unreadable, behind_another_of_its_key, .. } = self;
        being_redriven + redriven_too_often + unreadable + behind_another_of_its_key > 0
            || !self.without_record.is_empty()
    }
}

/// A share group of Kafka's own copies no record into its letters unless it is told to (KIP-1191,
/// `errors.deadletterqueue.copy.record.enable`): sent as it is, the letter would be a deletion of nothing.
fn lacks_its_record(found: &Found) -> bool {
    found.record.value.is_none() && found.letter.reason != Some(RejectionReason::NoValue)
}

fn place_of_the_record(found: &Found) -> String {
    let Letter { topic, partition, offset, .. } = &found.letter;
    let position = found.position();
    match (topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => {
            let topic = safe::text(topic);
            format!("{position} carries no record; it is {topic} {partition}/{offset}: replay it from there")
        }
        _ => format!("{position} carries no record, and does not tell where that is"),
    }
}

/// Keys of which a letter is left out: where the first one is.
#[derive(Debug, Default)]
struct Held(HashMap<Vec<u8>, Firsts>);

/// By partition the first letter that is left out: its offset, and when it was written.
type Firsts = BTreeMap<i32, (i64, Option<Timestamp>)>;

impl Held {
    fn add(&mut self, found: &Found) {
        let Some(key) = found.ordering_key() else { return };
        let place = (found.record.offset, found.record.timestamp);
        let of_key = self.0.entry(key.to_vec()).or_default();
        of_key.entry(found.record.partition).and_modify(|first| *first = place.min(*first)).or_insert(place);
    }

    /// Whether one of the same key lies before it: in its partition by offset, in others by time.
    fn holds(&self, found: &Found) -> bool {
        let Some(of_key) = found.ordering_key().and_then(|key| self.0.get(key)) else { return false };
        of_key.iter().any(|(partition, (offset, written))| {
            let is_same = *partition == found.record.partition;
            if is_same { *offset < found.record.offset } else { *written <= found.record.timestamp }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::scan::ScannedRecord;

    fn found(key: &str, partition: i32, offset: i64, standing: Standing) -> Found {
        let (key, value) = (Some(key.as_bytes().to_vec()), Some(b"{}".to_vec()));
        let timestamp = Some(Timestamp::from_micros(offset));
        Found::new(ScannedRecord { partition, offset, timestamp, key, value, headers: None }, standing)
    }

    #[test]
    fn no_letter_overtakes_one_of_its_key_that_is_left_out() {
        let mut left_out = LeftOut::default();
        let standings = [
            ("a", 0, Standing::Open, true),
            ("a", 1, Standing::Redriving, false),
            ("a", 2, Standing::Open, false),
            ("b", 3, Standing::Interrupted, true),
            ("b", 4, Standing::Redriven, false),
            ("b", 5, Standing::Open, true),
        ];
        for (key, offset, standing, expected) in standings {
            assert_eq!(left_out.passes(&found(key, 0, offset, standing), 5), expected, "{key} {offset}");
        }
        let counts = (left_out.being_redriven, left_out.behind_another_of_its_key, left_out.decided_before);
        assert_eq!(counts, (1, 1, 1));
        assert!(left_out.passes_others(&found("a", 1, 0, Standing::Open)), "written before it");
        assert!(!left_out.passes_others(&found("a", 1, 1, Standing::Open)), "perhaps behind it");
        assert!(left_out.passes_others(&found("c", 1, 9, Standing::Open)));
        assert!(left_out.asks_for_attention());
    }

    #[test]
    fn those_that_are_sent_too_often_or_carry_no_record_hold_their_key() {
        let mut left_out = LeftOut::default();
        assert!(!left_out.passes(&found("a", 0, 0, Standing::Open), 0), "too often");
        let mut empty = found("b", 0, 1, Standing::Open);
        empty.record.value = None;
        assert!(!left_out.passes(&empty, 5));
        for (key, offset) in [("a", 2), ("b", 3)] {
            assert!(!left_out.passes(&found(key, 0, offset, Standing::Open), 5), "{key}");
        }
        assert_eq!((left_out.redriven_too_often, left_out.behind_another_of_its_key), (1, 2));
        assert_eq!(left_out.without_record, ["0/1 carries no record, and does not tell where that is"]);
    }
}
