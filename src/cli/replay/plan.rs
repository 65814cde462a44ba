//! `order-payments replay plan`: what the records would do. Writes nothing anywhere.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use crate::adapters::kafka::scan::Log;
use crate::adapters::system::SystemClock;
use crate::app::decode_options;
use crate::application::replay::{BATCH_RECORDS, Effect, Replay, Told};
use crate::cli::replay::choice::{Choice, Selection};
use crate::cli::replay::reading::Reading;
use crate::cli::replay::report::ToldBefore;
use crate::cli::replay::tally::{Tally, TallyView};
use crate::cli::{deployment, print};
use crate::config::Settings;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// Tell what records would do, were they handled anew: writes nothing, joins no group.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments replay plan --all\n  order-payments replay plan --from 2h --records\n  order-payments replay plan --offsets 0:100..200 --order-id o-1 --json\n\nWith --records or --json there is one line of JSON for each record. The service may run beside it.\n\nExit codes: 0 told, 1 could not, 2 bad command line."
)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Print a line of JSON for each record; the sums go to standard error.
    #[arg(long)]
    records: bool,
    /// Print a line of JSON for each record, and the sums as the last line.
    #[arg(long)]
    json: bool,
}

/// A record of a plan.
#[derive(Debug, Serialize)]
struct RecordView<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    order_id: Option<&'a str>,
    verdict: &'a str,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct Sums {
    totals: TallyView,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (cluster, log) = args.choice.log(settings, None).await?;
    let selection = args.choice.selection(&cluster.brokers, &log, SystemClock.now()).await?;
    let store = deployment::store(settings).await?;
    let with_records = args.records || args.json;
    let mut unprinted = None;
    let mut tell = |told: &Told| {
        if with_records && unprinted.is_none() {
            unprinted = line(&selection.topic, told).and_then(|line| print::text(&line)).err();
        }
    };
    let tally = foresee(&store, settings, &log, &selection, ToldBefore::new(), &mut tell).await?;
    if let Some(error) = unprinted {
        return Err(error);
    }
    if args.json {
        print::text(&serde_json::to_string(&Sums { totals: tally.view(false) })?)?;
    } else if args.records {
        eprintln!("{}", tally.plan());
    } else {
        print::text(&format_args!("{}\n{}", selection.described(), tally.plan()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Foresees all of a selection but what was told already.
pub(super) async fn foresee(
    store: &Store,
    settings: &Settings,
    log: &Log,
    selection: &Selection,
    told_already: ToldBefore,
    tell: &mut (dyn FnMut(&Told) + Send),
) -> anyhow::Result<Tally> {
    let is_own = selection.is_own(settings);
    let mut reading = Reading::new(log, selection, decode_options(settings), is_own, told_already)?;
    reading.bar.set_message("foreseeing");
    let mut replay = Replay::new(store, Arc::new(SystemClock), Effect::Observe);
    let mut tally = Tally::default();
    loop {
        let batch = reading.batch(BATCH_RECORDS, SystemClock.now()).await?;
        if batch.is_empty() {
            break;
        }
        let mut all_told = Vec::with_capacity(batch.len());
        replay.run(batch, &mut |told| all_told.push(told)).await?;
        all_told.sort_by_key(|told| told.place);
        for told in &all_told {
            tally.add(told);
            tell(told);
        }
    }
    reading.bar.finish_and_clear();
    Ok(tally)
}

fn line(topic: &str, told: &Told) -> anyhow::Result<String> {
    let view = RecordView {
        topic,
        partition: told.place.partition,
        offset: told.place.offset,
        order_id: told.order.as_ref().map(|(id, _)| id.as_str()),
        verdict: told.foreseen.verdict.as_str(),
        why: &told.foreseen.why,
    };
    Ok(serde_json::to_string(&view)?)
}
