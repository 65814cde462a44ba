//! Outcomes that the topic does not take, whatever is done: set aside, so that the others go on, and tried
//! again rarely. The later outcomes of such an order wait with it, or they would be told before it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::order::OrderId;
use crate::ports::event_publisher::PublishError;
use crate::ports::outbox::OutcomeEvent;

/// How long a refused outcome rests before it is tried again: someone may have raised the topic's limits.
pub(super) const REST_AFTER_REFUSAL: Duration = Duration::from_mins(10);

/// Orders that may be set aside. More are no exception: the topic's settings are wrong.
const MAX_REFUSED: usize = 10_000;

/// The orders whose outcomes are set aside, and until when.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<OrderId, Instant>);

impl Refused {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether the outcomes of this order are set aside.
    pub(super) fn holds(&self, order_id: &OrderId) -> bool {
        self.0.contains_key(order_id)
    }

    /// Lets go of one order whose time has come, and says of which.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<OrderId> {
        let due = self.0.iter().find(|(_, until)| **until <= now).map(|(order_id, _)| order_id.clone())?;
        self.0.remove(&due);
        self.tell();
        Some(due)
    }

    /// Sets aside an outcome that was refused alone.
    ///
    /// # Errors
    /// The refusal, where there are too many already.
    pub(super) fn set_aside(&mut self, event: &OutcomeEvent, why: String, now: Instant) -> Result<(), PublishError> {
        let order_id = &event.order_id;
        tracing::error!(
            order.id = %order_id,
            "the outcome {} of order {order_id} waits in the outbox, because the topic refuses it: {why}. The \
             others go on; it is tried again every {} minutes",
            event.event_type,
            REST_AFTER_REFUSAL.as_secs() / 60
        );
        metrics::counter!("order_payments_outcomes_refused_total").increment(1);
        if self.count() >= MAX_REFUSED {
            return Err(PublishError::Refused { detail: why });
        }
        self.0.insert(order_id.clone(), now + REST_AFTER_REFUSAL);
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        let count = u32::try_from(self.count()).unwrap_or(u32::MAX);
        metrics::gauge!("order_payments_outcomes_set_aside").set(count);
    }
}

/// The search for a guilty event among those of a batch that was refused, by ever smaller batches. The events
/// are read anew for each of them, so this only counts.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Of how many events, the oldest that wait, one is guilty; none while nothing is searched for.
    suspects: usize,
}

impl Search {
    /// How many events the next batch may have.
    pub(super) fn limit(&self, batch_size: usize) -> usize {
        if self.suspects == 0 { batch_size } else { self.suspects.div_ceil(2).min(batch_size) }
    }

    /// Takes note that so many events were published.
    pub(super) fn passed(&mut self, published: usize) {
        self.suspects = self.suspects.saturating_sub(published);
    }

    /// Takes note that this batch was refused, and says which event is guilty, where there is only one.
    pub(super) fn refused<'a>(&mut self, batch: &'a [OutcomeEvent]) -> Option<&'a OutcomeEvent> {
        self.suspects = if batch.len() > 1 { batch.len() } else { 0 };
        batch.first().filter(|_| batch.len() == 1)
    }
}
