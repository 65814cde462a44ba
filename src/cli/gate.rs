//! `order-payments gate`: whether orders are charged at all, and a person's hand on it.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use crate::adapters::system::SystemClock;
use crate::adapters::wire::outcome::rfc3339;
use crate::app::gateway_name;
use crate::application::gatekeeper::change_by_hand;
use crate::cli::person::Person;
use crate::cli::views::journal::EntryView;
use crate::cli::{deployment, exit, print};
use crate::config::Settings;
use crate::ports::clock::Clock;
use crate::ports::gate_repository::{Closed, Gate};
use crate::ports::order_repository::JournalEntry;
use crate::ports::store::Store;

/// The most changes that one call shows.
const LAST_LIMIT: u64 = 1_000;

/// Show, close or open the gate of the payment gateway: while it is closed nothing is sent, no order changes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments gate status\n  order-payments gate close --actor ada --reason \"maintenance of the bank\"\n  order-payments gate open --actor ada --reason \"maintenance is over\"\n\nExit codes: 0 done (status: open), 1 could not, 4 status: closed."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether the gate is open; exit code 4 where it is closed.
    Status {
        /// How many of the last changes to show at the most.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=LAST_LIMIT))]
        last: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Close the gate: every instance pauses intake, until a person opens it.
    Close(#[command(flatten)] Person),
    /// Open the gate. If the gateway still refuses the service, it is closed again by itself.
    Open(#[command(flatten)] Person),
}

#[derive(Debug, Serialize)]
struct GateView {
    gateway: &'static str,
    open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<ClosedView>,
    /// Payments whose outcome at the gateway is unknown.
    unresolved: u64,
    /// At how many of them intake pauses, though the gate is open.
    max_unresolved: u64,
    changes: Vec<EntryView>,
}

#[derive(Debug, Serialize)]
struct ClosedView {
    reason: String,
    since: String,
    /// The person, or nothing where the service closed it.
    actor: Option<String>,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = deployment::store(settings).await?;
    match &args.action {
        Action::Status { last, json } => status(&store, settings, usize::try_from(*last)?, *json).await,
        Action::Close(person) => change(&store, settings, true, person).await,
        Action::Open(person) => change(&store, settings, false, person).await,
    }
}

async fn status(store: &Store, settings: &Settings, last: usize, json: bool) -> anyhow::Result<ExitCode> {
    let gateway = gateway_name(settings);
    let gate = store.gates.gate(gateway).await?;
    let mut changes = store.gates.gate_journal(gateway).await?;
    changes.drain(..changes.len().saturating_sub(last));
    let (unresolved, max_unresolved) = (store.orders.waiting().await?.unresolved, settings.gateway.gate.max_unresolved);
    if json {
        let closed = gate.closed.as_ref().map(ClosedView::of);
        let changes = changes.iter().map(EntryView::of).collect();
        let open = gate.closed.is_none();
        print::json(&GateView { gateway, open, closed, unresolved, max_unresolved, changes })?;
    } else {
        print::text(&told(gateway, &gate))?;
        print::text(&format_args!(
            "  {unresolved} payments with an unknown outcome; intake pauses at {max_unresolved}"
        ))?;
        if !changes.is_empty() {
            print::text(&journal_of(&changes))?;
        }
    }
    Ok(if gate.closed.is_none() { ExitCode::SUCCESS } else { ExitCode::from(exit::ATTENTION) })
}

async fn change(store: &Store, settings: &Settings, close: bool, person: &Person) -> anyhow::Result<ExitCode> {
    let gateway = gateway_name(settings);
    let now = SystemClock.now();
    let changed = change_by_hand(&*store.gates, gateway, close, &person.actor, &person.reason, now).await?;
    if !changed {
        eprintln!("nothing was changed: it {} already", if close { "was closed by hand" } else { "was open" });
    }
    print::text(&told(gateway, &store.gates.gate(gateway).await?))?;
    Ok(ExitCode::SUCCESS)
}

impl ClosedView {
    fn of(closed: &Closed) -> Self {
        Self { reason: closed.reason.clone(), since: rfc3339(closed.since), actor: closed.actor.clone() }
    }
}

fn told(gateway: &str, gate: &Gate) -> String {
    let Some(Closed { reason, since, actor }) = &gate.closed else {
        return format!("the gate of {gateway} is open");
    };
    let since = print::to_the_second(*since);
    let (by, opens) = match actor {
        Some(actor) => (actor.as_str(), "when a person opens it: order-payments gate open"),
        None => ("the service", "by itself, once a probe is let in"),
    };
    format!("the gate of {gateway} is closed\n  reason: {reason}\n  since:  {since}\n  by:     {by}\n  opens:  {opens}")
}

fn journal_of(changes: &[JournalEntry]) -> comfy_table::Table {
    let mut table = print::table(&["when", "became", "by", "why"]);
    for change in changes {
        table.add_row([
            print::to_the_second(change.recorded_at),
            change.state.clone(),
            change.evidence.actor.clone().unwrap_or_else(|| "the service".to_owned()),
            change.evidence.note.clone().unwrap_or_default(),
        ]);
    }
    print::narrow(&mut table, 3);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;

    fn closed(actor: Option<&str>) -> Gate {
        let since = Timestamp::from_micros(1_767_225_600_123_456);
        let closed = Closed { reason: "401 invalid_api_key".to_owned(), since, actor: actor.map(str::to_owned) };
        Gate { version: 1, closed: Some(closed) }
    }

    #[test]
    fn a_gate_is_told_with_who_closed_it_and_who_opens_it() {
        assert_eq!(told("stripe", &Gate::default()), "the gate of stripe is open");
        let by_itself = "\
the gate of stripe is closed
  reason: 401 invalid_api_key
  since:  2026-01-01T00:00:00Z
  by:     the service
  opens:  by itself, once a probe is let in";
        assert_eq!(told("stripe", &closed(None)), by_itself);
        let by_hand = told("stripe", &closed(Some("ada")));
        assert!(by_hand.contains("by:     ada") && by_hand.contains("order-payments gate open"), "{by_hand}");
    }
}
