//! `order-payments reconcile`: looks at everything that waits, then compares the gateway with the store.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::app::UseCases;
use crate::application::reconcile::Reconciled;
use crate::application::sweep::{Effect, Swept};
use crate::cli::moment::{Since, since};
use crate::cli::views::finding::{self, FindingView};
use crate::cli::{deployment, exit, print, progress};
use crate::config::Settings;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::Finding;
use crate::ports::order_repository::Waiting;
use crate::ports::store::Store;

/// Look at every payment that waits, then compare the gateway's charges and refunds with those here, both ways.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments reconcile --dry-run\n  order-payments reconcile --since 2026-01-31T12:00:00Z --json\n\nWhat can be repaired by looking again is looked at again, charges that nobody will make are canceled, and contradictions are kept for `order-payments review list`. It may run beside the service, and be repeated.\n\nExit codes: 0 nothing was found that is not ended, 1 could not, 4 there are findings. A dry run cannot tell which findings a person has ended, and tells them all."
)]
pub(crate) struct Args {
    /// From when on to compare: a time back from now, as 2h, or a moment as 2026-01-31T12:00:00Z; without it
    /// as far back as the service compares (`reconcile.sweep_window_ms`).
    #[arg(long, value_name = "2h|MOMENT", value_parser = since)]
    since: Option<Since>,
    /// Change nothing and keep no findings: only tell.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What reconciliation has come to.
#[derive(Debug, Serialize)]
struct Report {
    since: String,
    dry_run: bool,
    /// What was due and is looked at; nothing in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<DueView>,
    waiting: WaitingView,
    compared: ComparedView,
    /// Findings that were seen again and that a person has ended before.
    ended_before: usize,
    findings_by_kind: BTreeMap<&'static str, usize>,
    findings: Vec<FindingView>,
}

#[derive(Debug, Serialize)]
struct DueView {
    looked_at: usize,
    settled: usize,
}

/// What still waits.
#[derive(Debug, Serialize)]
struct WaitingView {
    unresolved: u64,
    under_review: u64,
}

#[derive(Debug, Serialize)]
struct ComparedView {
    charges: u64,
    refunds: u64,
    /// Refunds that neither this service nor a charge of the same stretch names.
    unclaimed_refunds: u64,
    paid_orders: u64,
    looked_at_again: u64,
    orphans: u64,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (adapters, use_cases) = deployment::open(settings).await?;
    let (store, now) = (&adapters.store, adapters.clock.now());
    let since = args.since.map_or(Ok(now.minus(settings.reconcile.sweep_window)), |since| since.before(now))?;
    let (due, effect, _kept) = if args.dry_run {
        deployment::read_gate(store, settings).await?;
        (None, Effect::Observe, None)
    } else {
        let kept = deployment::may_decide(store, &use_cases, settings).await?;
        (Some(look_at_due(store, &use_cases, settings.reconcile.batch_size).await?), Effect::Repair, Some(kept))
    };
    let mut swept = compared(&use_cases, since, effect).await?;
    let seen = swept.findings.len();
    if effect == Effect::Repair {
        swept.findings = open_of(swept.findings, store).await?;
    }
    let report = Report::of(since, due, store.orders.waiting().await?, &swept, seen);
    if args.json {
        print::json(&report)?;
    } else {
        print::text(&told(&report, &swept.findings))?;
    }
    Ok(if swept.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::ATTENTION) })
}

/// Looks at what is due until nothing is. What stays unknown is put off, so that this ends; in no case
/// longer than the orders that were PENDING at its beginning.
async fn look_at_due(store: &Store, use_cases: &UseCases, batch_size: usize) -> anyhow::Result<Reconciled> {
    let pending = usize::try_from(store.orders.tally().await?.pending)?;
    let bar = progress::bar(pending as u64, "looking at");
    let mut sum = Reconciled::default();
    while sum.looked_at <= pending {
        let Reconciled { looked_at, settled } = use_cases.reconcile.run_once(batch_size).await?;
        if looked_at == 0 {
            break;
        }
        sum = Reconciled { looked_at: sum.looked_at + looked_at, settled: sum.settled + settled };
        bar.set_position(sum.looked_at as u64);
    }
    bar.finish_and_clear();
    Ok(sum)
}

async fn compared(use_cases: &UseCases, since: Timestamp, effect: Effect) -> anyhow::Result<Swept> {
    let bar = progress::counter("comparing");
    let tell = |swept: &Swept| bar.set_position(swept.charges + swept.refunds + swept.paid_orders);
    let swept = use_cases.sweep.run(since, effect, &tell).await?;
    bar.finish_and_clear();
    Ok(swept)
}

/// Those findings that no person has ended; the others stay as they are.
async fn open_of(findings: Vec<Finding>, store: &Store) -> anyhow::Result<Vec<Finding>> {
    let mut open = Vec::new();
    for finding in findings {
        let of_order = store.findings.findings_of(&finding.order_id).await?;
        if of_order.iter().any(|stored| stored.id() == finding.id()) {
            open.push(finding);
        }
    }
    Ok(open)
}

impl Report {
    fn of(since: Timestamp, due: Option<Reconciled>, waiting: Waiting, swept: &Swept, seen: usize) -> Self {
        let mut findings_by_kind = BTreeMap::new();
        for finding in &swept.findings {
            *findings_by_kind.entry(finding.kind.as_str()).or_default() += 1;
        }
        Self {
            since: rfc3339(since),
            dry_run: due.is_none(),
            due: due.map(|due| DueView { looked_at: due.looked_at, settled: due.settled }),
            waiting: WaitingView { unresolved: waiting.unresolved, under_review: waiting.under_review },
            compared: ComparedView {
                charges: swept.charges,
                refunds: swept.refunds,
                unclaimed_refunds: swept.unclaimed_refunds,
                paid_orders: swept.paid_orders,
                looked_at_again: swept.looked_at,
                orphans: swept.orphans,
            },
            ended_before: seen - swept.findings.len(),
            findings_by_kind,
            findings: swept.findings.iter().map(FindingView::of).collect(),
        }
    }
}

fn told(report: &Report, findings: &[Finding]) -> String {
    let Report { compared, waiting, .. } = report;
    let mut table = print::table(&["what", "count"]);
    if let Some(due) = &report.due {
        table.add_row(["payments that were due".to_owned(), due.looked_at.to_string()]);
        table.add_row(["  settled by that".to_owned(), due.settled.to_string()]);
    }
    let (looked_at, orphans) = match report.due {
        Some(_) => ("  looked at again", "  charges nobody will make, canceled"),
        None => ("  to be looked at again", "  charges nobody will make, to be canceled"),
    };
    for (what, count) in [
        ("payments that wait for the gateway", waiting.unresolved),
        ("orders that wait for a person", waiting.under_review),
        ("charges at the gateway, compared", compared.charges),
        ("refunds at the gateway, compared", compared.refunds),
        ("  nobody's here", compared.unclaimed_refunds),
        ("PAID orders here, compared", compared.paid_orders),
        (looked_at, compared.looked_at_again),
        (orphans, compared.orphans),
    ] {
        table.add_row([what.to_owned(), count.to_string()]);
    }
    table.add_row(["findings".to_owned(), findings.len().to_string()]);
    for (kind, count) in &report.findings_by_kind {
        table.add_row([format!("  {kind}"), count.to_string()]);
    }
    if report.ended_before > 0 {
        table.add_row(["  ended by a person before".to_owned(), report.ended_before.to_string()]);
    }
    let dry = if report.dry_run { " (dry run: nothing was changed)" } else { "" };
    let mut told = format!("compared since {}{dry}\n{table}", report.since);
    if !findings.is_empty() {
        told = format!("{told}\n{}", finding::table(findings));
    }
    told
}

#[cfg(test)]
mod tests;
