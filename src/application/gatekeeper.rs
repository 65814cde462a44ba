//! Decides whether orders are taken in: not while the gateway refuses us, is away, or owes too many answers.
//!
//! ```text
//! every answer ──► observe ──┐                        ┌─► admits: nothing is sent while it is closed
//! stored gate ───► round ────┼─► closed, resting, full ┤
//! probe, tally ──► round ────┘                        └─► valve: intake pauses, and says why
//! ```
//! No order changes for it: what is in flight waits. Whatever closed by itself opens by itself; what a
//! person closed stays closed until a person opens it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::gate_repository::{Closed, Gate, GateChange, GateRepository};
use crate::ports::order_repository::RepositoryError;
use crate::ports::payment_gateway::{GatewayError, PaymentGateway};
use crate::ports::store::Store;

/// The first rest after the gateway was found to be away; each further one is twice as long.
const FIRST_REST: Duration = Duration::from_secs(1);

/// The longest rest between two probes of a gateway that is away.
const MAX_REST: Duration = Duration::from_secs(30);

/// When intake pauses.
#[derive(Clone, Debug)]
pub struct GatePolicy {
    /// The gateway's name, under which its gate is stored.
    pub gateway: String,
    /// How often the stored gate is looked at, and how often payments that wait are counted.
    pub interval: Duration,
    /// How often a closed gate is probed.
    pub probe_interval: Duration,
    /// After how many calls in a row without an answer the gateway counts as away.
    pub max_failures: u32,
    /// After how many distinct orders in a row that were refused before a charge our own requests are
    /// suspected, and the gate probed.
    pub max_refusals: usize,
    /// At how many payments with an unknown outcome intake pauses.
    pub max_unresolved: u64,
}

/// Keeps the gate of one gateway.
pub struct Gatekeeper {
    gateway: Arc<dyn PaymentGateway>,
    store: Store,
    clock: Arc<dyn Clock>,
    policy: GatePolicy,
    state: Mutex<State>,
    valve: watch::Sender<Option<String>>,
    news: Notify,
}

/// What is known in this process.
#[derive(Debug, Default)]
struct State {
    /// The gate as it was stored last.
    gate: Gate,
    /// Why it is to be closed, where that is not stored yet.
    to_close: Option<String>,
    /// When it was probed last, while it is closed.
    probed_at: Option<Timestamp>,
    /// Calls in a row without an answer.
    failures: u32,
    /// How long the gateway, which is away, is left alone, and until when.
    rest: Option<(Duration, Timestamp)>,
    /// Distinct orders in a row that were refused before a charge.
    refused: HashSet<OrderId>,
    /// Payments with an unknown outcome, where they are too many.
    too_many: Option<u64>,
}

impl Gatekeeper {
    /// A keeper of an open gate. `gateway` is probed, so it must not be guarded by this very keeper.
    pub fn new(gateway: Arc<dyn PaymentGateway>, store: Store, clock: Arc<dyn Clock>, policy: GatePolicy) -> Self {
        let (state, valve, news) = (Mutex::default(), watch::Sender::new(None), Notify::new());
        Self { gateway, store, clock, policy, state, valve, news }
    }

    /// Why intake is to pause; `None` while it is not.
    pub fn valve(&self) -> watch::Receiver<Option<String>> {
        self.valve.subscribe()
    }

    /// Whether anything may be sent to the gateway now.
    ///
    /// # Errors
    /// [`GatewayError::Closed`] or [`GatewayError::Unavailable`], so that a caller need not tell it from an
    /// answer: nothing was sent.
    pub(crate) fn admits(&self) -> Result<(), GatewayError> {
        let state = self.state();
        match (state.closed(), state.rest) {
            (Some(reason), _) => Err(GatewayError::Closed { detail: format!("the gate is closed: {reason}") }),
            (None, Some(_)) => Err(GatewayError::Unavailable { detail: "it is away, and left alone".to_owned() }),
            (None, None) => Ok(()),
        }
    }

    /// Takes note of an answer, or of its absence.
    pub(crate) fn observe(&self, trouble: Option<&GatewayError>) {
        let mut state = self.state();
        match trouble {
            Some(GatewayError::Closed { detail }) => {
                if state.closed().is_none() {
                    state.to_close = Some(detail.clone());
                }
            }
            Some(GatewayError::Unavailable { .. } | GatewayError::Unknown { .. }) => {
                state.failures = state.failures.saturating_add(1);
                if state.failures < self.policy.max_failures || state.rest.is_some() {
                    return;
                }
                state.rest = Some((FIRST_REST, self.clock.now().plus(FIRST_REST)));
            }
            Some(GatewayError::Rejected { .. } | GatewayError::Contradiction { .. }) | None => {
                state.failures = 0;
                return;
            }
        }
        self.tell(&state);
        self.news.notify_one();
    }

    /// Takes note of an order that was refused before a charge; true where so many were that it may be us.
    pub(crate) fn refused(&self, order_id: &OrderId) -> bool {
        let mut state = self.state();
        state.refused.insert(order_id.clone());
        state.refused.len() >= self.policy.max_refusals
    }

    /// Takes note of an order that was not refused: it is not us.
    pub(crate) fn accepted(&self) {
        self.state().refused.clear();
    }

    /// Finds out whether the gateway lets us in at all.
    ///
    /// # Errors
    /// What a charge would meet now. The gate is closed where that is our set-up.
    pub(crate) async fn probe(&self) -> Result<(), GatewayError> {
        let probed = self.gateway.probe().await;
        self.observe(probed.as_ref().err());
        if probed.is_ok() {
            self.accepted();
        }
        probed
    }

    /// Looks at the stored gate, so that nothing is taken in through one that was closed before this start.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing is known of the gate.
    pub async fn load(&self) -> Result<(), RepositoryError> {
        let gate = self.store.gates.gate(&self.policy.gateway).await?;
        let mut state = self.state();
        state.gate = gate;
        self.tell(&state);
        Ok(())
    }

    /// Keeps the gate until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.round()).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the gate of the payment gateway could not be looked at: {error}"
                );
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = timeout(self.policy.interval, self.news.notified()) => {}
            }
        }
    }

    /// Brings what is stored and what is known here together, probes what is closed, and sets the valve.
    ///
    /// # Errors
    /// [`RepositoryError`]; what is known here stays in force.
    pub async fn round(&self) -> Result<(), RepositoryError> {
        let gate = self.store.gates.gate(&self.policy.gateway).await?;
        let gate = self.stored_closing(gate).await?;
        self.state().gate = gate.clone();
        if let Some(Closed { actor: None, .. }) = &gate.closed {
            self.probe_closed(gate.version).await?;
        }
        self.probe_away().await;
        let unresolved = self.store.orders.waiting().await?.unresolved;
        let mut state = self.state();
        state.too_many = (unresolved >= self.policy.max_unresolved).then_some(unresolved);
        self.tell(&state);
        Ok(())
    }

    /// Stores that the gate is closed, where this process has found that out and nobody else has.
    async fn stored_closing(&self, gate: Gate) -> Result<Gate, RepositoryError> {
        let Some(reason) = self.state().to_close.clone() else { return Ok(gate) };
        if gate.closed.is_none() {
            let (at, note) = (self.clock.now(), reason.clone());
            let closed = Some(Closed { reason: reason.clone(), since: at, actor: None });
            let change = GateChange { closed, actor: None, note, at };
            self.store.gates.change_gate(&self.policy.gateway, gate.version, &change).await?;
            tracing::error!(gateway = self.policy.gateway, "intake pauses: the payment gateway refuses us: {reason}");
        }
        let gate = self.store.gates.gate(&self.policy.gateway).await?;
        if gate.closed.is_some() {
            let mut state = self.state();
            (state.to_close, state.probed_at) = (None, Some(self.clock.now()));
        }
        Ok(gate)
    }

    async fn probe_closed(&self, version: u64) -> Result<(), RepositoryError> {
        let now = self.clock.now();
        let is_due = self.state().probed_at.is_none_or(|at| now.since(at) >= self.policy.probe_interval);
        if !is_due {
            return Ok(());
        }
        self.state().probed_at = Some(now);
        if self.gateway.probe().await.is_err() {
            return Ok(());
        }
        let note = "a probe was let in".to_owned();
        let change = GateChange { closed: None, actor: None, note, at: self.clock.now() };
        if self.store.gates.change_gate(&self.policy.gateway, version, &change).await? {
            tracing::info!(gateway = self.policy.gateway, "the payment gateway lets us in again; intake goes on");
            let gate = self.store.gates.gate(&self.policy.gateway).await?;
            let mut state = self.state();
            (state.gate, state.failures, state.rest) = (gate, 0, None);
            state.refused.clear();
        }
        Ok(())
    }

    /// Asks a gateway that was away, once its rest is over, whether it is back.
    async fn probe_away(&self) {
        let rest = self.state().rest;
        let Some((rest, until)) = rest else { return };
        if self.clock.now() < until {
            return;
        }
        let probed = self.gateway.probe().await;
        let mut state = self.state();
        match probed {
            Ok(()) => {
                (state.failures, state.rest) = (0, None);
                tracing::info!(gateway = self.policy.gateway, "the payment gateway answers again; intake goes on");
            }
            Err(GatewayError::Closed { detail }) => (state.to_close, state.rest) = (Some(detail), None),
            Err(_) => {
                let longer = (rest * 2).min(MAX_REST);
                state.rest = Some((longer, self.clock.now().plus(longer)));
            }
        }
    }

    /// Sets the valve by the state.
    fn tell(&self, state: &State) {
        let reason = state.pause();
        metrics::gauge!("order_payments_gate_open").set(if reason.is_some() { 0.0 } else { 1.0 });
        self.valve.send_if_modified(|now| {
            let changed = now.is_some() != reason.is_some();
            if let Some(reason) = reason.as_deref().filter(|_| changed) {
                tracing::warn!(gateway = self.policy.gateway, "intake pauses: {reason}");
            }
            *now = reason;
            changed
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }
}

impl State {
    fn closed(&self) -> Option<&str> {
        let stored = self.gate.closed.as_ref().map(|closed| closed.reason.as_str());
        stored.or(self.to_close.as_deref())
    }

    fn pause(&self) -> Option<String> {
        match (self.closed(), self.rest, self.too_many) {
            (Some(reason), _, _) => Some(format!("the payment gateway's gate is closed: {reason}")),
            (None, Some(_), _) => Some("the payment gateway does not answer".to_owned()),
            (None, None, Some(count)) => Some(format!("{count} payments have an unknown outcome")),
            (None, None, None) => None,
        }
    }
}

/// Changes a gate by a person's word; false where it is so already.
///
/// # Errors
/// [`RepositoryError`]; it may have been changed. Look at the gate.
pub async fn change_by_hand(
    gates: &dyn GateRepository,
    gateway: &str,
    close: bool,
    actor: &str,
    reason: &str,
    now: Timestamp,
) -> Result<bool, RepositoryError> {
    loop {
        let gate = gates.gate(gateway).await?;
        // What the service has closed becomes the person's, who alone opens it then.
        let is_so = match &gate.closed {
            Some(closed) => close && closed.actor.is_some(),
            None => !close,
        };
        if is_so {
            return Ok(false);
        }
        let actor = Some(actor.to_owned());
        let closed = close.then(|| Closed { reason: reason.to_owned(), since: now, actor: actor.clone() });
        let change = GateChange { closed, actor, note: reason.to_owned(), at: now };
        if gates.change_gate(gateway, gate.version, &change).await? {
            return Ok(true);
        }
    }
}
