//! Compares a stretch of the gateway's list with the store, in both directions.
//!
//! ```text
//! gateway's list ──► each charge ──► its order here:  charged there, not PAID here; twice; another amount
//!                                                     orphans, a day old ──► canceled
//! gateway's refunds ─► each refund ──► ours here:      unknown here; another amount or charge; bounced
//!                                                     not ours, of a charge of ours
//! PAID orders here ──► each charge there:             PAID here, not charged there
//! ```
//! What can be repaired by looking again is looked at again; what contradicts is a finding for a person.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::application::process_payment::{ProcessError, ProcessPayment};
use crate::application::prune::SHORTEST;
use crate::application::reconcile::Reconcile;
use crate::domain::evidence::{Evidence, Exchanges};
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::payment::{Payment, PaymentState};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::finding_repository::{Finding, FindingKind};
use crate::ports::order_repository::{RepositoryError, StoredOrder};
use crate::ports::payment_gateway::{GatewayError, ListedCharge, ListedStanding, PaymentGateway, Window};
use crate::ports::store::Store;

mod paid;
mod refunds;

/// How long a charge may be under way before it is compared: orders that are being paid differ, rightly.
const SETTLES_WITHIN: Duration = Duration::from_mins(10);

/// How old an object must be that nobody charges before it is canceled.
const ORPHANED_AFTER: Duration = Duration::from_hours(24);

/// A comparison of the gateway with the store.
pub struct Sweep {
    store: Store,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    process_payment: Arc<ProcessPayment>,
    reconcile: Arc<Reconcile>,
}

/// Whether a sweep may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It tells what it would do.
    Observe,
    /// It looks again at what differs, cancels orphans, and stores findings.
    Repair,
}

/// What a sweep has seen and done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Charge objects of ours on the gateway's list.
    pub charges: u64,
    /// PAID orders that were compared.
    pub paid_orders: u64,
    /// Refunds on the gateway's list, whoever made them.
    pub refunds: u64,
    /// Those of them that are nobody's here: neither this service nor a charge of the same stretch names them.
    pub unclaimed_refunds: u64,
    /// Orders and refunds that were looked at again because they differed.
    pub looked_at: u64,
    /// Objects that nobody will charge, canceled (or to be canceled, where nothing may be changed).
    pub orphans: u64,
    /// What a person has to look at.
    pub findings: Vec<Finding>,
}

/// Why a sweep broke off. What it had done stays done; repeating it is safe.
#[derive(Debug, Error)]
pub enum SweepError {
    /// The gateway did not answer.
    #[error("the gateway's charges or refunds could not be read")]
    Gateway(#[from] GatewayError),
    /// The database did not answer.
    #[error("the orders could not be read or written")]
    Repository(#[from] RepositoryError),
    /// An order could not be looked at again.
    #[error("an order that differs could not be looked at")]
    Order(#[from] ProcessError),
}

impl Sweep {
    /// A sweep over the same adapters as the service.
    pub fn new(
        store: Store,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        process_payment: Arc<ProcessPayment>,
        reconcile: Arc<Reconcile>,
    ) -> Self {
        Self { store, gateway, clock, process_payment, reconcile }
    }

    /// Compares everything that was made, paid or given back from `since` on; tells of its progress after each page.
    ///
    /// # Errors
    /// [`SweepError`]; repeat it.
    pub async fn run(
        &self,
        since: Timestamp,
        effect: Effect,
        progress: &(dyn Fn(&Swept) + Send + Sync),
    ) -> Result<Swept, SweepError> {
        let mut swept = Swept::default();
        let (mut confirmed, mut charged) = (HashSet::new(), HashMap::new());
        let window = Window { from: Some(since), to: None };
        let mut after = None;
        loop {
            let page = self.gateway.charges(window, after.as_ref()).await?;
            for charge in &page.charges {
                swept.charges += 1;
                if spared(&charge.order_id, self.compare(charge, effect, &mut swept).await)? {
                    confirmed.insert(charge.reference.clone());
                }
                if matches!(charge.standing, ListedStanding::Succeeded(_)) {
                    charged.insert(charge.reference.clone(), charge.order_id.clone());
                }
            }
            progress(&swept);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.compare_refunds(window, &charged, effect, &mut swept, progress).await?;
        self.compare_paid(since, effect, &confirmed, &mut swept, progress).await?;
        Ok(swept)
    }

    /// Compares a charge there with its order here; true where it pays that order, exactly.
    async fn compare(&self, charge: &ListedCharge, effect: Effect, swept: &mut Swept) -> Result<bool, SweepError> {
        let stored = self.store.orders.find(&charge.order_id).await?;
        let age = self.clock.now().since(charge.made_at);
        match (&charge.standing, stored) {
            (ListedStanding::Succeeded(_), None) if age >= SETTLES_WITHIN => {
                let detail = "charged for an order that is not known here";
                self.find(FindingKind::UnknownOrder, charge, detail, effect, swept).await?;
            }
            // By what it was paid, and whether that went back, is known no more: there is nothing to compare. A
            // charge that is younger than any history that was removed is not the one that paid it.
            (ListedStanding::Succeeded(_), Some(stored)) if stored.is_pruned() && age >= SHORTEST => {}
            (ListedStanding::Succeeded(taken), Some(stored)) => {
                let total = stored.order.total_amount();
                let is_named = stored.payment.as_ref().and_then(Payment::reference) == Some(&charge.reference);
                let is_second = stored.order.status() == OrderStatus::Paid && !is_named;
                if *taken != Some(total) && !is_second {
                    let detail = format!("took another amount than the order's {total}");
                    self.find(FindingKind::AmountDiffers, charge, &detail, effect, swept).await?;
                    return Ok(false);
                }
                return self.compare_success(charge, &stored, effect, swept).await;
            }
            (ListedStanding::Open, Some(StoredOrder { payment: Some(payment), .. }))
                if age >= ORPHANED_AFTER && !may_be_charged(&payment, charge) =>
            {
                swept.orphans += 1;
                if effect == Effect::Repair {
                    self.cancel_orphan(&payment, charge).await?;
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Compares a charge that took the order's amount, or is one too many, with how the order stands here.
    async fn compare_success(
        &self,
        charge: &ListedCharge,
        stored: &StoredOrder,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<bool, SweepError> {
        let (order, payment) = (&stored.order, stored.payment.as_ref());
        let is_named = payment.and_then(Payment::reference) == Some(&charge.reference);
        match order.status() {
            OrderStatus::Paid if is_named => return Ok(true),
            OrderStatus::Paid => {
                let paying = payment.and_then(Payment::reference).map_or("another charge", ProviderToken::as_str);
                let detail = format!("charged although it was paid by {paying}; compare both, and refund one of them");
                self.find(FindingKind::ChargedTwice, charge, &detail, effect, swept).await?;
            }
            OrderStatus::Failed => {
                let detail = match effect {
                    Effect::Observe => "charged after it had failed; a run without --dry-run has the charge refunded",
                    Effect::Repair => {
                        self.process_payment.compensate(order, &charge.reference).await?;
                        "charged after it had failed; the charge is being refunded"
                    }
                };
                self.find(FindingKind::ChargedNotPaid, charge, detail, effect, swept).await?;
            }
            OrderStatus::Pending if self.clock.now().since(charge.made_at) < SETTLES_WITHIN => {}
            OrderStatus::Pending => {
                swept.looked_at += 1;
                self.look_again(charge, stored, is_named, effect, swept).await?;
            }
        }
        Ok(false)
    }

    /// Looks at an order that is charged there and not paid here; a finding where that does not settle it.
    async fn look_again(
        &self,
        charge: &ListedCharge,
        stored: &StoredOrder,
        is_named: bool,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        let Some(payment) = stored.payment.as_ref().filter(|payment| !is_under_review(payment)) else {
            let detail = "charged, and the order waits for a person here";
            return self.find(FindingKind::ChargedNotPaid, charge, detail, effect, swept).await;
        };
        if effect == Effect::Observe {
            return Ok(());
        }
        let learns_it = is_named || matches!(payment.state, PaymentState::Preparing | PaymentState::Abandoning(_));
        if learns_it || payment.reference().is_none() {
            self.reconcile.resolve(payment).await?;
            return Ok(());
        }
        let detail = "charged by an object that this attempt does not know of".to_owned();
        self.process_payment.review(payment, detail.clone(), Evidence::default()).await?;
        self.find(FindingKind::ChargedNotPaid, charge, &detail, effect, swept).await
    }

    /// Cancels an object that nobody will charge. One that turns out to be charged is compared next time.
    async fn cancel_orphan(&self, payment: &Payment, charge: &ListedCharge) -> Result<(), SweepError> {
        let mut sent = Exchanges::new();
        let canceled = self.gateway.cancel(&payment.at(charge.attempt), &charge.reference, &mut sent).await;
        match canceled {
            Ok(_) | Err(GatewayError::Unknown { .. } | GatewayError::Rejected { .. }) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn find(
        &self,
        kind: FindingKind,
        charge: &ListedCharge,
        detail: &str,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        let finding = self.finding(kind, &charge.order_id, Some(&charge.reference), detail);
        self.keep(finding, effect, swept).await
    }

    fn finding(
        &self,
        kind: FindingKind,
        order_id: &OrderId,
        reference: Option<&ProviderToken>,
        detail: &str,
    ) -> Finding {
        let (order_id, reference) = (order_id.clone(), reference.cloned());
        Finding { kind, order_id, reference, detail: detail.to_owned(), found_at: self.clock.now() }
    }

    async fn keep(&self, finding: Finding, effect: Effect, swept: &mut Swept) -> Result<(), SweepError> {
        if effect == Effect::Repair {
            self.process_payment.report(&finding).await?;
        }
        swept.findings.push(finding);
        Ok(())
    }
}

/// Whether this object is the one that the payment, as it stands, is or may be charged by.
fn may_be_charged(payment: &Payment, charge: &ListedCharge) -> bool {
    let is_under_way = !matches!(
        payment.state,
        PaymentState::Succeeded { .. } | PaymentState::Canceled { .. } | PaymentState::Abandoned { .. }
    );
    is_under_way && payment.attempt == charge.attempt
}

fn is_under_review(payment: &Payment) -> bool {
    matches!(payment.state, PaymentState::Review { .. })
}

/// What one order of many comes to: its own trouble is logged and keeps no other from being compared.
fn spared<T: Default>(order_id: &OrderId, compared: Result<T, SweepError>) -> Result<T, SweepError> {
    compared.or_else(|error| {
        if error.is_of_the_world() {
            return Err(error);
        }
        tracing::error!(
            order.id = %order_id, error = &error as &dyn std::error::Error,
            "order {order_id} could not be compared with the gateway; the others are"
        );
        Ok(T::default())
    })
}

impl SweepError {
    /// Whether every other order would meet it as well.
    fn is_of_the_world(&self) -> bool {
        let is_away =
            |error: &GatewayError| matches!(error, GatewayError::Unavailable { .. } | GatewayError::Closed { .. });
        let is_down = |error: &RepositoryError| matches!(error, RepositoryError::Unavailable(_));
        match self {
            Self::Gateway(error) => is_away(error),
            Self::Repository(error) => is_down(error),
            Self::Order(ProcessError::Gateway { source, .. }) => is_away(source),
            Self::Order(ProcessError::Repository { source, .. }) => is_down(source),
            Self::Order(_) => false,
        }
    }
}
