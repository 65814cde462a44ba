//! `order-payments prune`: removes the history of orders that were settled long ago.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::adapters::kafka::retention::retention_of;
use crate::adapters::system::SystemClock;
use crate::adapters::wire::outcome::rfc3339;
use crate::application::prune::{Instruction, Keeper, Pace, Prune, Pruned, Refusal, Retention, SHORTEST, may_remove};
use crate::cli::moment::period;
use crate::cli::person::{Consent, UnlessDry};
use crate::cli::{deployment, exit, print, progress};
use crate::config::Settings;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;

/// Remove the history of orders that were settled long ago: attempts, outcomes, refunds, findings and journal. The
/// orders themselves stay, so that none of them is ever paid again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments prune --older-than 400d --dry-run\n  order-payments prune --older-than 400d --actor ada --reason \"kept for a year\" --yes\n\nHistory is never shorter than what the topics keep, nor than reconcile.sweep_window_ms. It may be stopped and repeated at any time, and while the service runs. PostgreSQL uses the room again once autovacuum has been there; SQLite does at once, and gives it back to the disk with VACUUM alone.\n\nExit codes: 0 done, 1 could not, 5 so much history has to stay."
)]
pub(crate) struct Args {
    /// How long an order must have been settled, as 400d.
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    older_than: Duration,
    /// Count what would go, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Orders that are looked at in one transaction.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// Orders whose history is removed in a second, at the most; 0 for no limit.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    person: UnlessDry,
}

#[derive(Debug, Serialize)]
struct PrunedView {
    dry_run: bool,
    settled_before: String,
    orders_seen: u64,
    orders_pruned: u64,
    rows: RowsView,
}

#[derive(Debug, Serialize)]
struct RowsView {
    payments: u64,
    outcomes: u64,
    refunds: u64,
    findings: u64,
    journal: u64,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    if let Err(refusal) = may_remove(args.older_than, &keepers(settings).await?) {
        return Ok(refused(&refusal));
    }
    let before = SystemClock.now().minus(args.older_than);
    let prune = Prune::new(store.history, store.audit);
    // How many there are is not asked: counting ten million orders takes longer than a statement may.
    let bar = progress::counter("orders");
    let show = |pruned: &Pruned| bar.set_position(pruned.seen);
    let pruned = match args.person.named() {
        Some((actor, reason)) if !args.dry_run => {
            let question = format!("remove the history of all orders that were settled before {}?", rfc3339(before));
            if !args.consent.to(&question)? {
                return Ok(ExitCode::FAILURE);
            }
            let (actor, reason) = (actor.to_owned(), noted(args.older_than, reason));
            let pace = Pace { batch: args.batch.into(), orders_per_second: args.rate };
            prune.remove(&Instruction { actor, reason, before }, &pace, &show).await?
        }
        _ => prune.observe(before, args.batch.into(), &show).await?,
    };
    bar.finish_and_clear();
    tell(args, before, &pruned)?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that history has to be kept for.
async fn keepers(settings: &Settings) -> anyhow::Result<Vec<Keeper>> {
    let kafka = &settings.kafka;
    let topics = [
        ("the request topic", &kafka.request_topic),
        ("the outcome topic", &kafka.outcome_topic),
        ("the dead-letter topic", &kafka.dead_letter_topic),
    ];
    let mut keepers = vec![
        Keeper {
            what: "an idempotency key of the gateway's".to_owned(),
            keeps: Retention::For(SHORTEST),
            remedy: "keep more history",
        },
        Keeper {
            what: "the comparison with the gateway's list (reconcile.sweep_window_ms)".to_owned(),
            keeps: Retention::For(settings.reconcile.sweep_window),
            remedy: "keep more history, or shorten that setting",
        },
    ];
    for (role, topic) in topics {
        keepers.push(Keeper {
            what: format!("{role} {topic:?}"),
            keeps: retention_of(kafka, topic).await?,
            remedy: "keep more history, or have the topic keep less: cleanup.policy=delete and a retention.ms",
        });
    }
    Ok(keepers)
}

fn refused(refusal: &Refusal) -> ExitCode {
    eprintln!("order-payments: {refusal}; nothing was done");
    ExitCode::from(exit::REFUSED)
}

/// The person's words, and what they were about.
fn noted(older_than: Duration, reason: &str) -> String {
    format!("older than {} s: {reason}", older_than.as_secs())
}

fn tell(args: &Args, before: Timestamp, pruned: &Pruned) -> anyhow::Result<()> {
    let removed = pruned.removed;
    let rows = [
        ("attempts", removed.payments),
        ("outcomes", removed.outcomes),
        ("refunds", removed.refunds),
        ("findings", removed.findings),
        ("journal", removed.journal),
    ];
    if args.json {
        let [payments, outcomes, refunds, findings, journal] = rows.map(|(_, count)| count);
        return print::json(&PrunedView {
            dry_run: args.dry_run,
            settled_before: rfc3339(before),
            orders_seen: pruned.seen,
            orders_pruned: removed.orders,
            rows: RowsView { payments, outcomes, refunds, findings, journal },
        });
    }
    let did = if args.dry_run { "would go" } else { "went" };
    let mut table = print::table(&["history of", did]);
    for (what, count) in rows {
        table.add_row([what.to_owned(), count.to_string()]);
    }
    print::text(&table)?;
    print::text(&format_args!("of {} orders among {}; the orders themselves stay", removed.orders, pruned.seen))
}
