//! `order-payments refund`: has money given back. Takes the refund down; running instances send it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use rust_decimal::Decimal;
use tokio::time::{Instant, interval, timeout_at};
use uuid::Uuid;

use crate::app::{Adapters, UseCases};
use crate::application::refund_payment::{RefundError, RefundRequest};
use crate::cli::person::{Consent, Person};
use crate::cli::views::refund::{RefundView, left_of};
use crate::cli::{deployment, exit, moment, print};
use crate::config::Settings;
use crate::domain::money::{Money, parse_decimal};
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::refund::{Refund, RefundId, RefundState};
use crate::ports::refund_repository::RefundRepository;
use crate::ports::store::Store;

/// How often a refund that is waited for is looked at.
const GLANCE: Duration = Duration::from_millis(250);

/// Give money of a PAID order back: all that is left of the charge, or a part of it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments refund o-1 --amount 5.00 --actor ada --reason \"one of two came back\"\n  order-payments refund o-1 --actor ada --reason \"canceled\" --yes --wait=30s --json\n\nRepeated with the same --refund-id it is one refund. `order-payments refunds ORDER_ID` shows what became of it.\n\nExit codes: 0 taken down (with --wait: SUCCEEDED or PENDING), 1 could not, 3 the order is not known, 4 the refund has FAILED, 5 the order cannot be refunded so, 6 it was not sent within the wait."
)]
pub(crate) struct Args {
    /// The order's id.
    order_id: OrderId,
    /// How much, in the order's currency, as 5.00; without it all that is left.
    #[arg(long, value_parser = parse_decimal, allow_hyphen_values = true)]
    amount: Option<Decimal>,
    /// The refund's name, so that a repetition is the same refund; without it a new one.
    #[arg(long, value_name = "UUID")]
    refund_id: Option<RefundId>,
    #[command(flatten)]
    person: Person,
    #[command(flatten)]
    consent: Consent,
    /// Wait until the gateway has answered, at the most so long.
    #[arg(long, value_name = "PERIOD", num_args = 0..=1, require_equals = true, default_missing_value = "60s", value_parser = moment::period)]
    wait: Option<Duration>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (adapters, use_cases) = deployment::open(settings).await?;
    let id = args.refund_id.unwrap_or_else(|| RefundId::from_uuid(Uuid::new_v4()));
    let refund = match adapters.store.refunds.refund(id).await? {
        Some(stored) if is_same(args, &stored) => {
            eprintln!("it was taken down before; nothing was added");
            stored
        }
        Some(stored) => {
            let Refund { amount, order_id, .. } = stored;
            eprintln!("order-payments: refund {id} is one of {amount} of order {order_id}; nothing was done");
            return Ok(ExitCode::from(exit::REFUSED));
        }
        None => match taken_down(args, id, &adapters, &use_cases).await {
            Ok(Some(refund)) => refund,
            Ok(None) => return Ok(ExitCode::FAILURE),
            Err(error) => return refused(error),
        },
    };
    let refund = match args.wait {
        Some(patience) => followed(&*adapters.store.refunds, refund, patience).await?,
        None => refund,
    };
    if args.json {
        print::json(&RefundView::of(&refund))?;
    } else {
        print::text(&told(&refund))?;
    }
    Ok(args.wait.map_or(ExitCode::SUCCESS, |patience| judged(&refund, patience)))
}

/// Whether a stored refund is the one that is asked for.
fn is_same(args: &Args, stored: &Refund) -> bool {
    stored.order_id == args.order_id && args.amount.is_none_or(|amount| amount == stored.amount.amount())
}

/// The refund once it is stored; `None` where the person has thought better of it.
async fn taken_down(
    args: &Args,
    id: RefundId,
    adapters: &Adapters,
    use_cases: &UseCases,
) -> anyhow::Result<Option<Refund>> {
    let (amount, question) = terms(args, &adapters.store).await?;
    if !args.consent.to(&question)? {
        return Ok(None);
    }
    let actor = args.person.actor.clone();
    let request = RefundRequest { id, order_id: args.order_id.clone(), amount: Some(amount), actor };
    let requested = use_cases.refund_payment.request(&request).await;
    let unsure = || format!("whether it was taken down is not known: repeat it with --refund-id {id}");
    let refund = match requested {
        Err(error @ RefundError::Repository(_)) => return Err(error).with_context(unsure),
        requested => requested?,
    };
    if let Err(error) = use_cases.refund_payment.explain(&refund, &args.person.actor, &args.person.reason).await {
        let error = anyhow::Error::new(error);
        eprintln!("refund {id} was taken down, but the reason for it could not be kept: {error:#}");
    }
    Ok(Some(refund))
}

/// How much it is, and what to ask the person.
async fn terms(args: &Args, store: &Store) -> Result<(Money, String), RefundError> {
    let id = &args.order_id;
    let stored = store.orders.find(id).await?.ok_or_else(|| RefundError::UnknownOrder(id.clone()))?;
    if stored.order.status() != OrderStatus::Paid {
        return Err(RefundError::NotPaid(id.clone(), stored.order.status()));
    }
    if stored.is_pruned() {
        return Err(RefundError::Pruned(id.clone()));
    }
    let charged = stored.order.total_amount();
    let left = left_of(charged, &store.refunds.refunds_of(id).await?);
    let amount = match (args.amount, left) {
        (Some(amount), _) => Money::new(amount, charged.currency())?,
        (None, Some(left)) => left,
        (None, None) => return Err(RefundError::TooMuch { id: id.clone(), left }),
    };
    match left {
        Some(left) if amount.amount() <= left.amount() => {
            let question = format!("Give {amount} of order {id} back? {charged} were paid, {left} are left.");
            Ok((amount, question))
        }
        _ => Err(RefundError::TooMuch { id: id.clone(), left }),
    }
}

/// An expected "no" is told with an exit code of its own; anything else is an error.
fn refused(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let code = match error.downcast_ref::<RefundError>() {
        Some(RefundError::UnknownOrder(_)) => exit::NOT_KNOWN,
        Some(RefundError::Repository(_)) | None => return Err(error),
        Some(_) => exit::REFUSED,
    };
    eprintln!("order-payments: {error:#}; nothing was done");
    Ok(ExitCode::from(code))
}

/// The refund once the gateway has answered, or as it is after `patience`.
async fn followed(refunds: &dyn RefundRepository, refund: Refund, patience: Duration) -> anyhow::Result<Refund> {
    let (deadline, mut glances) = (Instant::now() + patience, interval(GLANCE));
    let (id, mut latest) = (refund.id, refund);
    while !is_answered(&latest) && timeout_at(deadline, glances.tick()).await.is_ok() {
        if let Some(stored) = refunds.refund(id).await? {
            latest = stored;
        }
    }
    Ok(latest)
}

fn is_answered(refund: &Refund) -> bool {
    !matches!(refund.state, RefundState::Requested | RefundState::Sending(_))
}

fn told(refund: &Refund) -> String {
    let next = match &refund.state {
        RefundState::Requested => "a running instance sends it".to_owned(),
        RefundState::Sending(_) => "it is being sent".to_owned(),
        RefundState::Pending(name) => format!("the gateway has accepted it as {name} and decides later"),
        RefundState::Succeeded(name) => format!("the money is on its way back as {name}"),
        RefundState::Failed { reason, .. } => format!("{}: {}", reason.code, reason.message),
    };
    format!("refund {} of {} of order {} is {}: {next}", refund.id, refund.amount, refund.order_id, refund.state.name())
}

/// What it came to within the wait.
fn judged(refund: &Refund, patience: Duration) -> ExitCode {
    match refund.state {
        RefundState::Pending(_) | RefundState::Succeeded(_) => ExitCode::SUCCESS,
        RefundState::Failed { .. } => ExitCode::from(exit::ATTENTION),
        RefundState::Requested | RefundState::Sending(_) => {
            let seconds = patience.as_secs();
            eprintln!("it was not answered within {seconds} s: is an instance running, and its gate open?");
            ExitCode::from(exit::UNDECIDED)
        }
    }
}

#[cfg(test)]
mod tests;
