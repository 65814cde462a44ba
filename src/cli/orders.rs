//! `order-payments orders`: shows orders and how far their payments are. Reads only.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;

use crate::cli::views::journal::{self, EntryView};
use crate::cli::views::order::{OrderView, table};
use crate::cli::{deployment, exit, print};
use crate::config::Settings;
use crate::domain::order::OrderId;
use crate::ports::store::Store;

/// The most orders that one call lists.
const LIST_LIMIT: u64 = 10_000;

/// Show orders and how far their payments are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments orders get order-000001 --journal\n  order-payments orders list --limit 20 --json"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show one order; exit code 3 where it is not known.
    Get {
        /// The order's id.
        order_id: OrderId,
        /// Show also what became of its attempts and refunds, when, and what was sent to the gateway.
        #[arg(long)]
        journal: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List orders by id.
    List {
        /// Begin after this order.
        #[arg(long, value_name = "ORDER_ID")]
        after: Option<OrderId>,
        /// How many at the most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=LIST_LIMIT))]
        limit: u64,
        /// Print JSON, one array.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Serialize)]
struct GetView {
    #[serde(flatten)]
    order: OrderView,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Vec<EntryView>>,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    match &args.action {
        Action::Get { order_id, journal, json } => get(&store, order_id, *journal, *json).await,
        Action::List { after, limit, json } => {
            let limit = usize::try_from(*limit).context("the limit does not fit this machine")?;
            let found = store.orders.list(after.as_ref(), limit).await?;
            let views: Vec<OrderView> = found.iter().map(OrderView::of).collect();
            if *json {
                print::json(&views)?;
            } else {
                print::text(&table(&views))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn get(store: &Store, order_id: &OrderId, with_journal: bool, json: bool) -> anyhow::Result<ExitCode> {
    let Some(found) = store.orders.find(order_id).await? else {
        eprintln!("order {order_id} is not known here");
        return Ok(ExitCode::from(exit::NOT_KNOWN));
    };
    let order = OrderView::of(&found);
    let journal = if with_journal { Some(store.orders.journal(order_id).await?) } else { None };
    if json {
        let journal = journal.map(|entries| entries.iter().map(EntryView::of).collect());
        print::json(&GetView { order, journal })?;
        return Ok(ExitCode::SUCCESS);
    }
    print::text(&table(&[order]))?;
    if let Some(entries) = journal {
        print::text(&journal::table(&entries))?;
    }
    Ok(ExitCode::SUCCESS)
}
