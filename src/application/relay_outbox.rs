//! Publishes what the outbox holds, each outcome once.
//!
//! ```text
//! lead ──► take over: fence older relays ─► read the topic's tail ─► adopt what is there
//!   └───► unpublished ─► publish (one transaction) ─► mark as published ─┐
//!              ▲─────────────────────────────────────────────────────────┘
//! ```
//! The topic is its own checkpoint: whenever it is not certain what was published, the tail is read
//! before anything else is sent.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::ports::event_publisher::{EventPublisher, PublishError};
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::Outbox;

/// Events that are taken over from the topic at a time.
const TAIL_PAGE: usize = 5_000;

/// How long a relay rests after an error, so that a broken server is not hurried.
const REST_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Publishes outcomes while it leads; one relay of a deployment does at a time.
pub struct RelayOutbox {
    outbox: Arc<dyn Outbox>,
    publisher: Arc<dyn EventPublisher>,
    policy: RelayPolicy,
    leads_until: Option<Instant>,
    has_taken_over: bool,
}

/// How a relay works.
#[derive(Clone, Debug)]
pub struct RelayPolicy {
    /// This relay's own name, different in every process.
    pub name: String,
    /// The topic that is published to.
    pub topic: String,
    /// Events in one transaction at the most.
    pub batch_size: usize,
    /// How long the lead lasts when it is not renewed.
    pub lease: Duration,
    /// How often the outbox is looked at when nobody rings: what other instances settle is found so.
    pub poll_interval: Duration,
}

/// What one round of the relay did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relayed {
    /// Another relay leads.
    Standby,
    /// Nothing was waiting.
    Idle,
    /// So many events are visible now.
    Published(usize),
}

/// Why a round ended early. Nothing is lost: the next round finds out what was published.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The database did not answer.
    #[error("the outbox could not be read or written")]
    Outbox(#[from] RepositoryError),
    /// The topic did not take the events, or it is not known whether it did.
    #[error("the outcomes could not be published")]
    Publisher(#[from] PublishError),
}

impl RelayOutbox {
    /// A relay that does not lead yet.
    pub fn new(outbox: Arc<dyn Outbox>, publisher: Arc<dyn EventPublisher>, policy: RelayPolicy) -> Self {
        Self { outbox, publisher, policy, leads_until: None, has_taken_over: false }
    }

    /// Publishes until `stop`, then what still waits, then lets another relay lead.
    ///
    /// `outcomes_waiting` is rung when this process settles an order.
    pub async fn run(mut self, stop: CancellationToken, outcomes_waiting: Arc<Notify>) {
        loop {
            let relayed = self.run_once().await;
            let rest = match relayed {
                Ok(Relayed::Published(_)) => continue,
                _ if stop.is_cancelled() => break,
                Ok(Relayed::Idle) => self.policy.poll_interval,
                Ok(Relayed::Standby) => {
                    // What this process settles is the leader's to publish: the bell is not for us.
                    let _ = timeout(self.policy.lease / 3, stop.cancelled()).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "outcomes wait in the outbox: {error}");
                    REST_AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                _ = timeout(rest, outcomes_waiting.notified()) => {}
            }
        }
        if let Err(error) = self.resign().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "another relay leads only when the lease has ended"
            );
        }
    }

    /// Publishes one batch, if this relay leads and anything waits.
    ///
    /// # Errors
    /// [`RelayError`]; call again, later.
    pub async fn run_once(&mut self) -> Result<Relayed, RelayError> {
        if !self.leads().await? {
            return Ok(Relayed::Standby);
        }
        let lead = Lead { outbox: Arc::clone(&self.outbox), name: self.policy.name.clone(), lease: self.policy.lease };
        lead.kept_during(self.round()).await
    }

    async fn round(&mut self) -> Result<Relayed, RelayError> {
        if !self.has_taken_over {
            self.take_over().await?;
        }
        let batch = self.outbox.unpublished(self.policy.batch_size).await?;
        if batch.is_empty() {
            return Ok(Relayed::Idle);
        }
        // Until the database knows of this batch, the topic's tail is ahead of it.
        self.has_taken_over = false;
        let published = match self.publisher.publish(&batch).await {
            Ok(published) => published,
            Err(error) => {
                self.has_taken_over = matches!(error, PublishError::NotPublished { .. });
                if matches!(error, PublishError::Fenced) {
                    self.leads_until = None; // Whoever fenced us leads: ask before fencing back.
                }
                return Err(error.into());
            }
        };
        self.outbox.mark_published(&self.policy.topic, &published).await?;
        self.has_taken_over = true;
        metrics::counter!("order_payments_outcomes_published_total").increment(published.len() as u64);
        Ok(Relayed::Published(published.len()))
    }

    /// Lets another relay lead at once. For an orderly stop.
    ///
    /// # Errors
    /// [`RelayError`]; the lead then ends with its lease.
    pub async fn resign(&mut self) -> Result<(), RelayError> {
        if self.leads_until.take().is_some() {
            self.outbox.resign(&self.policy.name).await?;
        }
        self.has_taken_over = false;
        Ok(())
    }

    /// Whether this relay leads; asks the database once a third of the lease has passed.
    async fn leads(&mut self) -> Result<bool, RelayError> {
        let now = Instant::now();
        if self.leads_until.is_some_and(|until| now + self.policy.lease * 2 / 3 < until) {
            return Ok(true);
        }
        // Once the lease has passed another relay may have led: then the topic is ahead of us.
        self.has_taken_over &= self.leads_until.take().is_some_and(|until| now < until);
        let leads = self.outbox.lead(&self.policy.name, self.policy.lease).await?;
        self.has_taken_over &= leads;
        self.leads_until = leads.then(|| now + self.policy.lease);
        Ok(leads)
    }

    async fn take_over(&mut self) -> Result<(), RelayError> {
        let topic = &self.policy.topic;
        self.publisher.take_over().await?;
        let mut read_up_to = self.outbox.positions(topic).await?;
        loop {
            let tail = self.publisher.tail(&read_up_to, TAIL_PAGE).await?;
            let adopted = self.outbox.adopt(topic, &tail.events, &tail.read_up_to).await?;
            if adopted.marked + adopted.stored > 0 {
                tracing::info!(
                    outcomes.marked = adopted.marked,
                    outcomes.stored = adopted.stored,
                    "outcomes found on the topic were taken over instead of being published again"
                );
            }
            if tail.complete {
                self.has_taken_over = true;
                return Ok(());
            }
            read_up_to = tail.read_up_to;
        }
    }
}

/// The lead, renewed while something slow goes on: a broker that takes its time starves no relay.
struct Lead {
    outbox: Arc<dyn Outbox>,
    name: String,
    lease: Duration,
}

impl Lead {
    /// Correctness does not rest on the lead (the publisher is fenced), so one that is lost or cannot
    /// be renewed does not end the work.
    async fn kept_during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            match timeout(self.lease / 3, &mut work).await {
                Ok(done) => return done,
                Err(_) => {
                    if let Err(error) = self.outbox.lead(&self.name, self.lease).await {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "the lead could not be renewed: {error}"
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
