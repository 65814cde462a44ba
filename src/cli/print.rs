//! What commands print: tables for people, JSON for scripts, always on standard output.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};

use anyhow::Context;
use comfy_table::{ColumnConstraint, Table, Width, presets};
use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::domain::timestamp::Timestamp;

/// Sentences are broken into lines of about this many characters.
const SENTENCE_CHARS: u16 = 48;

/// An empty table with these headings.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(headings.iter().copied());
    table
}

/// Breaks what is long in this column of the table into lines.
pub(crate) fn narrow(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(SENTENCE_CHARS)));
    }
}

/// Prints JSON, for scripts.
///
/// # Errors
/// Where standard output cannot be written to.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(value)?)
}

/// Prints a table or a sentence. That its reader has read enough, as `head` has, is no error.
///
/// # Errors
/// Where standard output cannot be written to.
pub(crate) fn text(text: &dyn Display) -> anyhow::Result<()> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("could not print"),
        _ => Ok(()),
    }
}

/// A moment for people: to the second.
pub(crate) fn to_the_second(moment: Timestamp) -> String {
    const SECOND: i64 = 1_000_000;
    rfc3339(Timestamp::from_micros(moment.as_micros().div_euclid(SECOND) * SECOND))
}

/// `1 order`, `2 orders`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
