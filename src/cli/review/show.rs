//! `order-payments review show`: everything that is known of an order. Reads only.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::views::finding::{self, FindingView};
use crate::cli::views::journal::{self, EntryView};
use crate::cli::views::order::{self, OrderView};
use crate::cli::views::refund::{self, RefundView};
use crate::cli::{deployment, exit, print};
use crate::config::Settings;
use crate::domain::order::OrderId;

/// Show an order with its payment, its refunds, the findings about it, and its journal.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  order-payments review show o-1\n\nExit codes: 0 shown, 1 could not, 3 nothing is known of the order."
)]
pub(super) struct Args {
    /// The order's id.
    order_id: OrderId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct ShowView {
    /// Nothing where the order is not known here: then only findings tell of it.
    order: Option<OrderView>,
    refunds: Vec<RefundView>,
    findings: Vec<FindingView>,
    journal: Vec<EntryView>,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    let id = &args.order_id;
    let order = store.orders.find(id).await?.as_ref().map(OrderView::of);
    let findings = store.findings.findings_of(id).await?;
    if order.is_none() && findings.is_empty() {
        eprintln!("nothing is known here of order {id}");
        return Ok(ExitCode::from(exit::NOT_KNOWN));
    }
    let (refunds, journal) = (store.refunds.refunds_of(id).await?, store.orders.journal(id).await?);
    if args.json {
        print::json(&ShowView {
            order,
            refunds: refunds.iter().map(RefundView::of).collect(),
            findings: findings.iter().map(FindingView::of).collect(),
            journal: journal.iter().map(EntryView::of).collect(),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    match order {
        Some(order) => print::text(&order::table(&[order]))?,
        None => print::text(&format_args!("order {id} is not known here"))?,
    }
    let sections = [
        ("refunds", refunds.len(), refund::table(&refunds)),
        ("open findings", findings.len(), finding::table(&findings)),
        ("journal", journal.len(), journal::table(&journal)),
    ];
    for (what, _, table) in sections.iter().filter(|(_, rows, _)| *rows > 0) {
        print::text(&format_args!("{what}\n{table}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
