//! The report of a run: a header that fixes what is replayed, then one line of JSON for each record. Whatever ends
//! the process, no record is in it twice.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::application::replay::Told;
use crate::application::replay::foresight::Place;
use crate::application::replay::verdict::{NOT_NOW, Verdict};
use crate::cli::replay::choice::Selection;

/// What a report begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Its name, a UUID.
    pub(super) replay: String,
    pub(super) policy: String,
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) started_at: String,
    /// Where outcomes are sent to, where they are.
    pub(super) to_topic: Option<String>,
    pub(super) with_refunds: bool,
    pub(super) selection: Selection,
}

/// A line of a report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) order_id: Option<String>,
    pub(super) amount: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) foreseen: String,
    pub(super) result: String,
    pub(super) as_foreseen: bool,
    pub(super) why: String,
}

/// The records that a report tells of, and whether each was foreseen as unknown.
pub(super) type ToldBefore = HashMap<Place, bool>;

/// A report that is being written, by this process alone.
pub(super) struct Report {
    file: File,
    unwritten: Option<std::io::Error>,
}

impl Line {
    fn of(told: &Told) -> Self {
        let amount = told.order.as_ref().map(|(_, amount)| amount);
        Self {
            partition: told.place.partition,
            offset: told.place.offset,
            order_id: told.order.as_ref().map(|(id, _)| id.to_string()),
            amount: amount.map(|amount| amount.amount().to_string()),
            currency: amount.map(|amount| amount.currency().code().to_owned()),
            foreseen: told.foreseen.verdict.to_string(),
            result: told.deed.to_string(),
            as_foreseen: told.deed.is_as(told.foreseen.verdict),
            why: if told.why.is_empty() { told.foreseen.why.clone() } else { told.why.clone() },
        }
    }
}

impl Report {
    /// Begins a report; the file must not be there.
    ///
    /// # Errors
    /// Where it is, or cannot be written.
    pub(super) fn begin(path: &Path, header: &Header) -> anyhow::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let mut file = file.with_context(|| format!("the report {} could not be begun", path.display()))?;
        lock(&file, path)?;
        writeln!(file, "{}", serde_json::to_string(header)?)?;
        file.sync_all()?;
        Ok(Self { file, unwritten: None })
    }

    /// Goes on with a report: its lines but those to be tried again, and without what a crash has torn off.
    ///
    /// # Errors
    /// Where it is no report, or another process writes it.
    pub(super) fn resume(
        path: &Path,
        mut keep: impl FnMut(&Line) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Self, ToldBefore)> {
        let before = File::open(path).with_context(|| format!("the report {} could not be read", path.display()))?;
        lock(&before, path)?;
        // Whoever goes on with a report puts another file in its place: the lock of the old one is worth nothing.
        let (locked, there) = (before.metadata()?, fs::metadata(path)?);
        if (locked.dev(), locked.ino()) != (there.dev(), there.ino()) {
            bail!("the report {} is being written by another process", path.display());
        }
        let (next_path, mut told) = (next_to(path), ToldBefore::new());
        let next = File::create(&next_path).with_context(|| format!("{} could not be written", next_path.display()))?;
        lock(&next, path)?;
        let mut writer = BufWriter::new(&next);
        for (index, line) in whole_lines(&before)?.into_iter().enumerate() {
            if index > 0 {
                let parsed: Line = serde_json::from_str(&line)
                    .with_context(|| format!("line {} of {} is none of a report", index + 1, path.display()))?;
                let place = Place { partition: parsed.partition, offset: parsed.offset };
                if parsed.result == NOT_NOW || told.contains_key(&place) {
                    continue;
                }
                told.insert(place, parsed.foreseen == Verdict::Unknown.as_str());
                keep(&parsed)?;
            }
            writeln!(writer, "{line}")?;
        }
        writer.flush()?;
        drop(writer);
        next.sync_all()?;
        fs::rename(&next_path, path)?;
        Ok((Self { file: next, unwritten: None }, told))
    }

    /// Writes what is told of a record, and says whether it could. What cannot be written is told by
    /// [`Report::keep`]; nothing is written after it, so that it can only be the last line that is torn.
    pub(super) fn tell(&mut self, told: &Told) -> bool {
        if self.unwritten.is_some() {
            return false;
        }
        let line = serde_json::to_string(&Line::of(told)).map_err(std::io::Error::from);
        // One write for each line: what a killed process has told is in the file.
        let written = line.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        self.unwritten = written.err();
        self.unwritten.is_none()
    }

    /// Has the disk keep what was told so far.
    ///
    /// # Errors
    /// Where something could not be written.
    pub(super) fn keep(&mut self) -> anyhow::Result<()> {
        if let Some(error) = &self.unwritten {
            bail!("the report cannot be written: {error}");
        }
        let kept = self.file.sync_data();
        kept.context("the report cannot be written")
    }
}

/// What a report begins with.
///
/// # Errors
/// Where that file is none.
pub(super) fn header(path: &Path) -> anyhow::Result<Header> {
    let file = File::open(path).with_context(|| format!("the report {} could not be read", path.display()))?;
    let mut first = String::new();
    BufReader::new(file).read_line(&mut first)?;
    serde_json::from_str(&first).with_context(|| format!("{} is no report of a replay", path.display()))
}

/// The lines that end: the last one may have been torn.
fn whole_lines(file: &File) -> anyhow::Result<Vec<String>> {
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 && bytes.pop() == Some(b'\n') {
        lines.push(String::from_utf8(std::mem::take(&mut bytes)).context("a report is UTF-8")?);
    }
    Ok(lines)
}

fn next_to(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".resumed");
    name.into()
}

fn lock(file: &File, path: &Path) -> anyhow::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => bail!("the report {} is being written by another process", path.display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("the report {} could not be locked", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::replay::foresight::Foreseen;
    use crate::application::replay::verdict::Deed;

    fn header() -> Header {
        let selection = Selection {
            topic: "t".to_owned(),
            brokers: "b".to_owned(),
            stretches: vec![(0, 0, 9)],
            orders: Vec::new(),
            events: Vec::new(),
        };
        Header {
            replay: "r".to_owned(),
            policy: "process".to_owned(),
            actor: "ada".to_owned(),
            reason: "lost".to_owned(),
            started_at: String::new(),
            to_topic: None,
            with_refunds: false,
            selection,
        }
    }

    fn told(offset: i64, verdict: Verdict, deed: Deed) -> Told {
        let place = Place { partition: 0, offset };
        Told { place, order: None, foreseen: Foreseen::new(verdict, ""), deed, why: String::new() }
    }

    #[test]
    fn a_report_is_written_by_one_process_at_a_time_and_begun_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report");
        let refused = || Report::resume(&path, |_| Ok(())).err().map(|error| error.to_string()).unwrap_or_default();
        let first = Report::begin(&path, &header()).expect("a new file");
        assert!(Report::begin(&path, &header()).is_err() && refused().contains("another process"));
        drop(first);
        let (second, _) = Report::resume(&path, |_| Ok(())).expect("nobody writes it");
        assert!(refused().contains("another process"), "the lock stayed with the file that was replaced");
        drop(second);
        assert!(Report::resume(&path, |_| Ok(())).is_ok());
    }

    #[test]
    fn what_is_to_be_tried_again_and_what_is_torn_is_left_out_and_the_unknown_is_marked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report");
        let mut report = Report::begin(&path, &header()).expect("a new file");
        for (offset, verdict, deed) in [
            (0, Verdict::Unknown, Deed::Paid),
            (1, Verdict::AlreadyPaid, Deed::Found(Verdict::AlreadyPaid)),
            (2, Verdict::Unknown, Deed::NotNow),
        ] {
            assert!(report.tell(&told(offset, verdict, deed)));
        }
        report.file.write_all(br#"{"partition":0,"off"#).expect("it can be written");
        drop(report);
        let (_, told) = Report::resume(&path, |_| Ok(())).expect("a report");
        let place = |offset| Place { partition: 0, offset };
        assert_eq!(told, ToldBefore::from([(place(0), true), (place(1), false)]));
    }

    #[test]
    fn after_what_could_not_be_written_nothing_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report");
        File::create(&path).expect("a folder that can be written to");
        // A file that is open for reading alone takes nothing.
        let mut report = Report { file: File::open(&path).expect("it is there"), unwritten: None };
        let record = told(0, Verdict::Unknown, Deed::Paid);
        assert!(!report.tell(&record));
        report.file = OpenOptions::new().write(true).open(&path).expect("it is there");
        assert!(!report.tell(&record) && report.keep().is_err() && report.keep().is_err());
        assert_eq!(fs::read(&path).expect("it is there"), b"");
    }
}
