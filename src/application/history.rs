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

/// How old what is known may be. What is looked for is older: charges of an earlier life of the database.
const FRESH_FOR: Duration = Duration::from_secs(30);

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

/// Every charge of a stretch of time that was read to its end.
struct Index {
    /// `None` from the beginning.
    from: Option<Timestamp>,
    until: Timestamp,
    charges: HashMap<OrderId, Vec<ListedCharge>>,
}

impl History {
    /// A history that knows nothing yet.
    pub fn new(gateway: Arc<dyn PaymentGateway>, clock: Arc<dyn Clock>) -> Self {
        Self { gateway, clock, index: Mutex::new(None) }
    }

    /// Every charge object that the gateway made for this order since then, oldest first, complete up to
    /// half a minute ago.
    ///
    /// # Errors
    /// [`GatewayError`] where the list could not be read to its end: nothing may be concluded from it.
    pub async fn of(&self, order_id: &OrderId, since: Timestamp) -> Result<Vec<ListedCharge>, GatewayError> {
        let since = (since > Timestamp::EPOCH).then_some(since);
        // Held while pages are read: whoever asks meanwhile waits for them instead of asking, too.
        let mut index = self.index.lock().await;
        let now = self.clock.now();
        let covered = match index.take() {
            Some(known) => self.extended(known, since, now).await?,
            None => Index { from: since, until: now, charges: self.listed(Window { from: since, to: None }).await? },
        };
        let mut charges = covered.charges.get(order_id).cloned().unwrap_or_default();
        *index = Some(covered);
        charges.sort_by(|one, other| (one.made_at, one.attempt).cmp(&(other.made_at, other.attempt)));
        Ok(charges)
    }

    /// Forgets what nobody has asked for in a while.
    pub async fn forget_if_idle(&self) {
        let now = self.clock.now();
        self.index.lock().await.take_if(|index| now.since(index.until) > KEPT_FOR);
    }

    async fn extended(
        &self,
        mut known: Index,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Index, GatewayError> {
        if let Some(from) = known.from.filter(|from| since.is_none_or(|since| since < *from)) {
            let older = self.listed(Window { from: since, to: Some(from.plus(OVERLAP)) }).await?;
            known.from = since;
            known.add(older);
        }
        if now.since(known.until) > FRESH_FOR {
            let newer = self.listed(Window { from: Some(known.until.minus(OVERLAP)), to: None }).await?;
            known.until = now;
            known.add(newer);
        }
        Ok(known)
    }

    async fn listed(&self, window: Window) -> Result<HashMap<OrderId, Vec<ListedCharge>>, GatewayError> {
        let mut charges: HashMap<OrderId, Vec<ListedCharge>> = HashMap::new();
        let mut after: Option<ProviderToken> = None;
        loop {
            let page = self.gateway.charges(window, after.as_ref()).await?;
            for charge in page.charges {
                charges.entry(charge.order_id.clone()).or_default().push(charge);
            }
            after = page.next;
            if after.is_none() {
                return Ok(charges);
            }
        }
    }
}

impl Index {
    /// What was read later says more of the same charge.
    fn add(&mut self, read: HashMap<OrderId, Vec<ListedCharge>>) {
        for (order_id, charges) in read {
            let known = self.charges.entry(order_id).or_default();
            known.retain(|old| charges.iter().all(|charge| charge.reference != old.reference));
            known.extend(charges);
        }
    }
}
