//! `order-payments refunds`: the refunds of an order. Reads only.

use std::process::ExitCode;

use crate::cli::views::refund::{RefundView, left_of, table};
use crate::cli::{deployment, exit, print};
use crate::config::Settings;
use crate::domain::order::{OrderId, OrderStatus};

/// Show the refunds of an order.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  order-payments refunds o-1\n\nExit codes: 0 shown, also where there are none, 1 could not, 3 the order is not known."
)]
pub(crate) struct Args {
    /// The order's id.
    order_id: OrderId,
    /// Print JSON, one array.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    let Some(stored) = store.orders.find(&args.order_id).await? else {
        eprintln!("order {} is not known here", args.order_id);
        return Ok(ExitCode::from(exit::NOT_KNOWN));
    };
    let refunds = store.refunds.refunds_of(&args.order_id).await?;
    if args.json {
        print::json(&refunds.iter().map(RefundView::of).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !refunds.is_empty() {
        print::text(&table(&refunds))?;
    }
    let order = &stored.order;
    let left = match left_of(order.total_amount(), &refunds) {
        _ if stored.is_pruned() => {
            "its history was pruned, and what went back is known at the gateway alone".to_owned()
        }
        Some(left) if order.status() == OrderStatus::Paid => {
            format!("{left} of {} can still go back", order.total_amount())
        }
        _ => "nothing can go back".to_owned(),
    };
    let told = format!(
        "order {} is {}, {}: {left}",
        order.id(),
        order.status(),
        print::counted(refunds.len(), "refund", "refunds")
    );
    print::text(&told)?;
    Ok(ExitCode::SUCCESS)
}
