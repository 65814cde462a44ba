//! `order-payments dead-letters show`: one letter, whole and safely. Reads only.

use std::process::ExitCode;

use serde::Serialize;

use crate::app;
use crate::cli::dead_letters::desk::{Desk, Found, Wanted};
use crate::cli::dead_letters::selection::{Filters, Position, Selection, position};
use crate::cli::dead_letters::today::Today;
use crate::cli::dead_letters::views::LetterView;
use crate::cli::print;
use crate::cli::safe::{self, Addresses};
use crate::cli::source::Source;
use crate::cli::views::journal::{self, EntryView};
use crate::config::Settings;
use crate::ports::order_repository::JournalEntry;

/// Show one letter: the record, why and where it was refused, what was decided about it, and what it would be today.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  order-payments dead-letters show 3/17\n\nControl characters are escaped, and e-mail addresses masked unless --reveal. Exit codes: 0 done, 1 could not."
)]
pub(super) struct Args {
    /// The letter, by where it lies.
    #[arg(value_name = "PARTITION/OFFSET", value_parser = position)]
    position: Position,
    /// Show e-mail addresses.
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct RecordView<'a> {
    topic: &'a str,
    #[serde(flatten)]
    letter: LetterView,
    value: Option<String>,
    headers: Vec<HeaderView>,
    history: Vec<EntryView>,
    today: Today,
}

#[derive(Debug, Serialize)]
struct HeaderView {
    name: String,
    value: Option<String>,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.source, settings).await?;
    let selection = Selection { positions: vec![args.position], filters: Filters::default() };
    let letters = desk.gather(&selection, Wanted { limit: 1, with_values: true }, |_| true).await?;
    let addresses = if args.reveal { Addresses::Revealed } else { Addresses::Masked };
    for found in &letters {
        let history = desk.decisions.history(&found.id());
        let view = RecordView {
            topic: desk.log.topic(),
            letter: LetterView::of(found, addresses),
            value: found.record.value.as_deref().map(|value| safe::value(value, addresses)),
            headers: headers(found, addresses),
            history: history.iter().map(EntryView::of).collect(),
            today: Today::of(found, &app::decode_options(settings), &desk.store, desk.now).await?,
        };
        if args.json {
            print::json(&view)?;
        } else {
            tell(&view, found, history)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn headers(found: &Found, addresses: Addresses) -> Vec<HeaderView> {
    let headers = found.record.headers().unwrap_or_default();
    let shown = headers.iter().map(|(name, value)| HeaderView {
        name: safe::line(name.as_bytes(), addresses),
        value: value.map(|value| safe::line(value, addresses)),
    });
    shown.collect()
}

fn tell(view: &RecordView<'_>, found: &Found, history: &[JournalEntry]) -> anyhow::Result<()> {
    let letter = &found.letter;
    let dialect = letter.dialect.map_or("nobody that is known", |dialect| dialect.as_str());
    let when = |moment: Option<_>| moment.map_or_else(|| "not told".to_owned(), print::to_the_second);
    let lines = [
        ("letter", format!("{} of {}", found.position(), view.topic)),
        ("written", format!("{}, by {dialect}", when(found.record.timestamp))),
        ("refused for", view.letter.refusal()),
        ("message", letter_text(view.letter.message())),
        ("read from", view.letter.origin()),
        ("failed first", when(letter.first_failed_at)),
        ("redrives", letter.redrives.to_string()),
        ("state", found.standing.as_str().to_owned()),
        ("today", view.today.sentence()),
        ("key", letter_text(view.letter.key())),
    ];
    for (what, told) in lines {
        print::text(&format_args!("{what:13} {told}"))?;
    }
    print::text(&"headers")?;
    for HeaderView { name, value } in &view.headers {
        print::text(&format_args!("  {name}: {}", letter_text(value.as_deref())))?;
    }
    print::text(&format_args!("value\n{}", letter_text(view.value.as_deref())))?;
    if !history.is_empty() {
        print::text(&format_args!("history\n{}", journal::table(history)))?;
    }
    Ok(())
}

fn letter_text(text: Option<&str>) -> String {
    text.unwrap_or("(none)").to_owned()
}
