//! `order-payments dead-letters list`: the letters that wait for a decision. Reads only.

use std::process::ExitCode;

use serde::Serialize;

use crate::adapters::system::SystemClock;
use crate::cli::dead_letters::desk::{Desk, Wanted};
use crate::cli::dead_letters::selection::Selection;
use crate::cli::dead_letters::views::{self, Counts, LetterView};
use crate::cli::safe::Addresses;
use crate::cli::source::Source;
use crate::cli::{exit, print};
use crate::config::Settings;
use crate::ports::clock::Clock;

/// The most letters that one call lists.
const LIST_LIMIT: u64 = 100_000;

/// List the letters nobody has decided about, oldest first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments dead-letters list --refused-for contract --from 2h\n  order-payments dead-letters list --all --order-id o-1 --json\n  order-payments dead-letters list --topic orders.DLT --dialect spring\n\nStates: open; redriving, by someone just now; interrupted, where that has died half-way: redrive it again; with --all also redriven and discarded. Exit codes: 0 done, 1 could not, 2 not understood."
)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Those that were decided about, too.
    #[arg(long)]
    all: bool,
    /// How many letters at the most; the counts are those of all.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=LIST_LIMIT))]
    limit: u64,
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct ListView<'a> {
    topic: &'a str,
    #[serde(flatten)]
    counts: Counts,
    shown: Vec<LetterView>,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    if let Err(problem) = args.selection.check(SystemClock.now()) {
        return Ok(exit::not_understood(problem));
    }
    let desk = Desk::open(&args.source, settings).await?;
    let mut counts = Counts::default();
    let wanted = Wanted { limit: usize::try_from(args.limit)?, with_values: false };
    let letters = desk.gather(&args.selection, wanted, |found| {
        let is_meant = args.all || found.standing.is_open();
        if is_meant {
            counts.add(found);
        }
        is_meant
    });
    let letters = letters.await?;
    let topic = desk.log.topic();
    if args.json {
        let shown = letters.iter().map(|found| LetterView::of(found, Addresses::Masked)).collect();
        print::json(&ListView { topic, counts, shown })?;
        return Ok(ExitCode::SUCCESS);
    }
    if !letters.is_empty() {
        print::text(&views::table(&letters))?;
    }
    let kind = if args.all { "" } else { "open on " };
    let shown =
        if letters.len() < counts.letters { format!(" (shown: the first {})", letters.len()) } else { String::new() };
    print::text(&format_args!("{kind}topic {topic}: {}{shown}", counts.sentence()))?;
    Ok(ExitCode::SUCCESS)
}
