//! `order-payments dead-letters redrive`: sends records that were refused once more, through the live path.

use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use crate::adapters::kafka::letters::{Home, Redriver};
use crate::adapters::kafka::scan::Log;
use crate::adapters::system::SystemClock;
use crate::app;
use crate::cli::dead_letters::desk::{Desk, Found, Wanted};
use crate::cli::dead_letters::driving::{Driven, Orders, drive};
use crate::cli::dead_letters::left_out::LeftOut;
use crate::cli::dead_letters::selection::Chosen;
use crate::cli::dead_letters::today::Forecast;
use crate::cli::dead_letters::views::table;
use crate::cli::person::{Consent, UnlessDry};
use crate::cli::source::Source;
use crate::cli::{exit, print, progress};
use crate::config::Settings;
use crate::ports::clock::Clock;

/// The most letters that a dry run lists.
const SHOWN_LETTERS: usize = 50;

/// Send the records of dead letters again, once the cause is mended: key, value and headers as they were, to the
/// partition they came from, in order per key. A record that is refused again is a new letter, with its count raised.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments dead-letters redrive --all --dry-run\n  order-payments dead-letters redrive 3/17 3/18 --actor ada --reason \"currency configured\"\n  order-payments dead-letters redrive --refused-for contract --from 2h --actor ada --reason \"currency configured\" --yes\n  order-payments dead-letters redrive --all --topic orders.DLT --actor ada --reason \"moved to us\" --yes\n\nLetters that arrive meanwhile are left for the next time. It may be stopped and repeated, and be called by two at once: each letter is sent by one of them. What a command that was killed has left half-way is taken over after two minutes; a record that is sent twice is paid once.\n\nExit codes: 0 done, 1 could not, 2 not understood, 4 done, but letters were left out: redriven too often, being redriven or decided about by someone else, without a record, unreadable, refused by the cluster, or behind another of their key that is left out."
)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Leave out letters that were redriven so often already.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    max_redrives: u32,
    /// The topic to send to, where it is not the request topic.
    #[arg(long, value_name = "NAME")]
    to_topic: Option<String>,
    #[command(flatten)]
    source: Source,
    /// Letters that are sent in a second, at the most; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Tell what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    person: UnlessDry,
}

#[derive(Debug, Serialize)]
struct RedriveView<'a> {
    dry_run: bool,
    topic: &'a str,
    to_topic: &'a str,
    selected: usize,
    /// What the decoder says of them now.
    forecast: Forecast,
    redriven: usize,
    decided_by_others_meanwhile: usize,
    refused_by_the_cluster: Vec<String>,
    left_out: LeftOut,
    /// Why it ended before all were dealt with.
    failure: Option<String>,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    if let Err(problem) = args.chosen.check(SystemClock.now()) {
        return Ok(exit::not_understood(problem));
    }
    let desk = Desk::open(&args.source, settings).await?;
    let target = target(args, settings, &desk).await?;
    let home = if is_elsewhere(args, settings)? { Home::Other } else { Home::Same };
    let redriver = Redriver::new(&settings.kafka, &target, home)?;
    let mut left_out = LeftOut::default();
    let wanted = Wanted { limit: args.chosen.limit(), with_values: true };
    let mut letters =
        desk.gather(&args.chosen.selection, wanted, |found| left_out.passes(found, args.max_redrives)).await?;
    letters.retain(|found| left_out.passes_others(found));
    let forecast = Forecast::of(&letters, &app::decode_options(settings), desk.now);
    let driven = match args.person.named() {
        Some((actor, reason)) if !args.dry_run && !letters.is_empty() => {
            if !args.consent.to(&question(&letters, forecast, desk.log.topic(), target.topic()))? {
                return Ok(ExitCode::FAILURE);
            }
            let orders = Orders { actor, reason, rate: args.rate };
            let bar = progress::bar(letters.len() as u64, "redriving");
            let driven = drive(&desk.decisions, &redriver, &letters, &orders, &bar).await;
            bar.finish_and_clear();
            driven
        }
        _ => Driven::default(),
    };
    left_out.behind_another_of_its_key += driven.behind;
    let refused = driven.refused.iter().map(|(position, problem)| format!("{position}: {problem}"));
    let view = RedriveView {
        dry_run: args.dry_run,
        topic: desk.log.topic(),
        to_topic: target.topic(),
        selected: letters.len(),
        forecast,
        redriven: driven.redriven,
        decided_by_others_meanwhile: driven.taken,
        refused_by_the_cluster: refused.collect(),
        left_out,
        failure: driven.failure.as_ref().map(|problem| format!("{problem:#}")),
    };
    tell(args, &view, &letters)?;
    driven.failure.map_or(Ok(()), Err)?;
    Ok(if view.asks_for_attention() { ExitCode::from(exit::ATTENTION) } else { ExitCode::SUCCESS })
}

/// Whether the letters lie on another cluster, as far as the names of its brokers tell.
fn is_elsewhere(args: &Args, settings: &Settings) -> anyhow::Result<bool> {
    Ok(args.source.is_elsewhere() && args.source.cluster(settings)?.brokers != settings.kafka.brokers)
}

/// The topic to send to, where sending dead letters to it makes sense.
async fn target(args: &Args, settings: &Settings, desk: &Desk) -> anyhow::Result<Log> {
    let kafka = &settings.kafka;
    let topic = args.to_topic.as_deref().unwrap_or(&kafka.request_topic);
    // Under another name of the same cluster too: its brokers may be called differently in another file.
    if topic == desk.log.topic() || topic == kafka.dead_letter_topic || topic == kafka.outcome_topic {
        bail!("dead letters are not sent to {topic:?}, which is no topic of requests; nothing was done");
    }
    Ok(Log::of(kafka, topic).await?)
}

fn question(letters: &[Found], forecast: Forecast, from: &str, to: &str) -> String {
    let Forecast { requests, refused_again, other_types } = forecast;
    let counted = print::counted(letters.len(), "dead letter", "dead letters");
    format!(
        "redrive {counted} of {from} to {to}? Requests by now: {requests}, so money may move; still refused: \
         {refused_again}; events of other types: {other_types}."
    )
}

impl RedriveView<'_> {
    /// Whether something was left out that a person should know of.
    fn asks_for_attention(&self) -> bool {
        let by_others = self.decided_by_others_meanwhile;
        self.left_out.asks_for_attention() || by_others > 0 || !self.refused_by_the_cluster.is_empty()
    }
}

fn tell(args: &Args, view: &RedriveView<'_>, letters: &[Found]) -> anyhow::Result<()> {
    if args.json {
        return print::json(view);
    }
    if args.dry_run && !letters.is_empty() {
        print::text(&table(&letters[..letters.len().min(SHOWN_LETTERS)]))?;
    }
    let mut summary = print::table(&["what", "letters"]);
    let done = if view.dry_run { "would be redriven" } else { "redriven" };
    let LeftOut { decided_before, being_redriven, redriven_too_often, unreadable, .. } = view.left_out;
    for (what, count) in [
        (done, if view.dry_run { view.selected } else { view.redriven }),
        ("  requests by now", view.forecast.requests),
        ("  still refused", view.forecast.refused_again),
        ("  events of other types", view.forecast.other_types),
        ("decided about before", decided_before),
        ("decided about by others meanwhile", view.decided_by_others_meanwhile),
        ("being redriven just now: repeat it in two minutes", being_redriven),
        ("redriven too often (--max-redrives)", redriven_too_often),
        ("unreadable headers, so they cannot be sent", unreadable),
        ("without a record", view.left_out.without_record.len()),
        ("behind another of its key, which is not sent", view.left_out.behind_another_of_its_key),
        ("refused by the cluster", view.refused_by_the_cluster.len()),
    ] {
        summary.add_row([what.to_owned(), count.to_string()]);
    }
    print::text(&summary)?;
    let dry = if view.dry_run { " (dry run: nothing was sent)" } else { "" };
    print::text(&format_args!("from {} to {}{dry}", view.topic, view.to_topic))?;
    view.left_out.without_record.iter().try_for_each(|letter| print::text(&format_args!("letter {letter}")))?;
    view.refused_by_the_cluster.iter().try_for_each(|refused| print::text(&format_args!("refused {refused}")))
}
