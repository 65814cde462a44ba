//! Publishes what the outbox holds, each outcome once.
//!
//! ```text
//! lead ──► take over: fence older relays ─► read the topic's tail ─► adopt what is there
//!   └───► unpublished ─► publish (one transaction) ─► mark as published ─┐
//!              ▲─────────────────────────────────────────────────────────┘
//! ```
//! The topic is its own checkpoint: whenever it is not certain what was published, the tail is read
//! before anything else is sent. An event that the topic refuses for its data keeps none of the others.

mod catch_up;
mod refused;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::application::relay_outbox::refused::{Refused, Search};
use crate::ports::event_publisher::{EventPublisher, PublishError};
use crate::ports::order_repository::RepositoryError;
use crate::ports::outbox::{Outbox, OutcomeEvent};

pub use catch_up::CatchUp;

/// How often within a lease a relay that does not lead asks whether it may: what a take-over waits for beyond
/// the lease itself.
const STANDBY_LOOKS: u32 = 6;

/// How long a relay rests after an error, so that a broken server is not hurried.
const REST_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Publishes outcomes while it leads; one relay of a deployment does at a time.
pub struct RelayOutbox {
    outbox: Arc<dyn Outbox>,
    publisher: Arc<dyn EventPublisher>,
    policy: RelayPolicy,
    catch_up: CatchUp,
    refused: Refused,
    search: Search,
    leads_until: Option<Instant>,
    has_taken_over: bool,
    /// How far this relay knows each partition of the topic to be written, as the database was told.
    written: HashMap<i32, i64>,
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
    /// The topic refused a batch for its data: a smaller one is next.
    Refused,
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
    /// The database knows less of the topic than it was told: it was restored while this relay led.
    #[error("the database has forgotten what was published: it was restored, and the topic is read again")]
    Forgotten,
}

impl RelayOutbox {
    /// A relay that does not lead yet.
    pub fn new(outbox: Arc<dyn Outbox>, publisher: Arc<dyn EventPublisher>, policy: RelayPolicy) -> Self {
        let catch_up = CatchUp::new(Arc::clone(&outbox), Arc::clone(&publisher), policy.topic.clone());
        Self {
            outbox,
            publisher,
            policy,
            catch_up,
            refused: Refused::default(),
            search: Search::default(),
            leads_until: None,
            has_taken_over: false,
            written: HashMap::new(),
        }
    }

    /// Publishes until `stop`, then what still waits, then lets another relay lead.
    ///
    /// `outcomes_waiting` is rung when this process settles an order.
    pub async fn run(mut self, stop: CancellationToken, outcomes_waiting: Arc<Notify>) {
        loop {
            let relayed = self.run_once().await;
            let rest = match relayed {
                Ok(Relayed::Published(_) | Relayed::Refused) => continue,
                _ if stop.is_cancelled() => break,
                Ok(Relayed::Idle) => self.policy.poll_interval,
                Ok(Relayed::Standby) => {
                    // What this process settles is the leader's to publish: the bell is not for us.
                    let _ = timeout(self.policy.lease / STANDBY_LOOKS, stop.cancelled()).await;
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
        let batch = self.batch().await?;
        if batch.is_empty() {
            return Ok(Relayed::Idle);
        }
        match self.publish(&batch).await {
            Ok(published) => {
                self.search.passed(published);
                Ok(Relayed::Published(published))
            }
            Err(RelayError::Publisher(PublishError::Refused { detail })) => {
                if let Some(guilty) = self.search.refused(&batch) {
                    self.refused.set_aside(guilty, detail, Instant::now())?;
                }
                Ok(Relayed::Refused)
            }
            Err(error) => Err(error),
        }
    }

    /// What is to be published now: an event that was set aside and is due, alone; else the oldest that wait.
    async fn batch(&mut self) -> Result<Vec<OutcomeEvent>, RelayError> {
        let mut waiting = self.outbox.unpublished(self.policy.batch_size + self.refused.count()).await?;
        if let Some(due) = self.refused.take_due(Instant::now()) {
            let found = waiting.iter().position(|event| event.order_id == due);
            if let Some(at) = found {
                return Ok(vec![waiting.swap_remove(at)]);
            }
        }
        waiting.retain(|event| !self.refused.holds(&event.order_id));
        waiting.truncate(self.search.limit(self.policy.batch_size));
        Ok(waiting)
    }

    async fn publish(&mut self, batch: &[OutcomeEvent]) -> Result<usize, RelayError> {
        // Read after the batch was: one that was unpublished in a restored database is found out by it.
        self.check_not_forgotten().await?;
        // Until the database knows of this batch, the topic's tail is ahead of it.
        self.has_taken_over = false;
        let published = match self.publisher.publish(batch).await {
            Ok(published) => published,
            Err(error) => {
                self.has_taken_over = matches!(error, PublishError::NotPublished { .. });
                if matches!(error, PublishError::Fenced) {
                    self.leads_until = None; // Whoever fenced us leads: ask before fencing back.
                }
                return Err(error.into());
            }
        };
        // Marking raises the positions, and over what a database has forgotten they must not be raised.
        self.check_not_forgotten().await?;
        self.outbox.mark_published(&self.policy.topic, &published).await?;
        for published in &published {
            let written = self.written.entry(published.partition).or_default();
            *written = (*written).max(published.offset + 1);
        }
        self.has_taken_over = true;
        metrics::counter!("order_payments_outcomes_published_total").increment(published.len() as u64);
        Ok(published.len())
    }

    /// Whether the database still knows how far the topic is written.
    async fn check_not_forgotten(&mut self) -> Result<(), RelayError> {
        let known = self.outbox.positions(&self.policy.topic).await?;
        let known: HashMap<i32, i64> = known.iter().map(|known| (known.partition, known.next_offset)).collect();
        if self.written.iter().all(|(partition, written)| known.get(partition) >= Some(written)) {
            return Ok(());
        }
        self.has_taken_over = false;
        Err(RelayError::Forgotten)
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
        self.publisher.take_over().await?;
        let (adopted, read_up_to) = self.catch_up.to_the_end().await?;
        if adopted.marked + adopted.stored > 0 {
            tracing::info!(
                outcomes.marked = adopted.marked,
                outcomes.stored = adopted.stored,
                "outcomes found on the topic were taken over instead of being published again"
            );
        }
        self.written = read_up_to.iter().map(|position| (position.partition, position.next_offset)).collect();
        self.has_taken_over = true;
        Ok(())
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
