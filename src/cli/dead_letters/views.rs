//! Dead letters as commands show them: as rows and as JSON. Nothing of others unescaped, no e-mail address.

use std::collections::BTreeMap;

use comfy_table::Table;
use serde::Serialize;

use crate::adapters::kafka::letters::{Dialect, Letter};
use crate::adapters::wire::outcome::rfc3339;
use crate::cli::dead_letters::desk::Found;
use crate::cli::dead_letters::selection::Why;
use crate::cli::print;
use crate::cli::safe::{self, Addresses};

/// The most characters of a key and of a message in a table.
const MOST_CELL_CHARS: usize = 200;

/// A letter, in short.
#[derive(Debug, Serialize)]
pub(super) struct LetterView {
    partition: i32,
    offset: i64,
    written_at: Option<String>,
    key: Option<String>,
    dialect: Option<&'static str>,
    reason: &'static str,
    message: Option<String>,
    from: OriginView,
    first_failed_at: Option<String>,
    redrives: u32,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct OriginView {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
}

impl LetterView {
    pub(super) fn of(found: &Found, addresses: Addresses) -> Self {
        let Found { record, letter, standing, .. } = found;
        let Letter { topic, partition, offset, .. } = letter;
        let shown = |bytes: &[u8]| safe::line(bytes, addresses);
        Self {
            partition: record.partition,
            offset: record.offset,
            written_at: record.timestamp.map(rfc3339),
            key: record.key.as_deref().map(shown),
            dialect: letter.dialect.map(Dialect::as_str),
            reason: Why::of(letter).as_str(),
            message: letter.message.as_ref().map(|message| shown(message.as_bytes())),
            from: OriginView {
                topic: topic.as_ref().map(|topic| shown(topic.as_bytes())),
                partition: *partition,
                offset: *offset,
            },
            first_failed_at: letter.first_failed_at.map(rfc3339),
            redrives: letter.redrives,
            state: standing.as_str(),
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Why it is here, and who says so where it was not us.
    pub(super) fn refusal(&self) -> String {
        match self.dialect {
            Some(dialect) if dialect != Dialect::OrderPayments.as_str() => format!("{} ({dialect})", self.reason),
            _ => self.reason.to_owned(),
        }
    }

    /// Where the record was read, as far as that is told.
    pub(super) fn origin(&self) -> String {
        let OriginView { topic, partition, offset } = &self.from;
        let Some(topic) = topic else { return "not told".to_owned() };
        let numbers = partition.zip(*offset).map(|(partition, offset)| format!(" {partition}/{offset}"));
        format!("{topic}{}", numbers.unwrap_or_default())
    }
}

/// A row for each letter.
pub(super) fn table(letters: &[Found]) -> Table {
    let mut table = print::table(&["letter", "when", "order", "reason", "message", "redrives", "state"]);
    for found in letters {
        let view = LetterView::of(found, Addresses::Masked);
        table.add_row([
            found.position().to_string(),
            found.record.timestamp.map(print::to_the_second).unwrap_or_default(),
            cell(view.key.as_deref()),
            view.refusal(),
            cell(view.message.as_deref()),
            view.redrives.to_string(),
            view.state.to_owned(),
        ]);
    }
    for column in [2, 4] {
        print::narrow(&mut table, column);
    }
    table
}

fn cell(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    match text.char_indices().nth(MOST_CELL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How many letters there are of each reason.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) letters: usize,
    by_reason: BTreeMap<&'static str, usize>,
}

impl Counts {
    pub(super) fn add(&mut self, found: &Found) {
        self.letters += 1;
        *self.by_reason.entry(Why::of(&found.letter).as_str()).or_default() += 1;
    }

    /// `3 dead letters: 2 contract, 1 foreign`.
    pub(super) fn sentence(&self) -> String {
        let counted = print::counted(self.letters, "dead letter", "dead letters");
        let reasons: Vec<String> = self.by_reason.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        if reasons.is_empty() { counted } else { format!("{counted}: {}", reasons.join(", ")) }
    }
}
