//! What an answer of the gateway asks for: settle, fence, park, or leave it to a person.
//!
//! Nothing is settled here that the gateway has not said about this very order, and no order fails
//! before its charge is seen to be impossible.

use std::time::Duration;

use crate::application::process_payment::{ProcessError, ProcessPayment, Settled, apart, storing};
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderError, OrderStatus};
use crate::domain::outcome::FailureReason;
use crate::domain::payment::{Payment, PaymentState, Settlement, Transition};
use crate::domain::refund::{Refund, RefundId, RefundPurpose, RefundState};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::{Finding, FindingKind};
use crate::ports::order_repository::{RepositoryError, Settling};
use crate::ports::payment_gateway::{Cancellation, Charge, GatewayError};

/// The longest that a payment rests between two looks.
const MAX_REST: Duration = Duration::from_hours(24);

/// Who asks for refunds that no person asked for.
pub(crate) const SERVICE: &str = "order-payments";

impl ProcessPayment {
    /// Does what the gateway's answer about a payment asks for.
    pub(crate) async fn conclude(
        &self,
        payment: &Payment,
        charge: Charge,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        match charge {
            Charge::Approved(reference) => self.succeed(payment, reference, evidence).await,
            Charge::Declined { reference, reason } => apart(self.decline(payment, reference, reason, evidence)).await,
            // Neither leaves anything behind that could still be charged.
            Charge::Refused(reason) | Charge::Canceled(reason) => apart(self.fail(payment, reason, evidence)).await,
            // Canceled, and nobody declined it: an earlier life of the database may have given it up.
            // The next attempt is begun at reconciliation's pace, so that a gateway which cancels whatever is
            // made is not asked without end.
            Charge::Void => apart(self.park_briefly(&payment.abandoning().with(evidence))).await,
            Charge::Pending => apart(self.park(&payment.unresolved().with(evidence))).await,
        }
    }

    async fn decline(
        &self,
        payment: &Payment,
        reference: ProviderToken,
        reason: FailureReason,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        let fencing = payment.fencing(reference, reason);
        // The decline is durable before anything is built on it: a crash here loses no reason.
        self.park_briefly(&fencing.clone().with(evidence)).await?;
        self.fence(&fencing.payment, Evidence::default()).await
    }

    /// Fails a declined order, stored as FENCING, once its charge is seen to be impossible.
    pub(crate) async fn fence(&self, fencing: &Payment, mut evidence: Evidence) -> Result<Settled, ProcessError> {
        let PaymentState::Fencing { armament, reason } = &fencing.state else {
            return Ok(Settled::Later(fencing.order().id().clone()));
        };
        let Some(reference) = armament.reference.as_ref().filter(|_| self.gateway.capabilities().cancels) else {
            let finding = "declined, and the gateway cannot make sure that no charge follows".to_owned();
            return self.review(fencing, finding, evidence).await;
        };
        match self.gateway.cancel(fencing, reference, &mut evidence.exchanges).await {
            Ok(Cancellation::Canceled) => self.fail(fencing, reason.clone(), evidence).await,
            Ok(Cancellation::Succeeded(reference)) => self.succeed(fencing, reference, evidence).await,
            Err(trouble) => self.wait_out(fencing, trouble, evidence).await,
        }
    }

    pub(super) async fn succeed(
        &self,
        payment: &Payment,
        reference: ProviderToken,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        apart(self.settle(payment, payment.paid(reference, self.clock.now()), evidence)).await
    }

    pub(super) async fn fail(
        &self,
        payment: &Payment,
        reason: FailureReason,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        apart(self.settle(payment, payment.failed(reason, self.clock.now()), evidence)).await
    }

    async fn settle(
        &self,
        payment: &Payment,
        settlement: Result<Settlement, OrderError>,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        let settlement = match settlement {
            Ok(settlement) => settlement.with(evidence),
            Err(OrderError::NotPending { id, .. }) => return Ok(Settled::Later(id)),
        };
        let order = &settlement.outcome.order;
        match self.store.orders.settle(&settlement).await.map_err(|error| storing(order.id(), error))? {
            Settling::Stored => {
                self.count_settled(order);
                Ok(Settled::Now(order.clone()))
            }
            Settling::Before => Ok(Settled::Before(order.clone())),
            Settling::MovedOn => {
                tracing::warn!(
                    order.id = %order.id(), payment.reference = ?settlement.payment.reference(),
                    "order {} is not {} yet: its payment was moved on meanwhile, or is under review",
                    order.id(), order.status(),
                );
                Ok(Settled::Later(order.id().clone()))
            }
            Settling::Contradicts(stored) => {
                apart(self.contradicted(&stored, &settlement)).await?;
                Ok(Settled::Before(stored))
            }
            Settling::ToldOtherwise => {
                let reference = settlement.payment.reference().map_or("without a name", ProviderToken::as_str);
                let finding = format!(
                    "the payment ({reference}) makes the order {}, but the outcome topic tells otherwise already",
                    order.status()
                );
                apart(self.review(payment, finding, settlement.evidence)).await
            }
        }
    }

    pub(crate) fn count_settled(&self, order: &Order) {
        metrics::counter!("order_payments_orders_settled_total", "status" => order.status().as_str()).increment(1);
        self.outcomes_waiting.notify_one();
    }

    /// A settled order never changes, whatever is learnt later: money that it cannot be paid with goes
    /// back, and a person has to look.
    async fn contradicted(&self, stored: &Order, settlement: &Settlement) -> Result<(), ProcessError> {
        let Some(reference) = settlement.payment.reference().filter(|_| is_paid(&settlement.outcome.order)) else {
            tracing::warn!(
                order.id = %stored.id(),
                "order {} is PAID, and an attempt of it that did not pay it has ended late", stored.id()
            );
            return Ok(());
        };
        if self.is_paid_by(stored, reference).await? {
            return Ok(());
        }
        let (kind, detail) = if is_paid(stored) {
            let detail = "charged although it was paid by another charge; compare both, and refund one of them";
            (FindingKind::ChargedTwice, detail)
        } else {
            self.compensate(stored, reference).await?;
            (FindingKind::ChargedNotPaid, "charged after it had failed; the charge is being refunded")
        };
        self.report(&self.finding(kind, stored, reference, detail)).await
    }

    /// Whether this very charge pays the order: an attempt that knows no name finds what a later one has made.
    async fn is_paid_by(&self, stored: &Order, reference: &ProviderToken) -> Result<bool, ProcessError> {
        let found = self.store.orders.find(stored.id()).await.map_err(|error| storing(stored.id(), error))?;
        let payment = found.filter(|found| is_paid(&found.order)).and_then(|found| found.payment);
        Ok(payment.is_some_and(|payment| payment.reference() == Some(reference)))
    }

    pub(super) fn finding(&self, kind: FindingKind, order: &Order, reference: &ProviderToken, detail: &str) -> Finding {
        Finding {
            kind,
            order_id: order.id().clone(),
            reference: Some(reference.clone()),
            detail: detail.to_owned(),
            found_at: self.clock.now(),
        }
    }

    /// Has a charge refunded that cannot pay its order any more. Asked for again, it is the same refund.
    pub(crate) async fn compensate(&self, order: &Order, reference: &ProviderToken) -> Result<(), ProcessError> {
        let refund = Refund {
            id: RefundId::compensating(order.id(), reference),
            order_id: order.id().clone(),
            reference: reference.clone(),
            amount: order.total_amount(),
            purpose: RefundPurpose::Compensation,
            requested_by: SERVICE.to_owned(),
            requested_at: self.clock.now(),
            state: RefundState::Requested,
        };
        let requested = self.store.refunds.request(&refund, order.total_amount()).await;
        requested.map(drop).map_err(|error| storing(order.id(), error))
    }

    /// Leaves a finding to a person; logs it the first time.
    pub(crate) async fn report(&self, finding: &Finding) -> Result<(), ProcessError> {
        let order_id = &finding.order_id;
        let is_new = self.store.findings.report(finding).await.map_err(|error| storing(order_id, error))?;
        if is_new {
            metrics::counter!("order_payments_findings_total", "kind" => finding.kind.as_str()).increment(1);
            tracing::error!(
                order.id = %order_id, payment.reference = ?finding.reference, finding.kind = finding.kind.as_str(),
                "order {order_id} needs a person: {}", finding.detail
            );
        }
        Ok(())
    }

    /// What to do when the gateway gave no answer: look later, ask a person, or let the caller wait.
    pub(crate) async fn wait_out(
        &self,
        payment: &Payment,
        trouble: GatewayError,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        let order_id = payment.order().id();
        match trouble {
            GatewayError::Unknown { .. } => {
                metrics::counter!("order_payments_unknown_answers_total").increment(1);
                if self.doubts_told.may_say() {
                    tracing::warn!(
                        order.id = %order_id, %trouble,
                        "order {order_id} has no known answer, and others may have none, too: they will be looked up"
                    );
                }
                self.park(&in_doubt(payment).with(evidence)).await
            }
            GatewayError::Rejected { detail } | GatewayError::Contradiction { detail } => {
                self.review(payment, detail, evidence).await
            }
            GatewayError::Unavailable { .. } | GatewayError::Closed { .. } => {
                // Where nothing was sent there is nothing to be written down.
                if !evidence.exchanges.is_empty() {
                    self.store_waiting(&payment.unchanged().with(evidence), None)
                        .await
                        .map_err(|error| storing(order_id, error))?;
                }
                Err(ProcessError::Gateway { order_id: order_id.to_string(), source: trouble })
            }
        }
    }

    /// Leaves the payment to reconciliation, which looks at it the later the longer it has been waiting.
    pub(crate) async fn park(&self, transition: &Transition) -> Result<Settled, ProcessError> {
        self.park_for(self.rest(&transition.payment), transition).await
    }

    /// Stores a step whose next one follows at once, or at the next look where this process dies.
    pub(crate) async fn park_briefly(&self, transition: &Transition) -> Result<Settled, ProcessError> {
        self.park_for(self.policy.first_look_after, transition).await
    }

    async fn park_for(&self, rest: Duration, transition: &Transition) -> Result<Settled, ProcessError> {
        let order_id = transition.payment.order().id();
        let due = self.clock.now().plus(rest);
        self.store_waiting(transition, Some(due)).await.map_err(|error| storing(order_id, error))?;
        metrics::counter!("order_payments_payments_parked_total", "state" => transition.payment.state.name())
            .increment(1);
        Ok(Settled::Later(order_id.clone()))
    }

    /// How long a payment rests: from seconds at first to a day.
    ///
    /// The older the attempt, the longer: each rest is a quarter of its age, a tenth more or less, so that
    /// payments that came to rest together do not all wake together.
    fn rest(&self, payment: &Payment) -> Duration {
        let first = self.policy.first_look_after;
        let age = self.clock.now().since(payment.begun_at);
        let rest = (age / 4).clamp(first, MAX_REST.max(first));
        rest.mul_f64(0.9 + 0.2 * spread(payment))
    }

    /// Leaves the payment to a person; nothing more is sent for it.
    pub(crate) async fn review(
        &self,
        payment: &Payment,
        finding: String,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        let order_id = payment.order().id();
        tracing::error!(order.id = %order_id, finding, "order {order_id} needs a person: {finding}");
        let stored = self.store_waiting(&payment.under_review(finding).with(evidence), None).await;
        stored.map_err(|error| storing(order_id, error))?;
        metrics::counter!("order_payments_payments_parked_total", "state" => "REVIEW").increment(1);
        Ok(Settled::Later(order_id.clone()))
    }

    pub(super) async fn store_waiting(
        &self,
        transition: &Transition,
        due: Option<Timestamp>,
    ) -> Result<(), RepositoryError> {
        self.store.orders.park(transition, due).await
    }
}

/// What is being canceled stays so: only its cancellation is in doubt.
fn in_doubt(payment: &Payment) -> Transition {
    match payment.state {
        PaymentState::Fencing { .. } | PaymentState::Abandoning(_) => payment.unchanged(),
        _ => payment.unresolved(),
    }
}

fn is_paid(order: &Order) -> bool {
    order.status() == OrderStatus::Paid
}

/// A number from 0 to 1 that is the payment's own, without chance: a test can repeat it.
fn spread(payment: &Payment) -> f64 {
    const PRIME: u32 = 16_777_619;
    let id = payment.order().id().as_str().bytes();
    let hash = id.fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME));
    f64::from(hash.wrapping_add(payment.attempt.number()) % 1_000) / 1_000.0
}
