//! Sends letters again, a batch at a time: decided before it is sent, concluded once the cluster has confirmed it.
//!
//! No two letters of one key are on the way at once, and the first failure ends it: so the order of a key is kept
//! even where a delivery fails.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::ProgressBar;
use tokio::time::{MissedTickBehavior, interval};

use crate::adapters::kafka::letters::{OnTheWay, Redriver, Unsent};
use crate::application::dead_letters::{Decision, Decisions, LetterId, Sent};
use crate::cli::dead_letters::desk::Found;
use crate::cli::dead_letters::selection::Position;

/// The most letters of a batch.
const BATCH_LETTERS: usize = 200;
/// The most bytes of a batch that are on the way, beside those of its first letter.
const BATCH_BYTES: usize = 16 << 20;
/// How often a batch is sent where there is a limit: so a batch is what a second may send.
const SECOND: Duration = Duration::from_secs(1);

/// Who sends letters again, and how fast.
pub(super) struct Orders<'a> {
    pub(super) actor: &'a str,
    pub(super) reason: &'a str,
    /// Letters a second, at the most; 0 for no limit.
    pub(super) rate: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Driven {
    pub(super) redriven: usize,
    /// Somebody else decided about them meanwhile.
    pub(super) taken: usize,
    /// The cluster refuses them.
    pub(super) refused: Vec<(Position, String)>,
}

/// Sends these letters again, in their order.
///
/// # Errors
/// Where the storage or the cluster does not answer: what was sent and not concluded will be sent once more by
/// whoever repeats it, which is safe.
pub(super) async fn drive(
    decisions: &Decisions,
    redriver: &Redriver,
    letters: &[Found],
    orders: &Orders<'_>,
    bar: &ProgressBar,
) -> anyhow::Result<Driven> {
    let mut driven = Driven::default();
    let mut seconds = interval(SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let most = if orders.rate == 0 { BATCH_LETTERS } else { orders.rate.min(BATCH_LETTERS) };
    let mut rest = letters;
    while !rest.is_empty() {
        if orders.rate > 0 {
            seconds.tick().await;
        }
        let (batch, behind) = rest.split_at(batch_of(rest, most));
        let failure = send(decisions, redriver, batch, orders, &mut driven).await?;
        if let Some(problem) = failure {
            let done = driven.redriven;
            return Err(anyhow!(problem).context(format!(
                "{done} of {} letters were redriven, then the cluster did not confirm one; repeat the command in two \
                 minutes, which is safe",
                letters.len()
            )));
        }
        bar.inc(batch.len() as u64);
        rest = behind;
    }
    Ok(driven)
}

/// How many of them may be on the way at once.
fn batch_of(letters: &[Found], most: usize) -> usize {
    let (mut keys, mut bytes) = (HashSet::new(), 0);
    for (index, found) in letters.iter().take(most).enumerate() {
        bytes += found.record.value.as_ref().map_or(0, Vec::len);
        // Those without a key have no order among them.
        let is_new = found.record.key.as_deref().is_none_or(|key| keys.insert(key));
        if !is_new || (index > 0 && bytes > BATCH_BYTES) {
            return index;
        }
    }
    letters.len().min(most)
}

/// Sends a batch, and says why not all of it is confirmed.
async fn send(
    decisions: &Decisions,
    redriver: &Redriver,
    batch: &[Found],
    orders: &Orders<'_>,
    driven: &mut Driven,
) -> anyhow::Result<Option<Unsent>> {
    let ids: Vec<LetterId> = batch.iter().map(Found::id).collect();
    let mine = decisions.decide(&ids, Decision::Redrive, orders.actor, orders.reason).await?;
    let sent: Vec<(&Found, Result<OnTheWay, Unsent>)> = batch
        .iter()
        .zip(&mine)
        .filter(|(_, is_mine)| **is_mine)
        .map(|(found, _)| (found, redriver.send(&found.record, &found.letter)))
        .collect();
    driven.taken += batch.len() - sent.len();
    let (mut ends, mut failure) = (Vec::with_capacity(sent.len()), None);
    for (found, on_the_way) in sent {
        let confirmed = match on_the_way {
            Ok(on_the_way) => on_the_way.confirm().await,
            Err(unsent) => Err(unsent),
        };
        match confirmed {
            Ok((partition, offset)) => {
                driven.redriven += 1;
                ends.push((
                    found.id(),
                    Sent::Confirmed,
                    format!("sent to {partition}/{offset} of {}", redriver.topic()),
                ));
            }
            Err(Unsent { is_refused: true, problem }) => {
                driven.refused.push((found.position(), problem.clone()));
                ends.push((found.id(), Sent::Refused, problem));
            }
            Err(unsent) => failure = failure.or(Some(unsent)),
        }
    }
    decisions.conclude(&ends, orders.actor).await?;
    Ok(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::letters::Letter;
    use crate::adapters::kafka::scan::ScannedRecord;
    use crate::application::dead_letters::Standing;

    fn letters(keys: &[Option<&str>], bytes: usize) -> Vec<Found> {
        let found = keys.iter().zip(0..).map(|(key, offset)| {
            let (key, value) = (key.map(|key| key.as_bytes().to_vec()), Some(vec![0; bytes]));
            let record = ScannedRecord { partition: 0, offset, timestamp: None, key, value, headers: None };
            Found { letter: Letter::of(&record), record, standing: Standing::Open }
        });
        found.collect()
    }

    #[test]
    fn no_two_letters_of_a_key_are_in_a_batch() {
        let of = |keys: &[Option<&str>]| batch_of(&letters(keys, 1), 3);
        assert_eq!(of(&[Some("a"), Some("b"), Some("a")]), 2);
        assert_eq!(of(&[Some("a"), Some("a")]), 1);
        assert_eq!(of(&[None, None, None, None]), 3, "as many as may be");
        assert_eq!(of(&[]), 0);
    }

    #[test]
    fn a_batch_is_no_larger_than_may_be_held_and_never_empty() {
        let half = letters(&[Some("a"), Some("b"), Some("c")], BATCH_BYTES / 2);
        assert_eq!(batch_of(&half, 3), 2);
        assert_eq!(batch_of(&letters(&[Some("a"), Some("b")], BATCH_BYTES + 1), 3), 1);
    }
}
