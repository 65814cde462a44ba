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

/// How old what is known may be at the most, however long reading takes.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How far stretches overlap, because the provider's clock is not ours.
const OVERLAP: Duration = Duration::from_mins(10);

/// How long the index is kept when nobody asks. It may hold every charge of the account.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// The gateway's charges, by order.
pub struct History {
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    index: Mutex<Option<Index>>,
}

/// The most charges that are kept. Beyond it only those of the order that is asked for are, for this once.
const MAX_CHARGES: usize = 1_000_000;

/// Every charge of a stretch of time that was read to its end.
struct Index {
    /// `None` from the beginning.
    from: Option<Timestamp>,
    until: Timestamp,
    /// When it was read up to there.
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
    /// A history that knows nothing yet.
    pub fn new(gateway: Arc<dyn PaymentGateway>, clock: Arc<dyn Clock>) -> Self {
        Self { gateway, clock, index: Mutex::new(None) }
    }

    /// Every charge object that the gateway made for this order since then, oldest first: complete up to half
    /// a minute before the list was last read, and up to five minutes ago. How far each is may be older news, but for what can no longer change.
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
        if now.since(known.read_at) > FRESH_FOR || now.since(known.until) > MAX_AGE {
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
