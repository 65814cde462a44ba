//! `order-payments review resolve`: a person's decision. What the gateway does not bear out is refused.

use std::process::ExitCode;

use clap::ArgGroup;
use uuid::Uuid;

use crate::adapters::system::SystemClock;
use crate::application::review::{Decision, ReviewError};
use crate::cli::person::{Consent, Person};
use crate::cli::views::order::{OrderView, table};
use crate::cli::{deployment, exit, print};
use crate::config::Settings;
use crate::domain::order::OrderId;
use crate::domain::request::ProviderToken;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// End the review of an order, or a finding, by your word.
#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("decision").required(true).args(["paid", "failed", "retry", "finding"])),
    after_help = "Examples:\n  order-payments review resolve o-1 --paid pi_123 --actor ada --reason \"the bank shows the charge\"\n  order-payments review resolve o-1 --failed --actor ada --reason \"given up with the customer\" --yes\n  order-payments review resolve o-1 --retry --actor ada --reason \"the gateway has mended it\"\n  order-payments review resolve --finding 6f0c2ab1-... --actor ada --reason \"refunded at the gateway\"\n\nExit codes: 0 decided, 1 could not, 3 no such order or open finding, 5 the order is not under review, or the gateway's charges forbid the decision."
)]
pub(super) struct Args {
    /// The order under review.
    #[arg(required_unless_present = "finding", conflicts_with = "finding")]
    order_id: Option<OrderId>,
    /// It is PAID by this charge, which the gateway must show as successful, of the exact amount.
    #[arg(long, value_name = "REFERENCE")]
    paid: Option<ProviderToken>,
    /// It has FAILED: the gateway must show no successful charge, and what could still be charged is canceled.
    #[arg(long)]
    failed: bool,
    /// Look at it anew, as if it had never been put under review.
    #[arg(long)]
    retry: bool,
    /// The finding was dealt with.
    #[arg(long, value_name = "UUID")]
    finding: Option<Uuid>,
    #[command(flatten)]
    person: Person,
    #[command(flatten)]
    consent: Consent,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn asks_gateway(&self) -> bool {
        self.finding.is_none()
    }

    fn decision(&self) -> Decision {
        match &self.paid {
            Some(reference) => Decision::Paid(reference.clone()),
            None if self.failed => Decision::Failed,
            None => Decision::Retry,
        }
    }
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    match (&args.order_id, args.finding) {
        (_, Some(finding)) => end_finding(args, finding, settings).await,
        (Some(order_id), None) => end_review(args, order_id, settings).await,
        (None, None) => anyhow::bail!("neither an order nor a finding is named; nothing was done"),
    }
}

async fn end_finding(args: &Args, finding: Uuid, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    let Person { actor, reason } = &args.person;
    if store.findings.resolve_finding(finding, actor, reason, SystemClock.now()).await? {
        print::text(&format_args!("finding {finding} is ended"))?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("there is no open finding {finding}; nothing was done");
    Ok(ExitCode::from(exit::NOT_KNOWN))
}

async fn end_review(args: &Args, id: &OrderId, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (adapters, use_cases) = deployment::open(settings).await?;
    let Some(stored) = adapters.store.orders.find(id).await? else {
        eprintln!("order {id} is not known here; nothing was done");
        return Ok(ExitCode::from(exit::NOT_KNOWN));
    };
    let (decision, total) = (args.decision(), stored.order.total_amount());
    let question = match &decision {
        Decision::Retry => None,
        Decision::Paid(reference) => Some(format!("Settle order {id} ({total}) as PAID by {reference}, for good?")),
        Decision::Failed => Some(format!("Settle order {id} ({total}) as FAILED, for good?")),
    };
    if let Some(question) = question {
        deployment::pass_gate(&adapters.store, &use_cases, settings).await?;
        if !args.consent.to(&question)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    // Once more: a person may have thought for long.
    let _kept = match decision {
        Decision::Retry => None,
        _ => Some(deployment::may_decide(&adapters.store, &use_cases, settings).await?),
    };
    let Person { actor, reason } = &args.person;
    match use_cases.review.resolve(id, &decision, actor, reason).await {
        Ok(_) => {}
        Err(error @ (ReviewError::Gateway(_) | ReviewError::Repository(_))) => return Err(error.into()),
        Err(refusal) => {
            eprintln!("order-payments: {refusal}; nothing was decided");
            return Ok(ExitCode::from(exit::REFUSED));
        }
    }
    eprintln!("{}", what_follows(&decision));
    tell(args, id, &adapters.store).await
}

const fn what_follows(decision: &Decision) -> &'static str {
    match decision {
        Decision::Retry => "a running instance looks at it anew, or `order-payments reconcile` does",
        Decision::Paid(_) | Decision::Failed => "decided; a running instance publishes the outcome",
    }
}

/// Shows the order as it is now, and what about it is still open.
async fn tell(args: &Args, id: &OrderId, store: &Store) -> anyhow::Result<ExitCode> {
    let Some(stored) = store.orders.find(id).await? else { return Ok(ExitCode::from(exit::NOT_KNOWN)) };
    let view = OrderView::of(&stored);
    if args.json {
        print::json(&view)?;
    } else {
        print::text(&table(&[view]))?;
    }
    for finding in store.findings.findings_of(id).await? {
        eprintln!("still open: finding {} ({})", finding.id(), finding.kind.as_str());
    }
    Ok(ExitCode::SUCCESS)
}
