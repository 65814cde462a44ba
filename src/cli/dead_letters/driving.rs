//! Sends letters again, a batch at a time: decided before it is sent, concluded once the cluster has confirmed it.
//!
//! No two letters of one key are on the way at once, none goes where an earlier one of its key did not, and the first
//! failure ends it: so the order of a key is kept even where a delivery fails.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep_until};

use crate::adapters::kafka::letters::{OnTheWay, Redriver, Unsent};
use crate::application::dead_letters::{Decision, Decisions, LetterId, Sent};
use crate::cli::dead_letters::desk::Found;
use crate::cli::dead_letters::selection::Position;

/// The most letters of a batch.
const BATCH_LETTERS: usize = 200;
/// The most bytes of a batch that are on the way, beside those of its first letter.
const BATCH_BYTES: usize = 16 << 20;

/// Who sends letters again, and how fast.
pub(super) struct Orders<'a> {
    pub(super) actor: &'a str,
    pub(super) reason: &'a str,
    /// Letters a second, at the most; 0 for no limit.
    pub(super) rate: u32,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Driven {
    pub(super) redriven: usize,
    /// Somebody else decided about them meanwhile.
    pub(super) taken: usize,
    /// An earlier one of their key was not sent.
    pub(super) behind: usize,
    /// The cluster refuses them.
    pub(super) refused: Vec<(Position, String)>,
    /// Why it ended before all were dealt with: neither the storage nor the cluster is at fault where there is none.
    pub(super) failure: Option<anyhow::Error>,
    /// The keys of which a letter was not sent.
    held: HashSet<Vec<u8>>,
}

/// Sends these letters again, in their order, until all are dealt with or the storage or the cluster does not answer:
/// what was sent and not concluded will be sent once more by whoever repeats it, which is safe.
pub(super) async fn drive(
    decisions: &Decisions,
    redriver: &Redriver,
    letters: &[Found],
    orders: &Orders<'_>,
    bar: &ProgressBar,
) -> Driven {
    let mut driven = Driven::default();
    let most = if orders.rate == 0 { BATCH_LETTERS } else { BATCH_LETTERS.min(orders.rate as usize) };
    let mut rest: VecDeque<&Found> = letters.iter().collect();
    let mut due = Instant::now();
    while !rest.is_empty() {
        let batch = driven.next_batch(&mut rest, most);
        sleep_until(due).await;
        due = Instant::now() + orders.time_for(batch.len());
        if let Err(problem) = send(decisions, redriver, &batch, orders, &mut driven).await {
            let done = driven.redriven;
            driven.failure = Some(problem.context(format!(
                "{done} of {} letters were sent again before it ended; repeat the command in two minutes, which is \
                 safe: what is unsure is sent once more then and paid once",
                letters.len()
            )));
            return driven;
        }
        bar.set_position((letters.len() - rest.len()) as u64);
    }
    driven
}

impl Orders<'_> {
    /// How long so many letters take.
    fn time_for(&self, letters: usize) -> Duration {
        let letters = u32::try_from(letters).unwrap_or(u32::MAX);
        if self.rate == 0 { Duration::ZERO } else { Duration::from_secs(1) * letters / self.rate }
    }
}

impl Driven {
    /// Takes those that may be on the way at once, and drops those that would overtake another of their key.
    fn next_batch<'a>(&mut self, rest: &mut VecDeque<&'a Found>, most: usize) -> Vec<&'a Found> {
        let (mut batch, mut keys, mut bytes) = (Vec::new(), HashSet::new(), 0);
        while let Some(found) = rest.front().copied().filter(|_| batch.len() < most) {
            if found.ordering_key().is_some_and(|key| self.held.contains(key)) {
                self.behind += 1;
                rest.pop_front();
                continue;
            }
            bytes += found.record.value.as_ref().map_or(0, Vec::len);
            // Those without a key have no order among them.
            let is_new = found.ordering_key().is_none_or(|key| keys.insert(key));
            if !is_new || (!batch.is_empty() && bytes > BATCH_BYTES) {
                break;
            }
            batch.extend(rest.pop_front());
        }
        batch
    }

    /// This letter is not sent: those of its key behind it have to wait.
    fn hold(&mut self, found: &Found) {
        self.held.extend(found.ordering_key().map(<[u8]>::to_vec));
    }
}

/// Sends a batch.
///
/// # Errors
/// Where the storage does not answer, or not all of it is confirmed.
async fn send(
    decisions: &Decisions,
    redriver: &Redriver,
    batch: &[&Found],
    orders: &Orders<'_>,
    driven: &mut Driven,
) -> anyhow::Result<()> {
    let ids: Vec<LetterId> = batch.iter().map(|found| found.id()).collect();
    let decided = decisions.decide(&ids, Decision::Redrive, orders.actor, orders.reason).await;
    let mine = decided.context("the storage did not take down which letters come next, so those were not sent")?;
    let mut sent: Vec<(&Found, Result<OnTheWay, Unsent>)> = Vec::with_capacity(batch.len());
    for (found, is_mine) in batch.iter().copied().zip(mine) {
        if is_mine {
            sent.push((found, redriver.send(&found.record, &found.letter)));
        } else {
            driven.taken += 1;
            driven.hold(found);
        }
    }
    let (ends, failure) = confirmed(sent, redriver.topic(), driven).await;
    let concluded = decisions.conclude(&ends, orders.actor).await;
    if let Some(problem) = failure {
        return Err(anyhow!(problem).context("the cluster did not confirm a letter"));
    }
    concluded.context("the storage did not take down which letters were sent last")
}

/// How each of them ended, and why one was not confirmed.
async fn confirmed(
    sent: Vec<(&Found, Result<OnTheWay, Unsent>)>,
    topic: &str,
    driven: &mut Driven,
) -> (Vec<(LetterId, Sent, String)>, Option<Unsent>) {
    let (mut ends, mut failure) = (Vec::with_capacity(sent.len()), None);
    for (found, on_the_way) in sent {
        let confirmed = match on_the_way {
            Ok(on_the_way) => on_the_way.confirm().await,
            Err(unsent) => Err(unsent),
        };
        match confirmed {
            Ok((partition, offset)) => {
                driven.redriven += 1;
                ends.push((found.id(), Sent::Confirmed, format!("sent to {partition}/{offset} of {topic}")));
            }
            Err(Unsent { is_refused: true, problem }) => {
                driven.hold(found);
                driven.refused.push((found.position(), problem.clone()));
                ends.push((found.id(), Sent::Refused, problem));
            }
            Err(unsent) => failure = failure.or(Some(unsent)),
        }
    }
    (ends, failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::scan::ScannedRecord;
    use crate::application::dead_letters::Standing;

    fn letters(keys: &[Option<&str>], bytes: usize) -> Vec<Found> {
        let found = keys.iter().zip(0..).map(|(key, offset)| {
            let (key, value) = (key.map(|key| key.as_bytes().to_vec()), Some(vec![0; bytes]));
            let record = ScannedRecord { partition: 0, offset, timestamp: None, key, value, headers: None };
            Found::new(record, Standing::Open)
        });
        found.collect()
    }

    /// How many letters each batch has.
    fn batches(driven: &mut Driven, letters: &[Found], most: usize) -> Vec<usize> {
        let mut rest: VecDeque<&Found> = letters.iter().collect();
        let mut batches = Vec::new();
        while !rest.is_empty() {
            batches.push(driven.next_batch(&mut rest, most).len());
        }
        batches
    }

    #[test]
    fn no_two_letters_of_a_key_are_in_a_batch() {
        let of = |keys: &[Option<&str>]| batches(&mut Driven::default(), &letters(keys, 1), 3);
        assert_eq!(of(&[Some("a"), Some("b"), Some("a")]), [2, 1]);
        assert_eq!(of(&[Some("a"), Some("a")]), [1, 1]);
        assert_eq!(of(&[None, None, None, None]), [3, 1], "as many as may be");
    }

    #[test]
    fn no_letter_goes_where_an_earlier_one_of_its_key_did_not() {
        let letters = letters(&[Some("a"), Some("b"), Some("a"), Some("c"), Some("a")], 1);
        let mut driven = Driven::default();
        driven.hold(&letters[0]);
        assert_eq!((batches(&mut driven, &letters[1..], 9), driven.behind), (vec![2], 2));
    }

    #[test]
    fn a_batch_is_no_larger_than_may_be_held_and_never_empty() {
        let half = letters(&[Some("a"), Some("b"), Some("c")], BATCH_BYTES / 2);
        assert_eq!(batches(&mut Driven::default(), &half, 3), [2, 1]);
        let whole = letters(&[Some("a"), Some("b")], BATCH_BYTES + 1);
        assert_eq!(batches(&mut Driven::default(), &whole, 3), [1, 1]);
    }

    #[test]
    fn the_rate_is_one_of_letters_however_many_are_in_a_batch() {
        let orders = |rate| Orders { actor: "ada", reason: "mended", rate };
        assert_eq!(orders(1_000).time_for(200), Duration::from_millis(200));
        assert_eq!(orders(50).time_for(1), Duration::from_millis(20));
        assert_eq!(orders(0).time_for(200), Duration::ZERO);
    }
}
