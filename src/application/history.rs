//! What the gateway ever made for an order: asked for before anything is prepared that an earlier life of
//! the database may have prepared already.
//!
//! ```text
//! of(order, since) ──► is [since, now) covered? ──no──► pages of the gateway's list ──► index by order
//!         └──────────────────────yes──────────────────────────► the order's charges
//! ```
//! The list is asked for once for many orders. An order that is not in the index was not charged within
//! what is covered: absence is only claimed of a stretch that was read to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::order::OrderId;
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::payment_gateway::{GatewayError, ListedCharge, PaymentGateway, Window};

/// How long what was read counts as fresh, from the end of the reading on: a list that takes a minute to read would
/// else be read again for every order. What is looked for is older: charges of an earlier life of the database.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// How old what is known may be when it is asked for, however long it took to read; and less where orders are given
/// up sooner: what is looked for then must have had the time to arrive.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How far stretches overlap, because the provider's clock is not ours.
const OVERLAP: Duration = Duration::from_mins(10);

/// How long the index is kept when nobody asks. It may hold every charge of the account.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// The gateway's charges, by order.
pub struct History {
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    max_age: Duration,
    index: Mutex<Option<Index>>,
}

/// The most charges that are kept. Beyond it only those of the order that is asked for are, for this once.
const MAX_CHARGES: usize = 1_000_000;

/// Every charge of a stretch of time that was read to its end.
struct Index {
    /// `None` from the beginning.
    from: Option<Timestamp>,
    until: Timestamp,
    /// When it had been read up to there; at first, when the index was made.
    read_at: Timestamp,
    charges: Charges,
}

/// Charges by order.
struct Charges {
    by_order: HashMap<OrderId, Vec<ListedCharge>>,
    count: usize,
    /// Whether those of other orders than the one that was asked for are there, too.
    is_whole: bool,
}

impl History {
    /// A history that knows nothing yet. It is asked about orders that are given up after `abandon_after`.
    pub fn new(gateway: Arc<dyn PaymentGateway>, clock: Arc<dyn Clock>, abandon_after: Duration) -> Self {
        let max_age = MAX_AGE.min(abandon_after / 3).max(FRESH_FOR);
        Self { gateway, clock, max_age, index: Mutex::new(None) }
    }

    /// Every charge object that the gateway made for this order since then, oldest first: complete up to when the
    /// last reading of the list began, which ended half a minute ago at the most and began five minutes ago at the most.
    /// How far each is may be older news, but for what can no longer change.
    ///
    /// # Errors
    /// [`GatewayError`] where the list could not be read to its end: nothing may be concluded from it.
    pub async fn of(&self, order_id: &OrderId, since: Timestamp) -> Result<Vec<ListedCharge>, GatewayError> {
        let since = (since > Timestamp::EPOCH).then_some(since);
        // Held while pages are read: whoever asks meanwhile waits for them instead of asking, too.
        let mut index = self.index.lock().await;
        let now = self.clock.now();
        // What was read stays, whatever breaks off; how far it is complete is only raised once it is.
        let known = index.get_or_insert_with(|| Index {
            from: Some(now),
            until: now,
            read_at: now,
            charges: Charges::default(),
        });
        self.extend(known, order_id, since, now).await?;
        let mut charges = known.charges.by_order.get(order_id).cloned().unwrap_or_default();
        index.take_if(|index| !index.charges.is_whole);
        charges.sort_by_key(|charge| (charge.made_at, charge.attempt));
        Ok(charges)
    }

    /// Forgets what nobody has asked for in a while.
    pub async fn forget_if_idle(&self) {
        let now = self.clock.now();
        self.index.lock().await.take_if(|index| now.since(index.until) > KEPT_FOR);
    }

    /// Reads what is known so far, and not of that time or not lately.
    async fn extend(
        &self,
        known: &mut Index,
        order_id: &OrderId,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), GatewayError> {
        if let Some(from) = known.from.filter(|from| since.is_none_or(|since| since < *from)) {
            let older = Window { from: since, to: Some(from.plus(OVERLAP)) };
            self.read(older, order_id, &mut known.charges).await?;
            known.from = since;
        }
        if now.since(known.read_at) > FRESH_FOR || now.since(known.until) > self.max_age {
            let newer = Window { from: Some(known.until.minus(OVERLAP)), to: None };
            self.read(newer, order_id, &mut known.charges).await?;
            (known.until, known.read_at) = (now, self.clock.now());
        }
        Ok(())
    }

    async fn read(&self, window: Window, order_id: &OrderId, into: &mut Charges) -> Result<(), GatewayError> {
        let mut after: Option<ProviderToken> = None;
        loop {
            let page = self.gateway.charges(window, after.as_ref()).await?;
            for charge in page.charges {
                into.add(charge, order_id);
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

impl Default for Charges {
    fn default() -> Self {
        Self { by_order: HashMap::new(), count: 0, is_whole: true }
    }
}

impl Charges {
    /// What is read later says more of the same charge.
    fn add(&mut self, charge: ListedCharge, asked_for: &OrderId) {
        if !self.is_whole && charge.order_id != *asked_for {
            return;
        }
        let known = self.by_order.entry(charge.order_id.clone()).or_default();
        if let Some(known) = known.iter_mut().find(|known| known.reference == charge.reference) {
            *known = charge;
        } else {
            known.push(charge);
            self.count += 1;
        }
        if self.is_whole && self.count > MAX_CHARGES {
            self.by_order.retain(|order_id, _| order_id == asked_for);
            self.is_whole = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::adapters::memory::payment_gateway::SimulatedGateway;
    use crate::adapters::simulator::provider::{Provider, ProviderConfig};
    use crate::adapters::simulator::request::Operation;

    const ABANDON_AFTER: Duration = Duration::from_mins(15);

    /// A clock that is so many seconds further on each time it is looked at.
    struct Leaping(Arc<AtomicU64>, u64);

    impl Clock for Leaping {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH.plus(Duration::from_secs(self.0.fetch_add(self.1, Ordering::Relaxed)))
        }
    }

    /// How often the list is asked for by so many looks, if reading it takes so long and nothing else takes any time.
    async fn lists(looks: usize, seconds: u64, abandon_after: Duration) -> u64 {
        let time = Arc::new(AtomicU64::new(1_000_000));
        let theirs = Leaping(Arc::clone(&time), seconds);
        let provider = Arc::new(Provider::new(ProviderConfig::default(), Arc::new(theirs)));
        let gateway = Arc::new(SimulatedGateway::new(Arc::clone(&provider)));
        let history = History::new(gateway, Arc::new(Leaping(time, 0)), abandon_after);
        let (order_id, since) = ("ord_1".parse().expect("an id"), Timestamp::EPOCH.plus(Duration::from_secs(1)));
        for _ in 0..looks {
            history.of(&order_id, since).await.expect("the list is read");
        }
        provider.ledger().totals.requests.get(&Operation::List).copied().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_list_that_takes_long_to_read_is_fresh_from_its_end_on() {
        // The first look reads what is older, the second what came meanwhile.
        assert_eq!(lists(20, 40, ABANDON_AFTER).await, 2);
        assert_eq!(lists(20, 299, ABANDON_AFTER).await, 2);
    }

    #[tokio::test]
    async fn what_is_known_grows_no_older_than_its_bound() {
        assert_eq!(lists(20, 301, ABANDON_AFTER).await, 20);
        assert_eq!(lists(20, 101, Duration::from_mins(5)).await, 20, "orders are given up sooner");
    }
}
