//! Reads the topics for records of an order, nearest first, and says where it looked.

use serde::Serialize;

use crate::adapters::kafka::Config;
use crate::adapters::kafka::scan::{Log, ScanError, Stretch};
use crate::adapters::wire::outcome::rfc3339;
use crate::cli::explain::places::{Step, Unread, by_key, everywhere};
use crate::cli::explain::topics::{Role, Seen, Wanted, is_wanted, shown};
use crate::cli::{print, progress};
use crate::domain::timestamp::Timestamp;

/// The records of the order, and where they were looked for.
#[derive(Default)]
pub(super) struct Found {
    pub(super) records: Vec<Seen>,
    pub(super) looked: Vec<Looked>,
    /// What could not be read.
    pub(super) notes: Vec<String>,
}

/// Where records were looked for.
#[derive(Debug, Serialize)]
pub(super) struct Looked {
    #[serde(skip)]
    pub(super) role: Role,
    topic: String,
    partitions: Vec<i32>,
    /// From when on; nothing where it was from the beginning.
    #[serde(serialize_with = "in_words")]
    pub(super) since: Option<Timestamp>,
    records: u64,
    /// Partitions of which not all was read.
    pub(super) cut_partitions: Vec<i32>,
}

#[expect(clippy::ref_option, reason = "the serializer hands on what it has")]
fn in_words<S: serde::Serializer>(since: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    since.map(rfc3339).serialize(serializer)
}

impl Looked {
    pub(super) fn sentence(&self) -> String {
        let since =
            self.since.map_or_else(|| "from the beginning".to_owned(), |since| format!("since {}", rfc3339(since)));
        let what = if self.partitions.len() == 1 { "partition" } else { "partitions" };
        let records = print::counted(usize::try_from(self.records).unwrap_or(usize::MAX), "record", "records");
        let place = format!("{} {what} {} {since}: {records}", self.topic, listed(&self.partitions));
        let which = if self.since.is_some() { "first" } else { "newest" };
        match self.cut_partitions.as_slice() {
            [] => place,
            cut => format!("{place}; of {} the {which} only (--scan-limit)", listed(cut)),
        }
    }
}

/// `0-5, 7`.
fn listed(partitions: &[i32]) -> String {
    let runs = partitions.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(ToString::to_string).collect(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Looks for the records of the order.
///
/// # Errors
/// [`ScanError`] where the request topic cannot be read: then the others are not tried.
pub(super) async fn look(config: &Config, wanted: &Wanted<'_>) -> Result<Found, ScanError> {
    let mut found = Found::default();
    let (asked, told) = (by_key(wanted.asked_since), by_key(wanted.told_since));
    search(config, &config.request_topic, Role::Asked, asked, wanted, &mut found).await?;
    let others = [
        (&config.dead_letter_topic, Role::DeadLetter, everywhere(wanted.asked_since)),
        (&config.outcome_topic, Role::Told, told),
    ];
    for (topic, role, steps) in others {
        if let Err(problem) = search(config, topic, role, steps, wanted, &mut found).await {
            found.notes.push(format!("its records are missing: {problem}"));
        }
    }
    Ok(found)
}

/// Reads step by step, until what is wanted was found; to the last one where all is wanted.
async fn search(
    config: &Config,
    topic: &str,
    role: Role,
    steps: Vec<Step>,
    wanted: &Wanted<'_>,
    found: &mut Found,
) -> Result<(), ScanError> {
    let log = Log::of(config, topic).await?;
    let mut unread = Unread::of(log.bounds(), wanted.order_id.as_str().as_bytes());
    for step in steps {
        read(&log, &mut unread, step, role, wanted, found).await?;
        let is_found = found.records.iter().any(|seen| seen.role == role && seen.is_sought);
        if is_found && !wanted.is_all_read {
            break;
        }
    }
    Ok(())
}

async fn read(
    log: &Log,
    unread: &mut Unread,
    step: Step,
    role: Role,
    wanted: &Wanted<'_>,
    found: &mut Found,
) -> Result<(), ScanError> {
    let from = match step.since {
        Some(since) => log.offsets_at(since).await?,
        None => Vec::new(),
    };
    let windows = unread.take(step, &from, wanted.limit);
    if windows.is_empty() {
        return Ok(());
    }
    let stretches: Vec<Stretch> = windows.iter().map(|window| window.stretch).collect();
    let mut scan = log.scan(&stretches)?;
    let bar = progress::counter("records");
    while let Some(record) = scan.next().await? {
        bar.inc(1);
        if is_wanted(&record, role, wanted) {
            found.records.push(shown(&record, log.topic(), role, wanted));
        }
    }
    found.looked.push(Looked {
        role,
        topic: log.topic().to_owned(),
        partitions: stretches.iter().map(|stretch| stretch.partition).collect(),
        since: step.since,
        records: bar.position(),
        cut_partitions: windows.iter().filter(|window| window.is_cut).map(|window| window.stretch.partition).collect(),
    });
    bar.finish_and_clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_where_was_looked_and_where_that_ended_early() {
        let looked = |since, partitions: &[i32], cut: &[i32]| Looked {
            role: Role::Asked,
            topic: "requests".to_owned(),
            partitions: partitions.to_vec(),
            since,
            records: 1,
            cut_partitions: cut.to_vec(),
        };
        let near = looked(Some(Timestamp::EPOCH), &[3], &[]).sentence();
        assert_eq!(near, "requests partition 3 since 1970-01-01T00:00:00Z: 1 record");
        let all = looked(None, &[0, 1, 2, 4], &[1, 2]).sentence();
        assert_eq!(
            all,
            "requests partitions 0-2, 4 from the beginning: 1 record; of 1-2 the newest only (--scan-limit)"
        );
    }
}
