//! `order-payments explain`: an order's whole story, from its request to its outcome. Reads only.

mod headers;
mod places;
mod search;
mod story;
mod tell;
mod topics;

use std::process::ExitCode;

use crate::app::{decode_options, gateway_name};
use crate::cli::explain::search::look;
use crate::cli::explain::story::Story;
use crate::cli::explain::topics::{Seen, Wanted};
use crate::cli::{deployment, exit};
use crate::config::Settings;
use crate::domain::order::OrderId;
use crate::ports::store::Store;

/// Tell an order's whole story in time order: its requests, states, exchanges with the gateway, refunds, findings and
/// outcomes, what it waits for, and the time spent in each stage.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments explain o-1\n  order-payments explain o-1 --json\n  order-payments explain o-2 --scan     # not known here: is there a request for it?\n\nThe topics are read by a reader of its own, first the partition of the order's id from a minute before the order was asked for or settled, then, where nothing is found, the other partitions and an hour before; what was read is told: no group is joined and nothing is moved. E-mail addresses in headers are masked; of headers that are neither the event's nor this service's only the names are told.\n\nExit codes: 0 told, 1 could not, 3 the order is not known here."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Args {
    /// The order's id.
    order_id: OrderId,
    /// Tell what the database knows alone.
    #[arg(long)]
    no_kafka: bool,
    /// Look in all partitions, though the order's is found in its own; for an order that is not known here, in all of
    /// the topics from their beginnings.
    #[arg(long, conflicts_with = "no_kafka")]
    scan: bool,
    /// Records of each partition that are read at once, at the most: the first since a time, or the newest.
    #[arg(long, value_name = "RECORDS", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    scan_limit: u64,
    /// Show values and headers of records as they are, with the customer's data.
    #[arg(long)]
    reveal: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    let mut story = known(&store, settings, &args.order_id).await?;
    if args.no_kafka {
        story.notes.push("Kafka was not asked".to_owned());
    } else if story.order.is_some() || args.scan {
        add_records(args, settings, &mut story).await;
    }
    if story.order.is_none() {
        let hint = if args.scan || args.no_kafka { "" } else { "; --scan looks for requests that ask for it" };
        eprintln!("order {} is not known here{hint}", args.order_id);
    }
    if args.json {
        tell::print_json(&story)?;
    } else {
        tell::print_tables(&story)?;
    }
    Ok(if story.order.is_some() { ExitCode::SUCCESS } else { ExitCode::from(exit::NOT_KNOWN) })
}

/// What the database knows.
async fn known(store: &Store, settings: &Settings, id: &OrderId) -> anyhow::Result<Story> {
    let gateway = gateway_name(settings);
    Ok(Story {
        order_id: id.clone(),
        order: store.orders.find(id).await?,
        journal: store.orders.journal(id).await?,
        refunds: store.refunds.refunds_of(id).await?,
        findings: store.findings.findings_of(id).await?,
        waits: store.waits.waits_of(id).await?,
        closed: store.gates.gate(gateway).await?.closed.map(|closed| (gateway, closed)),
        records: Vec::new(),
        looked: Vec::new(),
        notes: Vec::new(),
    })
}

/// Adds what the topics have; that they cannot be read is told, and no reason to tell nothing.
async fn add_records(args: &Args, settings: &Settings, story: &mut Story) {
    let wanted = Wanted {
        order_id: &args.order_id,
        order: story.order.as_ref(),
        events: story.event_ids(),
        asked_since: story.asked_since(),
        told_since: story.told_since(),
        is_all_read: args.scan,
        limit: args.scan_limit,
        decode: decode_options(settings),
        reveal: args.reveal,
    };
    match look(&settings.kafka, &wanted).await {
        Ok(found) => {
            story.records = found.records;
            story.records.sort_by_key(Seen::place);
            story.looked = found.looked;
            story.notes.extend(found.notes);
        }
        Err(problem) => story.notes.push(format!("Kafka could not be asked, so its records are missing: {problem}")),
    }
}
