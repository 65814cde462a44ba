//! Where a group is to go on, as it is written on the command line, and which offsets that means.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{bail, ensure};

use crate::adapters::kafka;
use crate::adapters::kafka::reset::Move;
use crate::adapters::kafka::scan;
use crate::adapters::kafka::standing::Standing;
use crate::cli::moment::{Since, since};
use crate::domain::timestamp::Timestamp;

/// Where to.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false, id = "aim")]
pub(super) struct Aim {
    /// To the oldest record that the topic still has.
    #[arg(long = "to-earliest")]
    earliest: bool,
    /// To the end: what has not been read is skipped.
    #[arg(long = "to-latest")]
    latest: bool,
    /// To the first record that is not older: a time back from now, as 2h, or a moment as 2026-01-31T12:00:00Z.
    #[arg(long = "to-time", value_name = "2h|MOMENT", value_parser = since)]
    time: Option<Since>,
    /// To this offset of a partition, as 0:1500; several may follow. As 1500 alone, for each --partition.
    #[arg(long = "to-offset", value_name = "P:OFFSET", num_args = 1..)]
    places: Vec<Place>,
}

/// An offset, and the partition where that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    partition: Option<i32>,
    offset: i64,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MISTAKE: &str = "it should be a partition and an offset, as 0:1500, or an offset alone, as 1500";
        let number = |digits: &str| {
            let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            are_digits.then(|| digits.parse::<i64>().ok()).flatten().ok_or(MISTAKE)
        };
        let Some((partition, offset)) = text.split_once(':') else {
            return Ok(Self { partition: None, offset: number(text)? });
        };
        let partition = i32::try_from(number(partition)?).map_err(|_| MISTAKE)?;
        Ok(Self { partition: Some(partition), offset: number(offset)? })
    }
}

impl Aim {
    /// Which of these partitions go on where: those that are named, or all of them.
    ///
    /// # Errors
    /// Where that cannot be: a partition that is not there, an offset outside the log.
    pub(super) async fn moves(
        &self,
        named: &[i32],
        standings: &[Standing],
        config: &kafka::Config,
        now: Timestamp,
    ) -> anyhow::Result<Vec<Move>> {
        let offsets = if self.places.is_empty() { None } else { Some(places(&self.places, named)?) };
        let wanted = offsets.as_ref().map_or_else(|| named.to_vec(), |offsets| offsets.keys().copied().collect());
        let chosen = chosen(&wanted, standings, &config.request_topic)?;
        let at_time = match self.time {
            None => None,
            Some(since) => Some(at_time(since, config, now).await?),
        };
        let to = |standing: &Standing| {
            let (log, partition) = (standing.log, standing.start.partition);
            match (&offsets, &at_time) {
                (Some(offsets), _) => offsets[&partition],
                // What was deleted or written since that was asked does not move it out of the log.
                (None, Some(found)) => found.get(&partition).copied().unwrap_or(log.high).clamp(log.low, log.high),
                (None, None) if self.earliest => log.low,
                (None, None) => log.high,
            }
        };
        chosen.into_iter().map(|standing| within(Move { standing, to: to(&standing) })).collect()
    }
}

/// The first offset of each partition whose record is not older.
async fn at_time(since: Since, config: &kafka::Config, now: Timestamp) -> anyhow::Result<BTreeMap<i32, i64>> {
    let moment = match since {
        Since::Ago(period) => now.minus(period).max(Timestamp::EPOCH),
        Since::At(moment) => moment,
    };
    ensure!(moment <= now, "--to-time lies in the future; --to-latest is the end of the topic. Nothing was done");
    let log = scan::Log::of(config, &config.request_topic).await?;
    Ok(log.offsets_at(moment).await?.into_iter().collect())
}

/// The offset of each partition that is named.
fn places(places: &[Place], named: &[i32]) -> anyhow::Result<BTreeMap<i32, i64>> {
    if let [Place { partition: None, offset }] = places {
        ensure!(
            !named.is_empty(),
            "--to-offset {offset} does not say of which partition: write it as 0:{offset}, or add --partition. Nothing \
             was done"
        );
        return Ok(named.iter().map(|partition| (*partition, *offset)).collect());
    }
    ensure!(named.is_empty(), "--to-offset names its partitions already: leave --partition out. Nothing was done");
    let mut offsets = BTreeMap::new();
    for Place { partition, offset } in places {
        let Some(partition) = partition else {
            bail!("--to-offset {offset} does not say of which partition: write it as 0:{offset}. Nothing was done")
        };
        let is_twice = offsets.insert(*partition, *offset).is_some();
        ensure!(!is_twice, "--to-offset names partition {partition} twice. Nothing was done");
    }
    Ok(offsets)
}

/// The partitions that are wanted, in their order; all of them where none is named.
fn chosen(wanted: &[i32], standings: &[Standing], topic: &str) -> anyhow::Result<Vec<Standing>> {
    let is_there = |partition: &i32| standings.iter().any(|standing| standing.start.partition == *partition);
    if let Some(missing) = wanted.iter().find(|partition| !is_there(partition)) {
        let last = standings.len().saturating_sub(1);
        bail!("topic {topic:?} has no partition {missing}: its partitions are 0 to {last}. Nothing was done");
    }
    let is_wanted = |standing: &&Standing| wanted.is_empty() || wanted.contains(&standing.start.partition);
    Ok(standings.iter().filter(is_wanted).copied().collect())
}

fn within(one: Move) -> anyhow::Result<Move> {
    let (log, partition, to) = (one.standing.log, one.partition(), one.to);
    ensure!(
        log.reaches(to),
        "offset {to} is not in partition {partition}: its log begins at {} and ends at {}. Nothing was done",
        log.low,
        log.high
    );
    Ok(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::FirstStart;
    use crate::adapters::kafka::starts::{Log, decide};

    fn standings() -> Vec<Standing> {
        let log = Log { low: 10, high: 90 };
        let standing =
            |partition| Standing { log, start: decide(log, partition, Some(50), None, FirstStart::Earliest) };
        (0..3).map(standing).collect()
    }

    fn place(text: &str) -> Place {
        text.parse().expect(text)
    }

    async fn moved(aim: Aim, named: &[i32]) -> Result<Vec<(i32, i64)>, String> {
        let (config, now) = (kafka::Config::new("127.0.0.1:9"), Timestamp::from_micros(1_000_000));
        let moves = aim.moves(named, &standings(), &config, now).await.map_err(|problem| problem.to_string())?;
        Ok(moves.iter().map(|one| (one.partition(), one.to)).collect())
    }

    fn aim() -> Aim {
        Aim { earliest: false, latest: false, time: None, places: Vec::new() }
    }

    fn to(places: &[&str]) -> Aim {
        Aim { places: places.iter().map(|text| place(text)).collect(), ..aim() }
    }

    #[test]
    fn a_place_is_an_offset_with_or_without_a_partition() {
        assert_eq!(place("3:1500"), Place { partition: Some(3), offset: 1_500 });
        assert_eq!(place("0"), Place { partition: None, offset: 0 });
        for text in ["", ":", "1:", ":1", "-1", "0:-1", "+1", "1:2:3", "a", "4294967296:0", "99999999999999999999"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn all_partitions_move_or_those_that_are_named() {
        let earliest = || Aim { earliest: true, ..aim() };
        assert_eq!(moved(earliest(), &[]).await, Ok(vec![(0, 10), (1, 10), (2, 10)]));
        assert_eq!(moved(earliest(), &[2, 0, 2]).await, Ok(vec![(0, 10), (2, 10)]));
        assert_eq!(moved(Aim { latest: true, ..aim() }, &[1]).await, Ok(vec![(1, 90)]));
        assert_eq!(moved(to(&["2:20", "0:90"]), &[]).await, Ok(vec![(0, 90), (2, 20)]));
        assert_eq!(moved(to(&["20"]), &[1, 2]).await, Ok(vec![(1, 20), (2, 20)]));
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_with_the_reason() {
        let future = Since::At(Timestamp::from_micros(2_000_000));
        for (aim, named, told) in [
            (to(&["0:91"]), vec![], "offset 91 is not in partition 0: its log begins at 10 and ends at 90"),
            (to(&["1:9"]), vec![], "offset 9 is not in partition 1"),
            (to(&["7:20"]), vec![], "has no partition 7: its partitions are 0 to 2"),
            (Aim { latest: true, ..aim() }, vec![-1], "has no partition -1"),
            (to(&["20"]), vec![], "does not say of which partition"),
            (to(&["1:20", "20"]), vec![], "does not say of which partition"),
            (to(&["1:20"]), vec![1], "leave --partition out"),
            (to(&["1:20", "1:21"]), vec![], "partition 1 twice"),
            (Aim { time: Some(future), ..aim() }, vec![], "in the future"),
        ] {
            let refused = moved(aim, &named).await.expect_err(told);
            assert!(refused.contains(told) && refused.contains("othing was done"), "{refused}");
        }
    }
}
