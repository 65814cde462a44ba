//! `order-payments orders`: shows orders and how far their payments are. Reads only.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::adapters::system::SystemClock;
use crate::adapters::wire::outcome::rfc3339;
use crate::app;
use crate::config::Settings;
use crate::domain::order::OrderId;
use crate::domain::payment::PaymentState;
use crate::ports::clock::Clock;
use crate::ports::order_repository::StoredOrder;

/// The most orders that one call lists.
const LIST_LIMIT: u64 = 10_000;

/// Show orders and how far their payments are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments orders get order-000001\n  order-payments orders list --limit 20 --json"
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

/// An order that is not known: another exit code than an error's.
const NOT_KNOWN: u8 = 3;

#[derive(Debug, Serialize)]
struct OrderView {
    order_id: String,
    status: &'static str,
    total_amount: String,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentView>,
}

#[derive(Debug, Serialize)]
struct PaymentView {
    state: &'static str,
    attempt: u32,
    flow: &'static str,
    begun_at: String,
    reference: Option<String>,
    note: Option<String>,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let orders = app::open_store(&settings.database, &clock).await?.orders;
    match &args.action {
        Action::Get { order_id, json } => {
            let Some(found) = orders.find(order_id).await? else {
                eprintln!("order {order_id} is not known here");
                return Ok(ExitCode::from(NOT_KNOWN));
            };
            let view = view(&found);
            if *json { print_json(&view)? } else { println!("{}", table(&[view])) }
        }
        Action::List { after, limit, json } => {
            let limit = usize::try_from(*limit).context("the limit does not fit this machine")?;
            let found = orders.list(after.as_ref(), limit).await?;
            let views: Vec<OrderView> = found.iter().map(view).collect();
            if *json { print_json(&views)? } else { println!("{}", table(&views)) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn view(stored: &StoredOrder) -> OrderView {
    let total = stored.order.total_amount();
    OrderView {
        order_id: stored.order.id().to_string(),
        status: stored.order.status().as_str(),
        total_amount: total.amount().to_string(),
        currency: total.currency().code(),
        payment: stored.payment.as_ref().map(|payment| PaymentView {
            state: payment.state.name(),
            attempt: payment.attempt.number(),
            flow: payment.flow.as_str(),
            begun_at: rfc3339(payment.begun_at),
            reference: payment.reference().map(ToString::to_string),
            note: match &payment.state {
                PaymentState::Fencing { reason, .. } | PaymentState::Canceled { reason, .. } => {
                    Some(format!("{}: {}", reason.code, reason.message))
                }
                PaymentState::Review { finding, .. } => Some(finding.clone()),
                _ => None,
            },
        }),
    }
}

fn table(views: &[OrderView]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["order", "status", "amount", "payment", "attempt", "reference", "note"]);
    for view in views {
        let payment = view.payment.as_ref();
        table.add_row([
            view.order_id.clone(),
            view.status.to_owned(),
            format!("{} {}", view.total_amount, view.currency),
            payment.map_or_else(String::new, |payment| payment.state.to_owned()),
            payment.map_or_else(String::new, |payment| payment.attempt.to_string()),
            payment.and_then(|payment| payment.reference.clone()).unwrap_or_default(),
            payment.and_then(|payment| payment.note.clone()).unwrap_or_default(),
        ]);
    }
    table
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
