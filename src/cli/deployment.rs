//! The deployment that a command works on: its database and its gateway.
//!
//! What a running service keeps inside its own process cannot be reached from here, and an empty one made
//! for the command would mislead: it is refused.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters::system::SystemClock;
use crate::app::{self, Adapters, UseCases, gateway_name};
use crate::cli::print::to_the_second;
use crate::config::{DatabaseUrl, GatewayKind, Settings};
use crate::ports::clock::Clock;
use crate::ports::gate_repository::Closed;
use crate::ports::store::Store;

/// The deployment's storage alone.
///
/// # Errors
/// Where it cannot be reached from this process, is not durable, or is not migrated.
pub(crate) async fn store(settings: &Settings) -> anyhow::Result<Store> {
    refuse_memory(settings)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    app::open_store(&settings.database, &clock).await
}

/// The deployment's storage and gateway, and the use cases over them. Nothing was sent to the gateway yet.
///
/// # Errors
/// Where one of them cannot be reached from this process.
pub(crate) async fn open(settings: &Settings) -> anyhow::Result<(Adapters, UseCases)> {
    refuse_memory(settings)?;
    if matches!(settings.gateway.kind, GatewayKind::Simulator) {
        bail!(
            "gateway.kind is \"simulator\", which a service keeps in its own process: this command would ask an \
             empty one; run `order-payments simulator` for both, and set gateway.stripe.api_base"
        );
    }
    let (adapters, _no_simulator) = Adapters::build(settings).await?;
    let use_cases = UseCases::over(&adapters, settings, &Arc::new(Notify::new()));
    Ok((adapters, use_cases))
}

/// Goes on where something may be sent to the gateway; a gate that the service has closed is probed first.
///
/// # Errors
/// Where the gate is closed.
pub(crate) async fn pass_gate(store: &Store, use_cases: &UseCases, settings: &Settings) -> anyhow::Result<()> {
    use_cases.gatekeeper.round().await?;
    read_gate(store, settings).await
}

/// Lets a command decide about orders: the storage knows what the world was told, and a gate that is closed
/// meanwhile is noticed for as long as the answer is kept.
///
/// # Errors
/// Where the gate is closed, or the outcome topic cannot be read.
pub(crate) async fn may_decide(
    store: &Store,
    use_cases: &UseCases,
    settings: &Settings,
) -> anyhow::Result<JoinSet<()>> {
    pass_gate(store, use_cases, settings).await?;
    app::catch_up(settings, store).await.context("the outcome topic could not be read, so nothing was done")?;
    let gatekeeper = Arc::clone(&use_cases.gatekeeper);
    let mut keeping = JoinSet::new();
    keeping.spawn(async move { gatekeeper.run(CancellationToken::new()).await });
    Ok(keeping)
}

/// Goes on where the gate is open, without probing or changing anything.
///
/// # Errors
/// Where the gate is closed.
pub(crate) async fn read_gate(store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let gateway = gateway_name(settings);
    let Some(closed) = store.gates.gate(gateway).await?.closed else { return Ok(()) };
    let Closed { reason, since, actor } = closed;
    let (by, since) = (actor.as_deref().unwrap_or("the service"), to_the_second(since));
    bail!(
        "the gate of {gateway} was closed by {by} at {since} ({reason}), so nothing is sent to it and nothing was done"
    )
}

fn refuse_memory(settings: &Settings) -> anyhow::Result<()> {
    if matches!(settings.database.url, DatabaseUrl::Memory) {
        bail!("database.url is memory:, which a service keeps in its own process: this command would see an empty one");
    }
    Ok(())
}
