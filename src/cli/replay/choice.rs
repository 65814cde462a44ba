//! Which records a person means, from the command line and a file. Asks the cluster, changes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, stdin};
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::adapters::kafka;
use crate::adapters::kafka::scan::{Log, Stretch};
use crate::adapters::kafka::selection::{Criteria, Offsets, event_id, range_of};
use crate::cli::moment::{Since, since};
use crate::cli::source::Source;
use crate::config::Settings;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;

/// How many stretches a person is shown.
const SHOWN: usize = 20;

/// Which records. Of one kind any may hold, of different kinds all must.
#[derive(Debug, clap::Args)]
pub(crate) struct Choice {
    #[command(flatten)]
    pub(super) source: Source,
    /// A whole partition, or the one that --offsets without a partition means. May be repeated.
    #[arg(long, value_name = "P")]
    partition: Vec<i32>,
    /// Offsets, as 0:100..200, 0:100.. or 0:100, or 100..200 beside --partition; the end is not included. May be
    /// repeated.
    #[arg(long, value_name = "P:A..B", value_parser = range)]
    offsets: Vec<Range>,
    /// From the first record that is not older: a time back from now, as 2h, or a moment as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "2h|MOMENT", value_parser = since)]
    from: Option<Since>,
    /// Up to the first record that is not older; without it, to the end as it is now.
    #[arg(long, value_name = "2h|MOMENT", value_parser = since)]
    to: Option<Since>,
    /// Records that ask for this order. May be repeated.
    #[arg(long, value_name = "ID")]
    order_id: Vec<OrderId>,
    /// Records of the event of this id. May be repeated.
    #[arg(long, value_name = "ID", value_parser = event_id)]
    event_id: Vec<String>,
    /// A file, or - for standard input, with lines of `order ID`, `event ID`, `offsets 0:100..200` or `0:100`.
    #[arg(long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// Every record that is on the topic now.
    #[arg(long)]
    all: bool,
}

/// What `--offsets` says: of which partition may be said elsewhere.
#[derive(Clone, Debug)]
enum Range {
    Of(Offsets),
    Bare(i64, Option<i64>),
}

/// The records that are meant, decided once for a whole replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selection {
    /// The topic.
    pub(super) topic: String,
    /// The cluster's addresses.
    pub(super) brokers: String,
    /// Partition, first offset, first offset behind: as they were when it was decided.
    pub(super) stretches: Vec<(i32, i64, i64)>,
    /// Orders, by id; any where there are none.
    pub(super) orders: Vec<String>,
    /// Events, by id; any where there are none.
    pub(super) events: Vec<String>,
}

fn range(text: &str) -> Result<Range, String> {
    if text.contains(':') {
        text.parse().map(Range::Of)
    } else {
        range_of(text).map(|(from, to)| Range::Bare(from, to))
    }
}

impl Choice {
    /// Whether the command line chooses anything.
    pub(super) fn is_given(&self) -> bool {
        let by_id = !self.order_id.is_empty() || !self.event_id.is_empty();
        let by_place = !self.partition.is_empty() || !self.offsets.is_empty();
        let by_time = self.from.is_some() || self.to.is_some();
        self.all || by_id || by_place || by_time || self.file.is_some()
    }

    /// Whether a topic is named on the command line.
    pub(super) fn names_topic(&self) -> bool {
        !self.source.topic("").is_empty()
    }

    /// The cluster and the log that are read.
    ///
    /// # Errors
    /// Where the topic is not there or its cluster does not answer.
    pub(super) async fn log(&self, settings: &Settings, topic: Option<&str>) -> anyhow::Result<(kafka::Config, Log)> {
        let cluster = self.source.cluster(settings)?;
        let usual = cluster.request_topic.clone();
        let log = Log::of(&cluster, topic.unwrap_or_else(|| self.source.topic(&usual))).await?;
        Ok((cluster, log))
    }

    /// What is meant, as it is on the topic now.
    ///
    /// # Errors
    /// In words, where nothing was chosen or what was chosen is not there.
    pub(super) async fn selection(&self, brokers: &str, log: &Log, now: Timestamp) -> anyhow::Result<Selection> {
        let (from, to) = self.period(now)?;
        let criteria = self.criteria()?;
        let offsets_at = async |moment: Option<Timestamp>| match moment {
            Some(moment) => log.offsets_at(moment).await.map(Some),
            None => Ok(None),
        };
        let (from, to) = (offsets_at(from).await?, offsets_at(to).await?);
        let stretches = criteria.stretches(log.topic(), log.bounds(), from.as_deref(), to.as_deref())?;
        let mut orders: Vec<_> = criteria.orders.iter().map(ToString::to_string).collect();
        let mut events: Vec<_> = criteria.events.into_iter().collect();
        orders.sort_unstable();
        events.sort_unstable();
        let stretches = stretches.iter().map(|stretch| (stretch.partition, stretch.from, stretch.to)).collect();
        Ok(Selection { topic: log.topic().to_owned(), brokers: brokers.to_owned(), stretches, orders, events })
    }

    fn period(&self, now: Timestamp) -> anyhow::Result<(Option<Timestamp>, Option<Timestamp>)> {
        let moment = |name: &str, since: Option<Since>| match since {
            Some(Since::At(moment)) if moment > now => bail!("{name} lies in the future; nothing was done"),
            Some(since) => Ok(Some(since.before(now)?)),
            None => Ok(None),
        };
        let (from, to) = (moment("--from", self.from)?, moment("--to", self.to)?);
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            bail!("--to is not later than --from: the end lies before the start; nothing was done");
        }
        Ok((from, to))
    }

    fn criteria(&self) -> anyhow::Result<Criteria> {
        if !self.is_given() {
            bail!("nothing was selected: say which records, see --help, or --all for every record on the topic");
        }
        let mut criteria = Criteria {
            orders: self.order_id.iter().cloned().collect(),
            events: self.event_id.iter().cloned().collect(),
            offsets: self.offsets.iter().map(|range| self.placed(range)).collect::<anyhow::Result<_>>()?,
            partitions: self.partition.iter().copied().collect(),
        };
        if let Some(file) = &self.file {
            let name = file.display();
            let before = criteria.clone();
            let read = if file.as_os_str() == "-" { from_stdin() } else { fs::read_to_string(file) };
            let text = read.with_context(|| format!("{name} could not be read; nothing was done"))?;
            criteria.add_lines(&text).with_context(|| format!("{name} is of no use, and nothing was done"))?;
            // An empty file must not mean everything.
            if criteria == before {
                bail!("{name} selects nothing: its lines are `order ID`, `event ID`, `offsets 0:100..200` or `0:100`");
            }
        }
        Ok(criteria)
    }

    fn placed(&self, range: &Range) -> anyhow::Result<Offsets> {
        match (range, self.partition.as_slice()) {
            (Range::Of(offsets), _) => Ok(*offsets),
            (Range::Bare(from, to), [partition]) => Ok(Offsets { partition: *partition, from: *from, to: *to }),
            (Range::Bare(from, _), _) => {
                bail!("--offsets {from}.. is of no partition: write it as 0:{from}.., or name one by --partition")
            }
        }
    }
}

fn from_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    stdin().read_to_string(&mut text)?;
    Ok(text)
}

impl Selection {
    /// Its stretches.
    pub(super) fn stretches(&self) -> Vec<Stretch> {
        let stretch = |(partition, from, to): &(i32, i64, i64)| Stretch { partition: *partition, from: *from, to: *to };
        self.stretches.iter().map(stretch).collect()
    }

    /// Whether it is of the log that the service itself reads.
    pub(super) fn is_own(&self, settings: &Settings) -> bool {
        self.topic == settings.kafka.request_topic && self.brokers == settings.kafka.brokers
    }

    /// How many offsets it spans.
    pub(super) fn offsets(&self) -> u64 {
        self.stretches().iter().map(Stretch::offsets).sum()
    }

    /// What it is, for a person.
    pub(super) fn described(&self) -> String {
        let ids = match (self.orders.len(), self.events.len()) {
            (0, 0) => String::new(),
            (orders, events) => format!(", of them those of {orders} orders and {events} events"),
        };
        let partitions: BTreeSet<_> = self.stretches.iter().map(|(partition, ..)| partition).collect();
        let offsets: Vec<_> = self
            .stretches
            .iter()
            .take(SHOWN)
            .map(|(partition, from, to)| format!("{partition}:{from}..{to}"))
            .collect();
        let more = if self.stretches.len() > SHOWN { ", …" } else { "" };
        let counts = format!("{} offsets of {} partitions of {:?}", self.offsets(), partitions.len(), self.topic);
        format!("{counts} ({}{more}){ids}", offsets.join(", "))
    }
}
