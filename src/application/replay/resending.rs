//! Sends the stored outcomes of settled orders again, each order's once. Changes nothing here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use crate::application::replay::foresight::Place;
use crate::application::replay::repair::Done;
use crate::application::replay::verdict::Deed;
use crate::domain::order::OrderId;
use crate::domain::outcome::OutcomeKind;
use crate::ports::event_publisher::EventResender;
use crate::ports::outbox::{KeptEvent, Outbox};

/// Outcomes on their way, once more.
pub(super) struct Resending {
    outbox: Arc<dyn Outbox>,
    resender: Arc<dyn EventResender>,
    with_refunds: bool,
    /// For which record an order's outcomes were sent.
    sent: Mutex<HashMap<OrderId, Place>>,
}

impl Resending {
    pub(super) fn new(outbox: Arc<dyn Outbox>, resender: Arc<dyn EventResender>, with_refunds: bool) -> Self {
        Self { outbox, resender, with_refunds, sent: Mutex::default() }
    }

    /// Takes note of an order whose outcomes were sent by an earlier run.
    pub(super) fn remember(&self, order_id: OrderId, place: Place) {
        self.sent.lock().expect("no one panics while holding it").entry(order_id).or_insert(place);
    }

    /// Sends the outcomes of a settled order, unless that was done for a record before.
    ///
    /// # Errors
    /// What was in the way, in words. Some may have been sent.
    pub(super) async fn send(&self, order_id: &OrderId, place: Place) -> Result<Done, String> {
        if let Some(before) = self.sent_for(order_id) {
            return Ok((Deed::Republished, format!("once, for the record at {before}")));
        }
        let kept = self.outbox.events_of(order_id).await.map_err(|error| error.to_string())?;
        let mut kept: Vec<_> = kept.into_iter().filter(|kept| self.with_refunds || is_of_payment(kept)).collect();
        // Events of the same moment come in no order, and nobody refunds what was not paid.
        kept.sort_by_key(|kept| !is_of_payment(kept));
        if kept.is_empty() {
            return Ok((Deed::Pruned, "its outcome was removed with its history".to_owned()));
        }
        let (published, waiting): (Vec<_>, Vec<_>) = kept.into_iter().partition(|kept| kept.is_published);
        for KeptEvent { event, .. } in &published {
            self.resender.send_again(event).await.map_err(|error| error.to_string())?;
        }
        if published.is_empty() {
            return Ok((Deed::LeftToRelay, "not published yet; the service will".to_owned()));
        }
        if let Entry::Vacant(entry) = self.sent.lock().expect("no one panics while holding it").entry(order_id.clone())
        {
            entry.insert(place);
        }
        let types: Vec<_> = published.iter().map(|kept| kept.event.event_type.as_str()).collect();
        let rest = if waiting.is_empty() { "" } else { "; the rest was not published yet" };
        Ok((Deed::Republished, format!("{}{rest}", types.join(", "))))
    }

    fn sent_for(&self, order_id: &OrderId) -> Option<Place> {
        self.sent.lock().expect("no one panics while holding it").get(order_id).copied()
    }
}

fn is_of_payment(kept: &KeptEvent) -> bool {
    OutcomeKind::from_event_type(&kept.event.event_type).is_some()
}
