//! The use cases over one set of adapters: what the service runs, and what commands call one by one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::app::Adapters;
use crate::application::gatekeeper::{GatePolicy, Gatekeeper};
use crate::application::guarded_gateway::GuardedGateway;
use crate::application::process_payment::{PaymentPolicy, ProcessPayment};
use crate::application::reconcile::Reconcile;
use crate::application::refund_payment::RefundPayment;
use crate::application::relay_outbox::CatchUp;
use crate::application::replay::looking_gateway::LookingGateway;
use crate::application::replay::repair::Repair;
use crate::application::review::Review;
use crate::application::sweep::{Effect, Sweep};
use crate::config::{GatewayKind, ReconcileSettings, Settings};
use crate::ports::clock::Clock;
use crate::ports::payment_gateway::PaymentGateway;

/// The use cases, wired.
#[derive(Clone)]
pub struct UseCases {
    /// Whether orders are taken in.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Pays orders.
    pub process_payment: Arc<ProcessPayment>,
    /// Goes back to payments that wait.
    pub reconcile: Arc<Reconcile>,
    /// Gives money back.
    pub refund_payment: Arc<RefundPayment>,
    /// Compares the gateway with the store.
    pub sweep: Arc<Sweep>,
    /// Ends reviews.
    pub review: Arc<Review>,
}

impl UseCases {
    /// The use cases over these adapters. `outcomes_waiting` is rung whenever there is something to publish.
    pub fn over(adapters: &Adapters, settings: &Settings, outcomes_waiting: &Arc<Notify>) -> Self {
        let Adapters { store, gateway, clock } = adapters;
        let gatekeeper =
            Arc::new(Gatekeeper::new(Arc::clone(gateway), store.clone(), Arc::clone(clock), gate_policy(settings)));
        let gateway: Arc<dyn PaymentGateway> =
            Arc::new(GuardedGateway::new(Arc::clone(gateway), Arc::clone(&gatekeeper)));
        let process_payment = Arc::new(ProcessPayment::new(
            store.clone(),
            Arc::clone(&gateway),
            Arc::clone(clock),
            payment_policy(settings),
            Arc::clone(outcomes_waiting),
        ));
        let reconcile = Arc::new(Reconcile::new(
            Arc::clone(&store.orders),
            Arc::clone(&gateway),
            Arc::clone(clock),
            Arc::clone(&process_payment),
        ));
        let refund_payment = Arc::new(RefundPayment::new(
            store.clone(),
            Arc::clone(&gateway),
            Arc::clone(clock),
            Arc::clone(outcomes_waiting),
        ));
        let sweep = Arc::new(Sweep::new(
            store.clone(),
            Arc::clone(&gateway),
            Arc::clone(clock),
            Arc::clone(&process_payment),
            Arc::clone(&reconcile),
        ));
        let review = Arc::new(Review::new(store.clone(), gateway, Arc::clone(clock), Arc::clone(&process_payment)));
        Self { gatekeeper, process_payment, reconcile, refund_payment, sweep, review }
    }
}

impl UseCases {
    /// What looks orders up and never charges: over a gateway of which only questions are asked.
    pub fn repair(&self, adapters: &Adapters, settings: &Settings) -> Repair {
        let Adapters { store, gateway, clock } = adapters;
        let guarded = GuardedGateway::new(Arc::clone(gateway), Arc::clone(&self.gatekeeper));
        let gateway: Arc<dyn PaymentGateway> = Arc::new(LookingGateway::new(Arc::new(guarded)));
        let nobody_waits = Arc::new(Notify::new());
        let policy = payment_policy(settings);
        let looking = Arc::clone(&gateway);
        let process = ProcessPayment::new(store.clone(), looking, Arc::clone(clock), policy, nobody_waits);
        Repair::new(Arc::clone(&store.orders), gateway, Arc::clone(clock), process)
    }

    /// Starts what the use cases do by themselves, until `end`.
    ///
    /// No order is decided before `catch_up` has told this database what the world was told of it: it may have
    /// been restored.
    pub(super) fn spawn(
        &self,
        tasks: &mut JoinSet<()>,
        end: &CancellationToken,
        settings: &ReconcileSettings,
        clock: &Arc<dyn Clock>,
        catch_up: CatchUp,
    ) {
        let Self { gatekeeper, reconcile, refund_payment, sweep, process_payment, .. } = self.clone();
        let (interval, batch_size) = (settings.interval, settings.batch_size);
        let (sweep_interval, window) = (settings.sweep_interval, settings.sweep_window);
        let (stop, keeper) = (end.clone(), Arc::clone(&gatekeeper));
        tasks.spawn(async move { keeper.run(stop).await });
        let stop = end.clone();
        tasks.spawn(async move { refund_payment.run(stop, interval, batch_size).await });
        let (stop, clock) = (end.clone(), Arc::clone(clock));
        tasks.spawn(async move {
            if !caught_up(&catch_up, &stop, interval).await {
                return;
            }
            let sweeping = async {
                while timeout(sweep_interval, stop.cancelled()).await.is_err() {
                    let since = clock.now().minus(window);
                    let swept = stop.run_until_cancelled(sweep.run(since, Effect::Repair, &|_| {})).await;
                    if let Some(Err(error)) = swept {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the gateway's charges could not be compared; they will be next time");
                    }
                    process_payment.forget_history().await;
                }
            };
            let is_open = || gatekeeper.admits().is_ok();
            tokio::join!(reconcile.run(stop.clone(), interval, batch_size, is_open), sweeping);
        });
    }
}

/// Has the topic read to its end, however often it takes; false where `stop` came first.
async fn caught_up(catch_up: &CatchUp, stop: &CancellationToken, rest: Duration) -> bool {
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(catch_up.run()).await {
            Some(Ok(_)) => return true,
            Some(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "waiting payments rest until it is known which outcomes were published");
            }
            None => {}
        }
        let _stopped = timeout(rest, stop.cancelled()).await;
    }
    false
}

/// The name under which the gate of the configured gateway is stored.
pub fn gateway_name(settings: &Settings) -> &'static str {
    match settings.gateway.kind {
        GatewayKind::Stripe(_) => "stripe",
        GatewayKind::Simulator => "simulator",
    }
}

fn gate_policy(settings: &Settings) -> GatePolicy {
    let gate = &settings.gateway.gate;
    GatePolicy {
        gateway: gateway_name(settings).to_owned(),
        interval: settings.reconcile.interval,
        probe_interval: gate.probe_interval,
        max_failures: gate.max_failures,
        max_refusals: gate.max_refusals,
        max_unresolved: gate.max_unresolved,
    }
}

fn payment_policy(settings: &Settings) -> PaymentPolicy {
    PaymentPolicy {
        flow: settings.gateway.charge_flow,
        default_payment_method: settings.processing.default_payment_method.clone(),
        first_look_after: settings.reconcile.first_look,
        abandon_after: settings.reconcile.abandon_after,
    }
}
