//! `order-payments review list`: the orders under review and the open findings. Reads only.

use std::process::ExitCode;

use comfy_table::Table;
use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::views::finding::{self, FindingView};
use crate::cli::views::order::OrderView;
use crate::cli::{deployment, print};
use crate::config::Settings;
use crate::domain::payment::{Payment, PaymentState};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, StoredOrder};

/// The most orders and findings that one call lists.
const LIST_LIMIT: u64 = 10_000;

/// List the orders under review, and the open findings; exit code 0 also where there are none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  order-payments review list --json")]
pub(super) struct Args {
    /// How many orders and how many findings at the most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=LIST_LIMIT))]
    limit: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An order under review.
struct Reviewed {
    stored: StoredOrder,
    /// `None` where its journal does not tell.
    since: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct ListView {
    orders: Vec<ReviewView>,
    findings: Vec<FindingView>,
}

#[derive(Debug, Serialize)]
struct ReviewView {
    #[serde(flatten)]
    order: OrderView,
    under_review_since: Option<String>,
    /// The options of `review resolve` that may end it.
    decisions: Vec<String>,
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    let limit = usize::try_from(args.limit)?;
    let mut reviewed = Vec::new();
    for stored in store.orders.under_review(None, limit).await? {
        let journal = store.orders.journal(stored.order.id()).await?;
        reviewed.push(Reviewed { since: review_began(&journal), stored });
    }
    let findings = store.findings.open_findings(limit).await?;
    if args.json {
        let orders = reviewed.iter().map(ReviewView::of).collect();
        print::json(&ListView { orders, findings: findings.iter().map(FindingView::of).collect() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let under_review = store.orders.waiting().await?.under_review;
    print::text(&format_args!("orders under review: {under_review}"))?;
    if !reviewed.is_empty() {
        print::text(&table(&reviewed))?;
        print::text(&"end one by: order-payments review resolve ORDER_ID DECISION --actor NAME --reason TEXT")?;
    }
    let more = if findings.len() == limit { " or more" } else { "" };
    print::text(&format_args!("open findings: {}{more}", findings.len()))?;
    if !findings.is_empty() {
        print::text(&finding::table(&findings))?;
        print::text(&"end one by: order-payments review resolve --finding UUID --actor NAME --reason TEXT")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// When the last review of an order began.
fn review_began(journal: &[JournalEntry]) -> Option<Timestamp> {
    journal.iter().rfind(|entry| entry.state == "REVIEW").map(|entry| entry.recorded_at)
}

impl ReviewView {
    fn of(reviewed: &Reviewed) -> Self {
        Self {
            order: OrderView::of(&reviewed.stored),
            under_review_since: reviewed.since.map(rfc3339),
            decisions: decisions(reviewed.stored.payment.as_ref()),
        }
    }
}

/// The options that may end a review; what the gateway does not bear out is refused then.
pub(super) fn decisions(payment: Option<&Payment>) -> Vec<String> {
    let reference = payment.and_then(Payment::reference).map_or("REFERENCE", ProviderToken::as_str);
    vec![format!("--paid {reference}"), "--failed".to_owned(), "--retry".to_owned()]
}

fn table(reviewed: &[Reviewed]) -> Table {
    let mut table = print::table(&["order", "amount", "attempt", "since", "what was seen", "decision"]);
    for Reviewed { stored, since } in reviewed {
        let payment = stored.payment.as_ref();
        table.add_row([
            stored.order.id().to_string(),
            stored.order.total_amount().to_string(),
            payment.map(|payment| payment.attempt.number().to_string()).unwrap_or_default(),
            since.map(print::to_the_second).unwrap_or_default(),
            payment.map(finding_of).unwrap_or_default(),
            decisions(payment).join("\n"),
        ]);
    }
    print::narrow(&mut table, 4);
    table
}

fn finding_of(payment: &Payment) -> String {
    match &payment.state {
        PaymentState::Review { finding, .. } => finding.clone(),
        _ => String::new(),
    }
}
