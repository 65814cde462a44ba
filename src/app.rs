//! The composition root: builds the adapters, wires the use cases, runs them, stops them in order.
//!
//! With the files of `app/` the only place that names every layer. To bring an adapter of your own, fill [`Adapters`] and hand
//! it to [`App::assemble`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::adapters::http::server::HttpServer;
use crate::adapters::kafka;
use crate::adapters::kafka::consumer::{ConsumerError, END_GRACE, Intake, PaymentConsumer};
use crate::adapters::kafka::dead_letter::DeadLetters;
use crate::adapters::kafka::embedded::EmbeddedBroker;
use crate::adapters::kafka::handler::{Answered, PayOnRequest};
use crate::adapters::kafka::publisher::KafkaEventPublisher;
use crate::adapters::kafka::topics::ensure_topics;
use crate::adapters::simulator::server::{Simulator, SimulatorConfig};
use crate::adapters::stripe::StripeGateway;
use crate::adapters::system::SystemClock;
use crate::app::vitals::ServiceVitals;
use crate::app::webhook::StripeWebhooks;
use crate::application::relay_outbox::{CatchUp, RelayOutbox, RelayPolicy};
use crate::config::{GatewayKind, Settings, StripeAccount};
use crate::ports::clock::Clock;
use crate::ports::payment_gateway::PaymentGateway;
use crate::ports::store::Store;
use crate::telemetry;

pub use use_cases::{UseCases, gateway_name};
pub use wiring::{decode_options, migrate, open_store};

mod use_cases;
mod vitals;
mod webhook;
mod wiring;

/// Of the time that a stop may take, what is kept for the last outcomes once intake has ended.
const LAST_OUTCOMES: Duration = Duration::from_secs(5);

/// What the service stands on. Replace any of them by your own.
#[derive(Clone)]
pub struct Adapters {
    /// Orders, payments and outcomes.
    pub store: Store,
    /// Who takes the money.
    pub gateway: Arc<dyn PaymentGateway>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Adapters {
    /// The adapters that the settings name, and the simulator, where the gateway is one inside this process:
    /// it ends when it is dropped.
    ///
    /// # Errors
    /// Where the database cannot be reached or is not migrated, or an adapter refuses its settings.
    pub async fn build(settings: &Settings) -> anyhow::Result<(Self, Option<Simulator>)> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(&settings.database, &clock).await?;
        let (account, simulator) = match &settings.gateway.kind {
            GatewayKind::Stripe(account) => (account.clone(), None),
            GatewayKind::Simulator => {
                let simulator = Simulator::start(SimulatorConfig::default(), Arc::clone(&clock))?;
                tracing::warn!(gateway.address = %simulator.address(), "the gateway is a simulator: no money is taken");
                let api_base = simulator.url().parse().context("the simulator's own address")?;
                let account = StripeAccount { api_base, api_key: "sk_test_simulator".into(), webhook_secret: None };
                (account, Some(simulator))
            }
        };
        let config = wiring::stripe_config(&settings.gateway, account);
        let gateway = Arc::new(StripeGateway::new(&config)?);
        Ok((Self { store, gateway, clock }, simulator))
    }
}

/// The service, ready to run.
pub struct App {
    settings: Settings,
    kafka: kafka::Config,
    adapters: Adapters,
    use_cases: UseCases,
    outcomes_waiting: Arc<Notify>,
    handler: Arc<PayOnRequest>,
    metrics: Option<PrometheusHandle>,
    // Held for as long as the service runs; dropped with it.
    embedded: Vec<Embedded>,
}

#[expect(dead_code, reason = "servers inside this process end when they are dropped")]
enum Embedded {
    Broker(EmbeddedBroker),
    Gateway(Simulator),
}

impl App {
    /// The service that the settings describe.
    ///
    /// # Errors
    /// Where the database cannot be reached or is not migrated, or an adapter refuses its settings.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let (adapters, simulator) = Adapters::build(settings).await?;
        let mut app = Self::assemble(settings, adapters)?;
        app.embedded.extend(simulator.map(Embedded::Gateway));
        Ok(app)
    }

    /// The service over adapters of your own.
    ///
    /// # Errors
    /// Where the embedded broker is asked for and cannot start.
    pub fn assemble(settings: &Settings, adapters: Adapters) -> anyhow::Result<Self> {
        let mut kafka = settings.kafka.clone();
        let mut embedded = Vec::new();
        if kafka.brokers == wiring::EMBEDDED {
            let topics = [&kafka.request_topic, &kafka.outcome_topic, &kafka.dead_letter_topic].map(String::as_str);
            let broker = EmbeddedBroker::start(&topics, kafka.new_topic_partitions)?;
            broker.bootstrap_servers().clone_into(&mut kafka.brokers);
            tracing::warn!(kafka.brokers, "Kafka is embedded: everything on it is forgotten at the end");
            embedded.push(Embedded::Broker(broker));
        }
        let outcomes_waiting = Arc::new(Notify::new());
        let use_cases = UseCases::over(&adapters, settings, &outcomes_waiting);
        let handler = Arc::new(PayOnRequest::new(Arc::clone(&use_cases.process_payment)));
        let settings = settings.clone();
        Ok(Self { settings, kafka, adapters, use_cases, outcomes_waiting, handler, metrics: None, embedded })
    }

    /// Serves these metrics at `/metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: PrometheusHandle) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// How Kafka is reached: with the embedded broker's address, where that is used.
    pub fn kafka(&self) -> &kafka::Config {
        &self.kafka
    }

    /// Where orders and outcomes are kept.
    pub fn store(&self) -> &Store {
        &self.adapters.store
    }

    /// The live counts of answered requests.
    pub fn answered(&self) -> Arc<Answered> {
        self.handler.answered()
    }

    /// Runs until `stop` answers, then ends intake, finishes or leaves what is in flight, publishes
    /// and commits, all within `processing.shutdown_timeout_ms`.
    ///
    /// # Errors
    /// What kept the service from starting or going on. Nothing is lost: the next start resumes.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        ensure_topics(&self.kafka).await?;
        // What may fail comes before the group is joined: a start that fails moves no partitions about.
        let (publisher, server) = (self.publisher().await?, self.http_server().await?);
        self.use_cases.gatekeeper.load().await.context("the gate of the payment gateway could not be read")?;
        let consumer = self.consumer(&publisher)?;
        let (end_intake, end_rest) = (CancellationToken::new(), CancellationToken::new());
        let vitals = Arc::new(ServiceVitals::new(consumer.status(), self.metrics.clone()));
        let mut background = self.background(&end_rest, publisher, server, vitals);

        let shutdown_timeout = self.settings.processing.shutdown_timeout;
        let for_outcomes = LAST_OUTCOMES.min(shutdown_timeout / 4);
        let drain = shutdown_timeout.saturating_sub(for_outcomes + END_GRACE);
        // A task of its own: the thread that waits here would be woken up for each order.
        let mut intake = JoinSet::new();
        intake.spawn(consumer.run(end_intake.clone(), drain));
        let mut ended_early = None;
        let reason = tokio::select! {
            ended = end_of(&mut intake) => {
                ended_early = Some(ended);
                Err(anyhow::anyhow!("the consumer ended before it was told to"))
            }
            ended = background.join_next() => Err(early_end(ended)),
            () = stop => {
                tracing::info!("stopping: intake ends, what is in flight is finished");
                Ok(())
            }
        };
        let deadline = Instant::now() + shutdown_timeout;
        end_intake.cancel();
        let consumed = match ended_early {
            Some(ended) => ended,
            None => end_of(&mut intake).await, // Bounded: it ends at the latest END_GRACE after its drain.
        };
        end_rest.cancel();
        let rested = timeout_at(deadline, async { while background.join_next().await.is_some() {} }).await;
        if rested.is_err() {
            tracing::warn!("some outcomes are still in the outbox; they are published after the next start");
        }
        consumed.context("the consumer did not end in order")?;
        reason.inspect(|()| tracing::info!("stopped"))
    }

    fn consumer(&self, publisher: &Arc<KafkaEventPublisher>) -> anyhow::Result<PaymentConsumer> {
        let Adapters { store, clock, .. } = self.adapters.clone();
        let dead_letters = Arc::new(DeadLetters::new(&self.kafka, Arc::clone(&clock))?);
        let intake = Intake {
            max_in_flight: self.settings.processing.max_in_flight,
            decode: decode_options(&self.settings),
            clock,
            valve: self.use_cases.gatekeeper.valve(),
            positions: store.positions,
            restore_guard: Arc::new(self.catch_up(publisher)),
        };
        Ok(PaymentConsumer::start(&self.kafka, intake, Arc::clone(&self.handler) as _, dead_letters)?)
    }

    fn catch_up(&self, publisher: &Arc<KafkaEventPublisher>) -> CatchUp {
        let outbox = Arc::clone(&self.adapters.store.outbox);
        CatchUp::new(outbox, Arc::clone(publisher) as _, &*self.kafka.outcome_topic)
    }

    async fn publisher(&self) -> anyhow::Result<Arc<KafkaEventPublisher>> {
        let identity = self.adapters.store.outbox.identity().await?;
        Ok(Arc::new(KafkaEventPublisher::new(&self.kafka, &identity)?))
    }

    async fn http_server(&self) -> anyhow::Result<Option<HttpServer>> {
        let Some(listen) = self.settings.http.listen else { return Ok(None) };
        let server = HttpServer::bind(listen).await;
        let server = server.with_context(|| format!("could not listen at {listen} (setting http.listen)"))?;
        tracing::info!(http.address = %server.address(), "health and metrics are served");
        let GatewayKind::Stripe(StripeAccount { webhook_secret: Some(secret), .. }) = &self.settings.gateway.kind
        else {
            return Ok(Some(server));
        };
        tracing::info!("webhooks are taken at /webhooks/stripe");
        let Adapters { store, clock, .. } = self.adapters.clone();
        Ok(Some(server.with_webhooks(Arc::new(StripeWebhooks::new(secret.clone(), store, clock)))))
    }

    /// Everything that runs beside the consumer: none of it ends before it is told to.
    fn background(
        &self,
        end: &CancellationToken,
        publisher: Arc<KafkaEventPublisher>,
        server: Option<HttpServer>,
        vitals: Arc<ServiceVitals>,
    ) -> JoinSet<()> {
        let store = self.adapters.store.clone();
        let Settings { relay, reconcile, .. } = self.settings.clone();
        let mut tasks = JoinSet::new();
        let policy = RelayPolicy {
            name: Uuid::new_v4().to_string(),
            topic: self.kafka.outcome_topic.clone(),
            batch_size: relay.batch_size,
            lease: relay.lease,
            poll_interval: relay.poll_interval,
        };
        let catch_up = self.catch_up(&publisher);
        let outbox_relay = RelayOutbox::new(store.outbox, publisher, policy);
        tasks.spawn(outbox_relay.run(end.clone(), Arc::clone(&self.outcomes_waiting)));

        self.use_cases.spawn(&mut tasks, end, &reconcile, &self.adapters.clock, catch_up);

        if let Some(metrics) = self.metrics.clone() {
            tasks.spawn(end.clone().run_until_cancelled_owned(telemetry::keep_small(metrics)).map(drop));
        }

        if let Some(server) = server {
            let end_server = end.clone();
            tasks.spawn(async move {
                if let Err(error) = server.run(vitals, end_server).await {
                    tracing::error!(%error, "health and metrics are no longer served");
                }
            });
        }
        tasks
    }
}

/// What the consumer's task ended with.
async fn end_of(intake: &mut JoinSet<Result<(), ConsumerError>>) -> anyhow::Result<()> {
    let ended = intake.join_next().await.context("the consumer had ended before")?;
    Ok(ended.context("the consumer failed")??)
}

fn early_end(ended: Option<Result<(), tokio::task::JoinError>>) -> anyhow::Error {
    match ended {
        Some(Err(panic)) => anyhow::Error::new(panic).context("a part of the service failed"),
        Some(Ok(())) | None => anyhow::anyhow!("a part of the service ended before it was told to"),
    }
}

/// Has the storage told what the outcome topic tells, for a command that decides about orders beside the
/// service: the storage may have been restored.
///
/// # Errors
/// Where the topic cannot be read or the storage not written; nothing was decided.
pub async fn catch_up(settings: &Settings, store: &Store) -> anyhow::Result<()> {
    ensure_topics(&settings.kafka).await?;
    let identity = store.outbox.identity().await?;
    let publisher = Arc::new(KafkaEventPublisher::new(&settings.kafka, &identity)?);
    let topic = &*settings.kafka.outcome_topic;
    CatchUp::new(Arc::clone(&store.outbox), publisher, topic).run().await?;
    Ok(())
}

/// Answers once the process is asked to stop, by SIGTERM or Ctrl-C.
///
/// # Errors
/// Where the signals cannot be listened for.
pub fn stop_requested() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
