//! `order-payments dead-letters discard`: leaves letters where they are, for good. Sends and removes nothing.

use std::process::ExitCode;

use serde::Serialize;

use crate::adapters::system::SystemClock;
use crate::application::dead_letters::{Decision, LetterId, Standing};
use crate::cli::dead_letters::desk::{Desk, Found, Wanted};
use crate::cli::dead_letters::selection::Chosen;
use crate::cli::person::{Consent, Person};
use crate::cli::source::Source;
use crate::cli::{exit, print};
use crate::config::Settings;
use crate::ports::clock::Clock;

/// Letters that are decided about in one statement.
const BATCH_LETTERS: usize = 1_000;

/// Decide that letters are not to be sent again. They stay on the topic, and in `list --all`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments dead-letters discard 3/17 --actor ada --reason \"a test of theirs\"\n  order-payments dead-letters discard --refused-for undecodable --from 2h --actor ada --reason \"a port scan\" --yes\n\nA letter is decided about once: what was redriven or discarded stays so.\n\nExit codes: 0 done, 1 could not, 2 not understood, 4 done, but letters were left out that are being redriven."
)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    person: Person,
}

#[derive(Debug, Default, Serialize)]
struct DiscardView {
    discarded: usize,
    decided_before: usize,
    being_redriven: usize,
    decided_by_others_meanwhile: usize,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    if let Err(problem) = args.chosen.check(SystemClock.now()) {
        return Ok(exit::not_understood(problem));
    }
    let desk = Desk::open(&args.source, settings).await?;
    let mut view = DiscardView::default();
    let wanted = Wanted { limit: args.chosen.limit(), with_values: false };
    let letters = desk.gather(&args.chosen.selection, wanted, |found| view.passes(found)).await?;
    if !letters.is_empty() {
        let counted = print::counted(letters.len(), "dead letter", "dead letters");
        if !args.consent.to(&format!("discard {counted} of {} for good?", desk.log.topic()))? {
            return Ok(ExitCode::FAILURE);
        }
    }
    let ids: Vec<LetterId> = letters.iter().map(Found::id).collect();
    for batch in ids.chunks(BATCH_LETTERS) {
        let Person { actor, reason } = &args.person;
        let mine = desk.decisions.decide(batch, Decision::Discard, actor, reason).await?;
        let discarded = mine.iter().filter(|is_mine| **is_mine).count();
        view.discarded += discarded;
        view.decided_by_others_meanwhile += batch.len() - discarded;
    }
    tell(args, &view, desk.log.topic())?;
    Ok(if view.being_redriven > 0 { ExitCode::from(exit::ATTENTION) } else { ExitCode::SUCCESS })
}

impl DiscardView {
    /// Whether this letter may be discarded; counted where not. One that was interrupted may have been sent.
    fn passes(&mut self, found: &Found) -> bool {
        match found.standing {
            Standing::Open => return true,
            Standing::Redriven | Standing::Discarded => self.decided_before += 1,
            Standing::Redriving | Standing::Interrupted => self.being_redriven += 1,
        }
        false
    }
}

fn tell(args: &Args, view: &DiscardView, topic: &str) -> anyhow::Result<()> {
    if args.json {
        return print::json(view);
    }
    let mut told = format!("discarded on {topic}: {}", view.discarded);
    for (what, count) in [
        ("decided about before", view.decided_before),
        ("left out, as their redriving has not ended", view.being_redriven),
        ("decided about by others meanwhile", view.decided_by_others_meanwhile),
    ] {
        if count > 0 {
            told = format!("{told}; {what}: {count}");
        }
    }
    print::text(&told)
}
