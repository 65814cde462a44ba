//! The report of a run: a header that fixes what is replayed, then one line of JSON for each record. Whatever ends
//! the process, no record is in it twice.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::application::replay::Told;
use crate::application::replay::foresight::Place;
use crate::application::replay::verdict::NOT_NOW;
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
    pub(super) fn resume(path: &Path, mut keep: impl FnMut(&Line)) -> anyhow::Result<(Self, HashSet<Place>)> {
        let before = File::open(path).with_context(|| format!("the report {} could not be read", path.display()))?;
        lock(&before, path)?;
        let (next_path, mut told) = (next_to(path), HashSet::new());
        let next = File::create(&next_path).with_context(|| format!("{} could not be written", next_path.display()))?;
        lock(&next, path)?;
        let mut writer = BufWriter::new(&next);
        for (index, line) in whole_lines(&before)?.into_iter().enumerate() {
            if index > 0 {
                let parsed: Line = serde_json::from_str(&line)
                    .with_context(|| format!("line {} of {} is none of a report", index + 1, path.display()))?;
                let place = Place { partition: parsed.partition, offset: parsed.offset };
                if parsed.result == NOT_NOW || !told.insert(place) {
                    continue;
                }
                keep(&parsed);
            }
            writeln!(writer, "{line}")?;
        }
        writer.flush()?;
        drop(writer);
        next.sync_all()?;
        fs::rename(&next_path, path)?;
        Ok((Self { file: next, unwritten: None }, told))
    }

    /// Writes what is told of a record. What cannot be written is told by [`Report::keep`].
    pub(super) fn tell(&mut self, told: &Told) {
        let line = serde_json::to_string(&Line::of(told)).map_err(std::io::Error::from);
        // One write for each line: what a killed process has told is in the file.
        let written = line.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            self.unwritten.get_or_insert(error);
        }
    }

    /// Has the disk keep what was told so far.
    ///
    /// # Errors
    /// Where something could not be written.
    pub(super) fn keep(&mut self) -> anyhow::Result<()> {
        let unwritten = self.unwritten.take().map_or(Ok(()), Err);
        unwritten.and_then(|()| self.file.sync_data()).context("the report cannot be written; resume it later")
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
    if file.try_lock().is_err() {
        bail!("the report {} is being written by another process", path.display());
    }
    Ok(())
}
